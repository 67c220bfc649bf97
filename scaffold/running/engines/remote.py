"""Executes runs on other machines: a scheduler starts them, and files say how far they are."""

import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol

from scaffold.errors import MachineError
from scaffold.machine import describe_machine
from scaffold.records.engine import EngineTarget, Execution, SubmittedRun
from scaffold.records.program import Resources
from scaffold.running.launcher import Running
from scaffold.running.submissions import (
    Place,
    RunState,
    last_words,
    read_end,
    state_of,
    states,
    write_submission,
)

_REFRESH_S = 0.25
_ASK_EVERY_S = 15.0
"""How often the scheduler is asked, which others ask too; files tell of what goes well."""

_LATE_S = 5.0
"""For which a run may be gone from the scheduler before its files must show: a shared disk is slow
to show new names."""


class Scheduler(Protocol):
    """Starts `python -m scaffold.running.node SUBMISSION INDEX` somewhere."""

    def send(self, folder: Path, count: int, resources: Resources) -> str:
        """Hand over so many runs of a submission, as tasks FOLDER'S NAME_INDEX.

        Returns what the scheduler itself calls them, for messages.

        Raises:
            MachineError: it refuses.
        """

    def alive(self, tasks: Collection[str]) -> Collection[str] | None:
        """Return those of these tasks that wait or run; None where it does not answer."""

    def cancel(self, tasks: Collection[str]) -> None:
        """End tasks with all their processes; returns when they have ended."""

    def reason(self) -> str:
        """Return why tasks wait, as it was told last; empty where they do not."""


class RemoteEngine:
    """An `Engine` on machines that see the project, the cache and this Python at the same paths."""

    def __init__(self, target: EngineTarget, scheduler: Scheduler) -> None:
        self._target, self._scheduler = target, scheduler
        self._started_s: dict[str, float] = {}
        self._missing_s: dict[str, float] = {}
        self._asked_s = time.monotonic()
        self._messages: list[str] = []
        self._reason = ""

    def submit(self, runs: Sequence[Running]) -> None:
        """Hand runs over together."""
        plan = runs[0].plan
        submitted = [
            SubmittedRun(name=run.name, seed=run.seed, folder=str(run.workspace.folder))
            for run in runs
        ]
        jobs = [run.job for run in runs]
        folder, submission = write_submission(plan.submissions_dir, self._target, submitted, jobs)
        for index, run in enumerate(runs):  # before they are sent: to be cancelled in any case
            run.place = Place(folder, submission, index)
        job = self._scheduler.send(folder, len(runs), plan.program.resources)
        count = len(runs)
        self._messages.append(
            f"{count} run{'s' * (count != 1)} handed to {self._target.kind}: job {job}"
        )

    def wait(self, runs: Sequence[Running]) -> list[tuple[Running, Execution]]:
        """Wait a moment, and look into the folders of the submissions."""
        time.sleep(_REFRESH_S)
        ended = []
        by_folder = {}
        for run in runs:
            place = _place(run)
            if place.folder not in by_folder:
                by_folder[place.folder] = states(place.folder, place.submission)
            state = by_folder[place.folder][place.index]
            if state is RunState.ENDED:
                ended.append((run, read_end(place)))
            elif state is RunState.GONE:
                ended.append((run, self._loss(run)))
            elif state is RunState.RUNNING:
                self._started_s.setdefault(run.key, time.monotonic())
        over = {run.key for run, _ in ended}
        ended += self._lost([run for run in runs if run.key not in over])
        return ended

    def _lost(self, runs: Sequence[Running]) -> list[tuple[Running, Execution]]:
        """Ask the scheduler now and then; return the runs that it no longer knows."""
        now = time.monotonic()
        if now >= self._asked_s + (_LATE_S if self._missing_s else _ASK_EVERY_S):
            self._asked_s = now
            alive = self._scheduler.alive([_place(run).task for run in runs])
            if alive is not None:
                missing = {run.key for run in runs if _place(run).task not in alive}
                self._missing_s = {key: self._missing_s.get(key, now) for key in missing}
        return [
            (run, self._loss(run))
            for run in runs
            if now - self._missing_s.get(run.key, now) >= _LATE_S
        ]

    def _loss(self, run: Running) -> Execution:
        self._missing_s.pop(run.key, None)
        place = _place(run)
        words = last_words(place)
        return Execution(
            machine=describe_machine(),
            started=place.submission.created,
            wall_time_s=0.0,
            problem=f"{self._target.kind} no longer has it, and it did not end by itself"
            + (f": {words}" if words else ""),
            is_machine_lost=True,
        )

    def elapsed_s(self, run: Running) -> float | None:
        """Return the time since its start was seen."""
        if run.key not in self._started_s:
            return None
        return time.monotonic() - self._started_s[run.key]

    def stop(self, runs: Sequence[Running]) -> list[Running]:
        """Cancel those that were handed over and have not ended; return what is to be removed.

        What has ended stays for the next command; so does what cannot be cancelled, which goes on.
        """
        open_runs = [
            run for run in runs if run.place is None or state_of(run.place) is not RunState.ENDED
        ]
        tasks = [run.place.task for run in open_runs if run.place is not None]
        try:
            if tasks:
                self._scheduler.cancel(tasks)
        except MachineError as error:
            self._messages.append(
                f"{len(tasks)} runs could not be cancelled and go on: {error.message}; see"
                " scaffold runs"
            )
            return [run for run in open_runs if run.place is None]
        return open_runs

    def message(self) -> str:
        """Return what was handed over, and why runs wait, when it changes."""
        reason = self._scheduler.reason()
        if reason != self._reason:
            self._reason = reason
            if reason:
                self._messages.append(f"waiting: {reason}")
        return self._messages.pop(0) if self._messages else ""


def _place(run: Running) -> Place:
    assert run.place is not None  # it was submitted, or handed over by an earlier command
    return run.place
