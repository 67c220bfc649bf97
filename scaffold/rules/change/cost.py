"""Judge what a change costs. Pure."""

import math
from collections.abc import Sequence

from scaffold.records.judgment import Finding, Question, Verdict
from scaffold.records.tweak import ChangeRule
from scaffold.rules.change.paired import (
    Pair,
    PairedResult,
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

    def judge(shift: float) -> PairedResult:
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

    shift, result = 0.0, judge(0.0)
    verdict = result.verdict
    if verdict is Verdict.BETTER:  # less time, but is it enough less?
        shift, result = saved, judge(saved)
        verdict = result.verdict
        if verdict not in (Verdict.BETTER, Verdict.UNDECIDED):
            verdict = Verdict.NO_DIFFERENCE
    seconds = math.exp(result.before.mean + shift)
    ratio = math.exp(result.effect.mean - shift)
    ends = [math.expm1(end - shift) for end in result.interval or ()]
    kind = "the processor time" if device == "cpu" else "the time on the clock"
    return Finding(
        question=Question.COST,
        metric=name,
        verdict=verdict,
        n=result.pairs,
        before=seconds,
        mean=seconds * ratio,
        more_seeds=result.more_pairs,
        reason=f"{ratio:.2f} times {kind} of the snapshot before",
        interval=(seconds * ends[0], seconds * ends[1]) if ends else None,
        rule=f"sequential paired t of logarithms; BETTER is at least {_CHEAPER:.0%} less",
    )
