"""Read files that an untrusted run left: plain files inside its folder, of limited size."""

import contextlib
import os
import signal
import stat
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from scaffold.errors import RunError

_MOST_MATCHES = 100
"""Paths of a pattern that are looked at: it is meant to match one."""

MAX_FILE_BYTES = 256 * 10**6
"""Larger files are no results: reading one as JSON takes some ten times its size in memory."""


def find_output(tree: Path, relpath: str) -> Path:
    """Return where a file or folder of the run is, following links inside the run's folder.

    A path may be a pattern, such as `runs/*/metrics.json` where a program names folders after the
    date.

    Raises:
        RunError: it is not there, is not the only one, or a link that leads out.
    """
    path = _only_match(tree, relpath) if any(mark in relpath for mark in "*?[") else tree / relpath
    try:
        resolved = path.resolve(strict=True)
    except FileNotFoundError as error:
        raise RunError(f"the run did not write {relpath}") from error
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
        raise RunError(f"{relpath} that the run left cannot be read: {error}") from error
    if not resolved.is_relative_to(tree.resolve()):
        raise RunError(f"{relpath} is a link out of the run's folder")
    return resolved


def _only_match(tree: Path, pattern: str) -> Path:
    """Return the one path that a pattern matches."""
    exact = tree / pattern
    if exact.exists():
        return exact
    matches = sorted(
        islice(tree.glob(pattern), _MOST_MATCHES), key=lambda path: path.lstat().st_mtime_ns
    )
    if not matches:
        raise RunError(f"the run wrote nothing that {pattern} matches")
    if len(matches) > 1:
        names = ", ".join(path.relative_to(tree).as_posix() for path in matches[-3:])
        raise RunError(
            f"{pattern} matches {len(matches)} files, among them {names}: make the pattern narrower"
        )
    return matches[0]


def open_output(path: Path, most_bytes: int = MAX_FILE_BYTES) -> BinaryIO:
    """Open a plain file; never waits, as opening a pipe would.

    Raises:
        RunError: it is a link, a pipe, a device or too large.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise RunError(f"{path.name} that the run left cannot be read: {error.strerror}") from error
    status = os.fstat(handle)
    problem = None
    if not stat.S_ISREG(status.st_mode):
        problem = "is not a plain file"
    elif status.st_size > most_bytes:
        problem = (
            f"has {status.st_size / 1e6:.0f} MB; results have at most {most_bytes / 1e6:.0f} MB"
        )
    if problem:
        os.close(handle)
        raise RunError(f"{path.name} that the run left {problem}")
    return os.fdopen(handle, "rb")


def read_output(path: Path, most_bytes: int = MAX_FILE_BYTES) -> bytes:
    """Return all bytes of a plain file; see `open_output`."""
    with open_output(path, most_bytes) as file:
        return file.read(most_bytes)


@contextlib.contextmanager
def memory_limit(limit_bytes: int, title: str) -> Iterator[None]:
    """Bound the memory that reading takes: a small file may be a large object.

    Args:
        limit_bytes: on top of what this process has now; address space, which is at least what is
            used.
        title: is read, for the message.

    Raises:
        RunError: it took more.
    """
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:  # no Linux: its limit of address space is kept by nobody
        yield
        return
    limit = pages * resource.getpagesize() + limit_bytes
    if before[0] != resource.RLIM_INFINITY:
        limit = min(limit, before[0])
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    except MemoryError:
        raise RunError(
            f"{title}: reading it took more than {limit_bytes / 1e9:g} GB of memory",
            hint="let the program write less",
        ) from None
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@contextlib.contextmanager
def time_limit(limit_s: float, title: str) -> Iterator[None]:
    """Bound the reading of what a third party wrote, which an untrusted pattern may make endless.

    Raises:
        RunError: it took longer.
    """

    def give_up(*_: object) -> None:
        raise RunError(
            f"{title}: reading it took longer than {limit_s:g} s", hint="simplify its pattern"
        )

    if threading.current_thread() is not threading.main_thread():
        yield  # no alarm reaches it
        return
    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
