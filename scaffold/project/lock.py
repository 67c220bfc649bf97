"""Hold the one lock of a project."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from scaffold.errors import BusyError

if TYPE_CHECKING:
    from scaffold.records.parsing import Record

    RecordT = TypeVar("RecordT", bound=Record)
from scaffold.project.project import Project

_LOCKED: set[Path] = set()
"""Projects whose lock this process holds."""


def is_at_work(project: Project) -> bool:
    """Return whether a scaffold is at work in the project: the process that took the lock lives.

    The lock itself is not tried: whoever wants it meanwhile would be refused.
    """
    try:
        text = (project.scaffold_dir / "lock").read_text(encoding="ascii").strip()
        os.kill(int(text), 0)
    except PermissionError:
        return True  # another user's
    except (OSError, ValueError, OverflowError):
        return False
    return int(text) > 0


@contextlib.contextmanager
def only_one(project: Project) -> Iterator[None]:
    """Keep a second `scaffold` from writing to the same project at the same time.

    Within one process the lock may be taken again by what already runs under it.

    Raises:
        BusyError: another one is at work.
    """
    import fcntl

    if project.root in _LOCKED:
        yield
        return
    project.scaffold_dir.mkdir(exist_ok=True)
    handle = os.open(
        project.scaffold_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644
    )
    with os.fdopen(handle, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise BusyError(
                f"another scaffold (process {file.read().strip() or 'unknown'}) is at work in"
                f" {project.root}",
                hint="wait for it to end, or stop it",
            ) from error
        file.truncate(0)
        # A full disk: only the message of another one would name this process.
        with contextlib.suppress(OSError):
            file.write(str(os.getpid()))
            file.flush()
        _LOCKED.add(project.root)
        try:
            yield
        finally:
            _LOCKED.discard(project.root)
