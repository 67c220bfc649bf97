"""Judge paired differences by a sequential t test. Pure."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from scaffold.records.evidence import JudgedRun
from scaffold.records.judgment import Finding, Question, Verdict
from scaffold.records.metric import Metric
from scaffold.rules.stats import SampleStats, t_quantile

LOOKS = (4, 7, 12, 19, 28, 41, 60, 88)
"""Pairs at which one looks: each look half as many pairs again. Fewer than 4 have no spread to
speak of."""


COARSE = ("fraction", "percent")
"""Units whose values lie on a grid of one example."""


LOST_CORRELATION = 0.2
"""Below it pairs save less than a fifth of the runs, at the cost of degrees of freedom."""


Pair = tuple[JudgedRun, JudgedRun]


def looks(max_pairs: int) -> tuple[int, ...]:
    """Return the numbers of pairs at which a change is judged."""
    return (*(look for look in LOOKS if look < max_pairs), max_pairs)


def next_look(pairs: int, max_pairs: int) -> int:
    """Return how many pairs the next judgment needs."""
    return next((look for look in looks(max_pairs) if look > pairs), max_pairs)


def pair(before: Sequence[JudgedRun], after: Sequence[JudgedRun]) -> list[Pair]:
    """Pair runs of one seed, in the order of `before`; of several runs of a seed, the first."""
    first = {run.seed: run for run in reversed(after)}
    distinct = {run.seed: run for run in reversed(before)}
    return [(run, first[run.seed]) for run in reversed(distinct.values()) if run.seed in first]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """A sequential paired t test.

    Attributes:
        margin: the smallest difference that matters, in the metric's unit.
        alpha: error of BETTER or WORSE where there is no difference.
        beta: error of NO_DIFFERENCE where the difference is the margin.
        half_digit: half a unit of the last printed digit.
    """

    higher_is_better: bool
    margin: float
    alpha: float
    beta: float
    max_pairs: int
    half_digit: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedResult:
    """What paired differences say.

    Attributes:
        pairs: with which it was reached: up to the look that decided, or all.
        interval: of the effect at that look, at the level spent there; None before the first look.
        before: of the pairs it was reached with.
        after: of the same pairs.
        effect: of their differences, after - before.
        more_pairs: that are expected to decide it if they fall like those so far; None when it is
            decided, or never will be.
    """

    verdict: Verdict
    pairs: int
    interval: tuple[float, float] | None
    before: SampleStats
    after: SampleStats
    effect: SampleStats
    more_pairs: int | None = None


def judge_differences(
    before: Sequence[float], after: Sequence[float], test: PairedTest
) -> PairedResult:
    """Judge at least one paired difference by a sequential t test; the first decision stands."""
    differences = [b - a for a, b in zip(before, after, strict=True)]

    def result(
        verdict: Verdict,
        pairs: int,
        interval: tuple[float, float] | None,
        more_pairs: int | None = None,
    ) -> PairedResult:
        return PairedResult(
            verdict=verdict,
            pairs=pairs,
            interval=interval,
            before=SampleStats.of(before[:pairs]),
            after=SampleStats.of(after[:pairs]),
            effect=SampleStats.of(differences[:pairs]),
            more_pairs=more_pairs,
        )

    spent, interval = 0, None
    for look in looks(test.max_pairs):
        if look > len(differences):
            break
        stats = SampleStats.of(differences[:look])
        # Of these values alone: what comes later changes no decision.
        sd = max(stats.sd, _quantum([*before[:look], *after[:look]], test.half_digit) / _OF_GRID)
        verdict, interval = _look(stats.mean, sd, look, (look - spent) / test.max_pairs, test)
        spent = look
        if verdict is not Verdict.UNDECIDED:
            return result(directed(verdict, stats.mean, test.higher_is_better), look, interval)
    n = len(differences)
    if spent == 0:
        return result(Verdict.UNDECIDED, n, None, next_look(n, test.max_pairs) - n)
    stats = SampleStats.of(differences)
    sd = max(stats.sd, _quantum([*before, *after], test.half_digit) / _OF_GRID)
    for look in looks(test.max_pairs):
        if look > n:
            verdict, _ = _look(stats.mean, sd, look, (look - spent) / test.max_pairs, test)
            spent = look
            if verdict is not Verdict.UNDECIDED:
                return result(Verdict.UNDECIDED, n, interval, look - n)
    return result(Verdict.UNDECIDED, n, interval)


_OF_GRID = math.sqrt(6)
"""Width of a grid over the standard deviation of what it hides; see `_quantum`."""


def _look(
    mean: float, sd: float, n: int, share: float, test: PairedTest
) -> tuple[Verdict, tuple[float, float]]:
    """Judge one look at the pairs.

    BETTER stands for any difference here; its direction comes later.
    """
    error = sd / math.sqrt(n)
    away = t_quantile(1 - share * test.alpha / 2, n - 1) * error
    interval = (mean - away, mean + away)
    if abs(mean) + t_quantile(1 - share * test.beta, n - 1) * error < test.margin:
        return Verdict.NO_DIFFERENCE, interval
    return (Verdict.BETTER if abs(mean) > away else Verdict.UNDECIDED), interval


def directed(verdict: Verdict, mean: float, higher_is_better: bool) -> Verdict:
    """Return WORSE instead of BETTER where the difference goes the other way."""
    if verdict is Verdict.BETTER and (mean > 0) != higher_is_better:
        return Verdict.WORSE
    return verdict


def _quantum(values: Sequence[float], half_digit: float) -> float:
    """Return the width of the grid that values lie on, 0 where there is none.

    A share of 450 examples moves by 1/450, and equal values may hide half of that: a difference of
    two values on a grid of width q has a rounding error of variance q^2/6. It is a grid if all gaps
    are whole multiples of the smallest; the arithmetic of one value in two ways is no gap.
    """
    rounding = 1e-9 * max(map(abs, values))
    gaps = [
        gap for low, high in itertools.pairwise(sorted(values)) if (gap := high - low) > rounding
    ]
    smallest = min(gaps, default=0.0)
    is_grid = all(abs(gap / smallest - round(gap / smallest)) < 0.01 for gap in gaps)
    return max(smallest if is_grid else 0.0, 2 * half_digit)


def are_identical(metrics: Sequence[Metric], pairs: Sequence[Pair], deterministic: bool) -> bool:
    """Return whether all metrics of all pairs agree to the last digit, beyond chance.

    Shares of examples agree by chance; a loss or a norm that differs from seed to seed does not.
    """
    same = all(
        a.metrics[m.name].value == b.metrics[m.name].value for a, b in pairs for m in metrics
    )
    fine = [m for m in metrics if m.unit not in COARSE]
    differ = any(len({a.metrics[m.name].value for a, _ in pairs}) > 1 for m in fine)
    return same and (deterministic or (len(pairs) > 1 and differ))


def paired_values(metric: Metric, pairs: Sequence[Pair]) -> tuple[list[float], list[float]]:
    """Return a metric's values before and after, pair by pair."""
    return [a.metrics[metric.name].value for a, _ in pairs], [
        b.metrics[metric.name].value for _, b in pairs
    ]


def same_values(metric: Metric, pairs: Sequence[Pair]) -> Finding:
    """Return the finding of pairs that agree to the last digit."""
    before, _ = paired_values(metric, pairs)
    stats = SampleStats.of(before)
    return Finding(
        question=Question.CHANGE,
        metric=metric.name,
        verdict=Verdict.NO_DIFFERENCE,
        n=len(pairs),
        mean=stats.mean,
        before=stats.mean,
        sd=0.0,
        interval=(0.0, 0.0),
        correlation=1.0,
        rule="equality of all metrics",
        reason=f"all metrics are equal to the last digit in {count(len(pairs), 'pair')}",
    )


def count(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number} {noun}{'s' * (number != 1)}"
