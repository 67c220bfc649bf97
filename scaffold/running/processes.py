"""Processes of a run that outlived their supervisor: found by what they were started with, and ended."""

import contextlib
import os
import signal
import time
from pathlib import Path


def end_processes(folder: Path) -> None:
    """Kill every process of this user that was started to report to a run's folder; for when a supervisor was killed.

    Inside bubblewrap everything ends with it; elsewhere what the run started may live on.
    """
    wanted = f"SCAFFOLD_SEED_REPORT={folder}/".encode()
    for _ in range(50):  # what is about to start another one may do so before it is killed itself
        found = [pid for pid in _own_processes() if wanted in _variables(pid)]
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _own_processes() -> list[int]:
    try:
        return [
            int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and int(path.name) != os.getpid()
        ]
    except OSError:
        return []  # no Linux


def _variables(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""  # ended, or somebody else's
