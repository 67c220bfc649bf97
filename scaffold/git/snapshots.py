"""States of the user's own system: `src/` and all that decides what it computes, as one git tree.

The snapshot before a change lies in a commit, the change in the work tree; both are taken as trees
and unpacked under `.scaffold/states/`, so that runs of the one cannot see a file of the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from scaffold.errors import ProjectError
from scaffold.git.entries import refuse_unsafe
from scaffold.git.history import changed_entries, tree_of_commit, tree_of_worktree
from scaffold.git.repository import Repository
from scaffold.git.trees import content_id
from scaffold.project.files import remove
from scaffold.project.project import ProgramSource, Project, load_yaml
from scaffold.records.system import System

PATHS = ("src", "system.yaml", "system.lock", "data")
"""All that makes a state. Data files that came with the recipe lie in data/."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One state, unpacked: `id` is the git id of all of it, `tree` that of `src/`."""

    id: str
    tree: str
    source: ProgramSource
    system: System


def snapshot_of_commit(project: Project, commit: str) -> Snapshot:
    """Return the snapshot that a commit holds.

    Raises:
        ProjectError: there is no such commit, or it has no system yet.
        BrokenFileError: its system.yaml is broken.
    """
    repository = Repository(project.root)
    if repository.find_id(f"{commit}^{{commit}}") is None:
        raise ProjectError(
            f"the commit {commit[:12]} is not in this repository",
            hint=(
                "fetch the branch that it was made on; if its history was rewritten, start the"
                " tweak anew"
            ),
        )
    return unpack(project, repository, tree_of_commit(repository, commit, PATHS))


def snapshot_of_worktree(project: Project) -> Snapshot:
    """Return the snapshot of the work tree, committed or not, without ignored files."""
    repository = Repository(project.root)
    return unpack(project, repository, tree_of_worktree(repository, PATHS))


def worktree_id(project: Project) -> str:
    """Return the id of the work tree's snapshot, without unpacking it."""
    return tree_of_worktree(Repository(project.root), PATHS)


def snapshot_id(repository: Repository, commit: str) -> str:
    """Return the id of a commit's snapshot, without unpacking it."""
    return tree_of_commit(repository, commit, PATHS)


def unpack(project: Project, repository: Repository, snapshot: str) -> Snapshot:
    """Unpack the state with this id."""
    tree = repository.find_id(f"{snapshot}:src")
    if tree is None or repository.find_id(f"{snapshot}:system.yaml") is None:
        raise ProjectError(
            "there is no src/ with a system.yaml here",
            hint=(
                "bring them back: git checkout -- src system.yaml; the first scaffold tweak start"
                " NAME makes them"
            ),
        )
    folder = project.scaffold_dir / "states" / snapshot
    # Not there, or not what its name says.
    if not folder.is_dir() or content_id(folder) != snapshot:
        remove(folder)
        refuse_unsafe(repository, repository.entries(tree))
        folder.parent.mkdir(parents=True, exist_ok=True)
        repository.extract(snapshot, folder, links=True)
    source = ProgramSource(folder=folder, tree=folder / "src", lock=folder / "system.lock")
    return Snapshot(
        id=snapshot, tree=tree, source=source, system=load_yaml(System, folder / "system.yaml")
    )


def changed_paths(project: Project, before: str, after: str) -> list[str]:
    """Return the paths that differ between two states; none where git no longer has one."""
    repository = Repository(project.root)
    if any(repository.find_id(f"{one}^{{tree}}") is None for one in (before, after)):
        return []
    return sorted(changed_entries(repository, before, after))


def changed_files(
    project: Project, before: Snapshot, after: Snapshot
) -> Mapping[str, tuple[bytes | None, bytes | None]]:
    """Return contents before and after of all files in `src/` and data/ that differ, by path."""
    repository = Repository(project.root)
    changed = changed_entries(repository, before.id, after.id)
    listed = [
        (path, side)
        for path, sides in changed.items()
        for side in (0, 1)
        if sides[side] is not None
    ]
    ids = [entry.id for path, side in listed if (entry := changed[path][side]) is not None]
    contents = dict(zip(listed, repository.read_blobs(ids), strict=True))
    return {path: (contents.get((path, 0)), contents.get((path, 1))) for path in changed}
