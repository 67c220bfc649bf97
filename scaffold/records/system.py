"""`system.yaml`: how the user's own copy in `src/` runs. Records only."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from scaffold.records.fields import RelPath, Scalar, Text
from scaffold.records.parsing import Record
from scaffold.records.program import CALIBRATION_SEED, Program, name_problems, slot_problems
from scaffold.records.yaml_text import Place


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
    batch: Annotated[int, Field(ge=2)] = Field(
        default=32, description="rows of the one batch that is to be overfitted"
    )


class Regularization(Record):
    """Hyperparameters that regularize: their values without it, and with it stronger."""

    off: Mapping[str, Scalar] = Field(default={}, description="values without it")
    stronger: Mapping[str, Scalar] = Field(default={}, description="values with more of it")


class Knobs(Record):
    """Hyperparameters by what they turn, for programs that cannot be probed from outside."""

    learning_rate: str | None = Field(
        default=None, description="hyperparameter that is the learning rate"
    )
    capacity: str | None = Field(default=None, description="doubled to see whether more helps")
    regularization: Regularization | None = Field(
        default=None, description="values without it, and with more"
    )
    train_ids: str | None = Field(
        default=None,
        description=(
            "takes the path of a text file with one id a line, to train on those only, in as many"
            " steps; rows of the others have the split held-out"
        ),
    )

    def names(self) -> dict[str, str]:
        """Return the hyperparameters by the place where they are named."""
        single = ("learning_rate", "capacity", "train_ids")
        named = {key: name for key in single if (name := getattr(self, key)) is not None}
        if self.regularization is not None:
            for key in ("off", "stronger"):
                for name in getattr(self.regularization, key):
                    named[f"regularization.{key}.{name}"] = name
        return named


class ModelEntry(Record):
    """How the model is called where it is used: `scaffold ship` measures what that takes."""

    script: RelPath = Field(description="a program in src/")
    load: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")] = Field(
        description="its function that returns the trained model as a function of one example"
    )
    examples: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")] = Field(
        description="its function that returns a list of examples"
    )


class AnalysisOptions(Record):
    """What `scaffold analyze` must know of a program that is not torch."""

    knobs: Knobs = Field(default=Knobs(), description="which hyperparameter does what")


class System(Program):
    """The user's own system: what `src/` is run with."""

    format: Literal[1]
    streams: bool = Field(
        default=True, description="a random stream of its own for each kind of draw"
    )
    baselines: Baselines | None = None
    analysis: AnalysisOptions | None = None
    entry: ModelEntry | None = None
    note: Text | None = None

    @model_validator(mode="after")
    def _knobs_are_hyperparameters(self) -> "System":
        for place, name in (self.analysis.knobs.names() if self.analysis else {}).items():
            if name not in self.hyperparameters:
                known = ", ".join(self.hyperparameters) or "none"
                raise ValueError(
                    f"analysis.knobs.{place}: there is no hyperparameter {name!r};"
                    f" there are: {known}"
                )
        return self

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
