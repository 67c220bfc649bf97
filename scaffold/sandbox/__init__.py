"""Confines the commands of a recipe: bubblewrap where it works, else Landlock, else nothing runs.

What a confined command sees is a list: the system's programs and libraries, those settings of /etc
that libraries read, its interpreter, and its own run's folders, which alone it may write; a network
only where the recipe says so. Everything else is absent: homes, other people's data, sockets, keys.
What Landlock cannot close of this is said by `Sandbox.open_doors`. Both kinds are a prefix of the
command's words.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scaffold.errors import MachineError
from scaffold.sandbox import landlock
from scaffold.sandbox.bubblewrap import (
    HARMLESS_DEVICES,
    KERNEL,
    accelerator_devices,
    bubblewrap_command,
    bubblewrap_problem,
)
from scaffold.sandbox.seccomp import INTERNET, INTERNET6, NETLINK, UNIX, build_filter
from scaffold.sandbox.visible import (
    Policy,
    all_but,
    hidden_places,
    readable_paths,
)

Kind = Literal["bubblewrap", "landlock", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """One way to confine. `open_doors` are what it cannot close."""

    kind: Kind
    open_doors: tuple[str, ...] = ()


NO_SANDBOX = Sandbox(kind="none")


def require_sandbox() -> Sandbox:
    """Return the best sandbox that works here.

    Raises:
        MachineError: none does; says why not.
    """
    problems = []
    kinds: tuple[Kind, ...] = ("bubblewrap", "landlock")
    for kind in kinds:
        problem = sandbox_problem(kind)
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


def sandbox_problem(kind: Kind) -> str | None:
    """Return why a kind of sandbox cannot be used here; None when it can."""
    if kind == "none":
        return None
    return bubblewrap_problem() if kind == "bubblewrap" else landlock_problem()


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
        socket_filter = _socket_filter("bubblewrap", policy)
        words = bubblewrap_command(policy, directory, variables)
        words[1:1] = ["--seccomp", str(FILTER_DESCRIPTOR)] if socket_filter else []
        return Wrapper(words=words, variables={}, socket_filter=socket_filter)
    if sandbox.kind == "landlock":
        words = [sys.executable, "-I", "-S", landlock.__file__, str(policy_file)]
        return Wrapper(words=words, variables={}, policy=_landlock(policy, variables))
    return Wrapper(words=[], variables=variables)


def _socket_filter(kind: Kind, policy: Policy) -> bytes:
    """Return the socket filter.

    Internet sockets lead nowhere in bubblewrap and are allowed there; elsewhere they lead out.
    """
    internet = (INTERNET, INTERNET6) if kind == "bubblewrap" or policy.network else ()
    return build_filter((UNIX, NETLINK, *internet), has_namespaces=kind == "bubblewrap")


def _landlock(policy: Policy, variables: Mapping[str, str]) -> str:
    """Return what `landlock.py` reads: paths, variables, and a filter of system calls."""
    hidden = hidden_places()
    readable = [
        path
        for place in (*readable_paths(policy), *map(Path, KERNEL))
        for path in all_but(place, hidden)
    ]
    writable = [
        *policy.writable,
        policy.temporary,
        *(Path("/dev") / name for name in HARMLESS_DEVICES),
    ]
    if policy.accelerator:
        writable += [Path(device) for device in accelerator_devices()]
        # CUDA names its threads there, and fails without (error 304). Of the command's own process
        # alone: all of /proc would be the settings of the machine, too.
        writable.append(Path("/proc/self"))
    return json.dumps(
        {
            "readable": list(map(str, readable)),
            "writable": list(map(str, writable)),
            "network": policy.network,
            "variables": dict(variables),
            "filter": _socket_filter("landlock", policy).hex(),
        }
    )
