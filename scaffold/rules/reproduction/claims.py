"""Does what runs here give agree with the published number? One rule for each kind of claim. Pure.

A published number without spread can be refuted or found consistent, never more. None of the rules
uses a fixed tolerance, the interval of the mean alone, or overlapping error bars: their false
alarms are in docs/verdicts.md.
"""

import math
from collections.abc import Sequence

from scaffold.records.claim import (
    Claim,
    EventClaim,
    RangeClaim,
    Rule,
    Selection,
    StepsToTargetClaim,
    ValueClaim,
)
from scaffold.records.judgment import Finding, Verdict
from scaffold.rules.reproduction.events import Series, judge_event, judge_steps
from scaffold.rules.reproduction.finding import claim_finding, is_better, published_stats
from scaffold.rules.reproduction.looks import look_alpha
from scaffold.rules.reproduction.sequential import NOISE
from scaffold.rules.stats import (
    NORMAL_QUANTILE,
    SampleStats,
    best_of_quantile,
    coarse_reason,
    pooled_sd,
    published_tolerance,
    t_quantile,
    t_two_sided_p,
)


def judge_claim(
    claim: Claim,
    own: SampleStats,
    calibration: SampleStats | None,
    series: Sequence[Series],
    direction: str,
    rule: Rule,
    noise: float | None = None,
) -> Finding:
    """Judge one claim.

    Args:
        claim: the published number.
        own: statistics of this project's runs, at least one.
        calibration: those of the calibration runs, which give the spread when there are any.
        series: (step, value) pairs of the metric for each own run, for claims about when something
            is reached.
        direction: `lower` or `higher`, which way is better.
        rule: error rates.
        noise: how far a deterministic program was measured to differ from itself; None for a
            program with chance.
    """
    if claim.budget == "unknown":
        reason = (
            "published without a budget: how long was trained is not said, so no run here can be"
            " compared with it"
        )
        return claim_finding(claim, own, Verdict.UNTESTABLE, reason, "claim without a budget")
    if isinstance(claim, RangeClaim):
        return _test_range(claim, own, calibration, rule, noise)
    if isinstance(claim, EventClaim):
        return judge_event(claim, own, series, direction, rule)
    if isinstance(claim, StepsToTargetClaim):
        return judge_steps(claim, own, series, direction, rule)
    if claim.deviation is not None and claim.n is not None:
        published = SampleStats(n=claim.n, mean=claim.value, sd=claim.deviation)
        alpha = _look(own.n, rule, noise)
        return _test_mean(claim, published, own, direction, rule, alpha)
    if claim.standard_error is not None:
        return _test_over_examples(claim, claim.standard_error, own, calibration, direction)
    return _test_value(claim, own, calibration, direction, rule, noise)


def _look(n: int, rule: Rule, noise: float | None) -> float:
    """Return the level of a look at n runs; a program without chance is looked at once."""
    return rule.alpha if noise is not None else look_alpha(n, rule)


def _outside(
    claim: ValueClaim, own_range: tuple[float, float], direction: str
) -> tuple[Verdict, str]:
    """Return the verdict for a published value outside the range of what is expected here."""
    if is_better(own_range[0], claim.value, direction) and is_better(
        own_range[1], claim.value, direction
    ):
        return (
            Verdict.EXCEEDS,
            (
                "better than published beyond chance: look for a leaked test set or a changed"
                " evaluation"
            ),
        )
    if claim.selection == "unknown":
        return (
            Verdict.UNTESTABLE,
            (
                "worse than published, but whether that was the best of several runs is not stated:"
                " declare `selection`"
            ),
        )
    return Verdict.INCONSISTENT, "worse than published beyond chance"


def _test_value(
    claim: ValueClaim,
    own: SampleStats,
    calibration: SampleStats | None,
    direction: str,
    rule: Rule,
    noise: float | None,
) -> Finding:
    spread = calibration if calibration is not None and calibration.n > 1 else own
    if noise is not None or (spread.n > 1 and not spread.has_spread):
        margin = next(
            (margin.value for margin in rule.margins if margin.metric == claim.metric), 0.0
        )
        return _test_rounding(claim, own, direction, max(NOISE * (noise or 0.0), margin))
    if spread.n < 2:
        return claim_finding(
            claim,
            own,
            Verdict.UNTESTABLE,
            "one run of a program with chance says nothing of a published number without the spread"
            " over seeds, which more seeds here, or `scaffold recipes calibrate`, give",
            "prediction interval",
            more_seeds=2,
        )
    df = spread.n - 1
    if isinstance(claim.selection, Selection):
        k = claim.selection.best_of
        low, high = (
            best_of_quantile(p, k, own.n, df) * spread.sd
            for p in (rule.alpha / 2, 1 - rule.alpha / 2)
        )
        ends = (low, high) if direction == "higher" else (-high, -low)
        text = (
            f"prediction interval of the best of {k}, alpha {rule.alpha:g}, sd from {spread.n} runs"
        )
    else:
        scale = spread.sd * math.sqrt(1 / (claim.n or 1) + 1 / own.n)
        half = t_quantile(1 - rule.alpha / 2, df) * scale
        ends = (-half, half)
        subject = f"of the mean of {claim.n} runs, " if claim.n else ""
        text = f"prediction interval {subject}alpha {rule.alpha:g}, sd from {spread.n} runs"
    interval = (
        own.mean + ends[0] - claim.half_digit,
        own.mean + ends[1] + claim.half_digit,
    )
    if interval[0] <= claim.value <= interval[1]:
        further = "as many further runs" if claim.n else "one further run"
        if isinstance(claim.selection, Selection):
            further = f"the best of {claim.selection.best_of} further runs"
        return claim_finding(
            claim,
            own,
            Verdict.CONSISTENT,
            f"inside what {further} would give; {_width(interval, spread, rule, claim.half_digit)}",
            text,
            interval=interval,
        )
    verdict, reason = _outside(claim, interval, direction)
    return claim_finding(claim, own, verdict, reason, text, interval=interval)


_WIDE = 3.0
"""Standard deviations of a seed that half of an interval may be, before it excludes too little to
be called a test: of twenty runs it is 2.1, of three 5."""

_ENOUGH = 20
"""Runs whose spread is known well enough (docs/verdicts.md)."""


def _width(
    interval: tuple[float, float], spread: SampleStats, rule: Rule, half_digit: float
) -> str:
    """Describe how much a consistent claim excludes, beside what its rounding hides."""
    text = f"{interval[0]:.4g} to {interval[1]:.4g} would have been consistent"
    if interval[1] - interval[0] <= 2 * (_WIDE * spread.sd + half_digit):
        return text
    half = t_quantile(1 - rule.alpha / 2, _ENOUGH - 1) * spread.sd * math.sqrt(1 + 1 / _ENOUGH)
    return (
        f"{text}, which excludes little: the spread of {_ENOUGH} runs would leave about"
        f" +-{half:.2g}"
    )


def _test_over_examples(
    claim: ValueClaim,
    standard_error: float,
    own: SampleStats,
    calibration: SampleStats | None,
    direction: str,
) -> Finding:
    """Judge a claim with a standard error over test examples, which is independent of the seed.

    Own runs see the same test examples, so that it is what the published one leaves open; chance
    over seeds adds up where it is known.
    """
    spread = calibration if calibration is not None and calibration.n > 1 else own
    seeds = spread.sd**2 * (1 + 1 / own.n) if spread.n > 1 else 0.0
    half = (
        NORMAL_QUANTILE * math.sqrt(standard_error**2 + seeds) + claim.half_digit + own.half_digit
    )
    interval = (own.mean - half, own.mean + half)
    text = (
        "published standard error over test"
        f" examples{', and the spread over seeds' if seeds else ''}, alpha 0.05"
    )
    if interval[0] <= claim.value <= interval[1]:
        reason = f"{interval[0]:.4g} to {interval[1]:.4g} would have been consistent"
        return claim_finding(claim, own, Verdict.CONSISTENT, reason, text, interval=interval)
    verdict, reason = _outside(claim, interval, direction)
    return claim_finding(claim, own, verdict, reason, text, interval=interval)


def _test_rounding(
    claim: ValueClaim, own: SampleStats, direction: str, allowed: float = 0.0
) -> Finding:
    equal, unclear = published_tolerance(published_stats(claim), own.half_digit)
    tolerance = max(equal, allowed)
    interval = (own.mean - tolerance, own.mean + tolerance)
    text = "equality at the published rounding, since there is no spread"
    if allowed:
        text += f"; {allowed:.3g} is noise of this program, or its margin"
    if interval[0] <= claim.value <= interval[1]:
        reason = "equal as printed" if not allowed else "equal but for rounding"
        return claim_finding(claim, own, Verdict.CONSISTENT, reason, text, interval=interval)
    if abs(own.mean - claim.value) <= unclear:
        reason = coarse_reason(own.mean, claim.value)
        return claim_finding(claim, own, Verdict.UNTESTABLE, reason, text, interval=interval)
    verdict, reason = _outside(claim, interval, direction)
    return claim_finding(
        claim,
        own,
        verdict,
        reason.replace("beyond chance", "beyond rounding"),
        text,
        interval=interval,
    )


def _test_mean(
    claim: ValueClaim,
    published: SampleStats,
    own: SampleStats,
    direction: str,
    rule: Rule,
    alpha: float,
) -> Finding:
    """Judge a published mean: a pooled t test refutes, two one-sided tests (TOST) confirm.

    Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987.
    """
    sd, df = pooled_sd(own, published)
    margin, source = rule.delta_sd * published.sd, f"{rule.delta_sd:g} published sd"
    for stated in rule.margins:
        if stated.metric == claim.metric:
            margin, source = stated.value, "the recipe's margin"
    if sd == 0.0 or margin == 0.0:
        return _test_rounding(claim, own, direction)
    error = sd * math.sqrt(1 / own.n + 1 / published.n)
    difference = abs(own.mean - claim.value)
    text = (
        f"CONSISTENT if two one-sided t tests show the means to be within {margin:.3g}, else a"
        f" pooled t test may refute; alpha {rule.alpha:g} over all looks"
    )
    interval = (claim.value - margin, claim.value + margin)
    # Rounding of the published mean can hide a difference, and make up one.
    widest, least = difference + claim.half_digit, max(difference - claim.half_digit, 0.0)
    if alpha and (margin - widest) / error >= t_quantile(1 - alpha, df):
        reason = (
            f"the means differ by {own.mean - claim.value:+.3g}, and are shown to be less than"
            f" {margin:.3g} apart ({source})"
        )
        return claim_finding(claim, own, Verdict.CONSISTENT, reason, text, interval=interval)
    if t_two_sided_p(least / error, df) < alpha:
        verdict, reason = _outside(claim, (own.mean, own.mean), direction)
        return claim_finding(claim, own, verdict, reason, text, interval=interval)
    return claim_finding(
        claim,
        own,
        Verdict.UNTESTABLE,
        f"{own.n} runs neither confirm nor refute",
        text,
        interval=interval,
        more_seeds=1,
    )


def _test_range(
    claim: RangeClaim,
    own: SampleStats,
    calibration: SampleStats | None,
    rule: Rule,
    noise: float | None,
) -> Finding:
    spread = calibration if calibration is not None and calibration.n > 1 else own
    alpha = _look(own.n, rule, noise)
    half, text = NOISE * (noise or 0.0), "the value itself, since there is no spread"
    if noise is None and (spread.n < 2 or spread.has_spread):
        text = f"one-sided t bounds of the mean, alpha {rule.alpha:g} over all looks"
        half = math.inf
        if alpha and spread.n > 1:
            half = t_quantile(1 - alpha, spread.n - 1) * spread.sd / math.sqrt(own.n)
    half += own.half_digit
    low, high = own.mean - half, own.mean + half
    least = -math.inf if claim.at_least is None else claim.at_least
    most = math.inf if claim.at_most is None else claim.at_most
    if high < least or low > most:
        return claim_finding(
            claim, own, Verdict.INCONSISTENT, "the mean lies outside", text, interval=(low, high)
        )
    if low >= least and high <= most:
        return claim_finding(
            claim, own, Verdict.CONSISTENT, "the mean lies inside", text, interval=(low, high)
        )
    reason = f"{own.n} runs do not say on which side of the bound the mean lies"
    interval = (low, high) if math.isfinite(half) else None
    return claim_finding(
        claim, own, Verdict.UNTESTABLE, reason, text, interval=interval, more_seeds=1
    )
