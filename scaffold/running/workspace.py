"""Lay out the folder of one run. Imports nothing heavy: a node of a cluster does so for each run.

- run.json, series.json: the record, and all metric points
- tree/: the copy that the commands work in
- drivers/: our own programs that call the reference
- logs/: 0-prepare.out, 0-prepare.err, 1-train.out, ...
- seeding/: what the shim saw, one file a process
- trace/, trace.json: what the shim recorded of a traced run, and what it was asked for
- tmp/, home/: the temporary folder and a stand-in for the home directory; gone when it has ended
"""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

_MOST_CHARACTERS = 70
"""Of a temporary folder's path: a socket's has at most 107 (unix(7)), and Python's multiprocessing
adds 33."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Paths of one run."""

    folder: Path

    @property
    def tree(self) -> Path:
        """Return the copy of the reference."""
        return self.folder / "tree"

    @property
    def drivers(self) -> Path:
        """Return the folder of the recipe's own programs."""
        return self.folder / "drivers"

    @property
    def logs(self) -> Path:
        """Return the folder with the whole output of every stage."""
        return self.folder / "logs"

    @property
    def seeding(self) -> Path:
        """Return the folder of the seeding shim's reports."""
        return self.folder / "seeding"

    @property
    def trace(self) -> Path:
        """Return the folder of the trace, one folder per stage."""
        return self.folder / "trace"

    @property
    def temporary(self) -> Path:
        """Return TMPDIR of the run."""
        return self.folder / "tmp"

    @property
    def short_temporary(self) -> Path:
        """Return TMPDIR under a short name, with room for a socket of torch's loader workers."""
        if len(str(self.temporary)) <= _MOST_CHARACTERS:
            return self.temporary
        return (
            Path(tempfile.gettempdir())
            / f"scaffold-{hashlib.sha256(bytes(self.folder)).hexdigest()[:12]}"
        )

    @property
    def home(self) -> Path:
        """Return HOME of the run."""
        return self.folder / "home"


def make_short_name(workspace: Workspace) -> None:
    """Link to the temporary folder by its short name, where that is another one."""
    if workspace.short_temporary != workspace.temporary:
        workspace.short_temporary.symlink_to(workspace.temporary)


def remove_short_name(workspace: Workspace) -> None:
    """Remove that link, if there is one."""
    if workspace.short_temporary != workspace.temporary:
        workspace.short_temporary.unlink(missing_ok=True)
