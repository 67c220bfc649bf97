"""Where a reference comes from.

Each source puts the reference's tree into a repository and says its id.

A source is a module with one function, `fetch(reference, recipe_dir, into, offline) -> tree id`;
which one serves a reference follows from the type of its record.
"""

import re
from pathlib import Path

from scaffold.errors import FetchError, ProjectError
from scaffold.git.repository import Repository, TreeEntry
from scaffold.records.recipe import GitReference, Recipe, reference_name
from scaffold.references import folder, git
from scaffold.references.patches import check_patches


def fetch_reference(
    recipe: Recipe, recipe_dir: Path, into: Repository, *, offline: bool = False
) -> str:
    """Put the tree of a recipe's reference into a repository and return its id.

    Which equals the pin.

    Raises:
        FetchError: it cannot be had, is not what the pin says, or has entries that cannot lie in a
            project.
    """
    reference = recipe.reference
    if isinstance(reference, GitReference):
        tree = git.fetch(reference, into, offline=offline)
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
    found = folder.content_id(reference_dir) if reference_dir.is_dir() else "nothing"
    if found == tree:
        return []
    try:
        entries = Repository(project_dir).entries(tree)
    except ProjectError:
        return [f"it has the tree {found}, the recipe pins {tree}"]
    return folder.find_edits(reference_dir, entries)


def refuse_unsafe(repository: Repository, entries: list[TreeEntry]) -> None:
    """Raise FetchError for entries that cannot lie in a project, or lead out of it."""
    seen: dict[str, str] = {}
    links = {entry.path for entry in entries if entry.mode == "120000"}
    for entry in entries:
        parts = entry.path.split("/")
        _refuse_name(entry.path, parts)
        for end in range(1, len(parts) + 1):
            prefix = "/".join(parts[:end])
            other = seen.setdefault(prefix.casefold(), prefix)
            if other != prefix:
                raise FetchError(
                    f"the reference has {other!r} and {prefix!r}, one name on many disks"
                )
        if entry.mode == "160000":
            raise FetchError(
                f"the reference has the submodule {entry.path!r}, which is not fetched",
                hint=f"leave it out: reference.exclude: [{entry.path}]",
            )
        if entry.mode == "120000":
            target = repository.read_blob(entry.id).decode(errors="surrogateescape")
            if _leads_out(entry.path, target, links):
                raise FetchError(
                    f"the reference's link {entry.path!r} leads outside it, to {target!r}",
                    hint=f"leave it out: reference.exclude: [{entry.path}]",
                )


_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
"""Characters that HFS+ leaves out of names
(https://developer.apple.com/library/archive/technotes/tn/tn1150.html)."""


def _refuse_name(path: str, parts: list[str]) -> None:
    for part in parts:
        seen_by_disks = _INVISIBLE.sub("", part).casefold().rstrip(". ")
        if (
            part in ("", ".", "..")
            or seen_by_disks in (".git", "git~1")
            or seen_by_disks.startswith(".git:")
        ):
            raise FetchError(
                f"the reference has {path!r}, and no disk may hold {part!r} in a repository"
            )
        if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in part):
            raise FetchError(f"the reference has {path!r}, a name with control characters")


def _leads_out(path: str, target: str, links: set[str]) -> bool:
    """Return whether a link leaves the tree, or passes through another link."""
    place = path.split("/")[:-1]
    for index, part in enumerate(parts := target.split("/")):
        if part == ".." and not place:
            return True
        if part == "..":
            place.pop()
        elif part not in ("", "."):
            place.append(part)
            if "/".join(place) in links and index < len(parts) - 1:
                return True
    return target.startswith("/")
