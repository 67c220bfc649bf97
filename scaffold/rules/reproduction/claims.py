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
from scaffold.records.judgment import Finding, Question, Verdict
from scaffold.rules.reproduction.sequential import NOISE
from scaffold.rules.stats import (
    SampleStats,
    equality_tolerance,
    pooled_sd,
    t_quantile,
    t_two_sided_p,
)

Series = Sequence[tuple[int, float]]


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
        return _finding(claim, own, Verdict.UNTESTABLE, reason, "claim without a budget")
    if isinstance(claim, RangeClaim):
        return _test_range(claim, own, calibration, rule)
    if isinstance(claim, EventClaim):
        return _test_event(claim, own, series, direction, rule)
    if isinstance(claim, StepsToTargetClaim):
        return _test_steps(claim, own, series, direction, rule)
    if claim.deviation is not None and claim.n is not None:
        return _test_mean(claim, claim.deviation, claim.n, own, direction, rule)
    if claim.standard_error is not None:
        return _test_over_examples(claim, claim.standard_error, own, calibration, direction)
    return _test_value(claim, own, calibration, direction, rule, noise)


def _finding(
    claim: Claim, own: SampleStats, verdict: Verdict, reason: str, rule: str, **numbers: object
) -> Finding:
    return Finding(
        question=Question.CLAIM,
        metric=claim.metric,
        verdict=verdict,
        reason=reason,
        rule=rule,
        published=claim.text,
        published_value=claim.value if isinstance(claim, ValueClaim) else None,
        n=own.n,
        mean=own.mean,
        sd=own.sd if own.n > 1 else None,
        **numbers,  # type: ignore[arg-type]
    )


def _is_better(first: float, second: float, direction: str) -> bool:
    return first < second if direction == "lower" else first > second


def _outside(claim: ValueClaim, own: SampleStats, direction: str) -> tuple[Verdict, str]:
    """Return the verdict for a published value that lies outside the interval."""
    if _is_better(own.mean, claim.value, direction):
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
        return _finding(
            claim,
            own,
            Verdict.UNTESTABLE,
            "one run of a program with chance says nothing of a published number without the spread"
            " over seeds, which more seeds here, or `scaffold recipes calibrate`, give",
            "prediction interval",
            more_seeds=2,
        )
    df = spread.n - 1
    scale = spread.sd * math.sqrt(1 / (claim.n or 1) + 1 / own.n)
    if isinstance(claim.selection, Selection):
        k = claim.selection.best_of
        # Order statistics: the best of k lies below x with probability F(x)^k; for the lowest,
        # mirrored.
        low, high = (t_quantile(p ** (1 / k), df) for p in (rule.alpha / 2, 1 - rule.alpha / 2))
        ends = (low, high) if direction == "higher" else (-high, -low)
        text = (
            f"prediction interval of the best of {k}, alpha {rule.alpha:g}, sd from {spread.n} runs"
        )
    else:
        quantile = t_quantile(1 - rule.alpha / 2, df)
        ends = (-quantile, quantile)
        subject = f"of the mean of {claim.n} runs, " if claim.n else ""
        text = f"prediction interval {subject}alpha {rule.alpha:g}, sd from {spread.n} runs"
    interval = (
        own.mean + ends[0] * scale - claim.half_digit,
        own.mean + ends[1] * scale + claim.half_digit,
    )
    if interval[0] <= claim.value <= interval[1]:
        further = "as many further runs" if claim.n else "one further run"
        return _finding(
            claim,
            own,
            Verdict.CONSISTENT,
            f"inside what {further} would give; {_width(interval, spread, rule, claim.half_digit)}",
            text,
            interval=interval,
        )
    verdict, reason = _outside(claim, own, direction)
    return _finding(claim, own, verdict, reason, text, interval=interval)


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
        return _finding(claim, own, Verdict.CONSISTENT, reason, text, interval=interval)
    verdict, reason = _outside(claim, own, direction)
    return _finding(claim, own, verdict, reason, text, interval=interval)


NORMAL_QUANTILE = 1.959964
"""Of the standard normal distribution at 0.975."""


def _test_rounding(
    claim: ValueClaim, own: SampleStats, direction: str, allowed: float = 0.0
) -> Finding:
    tolerance = max(claim.half_digit + own.half_digit, equality_tolerance(own, own), allowed)
    interval = (own.mean - tolerance, own.mean + tolerance)
    text = "equality at the coarser rounding, since there is no spread"
    if allowed:
        text += f"; {allowed:.3g} is noise of this program, or its margin"
    if interval[0] <= claim.value <= interval[1]:
        reason = "equal as printed" if not allowed else "equal but for rounding"
        return _finding(claim, own, Verdict.CONSISTENT, reason, text, interval=interval)
    verdict, reason = _outside(claim, own, direction)
    return _finding(
        claim,
        own,
        verdict,
        reason.replace("beyond chance", "beyond rounding"),
        text,
        interval=interval,
    )


def _test_mean(
    claim: ValueClaim, claim_sd: float, claim_n: int, own: SampleStats, direction: str, rule: Rule
) -> Finding:
    """Judge a published mean: a pooled t test refutes, two one-sided tests (TOST) confirm.

    Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987.
    """
    published = SampleStats(n=claim_n, mean=claim.value, sd=claim_sd)
    sd, df = pooled_sd(own, published)
    margin, source = rule.delta_sd * claim_sd, f"{rule.delta_sd:g} published sd"
    for stated in rule.margins:
        if stated.metric == claim.metric:
            margin, source = stated.value, "the recipe's margin"
    if sd == 0.0 or margin == 0.0:
        return _test_rounding(claim, own, direction)
    error = sd * math.sqrt(1 / own.n + 1 / claim_n)
    # Rounding of the published mean can hide that much of a difference.
    difference = max(abs(own.mean - claim.value) - claim.half_digit, 0.0)
    text = (
        f"CONSISTENT if two one-sided t tests show the means to be within {margin:.3g}, else a"
        f" pooled t test may refute; alpha {rule.alpha:g}"
    )
    interval = (claim.value - margin, claim.value + margin)
    if (margin - difference) / error >= t_quantile(1 - rule.alpha, df):
        reason = (
            f"the means differ by {own.mean - claim.value:+.3g}, and are shown to be less than"
            f" {margin:.3g} apart ({source})"
        )
        return _finding(claim, own, Verdict.CONSISTENT, reason, text, interval=interval)
    if t_two_sided_p(difference / error, df) < rule.alpha:
        verdict, reason = _outside(claim, own, direction)
        return _finding(claim, own, verdict, reason, text, interval=interval)
    return _finding(
        claim,
        own,
        Verdict.UNTESTABLE,
        f"{own.n} runs neither confirm nor refute",
        text,
        interval=interval,
        more_seeds=1,
    )


def _test_range(
    claim: RangeClaim, own: SampleStats, calibration: SampleStats | None, rule: Rule
) -> Finding:
    spread = calibration if calibration is not None and calibration.n > 1 else own
    half = 0.0
    if spread.n > 1 and spread.has_spread:
        half = t_quantile(1 - rule.alpha, spread.n - 1) * spread.sd / math.sqrt(own.n)
    half += own.half_digit
    low, high = own.mean - half, own.mean + half
    text = f"one-sided t bounds of the mean, alpha {rule.alpha:g}"
    least = -math.inf if claim.at_least is None else claim.at_least
    most = math.inf if claim.at_most is None else claim.at_most
    if high < least or low > most:
        return _finding(
            claim, own, Verdict.INCONSISTENT, "the mean lies outside", text, interval=(low, high)
        )
    if low >= least and high <= most:
        return _finding(
            claim, own, Verdict.CONSISTENT, "the mean lies inside", text, interval=(low, high)
        )
    reason = f"{own.n} runs do not say on which side of the bound the mean lies"
    return _finding(
        claim, own, Verdict.UNTESTABLE, reason, text, interval=(low, high), more_seeds=1
    )


def _first_step(series: Series, threshold: float, direction: str) -> int | None:
    return next(
        (step for step, value in series if not _is_better(threshold, value, direction)), None
    )


def _test_event(
    claim: EventClaim, own: SampleStats, series: Sequence[Series], direction: str, rule: Rule
) -> Finding:
    """Judge whether an event is more likely than not.

    Exact (Clopper-Pearson) bounds of the share of runs that reach the threshold in time.
    """
    firsts = [_first_step(one, claim.reaches.threshold, direction) for one in series]
    reached = sum(step is not None and step <= claim.reaches.within_steps for step in firsts)
    n = len(series)
    text = f"exact binomial bound against one half, alpha {rule.alpha:g}"
    reason = f"{reached} of {n} runs reached it in time"
    if _binomial_tail(reached, n) <= rule.alpha:
        return _finding(claim, own, Verdict.CONSISTENT, reason, text)
    if _binomial_tail(n - reached, n) <= rule.alpha:
        return _finding(claim, own, Verdict.INCONSISTENT, reason, text)
    return _finding(claim, own, Verdict.UNTESTABLE, f"{reason}: too few to say", text, more_seeds=1)


def _binomial_tail(successes: int, n: int) -> float:
    """Return P(at least so many successes of n) when success has probability one half."""
    return sum(math.comb(n, k) for k in range(successes, n + 1)) / 2.0**n


def _test_steps(
    claim: StepsToTargetClaim,
    own: SampleStats,
    series: Sequence[Series],
    direction: str,
    rule: Rule,
) -> Finding:
    """Judge steps to a target by a prediction interval of their logarithm.

    They are skewed and positive.
    """
    firsts = [_first_step(one, claim.steps_to.threshold, direction) for one in series]
    steps = [max(step, 1) for step in firsts if step is not None]
    missed = len(firsts) - len(steps)
    text = f"prediction interval of log steps, alpha {rule.alpha:g}"
    if missed and _binomial_tail(missed, len(firsts)) <= rule.alpha:
        return _finding(
            claim,
            own,
            Verdict.INCONSISTENT,
            f"{missed} of {len(firsts)} runs never reached it",
            text,
        )
    if missed or len(steps) < 3:
        reason = f"{len(steps)} of {len(firsts)} runs reached it; at least 3, and all, are needed"
        return _finding(
            claim, own, Verdict.UNTESTABLE, reason, text, more_seeds=max(3 - len(firsts), 1)
        )
    logs = SampleStats.of([math.log(step) for step in steps])
    half = t_quantile(1 - rule.alpha / 2, logs.n - 1) * logs.sd * math.sqrt(1 + 1 / logs.n)
    interval = (math.exp(logs.mean - half), math.exp(logs.mean + half))
    mean_text = f"{math.exp(logs.mean):.0f} steps here (geometric mean)"
    if interval[0] <= claim.steps_to.steps <= interval[1]:
        return _finding(claim, own, Verdict.CONSISTENT, mean_text, text, interval=interval)
    verdict = Verdict.EXCEEDS if interval[1] < claim.steps_to.steps else Verdict.INCONSISTENT
    return _finding(claim, own, verdict, mean_text, text, interval=interval)
