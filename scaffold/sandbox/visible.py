"""Say what a confined command sees of the file system."""

import contextlib
import os
import pwd
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scaffold.user_state import state_dir

TEMPORARY = (Path("/tmp"), Path("/var/tmp"))
"""What a command in bubblewrap has of its own, empty and writable."""


SYSTEM = (
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


def readable_paths(policy: Policy) -> list[Path]:
    """Return existing paths, none below another, that a command may read besides its own."""
    candidates = [Path(name) for name in SYSTEM]
    candidates += [Path("/etc") / name for name in _SETTINGS]
    candidates += [*policy.visible, *_search_folders()]
    if policy.network:
        candidates.append(Path("/run/systemd/resolve"))  # where resolv.conf may lead
    existing = sorted({path for path in candidates if path.exists()})
    return [path for path in existing if not any(parent in existing for parent in path.parents)]


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
    """Return folders that no command sees, even in visible ones: homes, sockets, our own key."""
    places = {Path(place) for place in ("/home", "/root", "/run", *TEMPORARY)} | {
        Path.home(),
        state_dir(),
    }
    with contextlib.suppress(KeyError):  # a container's user that has no entry
        places.add(Path(pwd.getpwuid(os.getuid()).pw_dir))
    places_found = {place.resolve() for place in places if place.is_dir()}
    places_found.discard(Path("/"))  # a container's user whose home is everything
    return sorted(places_found)


def all_but(folder: Path, hidden: Sequence[Path]) -> list[Path]:
    """Return the fewest paths that hold all below a folder except what lies in hidden places."""
    if not any(place.is_relative_to(folder) for place in hidden):
        return [folder]
    if folder in hidden:
        return []
    try:
        inside = sorted(folder.iterdir())
    except OSError:
        return []
    return [path for child in inside if not child.is_symlink() for path in all_but(child, hidden)]
