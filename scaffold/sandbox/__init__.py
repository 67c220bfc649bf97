"""Confines the commands of a recipe: bubblewrap where it works, else Landlock, else nothing runs.

What a confined command sees is a list: the system's programs and libraries, those settings of /etc
that libraries read, its interpreter, and its own run's folders, which alone it may write; a network
only where the recipe says so. Everything else is absent: homes, other people's data, sockets, keys.
What Landlock cannot close of this is said by `Sandbox.open_doors`. Both kinds are a prefix of the
command's words.
"""

import contextlib
import functools
import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scaffold.errors import MachineError
from scaffold.sandbox import landlock
from scaffold.sandbox.seccomp import INTERNET, INTERNET6, NETLINK, UNIX, build_filter
from scaffold.user_state import state_dir

Kind = Literal["bubblewrap", "landlock", "none"]

_NVIDIA_AND_AMD = (
    "nvidiactl",
    "nvidia-uvm",
    "nvidia-uvm-tools",
    "nvidia-modeset",
    "nvidia-caps",
    "dri",
    "kfd",
)
_HARMLESS_DEVICES = ("null", "zero", "full", "random", "urandom", "shm")
TEMPORARY = (Path("/tmp"), Path("/var/tmp"))
"""What a command in bubblewrap has of its own, empty and writable."""

_SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/gnu/store",
    "/opt/cuda",
    "/opt/intel",
    "/opt/nvidia",
    "/opt/rocm",
)
"""Where a system keeps programs and libraries."""

_SETTINGS = (
    "OpenCL",
    "R",
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "fonts",
    "gai.conf",
    "glvnd",
    "group",
    "host.conf",
    "hostname",
    "hosts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "libibverbs.d",
    "locale.alias",
    "locale.conf",
    "localtime",
    "machine-id",
    "magic",
    "magic.mime",
    "mime.types",
    "networks",
    "nsswitch.conf",
    "nvidia",
    "openmpi",
    "os-release",
    "passwd",
    "pki/ca-trust/extracted",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "pki/tls/openssl.cnf",
    "protocols",
    "resolv.conf",
    "rpc",
    "services",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
    "vulkan",
)
"""What libraries read in /etc. Nothing there is secret: what programs and users are told of the
machine."""

_KERNEL = ("/proc", "/sys")

_EMPTY_FOLDER_BYTES = 1 << 30
"""Room in /var/tmp, which is memory there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """One way to confine. `open_doors` are what it cannot close."""

    kind: Kind
    open_doors: tuple[str, ...] = ()


NO_SANDBOX = Sandbox(kind="none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What one command may do.

    Attributes:
        writable: the run's own folders.
        temporary: the run's temporary folder; writable too, and /tmp where a command can have one
            of its own.
        visible: what lies in a hidden place and must be read all the same: interpreter,
            environment, our shim.
        network: whether the network is open.
        accelerator: whether the devices of GPUs are there.
        memory_bytes: room in shared memory.
    """

    writable: tuple[Path, ...]
    temporary: Path
    visible: tuple[Path, ...]
    network: bool
    accelerator: bool
    memory_bytes: int


def require_sandbox() -> Sandbox:
    """Return the best sandbox that works here.

    Raises:
        MachineError: none does; says why not.
    """
    problems = []
    for kind, problem in (("bubblewrap", bubblewrap_problem()), ("landlock", landlock_problem())):
        if problem is None:
            return _sandbox(kind)
        problems.append(f"{kind}: {problem}")
    raise MachineError(
        "no sandbox works on this machine, and the reference is a third party's program\n "
        f" {'; '.join(problems)}",
        hint=(
            "install bubblewrap (scaffold doctor says more), or, for code that you trust:"
            " --no-sandbox"
        ),
    )


def _sandbox(kind: str) -> Sandbox:
    if kind == "bubblewrap":
        return Sandbox(kind="bubblewrap")
    doors = [
        "sockets that are files",
        "files in shared memory",
        "modes of your files and names of hidden ones",
        "command lines of your other processes",
    ]
    if not build_filter(()):
        doors += ["UDP", "message queues", "resource limits of your other processes"]
    if landlock.find_version() < 6:
        doors.append("signals to your other processes")
    return Sandbox(kind="landlock", open_doors=tuple(doors))


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
    said = done.stderr.strip().splitlines()
    return None if done.returncode == 0 else said[-1] if said else f"exit status {done.returncode}"


def _size(limit_bytes: int) -> list[str]:
    """Return options that bound the next temporary file system.

    Where bubblewrap can (since 0.7).
    """
    return ["--size", str(limit_bytes)] if _probe(("--size", "4096")) is None else []


def landlock_problem() -> str | None:
    """Return why Landlock cannot be used here; None when it can."""
    if sys.platform != "linux":
        return "needs Linux"
    version = landlock.find_version()
    if version == 0:
        return "this kernel has none, or it is switched off"
    if version < landlock.NEEDED_VERSION:
        return f"version {version} of this kernel cannot close TCP (Linux 6.7 can)"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapper:
    """How to start a command confined.

    Attributes:
        words: to put before the command's own.
        policy: what the words' last one, a file, must hold; empty where there is none.
        variables: to start them with. Those are not the command's: the recipe's LD_PRELOAD would be
            loaded into the sandbox's own program, outside.
        socket_filter: what bubblewrap reads from FILTER_DESCRIPTOR.
    """

    words: list[str]
    variables: Mapping[str, str]
    socket_filter: bytes = b""
    policy: str = ""


FILTER_DESCRIPTOR = 100


def confine(
    sandbox: Sandbox,
    policy: Policy,
    directory: Path,
    variables: Mapping[str, str],
    policy_file: Path,
) -> Wrapper:
    """Return how to start a command confined by a sandbox.

    Args:
        sandbox: which one.
        policy: what the command may do.
        directory: that it starts in.
        variables: of the command.
        policy_file: where the caller puts `Wrapper.policy`; no argument of a program is long enough
            for every machine.
    """
    if sandbox.kind == "bubblewrap":
        found = _socket_filter("bubblewrap", policy)
        words = _bubblewrap(policy, directory, variables)
        words[1:1] = ["--seccomp", str(FILTER_DESCRIPTOR)] if found else []
        return Wrapper(words=words, variables={}, socket_filter=found)
    if sandbox.kind == "landlock":
        words = [sys.executable, "-I", "-S", landlock.__file__, str(policy_file)]
        return Wrapper(words=words, variables={}, policy=_landlock(policy, variables))
    return Wrapper(words=[], variables=variables)


def _socket_filter(kind: Kind, policy: Policy) -> bytes:
    """Return the socket filter.

    In bubblewrap internet sockets lead nowhere and are allowed; elsewhere they lead out.
    """
    internet = (INTERNET, INTERNET6) if kind == "bubblewrap" or policy.network else ()
    return build_filter((UNIX, NETLINK, *internet), has_namespaces=kind == "bubblewrap")


def readable_paths(policy: Policy) -> list[Path]:
    """Return what a command may read besides its own folders.

    Existing paths, none below another.
    """
    found = [Path(name) for name in _SYSTEM]
    found += [Path("/etc") / name for name in _SETTINGS]
    found += [*policy.visible, *_search_folders()]
    if policy.network:
        found.append(Path("/run/systemd/resolve"))  # where resolv.conf may lead
    there = sorted({path for path in found if path.exists()})
    return [path for path in there if not any(parent in there for parent in path.parents)]


def _search_folders() -> list[Path]:
    """Return further folders of programs and libraries, such as the modules of a cluster."""
    hidden = hidden_places()
    words = ":".join(os.environ.get(name, "") for name in ("PATH", "LD_LIBRARY_PATH")).split(":")
    folders = [Path(word) for word in words if word.startswith("/")]
    return [
        folder
        for folder in folders
        if folder != Path("/")
        and not any(folder.is_relative_to(place) for place in (*hidden, Path("/proc")))
    ]


def hidden_places() -> list[Path]:
    """Return folders that no command sees, even inside visible ones.

    Homes, sockets, our own key.
    """
    places = {Path(place) for place in ("/home", "/root", "/run", *TEMPORARY)} | {
        Path.home(),
        state_dir(),
    }
    with contextlib.suppress(KeyError):  # a container's user that has no entry
        places.add(Path(pwd.getpwuid(os.getuid()).pw_dir))
    found = {place.resolve() for place in places if place.is_dir()}
    found.discard(Path("/"))  # a container's user whose home is everything
    return sorted(found)


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


def _bubblewrap(policy: Policy, directory: Path, variables: Mapping[str, str]) -> list[str]:
    readable, hidden = readable_paths(policy), hidden_places()
    inside = [place for place in hidden if any(place.is_relative_to(path) for path in readable)]
    again = [
        path
        for path in policy.visible
        if path.exists() and any(path.is_relative_to(place) for place in inside)
    ]
    devices = _accelerator_devices() if policy.accelerator else []
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
        is_alias = str(path) in _SYSTEM and path.is_symlink()
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


def _accelerator_devices() -> list[str]:
    numbered = [str(path) for path in Path("/dev").glob("nvidia[0-9]*")]
    return numbered + [f"/dev/{name}" for name in _NVIDIA_AND_AMD]


def _landlock(policy: Policy, variables: Mapping[str, str]) -> str:
    """Return what `landlock.py` reads: paths, variables, and a filter of system calls."""
    hidden = hidden_places()
    readable = [
        path
        for place in (*readable_paths(policy), *map(Path, _KERNEL))
        for path in _all_but(place, hidden)
    ]
    writable = [
        *policy.writable,
        policy.temporary,
        *(Path("/dev") / name for name in _HARMLESS_DEVICES),
    ]
    if policy.accelerator:
        writable += [Path(device) for device in _accelerator_devices()]
    return json.dumps(
        {
            "readable": list(map(str, readable)),
            "writable": list(map(str, writable)),
            "network": policy.network,
            "variables": dict(variables),
            "filter": _socket_filter("landlock", policy).hex(),
        }
    )


def _all_but(folder: Path, hidden: Sequence[Path]) -> list[Path]:
    """Return the fewest paths that hold all below a folder except what lies in hidden places."""
    if not any(place.is_relative_to(folder) for place in hidden):
        return [folder]
    if folder in hidden:
        return []
    try:
        inside = sorted(folder.iterdir())
    except OSError:
        return []
    return [path for child in inside if not child.is_symlink() for path in _all_but(child, hidden)]
