"""What must be there before a run: the untouched reference, its environment, its datasets."""

from datetime import date, datetime

from scaffold.datasets import OnBytes, fetch_datasets
from scaffold.environment import prepare_environment
from scaffold.errors import ProjectError
from scaffold.inputs import inputs_of
from scaffold.project import Project
from scaffold.records.recipe import GitReference, Recipe
from scaffold.references import find_edits
from scaffold.repository import Repository
from scaffold.resources import runs_at_once, usable_cores
from scaffold.running.launcher import Plan


def prepare(
    project: Project,
    recipe: Recipe,
    *,
    smoke: bool = False,
    slots: int | None = None,
    offline: bool = False,
    on_bytes: OnBytes | None = None,
) -> tuple[Plan, int]:
    """Check the reference, resolve and build its environment, fetch its datasets.

    Returns:
        the plan, and how many runs fit on this machine at once (`slots` if given).

    Raises:
        ProjectError: `reference/` was edited.
        FetchError: packages or datasets cannot be had.
    """
    require_untouched(project, recipe)
    environment = prepare_environment(
        project, recipe.environment, lambda: _commit_date(project, recipe), offline=offline
    )
    datasets = fetch_datasets(recipe, project.root, offline=offline, on_bytes=on_bytes)
    room = slots or runs_at_once(recipe.resources)
    plan = Plan(
        recipe=recipe,
        recipe_dir=project.root,
        reference=project.reference,
        environment=environment,
        datasets=datasets,
        inputs=inputs_of(recipe, project.root, environment.lock),
        smoke=smoke,
        threads=max(1, usable_cores() // room),
        runs_dir=project.runs,
    )
    return plan, room


def require_untouched(project: Project, recipe: Recipe) -> None:
    """Raise ProjectError if `reference/` is not, byte for byte, what the recipe pins."""
    edits = find_edits(project.root, project.reference, recipe.reference.tree)
    if edits:
        shown = "; ".join(edits[:5]) + (f"; and {len(edits) - 5} more" if len(edits) > 5 else "")
        raise ProjectError(
            f"reference/ was edited: {shown}",
            hint="see it: git status reference; undo it: git checkout -- reference && git clean -fd reference",
        )


def _commit_date(project: Project, recipe: Recipe) -> date | None:
    """When the reference's commit was made: the date of the vendor commit that brought it in."""
    if not isinstance(recipe.reference, GitReference):
        return None
    found = Repository(project.root).call(
        "log", "--max-count=1", "--format=%cI", f"--grep=^Upstream-Revision: {recipe.reference.revision}$", "HEAD"
    )
    return datetime.fromisoformat(found.replace("Z", "+00:00")).date() if found else None
