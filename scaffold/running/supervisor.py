"""Runs the steps of one run, watches their limits, and leaves no process behind.

A program of its own.

Started as `python -I -S supervisor.py SPEC`; standard library only, so that it starts fast. It ends
with everything it started when its standard input closes, which happens when its parent dies in any
way.

SPEC is JSON: {"result": path, "folder": path, "limits": {"memory_bytes", "folder_bytes",
"free_bytes", "output_bytes"}, "steps": [{"name", "argv", "wrapper", "filter", "filter_descriptor",
"directory", "environment", "stdout", "stderr", "timeout_s"}]}. The result is JSON: {"ended":
"completed" | "failed" | "timed_out" | "out_of_memory" | "out_of_disk" | "too_much_output" |
"stopped", "steps": [...]}.
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_GRACE_S = 3.0
_LOOK_EVERY_S = 0.2
_PIPE_BYTES = 1 << 16
"""What a pipe holds (pipe(7))."""

_KEPT_BYTES = 10**6
"""Of a log that went over its limit: so much of its head, and of its tail."""


def main(spec_path: str) -> int:
    """Run all steps until one fails; write the result."""
    spec = json.loads(Path(spec_path).read_text())
    become_subreaper()
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
        limits = _Limits(spec["limits"], spec["folder"], [step["stdout"], step["stderr"]])
        result, ended = _run_step(step, limits, wakeup, lambda: bool(stop_requests))
        steps.append(result)
        if ended != "completed":
            break
    aside = spec["result"] + ".part"
    with Path(aside).open("w") as file:
        json.dump({"ended": ended, "steps": steps}, file)
    Path(aside).replace(spec["result"])
    return 0


def _run_step(
    step: dict[str, Any], limits: "_Limits", wakeup: int, is_stopped: Callable[[], bool]
) -> tuple[dict[str, Any], str]:
    started, cpu_before_s = time.monotonic(), _children_cpu_s()
    deadline = started + step["timeout_s"]
    killed_before = _killed_for_memory()
    process, copies = _start(step)
    status, usage, ended = _await(process.pid, deadline, limits, wakeup, is_stopped)
    wall_time_s = time.monotonic() - started
    if usage is None:
        # Whoever takes what the machine needs is not asked first.
        status, usage = _end(
            process.pid, patience_s=_GRACE_S if ended in ("timed_out", "stopped") else 0.0
        )
    _kill_descendants()
    for copy in copies:
        copy.join(_GRACE_S)
    # Keep Popen from waiting for it.
    process.returncode = status if status is not None else -signal.SIGKILL
    if ended == "completed" and status != 0:
        # bubblewrap ends with 128 + the signal that ended its program.
        was_killed = status in (-signal.SIGKILL, 128 + signal.SIGKILL)
        ended = "out_of_memory" if was_killed and _killed_for_memory() > killed_before else "failed"
    if ended == "completed" and limits.printed_too_much():
        ended = "too_much_output"
    if ended == "too_much_output":
        limits.shorten_logs()
    scale = 1 if sys.platform == "darwin" else 1024
    return {
        "name": step["name"],
        "argv": step["argv"],
        "exit_status": None if ended not in ("completed", "failed") else status,
        "wall_time_s": wall_time_s,
        "cpu_time_s": _children_cpu_s() - cpu_before_s,
        "peak_memory_bytes": max(usage.ru_maxrss * scale if usage else 0, limits.peak_memory_bytes),
    }, ended


def _await(
    pid: int, deadline: float, limits: "_Limits", wakeup: int, is_stopped: Callable[[], bool]
) -> tuple[int | None, Any, str]:
    """Wait for a stage; return exit status and usage, None if it must be ended, and why."""
    while True:
        status, usage = _reap(pid)
        if usage is not None:
            return status, usage, "completed"
        left_s = deadline - time.monotonic()
        passed = "timed_out" if left_s <= 0 else limits.passed()
        if passed:
            return None, None, passed
        ready = select.select([0, wakeup], [], [], min(left_s, _LOOK_EVERY_S))[0]
        if wakeup in ready:
            os.read(wakeup, 4096)
        if is_stopped() or (0 in ready and os.read(0, 1) == b""):
            return None, None, "stopped"


def _start(step: dict[str, Any]) -> "tuple[subprocess.Popen[bytes], list[threading.Thread]]":
    """Start a step; returns it, and what copies its output into the logs."""
    # Through pipes: whoever holds a file can write it anew, and its log is what a run's metrics are
    # read from.
    with _filter_file(step):
        process = subprocess.Popen(
            [*step["wrapper"], *step["argv"]],
            cwd=step["directory"],
            env=step["environment"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_before_program,
            pass_fds=(step["filter_descriptor"],) if step["filter"] else (),
        )
    streams = ((process.stdout, step["stdout"]), (process.stderr, step["stderr"]))
    copies = [threading.Thread(target=_copy, args=stream, daemon=True) for stream in streams]
    for copy in copies:
        copy.start()
    return process, copies


def _copy(stream: Any, log: str) -> None:
    """Append what a program prints to its log, until nobody is left who could print."""
    with stream, Path(log).open("ab", buffering=0) as file:
        while chunk := os.read(stream.fileno(), _PIPE_BYTES):
            # A full disk ends the run; until then it must not wait for us.
            with contextlib.suppress(OSError):
                file.write(chunk)


def _children_cpu_s() -> float:
    """Return processor seconds of all ended processes.

    Under bubblewrap the program is not a child of what was started.
    """
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@contextlib.contextmanager
def _filter_file(step: dict[str, Any]) -> Iterator[None]:
    """Hold the filter of system calls where the wrapper reads it."""
    if not step["filter"]:
        yield
        return
    place = step["filter_descriptor"]
    read_end, write_end = os.pipe()
    os.write(write_end, bytes.fromhex(step["filter"]))
    os.close(write_end)
    os.dup2(read_end, place)
    os.close(read_end)
    try:
        yield
    finally:
        os.close(place)


class _Limits:
    """What all processes of a stage together may take.

    Checking costs below a hundredth of a core.
    """

    def __init__(self, limits: dict[str, int], folder: str, logs: list[str]) -> None:
        self._limits, self._folder, self._logs = limits, folder, [Path(log) for log in logs]
        for log in self._logs:
            log.touch()
        self._measure_folder_at_s = time.monotonic() + 1.0
        self.peak_memory_bytes = 0

    def passed(self) -> str | None:
        """Return the name of the exceeded limit, if any."""
        if self.printed_too_much():
            return "too_much_output"
        disk = os.statvfs(self._folder)
        if disk.f_bavail * disk.f_frsize < self._limits["free_bytes"] or self._folder_is_full():
            return "out_of_disk"
        memory = _memory_bytes(self._limits["memory_bytes"])
        self.peak_memory_bytes = max(self.peak_memory_bytes, memory)
        return "out_of_memory" if memory > self._limits["memory_bytes"] else None

    def printed_too_much(self) -> bool:
        return any(log.stat().st_size > self._limits["output_bytes"] for log in self._logs)

    def _folder_is_full(self) -> bool:
        started = time.monotonic()
        if started < self._measure_folder_at_s:
            return False
        size = sum(_sizes(self._folder)) + _unlinked_bytes(self._folder)
        # At most one part in fifty of the time goes into measuring, however many files there are.
        self._measure_folder_at_s = time.monotonic() + max(1.0, 50 * (time.monotonic() - started))
        return size > self._limits["folder_bytes"]

    def shorten_logs(self) -> None:
        """Keep head and tail of a log that is too long."""
        for log in self._logs:
            size = log.stat().st_size
            if size > self._limits["output_bytes"] and size > 2 * _KEPT_BYTES:
                with log.open("r+b") as file:
                    file.seek(size - _KEPT_BYTES)
                    tail = file.read(_KEPT_BYTES)
                    file.seek(_KEPT_BYTES)
                    file.write(
                        b"\n[... %d bytes left out: it printed too much ...]\n"
                        % (size - 2 * _KEPT_BYTES)
                    )
                    file.write(tail)
                    file.truncate()


def _sizes(folder: str) -> Iterator[int]:
    """Yield disk bytes of every file below a folder; files may come and go meanwhile."""
    pending = [folder]
    while pending:
        place = pending.pop()
        with contextlib.suppress(OSError):
            # Closed by the program, so that nobody counts.
            if not os.access(place, os.R_OK | os.X_OK):
                os.chmod(place, 0o700)  # noqa: PTH101 - a text
        with contextlib.suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    else:
                        yield entry.stat(follow_symlinks=False).st_blocks * 512


def _unlinked_bytes(folder: str) -> int:
    """Return disk bytes of unlinked files that processes below this one hold open."""
    disk = os.stat(folder).st_dev  # noqa: PTH116 - a text
    sizes: dict[int, int] = {}
    for process in _below(os.getpid()):
        with contextlib.suppress(OSError), os.scandir(f"/proc/{process}/fd") as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    status = os.stat(entry.path)  # noqa: PTH116 - a text
                    if (
                        status.st_nlink == 0
                        and status.st_dev == disk
                        and stat.S_ISREG(status.st_mode)
                    ):
                        sizes[status.st_ino] = status.st_blocks * 512
    return sum(sizes.values())


def _memory_bytes(limit_bytes: int) -> int:
    """Return memory bytes of all processes below this one, daemons included.

    Resident sizes count shared pages once a process, so that the sum is too large where workers
    were forked; only when it passes the limit are the pages counted by share (PSS), which takes
    milliseconds.
    """
    processes = _below(os.getpid())
    resident = sum(_resident_bytes(process) for process in processes)
    if resident <= limit_bytes:
        return resident
    return sum(_shared_out_bytes(process) for process in processes)


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0


def _shared_out_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    except (OSError, IndexError, ValueError, StopIteration):
        return _resident_bytes(pid)


_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def _killed_for_memory() -> int:
    """Return how often the kernel has killed a process because memory was short."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


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


def _end(pid: int, patience_s: float) -> tuple[int | None, Any]:
    """Ask a process group to end, then make it."""
    for number, wait_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, 10.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, number)
        limit = time.monotonic() + wait_s
        while time.monotonic() < limit:
            status, usage = _reap(pid)
            if usage is not None:
                return status, usage
            time.sleep(0.01)
    return None, None


def _kill_descendants() -> None:
    """Kill what the step left behind: as subreaper, its orphans are our children."""
    for _ in range(1000):
        for child in _below(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        try:
            ended, _, _ = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if ended == 0:
            time.sleep(0.002)


def _below(pid: int) -> list[int]:
    """Yield all descendants of a process."""
    descendants: list[int] = []
    pending = [pid]
    while pending:
        threads = f"/proc/{pending.pop()}/task"
        with contextlib.suppress(OSError):
            for thread in Path(threads).iterdir():
                own = [int(word) for word in (thread / "children").read_text().split()]
                pending += own
                descendants += own
    return descendants


def become_subreaper() -> None:
    """Make orphans of this process's descendants its own children."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with_parent(number: int) -> None:
    """Get a signal when the process that started this one dies in any way."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def _before_program() -> None:
    """Prepare the stage's process: it ends with this supervisor, and first when memory is short."""
    if _LIBC is not None:
        end_with_parent(signal.SIGKILL)
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
