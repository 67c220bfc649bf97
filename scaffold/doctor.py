"""What this machine offers to runs, and what it lacks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scaffold.cache import cache_dir
from scaffold.environments.resolve import installed_pythons
from scaffold.environments.uv import uv_version
from scaffold.errors import MachineError, ScaffoldError
from scaffold.git.execute import git_version
from scaffold.git.repository import person
from scaffold.machine import describe_machine, free_bytes, require_free
from scaffold.sandbox import landlock_problem, require_sandbox
from scaffold.sandbox.bubblewrap import bubblewrap_problem

_OLDEST_GIT = (2, 34)
_ROOM_BYTES = 5 * 10**9
"""A torch environment and a few runs; with less it works, but not for long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One thing that was looked at. `remedy` says what to do where the state is not `ok`."""

    name: str
    state: Literal["ok", "limited", "missing"]
    detail: str
    remedy: str | None = None


def examine(folder: Path) -> list[Checked]:
    """Look at everything that runs in a folder need."""
    return [_sandbox(), *_git(), *_environments(), _devices(), *_disks(folder)]


def _sandbox() -> Checked:
    problems = (
        f"bubblewrap: {bubblewrap_problem() or 'works'}; Landlock: {landlock_problem() or 'works'}"
    )
    try:
        sandbox = require_sandbox()
    except MachineError:
        remedy = (
            "install bubblewrap (apt install bubblewrap, dnf install bubblewrap); "
            + "where it is installed and still fails, the system forbids user namespaces: "
            "sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns"
        )
        return Checked(name="sandbox", state="missing", detail=problems, remedy=remedy)
    if sandbox.kind == "bubblewrap":
        return Checked(name="sandbox", state="ok", detail=problems)
    doors = f"stays open: {', '.join(sandbox.open_doors)}"
    return Checked(
        name="sandbox", state="limited", detail=f"{problems}; {doors}", remedy="install bubblewrap"
    )


def _git() -> Iterator[Checked]:
    oldest = ".".join(map(str, _OLDEST_GIT))
    try:
        version = git_version()
    except MachineError as error:
        yield Checked(name="git", state="missing", detail=error.message, remedy=error.hint)
        return
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    is_new = numbers >= _OLDEST_GIT
    remedy = None if is_new else f"install git {oldest} or newer"
    yield Checked(name="git", state="ok" if is_new else "missing", detail=version, remedy=remedy)
    author = person(Path.cwd())
    yield Checked(
        name="identity",
        state="ok" if author else "limited",
        detail=(
            f"{author.name} <{author.email}>"
            if author
            else "git knows no name and address: nothing is committed"
        ),
        remedy=(
            None
            if author
            else "git config --global user.name NAME && git config --global user.email ADDRESS"
        ),
    )


def _environments() -> Iterator[Checked]:
    try:
        yield Checked(name="uv", state="ok", detail=uv_version())
        versions = installed_pythons()
    except ScaffoldError as error:
        yield Checked(name="uv", state="missing", detail=error.message, remedy=error.hint)
        return
    yield Checked(
        name="interpreters", state="ok", detail=", ".join(versions) or "only the one that runs this"
    )


def _devices() -> Checked:
    machine = describe_machine()
    detail = (
        f"{machine.cores} cores, {machine.memory_gb} GB, {machine.accelerator or 'no accelerator'}"
    )
    return Checked(name="devices", state="ok", detail=f"{detail} ({machine.processor})")


def _disks(folder: Path) -> Iterator[Checked]:
    places = {"disk here": folder}
    try:
        places["disk of cache"] = cache_dir("data").parent
    except MachineError as error:
        yield Checked(
            name="disk of cache", state="missing", detail=error.message, remedy=error.hint
        )
    for name, place in places.items():
        detail = f"{free_bytes(place) / 1e9:.1f} GB free in {place}"
        try:
            require_free(place)
        except MachineError as error:
            yield Checked(name=name, state="missing", detail=detail, remedy=error.hint)
            continue
        has_room = free_bytes(place) >= _ROOM_BYTES
        remedy = None if has_room else "an environment with torch takes 1 to 5 GB: free some space"
        yield Checked(
            name=name, state="ok" if has_room else "limited", detail=detail, remedy=remedy
        )
