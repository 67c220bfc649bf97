"""Find untracked files that a decision would commit, and refuse large and binary ones."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scaffold.errors import ProjectError
from scaffold.git.repository import Repository

_MOST_BYTES = 50_000_000
"""Of all new files together. GitHub warns of a file above 50 MB
(https://docs.github.com/en/repositories/working-with-files/managing-large-files)."""

_LOOKED_AT = 8000
"""Bytes among which a zero makes a file binary, as for git (`buffer_is_binary` in its
xdiff-interface.c)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file that git does not track, by its path from the top of the project."""

    path: str
    size: int
    is_binary: bool


def find_new_files(repository: Repository, paths: Iterable[str]) -> list[NewFile]:
    """Return files below these paths that git neither tracks nor ignores."""
    listed = repository.call("ls-files", "-z", "--others", "--exclude-standard", "--", *paths)
    return [_describe(repository, path) for path in listed.split("\0") if path]


def _describe(repository: Repository, path: str) -> NewFile:
    place = repository.folder / path
    if place.is_symlink() or not place.is_file():
        return NewFile(path=path, size=0, is_binary=False)
    with place.open("rb") as file:
        return NewFile(
            path=path,
            size=os.fstat(file.fileno()).st_size,
            is_binary=b"\0" in file.read(_LOOKED_AT),
        )


def require_small(files: Sequence[NewFile], command: str) -> None:
    """Raise ProjectError if these files are binary, or large together: git keeps them for ever.

    Args:
        files: that would be committed.
        command: that would commit them, for the hint.
    """
    binary = [file for file in files if file.is_binary]
    total = sum(file.size for file in files)
    if not binary and total <= _MOST_BYTES:
        return
    if binary:
        shown, reason = binary, "binary, and git would keep every version of them"
    else:
        shown = sorted(files, key=lambda file: -file.size)
        reason = f"{total / 1e6:.0f} MB of new files, which git would keep for ever"
    raise ProjectError(
        f"{describe_files(shown)}: {reason}",
        hint=(
            "move them out of src/ and data/, or name them in .gitignore (then no run has them); "
            f"or commit them all the same: {command} --include-large"
        ),
    )


def describe_files(files: Sequence[NewFile]) -> str:
    """Return the first paths with their sizes, and how many more there are."""
    named = [f"{file.path} ({_size(file.size)})" for file in files[:3]]
    suffix = [f"{len(files) - 3} more"] if len(files) > 3 else []
    return ", ".join([*named, *suffix])


def _size(count: int) -> str:
    if count < 1000:
        return f"{count} bytes"
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"
