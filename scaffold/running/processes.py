"""Processes of a run that outlived their supervisor: found by where they come from, and ended.

Needed only where a supervisor was killed. Inside bubblewrap everything ends with it; elsewhere it
may live on.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection
from pathlib import Path

from scaffold.running.supervisor import become_subreaper


def adopt_orphans() -> set[int]:
    """Make orphans of a killed supervisor children of this process, so that they can be found.

    Returns:
        the children that it has already.
    """
    become_subreaper()
    return set(_children())


def end_orphans(keep: Collection[int]) -> None:
    """Kill adopted processes: all children of this process but these."""
    _end(lambda: [pid for pid in _children() if pid not in keep])


def end_processes(folder: Path) -> None:
    """Kill every process of this user that was started to report to a run's folder."""
    marker = f"SCAFFOLD_SEED_REPORT={folder}/".encode()
    _end(lambda: [pid for pid in _own_processes() if marker in _variables(pid)])


def _end(find: Callable[[], list[int]]) -> None:
    for _ in range(50):  # what is about to start another one may do so before it is killed itself
        processes = find()
        if not processes:
            return
        for pid in processes:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.01)


def _children() -> list[int]:
    try:
        return [
            int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        ]
    except OSError:
        return []  # no Linux


def _own_processes() -> list[int]:
    try:
        names = [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
        return [int(name) for name in names if int(name) != os.getpid()]
    except OSError:
        return []


def _variables(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""  # ended, or a third party's
