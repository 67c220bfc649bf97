"""Puts the tests together: what the runs of a project say of its reference.

Pure: no disk, clock, network, torch.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from types import MappingProxyType

from scaffold.records.claim import Claim, EventClaim, StepsToTargetClaim, ValueClaim
from scaffold.records.evidence import Calibration, JudgedRun, MetricValue
from scaffold.records.judgment import Finding, Judgment, Question, Verdict
from scaffold.records.metric import Metric
from scaffold.records.reason import Reason
from scaffold.records.recipe import Recipe
from scaffold.rules.reproduction.claims import judge_claim
from scaffold.rules.reproduction.sequential import MIN_CALIBRATION_RUNS, NOISE, judge_reproduction
from scaffold.rules.stats import SampleStats, equality_tolerance, rank_p, t_two_sided_p

_BASES = ("early training", "evaluation", "training")
"""From the weakest to the strongest."""

_NONE: Mapping[str, float] = MappingProxyType({})


def judge(
    recipe: Recipe,
    runs: Sequence[JudgedRun],
    calibration: Calibration | None,
    deviations: Sequence[Reason] = (),
    noise: Mapping[str, float] = _NONE,
) -> Judgment:
    """Judge at least one completed full run, in the order in which their seeds were used.

    The overall verdict is the weakest of all findings. A claim of basis `early training` can refute
    but never confirm. `noise` is how far each metric of a deterministic program was measured to
    differ from itself.
    """
    # The first run of each seed.
    distinct = list({run.seed: run for run in reversed(runs)}.values())[::-1]
    claimed = {claim.metric: claim for claim in recipe.claims}
    judged = recipe.judged_metrics
    deterministic = recipe.seeds.how == "none"
    findings = [
        _reproduction(recipe, (name, claimed.get(name)), distinct, calibration, noise)
        for name in judged
    ]
    for claim in recipe.claims:
        metric = recipe.metric(claim.metric)
        stats, shipped = _own_stats(metric, distinct), _calibration_stats(metric, calibration)
        series = [run.series.get(metric.name, ()) for run in distinct]
        findings.append(
            judge_claim(
                claim,
                stats,
                shipped,
                series,
                metric.direction,
                recipe.rule,
                noise.get(metric.name, 0.0) if deterministic else None,
            )
        )
    findings += _monitored(recipe, distinct, calibration, judged)
    findings += _seeds(recipe, runs, distinct, calibration)
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


def _own_stats(metric: Metric, runs: Sequence[JudgedRun]) -> SampleStats:
    return _stats([run.metrics[metric.name] for run in runs])


def _calibration_stats(metric: Metric, calibration: Calibration | None) -> SampleStats | None:
    values = (
        [run.metrics[metric.name] for run in calibration.runs if metric.name in run.metrics]
        if calibration
        else []
    )
    return _stats(values) if values else None


def _stats(values: Sequence[MetricValue]) -> SampleStats:
    return SampleStats.of(
        [value.value for value in values], half_digit=min(value.half_digit for value in values)
    )


def _reproduction(
    recipe: Recipe,
    judged: tuple[str, Claim | None],
    runs: Sequence[JudgedRun],
    calibration: Calibration | None,
    noise: Mapping[str, float],
) -> Finding:
    """Judge one metric against the calibration runs; `judged` is its name, and its claim if any."""
    name, claim = judged
    metric = recipe.metric(name)
    stats = _calibration_stats(metric, calibration)
    own = _own_stats(metric, runs)
    if stats is None and isinstance(claim, ValueClaim):
        if recipe.seeds.how == "none":
            stats = SampleStats(n=1, mean=claim.value, sd=0.0, half_digit=claim.half_digit)
        elif (
            claim.deviation is not None and claim.n is not None and claim.n >= MIN_CALIBRATION_RUNS
        ):
            stats = SampleStats(
                n=claim.n, mean=claim.value, sd=claim.deviation, half_digit=claim.half_digit
            )
    if stats is None:
        return Finding(
            question=Question.REPRODUCTION,
            metric=metric.name,
            verdict=Verdict.INCONCLUSIVE,
            rule="sequential t",
            n=own.n,
            mean=own.mean,
            sd=own.sd if own.n > 1 else None,
            reason=(
                "the recipe ships no calibration runs: make them with `scaffold recipes calibrate`"
            ),
        )
    deterministic = recipe.seeds.how == "none"
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


def _shipped(metric: Metric, calibration: Calibration | None) -> list[float]:
    """Return the values of the calibration runs."""
    runs = calibration.runs if calibration else ()
    return [run.metrics[metric.name].value for run in runs if metric.name in run.metrics]


def _monitored(
    recipe: Recipe,
    runs: Sequence[JudgedRun],
    calibration: Calibration | None,
    judged: Sequence[str],
) -> list[Finding]:
    """Judge each monitored metric and the spread of the judged ones against calibration.

    The level is divided by their number (Bonferroni).
    """
    statistics = [(metric, _calibration_stats(metric, calibration)) for metric in recipe.metrics]
    shipped = [
        (metric, stats)
        for metric, stats in statistics
        if stats is not None and stats.n >= MIN_CALIBRATION_RUNS
    ]
    means = [
        (metric, stats)
        for metric, stats in shipped
        if metric.monitored and metric.name not in judged
    ]
    spreads = [
        (metric, stats)
        for metric, stats in shipped
        if metric.name in judged and len(runs) > 1 and stats.has_spread
    ]
    if not means and not spreads:
        return []
    alpha = recipe.rule.monitor_alpha / (len(means) + len(spreads))
    values = {
        metric.name: [run.metrics[metric.name].value for run in runs]
        for metric, _ in [*means, *spreads]
    }
    shipped_values = {
        metric.name: _shipped(metric, calibration) for metric, _ in [*means, *spreads]
    }
    return [
        _by_ranks(
            _monitor_mean(metric, stats, _own_stats(metric, runs), alpha),
            rank_p(values[metric.name], shipped_values[metric.name]),
            alpha,
            stats.n,
        )
        for metric, stats in means
    ] + [
        _by_ranks(
            _monitor_spread(metric, stats, _own_stats(metric, runs), alpha),
            _rank_p_of_spread(values[metric.name], shipped_values[metric.name]),
            alpha,
            stats.n,
        )
        for metric, stats in spreads
    ]


def _seeds_until_ranks_can_speak(n: int, shipped: int, alpha: float) -> int:
    """Return further seeds until the most extreme order of all values has a p below alpha.

    There are two such orders among all divisions.
    """
    return next(
        seeds for seeds in range(100) if 2.0 / math.comb(n + seeds + shipped, shipped) < alpha
    )


def _by_ranks(finding: Finding, p: float, alpha: float, shipped: int) -> Finding:
    """Keep a flag of a normal-theory test only if an exact permutation test flags the runs too."""
    if finding.verdict is not Verdict.UNEXPECTED or p < alpha:
        return finding
    missing = _seeds_until_ranks_can_speak(finding.n, shipped, alpha)
    if missing:
        reason = (
            f"{finding.reason}; {finding.n} seeds are too few to say so of any distribution,"
            f" {missing} more can"
        )
        return replace(finding, verdict=Verdict.INCONCLUSIVE, reason=reason, more_seeds=missing)
    reason = f"{finding.reason}; by ranks, whatever the distribution, p {p:.2g}"
    return replace(finding, verdict=Verdict.EXPECTED, reason=reason)


def _rank_p_of_spread(values: Sequence[float], shipped: Sequence[float]) -> float:
    """Test by ranks whether values lie further from their median than those of calibration."""
    apart = [[abs(value - median(side)) for value in side] for side in (values, shipped)]
    return rank_p(apart[0], apart[1], larger_only=True)


def _monitor_mean(metric: Metric, stats: SampleStats, own: SampleStats, alpha: float) -> Finding:
    difference = max(abs(own.mean - stats.mean) - own.half_digit, 0.0)
    if stats.has_spread:
        # The calibration's sd alone: one own run has none, and a faulty program's own spread must
        # not excuse it.
        p = t_two_sided_p(difference / (stats.sd * (1 / own.n + 1 / stats.n) ** 0.5), stats.n - 1)
    else:
        p = float(difference <= equality_tolerance(own, stats))
    shift = (
        f"{(own.mean - stats.mean) / stats.sd:+.2f} sd"
        if stats.has_spread
        else f"{own.mean - stats.mean:+.3g}"
    )
    return Finding(
        question=Question.MONITORED,
        metric=metric.name,
        verdict=Verdict.UNEXPECTED if p < alpha else Verdict.EXPECTED,
        reason=f"{shift} from calibration, p {p:.2g}",
        rule=f"UNEXPECTED if p of a t test against calibration is below {alpha:.2g}",
        n=own.n,
        mean=own.mean,
        sd=own.sd if own.n > 1 else None,
    )


def _monitor_spread(metric: Metric, stats: SampleStats, own: SampleStats, alpha: float) -> Finding:
    from scipy.special import fdtrc

    ratio = (own.sd / stats.sd) ** 2
    p = float(fdtrc(own.n - 1, stats.n - 1, ratio))
    return Finding(
        question=Question.MONITORED,
        metric=f"sd of {metric.name}",
        verdict=Verdict.UNEXPECTED if p < alpha else Verdict.EXPECTED,
        reason=f"sd {ratio**0.5:.2f} x that of calibration, p {p:.2g}",
        rule=f"UNEXPECTED if p of an F test for a larger sd is below {alpha:.2g}",
        n=own.n,
        sd=own.sd,
    )


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
    shipped = [run.metrics for run in calibration.runs] if calibration else []
    always_same = len(shipped) > 1 and all(metrics == shipped[0] for metrics in shipped)
    same = len(distinct) > 1 and all(run.metrics == distinct[0].metrics for run in distinct)
    if recipe.seeds.how != "none" and same and not always_same:
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
