"""Resolve the packages of an environment into a lock."""

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from scaffold.environments.lock import (
    digest,
    format_lock,
    odd_line,
    own_lines,
)
from scaffold.environments.reuse import closure, running_version, unmet_requirements
from scaffold.environments.uv import (
    CPU_TORCH,
    TORCH,
    build_options,
    index_options,
    run_uv,
    torch_is_from_default_index,
)
from scaffold.errors import FetchError
from scaffold.project.project import ProgramSource
from scaffold.records.program import Environment

Announce = Callable[[str], None]
"""Is told a line for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """How packages are had: without the network, for which device, who is told."""

    offline: bool
    device: str
    announce: Announce


def resolve(
    source: ProgramSource,
    environment: Environment,
    requirements: list[str],
    default_as_of: Callable[[], date | None],
    fetching: Fetching,
) -> str:
    """Return the text of a new lock, from the running interpreter if it satisfies everything."""
    offline = fetching.offline
    wanted_digest = digest(environment, requirements)
    own, constraints = own_lines(source, environment)
    accepted = SpecifierSet(environment.python)
    if accepted.contains(running_version()) and not unmet_requirements(requirements):
        head = [f"# for {wanted_digest}", f"# python {running_version()}"]
        head.append(
            "# reused: the interpreter that ran scaffold satisfied every requirement (hence no"
            " hashes)"
        )
        return format_lock([*head, *closure(requirements)])
    version = _find_python(environment.python, offline)
    as_of = environment.as_of or default_as_of()
    options = ["--python-version", version, "--python", sys.executable]
    options += ["--generate-hashes", "--no-header", "--no-annotate"]
    if as_of is not None:
        options += ["--exclude-newer", as_of.isoformat()]
    with tempfile.TemporaryDirectory() as folder:
        # uv reads neither other encodings nor what pip admits besides: it is given what was read.
        file = Path(folder) / "constraints.txt"
        file.write_text("\n".join(constraints) + "\n")
        if constraints:
            options += ["--constraint", str(file)]
        command = [
            "pip",
            "compile",
            "-",
            *options,
            *build_options(environment.build),
            *index_options(),
        ]
        stdin = "\n".join([*environment.packages, *own]) + "\n"
        compiled = run_uv(command, offline, stdin=stdin)
        if fetching.device == "cpu" and torch_is_from_default_index(compiled):
            compiled = _with_cpu_torch(compiled, command, stdin, fetching)
    odd = odd_line(compiled)
    if odd:
        raise FetchError(
            f"{odd!r} is not a package with a version that can be pinned",
            hint=(
                "name it by version in environment.packages, and leave out environment.requirements"
            ),
        )
    head = [f"# for {wanted_digest}", f"# python {version}"]
    head += [f"# as of {as_of}"] if as_of else []
    return format_lock([*head, *compiled.strip().splitlines()])


def _with_cpu_torch(compiled: str, command: Sequence[str], stdin: str, fetching: Fetching) -> str:
    """Resolve again with the CPU builds of the same versions; the same where they cannot be had."""
    pins = dict(TORCH.findall(compiled))
    # That index tells no dates. The versions are those that the date gave.
    undated = [word for name in pins for word in ("--exclude-newer-package", f"{name}=false")]
    pinned = "".join(f"{name}=={version}\n" for name, version in pins.items())
    try:
        return run_uv([*command, *CPU_TORCH, *undated], fetching.offline, stdin=stdin + pinned)
    except FetchError:
        fetching.announce(
            "the CPU build of torch cannot be had here: the default build brings CUDA, which is"
            " several GB"
        )
        return compiled


def _find_python(specifier: str, offline: bool) -> str:
    """Return the running Python if the range admits it, else the newest that can be had."""
    accepted = SpecifierSet(specifier)
    if accepted.contains(running_version()):
        return running_version()
    admitted = [
        (is_installed, version)
        for is_installed, version in _list_pythons(offline)
        if accepted.contains(version)
    ]
    if not admitted:
        raise FetchError(
            f"there is no Python {specifier} on this machine",
            hint="install one, or: uv python install",
        )
    return str(max(admitted)[1])


def _list_pythons(offline: bool) -> list[tuple[bool, Version]]:
    """List CPythons on this machine and, unless offline, those uv can download.

    Each comes with whether it is installed here.
    """
    listed = run_uv(
        ["python", "list", "--output-format", "json", *(["--only-installed"] if offline else [])],
        offline,
    )
    return [
        (python["path"] is not None, Version(python["version"]))
        for python in json.loads(listed)
        if python["implementation"] == "cpython" and python["variant"] == "default"
    ]


def installed_pythons() -> list[str]:
    """Return versions of the CPythons on this machine, newest first."""
    return [
        str(version)
        for version in sorted({version for _, version in _list_pythons(True)}, reverse=True)
    ]
