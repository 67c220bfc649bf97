"""`system.yaml`: how the user's own copy in `src/` runs. Records only."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from scaffold.records.fields import RelPath, Text
from scaffold.records.parsing import Place, Record
from scaffold.records.program import CALIBRATION_SEED, Program, name_problems, slot_problems


class Baselines(Record):
    """How the simplest models are measured on a new dataset: those that any real one must beat."""

    script: RelPath = Field(description="the program in src/ that a command runs, such as train.py")
    loader: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")] = Field(
        description=(
            "its function that returns (train inputs, train targets), (test inputs, test targets)"
        )
    )
    measure: Literal["accuracy", "error", "mean_squared_error", "mean_absolute_error"] = Field(
        description=(
            "what the judged metric is, so that constant and linear models are measured alike"
        )
    )
    overfit_one_batch: float = Field(
        description="value of the metric on one batch that counts as overfitted"
    )
    batch: Annotated[int, Field(ge=2)] = 32


class System(Program):
    """The user's own system: what `src/` is run with."""

    format: Literal[1]
    streams: bool = Field(
        default=True, description="a random stream of its own for each kind of draw"
    )
    baselines: Baselines | None = None
    note: Text | None = None

    @classmethod
    def cross_problems(cls, data: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
        """Return names that do not agree between parts."""
        yield from name_problems(data)
        yield from slot_problems(data)

    @property
    def has_streams(self) -> bool:
        """Return whether the file asks for streams."""
        return self.streams

    @property
    def most_seeds(self) -> int:
        """Return the number of seeds not kept for calibration.

        The tweak's rule says how many are used.
        """
        return CALIBRATION_SEED - self.seeds.first - self.seeds.retries
