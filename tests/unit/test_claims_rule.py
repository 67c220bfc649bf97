"""Claims by kind, against statsmodels and scipy, in both directions."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import ttost_ind

from scaffold.records.claim import (
    EventClaim,
    Margin,
    RangeClaim,
    Rule,
    StepsToTargetClaim,
    ValueClaim,
)
from scaffold.records.judgment import Verdict
from scaffold.records.parsing import parse_record
from scaffold.rules.reproduction.claims import judge_claim
from scaffold.rules.stats import SampleStats, best_of_quantile

RULE = Rule()
COMMON = {
    "metric": "accuracy",
    "dataset": "d",
    "basis": "training",
    "source": {"url": "u", "words": "w"},
}
BAD = (Verdict.INCONSISTENT, Verdict.EXCEEDS)
CALIBRATION = SampleStats(n=30, mean=0.9, sd=0.01)


def judge(claim, own, calibration=CALIBRATION, series=(), direction="higher", rule=RULE, **more):
    return judge_claim(claim, own, calibration, series, direction, rule, **more)


def value(number, **more):
    return ValueClaim(**COMMON, value=number, **more)


@pytest.mark.parametrize(
    ("number", "selection", "direction", "verdict"),
    [
        (0.91, "one_run", "higher", Verdict.CONSISTENT),
        (0.95, "one_run", "higher", Verdict.INCONSISTENT),
        (0.95, "unknown", "higher", Verdict.UNTESTABLE),
        (0.85, "one_run", "higher", Verdict.EXCEEDS),
        (0.85, "unknown", "higher", Verdict.EXCEEDS),
        (0.85, "one_run", "lower", Verdict.INCONSISTENT),
        (0.95, "one_run", "lower", Verdict.EXCEEDS),
    ],
)
def test_one_value(number, selection, direction, verdict):
    own = SampleStats(n=4, mean=0.9, sd=0.01)
    finding = judge(value(number, selection=selection), own, direction=direction)
    assert finding.verdict is verdict
    if verdict is Verdict.EXCEEDS:
        assert "leaked test set" in finding.reason


def test_prediction_interval_is_the_textbook_one():
    own = SampleStats(n=4, mean=0.9, sd=0.5)  # the spread comes from calibration, not from own runs
    finding = judge(value(0.91, decimals=3), own)
    half = stats.t.ppf(0.975, 29) * 0.01 * np.sqrt(1 + 1 / 4) + 0.0005
    assert finding.interval == pytest.approx((0.9 - half, 0.9 + half), rel=1e-9)


def test_prediction_interval_holds_its_level_by_simulation():
    draw = np.random.default_rng(5)
    misses = 0
    for _ in range(2000):
        calibration, own = (
            SampleStats.of(draw.normal(size=20).tolist()),
            SampleStats.of(draw.normal(size=3).tolist()),
        )
        finding = judge(
            value(float(draw.normal()), decimals=9, selection="one_run"), own, calibration
        )
        misses += finding.verdict is not Verdict.CONSISTENT
    assert 0.03 < misses / 2000 < 0.075


def test_best_of_k_is_expected_to_be_better():
    own = SampleStats(n=10, mean=0.9, sd=0.01)
    assert judge(value(0.927, selection="one_run"), own).verdict is Verdict.INCONSISTENT
    assert judge(value(0.927, selection={"best_of": 5}), own).verdict is Verdict.CONSISTENT
    # For a loss the best is the lowest.
    assert (
        judge(value(0.873, selection={"best_of": 5}), own, direction="lower").verdict
        is Verdict.CONSISTENT
    )
    assert (
        judge(value(0.927, selection={"best_of": 5}), own, direction="lower").verdict
        is Verdict.EXCEEDS
    )


@pytest.mark.parametrize(("k", "n"), [(5, 1), (10, 3)])
def test_the_interval_of_the_best_of_k_holds_its_level_by_simulation(k, n):
    draw, misses = np.random.default_rng(7), 0
    for _ in range(500):
        calibration = SampleStats.of(draw.normal(size=20).tolist())
        own = SampleStats.of(draw.normal(size=n).tolist())
        best = value(float(draw.normal(size=k).max()), decimals=9, selection={"best_of": k})
        misses += judge(best, own, calibration).verdict is not Verdict.CONSISTENT
    assert 0.03 < misses / 500 < 0.075


def test_the_best_of_k_quantile_is_students_for_one_draw():
    for probability in (0.025, 0.5, 0.975):
        expected = stats.t.ppf(probability, 19) * np.sqrt(1 + 1 / 3)
        assert best_of_quantile(probability, 1, 3, 19) == pytest.approx(expected, abs=1e-3)


def test_a_published_best_below_what_the_best_here_would_be_is_exceeded():
    claim = value(0.903, decimals=4, selection={"best_of": 20})  # above the mean of a run here
    finding = judge(claim, SampleStats(n=10, mean=0.9, sd=0.01))
    assert finding.interval[0] > 0.903 and finding.verdict is Verdict.EXCEEDS
    lower = judge(
        value(0.897, decimals=4, selection={"best_of": 20}),
        SampleStats(n=10, mean=0.9, sd=0.01),
        direction="lower",
    )
    assert lower.verdict is Verdict.EXCEEDS


def test_a_deterministic_program_is_compared_as_printed():
    def once(claim, mean, **more):
        return judge(claim, SampleStats(n=1, mean=mean, sd=0.0, **more), None, noise=0.0).verdict

    assert once(value(1.88), 1.8839) is Verdict.CONSISTENT
    assert once(value(1.88, selection="one_run"), 1.86) is Verdict.INCONSISTENT
    assert once(value(97), 97.3, half_digit=0.05) is Verdict.CONSISTENT
    assert once(value(0.5), 0.5, half_digit=0.05) is Verdict.CONSISTENT


@pytest.mark.parametrize(
    ("published", "own", "half_digit", "verdict"),
    [
        (0.55, 0.5, 0.05, Verdict.UNTESTABLE),  # Python prints the share of a coin as 0.5
        (97.3, 97.0, 0.5, Verdict.UNTESTABLE),
        (0.951, 1.0, 0.05, Verdict.UNTESTABLE),
        (0.95, 1.0, 0.0, Verdict.EXCEEDS),
        (0.8, 0.9, 0.05, Verdict.EXCEEDS),
        (0.6, 0.5, 0.05, Verdict.INCONSISTENT),
        (0.85, 0.5, 0.05, Verdict.INCONSISTENT),
    ],
)
def test_the_digits_that_a_program_leaves_out_excuse_nothing(published, own, half_digit, verdict):
    stats = SampleStats(n=1, mean=own, sd=0.0, half_digit=half_digit)
    claim = value(published, selection="one_run")
    assert judge(claim, stats, None, noise=0.0).verdict is verdict


def test_one_run_of_a_program_with_chance_says_nothing_without_a_spread():
    finding = judge(value(0.9, selection="one_run"), SampleStats(n=1, mean=0.89, sd=0.0), None)
    assert finding.verdict is Verdict.UNTESTABLE and finding.more_seeds == 2
    assert "scaffold recipes calibrate" in finding.reason


def test_noise_and_margins_hold_for_a_deterministic_program_too():
    own = SampleStats(n=1, mean=3.5928e-02, sd=0.0)
    claim = value(3.5950e-02, selection="one_run")
    assert judge(claim, own, None, noise=0.0).verdict is not Verdict.CONSISTENT
    assert judge(claim, own, None, noise=1e-5).verdict is Verdict.CONSISTENT
    margin = RULE.model_copy(
        update={"margins": (Margin(metric="accuracy", value=1e-4, reason="rounding"),)}
    )
    assert judge(claim, own, None, noise=0.0, rule=margin).verdict is Verdict.CONSISTENT
    better = judge(value(3.5e-02, selection="one_run"), own, None, noise=1e-4)
    assert better.verdict is Verdict.CONSISTENT, (
        "a difference in the better direction within the noise is no leak"
    )


def test_a_standard_error_over_test_examples_is_no_spread_over_seeds():
    claim = value(0.680, standard_error=0.01, selection="one_run")
    own = SampleStats(n=1, mean=0.668, sd=0.0)
    assert judge(claim, own, None, noise=0.0).verdict is Verdict.CONSISTENT
    assert (
        judge(claim, SampleStats(n=1, mean=0.64, sd=0.0), None, noise=0.0).verdict
        is Verdict.INCONSISTENT
    )


def test_a_standard_error_of_a_mean_and_a_mean_without_its_spread():
    of_mean = value(0.9, decimals=4, standard_error=0.002, n=25, selection="mean")
    assert of_mean.deviation == pytest.approx(0.01)
    assert judge(of_mean, SampleStats(n=10, mean=0.9, sd=0.01), None).rule.startswith(
        "CONSISTENT if two one-sided t tests"
    )
    bare = value(0.9, decimals=4, n=16, selection="mean")
    wide = judge(value(0.9, decimals=4, selection="one_run"), SampleStats(n=4, mean=0.9, sd=0.01))
    narrow = judge(bare, SampleStats(n=4, mean=0.9, sd=0.01))
    assert narrow.interval[1] - narrow.interval[0] < wide.interval[1] - wide.interval[0]
    assert "of the mean of 16 runs" in narrow.rule


def test_consistent_says_how_much_it_excludes():
    known = judge(value(0.9, decimals=4, selection="one_run"), SampleStats(n=4, mean=0.9, sd=0.01))
    assert "would have been consistent" in known.reason and "excludes little" not in known.reason
    unknown = judge(value(68.0, selection="one_run"), SampleStats(n=3, mean=64.1, sd=1.8), None)
    assert unknown.verdict is Verdict.CONSISTENT and "which excludes little" in unknown.reason


def test_mean_and_spread_agrees_with_statsmodels_tost():
    draw = np.random.default_rng(3)
    published = stats.zscore(draw.normal(size=30), ddof=1) * 0.01 + 0.9
    for shift in (0.0, 0.004, 0.008, 0.012, 0.016, 0.02, 0.03):
        own = stats.zscore(draw.normal(size=6), ddof=1) * 0.01 + 0.9 + shift
        claim = value(0.9, decimals=9, sd=0.01, n=30, selection="mean")
        finding = judge(claim, SampleStats.of(own.tolist()), None)
        p = ttost_ind(own, published, -0.02, 0.02)[0]
        # One of the ten looks: their errors add up to alpha.
        assert (finding.verdict is Verdict.CONSISTENT) == bool(p <= 0.05 / 10), (shift, p)


def test_rounding_of_a_published_mean_confirms_nothing():
    claim = value(0.9, decimals=1, sd=0.01, n=20, selection="mean")  # 0.85 to 0.95
    finding = judge(claim, SampleStats(n=10, mean=0.94, sd=0.01), None)
    assert finding.verdict is Verdict.UNTESTABLE
    exact = value(0.9, decimals=3, sd=0.01, n=20, selection="mean")
    assert judge(exact, SampleStats(n=10, mean=0.9, sd=0.01), None).verdict is Verdict.CONSISTENT


def _ends(claim, draws, calibration=None, series=None):
    """Return the first verdict that decides, when one looks after every run."""
    for n in range(1, len(draws) + 1):
        own = SampleStats.of(draws[:n])
        finding = judge(claim, own, calibration, series[:n] if series else ())
        if not finding.more_seeds:
            return finding.verdict
    return Verdict.UNTESTABLE


def test_looks_after_every_run_refuse_a_sound_reference_no_more_than_alpha_says():
    draw, refused = np.random.default_rng(11), 0
    for _ in range(600):
        published = SampleStats.of(draw.normal(size=3).tolist())
        claim = value(published.mean, decimals=9, sd=published.sd, n=3, selection="mean")
        refused += _ends(claim, draw.normal(size=10).tolist()) in BAD
    assert refused / 600 < 0.07


def test_looks_after_every_run_confirm_a_difference_of_the_margin_no_more_than_alpha_says():
    draw, confirmed = np.random.default_rng(12), 0
    for _ in range(600):
        published = SampleStats.of(draw.normal(size=30).tolist())
        claim = value(published.mean, decimals=9, sd=1.0, n=30, selection="mean")
        ended = _ends(claim, draw.normal(RULE.delta_sd, size=10).tolist())
        confirmed += ended is Verdict.CONSISTENT
    assert confirmed / 600 < 0.07


def test_looks_after_every_run_refuse_an_event_that_may_be_no_more_than_alpha_says():
    draw, ended = np.random.default_rng(13), 0
    claim = EventClaim(**COMMON, reaches={"threshold": 0.5, "within_steps": 50})
    for _ in range(600):
        series = [curve(10 if reached else None) for reached in draw.random(10) < 0.5]
        ended += _ends(claim, [1.0] * 10, None, series) is Verdict.CONSISTENT
    assert ended / 600 < 0.07


@pytest.mark.parametrize(
    ("mean", "verdict"),
    [(0.9, Verdict.CONSISTENT), (0.93, Verdict.EXCEEDS), (0.87, Verdict.INCONSISTENT)],
)
def test_mean_and_spread_words(mean, verdict):
    claim = value(0.9, sd=0.005, n=30, selection="mean")
    assert judge(claim, SampleStats(n=6, mean=mean, sd=0.005), None).verdict is verdict


def test_mean_and_spread_with_too_few_runs_says_so():
    finding = judge(
        value(0.9, sd=0.005, n=2, selection="mean"), SampleStats(n=1, mean=0.905, sd=0.0), None
    )
    assert finding.verdict is Verdict.UNTESTABLE and finding.more_seeds


@pytest.mark.parametrize(
    ("bounds", "verdict"),
    [
        ({"at_least": 0.88}, Verdict.CONSISTENT),
        ({"at_least": 0.92}, Verdict.INCONSISTENT),
        ({"at_most": 0.92}, Verdict.CONSISTENT),
        ({"at_most": 0.88}, Verdict.INCONSISTENT),
        ({"at_least": 0.88, "at_most": 0.92}, Verdict.CONSISTENT),
        ({"at_least": 0.9}, Verdict.UNTESTABLE),
    ],
)
def test_range(bounds, verdict):
    finding = judge(RangeClaim(**COMMON, **bounds), SampleStats(n=4, mean=0.9, sd=0.01))
    assert finding.verdict is verdict


def test_a_range_is_not_decided_by_one_run_of_a_program_with_chance():
    claim = RangeClaim(**COMMON, at_least=0.9)
    for mean in (0.89, 0.91, 0.5):
        one = judge(claim, SampleStats(n=1, mean=mean, sd=0.0), None)
        assert one.verdict is Verdict.UNTESTABLE and one.more_seeds
    fixed = judge(claim, SampleStats(n=1, mean=0.91, sd=0.0), None, noise=0.0)
    assert fixed.verdict is Verdict.CONSISTENT
    noisy = judge(claim, SampleStats(n=1, mean=0.91, sd=0.0), None, noise=0.01)
    assert noisy.verdict is Verdict.UNTESTABLE


def test_looks_after_every_run_refuse_a_range_no_more_than_alpha_says():
    draw, refused = np.random.default_rng(14), 0
    for _ in range(600):
        refused += _ends(RangeClaim(**COMMON, at_least=0.0), draw.normal(size=10).tolist()) in BAD
    assert refused / 600 < 0.07


def curve(first):
    return tuple((step, 1.0 if first is not None and step >= first else 0.0) for step in range(100))


@pytest.mark.parametrize(
    ("firsts", "verdict"),
    [
        ([10] * 5, Verdict.CONSISTENT),
        ([10] * 4, Verdict.UNTESTABLE),
        ([60] * 5, Verdict.INCONSISTENT),
        ([None] * 5, Verdict.INCONSISTENT),
        ([10, 60, 10, 60, 10], Verdict.UNTESTABLE),
    ],
)
def test_event(firsts, verdict):
    claim = EventClaim(**COMMON, reaches={"threshold": 0.5, "within_steps": 50})
    own = SampleStats(n=len(firsts), mean=1.0, sd=0.0)
    assert judge(claim, own, None, [curve(first) for first in firsts]).verdict is verdict


@pytest.mark.parametrize(
    ("steps", "firsts", "verdict"),
    [
        (20, [18, 20, 23], Verdict.CONSISTENT),
        (5, [18, 20, 23], Verdict.INCONSISTENT),
        (90, [18, 20, 23], Verdict.EXCEEDS),
        (20, [18, 20], Verdict.UNTESTABLE),
        (20, [18, None, 20], Verdict.UNTESTABLE),
        (20, [None] * 5, Verdict.INCONSISTENT),
    ],
)
def test_steps_to_target(steps, firsts, verdict):
    claim = StepsToTargetClaim(**COMMON, steps_to={"threshold": 0.5, "steps": steps})
    own = SampleStats(n=len(firsts), mean=1.0, sd=0.0)
    assert judge(claim, own, None, [curve(first) for first in firsts]).verdict is verdict


def test_a_claim_without_a_budget_is_judged_by_no_run():
    claim = value(0.9, budget="unknown")
    for mean in (0.1, 0.9, 1.0):
        finding = judge(claim, SampleStats(n=10, mean=mean, sd=0.01))
        assert finding.verdict is Verdict.UNTESTABLE and "without a budget" in finding.reason
        assert not finding.more_seeds


def test_claim_texts():
    assert value(0.97, decimals=4, sd=0.005, n=30).text == "0.9700 (sd 0.005, 30 runs)"
    assert value(1.88).text == "1.88"
    assert value(25.0).text == "25"
    assert RangeClaim(**COMMON, at_least=0.99).text == "at least 0.99"
    assert (
        EventClaim(**COMMON, reaches={"threshold": 195, "within_steps": 500}).text
        == "195 within 500 steps"
    )


def test_a_program_without_chance_is_judged_by_its_one_run():
    claim = value(0.91, decimals=3, sd=0.01, n=5, selection="mean")
    one = judge(claim, SampleStats(n=1, mean=0.5, sd=0.0), None, noise=0.0)
    assert one.verdict is Verdict.INCONSISTENT
    assert judge(claim, SampleStats(n=1, mean=0.91, sd=0.0), None).verdict is Verdict.UNTESTABLE


def test_consistent_with_the_best_of_k_says_so():
    finding = judge(value(0.927, selection={"best_of": 5}), SampleStats(n=10, mean=0.9, sd=0.01))
    assert "inside what the best of 5 further runs would give" in finding.reason


@pytest.mark.parametrize(
    ("written", "half_digit", "text"),
    [
        ("value: 0.90", 0.005, "0.90"),
        ("value: 90.0", 0.05, "90.0"),
        ("value: 90", 0.5, "90"),
        ("value: 0.900\nsd: 0.01\nn: 5", 0.0005, "0.900 (sd 0.01, 5 runs)"),
        ("value: 0.90\ndecimals: 1", 0.05, "0.9"),
    ],
)
def test_a_published_number_has_the_digits_that_are_written(written, half_digit, text):
    claim = (
        f"metric: a\ndataset: d\nbasis: training\nsource: {{url: README.md, words: w}}\n{written}"
    )
    read = parse_record(ValueClaim, claim, source="recipe.yaml")
    assert read.half_digit == pytest.approx(half_digit) and read.text == text
