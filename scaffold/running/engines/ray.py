"""Starts runs by Ray: one task each. They end with the command that handed them over."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from scaffold.errors import MachineError
from scaffold.records.engine import RayTarget
from scaffold.records.program import Resources

_CONNECT_LIMIT_S = 10.0
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def execute(folder: str, index: int) -> int:
    """Start a node's program; called by a worker of Ray."""
    words = [sys.executable, "-I", "-m", "scaffold.running.node", folder, str(index)]
    with (Path(folder) / f"{index}.out").open("wb") as output:
        return subprocess.run(
            words, stdout=output, stderr=subprocess.STDOUT, check=False
        ).returncode


def _require_listener(address: str) -> None:
    """Raise MachineError where nobody listens: Ray would try for minutes."""
    host, _, port = address.rpartition("/")[2].rpartition(":")
    if not port.isdigit():
        return  # `auto`, or a name
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_LIMIT_S).close()
    except OSError as error:
        raise _no_cluster(address, str(error)) from error


def _no_cluster(address: str, reason: str) -> MachineError:
    return MachineError(
        f"no Ray cluster answers at {address}: {reason}",
        hint="start one: ray start --head; or correct the address in engines.yaml",
    )


class RayScheduler:
    """A `Scheduler`, connected.

    Raises:
        MachineError: Ray is not installed, or no cluster answers there.
    """

    def __init__(self, target: RayTarget) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as error:
            raise MachineError(
                "Ray is not installed", hint="pip install 'mlloop-new[ray]', here and on its nodes"
            ) from error
        self._ray: Any = ray
        self._tasks: dict[str, Any] = {}
        _require_listener(target.address)
        handlers = {number: signal.getsignal(number) for number in _ENDING}
        try:
            ray.init(
                address=target.address,
                log_to_driver=False,
                logging_level="ERROR",
                ignore_reinit_error=True,
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise _no_cluster(target.address, str(error).splitlines()[0]) from error
        for number, handler in handlers.items():
            signal.signal(number, handler)  # Ray's would end this process with its runs left

    def send(self, folder: Path, count: int, resources: Resources) -> str:
        """Hand over one task for each run. A lost one is not Ray's to repeat, but ours."""
        remote = self._ray.remote(execute).options(
            num_cpus=resources.cores,
            num_gpus=1 if resources.device == "cuda" else 0,
            max_retries=0,
        )
        for index in range(count):
            self._tasks[f"{folder.name}_{index}"] = remote.remote(str(folder), index)
        return folder.name

    def alive(self, tasks: Collection[str]) -> Collection[str] | None:
        """Return what of these has not ended."""
        own = {self._tasks[task]: task for task in tasks if task in self._tasks}
        if not own:
            return ()
        _, pending = self._ray.wait(list(own), num_returns=len(own), timeout=0)
        return [own[one] for one in pending]

    def cancel(self, tasks: Collection[str]) -> None:
        """End tasks by force, which ends their processes, too."""
        own = [self._tasks[task] for task in tasks if task in self._tasks]
        for one in own:
            self._ray.cancel(one, force=True)
        with contextlib.suppress(Exception):  # each ends with the error that it was cancelled
            self._ray.wait(own, num_returns=len(own), timeout=20)

    def reason(self) -> str:
        """Return nothing: Ray does not say."""
        return ""
