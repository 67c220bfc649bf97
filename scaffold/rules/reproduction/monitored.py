"""Judge monitored metrics, and the spread of judged ones, against the calibration runs. Pure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median

from scaffold.records.evidence import Calibration, JudgedRun, MetricValue
from scaffold.records.judgment import Finding, Question, Verdict
from scaffold.records.metric import Metric
from scaffold.records.recipe import Recipe
from scaffold.rules.reproduction.sequential import MIN_CALIBRATION_RUNS
from scaffold.rules.stats import SampleStats, equality_tolerance, rank_p, t_two_sided_p


def own_stats(metric: Metric, runs: Sequence[JudgedRun]) -> SampleStats:
    """Return the statistics of a metric of own runs."""
    return _stats([run.metrics[metric.name] for run in runs])


def calibration_stats(metric: Metric, calibration: Calibration | None) -> SampleStats | None:
    """Return those of the calibration runs; None without any."""
    values = (
        [run.metrics[metric.name] for run in calibration.runs if metric.name in run.metrics]
        if calibration
        else []
    )
    return _stats(values) if values else None


def _stats(values: Sequence[MetricValue]) -> SampleStats:
    return SampleStats.of(
        [value.value for value in values], half_digit=min(value.half_digit for value in values)
    )


def judge_monitored(
    recipe: Recipe,
    runs: Sequence[JudgedRun],
    calibration: Calibration | None,
    judged: Sequence[str],
) -> list[Finding]:
    """Judge each monitored metric and the spread of the judged ones against calibration.

    The level is divided by their number (Bonferroni).
    """
    statistics = [(metric, calibration_stats(metric, calibration)) for metric in recipe.metrics]
    shipped = [
        (metric, stats)
        for metric, stats in statistics
        if stats is not None and stats.n >= MIN_CALIBRATION_RUNS
    ]
    means = [
        (metric, stats)
        for metric, stats in shipped
        if metric.monitored and metric.name not in judged
    ]
    spreads = [
        (metric, stats)
        for metric, stats in shipped
        if metric.name in judged and len(runs) > 1 and stats.has_spread
    ]
    if not means and not spreads:
        return []
    alpha = recipe.rule.monitor_alpha / (len(means) + len(spreads))
    tests: list[tuple[Callable[..., Finding], Callable[..., float], Metric, SampleStats]] = [
        *((_monitor_mean, rank_p, *one) for one in means),
        *((_monitor_spread, _rank_p_of_spread, *one) for one in spreads),
    ]
    findings = []
    for judge, p_of_ranks, metric, stats in tests:
        own = own_stats(metric, runs)
        p = p_of_ranks(own.values, stats.values)
        findings.append(_by_ranks(judge(metric, stats, own, alpha), p, alpha, stats.n))
    return findings


def _seeds_until_ranks_can_speak(n: int, shipped: int, alpha: float) -> int:
    """Return further seeds until the most extreme order of all values has a p below alpha.

    There are two such orders among all divisions.
    """
    return next(
        seeds for seeds in range(100) if 2.0 / math.comb(n + seeds + shipped, shipped) < alpha
    )


def _by_ranks(finding: Finding, p: float, alpha: float, shipped: int) -> Finding:
    """Keep a flag of a normal-theory test only if an exact permutation test flags the runs too."""
    if finding.verdict is not Verdict.UNEXPECTED or p < alpha:
        return finding
    missing = _seeds_until_ranks_can_speak(finding.n, shipped, alpha)
    if missing:
        reason = (
            f"{finding.reason}; {finding.n} seeds are too few to say so of any distribution,"
            f" {missing} more can"
        )
        return replace(finding, verdict=Verdict.INCONCLUSIVE, reason=reason, more_seeds=missing)
    reason = f"{finding.reason}; by ranks, whatever the distribution, p {p:.2g}"
    return replace(finding, verdict=Verdict.EXPECTED, reason=reason)


def _rank_p_of_spread(values: Sequence[float], shipped: Sequence[float]) -> float:
    """Test by ranks whether values lie further from their median than those of calibration."""
    apart = [[abs(value - median(side)) for value in side] for side in (values, shipped)]
    return rank_p(apart[0], apart[1], larger_only=True)


def _monitor_mean(metric: Metric, stats: SampleStats, own: SampleStats, alpha: float) -> Finding:
    difference = max(abs(own.mean - stats.mean) - own.half_digit, 0.0)
    if stats.has_spread:
        # The calibration's sd alone: one own run has none, and a faulty program's own spread must
        # not excuse it.
        p = t_two_sided_p(difference / (stats.sd * (1 / own.n + 1 / stats.n) ** 0.5), stats.n - 1)
    else:
        p = float(difference <= equality_tolerance(own, stats))
    shift = (
        f"{(own.mean - stats.mean) / stats.sd:+.2f} sd"
        if stats.has_spread
        else f"{own.mean - stats.mean:+.3g}"
    )
    return Finding(
        question=Question.MONITORED,
        metric=metric.name,
        verdict=Verdict.UNEXPECTED if p < alpha else Verdict.EXPECTED,
        reason=f"{shift} from calibration, p {p:.2g}",
        rule=f"UNEXPECTED if p of a t test against calibration is below {alpha:.2g}",
        n=own.n,
        mean=own.mean,
        sd=own.sd if own.n > 1 else None,
    )


def _monitor_spread(metric: Metric, stats: SampleStats, own: SampleStats, alpha: float) -> Finding:
    from scipy.special import fdtrc

    ratio = (own.sd / stats.sd) ** 2
    p = float(fdtrc(own.n - 1, stats.n - 1, ratio))
    return Finding(
        question=Question.MONITORED,
        metric=f"sd of {metric.name}",
        verdict=Verdict.UNEXPECTED if p < alpha else Verdict.EXPECTED,
        reason=f"sd {ratio**0.5:.2f} x that of calibration, p {p:.2g}",
        rule=f"UNEXPECTED if p of an F test for a larger sd is below {alpha:.2g}",
        n=own.n,
        sd=own.sd,
    )
