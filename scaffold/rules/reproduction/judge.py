"""Puts the tests together: what the runs of a project say of its reference.

Pure: no disk, clock, network, torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from scaffold.records.claim import Claim, EventClaim, StepsToTargetClaim, ValueClaim
from scaffold.records.evidence import Calibration, JudgedRun
from scaffold.records.fields import WHOLE
from scaffold.records.judgment import Finding, Judgment, Question, Verdict
from scaffold.records.metric import Metric
from scaffold.records.reason import Reason
from scaffold.records.recipe import Recipe
from scaffold.rules.reproduction.claims import judge_claim
from scaffold.rules.reproduction.finding import claim_finding, failed_finding, published_stats
from scaffold.rules.reproduction.monitored import calibration_stats, judge_monitored, own_stats
from scaffold.rules.reproduction.sequential import MIN_CALIBRATION_RUNS, NOISE, judge_reproduction
from scaffold.rules.stats import SampleStats, equality_tolerance

_BASES = ("early training", "evaluation", "training")
"""From the weakest to the strongest."""

MOSTLY_FAILED = "mostly_failed"
"""Code of the deviation that more runs failed than ended well."""

_NONE: Mapping[str, float] = MappingProxyType({})

_MOST_NOISE = 1e-3
"""Of a metric's value, or of its whole if it is a share: ten times a larger noise would excuse more
than machines part by. Source: measured, at most 0.4 % of the value (docs/verdicts.md)."""


def judge(
    recipe: Recipe,
    runs: Sequence[JudgedRun],
    calibration: Calibration | None,
    deviations: Sequence[Reason] = (),
    noise: Mapping[str, float] = _NONE,
) -> Judgment:
    """Judge at least one completed full run, in the order in which their seeds were used.

    The overall verdict is the weakest of all findings. A claim of basis `early training` can refute
    but never confirm. `noise` is how far rounding alone was measured to move each metric of a
    deterministic program. One that gives two numbers without it is none, whatever its recipe says.
    """
    # The first run of each seed.
    of_seeds = list({run.seed: run for run in reversed(runs)}.values())[::-1]
    # Seeds that do not reach the program are one draw, however many of them ran.
    distinct = of_seeds[:1] if _ignores_seeds(recipe, of_seeds, calibration) else of_seeds
    claimed = {claim.metric: claim for claim in recipe.claims}
    judged = recipe.judged_metrics
    unsteady = _unsteady(recipe, runs, calibration, noise) if recipe.seeds.how == "none" else {}
    cut_short = _cut_short(recipe, distinct, calibration)
    findings = [
        _reproduction(
            recipe,
            (name, claimed.get(name)),
            distinct,
            calibration,
            noise,
            cut_short.get(name) or unsteady.get(name),
        )
        for name in judged
    ]
    for claim in recipe.claims:
        metric = recipe.metric(claim.metric)
        stats, shipped = own_stats(metric, distinct), calibration_stats(metric, calibration)
        if metric.name in cut_short:
            reason, text = cut_short[metric.name], "steps of the calibration runs"
            findings.append(claim_finding(claim, stats, Verdict.UNTESTABLE, reason, text))
            continue
        series = [run.series.get(metric.name, ()) for run in distinct]
        is_exact = recipe.seeds.how == "none" and metric.name not in unsteady
        if metric.name in unsteady and shipped is not None and not _differ(shipped):
            shipped = None  # it is no sign that there is none
        finding = judge_claim(
            claim,
            stats,
            shipped,
            series,
            metric.direction,
            recipe.rule,
            noise.get(metric.name, 0.0) if is_exact else None,
        )
        findings.append(_excluding(finding, WHOLE.get(metric.unit)))
    findings += judge_monitored(recipe, distinct, calibration, judged)
    findings += _seeds(recipe, runs, of_seeds, calibration)
    findings += [
        failed_finding(Verdict.INCONCLUSIVE, deviation.text, len(runs))
        for deviation in deviations
        if deviation.code == MOSTLY_FAILED
    ]
    basis = min((claim.basis for claim in recipe.claims), key=_BASES.index, default="training")
    verdicts = [finding.verdict.overall for finding in findings]
    overall = next(
        (w for w in (Verdict.NOT_REPRODUCED, Verdict.INCONCLUSIVE) if w in verdicts),
        Verdict.REPRODUCED,
    )
    if basis == "early training" and overall is Verdict.REPRODUCED:
        overall = Verdict.INCONCLUSIVE
        findings.append(
            Finding(
                question=Question.CLAIM,
                metric=judged[0],
                verdict=Verdict.UNTESTABLE,
                n=len(distinct),
                rule="basis: early training",
                reason=(
                    "the first part of a training curve can refute a final number, never confirm it"
                ),
            )
        )
    return Judgment(
        verdict=overall, basis=basis, findings=tuple(findings), deviations=tuple(deviations)
    )


def _unsteady(
    recipe: Recipe,
    runs: Sequence[JudgedRun],
    calibration: Calibration | None,
    noise: Mapping[str, float],
) -> dict[str, str]:
    """Return why metrics of a program said to be deterministic cannot be judged as such."""
    reasons = {}
    for metric in recipe.metrics:
        first, scale = runs[0].metrics[metric.name], WHOLE.get(metric.unit)
        other = next((run for run in runs if run.metrics[metric.name] != first), None)
        by_rounding = noise.get(metric.name, 0.0)
        shipped = calibration_stats(metric, calibration)
        if shipped is not None and _differ(shipped):
            reasons[metric.name] = (
                f"its {shipped.n} calibration runs differ: something is drawn, though the recipe"
                " says seeds.how: none"
            )
        elif other is not None:
            reasons[metric.name] = (
                f"the same run gave {first.value:.6g} and {other.metrics[metric.name].value:.6g}:"
                " something is drawn, though the recipe says seeds.how: none"
            )
        elif by_rounding > _MOST_NOISE * (scale or abs(first.value)):
            reasons[metric.name] = (
                f"rounding alone moves it by {by_rounding:.3g}: too much to call two numbers equal"
            )
    return reasons


def _cut_short(
    recipe: Recipe, runs: Sequence[JudgedRun], calibration: Calibration | None
) -> dict[str, str]:
    """Return why metrics are not of the whole training: another step than of all calibration runs.

    A program may end early, and say that it ended well.
    """
    reasons = {}
    for metric in recipe.metrics:
        values = [run.metrics[metric.name] for run in calibration.runs] if calibration else []
        steps = {value.step for value in values}
        if len(values) < 2 or len(steps) > 1 or metric.take in ("max", "min"):
            continue
        (last,) = steps
        other = next((run for run in runs if run.metrics[metric.name].step != last), None)
        if last is not None and other is not None:
            reasons[metric.name] = (
                f"the value of seed {other.seed} is of step {other.metrics[metric.name].step}, and"
                f" that of all {len(values)} calibration runs of step {last}: another length of"
                " training"
            )
    return reasons


def _excluding(finding: Finding, whole: float | None) -> Finding:
    """Return a finding that is UNTESTABLE if any share at all would have been consistent."""
    if whole is None or finding.interval is None or finding.verdict is not Verdict.CONSISTENT:
        return finding
    low, high = finding.interval
    if low > 0 or high < whole:
        return finding
    reason = f"any value from 0 to {whole:g} would have been consistent: that is no test"
    return replace(finding, verdict=Verdict.UNTESTABLE, reason=reason)


def _differ(stats: SampleStats) -> bool:
    """Return whether values differ by more than rounding makes of one."""
    values = stats.values or (stats.mean,)
    return bool(max(values) - min(values) > equality_tolerance(stats, stats))


def needs_series(recipe: Recipe) -> set[str]:
    """Return metrics whose judgment needs every step: the claim is when a value is reached."""
    return {
        claim.metric
        for claim in recipe.claims
        if isinstance(claim, (EventClaim, StepsToTargetClaim))
    }


def is_decided(judgment: Judgment, recipe: Recipe, seeds_run: int) -> bool:
    """Return whether no further seeds are allowed or needed.

    A refusal by the sequential test ends it at once. Tests of a mean, a range or an event, which
    ask for further seeds, share their level over all looks: looking after every seed refuses no
    more sound references.
    """
    limit = 1 if recipe.seeds.how == "none" else recipe.rule.max_seeds
    refused = any(
        f.question is Question.REPRODUCTION and f.verdict is Verdict.NOT_REPRODUCED
        for f in judgment.findings
    )
    if seeds_run >= limit or refused:
        return True
    return not any(finding.more_seeds for finding in judgment.findings)


def _reproduction(
    recipe: Recipe,
    judged: tuple[str, Claim | None],
    runs: Sequence[JudgedRun],
    calibration: Calibration | None,
    noise: Mapping[str, float],
    unsteady: str | None,
) -> Finding:
    """Judge one metric against the calibration runs; `judged` is its name, and its claim if any."""
    name, claim = judged
    metric = recipe.metric(name)
    stats = calibration_stats(metric, calibration)
    own = own_stats(metric, runs)
    if unsteady is not None:
        return _no_reproduction(metric, own, unsteady)
    if stats is None and isinstance(claim, ValueClaim):
        if recipe.seeds.how == "none":
            stats = published_stats(claim)
        elif claim.deviation and claim.n is not None and claim.n >= MIN_CALIBRATION_RUNS:
            # A published spread of 0.00 is a rounded one, and says nothing of the seeds here.
            stats = SampleStats(
                n=claim.n, mean=claim.value, sd=claim.deviation, half_digit=claim.half_digit
            )
    if stats is None:
        missing = (
            "the recipe ships no calibration runs: make them with `scaffold recipes calibrate`"
        )
        return _no_reproduction(metric, own, missing)
    deterministic = recipe.seeds.how == "none"
    if deterministic and not _differ(stats):
        stats = replace(stats, sd=0.0)  # such as of machines whose last digits part
    allowed = noise.get(metric.name, 0.0)
    if (
        isinstance(claim, ValueClaim)
        and claim.standard_error is not None
        and claim.n is None
        and deterministic
    ):
        # Its own question is judged as a claim.
        allowed = max(allowed, claim.standard_error / NOISE)
    return judge_reproduction(
        metric.name, own, stats, recipe.rule, allowed if deterministic else None
    )


def _no_reproduction(metric: Metric, own: SampleStats, reason: str) -> Finding:
    return Finding(
        question=Question.REPRODUCTION,
        metric=metric.name,
        verdict=Verdict.INCONCLUSIVE,
        rule="sequential t",
        n=own.n,
        mean=own.mean,
        sd=own.sd if own.n > 1 else None,
        reason=reason,
    )


def _ignores_seeds(
    recipe: Recipe, runs: Sequence[JudgedRun], calibration: Calibration | None
) -> bool:
    """Return whether all seeds gave one result, which those of the calibration runs did not."""
    shipped = [run.metrics for run in calibration.runs] if calibration else []
    always_same = len(shipped) > 1 and all(metrics == shipped[0] for metrics in shipped)
    same = len(runs) > 1 and all(run.metrics == runs[0].metrics for run in runs)
    return recipe.seeds.how != "none" and same and not always_same


def _seeds(
    recipe: Recipe,
    runs: Sequence[JudgedRun],
    distinct: Sequence[JudgedRun],
    calibration: Calibration | None,
) -> list[Finding]:
    """Judge whether seeds reach the reference, and whether one seed gives one result."""
    findings = []
    for seed in sorted({run.seed for run in runs}):
        results = [run.metrics for run in runs if run.seed == seed]
        if any(metrics != results[0] for metrics in results):
            verdict = (
                Verdict.INCONCLUSIVE if recipe.seeds.how == "none" else Verdict.NONDETERMINISTIC
            )
            reason = (
                f"{len(results)} runs of seed {seed} with the same inputs gave different results"
            )
            findings.append(
                Finding(
                    question=Question.SEEDS,
                    metric="all",
                    verdict=verdict,
                    reason=reason,
                    rule="equality",
                    n=len(results),
                )
            )
    if _ignores_seeds(recipe, distinct, calibration):
        reason = (
            f"{len(distinct)} seeds gave the same metrics to the last digit: the seed does not"
            " reach the reference"
        )
        findings.append(
            Finding(
                question=Question.SEEDS,
                metric="all",
                verdict=Verdict.SEED_IGNORED,
                reason=reason,
                rule="equality",
                n=len(distinct),
            )
        )
    return findings
