"""Did a change matter?

Runs of the snapshot before and after it, paired by seed, looked at a few times. Pure.

Each look at n pairs asks two questions of the differences d = after - before, with mean m and
deviation s: does m lie away from 0 (BETTER or WORSE), and does it lie inside the margin, that is,
is it both above -margin and below +margin (NO_DIFFERENCE)? Both by one-sample t tests. Of the
errors that the rule allows, each look spends the share of the pairs that are new at it, so that all
looks together stay below them (Bonferroni): whatever the spread and the correlation.

Sources: pairs, and two one-sided tests: D. Schuirmann, J. Pharmacokinetics and Biopharmaceutics 15
(1987) 657. Errors spent over looks: K. Lan and D. DeMets, Biometrika 70 (1983) 659. Operating
characteristics: benchmarks/operating_characteristics.py.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scaffold.records.judgment import ChangeJudgment, Finding, Question, Verdict
from scaffold.records.metric import Metric
from scaffold.records.tweak import ChangeRule, Kind
from scaffold.rules.change.cost import judge_cost
from scaffold.rules.change.few_seeds import ignored_seeds, remarks_of_few
from scaffold.rules.change.paired import (
    LOOKS,
    LOST_CORRELATION,
    Pair,
    PairedTest,
    are_identical,
    count,
    directed,
    judge_differences,
    paired_values,
    same_values,
)
from scaffold.rules.stats import SampleStats, equality_tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeTerms:
    """What a change is judged under, besides its runs.

    Attributes:
        rule: declared before the runs.
        deterministic: whether one seed says all.
        device: on a processor the time that it worked counts, elsewhere the time on the clock.
        additional: findings that only some changes have, such as `probe` or `ablation`.
        remarks: what else is to be known.
    """

    rule: ChangeRule
    deterministic: bool = False
    device: str = "cpu"
    additional: Sequence[Finding] = ()
    remarks: Sequence[str] = ()


def judge_change(
    kind: Kind, metrics: Sequence[Metric], pairs: Sequence[Pair], terms: ChangeTerms
) -> ChangeJudgment:
    """Judge a change by at least one pair of runs.

    Args:
        kind: what the change is to do; of new data `judge_data` judges.
        metrics: those that both states measure; the rule's metric is one of them.
        pairs: as `pair` makes them.
        terms: what it is judged under.
    """
    rule, deterministic, remarks = terms.rule, terms.deterministic, list(terms.remarks)
    judged = next(metric for metric in metrics if metric.name == rule.metric)
    identical = are_identical(metrics, pairs, deterministic)
    change = (
        same_values(judged, pairs)
        if identical
        else _judge_metric(judged, pairs, rule, deterministic=deterministic)
    )
    findings = [change]
    if not identical:
        others = [metric for metric in metrics if metric.name != judged.name]
        findings += [_watch(metric, pairs, rule, len(others), kind) for metric in others]
    findings += [judge_cost(pairs, rule, terms.device), *terms.additional]
    if not deterministic:
        findings += ignored_seeds(metrics, pairs)
    verdict = _overall(kind, findings)
    lost = (
        change.correlation is not None
        and change.correlation < LOST_CORRELATION
        and change.n >= LOOKS[1]
    )
    if lost and verdict is Verdict.UNDECIDED:
        remarks.append(
            f"runs of one seed have little in common (r {change.correlation:.2f}): pairs save"
            " nothing here"
        )
    if verdict is Verdict.BETTER and change.effect is not None and abs(change.effect) < rule.margin:
        remarks.append(
            f"better, but by less than the margin ({rule.margin:g}: {rule.margin_reason})"
        )
    if not deterministic:
        remarks += remarks_of_few(judged, pairs, change, verdict)
    return ChangeJudgment(
        verdict=verdict,
        kind=kind,
        refusal=_refusal(kind, verdict, findings),
        findings=tuple(findings),
        remarks=tuple(remarks),
        more_pairs=change.more_seeds if verdict is change.verdict is Verdict.UNDECIDED else None,
    )


def is_decided(
    judgment: ChangeJudgment, pairs: int, rule: ChangeRule, *, has_probes: bool = False
) -> bool:
    """Return whether more pairs are not allowed, or would not change the verdict.

    Where probes decide, only the cost counts.
    """
    if pairs >= rule.max_pairs or any(f.verdict is Verdict.SEED_IGNORED for f in judgment.findings):
        return True
    cost = next((f.verdict for f in judgment.findings if f.question is Question.COST), None)
    if judgment.kind == "cheaper":
        return cost is not Verdict.UNDECIDED and (
            has_probes or judgment.verdict is not Verdict.UNDECIDED
        )
    if judgment.kind == "improve" and judgment.verdict is Verdict.NO_DIFFERENCE:
        return cost is not Verdict.UNDECIDED
    has_moved = any(
        f.question is Question.MONITORED and f.verdict is Verdict.UNEXPECTED
        for f in judgment.findings
    )
    return judgment.verdict is not Verdict.UNDECIDED or has_moved


def _judge_metric(
    metric: Metric, pairs: Sequence[Pair], rule: ChangeRule, *, deterministic: bool
) -> Finding:
    before, after = paired_values(metric, pairs)
    half_digit = min(run.metrics[metric.name].half_digit for both in pairs for run in both)
    higher = metric.direction == "higher"
    if deterministic:
        return _without_spread(metric, before[0], after[0], half_digit, rule)
    result = judge_differences(
        before,
        after,
        PairedTest(
            higher_is_better=higher,
            margin=rule.margin,
            alpha=rule.alpha,
            beta=rule.beta,
            max_pairs=rule.max_pairs,
            half_digit=half_digit,
        ),
    )
    used, interval, further_seeds = result.pairs, result.interval, result.more_pairs
    # The boundary is spent over all looks, so that the interval holds wherever one stops.
    effect = f"{result.effect.mean:+.3g}" + (
        f" (between {interval[0]:+.3g} and {interval[1]:+.3g} at alpha {rule.alpha:g})"
        if interval
        else ""
    )
    if result.verdict is not Verdict.UNDECIDED:
        reason = f"effect {effect} after {count(used, 'pair')}"
        if result.verdict is Verdict.NO_DIFFERENCE:
            reason += f", smaller than the margin {rule.margin:.3g} at beta {rule.beta:g}"
    elif len(pairs) >= rule.max_pairs:
        reason = f"effect {effect}, undecided after the {rule.max_pairs} pairs that the rule allows"
    else:
        reason = f"effect {effect}, undecided after {count(used, 'pair')}" + (
            f"; about {further_seeds} more" if further_seeds else ""
        )
    return Finding(
        question=Question.CHANGE,
        metric=metric.name,
        verdict=result.verdict,
        reason=reason,
        n=used,
        before=result.before.mean,
        mean=result.after.mean,
        sd=result.effect.sd if used > 1 else None,
        interval=interval,
        correlation=_correlation(before[:used], after[:used]),
        more_seeds=further_seeds,
        rule=(
            f"sequential paired t, margin {rule.margin:.3g} ({rule.margin_reason}), alpha"
            f" {rule.alpha:g}, beta {rule.beta:g}, at most {rule.max_pairs} pairs"
        ),
    )


def judge_single(
    metric: Metric, before: float, after: float, half_digit: float, margin: float
) -> Verdict:
    """Judge one value each of a program without chance; rounding alone is no difference."""
    difference = after - before
    if abs(difference) < max(margin, _rounding(before, after, half_digit)):
        return Verdict.NO_DIFFERENCE
    return directed(Verdict.BETTER, difference, metric.direction == "higher")


def _rounding(before: float, after: float, half_digit: float) -> float:
    """Return how far two equal values may be printed apart."""
    return equality_tolerance(
        SampleStats(n=1, mean=after, sd=0.0, half_digit=half_digit),
        SampleStats(n=1, mean=before, sd=0.0, half_digit=half_digit),
    )


def _without_spread(
    metric: Metric, before: float, after: float, half_digit: float, rule: ChangeRule
) -> Finding:
    tolerance = _rounding(before, after, half_digit)
    difference, allowed = after - before, max(rule.margin, tolerance)
    return Finding(
        question=Question.CHANGE,
        metric=metric.name,
        verdict=judge_single(metric, before, after, half_digit, rule.margin),
        n=1,
        before=before,
        mean=after,
        interval=(difference - tolerance, difference + tolerance),
        reason=f"effect {difference:+.3g} of a program without chance",
        rule=f"difference of one run each, margin {allowed:.3g} ({rule.margin_reason})",
    )


def _watch(
    metric: Metric, pairs: Sequence[Pair], rule: ChangeRule, others: int, kind: Kind
) -> Finding:
    """Judge whether another metric moved at all.

    That of a neutral change must not; of others it is only shown.
    """
    before, after = paired_values(metric, pairs)
    alpha = rule.monitor_alpha / others
    result = judge_differences(
        before,
        after,
        PairedTest(
            higher_is_better=metric.direction == "higher",
            margin=math.ulp(0.0),
            alpha=alpha,
            beta=alpha,
            max_pairs=rule.max_pairs,
        ),
    )
    used, interval, effect = result.pairs, result.interval, result.effect
    has_moved = interval is not None and not interval[0] <= 0.0 <= interval[1]
    return Finding(
        question=Question.MONITORED,
        metric=metric.name,
        n=used,
        before=result.before.mean,
        mean=result.after.mean,
        sd=effect.sd if used > 1 else None,
        interval=interval,
        correlation=_correlation(before[:used], after[:used]),
        verdict=Verdict.UNEXPECTED if has_moved and kind == "neutral" else Verdict.EXPECTED,
        reason=f"{effect.mean:+.3g}, more than chance explains"
        if has_moved
        else f"{effect.mean:+.3g}, no more than chance explains",
        rule=f"sequential paired t, alpha {alpha:.2g}: {rule.monitor_alpha:g} shared by {others}",
    )


def judge_ablation(
    metrics: Sequence[Metric],
    pairs: Sequence[Pair],
    rule: ChangeRule,
    title: str,
    *,
    deterministic: bool = False,
) -> Finding:
    """Judge whether the changed program, with `what` ablated, gives the snapshot before again."""
    metric = next(metric for metric in metrics if metric.name == rule.metric)
    same = are_identical(metrics, pairs, deterministic)
    finding = (
        same_values(metric, pairs)
        if same
        else _judge_metric(metric, pairs, rule, deterministic=deterministic)
    )
    return replace(finding, question=Question.ABLATION, metric=title, more_seeds=None)


def judge_probe(
    name: str,
    full: tuple[Metric, Sequence[Pair]],
    short: Sequence[Pair],
    rule: ChangeRule,
    *,
    deterministic: bool = False,
) -> Finding:
    """Judge whether one changed hyperparameter does in the cheaper mode what it does in full.

    Args:
        name: `hyperparameter=value`.
        full: the judged metric, and pairs (without, with) the changed value in the snapshot before.
        short: the same pairs in the cheaper mode.
        rule: of the tweak.
        deterministic: whether one seed says all.
    """
    metric, pairs = full
    verdicts = [
        _judge_metric(metric, side, rule, deterministic=deterministic).verdict
        for side in (pairs, short)
    ]
    agrees = Verdict.NO_DIFFERENCE if verdicts[0] is verdicts[1] else Verdict.WORSE
    verdict = Verdict.UNDECIDED if Verdict.UNDECIDED in verdicts else agrees
    same = "the same" if agrees is Verdict.NO_DIFFERENCE else "not the same"
    if verdicts == [Verdict.NO_DIFFERENCE] * 2:
        verdict, same = Verdict.EXPECTED, "it has no effect to conclude from"
    return Finding(
        question=Question.PROBE,
        metric=name,
        verdict=verdict,
        n=min(len(pairs), len(short)),
        rule="the same verdict in both modes",
        reason=(
            f"judged against runs without it, {verdicts[0].value} in the full mode and"
            f" {verdicts[1].value} in the cheaper one: {same}"
        ),
    )


def _overall(kind: Kind, findings: Sequence[Finding]) -> Verdict:
    if any(finding.question is Question.SEEDS for finding in findings):
        return Verdict.UNDECIDED  # whatever it says, the pairs are no sample
    change, probes = (
        findings[0].verdict,
        [finding.verdict for finding in findings if finding.question is Question.PROBE],
    )
    if kind == "cheaper" and probes and change is not Verdict.NO_DIFFERENCE:
        # The metric itself may be another one: it is what is concluded of other changes that holds.
        telling = [verdict for verdict in probes if verdict is not Verdict.EXPECTED]
        worst = weakest(telling) if telling else Verdict.UNDECIDED
        return Verdict.CONCLUSIONS_HOLD if worst is Verdict.NO_DIFFERENCE else worst
    if change is Verdict.NO_DIFFERENCE and any(
        f.question is Question.MONITORED and f.verdict is Verdict.UNEXPECTED for f in findings
    ):
        return Verdict.UNDECIDED
    return change


def weakest(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the worst of several verdicts."""
    order = (Verdict.WORSE, Verdict.UNDECIDED, Verdict.NO_DIFFERENCE, Verdict.BETTER)
    return next(verdict for verdict in order if verdict in verdicts)


def _refusal(kind: Kind, verdict: Verdict, findings: Sequence[Finding]) -> str | None:
    """Return why a change of this kind cannot be accepted with this verdict; None when it can."""
    is_cheaper = any(f.question is Question.COST and f.verdict is Verdict.BETTER for f in findings)
    unexpected = [
        f.metric
        for f in findings
        if f.question is Question.MONITORED and f.verdict is Verdict.UNEXPECTED
    ]
    if kind == "neutral" and verdict is not Verdict.NO_DIFFERENCE:
        suffix = f" ({', '.join(unexpected)} moved)" if unexpected else ""
        return f"a neutral change must make NO_DIFFERENCE{suffix}"
    if (
        kind == "improve"
        and verdict is not Verdict.BETTER
        and not (verdict is Verdict.NO_DIFFERENCE and is_cheaper)
    ):
        return "an improvement must be BETTER, or NO_DIFFERENCE and cheaper"
    if kind == "cheaper" and not is_cheaper:
        return "a cheaper mode must take at least 5 % less time"
    if kind == "cheaper" and verdict not in (
        Verdict.NO_DIFFERENCE,
        Verdict.BETTER,
        Verdict.CONCLUSIONS_HOLD,
    ):
        return "a cheaper mode must make NO_DIFFERENCE, or lead to the same verdict for every probe"
    return refusal_of(findings)


def refusal_of(findings: Sequence[Finding]) -> str | None:
    """Return what speaks against a change of any kind, such as a declaration changed afterwards."""
    for finding in findings:
        if finding.question is Question.ABLATION and finding.verdict is Verdict.UNDECIDED:
            return (
                "it is undecided whether it gives the snapshot before again when it is switched off"
            )
        if finding.question is Question.ABLATION and finding.verdict is not Verdict.NO_DIFFERENCE:
            return "with the change switched off, the snapshot before is not given again"
        if finding.question is Question.DECLARATION:
            return f"its declaration was changed after it was started: {finding.metric}"
    return None


def _correlation(before: Sequence[float], after: Sequence[float]) -> float | None:
    """Return Pearson's correlation; None where one side has no spread."""
    a, b = SampleStats.of(before), SampleStats.of(after)
    if len(before) < 3 or not (a.has_spread and b.has_spread):
        return None
    covariance = math.fsum((x - a.mean) * (y - b.mean) for x, y in zip(before, after, strict=True))
    return covariance / ((len(before) - 1) * a.sd * b.sd)
