"""Judge what a change costs. Pure."""

import math
from collections.abc import Sequence

from scaffold.records.judgment import Finding, Question, Verdict
from scaffold.records.tweak import ChangeRule
from scaffold.rules.change.paired import (
    Pair,
    PairedTest,
    judge_differences,
)

_CHEAPER = 0.05
"""The least saving of time that counts: five in a hundred."""


def judge_cost(pairs: Sequence[Pair], rule: ChangeRule, device: str) -> Finding:
    """Judge the time of a run, as the ratio of after to before.

    BETTER if at least `_CHEAPER` of it is surely saved.

    Runs with another number of threads, or on other hardware, take another time for the same work,
    and are left out.
    """
    name = "cpu_time_s" if device == "cpu" else "wall_time_s"
    alike = [
        (a, b)
        for a, b in pairs
        if a.threads == b.threads and a.machine.hardware == b.machine.hardware
    ]
    if not alike:
        return Finding(
            question=Question.COST,
            metric=name,
            verdict=Verdict.UNDECIDED,
            rule="pairs with as many threads, on the same hardware",
            reason="all pairs ran with different numbers of threads, or on different hardware",
        )
    before, after = (
        [math.log(max(getattr(both[side], name), 1e-3)) for both in alike] for side in (0, 1)
    )
    saved = -math.log1p(-_CHEAPER)

    def judge(shift: float) -> tuple[Verdict, int, tuple[float, float] | None, int | None]:
        return judge_differences(
            [value - shift for value in before],
            after,
            PairedTest(
                higher_is_better=False,
                margin=saved,
                alpha=rule.alpha,
                beta=rule.beta,
                max_pairs=rule.max_pairs,
            ),
        )

    verdict, used, interval, further_seeds = judge(0.0)
    if verdict is Verdict.BETTER:  # less time, but is it enough less?
        verdict, used, _, further_seeds = judge(saved)
        verdict = (
            verdict if verdict in (Verdict.BETTER, Verdict.UNDECIDED) else Verdict.NO_DIFFERENCE
        )
    seconds, mean = (
        math.exp(math.fsum(before) / len(before)),
        math.fsum(b - a for a, b in zip(before, after, strict=True)),
    )
    kind = "the processor time" if device == "cpu" else "the time on the clock"
    return Finding(
        question=Question.COST,
        metric=name,
        verdict=verdict,
        n=used,
        before=seconds,
        mean=seconds * math.exp(mean / len(before)),
        more_seeds=further_seeds,
        reason=f"{math.exp(mean / len(before)):.2f} times {kind} of the snapshot before",
        interval=(
            (seconds * math.expm1(interval[0]), seconds * math.expm1(interval[1]))
            if interval
            else None
        ),
        rule=f"sequential paired t of logarithms; BETTER is at least {_CHEAPER:.0%} less",
    )
