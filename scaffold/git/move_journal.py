"""Write down a move before it begins, so that the next command completes it."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from scaffold.errors import ProjectError
from scaffold.project.files import make_durable
from scaffold.project.project import Project
from scaffold.project.signed import read_signed, write_signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Merging:
    """A merge with conflicts, left for the user to resolve as `git merge` leaves it.

    Attributes:
        theirs: the commit that is merged in.
        message: for the merge commit.
        stages: index entries of conflicting paths, as `git ls-files --stage` prints them.
    """

    theirs: str
    message: str
    stages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """A move with all names resolved, as the next command must find it.

    `commits` are those that HEAD may name meanwhile: the old one, that of the other branch, the new
    one.
    """

    title: str
    refs: Mapping[str, tuple[str, str]]
    head: str
    old_head: str
    commits: tuple[str, ...]
    old_tree: str
    new_tree: str
    old_files: str
    new_files: str
    merging: Merging | None = None


def write_journal(project: Project, journal: Journal) -> None:
    """Write down a move, signed, and make it survive a power cut."""
    write_signed(project.journal_of_move, project, "move", asdict(journal))
    make_durable(project.scaffold_dir)


def read_journal(project: Project) -> Journal | None:
    """Return the move that a killed command left; raise ProjectError if it is not this user's."""
    path = project.journal_of_move
    if not os.path.lexists(path):
        return None
    document = read_signed(path, project, "move")
    if document is None:
        raise ProjectError(
            f"{path} was not written by you in this folder: it is not carried out",
            hint="rm .scaffold/move.json, then look at: git status",
        )
    merging = document.pop("merging")
    document["commits"] = tuple(document["commits"])
    document["refs"] = {name: (old, new) for name, (old, new) in document["refs"].items()}
    return Journal(
        **document,
        merging=Merging(**{**merging, "stages": tuple(merging["stages"])}) if merging else None,
    )
