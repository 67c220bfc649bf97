"""Make several runs at once on this machine, as many as there are slots."""

import select
import time
from collections import deque
from collections.abc import Iterable
from typing import Protocol

from scaffold.errors import RunError, ScaffoldError
from scaffold.records.evidence import RunRecord
from scaffold.running.launcher import Running, discard, follow, start, stop
from scaffold.running.plan import Plan
from scaffold.running.processes import adopt_orphans, end_orphans
from scaffold.running.recording import finish

_REFRESH_S = 0.25


class ProgressListener(Protocol):
    """Is told how runs go; shows it, or does nothing."""

    def planned(self, runs: int, at_once: int, run_s: float) -> None:
        """Handle how many runs are expected to follow, how many at once, and seconds of one."""

    def started(self, name: str) -> None:
        """Handle the start of a run; no other that is under way has this name."""

    def advanced(self, name: str, step: int, elapsed_s: float) -> None:
        """Handle progress of a run; step is 0 when the recipe has no progress pattern."""

    def ended(self, name: str, record: RunRecord) -> None:
        """Handle the end of a run, successful or not."""

    def message(self, text: str) -> None:
        """Handle a message about the runs that follow."""


def run_seeds(plan: Plan, seeds: Iterable[int], listener: ProgressListener) -> list[RunRecord]:
    """Run these seeds of one program; see `run_all`."""
    return run_all([(plan, seed) for seed in seeds], listener)


def run_all(jobs: Iterable[tuple[Plan, int]], listener: ProgressListener) -> list[RunRecord]:
    """Run programs with these seeds and return their records in order of ending.

    As many at once as the first plan has slots.

    On any exception, Ctrl-C too, every run under way is ended with all its processes and leaves
    nothing.

    Raises:
        RunError: nothing is left of a run, as when its supervisor was killed; raised when the
            others have ended.
    """
    foreign = adopt_orphans()
    waiting = deque(jobs)
    slots = waiting[0][0].slots if waiting else 0
    active: dict[int, Running] = {}
    records: list[RunRecord] = []
    lost: list[str] = []
    try:
        while waiting or active:
            while waiting and len(active) < slots:
                plan, seed = waiting.popleft()
                running = start(plan, seed)
                assert running.process.stdout is not None
                active[running.process.stdout.fileno()] = running
                listener.started(plan.run_name(seed))
            # A supervisor's output ends when it does.
            ended = select.select(list(active), [], [], _REFRESH_S)[0]
            for descriptor in ended:
                running = active.pop(descriptor)
                try:
                    records.append(finish(running))
                except (ScaffoldError, OSError) as error:
                    lost.append(
                        error.message
                        if isinstance(error, ScaffoldError)
                        else f"{running.name}: {error}"
                    )
                    end_orphans({*foreign, *(other.process.pid for other in active.values())})
                    discard(running.workspace)
                    continue
                listener.ended(running.name, records[-1])
            for running in active.values():
                listener.advanced(
                    running.name, follow(running), time.monotonic() - running.started_s
                )
    finally:
        stop(list(active.values()))
    if lost:
        raise RunError(
            "nothing is left of\n  " + "\n  ".join(lost),
            hint="what was complete is kept; the same command goes on",
        )
    return records
