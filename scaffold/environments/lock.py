"""Write locks and check them: complete, made for these requirements, nothing added."""

import hashlib
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from scaffold.environments.requirements import read_requirements
from scaffold.environments.uv import (
    build_options,
    index_options,
    run_uv,
    torch_options,
)
from scaffold.errors import MachineError, ProjectError
from scaffold.project.files import read_text
from scaffold.project.project import ProgramSource
from scaffold.records.program import Environment

_HEADER = "# What the reference runs in. Written by scaffold; delete it to resolve anew."


def lock_fits(source: ProgramSource, environment: Environment) -> bool:
    """Return whether the lock was made for the packages that the recipe asks for now."""
    required = digest(environment, all_requirements(source, environment))
    return source.lock.exists() and f"\n# for {required}\n" in read_text(source.lock)


def require_whole_lock(source: ProgramSource) -> None:
    """Raise ProjectError if a lock was edited: without half of its lines it would still be valid.

    Nor may it hold more than versions and hashes: a URL or an option in an untrusted lock would be
    obeyed.
    """
    text = read_text(source.lock)
    hint = f"git checkout -- {source.lock.name}; or delete it to resolve anew"
    if format_lock(text.splitlines()[1:-1]) != text:
        raise ProjectError(f"{source.lock.name} was edited, or cut short", hint=hint)
    odd = odd_line(text)
    if odd:
        raise ProjectError(
            f"{source.lock.name} has the line {odd!r}, which is not a package with its version",
            hint=hint,
        )
    # Uv would start whatever is named.
    if not re.search(r"^# python \d+\.\d+(\.\d+\w*)?$", text, re.MULTILINE):
        raise ProjectError(f"{source.lock.name} names no version of Python", hint=hint)


def require_follows(
    source: ProgramSource,
    environment: Environment,
    text: str,
    packages: Sequence[str],
    version: str,
    offline: bool,
) -> None:
    """Raise ProjectError if a lock from elsewhere installs packages that nothing asks for.

    The recipe's requirements are resolved with the lock's own versions, so that only names can
    differ.
    """
    own, constraints = own_lines(source, environment)
    pins = [package for package in packages if "==" in package]
    options = ["--python-version", version, "--no-header", "--no-annotate", *torch_options(text)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "constraints.txt"
        file.write_text("\n".join([*constraints, *pins]) + "\n")
        command = ["pip", "compile", "-", *options, "--constraint", str(file)]
        command += [*build_options(environment.build), *index_options(constrained=False)]
        compiled = run_uv(command, offline, stdin="\n".join([*environment.packages, *own]) + "\n")
    needed = {_pinned_name(line) for line in compiled.splitlines() if line[:1].isalnum()}
    extra = [package for package in pins if _pinned_name(package) not in needed]
    if extra:
        raise ProjectError(
            f"{source.lock.name} was made elsewhere and installs {', '.join(extra[:5])}, which"
            " nothing asked for needs",
            hint=(
                f"rm {source.lock.name}: it is resolved anew; or add what is missing to"
                " environment.packages"
            ),
        )


def _pinned_name(line: str) -> str:
    """Return the canonical name of the package that a line of a lock pins."""
    return canonicalize_name(re.split(r"[\[=]", line)[0])


_LOCK_LINE = re.compile(
    r"#.*|[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9,._-]+\])?==[A-Za-z0-9.!+_-]+( ; [^\\@]*)?( \\)?|"
    r" +--hash=sha256:[0-9a-f]{64}( \\)?|"
)


def odd_line(lock_text: str) -> str | None:
    """Return the first line that is not a package with version, a hash or a comment."""
    return next((line for line in lock_text.splitlines() if not _LOCK_LINE.fullmatch(line)), None)


def format_lock(lines: Sequence[str]) -> str:
    """Return the text of a lock, its last line a digest of all the others."""
    text = "\n".join([_HEADER, *lines]) + "\n"
    return f"{text}# checksum {hashlib.sha256(text.encode()).hexdigest()}\n"


def digest(environment: Environment, requirements: Sequence[str]) -> str:
    """Return a digest of all that an environment is resolved from."""
    built = [f"build {name}" for name in environment.build]
    text = "\n".join([environment.python, str(environment.as_of), *requirements, *built])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def all_requirements(source: ProgramSource, environment: Environment) -> list[str]:
    """Return the recipe's packages and the lines of the reference's own requirements files."""
    return [*environment.packages, *own_lines(source, environment)[0]]


def own_lines(source: ProgramSource, environment: Environment) -> tuple[list[str], list[str]]:
    """Return requirements and constraints from the reference's own files."""
    if not environment.requirements:
        return [], []
    return read_requirements(source.tree / environment.requirements, source.tree)


def header(lock_text: str, key: str) -> str:
    """Return a value from a lock's header."""
    match = re.search(rf"^# {key} (\S+)", lock_text, re.MULTILINE)
    if not match:
        raise MachineError(
            f"environment.lock has no line `# {key} ...`", hint="delete it to resolve anew"
        )
    return match[1]
