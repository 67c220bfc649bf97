"""Run several seeds at once on this machine, as many as there are slots."""

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

    def started(self, seed: int, smoke: bool) -> None:
        """Handle the start of a run."""

    def advanced(self, seed: int, step: int, elapsed_s: float) -> None:
        """Handle progress of a run; step is 0 when the recipe has no progress pattern."""

    def ended(self, record: RunRecord) -> None:
        """Handle the end of a run, successful or not."""

    def message(self, text: str) -> None:
        """Handle a message about the runs that follow."""


def run_seeds(plan: Plan, seeds: Iterable[int], listener: ProgressListener) -> list[RunRecord]:
    """Run these seeds and return their records in order of ending.

    On any exception, Ctrl-C too, every run under way is ended with all its processes and leaves
    nothing.

    Raises:
        RunError: nothing is left of a run, as when its supervisor was killed; raised when the
            others have ended.
    """
    foreign = adopt_orphans()
    waiting = deque(seeds)
    active: dict[int, Running] = {}
    records: list[RunRecord] = []
    lost: list[str] = []
    try:
        while waiting or active:
            while waiting and len(active) < plan.slots:
                seed = waiting.popleft()
                running = start(plan, seed)
                assert running.process.stdout is not None
                active[running.process.stdout.fileno()] = running
                listener.started(seed, plan.smoke)
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
                        else f"seed {running.seed}: {error}"
                    )
                    end_orphans({*foreign, *(other.process.pid for other in active.values())})
                    discard(running.workspace)
                    continue
                listener.ended(records[-1])
            for running in active.values():
                listener.advanced(
                    running.seed, follow(running), time.monotonic() - running.started_s
                )
    finally:
        stop(list(active.values()))
    if lost:
        raise RunError(
            "nothing is left of\n  " + "\n  ".join(lost),
            hint="what was complete is kept; the same command goes on",
        )
    return records
