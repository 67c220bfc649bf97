"""Confine a command by bubblewrap."""

import functools
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from scaffold.sandbox.visible import (
    SYSTEM,
    TEMPORARY,
    Policy,
    hidden_places,
    readable_paths,
)

_NVIDIA_AND_AMD = (
    "nvidiactl",
    "nvidia-uvm",
    "nvidia-uvm-tools",
    "nvidia-modeset",
    "nvidia-caps",
    "dri",
    "kfd",
)


HARMLESS_DEVICES = ("null", "zero", "full", "random", "urandom", "shm")


KERNEL = ("/proc", "/sys")


_EMPTY_FOLDER_BYTES = 1 << 30
"""Room in /var/tmp, which is memory there."""


def bubblewrap_problem() -> str | None:
    """Return why bubblewrap cannot be used here; None when it can.

    Tries it, since some systems forbid user namespaces.
    """
    if sys.platform != "linux":
        return "needs Linux"
    if shutil.which("bwrap") is None:
        return "bwrap is not installed"
    problem = _probe(("--size", "4096"))
    return _probe(()) if problem else None


@functools.cache
def _probe(size: tuple[str, ...]) -> str | None:
    """Return what bubblewrap says of all that confining needs; None when it works."""
    mounts = [
        "--ro-bind",
        "/",
        "/",
        "--dev",
        "/dev",
        "--proc",
        "/proc",
        *size,
        "--tmpfs",
        "/dev/shm",
    ]
    words = [
        shutil.which("bwrap") or "bwrap",
        *_ISOLATION,
        *mounts,
        "--",
        shutil.which("true") or "true",
    ]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    messages = done.stderr.strip().splitlines()
    if done.returncode == 0:
        return None
    return messages[-1] if messages else f"exit status {done.returncode}"


def _size(limit_bytes: int) -> list[str]:
    """Return options that bound the next temporary file system.

    Bubblewrap has them since 0.7; older ones get none.
    """
    return ["--size", str(limit_bytes)] if _probe(("--size", "4096")) is None else []


# Its own user, process, network, IPC and host name spaces; it ends with whoever started it. Without
# capabilities, since a root that bubblewrap was called by keeps them otherwise.
_ISOLATION = ("--unshare-all", "--die-with-parent", "--cap-drop", "ALL")


_MACHINE_WIDE = (
    "/proc/sys",
    "/proc/sysrq-trigger",
    "/proc/irq",
    "/proc/bus",
    "/proc/fs",
    "/proc/acpi",
    "/proc/scsi",
)
"""What a root may write in /proc although it has no capability, and which is the whole
machine's."""


def bubblewrap_command(policy: Policy, directory: Path, variables: Mapping[str, str]) -> list[str]:
    """Return the command line that confines a command to what the policy admits."""
    readable, hidden = readable_paths(policy), hidden_places()
    inside = [place for place in hidden if any(place.is_relative_to(path) for path in readable)]
    again = [
        path
        for path in policy.visible
        if path.exists() and any(path.is_relative_to(place) for place in inside)
    ]
    devices = accelerator_devices() if policy.accelerator else []
    words = [
        shutil.which("bwrap") or "bwrap",
        *_ISOLATION,
        *(["--share-net"] if policy.network else []),
    ]
    private, shared = TEMPORARY
    words += [
        "--bind",
        str(policy.temporary),
        str(private),
        *_size(_EMPTY_FOLDER_BYTES),
        "--tmpfs",
        str(shared),
    ]
    for path in readable:
        # /bin of most systems leads to /usr/bin.
        is_alias = str(path) in SYSTEM and path.is_symlink()
        words += (
            ["--symlink", str(path.readlink()), str(path)]
            if is_alias
            else ["--ro-bind", str(path), str(path)]
        )
    words += ["--ro-bind", "/sys", "/sys", "--proc", "/proc", "--dev", "/dev"]
    words += [word for place in _MACHINE_WIDE for word in ("--ro-bind-try", place, place)]
    words += [*_size(policy.memory_bytes), "--tmpfs", "/dev/shm"]
    words += [word for device in devices for word in ("--dev-bind-try", device, device)]
    words += [word for place in inside for word in ("--tmpfs", str(place))]
    words += [word for path in again for word in ("--ro-bind", str(path), str(path))]
    words += [word for path in policy.writable for word in ("--bind", str(path), str(path))]
    # What lies in memory no limit would count: the root itself, hidden places, /dev.
    words += [word for place in (*inside, "/dev", "/") for word in ("--remount-ro", str(place))]
    words += [word for name, value in variables.items() for word in ("--setenv", name, value)]
    return [*words, "--chdir", str(directory), "--"]


def accelerator_devices() -> list[str]:
    """Return the device files of accelerators."""
    numbered = [str(path) for path in Path("/dev").glob("nvidia[0-9]*")]
    return numbered + [f"/dev/{name}" for name in _NVIDIA_AND_AMD]
