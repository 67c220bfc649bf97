"""Find the step that lost a metric: by stored evidence, and by runs where it is missing."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scaffold.consent import require_snapshots_consent
from scaffold.errors import ProjectError, UsageError
from scaffold.git.history import project_repository
from scaffold.git.repository import Repository
from scaffold.git.snapshots import Snapshot, snapshot_id, unpack
from scaffold.project.project import Project
from scaffold.records.evidence import JudgedRun
from scaffold.records.judgment import ChangeJudgment, Verdict
from scaffold.records.metric import Metric
from scaffold.records.tweak import ChangeEvidence
from scaffold.rules.change.judge import judge_single
from scaffold.rules.change.paired import PairedTest, are_identical, judge_differences, next_look
from scaffold.running.plan import Plan
from scaffold.running.preparation import prepare_program
from scaffold.running.seeds import make_runs, planned_seeds
from scaffold.running.session import Session
from scaffold.running.store import judged_runs
from scaffold.tweak.prepare import runnable, snapshot_files
from scaffold.tweak.start import default_margin
from scaffold.tweak.store import accepted, last_accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two steps of the history, and what the metric did between them.

    `runs_made` is 0 where evidence said it.
    """

    older: str
    newer: str
    verdict: Verdict
    effect: float
    pairs: int
    runs_made: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bisected:
    """The answer.

    Attributes:
        metric: what was looked for; `margin` is the smallest loss that counts.
        step: the step that lost it, and its commit; None when nothing was lost.
        certain: whether every comparison on the way was decided.
        compared: in the order in which they were looked at; the last one is the step itself.
    """

    metric: str
    margin: float
    step: str | None
    commit: str | None
    certain: bool
    compared: tuple[Compared, ...]
    note: str


@dataclass(frozen=True, slots=True)
class _Step:
    name: str
    commit: str
    snapshot: str


def bisect_metric(session: Session, metric_name: str, margin: float | None) -> Bisected:
    """Find the step of the present branch's own line that lost a metric.

    Where one step's own evidence says that it moved the metric for the worse, that is the answer,
    and nothing is run. Else steps are halved: each comparison uses the runs in evidence and makes
    those that are missing.

    Raises:
        ProjectError: there are no two states to compare.
        UsageError: the present state has no such metric.
        RunError: runs failed; what went well is kept.
    """
    project, recipe = session.project, session.recipe
    repository = project_repository(project.root)
    steps, note = _comparable(project, _history(project, repository))
    snapshots = {step.name: unpack(project, repository, step.snapshot) for step in steps}
    steps = _measured(steps, snapshots, metric_name)
    if len(steps) < 2:
        raise ProjectError("there is only one state of the system: nothing can have been lost yet")
    metric = _metric(snapshots[steps[-1].name], metric_name)
    limit = margin if margin is not None else default_margin(project, recipe, metric_name)[0]
    by_evidence = _by_evidence(project, steps, metric, limit)
    if by_evidence is not None:
        return Bisected(
            metric=metric_name,
            margin=limit,
            step=by_evidence.newer,
            commit=_commit_of(steps, by_evidence.newer),
            certain=True,
            compared=(by_evidence,),
            note=note,
        )
    snapshots = {step.name: snapshots[step.name] for step in steps}
    require_snapshots_consent(
        [runnable(snapshot, name) for name, snapshot in snapshots.items()], session.options.trust
    )
    return _Search(session, metric, limit, snapshots).halve(steps, note)


def _history(project: Project, repository: Repository) -> list[_Step]:
    """Return every snapshot on the branch's own line, oldest first, by tweak or commit."""
    by_snapshot = {
        evidence.accepted_snapshot: evidence.tweak.name for evidence in accepted(project)
    }
    line = repository.call(
        "log", "--first-parent", "--reverse", "--format=%H%x00%s", "HEAD"
    ).splitlines()
    steps: list[_Step] = []
    for commit, _, subject in (entry.partition("\0") for entry in line):
        if repository.find_id(f"{commit}:system.yaml") is None:
            continue
        snapshot = snapshot_id(repository, commit)
        if not steps or steps[-1].snapshot != snapshot:
            name = (
                f"tweak {by_snapshot[snapshot]}"
                if snapshot in by_snapshot
                else f"{commit[:7]} {subject[:50]}"
            )
            steps.append(_Step(name if steps else "the first src/", commit, snapshot))
    return steps


def _comparable(project: Project, steps: list[_Step]) -> tuple[list[_Step], str]:
    """Return the steps since the last new dataset: values on other data cannot be compared."""
    swaps = {
        evidence.accepted_snapshot
        for evidence in accepted(project)
        if evidence.tweak.kind == "data"
    }
    first = max((index for index, step in enumerate(steps) if step.snapshot in swaps), default=0)
    return steps[first:], (
        f"looked at from {steps[first].name} on, which brought new data" if first else ""
    )


def _measured(steps: list[_Step], snapshots: Mapping[str, Snapshot], name: str) -> list[_Step]:
    """Return the last steps that all have the metric; all if the present one lacks it."""
    usable = list(
        itertools.takewhile(lambda step: name in _names(snapshots[step.name]), reversed(steps))
    )
    return usable[::-1] or steps


def _metric(snapshot: Snapshot, name: str) -> Metric:
    if name not in _names(snapshot):
        raise UsageError(
            f"the system has no metric {name!r}", hint=f"it has: {', '.join(_names(snapshot))}"
        )
    return snapshot.system.metric(name)


def _names(snapshot: Snapshot) -> list[str]:
    return [metric.name for metric in snapshot.system.metrics]


def _commit_of(steps: list[_Step], name: str) -> str:
    return next(step.commit for step in steps if step.name == name)


def _by_evidence(
    project: Project, steps: list[_Step], metric: Metric, margin: float
) -> Compared | None:
    """Return the one step whose own evidence shows the loss; None if it is not clear."""
    by_snapshot = {evidence.accepted_snapshot: evidence for evidence in accepted(project)}
    losing = []
    for before, step in itertools.pairwise(steps):
        evidence = by_snapshot.get(step.snapshot)
        if evidence is None or (evidence.before.snapshot, evidence.change.snapshot) != (
            before.snapshot,
            step.snapshot,
        ):
            return None  # nobody has compared these two
        compared = _of_evidence(evidence, before, step, metric, margin)
        losing += [compared] if compared else []
    return losing[0] if len(losing) == 1 else None


def _of_evidence(
    evidence: ChangeEvidence, before: _Step, step: _Step, metric: Metric, margin: float
) -> Compared | None:
    judgment = ChangeJudgment.from_mapping(evidence.judgment)
    finding = next((f for f in judgment.findings if f.metric == metric.name and f.interval), None)
    if finding is None or finding.interval is None or finding.effect is None:
        return None
    sign = 1 if metric.direction == "higher" else -1
    is_lost = (
        max(sign * bound for bound in finding.interval) < 0 and sign * finding.effect <= -margin
    )
    if not is_lost:
        return None
    return Compared(
        older=before.name,
        newer=step.name,
        verdict=Verdict.WORSE,
        effect=finding.effect,
        pairs=finding.n,
        runs_made=0,
    )


def _shared(pairs: list[tuple[JudgedRun, JudgedRun]], metrics: Sequence[Metric]) -> list[Metric]:
    return [
        metric
        for metric in metrics
        if all(metric.name in run.metrics for both in pairs for run in both)
    ]


class _Search:
    """Compares states by the runs that evidence holds, and by new ones."""

    def __init__(
        self,
        session: Session,
        metric: Metric,
        margin: float,
        snapshots: Mapping[str, Snapshot],
    ) -> None:
        self.session, self.snapshots, self.metric, self.margin = session, snapshots, metric, margin
        project = session.project
        last = last_accepted(project)
        self.deterministic = all(
            snapshot.system.seeds.how == "none" for snapshot in snapshots.values()
        )
        self.max_pairs = last.tweak.rule.max_pairs if last else 28
        self.runs: dict[str, dict[int, JudgedRun]] = {}
        self.plans: dict[str, Plan] = {}
        for evidence in accepted(project):
            for side in (evidence.before, evidence.change):
                known = self.runs.setdefault(side.snapshot, {})
                known |= {run.seed: run for run in side.runs if metric.name in run.metrics}

    def halve(self, steps: list[_Step], note: str) -> Bisected:
        compared = [self.compare(steps[0], steps[-1])]
        total, certain = compared[0], compared[0].verdict is not Verdict.UNDECIDED
        if total.verdict is not Verdict.WORSE:
            return Bisected(
                metric=self.metric.name,
                margin=self.margin,
                step=None,
                commit=None,
                certain=certain,
                compared=tuple(compared),
                note=note,
            )
        low, high = 0, len(steps) - 1
        while high - low > 1:
            middle = (low + high) // 2
            finding = self.compare(steps[0], steps[middle])
            compared.append(finding)
            certain &= finding.verdict is not Verdict.UNDECIDED
            # Where it stays undecided, it lies with the side that its effect is nearer to.
            is_lost = finding.verdict is Verdict.WORSE
            if finding.verdict is Verdict.UNDECIDED:
                is_lost = (
                    abs(finding.effect) > abs(total.effect) / 2
                    and finding.effect * total.effect > 0
                )
            low, high = (low, middle) if is_lost else (middle, high)
        if len(compared) > 1:
            compared.append(self.compare(steps[low], steps[high]))
        return Bisected(
            metric=self.metric.name,
            margin=self.margin,
            step=steps[high].name,
            commit=steps[high].commit,
            certain=certain,
            compared=tuple(compared),
            note=note,
        )

    def compare(self, older: _Step, newer: _Step) -> Compared:
        """Judge the metric between two steps, with as many pairs as that takes."""
        run_count = 0
        while True:
            before, after = (self.runs.setdefault(step.snapshot, {}) for step in (older, newer))
            seeds = sorted(before.keys() & after.keys())
            metrics = [
                [side[seed].metrics[self.metric.name] for seed in seeds] for side in (before, after)
            ]
            values = [[metric.value for metric in side] for side in metrics]
            if seeds:
                half_digit = min(metric.half_digit for side in metrics for metric in side)
                result = judge_differences(
                    values[0],
                    values[1],
                    PairedTest(
                        higher_is_better=self.metric.direction == "higher",
                        margin=self.margin,
                        alpha=0.05,
                        beta=0.05,
                        max_pairs=self.max_pairs,
                        half_digit=half_digit,
                    ),
                )
                verdict, further_seeds = result.verdict, result.more_pairs
                pairs = [(before[seed], after[seed]) for seed in seeds]
                if are_identical(
                    _shared(pairs, self.snapshots[newer.name].system.metrics),
                    pairs,
                    self.deterministic,
                ):
                    verdict, further_seeds = Verdict.NO_DIFFERENCE, None
                if (
                    verdict is not Verdict.UNDECIDED
                    or len(seeds) >= self.max_pairs
                    or (further_seeds is None and run_count)
                ):
                    return Compared(
                        older=older.name,
                        newer=newer.name,
                        verdict=verdict,
                        effect=result.effect.mean,
                        pairs=result.pairs,
                        runs_made=run_count,
                    )
                if self.deterministic:
                    (first, *_), (second, *_) = values
                    return Compared(
                        older=older.name,
                        newer=newer.name,
                        verdict=judge_single(self.metric, first, second, half_digit, self.margin),
                        effect=second - first,
                        pairs=1,
                        runs_made=run_count,
                    )
            count = 2 if not seeds else next_look(len(seeds), self.max_pairs)
            run_count += sum(self.make_seeds(step, count) for step in (older, newer))
            if len(before.keys() & after.keys()) == len(seeds):
                raise ProjectError(
                    f"{older.name} and {newer.name} have no further seed in common that ended well",
                    hint="see the runs in .scaffold/runs",
                )

    def make_seeds(self, step: _Step, count: int) -> int:
        """Make the first `count` seeds of a snapshot; return how many had to be run."""
        known = self.runs[step.snapshot]
        plan = self.plan(step)
        run_seeds = planned_seeds(plan.program, count)
        missing = [seed for seed in run_seeds if seed not in known]
        if missing:
            self.session.listener.message(f"{step.name}: {len(missing)} more seeds")
            records = make_runs(self.session.project, plan, missing, self.session.listener)
            known |= {run.seed: run for run in judged_runs(records, plan.runs_dir, ())}
        return len(missing)

    def plan(self, step: _Step) -> Plan:
        """Prepare a snapshot to run."""
        if step.snapshot not in self.plans:
            snapshot = self.snapshots[step.name]
            self.plans[step.snapshot] = prepare_program(
                self.session, snapshot_files(snapshot, step.name)
            )
        return self.plans[step.snapshot]
