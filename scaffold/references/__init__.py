"""Where a reference comes from.

Each source puts the reference's tree into a repository and says its id.

A source is a module with one function, `fetch(reference, recipe_dir, into, offline) -> tree id`;
which one serves a reference follows from the type of its record.
"""

from pathlib import Path

from scaffold.errors import FetchError, ProjectError
from scaffold.git import trees
from scaffold.git.entries import refuse_unsafe
from scaffold.git.repository import Repository
from scaffold.git.trees import content_id
from scaffold.records.recipe import (
    GitReference,
    HubReference,
    PackageReference,
    Recipe,
    reference_name,
)
from scaffold.references import folder, git, hub, package
from scaffold.references.patches import check_patches


def fetch_reference(
    recipe: Recipe, recipe_dir: Path, into: Repository, *, offline: bool = False
) -> str:
    """Put the tree of a recipe's reference into a repository; return its id, which is the pin's.

    Raises:
        FetchError: it cannot be had, is not what the pin says, or has entries that cannot lie in a
            project.
    """
    reference = recipe.reference
    if isinstance(reference, GitReference):
        tree = git.fetch(reference, into, offline=offline)
    elif isinstance(reference, HubReference):
        unsafe = [path for path in reference.files if not hub.is_safe(path)]
        if unsafe:
            raise FetchError(
                f"reference.files names {', '.join(unsafe)}, which may run code when it is read",
                hint="only texts of data and safetensors are taken from the Hub",
            )
        tree = hub.fetch(reference, into, offline=offline)
    elif isinstance(reference, PackageReference):
        tree = package.fetch(reference, into, offline=offline)
    else:
        tree = folder.fetch(reference, recipe_dir, into)
    if tree != reference.tree:
        raise FetchError(
            f"{reference_name(recipe)} has the tree {tree}, but the recipe pins {reference.tree}",
            hint=(
                "the reference is not the one that the recipe was written for; "
                "if you trust it, write that id as `reference.tree`"
            ),
        )
    refuse_unsafe(into, into.entries(tree))
    return tree


def check_patched(recipe: Recipe, recipe_dir: Path, repository: Repository, tree: str) -> None:
    """Raise FetchError unless a recipe's patches apply and bring nothing unsafe."""
    patches = [recipe_dir / patch.file for patch in recipe.reference.patches]
    if patches:
        patched = check_patches(repository, tree, patches)
        refuse_unsafe(repository, repository.entries(patched))


def find_edits(project_dir: Path, reference_dir: Path, tree: str) -> list[str]:
    """Return how a project's `reference/` differs from its pinned tree, one line per path.

    Mostly the folder's content id is the tree. Otherwise its entries are looked up in the project's
    own git objects, so that what upstream tracks is compared with what it tracks, whatever its
    names and modes.
    """
    actual = content_id(reference_dir) if reference_dir.is_dir() else "nothing"
    if actual == tree:
        return []
    try:
        entries = Repository(project_dir).entries(tree)
    except ProjectError:
        return [f"it has the tree {actual}, the recipe pins {tree}"]
    return trees.find_edits(reference_dir, entries)
