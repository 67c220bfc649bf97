"""What must be there before a run: the untouched reference, its environment, its datasets."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from scaffold.consent import require_consent
from scaffold.datasets.fetch import OnBytes, fetch_datasets
from scaffold.environments.prepare import prepare_environment
from scaffold.environments.resolve import Announce
from scaffold.errors import ProjectError
from scaffold.git.repository import Repository
from scaffold.machine import runs_at_once, threads_of
from scaffold.project.digests import inputs_of
from scaffold.project.project import Project, Source
from scaffold.records.program import Program
from scaffold.records.recipe import GitReference, Recipe
from scaffold.references import find_edits
from scaffold.running.plan import Plan
from scaffold.sandbox import NO_SANDBOX, require_sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the user said of how to run.

    Attributes:
        slots: runs at once; None for as many as fit.
        offline: ask no network, only the cache.
        sandboxed: False when the user trusts the code without a sandbox.
        trust: digest of the program that is approved with this.
        on_bytes: is told of datasets as they come.
        announce: is told what an environment brings before it is built.
    """

    slots: int | None = None
    offline: bool = False
    sandboxed: bool = True
    trust: str | None = None
    on_bytes: OnBytes | None = None
    announce: Announce = lambda _: None


def prepare(
    project: Project, recipe: Recipe, options: RunOptions, *, smoke: bool = False
) -> tuple[Plan, int]:
    """Check consent, sandbox and reference, resolve and build the environment, fetch datasets.

    Returns:
        the plan, and how many runs fit on this machine at once (`options.slots` if given).

    Raises:
        ConsentError: nobody has approved what would run.
        MachineError: no sandbox works here.
        ProjectError: `reference/` was edited.
        FetchError: packages or datasets cannot be had.
    """
    require_consent(recipe, project.root, options.trust)
    require_untouched(project, recipe)
    source = project.reference_source
    return prepare_program(
        project,
        recipe,
        recipe,
        source,
        recipe.reference.tree,
        options,
        title=recipe.id,
        smoke=smoke,
        remedy="run it again all the same: scaffold run --rerun",
    )


def prepare_program(
    project: Project,
    recipe: Recipe,
    program: Program,
    source: Source,
    tree: str,
    options: RunOptions,
    *,
    title: str,
    smoke: bool = False,
    remedy: str = "correct src/ or system.yaml, then repeat",
) -> tuple[Plan, int]:
    """Prepare any program of a project, once there is consent.

    `tree` is the git id of `source.tree`.
    """
    sandbox = require_sandbox() if options.sandboxed else NO_SANDBOX
    environment = prepare_environment(
        source,
        program.environment,
        commit_date_of(project, recipe),
        offline=options.offline,
        device=program.resources.device,
        announce=options.announce,
    )
    datasets = fetch_datasets(
        program, source.folder, offline=options.offline, on_bytes=options.on_bytes
    )
    room = options.slots or runs_at_once(program.resources)
    plan = Plan(
        title=title,
        remedy=remedy,
        program=program,
        source=source,
        environment=environment,
        datasets=datasets,
        inputs=inputs_of(program, source.folder, tree, environment.lock),
        sandbox=sandbox,
        smoke=smoke,
        threads=threads_of(program.resources),
        runs_dir=project.runs,
        entries=lambda: Repository(project.root).entries(tree),
    )
    return plan, room


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
