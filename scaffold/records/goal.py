"""`goal.yaml`: what error one can hope for, and what difference in it matters. Records only."""

from typing import Annotated, Literal

from pydantic import Field

from scaffold.records.fields import Text
from scaffold.records.parsing import Record


class ErrorBound(Record):
    """The lowest error that one can believe in; `unknown` is a value."""

    value: Annotated[float, Field(ge=0)] | Literal["unknown"]
    kind: Literal["human", "competitor", "published"] = "human"
    n: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="examples that it was measured on"
    )
    source: Text


class Goal(Record):
    """What `scaffold analyze` compares the errors of the splits with."""

    format: Literal[1] = 1
    matters: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="smallest difference in the error that matters: a share, or a squared error",
    )
    matters_reason: Text | None = None
    bound: ErrorBound | None = None
