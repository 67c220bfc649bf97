"""Judge the open change: run both snapshots in pairs until decided, and write the evidence."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from scaffold.consent import Runnable, remember_shown, require_snapshots_consent
from scaffold.environments.environment import prepare_environment
from scaffold.errors import BrokenFileError, ProjectError, UsageError
from scaffold.git.history import ignored_paths, project_repository
from scaffold.git.repository import Repository
from scaffold.git.snapshots import Snapshot, changed_files, snapshot_of_commit, snapshot_of_worktree
from scaffold.probes.baselines import overfit_run, require_baselines, simple_models, zeroed_runs
from scaffold.project.project import Project, load_yaml, read_text
from scaffold.records.evidence import JudgedRun, Outcome
from scaffold.records.fields import Scalar
from scaffold.records.judgment import ChangeJudgment, Finding, Question, Verdict
from scaffold.records.metric import Metric
from scaffold.records.parsing import parse_record
from scaffold.records.recipe import Recipe
from scaffold.records.system import System
from scaffold.records.tweak import ChangeEvidence, Part, Side, Tweak
from scaffold.reproduce.verify import run_remarks
from scaffold.rules.change import judge as rule_of_changes
from scaffold.rules.change.baselines import judge_data
from scaffold.rules.change.differences import describe_groups, find_parts
from scaffold.rules.change.judge import (
    is_decided,
    judge_ablation,
    judge_change,
    judge_probe,
    next_look,
    pair,
)
from scaffold.rules.parity.checks import CheckResult
from scaffold.rules.parity.judge import construction_findings
from scaffold.running.engines.local import ProgressListener
from scaffold.running.plan import Plan
from scaffold.running.preparation import RunOptions, commit_date_of, prepare_program
from scaffold.running.seeds import make_runs, planned_seeds, runs_of
from scaffold.running.store import completed, judged_runs
from scaffold.tweak.store import commit_before, is_own_tweak, write_change


@dataclass(frozen=True, slots=True)
class Work:
    """What all steps of one verification share."""

    project: Project
    recipe: Recipe
    tweak: Tweak
    listener: ProgressListener
    options: RunOptions

    def plan(
        self, snapshot: Snapshot, system: System, title: str, *, smoke: bool = False
    ) -> tuple[Plan, int]:
        """Prepare a snapshot to run, and return how many of its runs fit at once."""
        return prepare_program(
            self.project,
            self.recipe,
            system,
            snapshot.source,
            snapshot.tree,
            self.options,
            title=title,
            smoke=smoke,
        )

    def runs(self, plan: Plan, room: int, count: int) -> list[JudgedRun]:
        """Return runs of the first seeds, making missing ones."""
        wanted = planned_seeds(plan.program, count)
        if len({record.seed for record in completed(runs_of(plan))} & set(wanted)) < len(wanted):
            self.listener.said(f"{plan.title}: {len(wanted)} seeds")
        records = make_runs(self.project, plan, wanted, room, self.listener)
        return judged_runs(records, plan.runs_dir, ())


def verify_change(
    project: Project,
    recipe: Recipe,
    tweak: Tweak,
    listener: ProgressListener,
    options: RunOptions,
    ablated: Mapping[str, str] | None = None,
) -> ChangeEvidence:
    """Run pairs of seeds of both snapshots until they decide, then write the tweak's evidence.

    Args:
        project: with the change in its work tree, committed or not.
        recipe: that it came from.
        tweak: what the change is to do.
        listener: is told of the runs.
        options: how to run.
        ablated: hyperparameters that ablate the change; with them the snapshot before must
            be given again.

    Raises:
        ProjectError: nothing has changed, or the snapshot before is gone.
        UsageError: the two states do not measure the same.
        ConsentError: a third party's snapshot would run.
        RunError: runs failed; what went well is kept.
    """
    work, before, after = open_change(project, recipe, tweak, listener, options)
    off = _ablation_values(after.system, ablated or {})
    if tweak.kind == "data":
        return _judge_data(work, before, after)
    return judge_pairs(work, before, after, off)


def open_change(
    project: Project, recipe: Recipe, tweak: Tweak, listener: ProgressListener, options: RunOptions
) -> tuple[Work, Snapshot, Snapshot]:
    """Return the snapshots before and after, once there is consent to run both.

    Raises:
        ProjectError, UsageError, ConsentError: see `verify_change`.
    """
    repository = project_repository(project.root)
    before, after = (
        snapshot_of_commit(project, commit_before(project, repository, tweak)),
        snapshot_of_worktree(project),
    )
    if before.id == after.id:
        raise ProjectError(
            "nothing has changed yet: src/ and system.yaml are those of the snapshot before"
            f" {tweak.name}",
            hint="edit src/ or system.yaml, then scaffold verify",
        )
    snapshots = [runnable(before, "the snapshot before")]
    snapshots += _to_be_asked(project, tweak, before, after)
    require_snapshots_consent(snapshots, options.trust)
    after = _with_its_lock(project, recipe, options)
    before = _with_lock(before, after)
    _require_same_seeding(before.system, after.system)
    return Work(project, recipe, tweak, listener, options), before, after


def _with_its_lock(project: Project, recipe: Recipe, options: RunOptions) -> Snapshot:
    """Return the work tree's snapshot.

    Its lock made again if system.yaml asks for other packages.
    """
    system = load_yaml(System, project.system)
    as_of = commit_date_of(project, recipe)
    prepare_environment(
        project.system_source,
        system.environment,
        as_of,
        offline=options.offline,
        device=system.resources.device,
        announce=options.announce,
    )
    return snapshot_of_worktree(project)


def _require_same_seeding(before: System, after: System) -> None:
    """Raise UsageError if seeds mean different things in the snapshots: runs would not be pairs."""
    kinds = [(system.seeds.how == "none", system.seeds.first) for system in (before, after)]
    if kinds[0] != kinds[1]:
        raise UsageError(
            f"seeds: the snapshot before has {before.seeds.how} from {before.seeds.first}, the"
            f" change {after.seeds.how} from {after.seeds.first}: their runs make no pairs",
            hint="keep seeds in system.yaml as it was",
        )


def _with_lock(before: Snapshot, after: Snapshot) -> Snapshot:
    """Return a first `src/` without a lock, with that of the change."""
    if before.source.lock.exists() or before.system.environment != after.system.environment:
        return before
    return replace(before, source=replace(before.source, lock=after.source.lock))


def prepare_change(
    project: Project, recipe: Recipe, tweak: Tweak, options: RunOptions, *, smoke: bool = False
) -> tuple[Plan, int]:
    """Prepare the open change to run by itself, to see whether it starts at all.

    Raises:
        ConsentError, MachineError, FetchError: see `preparation.prepare`.
    """
    repository = project_repository(project.root)
    title = f"{tweak.phase} {tweak.name}"
    before = snapshot_of_commit(project, commit_before(project, repository, tweak))
    require_snapshots_consent(
        _to_be_asked(project, tweak, before, snapshot_of_worktree(project)), options.trust
    )
    snapshot = _with_its_lock(project, recipe, options)
    return prepare_program(
        project,
        recipe,
        snapshot.system,
        snapshot.source,
        snapshot.tree,
        options,
        title=title,
        smoke=smoke,
    )


def _to_be_asked(
    project: Project, tweak: Tweak, before: Snapshot, after: Snapshot
) -> list[Runnable]:
    """Return the change if consent must be asked: it is not the user's own, or builds a package."""
    builds = set(after.system.environment.build) - set(before.system.environment.build)
    asked = runnable(after, f"{tweak.phase} {tweak.name}")
    if is_own_tweak(project, tweak) and not builds:
        remember_shown(asked)
        return []
    return [asked]


def runnable(snapshot: Snapshot, title: str) -> Runnable:
    """Return a snapshot as what consent is asked for."""
    return Runnable(title, snapshot.system, snapshot.source.folder, snapshot.tree)


def _ablation_values(system: System, ablated: Mapping[str, str]) -> dict[str, Scalar]:
    values: dict[str, Scalar] = {}
    for name, text in ablated.items():
        if name not in system.hyperparameters:
            known = ", ".join(system.hyperparameters) or "none"
            raise UsageError(
                f"--ablate {name}: system.yaml has no hyperparameter {name!r}",
                hint=f"it has: {known}",
            )
        values[name] = like(system.hyperparameters[name], text, f"--ablate {name}={text}")
    return values


def like(present: Any, text: str, option: str) -> Scalar:
    """Convert a text to the type of the present value.

    Raises:
        UsageError: it is none.
    """
    if isinstance(present, bool):
        if text not in ("true", "false"):
            raise UsageError(f"{option}: must be true or false, as {str(present).lower()} is")
        return text == "true"
    try:
        return type(present)(text)
    except ValueError as error:
        wanted = type(present).__name__
        raise UsageError(f"{option}: must be of type {wanted}, such as {present}") from error


def with_values(system: System, values: Mapping[str, Scalar]) -> System:
    """Return the system with other hyperparameters."""
    return system.model_copy(update={"hyperparameters": {**system.hyperparameters, **values}})


def judge_pairs(
    work: Work,
    before: Snapshot,
    after: Snapshot,
    off: Mapping[str, Scalar],
    checks: Sequence[CheckResult] = (),
) -> ChangeEvidence:
    """Run pairs of seeds of both states until they decide; write the evidence.

    Args:
        work: what is judged.
        before: the snapshot before.
        after: the change.
        off: hyperparameters that switch the change off.
        checks: of a rewrite, what comparing the computations themselves has shown.
    """
    tweak, rule = work.tweak, work.tweak.rule
    metrics = _shared_metrics(before.system, after.system, rule.metric)
    old, room = work.plan(before, before.system, "the snapshot before")
    new, _ = work.plan(after, after.system, f"{tweak.phase} {tweak.name}")
    deterministic = after.system.seeds.how == "none"
    device = after.system.resources.device

    def judge(
        pairs: Sequence[rule_of_changes.Pair],
        more: Sequence[Finding] = (),
        remarks: Sequence[str] = (),
    ) -> ChangeJudgment:
        return judge_change(
            tweak.kind_of_pairs,
            rule,
            metrics,
            pairs,
            deterministic=deterministic,
            device=device,
            more=more,
            remarks=remarks,
        )

    def is_enough(pairs: Sequence[rule_of_changes.Pair]) -> bool:
        return is_decided(judge(pairs), len(pairs), rule, has_probes=bool(tweak.probes))

    pairs = _pairs_until(work, old, new, room, is_enough)
    probes, found, count = _probe_runs(work, before, after, metrics, len(pairs), judge(pairs))
    if count > len(pairs):
        pairs = pair(work.runs(old, room, count), work.runs(new, room, count))
    if off:
        plan, _ = work.plan(
            after, with_values(after.system, off), f"{tweak.phase} {tweak.name}, switched off"
        )
        found.append(_ablated(work, metrics, old, plan, room, off))
    parts = parts_of(work, before, after)
    more = [*found, *declared_otherwise(work.project, tweak), *construction_findings(checks)]
    judgment = judge(pairs, more, remarks_of(work, parts, (old, new)))
    sides = (
        side_of(before, old, [a for a, _ in pairs]),
        side_of(after, new, [b for _, b in pairs]),
    )
    return write_judged(
        work, parts, metrics, sides, (old, new), judgment, probes=probes, checks=checks
    )


def _ablated(
    work: Work,
    metrics: Sequence[Metric],
    old: Plan,
    plan: Plan,
    room: int,
    off: Mapping[str, Scalar],
) -> Finding:
    """Judge whether the changed program with these values gives the snapshot before."""
    what = ", ".join(f"{name}={value}" for name, value in off.items())
    deterministic = old.program.seeds.how == "none"

    def judge(pairs: Sequence[rule_of_changes.Pair]) -> Finding:
        return judge_ablation(metrics, pairs, work.tweak.rule, what, deterministic=deterministic)

    return judge(
        _pairs_until(
            work, old, plan, room, lambda pairs: judge(pairs).verdict is not Verdict.UNDECIDED
        )
    )


def _pairs_until(
    work: Work,
    old: Plan,
    new: Plan,
    room: int,
    is_enough: Callable[[Sequence[rule_of_changes.Pair]], bool],
) -> list[rule_of_changes.Pair]:
    rule = work.tweak.rule
    there = min(len({record.seed for record in completed(runs_of(plan))}) for plan in (old, new))
    # Two pairs show whether anything differs at all; from then on only looks are worth their runs.
    count = 1 if old.program.seeds.how == "none" else max(2, min(there, rule.max_pairs))
    while True:
        pairs = pair(work.runs(old, room, count), work.runs(new, room, count))
        if not pairs:
            raise ProjectError(
                "no seed ended well on both sides", hint="see the runs in .scaffold/runs"
            )
        if old.program.seeds.how == "none" or count >= rule.max_pairs or is_enough(pairs):
            return pairs
        count = next_look(count, rule.max_pairs)


def _shared_metrics(before: System, after: System, judged: str) -> list[Metric]:
    """Return metrics that both snapshots measure alike; the judged one must be among them."""
    there = {metric.name: metric for metric in after.metrics}
    shared = [
        m
        for m in before.metrics
        if m.name in there and (m.unit, m.direction) == _kind_of(there[m.name])
    ]
    same = [m.name for m in shared if _reading_of(m) == _reading_of(there[m.name])]
    if judged in [metric.name for metric in shared] and judged not in same:
        raise UsageError(
            f"{judged} is read in another way than in the snapshot before, so that its values"
            " cannot be compared",
            hint=(
                "let the program write it where it did; a new metric is a tweak of its own, judged"
                " by the old one"
            ),
        )
    if judged not in [metric.name for metric in shared]:
        raise UsageError(
            f"{judged} is not measured in the same unit and direction by both states",
            hint=(
                "let system.yaml measure it as before; a new metric is a tweak of its own, judged"
                " by the old one"
            ),
        )
    return shared


def _reading_of(metric: Metric) -> tuple[Any, ...]:
    return metric.read, metric.take, metric.printed_in


def _kind_of(metric: Metric) -> tuple[str, str]:
    return metric.unit, metric.direction


def _probe_runs(
    work: Work,
    before: Snapshot,
    after: Snapshot,
    metrics: Sequence[Metric],
    count: int,
    judgment: ChangeJudgment,
) -> tuple[dict[str, tuple[Side, Side]], list[Finding], int]:
    """Run each probe in both modes, where the metric alone does not decide.

    Only for the kind cheaper.

    Returns:
        the runs with each probe, what they say, and the most pairs that a probe took.
    """
    tweak = work.tweak
    if tweak.kind != "cheaper" or not tweak.probes or judgment.refusal is None:
        return {}, [], count
    metric = next(metric for metric in metrics if metric.name == tweak.rule.metric)
    sides: dict[str, tuple[Side, Side]] = {}
    findings = []
    deterministic = after.system.seeds.how == "none"
    for name, value in tweak.probes.items():
        title = f"{name}={value}"
        while True:
            pairs, kept = [], []
            for snapshot, mode in ((before, "the full mode"), (after, "the cheaper mode")):
                plain, room = work.plan(snapshot, snapshot.system, mode)
                probe, _ = work.plan(
                    snapshot, with_values(snapshot.system, {name: value}), f"{title} in {mode}"
                )
                pairs.append(pair(work.runs(plain, room, count), work.runs(probe, room, count)))
                kept.append(side_of(snapshot, probe, [run for _, run in pairs[-1]]))
            finding = judge_probe(
                title, (metric, pairs[0]), pairs[1], tweak.rule, deterministic=deterministic
            )
            if (
                finding.verdict is not Verdict.UNDECIDED
                or deterministic
                or count >= tweak.rule.max_pairs
            ):
                break
            count = next_look(count, tweak.rule.max_pairs)
        sides[title] = (kept[0], kept[1])
        findings.append(finding)
    return sides, findings, count


def _judge_data(work: Work, before: Snapshot, after: Snapshot) -> ChangeEvidence:
    tweak, rule = work.tweak, work.tweak.rule
    baselines = require_baselines(after.system)
    plan, room = work.plan(after, after.system, f"{tweak.phase} {tweak.name}")
    if rule.metric not in [metric.name for metric in after.system.metrics]:
        raise UsageError(f"system.yaml measures no {rule.metric}, by which {tweak.name} is judged")
    metric = after.system.metric(rule.metric)
    context = (work.project, work.recipe, after)
    simple = simple_models(*context, work.listener, work.options)
    overfit_one_batch = overfit_run(*context, work.listener, work.options)
    count = next_look(0, rule.max_pairs)
    parts, declared = parts_of(work, before, after), declared_otherwise(work.project, tweak)
    while True:
        runs = work.runs(plan, room, count)
        zeroed = zeroed_runs(*context, count, work.listener, work.options)
        judgment = judge_data(
            rule,
            metric,
            runs,
            zeroed,
            simple,
            overfit_one_batch.metrics[metric.name].value,
            baselines,
            tweak.bound,
            remarks_of(work, parts, (plan,)),
            more=declared,
            deterministic=after.system.seeds.how == "none",
        )
        if (
            judgment.more_pairs is None
            or count >= rule.max_pairs
            or after.system.seeds.how == "none"
        ):
            break
        count = next_look(count, rule.max_pairs)
    old, _ = work.plan(before, before.system, "the snapshot before")
    kept = {
        "simple": dict(simple),
        "overfit_one_batch": overfit_one_batch.model_dump(mode="json"),
        "zeroed": [run.model_dump(mode="json") for run in zeroed],
        "asked": baselines.model_dump(mode="json"),
    }
    sides = (side_of(before, old, []), side_of(after, plan, runs))
    return write_judged(work, parts, [metric], sides, (plan,), judgment, baselines=kept)


def side_of(snapshot: Snapshot, plan: Plan, runs: Sequence[JudgedRun]) -> Side:
    """Return a snapshot with its runs, as evidence holds it."""
    return Side(
        snapshot=snapshot.id,
        inputs=plan.inputs,
        hyperparameters=plan.program.hyperparameters,
        runs=tuple(runs),
    )


def declared_otherwise(project: Project, tweak: Tweak) -> list[Finding]:
    """Return a finding if the declaration changed since the tweak was started."""
    repository = Repository(project.root)
    path = f"tweaks/{tweak.name}.yaml"
    added = repository.call("log", "--format=%H", "--diff-filter=A", "HEAD", "--", path).split()
    blob = repository.find_id(f"{added[-1]}:{path}") if added else None
    try:
        first = (
            parse_record(Tweak, repository.read_blob(blob).decode(), source=path) if blob else tweak
        )
    except (BrokenFileError, UnicodeDecodeError):
        return []
    # What tensors are made of is found out on the way; all else is fixed.
    fields = [
        name
        for name in Tweak.model_fields
        if name != "weights" and getattr(first, name) != getattr(tweak, name)
    ]
    if not fields:
        return []
    return [
        Finding(
            question=Question.DECLARATION,
            metric=", ".join(fields),
            verdict=Verdict.UNEXPECTED,
            rule="fixed when a tweak starts",
            reason="is not what the tweak was started with",
        )
    ]


def remarks_of(work: Work, parts: Sequence[Part], plans: Sequence[Plan]) -> list[str]:
    """Return what else is to be known of the change and of its runs."""
    told = []
    several = describe_groups(parts)
    if several:
        told.append(several)
    if work.tweak.kind != "data" and any(part.what == "data" for part in parts):
        told.append(
            "the data differ: values can be compared only if both states are measured on the same"
            " examples"
        )
    ignored = ignored_paths(Repository(work.project.root), "src")
    if ignored:
        told.append(
            f"ignored by git, so no part of the change and of no run: {', '.join(ignored[:5])}"
        )
    for plan in plans:
        records = runs_of(plan)
        unwell = [record for record in records if record.outcome is not Outcome.COMPLETED]
        told += [remark.text for remark in run_remarks(plan.program, completed(records), unwell)]
    return list(dict.fromkeys(told))


def parts_of(work: Work, before: Snapshot, after: Snapshot) -> list[Part]:
    """Return the differences between both snapshots."""
    locks = [snapshot.source.lock for snapshot in (before, after)]
    packages = [_locked(read_text(lock)) if lock.exists() else [] for lock in locks]
    return find_parts(
        before.system,
        after.system,
        changed_files(work.project, before, after),
        (packages[0], packages[1]),
    )


def _locked(text: str) -> list[str]:
    return [line.split(" ")[0] for line in text.splitlines() if line[:1].isalnum()]


def write_judged(
    work: Work,
    parts: Sequence[Part],
    metrics: Sequence[Metric],
    sides: tuple[Side, Side],
    plans: Sequence[Plan],
    judgment: ChangeJudgment,
    *,
    probes: Mapping[str, tuple[Side, Side]] | None = None,
    baselines: Mapping[str, Any] | None = None,
    checks: Sequence[CheckResult] = (),
) -> ChangeEvidence:
    """Write the evidence of the change that is under way."""
    evidence = ChangeEvidence(
        milestone=work.tweak.milestone,
        tweak=work.tweak,
        before=sides[0],
        change=sides[1],
        metrics=tuple(metrics),
        device=plans[-1].program.resources.device,
        parts=tuple(parts),
        probes=probes or {},
        baselines=baselines or {},
        checks=tuple(check.as_mapping() for check in checks),
        judgment=judgment.as_mapping(),
        cost_s=round(sum(record.wall_time_s for plan in plans for record in runs_of(plan)), 1),
        made=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    ).with_checksum()
    write_change(work.project, evidence)
    return evidence
