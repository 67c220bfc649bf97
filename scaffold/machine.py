"""What this machine has: cores, memory, accelerator, and how to name it in evidence."""

import contextlib
import functools
import os
import platform
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaffold.errors import MachineError

if TYPE_CHECKING:  # a node of a cluster imports this for each run
    from scaffold.records.evidence import Machine
    from scaffold.records.program import Resources


def usable_cores() -> int:
    """Return the cores this process may use.

    A container or taskset may allow fewer than there are.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def runs_at_once(resources: "Resources") -> int:
    """Return how many runs fit on this machine.

    An accelerator is not shared unless the user says that it has room.
    """
    if resources.device == "cpu":
        return max(1, usable_cores() // resources.cores)
    return max(1, len(accelerator_ids())) if resources.device == "cuda" else 1


def threads_of(resources: "Resources", cores: int) -> int:
    """Return how many threads a run uses: the recipe's cores, since they change values and cost.

    What the user says in OMP_NUM_THREADS goes before that; a machine with fewer `cores` gives what
    it has.
    """
    setting = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if setting.isdigit() and int(setting) > 0:
        return int(setting)
    return max(1, min(resources.cores, cores))


def memory_bytes() -> int:
    """Return the memory this process may use in bytes: the machine's, or less in a container."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # control groups version 2, then 1
        with contextlib.suppress(OSError, ValueError):
            total = min(total, int((Path("/sys/fs/cgroup") / name).read_text()))
    return total


FREE_BYTES = 500 * 10**6
"""What we leave of a disk, so that the machine, and whatever is being written there, go on."""


def free_bytes(folder: Path) -> int:
    """Return the free bytes on the disk of a folder."""
    return shutil.disk_usage(folder).free


def require_free(folder: Path) -> None:
    """Raise MachineError if the disk of a folder is as good as full."""
    free = free_bytes(folder)
    if free < FREE_BYTES:
        raise MachineError(
            f"the disk of {folder} has {free / 1e6:.0f} MB free, and {FREE_BYTES / 1e6:.0f} MB are"
            " left alone",
            hint=(
                "free some space; runs that you no longer need lie in .scaffold/runs, and the cache"
                " may be deleted"
            ),
        )


@functools.cache
def describe_machine() -> "Machine":
    """Return hardware and system, for evidence."""
    from scaffold.records.evidence import Machine

    return Machine(**machine_facts())


def machine_facts() -> dict[str, Any]:
    """Return the fields of a `Machine`.

    Imports no torch: the accelerator is asked of its driver.
    """
    return {
        "processor": _processor(),
        "cores": usable_cores(),
        "memory_gb": round(memory_bytes() / 1e9, 1),
        "accelerator": _accelerator(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _accelerator() -> str | None:
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "Apple GPU"
    names = sorted(set(_ask_driver("--query-gpu=name", "--format=csv,noheader").splitlines()))
    return ", ".join(names) or None


@functools.cache
def accelerator_ids() -> tuple[str, ...]:
    """Return what CUDA_VISIBLE_DEVICES may name, one for a run: GPUs, or the parts of a split one.

    A GPU that is split (MIG) takes programs only on its parts.
    """
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        return tuple(word.strip() for word in allowed.split(",") if word.strip())
    return parse_accelerators(_ask_driver("-L"))


def parse_accelerators(listing: str) -> tuple[str, ...]:
    """Return the ids in what `nvidia-smi -L` prints.

    A line for each GPU, `GPU 0: NAME (UUID: GPU-...)`, each followed by indented lines of its
    parts, `MIG 1g.10gb Device 0: (UUID: MIG-...)`.
    """
    ids: list[str] = []
    whole = ""
    for line in listing.splitlines():
        if match := re.match(r"GPU (\d+):", line):
            whole = match[1]
            ids.append(whole)
        elif match := re.search(r"\(UUID: (MIG-[^)]+)\)", line):
            if ids and ids[-1] == whole:
                ids.pop()
            ids.append(match[1])
    return tuple(ids)


def _ask_driver(*words: str) -> str:
    """Return what NVIDIA's tool prints; nothing where there is none, or no driver."""
    import subprocess

    query = shutil.which("nvidia-smi")
    if query is None:
        return ""
    try:
        answer = subprocess.run(
            [query, *words], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()
