"""Shapes of the `--json` answers about the loop: what holds a model back, what each step did."""

from typing import Any

from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

from scaffold.views.answers import Answer


class SplitErrorAnswer(TypedDict):
    """The error of a split, with its interval of 95 %."""

    n: int
    error: float
    interval: list[float]


class GapAnswer(TypedDict):
    """How much larger one error is than another; `counts` is null where that is open."""

    name: str
    low_split: str
    high_split: str
    value: float
    interval: list[float]
    counts: bool | None
    enough: int | None


class AnalysisAnswer(Answer):
    """`analyze`: where the error opens, and what would name the cause."""

    answers: list[str]
    reason: str
    of_classes: bool
    predictions: str
    errors: dict[str, SplitErrorAnswer]
    gaps: list[GapAnswer]
    doubts: list[str]
    probes: list[str]


class GoalAnswer(Answer):
    """`goal set` and `bound set`: what goal.yaml says."""

    goal: dict[str, Any]


class StepAnswer(TypedDict):
    """One state that was judged: the metric over its runs, and its effect beside the one before."""

    name: str
    kind: str
    verdict: str
    decision: str
    mean: float | None
    interval: list[float] | None
    n: int
    effect: float | None
    effect_interval: list[float] | None
    cost_s: float
    created: str


class LogAnswer(Answer):
    """`log`: a metric from step to step, the oldest first."""

    metric: str
    direction: str
    steps: list[StepAnswer]
