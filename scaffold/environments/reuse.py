"""Reuse the interpreter that runs the scaffold where it satisfies every requirement."""

import sys
from collections.abc import Iterable, Sequence

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name


def running_version() -> str:
    """Return the version of the running Python."""
    return ".".join(map(str, sys.version_info[:3]))


def unmet_requirements(requirements: Iterable[str]) -> list[str]:
    """Return the requirements that the running interpreter does not satisfy.

    A line that is not a plain requirement counts as unmet.
    """
    from importlib import metadata

    unmet = []
    for line in requirements:
        try:
            requirement = Requirement(line.partition(" \\")[0])  # what follows are hashes
        except InvalidRequirement:
            unmet.append(line)
            continue
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            installed = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            unmet.append(line)
            continue
        if requirement.url or not requirement.specifier.contains(installed, prereleases=True):
            unmet.append(line)
    return unmet


def closure(requirements: Iterable[str]) -> list[str]:
    """Return `name==version` of the installed packages that these requirements bring, sorted."""
    from importlib import metadata

    pinned: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(line, "") for line in requirements]
    while waiting:
        line, extra = waiting.pop()
        if (line, extra) in seen:
            continue
        seen.add((line, extra))
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        try:
            distribution = metadata.distribution(requirement.name)
        except metadata.PackageNotFoundError:
            continue  # optional on this platform, or left out by whoever installed it
        name = canonicalize_name(requirement.name)
        pinned[name] = f"{name}=={distribution.version}"
        waiting += [
            (needed, own)
            for needed in distribution.requires or ()
            for own in requirement.extras or {""}
        ]
    return sorted(pinned.values())


def runs_here(version: str, packages: Sequence[str]) -> bool:
    """Return whether the running interpreter has these packages."""
    same_python = version.split(".")[:2] == [str(number) for number in sys.version_info[:2]]
    return same_python and not unmet_requirements(packages)
