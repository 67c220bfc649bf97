"""Prepare both snapshots of the open change to run, once there is consent."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from scaffold.consent import Runnable, remember_shown, require_snapshots_consent
from scaffold.environments.prepare import prepare_environment
from scaffold.errors import ProjectError, UsageError
from scaffold.git.history import project_repository
from scaffold.git.snapshots import Snapshot, snapshot_of_commit, snapshot_of_worktree
from scaffold.project.project import Project, load_recipe, load_yaml
from scaffold.records.evidence import JudgedRun
from scaffold.records.fields import Scalar, scalar_like
from scaffold.records.program import Program
from scaffold.records.recipe import Recipe
from scaffold.records.system import System
from scaffold.records.tweak import Tweak
from scaffold.references import find_edits
from scaffold.running.plan import Plan
from scaffold.running.preparation import (
    ProgramFiles,
    commit_date_of,
    prepare_program,
    reference_files,
)
from scaffold.running.seeds import make_runs, planned_seeds, runs_of
from scaffold.running.session import Session
from scaffold.running.store import completed, judged_runs
from scaffold.tweak.base_branch import commit_before
from scaffold.tweak.store import find_tweak, is_own_tweak


@dataclass(frozen=True, slots=True)
class Work:
    """What all steps of one verification share."""

    session: Session
    tweak: Tweak

    @property
    def project(self) -> Project:
        """Return the project of the change."""
        return self.session.project

    def plan(self, snapshot: Snapshot, system: System, title: str, *, smoke: bool = False) -> Plan:
        """Prepare a snapshot to run."""
        files = replace(snapshot_files(snapshot, title), program=system)
        return prepare_program(self.session, files, smoke=smoke)

    def runs(self, plan: Plan, count: int) -> list[JudgedRun]:
        """Return runs of the first seeds, making missing ones."""
        seeds = planned_seeds(plan.program, count)
        known = completed(runs_of(plan))
        missing = [seed for seed in seeds if seed not in {record.seed for record in known}]
        if missing:
            named = ", ".join(map(str, missing))
            self.session.listener.message(f"{plan.title}: seed{'s'[: len(missing) > 1]} {named}")
            times = [record.wall_time_s for record in known] or [plan.program.resources.run_time_s]
            self.session.listener.planned(len(missing), plan.slots, sum(times) / len(times))
        records = make_runs(self.project, plan, seeds, self.session.listener)
        return judged_runs(records, plan.runs_dir, ())


def snapshot_files(snapshot: Snapshot, title: str) -> ProgramFiles:
    """Return a snapshot as a program to run."""
    return ProgramFiles(
        title=title, program=snapshot.system, source=snapshot.source, tree=snapshot.tree
    )


def open_change(session: Session, tweak: Tweak) -> tuple[Work, Snapshot, Snapshot]:
    """Return the snapshots before and after, once there is consent to run both.

    Raises:
        ProjectError, UsageError, ConsentError: see `verify_change`.
    """
    project = session.project
    repository = project_repository(project.root)
    before, after = (
        snapshot_of_commit(project, commit_before(project, repository, tweak)),
        snapshot_of_worktree(project),
    )
    if before.id == after.id:
        edits = find_edits(project.root, project.reference, session.recipe.reference.tree)
        edited = f"; in reference/, which stays as published, {edits[0]}" if edits else ""
        take_back = "git checkout -- reference && git clean -fd reference; " if edits else ""
        raise ProjectError(
            "nothing has changed yet: src/ and system.yaml are those of the snapshot before"
            f" {tweak.name}{edited}",
            hint=f"{take_back}edit src/ or system.yaml, then scaffold verify",
        )
    snapshots = [runnable(before, "the snapshot before")]
    snapshots += _to_be_asked(project, tweak, before, after)
    require_snapshots_consent(snapshots, session.options.trust)
    after = _with_its_lock(session)
    before = _with_lock(before, after)
    _require_same_seeding(before.system, after.system)
    return Work(session, tweak), before, after


def _with_its_lock(session: Session) -> Snapshot:
    """Return the work tree's snapshot, locked again if system.yaml asks for other packages."""
    project, options = session.project, session.options
    system = load_yaml(System, project.system)
    as_of = commit_date_of(project, session.recipe)
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


def prepare_change(session: Session, tweak: Tweak, *, smoke: bool = False) -> Plan:
    """Prepare the open change to run by itself, to see whether it starts at all.

    Raises:
        ConsentError, MachineError, FetchError: see `preparation.prepare`.
    """
    project = session.project
    repository = project_repository(project.root)
    title = f"{tweak.phase} {tweak.name}"
    before = snapshot_of_commit(project, commit_before(project, repository, tweak))
    require_snapshots_consent(
        _to_be_asked(project, tweak, before, snapshot_of_worktree(project)), session.options.trust
    )
    snapshot = _with_its_lock(session)
    return prepare_program(session, snapshot_files(snapshot, title), smoke=smoke)


def recipe_and_program(project: Project) -> tuple[Recipe, Program]:
    """Return the recipe, and how the present program runs: system.yaml, or the recipe before it."""
    recipe = load_recipe(project)
    return recipe, load_yaml(System, project.system) if project.system.exists() else recipe


def present_program(session: Session) -> ProgramFiles:
    """Return the program as it is now, once there is consent: `src/`, or the reference before it.

    Raises:
        ConsentError, ProjectError: see `preparation.prepare`.
    """
    project = session.project
    if not project.system.exists():
        return reference_files(session)
    snapshot, tweak = snapshot_of_worktree(project), find_tweak(project)
    present = runnable(snapshot, "src/")
    if tweak is not None and is_own_tweak(project, tweak):
        remember_shown(present)
    else:
        require_snapshots_consent([present], session.options.trust)
    return snapshot_files(_with_its_lock(session), "src/")


def _to_be_asked(
    project: Project, tweak: Tweak, before: Snapshot, after: Snapshot
) -> list[Runnable]:
    """Return the change if consent must be asked: it is not the user's own, or builds a package."""
    builds = set(after.system.environment.build) - set(before.system.environment.build)
    runnable_change = runnable(after, f"{tweak.phase} {tweak.name}")
    if is_own_tweak(project, tweak) and not builds:
        remember_shown(runnable_change)
        return []
    return [runnable_change]


def runnable(snapshot: Snapshot, title: str) -> Runnable:
    """Return a snapshot as what consent is asked for."""
    return Runnable(title, snapshot.system, snapshot.source.folder, snapshot.tree)


def ablation_values(system: System, ablated: Mapping[str, str]) -> dict[str, Scalar]:
    """Return hyperparameters from KEY=VALUE texts; raise UsageError for unknown keys."""
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


def like(present: Scalar, text: str, option: str) -> Scalar:
    """Convert a text to the type of the present value.

    Raises:
        UsageError: it is none.
    """
    try:
        return scalar_like(present, text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error


def locked(text: str) -> list[str]:
    """Return the packages of a lock, by version."""
    return [line.split(" ")[0] for line in text.splitlines() if line[:1].isalnum()]
