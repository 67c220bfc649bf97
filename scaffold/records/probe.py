"""What the shim reports of a run that it watched or changed; untrusted text. Records only."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import ConfigDict, Field

from scaffold.records.parsing import Record

_ShortText = Annotated[str, Field(max_length=300)]
Count = Annotated[int, Field(ge=0)]


class Unmoved(Record):
    """A parameter that never changed, and why; `is_zero` if it is 0 throughout."""

    name: _ShortText
    reason: _ShortText
    is_zero: bool


class Site(Record):
    """Where training rows are drawn: of how many, and which were."""

    n: Count
    ids: tuple[Count, ...] = ()


class Width(Record):
    """An integer of a network's constructor that can be doubled, or its hidden layers.

    Attributes:
        layers: of a chain, the doubled sizes by the number of the layer in the order in which the
            program makes them.
    """

    model_config = ConfigDict(populate_by_name=True)

    class_name: _ShortText = Field(alias="class")
    argument: _ShortText
    value: Count
    times: float = Field(description="how many times as many parameters that makes")
    layers: Annotated[
        Mapping[_ShortText, Annotated[tuple[Count, ...], Field(max_length=2)]],
        Field(max_length=1000),
    ] = {}


class WatchReport(Record):
    """What one process showed.

    Attributes:
        touched: how often the probe changed something; 0 is no probe.
        first: `loss` and what `backward` got in the first step; `start`, the plain cross-entropy
            then, of so many `classes`.
        losses: of training, at most a few hundred over the run; null where it was not a number.
        twice: how far a network differs from itself when it evaluates twice, of its mean output.
        alone: the same of a row alone and in its batch.
        earlier: by split, the share of right rows, or the mean squared error, of all evaluations
            but the last.
        augmented: training rows are changed at random as they are drawn.
        copies: by split, rows that also went into training, and all of them.
    """

    steps: Count
    touched: Count
    optimizers: Count
    weight_decay: float
    dropout: float
    first: Mapping[_ShortText, float]
    losses: Annotated[tuple[float | None, ...], Field(max_length=1000)]
    twice: float | None
    alone: float | None
    parameters: Count
    never_moved: Annotated[tuple[Unmoved, ...], Field(max_length=100_000)]
    sites: Annotated[Mapping[_ShortText, Site], Field(max_length=100)]
    copies: Annotated[Mapping[_ShortText, tuple[Count, Count]], Field(max_length=10)]
    splits: Annotated[tuple[_ShortText, ...], Field(max_length=10)]
    earlier: Annotated[
        Mapping[_ShortText, Annotated[tuple[float, ...], Field(max_length=1000)]],
        Field(max_length=10),
    ]
    augmented: bool = False
    wider: Annotated[tuple[Width, ...], Field(max_length=100)]
