"""A metric: one number of a run, and where it is read. Records only."""

import re
from typing import Annotated, Literal

from pydantic import Field, Tag, model_validator

from scaffold.records.fields import LinePattern, Name, OutputPath, Pattern, Text, by_key
from scaffold.records.parsing import Record


class StdoutReader(Record):
    """Lines of standard output."""

    stdout: Pattern = Field(description="regular expression whose group is the number")
    phase: LinePattern | None = Field(
        default=None, description="of the line that begins a phase, such as a second fit"
    )


class StderrReader(Record):
    """Lines of standard error."""

    stderr: Pattern = Field(description="regular expression whose group is the number")
    phase: LinePattern | None = Field(
        default=None, description="of the line that begins a phase, such as a second fit"
    )


class JsonReader(Record):
    """A JSON file, or one JSON object a line."""

    json_file: OutputPath = Field(alias="json", description="path of the file that a run writes")
    key: Text = Field(description="dotted path to the number")
    step_key: str | None = Field(default=None, description="dotted path to the step")


class CsvReader(Record):
    """A column of a CSV file."""

    csv: OutputPath = Field(description="path of the file that a run writes")
    column: Text = Field(description="name of the column")
    step_column: str | None = Field(default=None, description="name of the column with the step")


class TensorboardReader(Record):
    """A tag of the event files below a folder."""

    tensorboard: OutputPath = Field(description="folder of the event files")
    tag: Text


class TrainerStateReader(Record):
    """A key of `log_history` in a Hugging Face `trainer_state.json`."""

    trainer_state: OutputPath = Field(description="path of the file")
    key: Text = Field(description="such as eval_loss")


Reader = Annotated[
    Annotated[StdoutReader, Tag("<stdout>")]
    | Annotated[StderrReader, Tag("<stderr>")]
    | Annotated[JsonReader, Tag("<json>")]
    | Annotated[CsvReader, Tag("<csv>")]
    | Annotated[TensorboardReader, Tag("<tensorboard>")]
    | Annotated[TrainerStateReader, Tag("<trainer_state>")],
    by_key("stdout", "stderr", "json", "csv", "tensorboard", "trainer_state"),
]


class Nth(Record):
    """The n-th occurrence, counted from 1."""

    nth: Annotated[int, Field(ge=1)] = Field(description="1 is the first")


class AtStep(Record):
    """The last occurrence at one step."""

    step: int


class OfPhase(Record):
    """The last occurrence of the n-th phase, counted from 1.

    Without a pattern a step that goes back begins a phase.
    """

    phase: Annotated[int, Field(ge=1)] = Field(description="1 is the first")


Take = Literal["last", "first", "max", "min"] | Nth | AtStep | OfPhase


class Metric(Record):
    """One number of a run and where it is read."""

    name: Name
    split: Text = Field(description="that it is measured on: test, validation, train")
    direction: Literal["lower", "higher"] = Field(description="which way is better")
    unit: Text = Field(
        description="'fraction' is 0..1, 'percent' 0..100; any other word has no range"
    )
    printed_in: Literal["fraction", "percent"] | None = Field(
        default=None, description="if other than unit"
    )
    read: Reader
    take: Take = Field(default="last", description="which of several values of a run")
    monitored: bool = Field(
        default=False, description="compared with its calibration runs beside the claims"
    )

    @model_validator(mode="after")
    def _converts(self) -> "Metric":
        if self.printed_in is not None and self.unit not in ("fraction", "percent"):
            raise ValueError(
                "printed_in converts between fraction and percent: unit must be one of them"
            )
        return self

    @property
    def scale(self) -> float:
        """Return the factor from a printed number to `unit`."""
        printed = self.printed_in or self.unit
        if printed == self.unit:
            return 1.0
        return 0.01 if printed == "percent" else 100.0


class Progress(Record):
    """How far a run is: a pattern whose group `step` counts to `total`."""

    stdout: str | None = None
    stderr: str | None = None
    total: Annotated[int, Field(ge=1)] = Field(description="steps of a whole run")

    @model_validator(mode="after")
    def _has_step(self) -> "Progress":
        pattern = self.stdout or self.stderr
        if pattern is None or (self.stdout and self.stderr):
            raise ValueError("give exactly one of: stdout, stderr")
        try:
            has_step = "step" in re.compile(pattern).groupindex
        except re.error as error:
            raise ValueError(f"is not a regular expression: {error}") from error
        if not has_step:
            raise ValueError("the pattern must have a group (?P<step>...)")
        return self
