"""`errors/SPLIT.yaml`: which examples were drawn to be looked at, and how. Records only."""

from typing import Annotated, Literal

from pydantic import Field

from scaffold.records.fields import Sha256, Text
from scaffold.records.parsing import Record
from scaffold.records.splits import SplitName


class SheetExample(Record):
    """One example of a sheet."""

    id: Text
    label: Text
    prediction: Text
    draws: Annotated[int, Field(ge=0)] = Field(
        description="how often it was drawn in proportion to its error; 0 of a mere suspect"
    )
    suspect: bool = Field(default=False, description="confident learning doubts its label")

    @property
    def why(self) -> str:
        """Return why it is in the sheet."""
        if self.draws and self.suspect:
            return "error and suspect label"
        return "error" if self.draws else "suspect label"


class ErrorSheet(Record):
    """Examples of one split, and the error that they are drawn from."""

    format: Literal[1] = 1
    split: SplitName | Literal["held-out"]
    predictions_sha256: Sha256
    created: Text
    of_classes: bool = Field(description="wrong or right, not squared errors")
    n: Annotated[int, Field(ge=1)] = Field(description="examples of the split")
    error: Annotated[float, Field(ge=0)] = Field(description="their mean error")
    classes: tuple[Text, ...] = Field(
        default=(), description="that there are; a corrected label must be one of them"
    )
    examples: tuple[SheetExample, ...]
