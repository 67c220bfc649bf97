"""What must be there before a run: the untouched reference, its environment, its datasets."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from scaffold.consent import require_consent
from scaffold.datasets.fetch import fetch_datasets
from scaffold.environments.prepare import prepare_environment
from scaffold.errors import ProjectError, UsageError
from scaffold.git.repository import Repository
from scaffold.machine import runs_at_once, threads_of, usable_cores
from scaffold.project.digests import inputs_of
from scaffold.project.project import ProgramSource, Project
from scaffold.records.dataset import OutsideDataset
from scaffold.records.engine import EngineTarget, LocalTarget
from scaffold.records.program import Program, Resources
from scaffold.records.recipe import GitReference, Recipe
from scaffold.references import find_edits
from scaffold.running.plan import Plan
from scaffold.running.session import Session
from scaffold.sandbox import NO_SANDBOX, require_sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramFiles:
    """A program and where its files are.

    Attributes:
        title: what messages call it.
        program: how it runs.
        source: its files and its lock.
        tree: git id of `source.tree`.
        remedy: what to do when its runs end badly.
    """

    title: str
    program: Program
    source: ProgramSource
    tree: str
    remedy: str = "correct src/ or system.yaml, then repeat"


def prepare(session: Session, *, smoke: bool = False) -> Plan:
    """Check consent, sandbox and reference, resolve and build the environment, fetch datasets.

    Raises:
        ConsentError: nobody has approved what would run.
        MachineError: no sandbox works here.
        ProjectError: `reference/` was edited.
        FetchError: packages or datasets cannot be had.
    """
    return prepare_program(session, reference_files(session), smoke=smoke)


def reference_files(session: Session) -> ProgramFiles:
    """Return the reference as a program to run, once there is consent.

    Raises:
        ConsentError: nobody has approved what would run.
        ProjectError: `reference/` was edited.
    """
    project, recipe = session.project, session.recipe
    require_consent(recipe, project.root, session.options.trust)
    require_untouched(project, recipe)
    return ProgramFiles(
        title=recipe.id,
        program=recipe,
        source=project.reference_source,
        tree=recipe.reference.tree,
        remedy="run it again all the same: scaffold run --rerun",
    )


def prepare_smoke(session: Session) -> Plan | None:
    """Prepare the reference's smoke run; None where it has none."""
    return prepare(session, smoke=True) if session.recipe.commands.smoke else None


def prepare_program(session: Session, files: ProgramFiles, *, smoke: bool = False) -> Plan:
    """Prepare any program of a project, once there is consent."""
    project, options, program = session.project, session.options, files.program
    sandbox = require_sandbox() if options.sandboxed else NO_SANDBOX
    outside = [d.name for d in program.datasets if isinstance(d, OutsideDataset)]
    if outside and sandbox is NO_SANDBOX:
        raise UsageError(
            f"data outside the project ({', '.join(outside)}) could be written without a sandbox",
            hint="leave out --no-sandbox",
        )
    environment = prepare_environment(
        files.source,
        program.environment,
        commit_date_of(project, session.recipe),
        offline=options.offline,
        device=program.resources.device,
        announce=options.announce,
    )
    datasets = fetch_datasets(
        program, files.source.folder, offline=options.offline, on_bytes=options.on_bytes
    )
    return Plan(
        title=files.title,
        remedy=files.remedy,
        program=program,
        source=files.source,
        environment=environment,
        datasets=datasets,
        inputs=inputs_of(program, files.source.folder, files.tree, environment.lock),
        sandbox=sandbox,
        smoke=smoke,
        threads=_threads(program.resources, options.engine),
        slots=options.slots or _slots(program.resources, options.engine),
        engine=options.engine,
        is_detached=options.detach and not smoke,
        submissions_dir=project.submissions,
        runs_dir=project.runs,
        entries=lambda: Repository(project.root).entries(files.tree),
    )


def _threads(resources: Resources, engine: EngineTarget) -> int:
    """Return the threads of a run; a cluster gives it the cores that it asks for."""
    is_here = isinstance(engine, LocalTarget)
    return threads_of(resources, usable_cores() if is_here else resources.cores)


def _slots(resources: Resources, engine: EngineTarget) -> int:
    return runs_at_once(resources) if isinstance(engine, LocalTarget) else engine.at_once


def require_untouched(project: Project, recipe: Recipe) -> None:
    """Raise ProjectError if `reference/` is not, byte for byte, what the recipe pins."""
    edits = find_edits(project.root, project.reference, recipe.reference.tree)
    if edits:
        shown = "; ".join(edits[:5]) + (f"; and {len(edits) - 5} more" if len(edits) > 5 else "")
        raise ProjectError(
            f"reference/ was edited: {shown}",
            hint=(
                "see it: git status reference; undo it: git checkout -- reference && git clean -fd"
                " reference"
            ),
        )


def commit_date_of(project: Project, recipe: Recipe) -> Callable[[], date | None]:
    """Return a function that gives the date of the reference's commit."""
    return lambda: _commit_date(project, recipe)


def _commit_date(project: Project, recipe: Recipe) -> date | None:
    """Return the date of the vendor commit that brought it in."""
    if not isinstance(recipe.reference, GitReference):
        return None
    commit = Repository(project.root).call(
        "log",
        "--max-count=1",
        "--format=%cI",
        f"--grep=^Upstream-Revision: {recipe.reference.revision}$",
        "HEAD",
    )
    return datetime.fromisoformat(commit.replace("Z", "+00:00")).date() if commit else None
