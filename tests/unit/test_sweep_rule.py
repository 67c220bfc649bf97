"""Trials spread over ranges, and what their results show."""

import numpy as np
import pytest

from scaffold.rules.loop.sweep import (
    Choices,
    Edge,
    Range,
    Trial,
    best_first,
    edges,
    still_improves,
    trial_values,
)

RATE, WIDTH = Range(1e-4, 0.1, is_whole=False), Range(8, 64, is_whole=True)


def trial(rate, *results):
    return Trial(values={"lr": rate}, by_seed=dict(enumerate(results)))


def test_ranges_of_decades_are_swept_by_their_logarithm():
    assert (RATE.value(0.0), RATE.value(1.0)) == (1e-4, 0.1)
    assert RATE.value(1 / 3) == pytest.approx(1e-3)
    assert WIDTH.value(0.5) == 36
    assert Range(0.07, 0.7, is_whole=False).is_log  # 0.7 / 0.07 is 9.999999999999998
    assert not Range(-1.0, 100.0, is_whole=False).is_log
    for share in (0.0, 0.25, 1.0):
        assert RATE.share(RATE.value(share)) == pytest.approx(share, abs=0.002)


def test_the_first_trial_has_the_present_values_and_a_longer_sweep_goes_on():
    dimensions = {"lr": RATE, "width": WIDTH, "kind": Choices(("a", "b"))}
    present = {"lr": 0.01, "width": 16, "kind": "a", "other": 1}
    short, long = trial_values(dimensions, present, 8), trial_values(dimensions, present, 32)
    assert short[0] == {"lr": 0.01, "width": 16, "kind": "a"}
    assert long[: len(short)] == short and len(long) == 33
    assert all(type(one["width"]) is int for one in long)
    assert len({tuple(one.items()) for one in long}) == 33


def test_points_cover_a_range_more_evenly_than_chance():
    rates = [one["lr"] for one in trial_values({"lr": RATE}, {"lr": 1.0}, 16)[1:]]
    shares = np.sort([RATE.share(rate) for rate in rates])
    # The largest gap of 16 uniform points is 0.2 in the mean.
    assert np.diff([0.0, *shares, 1.0]).max() < 0.13


def test_a_space_of_few_points_ends():
    trials = trial_values({"kind": Choices(("a", "b", "c"))}, {"kind": "b"}, 16)
    assert sorted(one["kind"] for one in trials) == ["a", "b", "c"]


def test_the_best_has_a_result_for_every_seed():
    trials = [trial(1.0, 0.8, 0.8), trial(2.0, 0.99), trial(3.0), trial(4.0, 0.9, 0.8)]
    assert [one.values["lr"] for one in best_first(trials, "higher")] == [4.0, 1.0]
    assert [one.values["lr"] for one in best_first(trials, "lower")] == [1.0, 4.0]
    assert best_first([trial(1.0)], "higher") == []


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ((0.09, 0.07), {"lr": Edge.HIGH}),
        ((1.1e-4, 2e-4), {"lr": Edge.LOW}),
        ((0.09, 1e-4), {}),
        ((0.09, 0.01), {}),
        ((1.0, 0.09), {}),  # the present value lies outside, and is no trial of this range
        ((0.0, 1e-4), {}),
        ((1.0, 0.09, 0.07), {"lr": Edge.HIGH}),
        ((0.09,), {}),
    ],
)
def test_the_two_best_at_one_end_are_an_edge(rates, expected):
    ordered = [trial(rate, 0.9 - 0.01 * place) for place, rate in enumerate((*rates, 0.003))]
    assert edges({"lr": RATE}, ordered) == expected


def test_trials_that_are_equally_good_are_no_edge():
    assert edges({"lr": RATE}, [trial(rate, 0.9) for rate in (0.09, 0.08, 0.003)]) == {}


def test_edges_by_chance_alone_are_rare():
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(200):
        ordered = [trial(RATE.value(one), 1.0 - n) for n, one in enumerate(rng.random(16))]
        alarms += bool(edges({"lr": RATE}, ordered))
    assert alarms <= 0.1 * 200


@pytest.mark.parametrize(
    ("low", "high", "is_whole"),
    [
        (0.9, 0.9999, False),
        (1234.6, 1239.4, False),
        (1e-5, 0.1, False),
        (-0.3, 0.2, False),
        (3, 7, True),
    ],
)
def test_values_stay_in_their_range_and_differ(low, high, is_whole):
    values = [Range(low, high, is_whole).value(share / 16) for share in range(17)]
    assert all(low <= value <= high for value in values)
    assert len(set(values)) == (5 if is_whole else 17)


def test_a_choice_has_no_edge():
    kinds = Choices(("a", "b"))
    trials = [Trial(values={"kind": "a"}, by_seed={0: 1.0 - n}) for n in range(4)]
    assert edges({"kind": kinds}, trials) == {}


def test_a_curve_that_rises_at_its_end_still_improves():
    rng = np.random.default_rng(0)
    steps = np.arange(1, 41)
    rising, flat = 0.9 - 0.5 / steps**0.3, np.full(40, 0.9)
    noise = rng.normal(0, 0.001, 40)
    assert still_improves((rising + noise).tolist(), "higher")
    assert not still_improves((rising + noise).tolist(), "lower")
    assert still_improves((1 - rising + noise).tolist(), "lower")
    assert still_improves(rising[:7].tolist(), "higher") is None
    alarms = [
        still_improves((flat + rng.normal(0, 0.01, 40)).tolist(), "higher") for _ in range(200)
    ]
    assert sum(alarms) <= 0.06 * 200
