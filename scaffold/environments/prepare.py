"""Resolve the environment of a program once, build it with uv, cache it by its lock.

If the interpreter that runs the scaffold satisfies every requirement it is reused; the lock and the
evidence say so.
"""

import hashlib
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from scaffold.environments.build import build
from scaffold.environments.lock import (
    all_requirements,
    header,
    lock_fits,
    require_follows,
    require_whole_lock,
)
from scaffold.environments.resolve import Announce, Fetching, resolve
from scaffold.environments.reuse import running_version, runs_here
from scaffold.project.files import read_text, write_text
from scaffold.project.project import ProgramSource
from scaffold.records.program import Environment
from scaffold.user_state import made_lock, remember_lock


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyEnvironment:
    """An environment that commands can run in."""

    python: Path
    version: str
    lock: str
    packages: tuple[str, ...]
    reused: bool

    @property
    def folders(self) -> list[Path]:
        """Return the folders the interpreter reads, of the environment and of its base interpreter.

        Only these parts of their prefixes: one may be ~/.local, with much else in it.
        """
        prefixes = {self.python.parent.parent, self.python.resolve().parent.parent}
        if self.reused:
            prefixes |= {Path(sys.prefix), Path(sys.base_prefix)}
        return [prefix / name for prefix in sorted(prefixes) for name in _PARTS_OF_A_PREFIX]


_PARTS_OF_A_PREFIX = ("bin", "lib", "lib64", "include", "ssl", "pyvenv.cfg")


def prepare_environment(
    source: ProgramSource,
    environment: Environment,
    default_as_of: Callable[[], date | None],
    *,
    offline: bool = False,
    device: str = "cpu",
    announce: Announce = lambda _: None,
) -> ReadyEnvironment:
    """Resolve what is not resolved yet, build what is not built yet.

    Args:
        source: where the lock lies.
        environment: what the program asks for.
        default_as_of: tells the date of the reference's commit, asked only when the recipe names
            none.
        offline: do not ask any package index.
        device: `cpu` takes the CPU build of torch, unless pip is configured to look elsewhere.
        announce: called with a line for the user before anything is fetched.

    Raises:
        FetchError: the packages do not resolve together, or cannot be had.
    """
    fetching = Fetching(offline=offline, device=device, announce=announce)
    if source.lock.exists():
        require_whole_lock(source)
    if not lock_fits(source, environment):
        requirements = all_requirements(source, environment)
        lock_text = resolve(source, environment, requirements, default_as_of, fetching)
        write_text(source.lock, lock_text)
        remember_lock(lock_text)
    text = read_text(source.lock)
    lock = hashlib.sha256(text.encode()).hexdigest()
    version = header(text, "python")
    packages = tuple(
        line.split(" ")[0] for line in text.splitlines() if re.match(r"[A-Za-z0-9]", line)
    )
    if runs_here(version, packages):
        return ReadyEnvironment(
            python=Path(sys.executable),
            version=running_version(),
            lock=lock,
            packages=packages,
            reused=True,
        )
    if not made_lock(text):
        require_follows(source, environment, text, packages, version, offline)
    python = build(text, version, lock, environment.build, fetching)
    return ReadyEnvironment(
        python=python, version=version, lock=lock, packages=packages, reused=False
    )
