"""The sequential test: its formula against scipy, its decisions, its edges."""

import math
import random

import pytest
from scipy import stats

from scaffold.records.claim import Margin, Rule
from scaffold.records.judgment import Verdict
from scaffold.rules.reproduction.sequential import decide, judge_reproduction, noncentral_t_ratio
from scaffold.rules.stats import SampleStats, rank_p

RULE = Rule()
CALIBRATION = SampleStats(n=30, mean=0.9, sd=0.01)


@pytest.mark.parametrize("df", [9, 20, 31, 60])
@pytest.mark.parametrize("shift", [-3.5, -0.7, 0.0, 1.9, 5.0])
@pytest.mark.parametrize("t", [-8.0, -1.3, 0.0, 0.4, 2.5, 11.0])
def test_ratio_equals_scipys_densities(t, df, shift):
    expected = stats.nct.pdf(t, df, shift) / stats.t.pdf(t, df)
    assert noncentral_t_ratio(t, df, shift) == pytest.approx(expected, rel=1e-8)


def test_ratio_stays_in_range_where_densities_underflow():
    assert math.isfinite(noncentral_t_ratio(1e6, 30, 2.0))
    assert 0 < noncentral_t_ratio(-1e6, 30, 2.0) < 1e-3


def judged(values, calibration=CALIBRATION, rule=RULE):
    return judge_reproduction("accuracy", SampleStats.of(values), calibration, rule)


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.9, 0.905, 0.898, 0.901, 0.899], Verdict.REPRODUCED),
        ([0.85, 0.85], Verdict.NOT_REPRODUCED),
        ([0.95, 0.95], Verdict.NOT_REPRODUCED),  # better by five sd is not the same program either
        ([0.9], Verdict.INCONCLUSIVE),
        ([0.910] * 10, Verdict.INCONCLUSIVE),
    ],
)
def test_words(values, verdict):
    assert judged(values).verdict is verdict


def test_first_decision_stands():
    good = [0.9, 0.905, 0.898, 0.901, 0.899]
    decided = judged(good)
    assert judged([*good, 0.5, 0.5]) == decided
    assert decided.n < len(good) + 1


def test_undecided_tells_how_many_more():
    finding = judged([0.9])
    assert finding.more_seeds is not None and 1 <= finding.more_seeds <= 9
    assert "about" in finding.reason


def test_rule_allows_no_more_seeds():
    finding = judged([0.91] * 3, rule=Rule(max_seeds=3))
    assert (finding.verdict, finding.more_seeds) == (Verdict.INCONCLUSIVE, None)
    assert "undecided after the 3 seeds" in finding.reason


def test_too_few_calibration_runs_decide_nothing():
    finding = judged([0.5, 0.5], SampleStats(n=9, mean=0.9, sd=0.01))
    assert finding.verdict is Verdict.INCONCLUSIVE and "9 calibration runs" in finding.reason
    assert (
        judged([0.5, 0.5], SampleStats(n=10, mean=0.9, sd=0.01)).verdict is Verdict.NOT_REPRODUCED
    )


def test_own_noise_is_no_excuse():
    # Learning rate too large: the mean is far off and the spread is huge.
    assert judged([0.59, 0.95, 0.20, 0.88]).verdict is not Verdict.REPRODUCED


def test_margin_in_metric_units_replaces_sd():
    rule = Rule(margins=(Margin(metric="accuracy", value=0.1, reason="what matters"),))
    assert judged([0.88, 0.88, 0.88], rule=rule).verdict is Verdict.REPRODUCED
    assert judged([0.88, 0.88, 0.88]).verdict is not Verdict.REPRODUCED


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(0.9, Verdict.REPRODUCED), (0.900009, Verdict.REPRODUCED), (0.91, Verdict.NOT_REPRODUCED)],
)
def test_zero_spread_is_equality_not_a_t_test(value, verdict):
    assert judged([value], SampleStats(n=12, mean=0.9, sd=0.0)).verdict is verdict


@pytest.mark.parametrize(
    ("n", "published", "own", "verdict"),
    [
        (12, (97.41, 0.005), (97.42, 0.005), Verdict.REPRODUCED),  # the last digit may turn
        (12, (97.41, 0.005), (97.44, 0.005), Verdict.NOT_REPRODUCED),
        (12, (0.9, 0.05), (0.8, 0.05), Verdict.NOT_REPRODUCED),  # so coarse a digit may not
        (12, (0.951, 0.0005), (1.0, 0.05), Verdict.NOT_REPRODUCED),  # and `1.0` was not rounded
        (1, (0.97, 0.005), (0.9741, 0.00005), Verdict.REPRODUCED),  # published: it rounds to it
        (1, (0.97, 0.005), (0.9761, 0.00005), Verdict.NOT_REPRODUCED),
        (1, (0.55, 0.005), (0.5, 0.05), Verdict.INCONCLUSIVE),
    ],
)
def test_zero_spread_compares_at_the_printed_rounding(n, published, own, verdict):
    calibration = SampleStats(n=n, mean=published[0], sd=0.0, half_digit=published[1])
    stats = SampleStats.of([own[0]], half_digit=own[1])
    assert judge_reproduction("accuracy", stats, calibration, RULE, noise=0.0).verdict is verdict


def test_error_rates_by_simulation():
    """At most alpha sound references are refused.

    At most beta of those 2 sd worse accepted (400 each, seeded).
    """
    draw = random.Random(7)

    def share(shift, verdict, repeats=400):
        count = 0
        for _ in range(repeats):
            calibration = SampleStats.of([draw.gauss(0, 1) for _ in range(30)])
            values = [draw.gauss(shift, 1) for _ in range(10)]
            count += (
                judge_reproduction("x", SampleStats.of(values), calibration, RULE).verdict
                is verdict
            )
        return count / repeats

    assert share(0.0, Verdict.NOT_REPRODUCED) <= 0.05
    assert share(2.0, Verdict.REPRODUCED) <= 0.05
    assert share(0.0, Verdict.REPRODUCED) >= 0.92


def test_few_equal_calibration_runs_decide_nothing_unless_deterministic():
    two = SampleStats(n=2, mean=0.9, sd=0.0)
    assert judged([0.9], two).verdict is Verdict.INCONCLUSIVE
    assert (
        judge_reproduction("a", SampleStats.of([0.9]), two, RULE, 0.0).verdict is Verdict.REPRODUCED
    )


def test_equality_means_the_same_for_small_metrics():
    assert judged([9e-6], SampleStats(n=12, mean=1e-6, sd=0.0)).verdict is Verdict.NOT_REPRODUCED


def test_huge_margins_do_not_overflow():
    rule = Rule(margins=(Margin(metric="accuracy", value=0.01, reason="r"),))
    assert judged([0.895, 0.895], SampleStats(n=30, mean=0.9, sd=1e-8), rule).verdict in Verdict


def test_decide_is_symmetric():
    for offset in (0.0, 0.005, 0.02, 0.05):
        up = decide(SampleStats(n=3, mean=0.9 + offset, sd=0.01), CALIBRATION, 2.0, RULE)
        assert up is decide(SampleStats(n=3, mean=0.9 - offset, sd=0.01), CALIBRATION, 2.0, RULE)


@pytest.mark.parametrize(("n", "m"), [(1, 10), (2, 10), (3, 10), (4, 6)])
def test_rank_p_equals_scipys_exact_test(n, m):
    draw = random.Random(f"{n} {m}")
    for _ in range(20):
        first, second = [draw.random() for _ in range(n)], [draw.random() + 0.3 for _ in range(m)]
        expected = stats.mannwhitneyu(first, second, method="exact").pvalue
        assert rank_p(first, second) == pytest.approx(expected, rel=1e-9)
        larger = stats.mannwhitneyu(first, second, method="exact", alternative="greater").pvalue
        assert rank_p(first, second, larger_only=True) == pytest.approx(larger, rel=1e-9)


def test_rank_p_counts_equal_values_as_they_are():
    assert rank_p([1.0, 1.0], [1.0, 1.0, 1.0]) == 1.0
    assert rank_p([2.0], [1.0, 1.0, 1.0]) == 0.5


def test_one_far_value_of_a_heavy_tail_refuses_nothing():
    shipped = [0.9 + 0.001 * i for i in range(-5, 5)]
    stats = SampleStats.of(shipped)

    def judged_with(values):
        return judge_reproduction("accuracy", SampleStats.of(values), stats, RULE).verdict

    assert judged_with([0.885]) is Verdict.INCONCLUSIVE
    assert judged_with([0.885, 0.899, 0.9, 0.901, 0.9, 0.8995]) is not Verdict.NOT_REPRODUCED
    assert judged_with([0.885, 0.884]) is Verdict.NOT_REPRODUCED


def test_a_deterministic_program_may_differ_by_its_noise_and_by_its_margin():
    stats = SampleStats(n=1, mean=3.5950e-02, sd=0.0)

    def equal(value, rule=RULE, noise=0.0):
        return judge_reproduction("accuracy", SampleStats.of([value]), stats, rule, noise).verdict

    assert equal(3.5928e-02) is Verdict.NOT_REPRODUCED
    assert equal(3.5928e-02, noise=5e-6) is Verdict.REPRODUCED
    assert equal(3.5928e-02, noise=1e-6) is Verdict.NOT_REPRODUCED
    margin = Rule(margins=(Margin(metric="accuracy", value=1e-4, reason="another machine"),))
    assert equal(3.5928e-02, margin) is Verdict.REPRODUCED
