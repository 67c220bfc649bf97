"""Gather what the page shows, from evidence and runs: every number leads to its run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from scaffold.datasets.splits import FILE, read_seal
from scaffold.errors import ScaffoldError
from scaffold.git.repository import Repository
from scaffold.probes.analyzed import LastAnalysis, last_analysis
from scaffold.probes.error_sheet import ReadSheet, read_sheets
from scaffold.probes.sweep import Swept, read_sweeps
from scaffold.project.goal import read_goal
from scaffold.project.lock import is_at_work
from scaffold.project.project import Project, load_recipe
from scaffold.records.evidence import Evidence, JudgedRun, Outcome, RunRecord
from scaffold.records.goal import Goal
from scaffold.records.judgment import ChangeJudgment, Finding, Judgment, Question
from scaffold.records.metric import Metric
from scaffold.records.recipe import Recipe
from scaffold.records.splits import Seal
from scaffold.records.tweak import ChangeEvidence
from scaffold.reproduce.evidence import load_calibration, read_evidence
from scaffold.rules.parity.checks import CheckResult
from scaffold.rules.stats import mean_interval
from scaffold.running.store import read_series
from scaffold.running.unfinished import unfinished_runs
from scaffold.status.cache import load_status
from scaffold.status.model import ProjectStatus
from scaffold.tweak.store import all_evidence
from scaffold.views.runs import read_records, states_by_inputs

Series = tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunValue:
    """One value of one run."""

    run: str
    seed: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproductionFacts:
    """What the untouched reference gives, beside what was published and its calibration runs.

    Attributes:
        published: the number as printed; None where nothing is, or no single number.
        calibration: values of the calibration runs.
        own: of the runs here.
        interval: 95 % interval of the own mean; None of fewer than two runs.
        findings: what was judged, in order.
    """

    metric: Metric
    published: float | None
    published_text: str
    calibration: tuple[float, ...]
    own: tuple[RunValue, ...]
    interval: tuple[float, float] | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two runs of one seed: before a change and with it."""

    seed: int
    before: RunValue
    after: RunValue


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeFacts:
    """A tweak or a rewrite that was judged.

    Attributes:
        decision: accepted, dropped, or open.
        finding: of the judged metric; None of a rewrite without pairs.
        checks: of a rewrite.
    """

    name: str
    phase: str
    kind: str
    verdict: str
    decision: str
    metric: str
    margin: float
    finding: Finding | None
    pairs: tuple[Pair, ...]
    checks: tuple[CheckResult, ...]
    differences: tuple[str, ...]
    expect: str
    reason: str
    refusal: str | None
    cost_s: float
    created: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run that lies in the project; `state` is what was run."""

    id: str
    seed: int
    state: str
    outcome: str
    metrics: Mapping[str, float]
    wall_time_s: float
    started: str
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """One metric over the steps of each run that printed it, by what was run."""

    metric: str
    unit: str
    by_state: Mapping[str, tuple[tuple[str, Series], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that the page shows."""

    status: ProjectStatus
    commit: str
    created: str
    reproduction: ReproductionFacts | None
    changes: tuple[ChangeFacts, ...]
    analysis: LastAnalysis | None
    goal: Goal
    seal: Seal | None
    sweeps: tuple[Swept, ...]
    sheets: tuple[ReadSheet, ...]
    runs: tuple[Run, ...]
    curves: tuple[Curves, ...]
    going: tuple[str, ...]
    left_out: tuple[str, ...]


def gather(project: Project) -> Facts:
    """Read a project.

    Raises:
        BrokenFileError, ProjectError: recipe.yaml, milestones.yaml or evidence cannot be read.
    """
    recipe = load_recipe(project)
    evidence = read_evidence(project)
    judged = all_evidence(project)
    records, left_out = read_records(project)
    states = states_by_inputs(evidence, judged)
    runs = tuple(_run(record, states, project) for record in records)
    return Facts(
        status=load_status(project),
        commit=Repository(project.root).find_id("HEAD") or "",
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        reproduction=_reproduction(project, recipe, evidence) if evidence else None,
        changes=tuple(map(_change, sorted(judged, key=lambda one: one.created))),
        analysis=_analysis(project),
        goal=_goal(project, left_out),
        seal=_seal(project, left_out),
        sweeps=_sweeps(project, left_out),
        sheets=_sheets(project, left_out),
        runs=runs,
        curves=tuple(_curves(project, recipe, runs)),
        going=tuple(_going(project)),
        left_out=tuple(left_out),
    )


def _analysis(project: Project) -> LastAnalysis | None:
    """Return the last analysis; its table by a path that tells nothing of this machine."""
    last = last_analysis(project)
    if last is None:
        return None
    path = Path(last.predictions)
    is_own = path.is_relative_to(project.root)
    shown = path.relative_to(project.root) if is_own else path.name
    return replace(last, predictions=str(shown))


def _going(project: Project) -> Iterator[str]:
    """Yield the runs that are under way."""
    if not is_at_work(project):
        return
    for run in unfinished_runs(project):
        yield f"{run.kind} {run.seed}"


def _reproduction(project: Project, recipe: Recipe, evidence: Evidence) -> ReproductionFacts:
    judgment = Judgment.from_mapping(evidence.judgment)
    metric = recipe.metric(recipe.judged_metrics[0])
    claim = next((f for f in judgment.findings if f.question is Question.CLAIM), None)
    calibration = load_calibration(project, recipe)
    own = _points(evidence.runs, metric.name)
    return ReproductionFacts(
        metric=metric,
        published=claim.published_value if claim is not None else None,
        published_text=(claim.published or "") if claim is not None else "",
        calibration=tuple(
            run.metrics[metric.name].value
            for run in (calibration.runs if calibration else ())
            if metric.name in run.metrics
        ),
        own=own,
        interval=mean_interval([point.value for point in own]),
        findings=judgment.findings,
    )


def _points(runs: Sequence[JudgedRun], metric: str) -> tuple[RunValue, ...]:
    return tuple(
        RunValue(run=run.id, seed=run.seed, value=run.metrics[metric].value)
        for run in runs
        if metric in run.metrics
    )


def _change(evidence: ChangeEvidence) -> ChangeFacts:
    judgment = ChangeJudgment.from_mapping(evidence.judgment)
    metric = evidence.tweak.rule.metric
    finding = next((f for f in judgment.findings if f.question is Question.CHANGE), None)
    before = {point.seed: point for point in _points(evidence.before.runs, metric)}
    after = {point.seed: point for point in _points(evidence.change.runs, metric)}
    return ChangeFacts(
        name=evidence.tweak.name,
        phase=evidence.tweak.phase,
        kind=evidence.tweak.kind,
        verdict=judgment.verdict.value,
        decision=evidence.decision or "open",
        metric=metric,
        margin=evidence.tweak.rule.margin,
        finding=finding,
        pairs=tuple(
            Pair(seed=seed, before=before[seed], after=after[seed])
            for seed in sorted(before.keys() & after.keys())
        ),
        checks=tuple(map(CheckResult.from_mapping, evidence.checks)),
        differences=tuple(f"{one.name}: {one.text}" for one in evidence.differences),
        expect=evidence.tweak.expect,
        reason=judgment.reason,
        refusal=judgment.refusal,
        cost_s=evidence.cost_s,
        created=evidence.created,
    )


def _goal(project: Project, left_out: list[str]) -> Goal:
    try:
        return read_goal(project)
    except ScaffoldError:
        left_out.append("goal.yaml")
        return Goal()


def _seal(project: Project, left_out: list[str]) -> Seal | None:
    """Return since when test is sealed, and who has read it; None where it is not."""
    lists = project.system_source.tree / "splits"
    try:
        return read_seal(lists) if (lists / FILE).is_file() else None
    except ScaffoldError:
        left_out.append("sealed/")
        return None


def _sweeps(project: Project, left_out: list[str]) -> tuple[Swept, ...]:
    """Return the sweeps, the newest first; where one cannot be read, none, and they are named."""
    try:
        return tuple(read_sweeps(project))
    except ScaffoldError:
        left_out.append("sweeps/")
        return ()


def _sheets(project: Project, left_out: list[str]) -> tuple[ReadSheet, ...]:
    """Return the sheets of wrong examples; those that cannot be read are named."""
    if not any(project.errors.glob("*.yaml")):
        return ()
    try:
        return tuple(read_sheets(project.errors))
    except ScaffoldError:
        left_out.append("errors/")
        return ()


def _run(record: RunRecord, states: Mapping[str, str], project: Project) -> Run:
    is_whole = record.outcome is Outcome.COMPLETED
    return Run(
        id=record.id,
        seed=record.seed,
        state=states.get(record.inputs.digest, "not judged"),
        outcome=record.outcome.value if is_whole else f"{record.outcome.value}: {record.reason}",
        metrics={name: value.value for name, value in record.metrics.items()},
        wall_time_s=record.wall_time_s,
        started=record.started,
        folder=str((project.runs / record.id).relative_to(project.root)),
    )


def _curves(project: Project, recipe: Recipe, runs: Sequence[Run]) -> Iterator[Curves]:
    """Yield each metric of the recipe that was printed more than once by some run."""
    series = {run.id: read_series(project.runs / run.id) for run in runs}
    for metric in recipe.metrics:
        by_state: dict[str, list[tuple[str, Series]]] = {}
        for run in reversed(runs):
            points = series[run.id].get(metric.name, ())
            if len(points) > 1:
                by_state.setdefault(run.state, []).append((run.id, points))
        if by_state:
            yield Curves(
                metric=metric.name,
                unit=metric.unit,
                by_state={state: tuple(lines) for state, lines in by_state.items()},
            )
