"""Examples drawn in proportion to their error, and what a tag's share of the draws says."""

import numpy as np
import pytest

from scaffold.rules.loop.tally import Reviewed, draw_by_error, tally


def test_of_wrong_and_right_each_wrong_one_is_drawn_once_at_most():
    errors = [0.0, 1.0, 1.0, 0.0, 1.0, 1.0]
    assert list(draw_by_error(errors, 4, 4, 0.3)) == [0, 1, 1, 0, 1, 1]
    assert sum(draw_by_error(errors, 4, 2, 0.99)) == 2


def test_a_large_error_is_drawn_in_proportion():
    assert list(draw_by_error([1.0, 8.0, 1.0], 10, 10, 0.5)) == [1, 8, 1]


def test_draws_say_the_share_of_the_error_without_bias():
    rng = np.random.default_rng(0)
    errors = rng.exponential(size=400) ** 2
    is_tagged = rng.random(400) < 0.3
    truth = errors[is_tagged].sum() / errors.sum()
    shares = []
    for start in np.linspace(0, 1, 50, endpoint=False):
        draws = np.array(list(draw_by_error(errors, errors.sum(), 100, start)))
        assert draws.sum() == 100
        shares.append(draws[is_tagged].sum() / 100)
    assert np.mean(shares) == pytest.approx(truth, abs=0.002)


def test_a_share_caps_what_mending_it_gains():
    examples = [Reviewed(draws=1, tags={"blurry"})] * 30 + [Reviewed(draws=1, tags={"dog"})] * 20
    blurry, dog = tally([*examples, *[Reviewed(draws=1, tags=())] * 50], 0.04)
    assert (blurry.tag, blurry.draws, blurry.share) == ("blurry", 30, 0.3)
    # statsmodels.stats.proportion.proportion_confint(30, 100, method="wilson")
    assert blurry.interval == pytest.approx((0.218949, 0.395849), abs=1e-6)
    assert blurry.ceiling == pytest.approx(0.012)
    assert blurry.ceiling_interval == pytest.approx((0.04 * 0.218949, 0.04 * 0.395849), abs=1e-6)
    assert dog.share == 0.2


def test_an_example_with_two_tags_counts_for_both():
    both = tally([Reviewed(draws=3, tags=("blurry", "dog")), Reviewed(draws=1, tags=("dog",))], 0.1)
    assert {one.tag: one.share for one in both} == {"dog": 1.0, "blurry": 0.75}


def test_mere_suspects_have_no_share_of_the_error():
    assert tally([Reviewed(draws=0, tags={"wrong label"}), Reviewed(draws=1, tags={"x"})], 0.1) == (
        tally([Reviewed(draws=1, tags={"x"})], 0.1)
    )
    assert tally([Reviewed(draws=0, tags={"wrong label"})], 0.1) == ()
