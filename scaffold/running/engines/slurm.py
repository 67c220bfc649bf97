"""Starts runs by Slurm: one job array for the runs of a submission.

Asks no accounting, which many clusters have not: `squeue` says what waits or runs, files say the
rest.
"""

import os
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scaffold.errors import MachineError
from scaffold.records.engine import SlurmTarget
from scaffold.records.program import Resources

_CALL_LIMIT_S = 60.0
_CANCEL_LIMIT_S = 40.0
"""More than Slurm's default KillWait of 30 s, after which it kills what does not end."""

_PASSED_ON = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "SLURM_CONF", "LD_LIBRARY_PATH"),
    *("XDG_CACHE_HOME", "XDG_STATE_HOME"),
    *("SBATCH_ACCOUNT", "SBATCH_PARTITION", "SBATCH_QOS", "SBATCH_RESERVATION"),
)
"""Variables that Slurm's programs see: sbatch gives a job all that it has, tokens too, and with
--export=NONE a login shell is started for each job, which takes as long as the job."""


_COLUMNS = 5


@dataclass(frozen=True, slots=True)
class _Queued:
    """A job that waits or runs: its number, state, and why it waits."""

    number: str
    state: str
    reason: str


class SlurmScheduler:
    """A `Scheduler`."""

    def __init__(self, target: SlurmTarget) -> None:
        self._target = target
        self._reason = ""

    def send(self, folder: Path, count: int, resources: Resources) -> str:
        """Submit one array.

        Raises:
            MachineError: there is no sbatch, or it refuses.
        """
        words = [sys.executable, "-I", "-m", "scaffold.running.node", str(folder)]
        script = f'#!/bin/sh\nexec {shlex.join(words)} "$SLURM_ARRAY_TASK_ID"\n'
        options = {
            "array": f"0-{count - 1}",
            "job-name": folder.name,
            "output": str(folder).replace("%", "%%") + "/%a.out",
            "chdir": str(folder),
            "cpus-per-task": str(resources.cores),
            "mem": f"{resources.memory_gb * 1e3:.0f}M" if resources.memory_gb else None,
            "partition": self._target.partition,
            "account": self._target.account,
            "qos": self._target.qos,
            "constraint": self._target.constraint,
            "gres": self._target.gres or ("gpu:1" if resources.device == "cuda" else None),
            "time": self._target.time,
        }
        chosen = [f"--{name}={value}" for name, value in options.items() if value is not None]
        # A run that is lost with its node is made again by us, in another folder.
        answer = _call(["sbatch", "--parsable", "--no-requeue", *chosen], script)
        return answer.strip().partition(";")[0]  # JOB;CLUSTER where there are several clusters

    def alive(self, tasks: Collection[str]) -> Collection[str] | None:
        """Return what of these waits or runs."""
        try:
            queue = self._queue()
        except MachineError as error:
            self._reason = error.message
            return None
        known = {task for task in queue if task in tasks}
        reasons = Counter(queue[task].reason for task in known if queue[task].state == "PENDING")
        self._reason = ", ".join(f"{count} for {reason}" for reason, count in reasons.items())
        return known

    def _queue(self) -> dict[str, "_Queued"]:
        """Return what the user has in the queue, by its job's name, which is ours, and index."""
        # Not by job: of one that it has forgotten squeue says no more than of a wrong number.
        words = ["squeue", "--noheader", "--array", "--user", str(os.getuid())]
        lines = _call([*words, "--format=%j|%K|%i|%T|%r"]).splitlines()
        rows = [line.strip().split("|", 4) for line in lines]
        return {
            f"{name}_{index}": _Queued(number, state, reason)
            for name, index, number, state, reason in (row for row in rows if len(row) == _COLUMNS)
        }

    def cancel(self, tasks: Collection[str]) -> None:
        """Cancel, and wait until all have ended."""
        jobs = [job.number for task, job in self._queue().items() if task in tasks]
        for start in range(0, len(jobs), 500):  # an argument list has an end
            _call(["scancel", *jobs[start : start + 500]])
        limit_s = time.monotonic() + _CANCEL_LIMIT_S
        while self.alive(tasks) and time.monotonic() < limit_s:
            time.sleep(0.25)

    def reason(self) -> str:
        """Return Slurm's own words for why tasks wait."""
        return self._reason


def _call(words: Sequence[str], text: str = "") -> str:
    try:
        answer = subprocess.run(
            words,
            input=text,
            env=_variables(os.environ),
            capture_output=True,
            text=True,
            timeout=_CALL_LIMIT_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise MachineError(
            f"there is no {words[0]} on PATH: runs are handed to Slurm from a machine that has it",
            hint="log in to the cluster, or leave out --engine",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise MachineError(f"{words[0]} did not answer for {_CALL_LIMIT_S:g} s") from error
    if answer.returncode != 0:
        raise MachineError(
            f"{words[0]} failed: {answer.stderr.strip()[:500] or answer.returncode}",
            hint=(
                "its options come from engines.yaml; sinfo lists what the cluster has"
                if words[0] == "sbatch"
                else "sinfo says whether the cluster answers"
            ),
        )
    return answer.stdout


def _variables(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: environ[name] for name in _PASSED_ON if name in environ}
