"""What machines do to a metric, beside what seeds do."""

import pytest

from scaffold.rules.reproduction.machines import spread_over_machines

VALUES = {1000: 0.90, 1001: 0.92, 1002: 0.91, 1003: 0.95}


def only(values, comparisons=1):
    (between,) = spread_over_machines("accuracy", values, comparisons).between
    return between


def test_one_machine_tells_nothing():
    assert spread_over_machines("accuracy", {"a": VALUES}, 1) is None
    assert spread_over_machines("accuracy", {"a": VALUES, "b": {}}, 1) is None


def test_same_seeds_are_compared_by_pairs():
    """A shift far smaller than the spread over seeds is seen."""
    small = dict(zip(VALUES, (0.901, 0.9211, 0.9109, 0.951), strict=True))
    between = only({"a": VALUES, "b": small})
    assert (between.seeds, between.is_shown, between.is_identical) == (4, True, False)
    assert between.value == pytest.approx(0.001)
    # Differences 1, 1.1, 0.9, 1 thousandths: mean 1, sd 0.0816, t of 3 degrees 3.18245.
    assert between.interval == pytest.approx((0.000870, 0.001130), abs=1e-6)


def test_equal_to_the_last_digit():
    between = only({"a": VALUES, "b": dict(VALUES)})
    assert between.is_identical and not between.is_shown and between.value == 0


def test_different_seeds_are_compared_by_welchs_interval():
    # scipy.stats.ttest_ind(b, a, equal_var=False).confidence_interval() gives these ends.
    other = {2000: 0.95, 2001: 0.93, 2002: 0.99}
    between = only({"a": VALUES, "b": other})
    assert (between.seeds, between.is_identical) == (0, False)
    assert between.value == pytest.approx(0.0366667, abs=1e-6)
    from scipy import stats

    expected = stats.ttest_ind(
        list(other.values()), list(VALUES.values()), equal_var=False
    ).confidence_interval()
    assert between.interval == pytest.approx((expected.low, expected.high))
    assert not between.is_shown


def test_one_run_is_compared_by_the_prediction_interval_of_the_others():
    near, far = only({"a": VALUES, "b": {2000: 0.93}}), only({"a": VALUES, "b": {2000: 1.5}})
    assert (near.is_shown, far.is_shown) == (False, True)
    # sd 0.0216 of four, t of 3 degrees 3.18245, times sqrt(1 + 1/4).
    assert near.interval == pytest.approx((0.01 - 0.0768, 0.01 + 0.0768), abs=1e-4)
    assert not (near.is_open or far.is_open)


def test_one_run_on_each_says_nothing_unless_they_are_equal():
    assert only({"a": {1000: 0.9}, "b": {2000: 0.99}}).is_open
    assert not only({"a": {1000: 0.9}, "b": {1000: 0.9}}).is_open


def test_of_ten_comparisons_each_has_a_tenth_of_the_errors():
    import numpy as np

    draw, shown = np.random.default_rng(2), 0
    for _ in range(400):
        a, b = ({seed: float(draw.normal()) for seed in range(k, k + 20)} for k in (0, 100))
        shown += only({"a": a, "b": b}, 10).is_shown
    assert shown / 400 < 0.05 / 10 + 0.01
