"""Judge claims of when a value is reached: in how many runs, and after how many steps. Pure."""

import math
from collections.abc import Sequence

from scaffold.records.claim import EventClaim, Rule, StepsToTargetClaim
from scaffold.records.judgment import Finding, Verdict
from scaffold.rules.reproduction.finding import claim_finding, is_better
from scaffold.rules.reproduction.looks import binomial_level, binomial_tail
from scaffold.rules.stats import SampleStats, t_quantile

Series = Sequence[tuple[int, float]]
"""Steps of a run, each with the value there."""


def judge_event(
    claim: EventClaim, own: SampleStats, series: Sequence[Series], direction: str, rule: Rule
) -> Finding:
    """Judge whether an event is more likely than not.

    Exact (Clopper-Pearson) bounds of the share of runs that reach the threshold in time, at a level
    that holds for looks after every run.
    """
    firsts = [_first_step(one, claim.reaches.threshold, direction) for one in series]
    reached = sum(step is not None and step <= claim.reaches.within_steps for step in firsts)
    n = len(series)
    text = f"exact binomial bound against one half, alpha {rule.alpha:g} over all looks"
    reason = f"{reached} of {n} runs reached it in time"
    level = binomial_level(rule)
    if binomial_tail(reached, n) <= level:
        return claim_finding(claim, own, Verdict.CONSISTENT, reason, text)
    if binomial_tail(n - reached, n) <= level:
        return claim_finding(claim, own, Verdict.INCONSISTENT, reason, text)
    return claim_finding(
        claim, own, Verdict.UNTESTABLE, f"{reason}: too few to say", text, more_seeds=1
    )


def judge_steps(
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
    if missed and binomial_tail(missed, len(firsts)) <= binomial_level(rule):
        return claim_finding(
            claim,
            own,
            Verdict.INCONSISTENT,
            f"{missed} of {len(firsts)} runs never reached it",
            text,
        )
    if missed or len(steps) < 3:
        reason = f"{len(steps)} of {len(firsts)} runs reached it; at least 3, and all, are needed"
        return claim_finding(
            claim, own, Verdict.UNTESTABLE, reason, text, more_seeds=max(3 - len(firsts), 1)
        )
    logs = SampleStats.of([math.log(step) for step in steps])
    half = t_quantile(1 - rule.alpha / 2, logs.n - 1) * logs.sd * math.sqrt(1 + 1 / logs.n)
    interval = (math.exp(logs.mean - half), math.exp(logs.mean + half))
    mean_text = f"{math.exp(logs.mean):.0f} steps here (geometric mean)"
    if interval[0] <= claim.steps_to.steps <= interval[1]:
        return claim_finding(claim, own, Verdict.CONSISTENT, mean_text, text, interval=interval)
    verdict = Verdict.EXCEEDS if interval[1] < claim.steps_to.steps else Verdict.INCONSISTENT
    return claim_finding(claim, own, verdict, mean_text, text, interval=interval)


def _first_step(series: Series, threshold: float, direction: str) -> int | None:
    return next(
        (step for step, value in series if not is_better(threshold, value, direction)), None
    )
