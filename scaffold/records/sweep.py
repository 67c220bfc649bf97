"""`sweeps/*.yaml`: which hyperparameters were tried, and what each gave. Records only."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from scaffold.records.fields import Name, Scalar, Text
from scaffold.records.parsing import Record


class SweepTrial(Record):
    """One configuration: the metric for each seed, null where the run gave none."""

    values: Mapping[Name, Scalar]
    results: tuple[float | None, ...]


class Sweep(Record):
    """A sweep of one state of the program: the first trial has its own values."""

    format: Literal[1] = 1
    created: Text
    state: Text = Field(description="of src/ and system.yaml, or the reference, that was swept")
    metric: Name
    split: Text
    direction: Literal["higher", "lower"]
    ranges: Mapping[Name, Text] = Field(description="as they were typed: 1e-4..0.1, or adam,sgd")
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = Field(
        description="of every trial; tweaks are judged with others"
    )
    trials: Annotated[tuple[SweepTrial, ...], Field(min_length=1)]
    edges: Mapping[Name, Literal["low", "high"]] = Field(
        default={}, description="ranges at whose end the best trials lie"
    )
    still_improves: bool | None = Field(
        default=None,
        description="the best trial's metric still improved when its run ended; null if unknown",
    )

    @model_validator(mode="after")
    def _trials_fit(self) -> "Sweep":
        for number, trial in enumerate(self.trials):
            if trial.values.keys() != self.ranges.keys():
                raise ValueError(f"trials.{number}.values: must be of {', '.join(self.ranges)}")
            if len(trial.results) != len(self.seeds):
                raise ValueError(f"trials.{number}.results: must be {len(self.seeds)}, one a seed")
        return self
