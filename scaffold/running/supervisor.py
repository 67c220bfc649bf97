"""Runs the steps of one run, watches their limits, and leaves no process behind. A program of its own.

Started as `python -I -S supervisor.py SPEC`; standard library only, so that it starts fast.
It ends with everything it started when its standard input closes, which happens when its parent dies in any way.

SPEC is JSON: {"result": path, "steps": [{"name", "argv", "directory", "environment", "stdout", "stderr",
"timeout_s"}]}. The result is JSON: {"ended": "completed" | "failed" | "timed_out" | "stopped", "steps": [...]}.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_GRACE_S = 3.0


def main(spec_path: str) -> int:
    """Run all steps until one fails; write the result."""
    spec = json.loads(Path(spec_path).read_text())
    _become_subreaper()
    wakeup, write_end = os.pipe()
    os.set_blocking(write_end, False)
    os.set_blocking(wakeup, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    stop_requests: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _: stop_requests.append(received))

    steps: list[dict[str, Any]] = []
    ended = "completed"
    for step in spec["steps"]:
        result, ended = _run_step(step, wakeup, lambda: bool(stop_requests))
        steps.append(result)
        if ended != "completed":
            break
    aside = spec["result"] + ".part"
    Path(aside).write_text(json.dumps({"ended": ended, "steps": steps}))
    Path(aside).replace(spec["result"])
    return 0


def _run_step(step: dict[str, Any], wakeup: int, is_stopped: Callable[[], bool]) -> tuple[dict[str, Any], str]:
    started = time.monotonic()
    deadline = started + step["timeout_s"]
    with Path(step["stdout"]).open("ab") as out, Path(step["stderr"]).open("ab") as err:
        process = subprocess.Popen(
            step["argv"], cwd=step["directory"], env=step["environment"], stdin=subprocess.DEVNULL,
            stdout=out, stderr=err, start_new_session=True, preexec_fn=_end_with_supervisor,
        )  # fmt: skip
    ended, status, usage = "completed", None, None
    while True:
        status, usage = _reap(process.pid)
        if usage is not None:
            break
        left = deadline - time.monotonic()
        if left <= 0:
            ended = "timed_out"
            break
        ready = select.select([0, wakeup], [], [], left)[0]
        if wakeup in ready:
            os.read(wakeup, 4096)
        if is_stopped() or (0 in ready and os.read(0, 1) == b""):
            ended = "stopped"
            break
    wall_time_s = time.monotonic() - started
    if usage is None:
        status, usage = _end(process.pid)
    _kill_descendants()
    process.returncode = status if status is not None else -signal.SIGKILL  # keep Popen from waiting for it
    if ended == "completed" and status != 0:
        ended = "failed"
    scale = 1 if sys.platform == "darwin" else 1024
    return {
        "name": step["name"],
        "argv": step["argv"],
        "exit_status": None if ended in ("timed_out", "stopped") else status,
        "wall_time_s": wall_time_s,
        "cpu_time_s": usage.ru_utime + usage.ru_stime if usage else 0.0,
        "peak_memory_bytes": usage.ru_maxrss * scale if usage else 0,
    }, ended


def _reap(pid: int) -> tuple[int | None, Any]:
    """Collect whatever ended; exit status and usage if `pid` is among it."""
    while True:
        try:
            ended, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return None, None
        if ended == pid:
            return os.waitstatus_to_exitcode(status), usage
        if ended == 0:
            return None, None


def _end(pid: int) -> tuple[int | None, Any]:
    """Ask a process group to end, then make it."""
    for number, patience_s in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, 10.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, number)
        limit = time.monotonic() + patience_s
        while time.monotonic() < limit:
            status, usage = _reap(pid)
            if usage is not None:
                return status, usage
            time.sleep(0.01)
    return None, None


def _kill_descendants() -> None:
    """Kill what the step left behind: as subreaper, its orphans are our children."""
    for _ in range(1000):
        for child in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        try:
            ended, _, _ = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if ended == 0:
            time.sleep(0.002)


def _children() -> list[int]:
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:
        return []


def _become_subreaper() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_with_supervisor() -> None:
    """In the step's process, before its program starts: end it when this supervisor is killed."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
