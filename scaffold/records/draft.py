"""A drafted recipe's answers: each value with the place that says it. Records only."""

from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import Field

from scaffold.records.fields import Text
from scaffold.records.parsing import Record


class FieldStatus(str, Enum):
    """What the source says of a field. `unknown` and `none` are different answers."""

    VALUE = "value"
    UNKNOWN = "unknown"
    NONE = "none"
    CONTRADICTORY = "contradictory"


class Citation(Record):
    """A place in the source, and the words that stand there."""

    path: str
    line: Annotated[int, Field(ge=1)]
    cell: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="of a notebook: `line` is then counted within the cell"
    )
    words: str = Field(description="of that line, without the space around it")

    def __str__(self) -> str:
        """Return the place as people write it."""
        cell = f"#{self.cell}" if self.cell else ""
        return f"{self.path}{cell}:{self.line}"


class Candidate(Record):
    """One of several values that the source gives."""

    value: Any
    citations: tuple[Citation, ...] = ()


class FieldAnswer(Record):
    """What is known of one field of a recipe."""

    status: FieldStatus
    value: Any = None
    citations: tuple[Citation, ...] = ()
    candidates: tuple[Candidate, ...] = Field(
        default=(), description="of a contradiction all values; else what it may be"
    )
    note: str = ""
    by: Literal["draft", "person", "try"] = "draft"


class Sources(Record):
    """`sources.json` beside a drafted recipe: an answer for each of its fields."""

    format: Literal[1]
    source: str
    revision: Text | None = None
    answers: Mapping[str, FieldAnswer]
    warnings: tuple[str, ...] = ()
    fixed: Mapping[str, FieldAnswer] = Field(
        default={}, description="numbers in the program's code that no option changes, by name"
    )


def value_of(value: Any, *citations: Citation, note: str = "") -> FieldAnswer:
    """Return an answer that the source gives."""
    return FieldAnswer(status=FieldStatus.VALUE, value=value, citations=citations, note=note)


def unknown(note: str, *candidates: Candidate) -> FieldAnswer:
    """Return that the source does not say, and what it may be."""
    return FieldAnswer(status=FieldStatus.UNKNOWN, note=note, candidates=candidates)


def none(note: str, *citations: Citation) -> FieldAnswer:
    """Return that the source has none."""
    return FieldAnswer(status=FieldStatus.NONE, note=note, citations=citations)


def contradictory(note: str, *candidates: Candidate) -> FieldAnswer:
    """Return that the source says several things, with every place."""
    return FieldAnswer(status=FieldStatus.CONTRADICTORY, note=note, candidates=candidates)
