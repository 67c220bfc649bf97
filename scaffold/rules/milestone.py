"""The way from the reference to the person's own system: steps whose state follows from what has been proven. Pure."""

from collections.abc import Collection, Sequence
from enum import Enum
from typing import Literal

from scaffold.records.fields import Id, Text
from scaffold.records.parsing import Record


class State(str, Enum):
    """Where a milestone stands; derived, never set by hand."""

    LOCKED = "locked"
    OPEN = "open"
    PASSED = "passed"


class Milestone(Record):
    """One verifiable step; `after` names those that must have passed before it opens."""

    id: Id
    phase: Literal["reproduce", "tweak", "rewrite"]
    title: Text
    after: tuple[Id, ...] = ()


class Milestones(Record):
    """`milestones.yaml` of a project."""

    format: Literal[1]
    milestones: tuple[Milestone, ...]


def derive_states(milestones: Sequence[Milestone], passed: Collection[str]) -> dict[str, State]:
    """State of each milestone by id, given the ids that evidence shows to have passed."""
    return {
        milestone.id: State.PASSED
        if milestone.id in passed
        else State.OPEN
        if all(before in passed for before in milestone.after)
        else State.LOCKED
        for milestone in milestones
    }
