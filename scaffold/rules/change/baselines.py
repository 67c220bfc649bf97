"""Does a system on new data learn anything at all?

Compared with the simplest models on the same data. Pure.

Source of the baselines: A. Karpathy, A Recipe for Training Neural Networks (2019); A. Ng, Machine
Learning Yearning.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scaffold.records.evidence import JudgedRun
from scaffold.records.judgment import ChangeJudgment, Finding, Question, Verdict
from scaffold.records.metric import Metric
from scaffold.records.system import Baselines
from scaffold.records.tweak import Bound, ChangeRule
from scaffold.rules.change.judge import ChangeTerms, refusal_of, weakest
from scaffold.rules.change.paired import PairedTest, judge_differences, pair
from scaffold.rules.stats import SampleStats

SIMPLE_MODELS = ("constant", "linear")
"""The best constant answer, and a linear model: each one number, without chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineRuns:
    """What new data are compared with.

    Attributes:
        zeroed: runs of the same seeds, all inputs 0.
        simple: the metric's value by simple model.
        overfit_one_batch: its value on the one batch that it was trained on.
        settings: what counts as overfitted.
        bound: the best value one can hope for.
    """

    zeroed: Sequence[JudgedRun]
    simple: Mapping[str, float]
    overfit_one_batch: float
    settings: Baselines
    bound: Bound | None


def judge_data(
    metric: Metric, runs: Sequence[JudgedRun], compared: BaselineRuns, terms: ChangeTerms
) -> ChangeJudgment:
    """Judge the first runs on new data.

    Args:
        metric: the judged one.
        runs: of the system, by seed.
        compared: what they are compared with.
        terms: what they are judged under.
    """
    rule, deterministic, additional = terms.rule, terms.deterministic, terms.additional
    zeroed, simple, baselines = compared.zeroed, compared.simple, compared.settings
    overfit_one_batch, bound, remarks = compared.overfit_one_batch, compared.bound, terms.remarks
    values = [run.metrics[metric.name].value for run in runs]
    stats = SampleStats.of(values)
    findings = []
    for name in SIMPLE_MODELS:
        findings.append(
            _beats(
                rule, metric, f"{name} model", [simple[name]] * len(values), values, deterministic
            )
        )
    both = pair(zeroed, runs)
    before, after = ([run[side].metrics[metric.name].value for run in both] for side in (0, 1))
    findings.append(_beats(rule, metric, "zeroed inputs", before, after, deterministic))
    higher = metric.direction == "higher"
    is_memorized = (
        overfit_one_batch >= baselines.overfit_one_batch
        if higher
        else overfit_one_batch <= baselines.overfit_one_batch
    )
    findings.append(
        Finding(
            question=Question.BASELINE,
            metric="one batch overfitted",
            verdict=Verdict.BETTER if is_memorized else Verdict.WORSE,
            n=1,
            mean=overfit_one_batch,
            before=baselines.overfit_one_batch,
            rule=f"one run on {baselines.batch} examples",
            reason=(
                f"{metric.name} {overfit_one_batch:.4g} on the batch it was trained on,"
                f" {baselines.overfit_one_batch:g} is asked for"
            ),
        )
    )
    verdict = weakest([finding.verdict for finding in findings])
    notes = [*remarks, _of_bound(metric, stats, bound)]
    failed = [finding.metric for finding in findings if finding.verdict is not Verdict.BETTER]
    refusal = (
        f"the system does not clearly pass: {', '.join(failed)}"
        if failed
        else refusal_of(additional)
    )
    baseline = Finding(
        question=Question.CHANGE,
        metric=metric.name,
        verdict=verdict,
        n=stats.n,
        mean=stats.mean,
        sd=stats.sd if stats.n > 1 else None,
        reason=f"the new baseline is {stats.mean:.4g} over {stats.n} seeds",
        rule="compared with the simplest models below",
    )
    further = max((finding.more_seeds or 0 for finding in findings), default=0)
    return ChangeJudgment(
        verdict=verdict,
        kind="data",
        refusal=refusal,
        findings=(baseline, *findings, *additional),
        remarks=tuple(notes),
        more_pairs=further or None if verdict is Verdict.UNDECIDED else None,
    )


def _beats(
    rule: ChangeRule,
    metric: Metric,
    name: str,
    before: Sequence[float],
    after: Sequence[float],
    deterministic: bool,
) -> Finding:
    result = judge_differences(
        before,
        after,
        PairedTest(
            higher_is_better=metric.direction == "higher",
            margin=math.ulp(0.0),
            alpha=rule.alpha,
            beta=rule.beta,
            max_pairs=rule.max_pairs,
        ),
    )
    verdict, effect, more_seeds = result.verdict, result.effect, result.more_pairs
    if deterministic:
        is_better = effect.mean > 0 if metric.direction == "higher" else effect.mean < 0
        verdict, more_seeds = (Verdict.BETTER if is_better else Verdict.WORSE), None
    return Finding(
        question=Question.BASELINE,
        metric=name,
        verdict=verdict,
        n=result.pairs,
        before=result.before.mean,
        mean=result.after.mean,
        sd=effect.sd if effect.n > 1 else None,
        interval=result.interval,
        more_seeds=more_seeds,
        reason=f"{metric.name} {effect.mean:+.3g} over the {name}",
        rule=f"sequential t, alpha {rule.alpha:g}",
    )


def _of_bound(metric: Metric, stats: SampleStats, bound: Bound | None) -> str:
    if bound is None or bound.value == "unknown":
        return "the bound is unknown: how much better it can become, nobody can say"
    away = bound.value - stats.mean if metric.direction == "higher" else stats.mean - bound.value
    return f"{away:.3g} away from the bound {bound.value:g} ({bound.source})"
