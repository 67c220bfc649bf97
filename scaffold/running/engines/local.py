"""Executes runs on this machine, each under a supervisor that is a child of this process."""

import select
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from scaffold.machine import accelerator_ids, describe_machine
from scaffold.records.engine import Execution
from scaffold.running.job import missing_result, start_supervisor
from scaffold.running.launcher import Running
from scaffold.running.processes import adopt_orphans, end_orphans

_REFRESH_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class _Supervised:
    run: Running
    process: "subprocess.Popen[bytes]"
    started: datetime
    started_s: float
    accelerator: str | None


class LocalEngine:
    """An `Engine`; the caller submits no more than fits."""

    def __init__(self) -> None:
        self._foreign = adopt_orphans()
        self._active: dict[str, _Supervised] = {}

    def submit(self, runs: Sequence[Running]) -> None:
        """Start each at once."""
        for run in runs:
            accelerator = self._free_accelerator() if run.job.device == "cuda" else None
            process = start_supervisor(run.job, accelerator)
            self._active[run.key] = _Supervised(
                run=run,
                process=process,
                started=datetime.now(timezone.utc),
                started_s=time.monotonic(),
                accelerator=accelerator,
            )

    def _free_accelerator(self) -> str | None:
        """Return the accelerator with the fewest runs; None where the driver names none."""
        used = [one.accelerator for one in self._active.values()]
        return min(accelerator_ids(), key=used.count, default=None)

    def wait(self, runs: Sequence[Running]) -> list[tuple[Running, Execution]]:
        """Wait until one ends, at most a moment: a supervisor's output ends when it does."""
        del runs
        outputs: dict[Any, _Supervised] = {one.process.stdout: one for one in self._active.values()}
        ended = select.select(list(outputs), [], [], _REFRESH_S)[0]
        return [(outputs[one].run, self._execution(outputs[one])) for one in ended]

    def _execution(self, ended: _Supervised) -> Execution:
        messages, _ = ended.process.communicate()
        del self._active[ended.run.key]
        problem = missing_result(ended.run.job, messages, ended.process.returncode)
        if problem:
            own = {one.process.pid for one in self._active.values()}
            end_orphans({*self._foreign, *own})
        return Execution(
            machine=describe_machine(),
            started=ended.started.isoformat(timespec="seconds"),
            wall_time_s=time.monotonic() - ended.started_s,
            problem=problem,
        )

    def elapsed_s(self, run: Running) -> float | None:
        """Return the time since its start: nothing waits here."""
        return time.monotonic() - self._active[run.key].started_s

    def stop(self, runs: Sequence[Running]) -> Sequence[Running]:
        """Close what the supervisors listen to, all at once: each has a moment of grace."""
        stopped = [self._active.pop(run.key) for run in runs if run.key in self._active]
        for one in stopped:
            if one.process.stdin:
                one.process.stdin.close()
        for one in stopped:
            one.process.wait()
            if one.process.stdout:
                one.process.stdout.close()
        return runs

    def message(self) -> str:
        """Return nothing."""
        return ""
