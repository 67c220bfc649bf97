"""`splits.yaml` and `seal.yaml`: which examples are trained on, and which are kept.

Records only.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from scaffold.records.fields import RelPath, Sha256, Text
from scaffold.records.parsing import Record

SplitName = Literal["train", "train-dev", "validation", "test"]


class SourceData(Record):
    """The examples that the lists name, and which of their columns mean what."""

    path: Text = Field(description="of a table or a folder, from where splits.yaml lies")
    sha256: Sha256 = Field(description="of the table; of a folder, that of its files' digests")
    n: Annotated[int, Field(ge=1)]
    id: Text | None = Field(default=None, description="column of ids; without it, row numbers")
    label: Text | None = None
    group: Text | None = Field(default=None, description="rows of one group lie in one split")
    time: Text | None = Field(default=None, description="validation and test are later than train")


class SplitList(Record):
    """A list of ids, one a line."""

    ids: RelPath
    n: Annotated[int, Field(ge=0)]
    sha256: Sha256


class Splits(Record):
    """Who is in which split; the lists lie beside it."""

    format: Literal[1] = 1
    data: SourceData
    drawn: Literal["random", "stratified", "group", "time"]
    seed: int = 0
    splits: Mapping[SplitName, SplitList]


class SealRead(Record):
    """One time that the sealed test split was read."""

    at: Text
    by: Text


class Seal(Record):
    """`seal.yaml`: since when the test split lies apart, and every read of it since."""

    format: Literal[1] = 1
    at: Text
    sha256: Sha256 = Field(description="of the list of its ids")
    reads: tuple[SealRead, ...] = ()
