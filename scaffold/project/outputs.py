"""Write where the user said, but over nothing that the project consists of."""

import os
from pathlib import Path

from scaffold.errors import MachineError, UsageError
from scaffold.project.files import write_bytes
from scaffold.project.project import Project

_OWN_FOLDERS = (
    *("evidence", "reference", "drivers", "patches", "src", "golden", "tweaks", "journal"),
    *("sweeps", "errors", "tests", ".github", "data", "sealed"),
)
_OWN_FILES = ("*.yaml", "*.lock", "calibration*.json", "README.md", "AGENTS.md")
"""At the top."""


def refuse_output(project: Project, path: Path) -> None:
    """Raise UsageError if an output would replace a file that the project consists of.

    The project may be untrusted: a link in it leads an output nowhere else either.
    """
    root, target = project.root.resolve(), path.resolve()
    if not target.is_relative_to(root):
        stated = Path(os.path.normpath(path.absolute()))
        if stated.is_relative_to(project.root.absolute()) or stated.is_relative_to(root):
            raise UsageError(
                f"{path} is a link out of the project, to {target}", hint="choose another -o"
            )
        return
    inside = target.relative_to(root)
    is_state = inside.parts[:1] in ((".git",), (".scaffold",))
    if is_state and inside.parts != (".scaffold", "dashboard.html"):
        raise UsageError(f"{path} is inside {inside.parts[0]}/", hint="choose another -o")
    if not target.exists():
        return
    is_own_file = len(inside.parts) == 1 and any(map(inside.match, _OWN_FILES))
    if inside.parts[:1] and (inside.parts[0] in _OWN_FOLDERS or is_own_file):
        raise UsageError(f"{path} is a file of the project itself", hint="choose another -o")


def write_output(project: Project, path: Path, content: bytes) -> None:
    """Write an output; a device or a pipe is written to, not replaced by a file.

    Raises:
        UsageError: see `refuse_output`.
        MachineError: see `write_bytes`.
    """
    refuse_output(project, path)
    if not path.exists() or path.is_file() or path.is_dir():
        write_bytes(path.resolve(), content)
        return
    try:
        path.write_bytes(content)
    except OSError as error:
        raise MachineError(f"could not write {path}: {error.strerror or error}") from error
