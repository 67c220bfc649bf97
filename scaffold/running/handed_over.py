"""Look after runs that were handed to an engine and not recorded yet: where they are, the end."""

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from scaffold.project.lock import only_one
from scaffold.project.project import Project
from scaffold.records.engine import EngineTarget, SlurmTarget
from scaffold.running.engines.remote import Scheduler
from scaffold.running.engines.slurm import SlurmScheduler
from scaffold.running.launcher import discard
from scaffold.running.submissions import (
    Place,
    RunState,
    open_places,
    remove_collected,
    state_of,
)
from scaffold.running.workspace import Workspace


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A run that was handed to an engine, and where it is."""

    place: Place
    state: RunState


def handed_over(project: Project) -> list[HandedOver]:
    """Return all such runs, oldest first.

    Raises:
        MachineError: the engine that has some of them cannot be asked.
    """
    result = []
    for _, group in groupby(open_places(project.submissions), key=lambda one: one.folder):
        places = list(group)
        scheduler = _scheduler(places[0].submission.target)
        alive = scheduler.alive([place.task for place in places]) if scheduler else ()
        for place in places:
            # Files are looked at after the engine was asked: what ended in between has its own.
            state = state_of(place)
            is_gone = alive is not None and place.task not in alive
            if is_gone and state is not RunState.ENDED:
                state = RunState.GONE
            result.append(HandedOver(place, state))
    return result


def cancel_all(project: Project) -> int:
    """End all such runs, remove what they left, and return how many there were.

    Raises:
        BusyError: a command is waiting for them: Ctrl-C there.
        MachineError: the engine that has some of them does not take the order.
    """
    with only_one(project):
        count = 0
        for _, group in groupby(open_places(project.submissions), key=lambda one: one.folder):
            places = list(group)
            scheduler = _scheduler(places[0].submission.target)
            if scheduler:
                scheduler.cancel([place.task for place in places])
            for place in places:
                discard(Workspace(Path(place.run.folder)))
            count += len(places)
        remove_collected(project.submissions)
        return count


def _scheduler(target: EngineTarget) -> Scheduler | None:
    """Return who can be asked; None where runs end with the command that handed them over."""
    return SlurmScheduler(target) if isinstance(target, SlurmTarget) else None
