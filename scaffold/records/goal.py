"""`goal.yaml`: what error one can hope for, and what difference in it matters. Records only."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from scaffold.records.fields import Text
from scaffold.records.parsing import Record


class ErrorBound(Record):
    """The lowest error that one can believe in; `unknown` is a value."""

    value: Annotated[float, Field(ge=0)] | Literal["unknown"]
    kind: Literal["human", "competitor", "published"] = Field(
        default="human", description="whose error it is"
    )
    n: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="examples that it was measured on"
    )
    source: Text = Field(description="where it is from")


class Limit(Record):
    """What a metric, or what the model's entry takes, may be at most or at least."""

    name: Text = Field(description="a metric, or latency_ms, memory_mb of the model's entry")
    at_most: float | None = Field(default=None, description="in its unit")
    at_least: float | None = Field(default=None, description="in its unit")

    @model_validator(mode="after")
    def _has_one_end(self) -> "Limit":
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError("give at_most or at_least, one of them")
        return self


class Goal(Record):
    """What errors are compared with, and what is good enough."""

    format: Literal[1] = 1
    matters: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="smallest difference in the error that matters: a share, or a squared error",
    )
    matters_reason: Text | None = None
    bound: ErrorBound | None = Field(
        default=None, description="the lowest error that one can believe in"
    )
    limits: tuple[Limit, ...] = ()
