"""Where a reference comes from. Each source puts the reference's tree into a repository and says its id.

A source is a module with one function, `fetch(reference, recipe_dir, into, offline) -> tree id`; which one serves a
reference follows from the type of its record.
"""

import posixpath
from pathlib import Path

from scaffold.errors import FetchError
from scaffold.records.recipe import GitReference, Recipe, reference_name
from scaffold.references import folder, git
from scaffold.repository import Repository, TreeEntry


def fetch_reference(recipe: Recipe, recipe_dir: Path, into: Repository, *, offline: bool = False) -> str:
    """Put the tree of a recipe's reference into a repository and return its id, which equals the pin.

    Raises:
        FetchError: it cannot be had, is not what the pin says, or has entries that cannot lie in a project.
    """
    reference = recipe.reference
    if isinstance(reference, GitReference):
        tree = git.fetch(reference, into, offline=offline)
    else:
        tree = folder.fetch(reference, recipe_dir, into)
    if tree != reference.tree:
        raise FetchError(
            f"{reference_name(recipe)} has the tree {tree}, but the recipe pins {reference.tree}",
            hint="the reference is not the one that the recipe was written for; "
            "if you trust it, write that id as `reference.tree`",
        )
    _refuse_unsafe(into, into.entries(tree))
    return tree


def _refuse_unsafe(repository: Repository, entries: list[TreeEntry]) -> None:
    seen: dict[str, str] = {}
    for entry in entries:
        folded = entry.path.casefold()
        if folded in seen:
            raise FetchError(f"the reference has {seen[folded]!r} and {entry.path!r}, one name on many disks")
        seen[folded] = entry.path
        if entry.mode == "160000":
            raise FetchError(
                f"the reference has the submodule {entry.path!r}, which is not fetched",
                hint=f"leave it out: reference.exclude: [{entry.path}]",
            )
        if entry.mode == "120000":
            target = repository.read_blob(entry.id).decode(errors="surrogateescape")
            resolved = posixpath.normpath(posixpath.join(posixpath.dirname(entry.path), target))
            if target.startswith("/") or resolved.startswith(".."):
                raise FetchError(
                    f"the reference's link {entry.path!r} leads outside it, to {target!r}",
                    hint=f"leave it out: reference.exclude: [{entry.path}]",
                )
