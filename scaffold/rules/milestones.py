"""Milestones from the reference to the user's system; their state follows from evidence. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from scaffold.records.fields import Id, Text
from scaffold.records.parsing import Record
from scaffold.records.recipe import SuggestedTweak


class MilestoneState(str, Enum):
    """Where a milestone stands; derived, never set by hand."""

    LOCKED = "locked"
    OPEN = "open"
    PASSED = "passed"
    DROPPED = "dropped"


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


def derive_states(
    milestones: Sequence[Milestone], passed: Collection[str], dropped: Collection[str] = ()
) -> dict[str, MilestoneState]:
    """Return the state of each milestone by id.

    Given the ids that have passed by evidence, and those that were dropped.
    """
    return {milestone.id: _state_of(milestone, passed, dropped) for milestone in milestones}


def _state_of(
    milestone: Milestone, passed: Collection[str], dropped: Collection[str]
) -> MilestoneState:
    if milestone.id in passed:
        return MilestoneState.PASSED
    if milestone.id in dropped:
        return MilestoneState.DROPPED
    is_open = all(before in passed for before in milestone.after)
    return MilestoneState.OPEN if is_open else MilestoneState.LOCKED


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A step towards the user's own task: what to start, and why now."""

    name: str
    kind: str
    why: str


_GENERAL_STEPS = (
    Suggestion(
        name="short-mode",
        kind="cheaper",
        why="a mode that takes a fraction of the time, for all rounds that follow",
    ),
    Suggestion(
        name="your-data",
        kind="data",
        why="your data through the reference's loader: what breaks then is the data",
    ),
    Suggestion(
        name="your-metric",
        kind="neutral",
        why="measure what you care about beside what the reference measures",
    ),
    Suggestion(name="output-head", kind="neutral", why="outputs in the form that your task needs"),
    Suggestion(
        name="learning-rate",
        kind="improve",
        why="the hyperparameter that most often no longer fits",
    ),
    Suggestion(
        name="size", kind="improve", why="the simplest remedy when it cannot fit the training data"
    ),
)
"""Simplest first. Sources: A. Karpathy, A Recipe for Training Neural Networks (2019); Google, Deep
Learning Tuning Playbook (2023), on the learning rate first."""

_PLACES = {"cheaper": 0, "data": 1, "neutral": 3, "improve": 5}
"""Where among the general steps a recipe's own suggestion of a kind belongs; on the first two
places it replaces ours."""


def next_suggestion(
    suggested: Sequence[SuggestedTweak], decided: Collection[str]
) -> Suggestion | None:
    """Return the simplest undecided step of the recipe and of the general list."""
    steps: list[tuple[int, int, Suggestion]] = []
    for tweak in suggested:
        suggestion = Suggestion(
            name=tweak.name, kind=tweak.kind, why=f"{tweak.change}: {tweak.why}"
        )
        steps.append((_PLACES[tweak.kind], 0, suggestion))
    taken = {place for place, _, _ in steps if place < 2}
    steps += [
        (place, 1, suggestion)
        for place, suggestion in enumerate(_GENERAL_STEPS)
        if place not in taken
    ]
    names = [suggestion for _, _, suggestion in sorted(steps, key=lambda step: step[:2])]
    return next((suggestion for suggestion in names if suggestion.name not in decided), None)
