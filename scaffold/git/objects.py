"""Work out git's object ids, and check contents against them."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from scaffold.errors import ProjectError


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeEntry:
    """A file, link or submodule of a tree, with its path from the top."""

    mode: str
    id: str
    path: str


def object_id(kind: str, content: bytes, length: int = 40) -> str:
    """Return the id that git gives an object: SHA-1, or SHA-256 where ids have 64 digits.

    Source: git's object format, https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
    """
    hashed = _hash(kind, len(content), length)
    hashed.update(content)
    return str(hashed.hexdigest())


def file_object_id(file: Path) -> str:
    """Return the id that git gives a file's content, read in portions: it may be gigabytes."""
    with file.open("rb") as opened:
        hashed = _hash("blob", os.fstat(opened.fileno()).st_size)
        while portion := opened.read(_PORTION_BYTES):
            hashed.update(portion)
    return str(hashed.hexdigest())


_PORTION_BYTES = 1 << 20


def _hash(kind: str, size: int, length: int = 40) -> Any:
    name = "sha256" if length == 64 else "sha1"
    return hashlib.new(name, f"{kind} {size}\0".encode(), usedforsecurity=False)


def tree_id(entries: Iterable[TreeEntry], length: int = 40) -> str:
    """Return the id of the tree with these entries, without calling git."""
    root: dict[str, Any] = {}
    for entry in entries:
        *folders, name = entry.path.split("/")
        place = root
        for folder in folders:
            place = place.setdefault(folder, {})
        place[name] = entry
    return _tree_id(root, length)


def _tree_id(place: Mapping[str, Any], length: int) -> str:
    lines = []
    for name, entry in place.items():
        is_tree = isinstance(entry, dict)
        mode, known = ("40000", _tree_id(entry, length)) if is_tree else (entry.mode, entry.id)
        # Git sorts a tree's entries as if folders ended in a slash.
        lines.append(
            (
                os.fsencode(name) + b"/" * is_tree,
                mode.encode(),
                os.fsencode(name),
                bytes.fromhex(known),
            )
        )
    body = b"".join(mode + b" " + name + b"\0" + known for _, mode, name, known in sorted(lines))
    return object_id("tree", body, length)


_FORGED = (
    "is not what its name says: the repository is damaged, or someone has put other content there"
)


_FORGED_HINT = "see more: git fsck; take it from where it came from once more"


def require_id(kind: str, content: bytes, expected: str) -> None:
    """Raise ProjectError if content does not have the id that it goes by."""
    if object_id(kind, content, len(expected)) != expected:
        raise ProjectError(f"{kind} {expected[:12]} {_FORGED}", hint=_FORGED_HINT)


def write_blob(stream: BinaryIO, size: int, name: str, file: Path) -> None:
    """Write a blob in portions.

    Raises:
        ProjectError: it is not what its name says.
    """
    hashed = _hash("blob", size, len(name))
    with file.open("wb") as opened:
        while size and (portion := stream.read(min(size, _PORTION_BYTES))):
            hashed.update(portion)
            opened.write(portion)
            size -= len(portion)
    if hashed.hexdigest() != name:
        raise ProjectError(f"blob {name[:12]} {_FORGED}", hint=_FORGED_HINT)
