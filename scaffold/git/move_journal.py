"""Write down a move before it begins, so that the next command completes it."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from scaffold.errors import ProjectError
from scaffold.project.files import make_durable, read_text, write_text
from scaffold.project.project import Project
from scaffold.user_state import sign


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
    text = json.dumps(asdict(journal))
    write_text(project.journal_of_move, f"{_signature(project, text)}\n{text}\n")
    make_durable(project.scaffold_dir)


def _signature(project: Project, text: str) -> str:
    return sign(f"move in {project.root}: {text}")


def read_journal(project: Project) -> Journal | None:
    """Return the move that a killed command left; raise ProjectError if it is not this user's."""
    path = project.journal_of_move
    if not os.path.lexists(path):
        return None
    signature, _, text = read_text(path).rstrip("\n").partition("\n")
    if path.is_symlink() or signature != _signature(project, text):
        raise ProjectError(
            f"{path} was not written by you in this folder: it is not carried out",
            hint="rm .scaffold/move.json, then look at: git status",
        )
    document: dict[str, Any] = json.loads(text)
    merging = document.pop("merging")
    document["commits"] = tuple(document["commits"])
    document["refs"] = {name: (old, new) for name, (old, new) in document["refs"].items()}
    return Journal(
        **document,
        merging=Merging(**{**merging, "stages": tuple(merging["stages"])}) if merging else None,
    )
