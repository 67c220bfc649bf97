"""Refuse tree entries that cannot be in a project, or lead out of it."""

import re

from scaffold.errors import FetchError
from scaffold.git.objects import TreeEntry
from scaffold.git.repository import Repository


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
