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
    """How much larger one error is than another; `counts` is null where that is open.

    `enough` is how many examples of `high_split` would decide it; null where no number would.
    """

    name: str
    low_split: str
    high_split: str
    value: float
    interval: list[float]
    counts: bool | None
    enough: int | None


class ProbeAnswer(TypedDict):
    """One run in another way: its errors, or why it is no result."""

    name: str
    errors: dict[str, SplitErrorAnswer]
    problem: str


class ProbedAnswer(Answer):
    """`probe`: errors by split of the program's own run and of the probe."""

    name: str
    before: dict[str, SplitErrorAnswer]
    after: dict[str, SplitErrorAnswer]
    problem: str


class RemedyAnswer(TypedDict):
    """What treats the bottleneck; `probe` is the kind of probe that tries it once."""

    id: str
    change: str
    cost: str
    refuted_by: str
    probe: str | None


class AnalysisAnswer(Answer):
    """`analyze`: what holds the model back, null where that stays open, and where the error opens.

    `gain` is of the validation error, as a probe measured or forecast it.
    """

    bottleneck: str | None
    why: str
    remedies: list[RemedyAnswer]
    evidence: list[str]
    against: list[str]
    gain: float | None
    gain_interval: list[float] | None
    next_probe: str | None
    runs: int
    probed: list[ProbeAnswer]
    answers: list[str]
    reason: str
    of_classes: bool
    predictions: str
    errors: dict[str, SplitErrorAnswer]
    constants: dict[str, float]
    gaps: list[GapAnswer]
    doubts: list[str]
    probes: list[str]


class GoalAnswer(Answer):
    """`goal set` and `bound set`: what goal.yaml says, and why it could not be committed, if so."""

    goal: dict[str, Any]
    not_committed: str | None


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


class LeakAnswer(TypedDict):
    """What leaks from `first` to `second`; `rows` are pairs of ids, that of `second` first."""

    kind: str
    first: str
    second: str
    n: int
    of: int
    column: str | None
    rows: list[list[str]]
    is_alarm: bool
    text: str


class SplitsAnswer(Answer):
    """`splits make` and `splits check`: sizes, what leaks, and how often a sealed test was read."""

    is_alarm: bool
    n: dict[str, int]
    drawn: str | None
    problems: list[str]
    leaks: list[LeakAnswer]
    near_by: str
    test_reads: int | None


class SplitsSealed(Answer):
    """`splits seal`: where the list lies, and since when."""

    folder: str
    n: int
    at: str


class TrialAnswer(TypedDict):
    """One configuration of a sweep; `effect` is beside the present values, by pairs of seeds."""

    values: dict[str, Any]
    mean: float | None
    n: int
    effect: float | None
    effect_interval: list[float] | None


class SweepAnswer(Answer):
    """`sweep`: the trials, the best first, those without a result last.

    `looks` is how many configurations all sweeps of the project have compared.
    """

    path: str
    metric: str
    split: str
    direction: str
    ranges: dict[str, str]
    seeds: list[int]
    trials: list[TrialAnswer]
    best: dict[str, Any] | None
    edges: dict[str, str]
    still_improves: bool
    looks: int


class ErrorSheetAnswer(Answer):
    """`errors sheet`: what was drawn; `problem` says why no suspects were looked for."""

    path: str
    split: str
    n: int
    error: float
    drawn: int
    suspects: int
    problem: str


class TagAnswer(TypedDict):
    """How much of the error a tag has; `ceiling` is the most that mending it can gain."""

    tag: str
    draws: int
    share: float
    interval: list[float]
    ceiling: float
    ceiling_interval: list[float]


class TalliedAnswer(TypedDict):
    """What a person made of one sheet."""

    split: str
    error: float
    examples: int
    reviewed: int
    tags: list[TagAnswer]
    suspects_reviewed: int
    suspects_wrong: int
    corrections: dict[str, str]


class ErrorsTally(Answer):
    """`errors tally`: what each kind of error costs."""

    sheets: list[TalliedAnswer]


class ErrorsCorrected(Answer):
    """`errors correct`: how many labels were corrected, of which splits."""

    output: str
    n: int
    splits: list[str]


class MeasuredAnswer(TypedDict):
    """A value with its interval of 95 %, null where it has none."""

    value: float
    interval: list[float] | None


class ShipMetricAnswer(TypedDict):
    """A metric over the runs of the present state, beside others."""

    name: str
    split: str
    direction: str
    n: int
    present: MeasuredAnswer | None
    before: MeasuredAnswer | None
    reference: MeasuredAnswer | None
    published: float | None


class LimitAnswer(TypedDict):
    """A limit of goal.yaml; `passes` is null where that is open or was not measured."""

    name: str
    at_most: float | None
    at_least: float | None
    value: float | None
    interval: list[float] | None
    passes: bool | None


class ShipAnswer(Answer):
    """`ship`: GO where there are no reasons against it."""

    is_go: bool
    reasons: list[str]
    metrics: list[ShipMetricAnswer]
    limits: list[LimitAnswer]
    errors: dict[str, SplitErrorAnswer]
    gaps: list[GapAnswer]
    test_reads: int | None
