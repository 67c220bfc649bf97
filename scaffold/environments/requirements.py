"""Read requirements files as pip does.

Nested files, hashes, continued lines, markers, any encoding.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaffold.errors import FetchError

_ADMITTED = {
    "index_url",
    "extra_index_urls",
    "find_links",
    "no_index",
    "pre",
    "prefer_binary",
    "only_binary",
    "require_hashes",
    "trusted_hosts",
}
"""Options about where packages are looked for; any other would have a file build, and so run,
something."""

_HINT = "name what it needs in environment.packages, and leave out environment.requirements"

_RENAMED = {
    "sklearn": "scikit-learn",
    "cv2": "opencv-python",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "skimage": "scikit-image",
}
"""Names that are imported, or that an index serves no package under any more, and the package that
is meant."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a requirements file as pip reads it, to be passed on to a resolver."""

    text: str
    is_constraint: bool


def read_requirements(file: Path, tree: Path) -> tuple[list[str], list[str]]:
    """Read a requirements file with those that it includes.

    Args:
        file: in the reference.
        tree: of the reference, which no included file may lie outside.

    Returns:
        lines for a resolver, and lines of constraints.

    Raises:
        FetchError: a line is neither a package of an index, nor about where indexes are.
    """
    lines = list(_lines(file, tree.resolve(), False, frozenset()))
    return [line.text for line in lines if not line.is_constraint], [
        line.text for line in lines if line.is_constraint
    ]


def _lines(file: Path, tree: Path, is_constraint: bool, seen: frozenset[Path]) -> Iterator[_Line]:
    from pip_requirements_parser import (  # 0.1 s: only where a reference has such a file
        InstallationError,
        RequirementsFile,
    )

    try:
        parsed = RequirementsFile.from_file(str(file), include_nested=False)
    except (OSError, UnicodeError, ValueError, InstallationError) as error:
        raise FetchError(f"{file.name} cannot be read: {error}", hint=_HINT) from error
    for invalid in parsed.invalid_lines:
        raise _refused(file, invalid.line_number, invalid.line)
    for option in parsed.options:
        yield from _option(file, tree, option, is_constraint, seen | {file.resolve()})
    for requirement in parsed.requirements:
        if requirement.is_editable or requirement.req is None or requirement.link is not None:
            raise _refused(
                file, requirement.requirement_line.line_number, requirement.requirement_line.line
            )
        yield _Line(requirement.dumps(), is_constraint)


def _option(
    file: Path, tree: Path, option: Any, is_constraint: bool, seen: frozenset[Path]
) -> Iterator[_Line]:
    number, line = option.requirement_line.line_number, option.requirement_line.line
    for kind, value in option.options.items():
        if kind in ("requirements", "constraints"):
            for name in value:
                further = (file.parent / name).resolve()
                if not further.is_relative_to(tree):
                    raise FetchError(
                        f"{file.name}:{number}: {line!r} leads out of the reference", hint=_HINT
                    )
                if not further.is_file():
                    raise FetchError(
                        f"{file.name}:{number}: {line!r}, and the reference has no such file",
                        hint=_HINT,
                    )
                if further not in seen:
                    yield from _lines(further, tree, is_constraint or kind == "constraints", seen)
        elif kind in _ADMITTED:
            yield _Line(line, False)
        else:
            raise _refused(file, number, line)


def _refused(file: Path, number: int, line: str) -> FetchError:
    text = line.strip()
    place = (
        f"the environment could not be made: {file.name}:{number} has {text!r}, which is not a"
        " package of an index"
    )
    if "file:///" in text:
        return FetchError(
            f"{place}: it was written by pip freeze in an environment of conda, whose packages lie"
            " on another machine",
            hint=_HINT,
        )
    if text.count("=") == 2 and "==" not in text:
        return FetchError(
            f"{place}: it was written by conda list, and names builds of conda", hint=_HINT
        )
    return FetchError(place, hint=_HINT)


def renamed_hint(reason: str) -> str:
    """Return what to write instead of a package name that could not be found; empty if unknown."""
    meant = [
        (name, package)
        for name, package in _RENAMED.items()
        if f" {name} " in f" {reason} " or f"`{name}`" in reason
    ]
    return "".join(f"{name} is the package {package} now; " for name, package in meant)
