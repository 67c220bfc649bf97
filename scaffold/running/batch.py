"""Make several runs by one engine: prepared as there is room, recorded as they end."""

from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from scaffold.errors import Detached, RunError, ScaffoldError, UsageError
from scaffold.records.engine import EngineTarget, Execution
from scaffold.records.evidence import RunRecord
from scaffold.running.engines.engine import Engine
from scaffold.running.launcher import Running, discard, follow, make_job, prepare_run
from scaffold.running.plan import Plan
from scaffold.running.recording import finish
from scaffold.running.submissions import (
    RunState,
    open_places,
    remove_collected,
    state_of,
)
from scaffold.running.workspace import Workspace


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


def open_engine(target: EngineTarget) -> Engine:
    """Return the engine of a target; only what it needs is imported."""
    if target.kind == "local":
        from scaffold.running.engines.local import LocalEngine

        return LocalEngine()
    from scaffold.running.engines.remote import RemoteEngine

    if target.kind == "slurm":
        from scaffold.running.engines.slurm import SlurmScheduler

        return RemoteEngine(target, SlurmScheduler(target))
    from scaffold.running.engines.ray import RayScheduler

    return RemoteEngine(target, RayScheduler(target))


def run_seeds(plan: Plan, seeds: Iterable[int], listener: ProgressListener) -> list[RunRecord]:
    """Run these seeds of one program; see `run_all`."""
    return run_all([(plan, seed) for seed in seeds], listener)


def run_all(jobs: Sequence[tuple[Plan, int]], listener: ProgressListener) -> list[RunRecord]:
    """Run programs with these seeds and return their records in order of ending.

    The engine is that of the first plan; it runs as many at once as it has slots.

    On any exception, Ctrl-C too, every run under way is ended with all its processes and leaves
    nothing.

    Raises:
        Detached: the first plan says to leave its runs to the engine; all were handed over.
        RunError: nothing is left of a run, as when its supervisor was killed; raised when the
            others have ended.
    """
    return _Batch(jobs, listener).run() if jobs else []


class _Batch:
    """Runs that are made together, and where each of them is."""

    def __init__(self, jobs: Sequence[tuple[Plan, int]], listener: ProgressListener) -> None:
        self._waiting = deque(jobs)
        self._plan = jobs[0][0]
        self._listener = listener
        self._engine = open_engine(self._plan.engine)
        self._places = list(open_places(self._plan.submissions_dir))
        self._active: dict[str, Running] = {}
        self._shown: set[str] = set()
        self._repeated: set[str] = set()
        self._records: list[RunRecord] = []
        self._lost: list[str] = []

    def run(self) -> list[RunRecord]:
        try:
            while self._waiting or self._active:
                self._submit()
                if self._plan.is_detached and not self._have_ended():
                    raise self._detach()
                for run, execution in self._engine.wait(list(self._active.values())):
                    self._end(run, execution)
                    del self._active[run.key]
                self._show()
        finally:
            for run in self._engine.stop(list(self._active.values())):
                discard(run.workspace)
            while text := self._engine.message():
                self._listener.message(text)
            remove_collected(self._plan.submissions_dir)
        if self._lost:
            raise RunError(
                "nothing is left of\n  " + "\n  ".join(self._lost),
                hint="what was complete is kept; the same command goes on",
            )
        return self._records

    def _have_ended(self) -> bool:
        """Return whether nothing is left to wait for."""
        return all(
            run.place is not None and state_of(run.place) is RunState.ENDED
            for run in self._active.values()
        )

    def _detach(self) -> Detached:
        count = len(self._active)
        self._active.clear()
        return Detached(f"{count} run{'s' * (count != 1)} left to {self._plan.engine.kind}")

    def _submit(self) -> None:
        """Prepare and submit as many runs as there is room for."""
        fresh = []
        while self._waiting and (len(self._active) < self._plan.slots or self._plan.is_detached):
            plan, seed = self._waiting.popleft()
            run = self._resumed(plan, seed)
            if run is None:
                run = prepare_run(plan, seed)
                fresh.append(run)
            self._active[run.key] = run
        if fresh:
            self._engine.submit(fresh)

    def _resumed(self, plan: Plan, seed: int) -> Running | None:
        """Return this run if an earlier command handed it to the engine."""
        prefix = f".{plan.run_id(seed)}-"
        for at, place in enumerate(self._places):
            folder = Path(place.run.folder)
            if folder.parent == plan.runs_dir and folder.name.startswith(prefix):
                target = place.submission.target
                if target.kind != plan.engine.kind:
                    raise UsageError(
                        f"{place.run.name} was handed to {target.kind} at"
                        f" {place.submission.created}, and is not recorded yet",
                        hint="the same command with its --engine goes on; or give it up:"
                        " scaffold runs --cancel",
                    )
                job, fresh = place.job(), make_job(plan, seed, Workspace(folder))
                if differing := job.differences(fresh):
                    raise UsageError(
                        f"{place.run.name} was handed over otherwise than asked now:"
                        f" {', '.join(differing)}",
                        hint="type the same options; or give it up: scaffold runs --cancel",
                    )
                del self._places[at]
                return Running(plan, seed, Workspace(folder), job, place)
        return None

    def _end(self, run: Running, execution: Execution) -> None:
        """Record a run that ended, or have it made again where its machine was lost."""
        if execution.is_machine_lost and run.name not in self._repeated:
            self._repeated.add(run.name)
            self._listener.message(f"{run.name} was lost: {execution.problem}; made once again")
            discard(run.workspace)
            self._waiting.append((run.plan, run.seed))
            return
        try:
            record = finish(run, execution)
        except (ScaffoldError, OSError) as error:
            text = error.message if isinstance(error, ScaffoldError) else f"{run.name}: {error}"
            self._lost.append(text)
            discard(run.workspace)
            return
        self._records.append(record)
        self._begin(run)
        self._listener.ended(run.name, record)

    def _show(self) -> None:
        for run in self._active.values():
            elapsed_s = self._engine.elapsed_s(run)
            if elapsed_s is not None:
                self._begin(run)
                self._listener.advanced(run.name, follow(run), elapsed_s)
        if text := self._engine.message():
            self._listener.message(text)

    def _begin(self, run: Running) -> None:
        if run.key not in self._shown:
            self._shown.add(run.key)
            self._listener.started(run.name)
