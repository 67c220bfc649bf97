"""Is this project's result the one that the calibration runs gave?

A sequential test, valid however often one looks.

Source of the test: likelihood ratios of the pooled two-sample t under a shift of +-delta against
none, with Wald's bounds (A. Wald, Sequential Analysis, 1947; S. Rushton, Biometrika 37, 1950, for
t). Operating characteristics: benchmarks/operating_characteristics.py.
"""

import math
from collections.abc import Sequence

from scaffold.records.claim import Rule
from scaffold.records.judgment import Finding, Question, Verdict
from scaffold.rules.stats import (
    SampleStats,
    coarse_reason,
    equality_tolerance,
    pooled_sd,
    published_tolerance,
    rank_p,
)

NOISE = 10.0
"""How many times what a deterministic program was measured to differ from itself is still no
difference: one measurement of a spread is off by that much in one of ten (folded normal
distribution)."""

MIN_CALIBRATION_RUNS = 10
"""Fewer shipped runs do not say what spread to expect. Source: measured, 10 usable and 3 not
(docs/verdicts.md)."""


def noncentral_t_ratio(t: float, df: int, noncentrality: float) -> float:
    """Return f(t; df, noncentrality) / f(t; df, 0), densities of Student's t.

    Written as the ratio of two integrals that stay in range for every t, where the densities
    themselves underflow: exp(-d^2/2 * df/(df+t^2)) * I(d*t/sqrt(df+t^2)) / I(0), I(y) = integral
    over u > 0 of u^df exp(-(u-y)^2/2).

    Source: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 2 (1995), chapter 31,
    eq. 31.13 and the Hh function of Fisher. Agreement with scipy's nct to 1e-9:
    tests/unit/test_reproduction_rule.py.
    """
    squared = t * t
    shift = noncentrality * (t / math.sqrt(df + squared))
    exponent = -0.5 * noncentrality**2 * df / (df + squared)
    # 1e304 is enough.
    return math.exp(min(exponent + _log_integral(shift, df) - _log_integral(0.0, df), 700.0))


def _log_integral(shift: float, df: int) -> float:
    # The integrand has one mode. On the scale of its curvature there it is between a normal and a
    # gamma density of shape df + 1 >= 9, so that the trapezoid rule from 12 below to 24 above the
    # mode leaves out less than 1e-16.
    root = math.sqrt(shift * shift + 4.0 * df)
    # The same, without cancellation.
    mode = 0.5 * (shift + root) if shift >= 0 else 2.0 * df / (root - shift)
    scale = 1.0 / math.sqrt(1.0 + df / (mode * mode))
    peak = df * math.log(mode) - 0.5 * (mode - shift) ** 2
    step = scale / 16
    low = max(mode - 12.0 * scale, 0.0)
    points = (low + step * index for index in range(1, int((mode + 24.0 * scale - low) / step)))
    # (u - shift)^2 - (mode - shift)^2 without the difference of two large squares.
    total = math.fsum(
        math.exp(df * math.log(u / mode) - 0.5 * (u - mode) * (u + mode - 2.0 * shift))
        for u in points
    )
    return peak + math.log(step * total)


def ratios(own: SampleStats, calibration: SampleStats, delta_sd: float) -> tuple[float, float]:
    """Return likelihood ratios of a shift up and a shift down by `delta_sd` against no shift."""
    sd, df = pooled_sd(own, calibration)
    weight = math.sqrt(own.n * calibration.n / (own.n + calibration.n))
    t = (own.mean - calibration.mean) / sd * weight
    noncentrality = delta_sd * weight
    return noncentral_t_ratio(t, df, noncentrality), noncentral_t_ratio(t, df, -noncentrality)


def decide(own: SampleStats, calibration: SampleStats, delta_sd: float, rule: Rule) -> Verdict:
    """Return REPRODUCED, NOT_REPRODUCED, or INCONCLUSIVE so far."""
    up, down = ratios(own, calibration, delta_sd)
    if 0.5 * (up + down) >= 1.0 / rule.alpha:
        return Verdict.NOT_REPRODUCED
    return Verdict.REPRODUCED if max(up, down) <= rule.beta else Verdict.INCONCLUSIVE


def judge_reproduction(
    metric: str,
    runs: SampleStats,
    calibration: SampleStats,
    rule: Rule,
    noise: float | None = None,
) -> Finding:
    """Judge own values, in seed order, against the calibration runs.

    The first n at which the test decides stands; later values are not looked at, as a sequential
    test requires. It refuses only where an exact permutation test of the same runs does as well:
    real metrics have heavy tails.

    Args:
        metric: its name.
        runs: of this project, with their values.
        calibration: what is known of the calibration runs.
        rule: error rates and margins.
        noise: how far a deterministic program was measured to differ from itself; None for a
            program with chance.
    """
    values, half_digit = runs.values, runs.half_digit
    margin = next((margin.value for margin in rule.margins if margin.metric == metric), None)
    if not calibration.has_spread and (noise is not None or calibration.n >= MIN_CALIBRATION_RUNS):
        return _equal(
            metric, values, half_digit, calibration, max(NOISE * (noise or 0.0), margin or 0.0)
        )
    delta_sd = rule.delta_sd if margin is None else margin / max(calibration.sd, 1e-300)
    width = delta_sd * calibration.sd
    interval = (calibration.mean - width, calibration.mean + width)
    text = (
        f"sequential t, {calibration.n} calibration runs, alpha {rule.alpha:g}, beta"
        f" {rule.beta:g}, "
        + (f"margin {margin:g}" if margin is not None else f"margin {rule.delta_sd:g} sd")
    )

    def finding(
        verdict: Verdict, own: SampleStats, reason: str, more_seeds: int | None = None
    ) -> Finding:
        return Finding(
            question=Question.REPRODUCTION,
            metric=metric,
            verdict=verdict,
            reason=reason,
            rule=text,
            n=own.n,
            mean=own.mean,
            sd=own.sd if own.n > 1 else None,
            interval=interval,
            more_seeds=more_seeds,
        )

    own = SampleStats.of(values[:1], half_digit=half_digit)
    if calibration.n < MIN_CALIBRATION_RUNS:
        reason = (
            f"{calibration.n} calibration runs do not show the spread; at least"
            f" {MIN_CALIBRATION_RUNS} are needed"
        )
        return finding(Verdict.INCONCLUSIVE, SampleStats.of(values), reason)
    for n in range(1, min(len(values), rule.max_seeds) + 1):
        own = SampleStats.of(values[:n], half_digit=half_digit)
        verdict = decide(own, calibration, delta_sd, rule)
        if verdict is Verdict.NOT_REPRODUCED and not _is_refused_by_ranks(
            values[:n], calibration.values, rule
        ):
            continue  # one far value of a heavy tail; more seeds will tell
        if verdict is not Verdict.INCONCLUSIVE:
            shift = (own.mean - calibration.mean) / calibration.sd
            return finding(
                verdict,
                own,
                f"mean {shift:+.2f} sd from the calibration runs (mean {calibration.mean:.4g}, sd"
                f" {calibration.sd:.2g}) after {n} seed{'s' * (n > 1)}",
            )
    further_seeds = expected_further_seeds(own, calibration, delta_sd, rule)
    if own.n >= rule.max_seeds:
        return finding(
            Verdict.INCONCLUSIVE,
            own,
            f"undecided after the {rule.max_seeds} seeds that the rule allows",
        )
    return finding(
        Verdict.INCONCLUSIVE,
        own,
        f"undecided after {own.n}; about {further_seeds} more",
        further_seeds,
    )


def _is_refused_by_ranks(values: Sequence[float], shipped: Sequence[float], rule: Rule) -> bool:
    """Return whether the runs differ whatever the distribution.

    Where only a spread was published, two runs must show it.
    """
    return rank_p(values, shipped) <= rule.alpha if shipped else len(values) > 1


def expected_further_seeds(
    own: SampleStats, calibration: SampleStats, delta_sd: float, rule: Rule
) -> int:
    """Return the expected seeds until a decision, from 1 up to what the rule allows.

    Assumes further ones like those so far.
    """
    remaining = max(rule.max_seeds - own.n, 1)
    for further in range(1, remaining):
        projected = SampleStats(n=own.n + further, mean=own.mean, sd=own.sd or calibration.sd)
        if decide(projected, calibration, delta_sd, rule) is not Verdict.INCONCLUSIVE:
            return further
    return remaining


def _equal(
    metric: str,
    values: Sequence[float],
    half_digit: float,
    calibration: SampleStats,
    allowed: float,
) -> Finding:
    own = SampleStats.of(values, half_digit=half_digit)
    worst = max(values, key=lambda value: abs(value - calibration.mean))
    difference = abs(worst - calibration.mean)
    # Calibration runs are two at least: one value alone is the published one.
    is_published = calibration.n == 1
    equal = unclear = equality_tolerance(own, calibration)
    if is_published:
        equal, unclear = published_tolerance(calibration, half_digit)
    tolerance = max(equal, allowed)
    verdict = Verdict.REPRODUCED if difference <= tolerance else Verdict.NOT_REPRODUCED
    expected = (
        "the published value"
        if is_published
        else f"the one value of {calibration.n} calibration runs"
    )
    reason = f"differs by {difference:.3g} from {expected}"
    if verdict is Verdict.NOT_REPRODUCED and difference <= unclear:
        verdict, reason = Verdict.INCONCLUSIVE, coarse_reason(worst, calibration.mean)
    return Finding(
        question=Question.REPRODUCTION,
        metric=metric,
        verdict=verdict,
        reason=reason,
        rule="equality, since there is no spread to compare with"
        + (f"; {allowed:.3g} is noise of this program, or its margin" if allowed else ""),
        n=own.n,
        mean=own.mean,
        sd=own.sd if own.n > 1 else None,
        interval=(calibration.mean - tolerance, calibration.mean + tolerance),
    )
