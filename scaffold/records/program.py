"""What the reference and the user's system share: how a program runs and what is measured.

Records only: no disk, no clock, no network.
"""

import shlex
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from scaffold.records.dataset import Dataset, PlacedDataset, PlacedDatasetBase
from scaffold.records.fields import (
    Name,
    OneLine,
    PackageRequirement,
    RelPath,
    Scalar,
    Specifier,
    Text,
    check_one_line,
    find_slots,
)
from scaffold.records.metric import Metric, Progress
from scaffold.records.parsing import Record, digest
from scaffold.records.yaml_text import Place

CALIBRATION_SEED = 1000
"""First seed of calibration runs; a project's own are below it, so that the two samples never share
a seed."""

OWN_SLOTS = ("seed", "reference", "drivers")
"""What `{...}` in a command may name besides the recipe's hyperparameters."""


class Patch(Record):
    """A small diff to the reference: a deviation, with its reason."""

    file: RelPath = Field(pattern=r"^patches/", description="the diff, in patches/")
    reason: Text = Field(description="why the reference needs it")


class Environment(Record):
    """What must be installed for the reference to run."""

    python: Specifier = Field(description="versions that will do, such as >=3.10,<3.13")
    packages: tuple[PackageRequirement, ...] = Field(default=(), description="as pip reads them")
    requirements: RelPath | None = Field(
        default=None, description="the reference's own requirements file, used as well"
    )
    as_of: date | None = Field(
        default=None, description="newest upload admitted; default: the revision's commit date"
    )
    build: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")], ...] = Field(
        default=(),
        description=(
            "packages that may be built from source; building runs their code outside the sandbox"
        ),
    )


class Command(Record):
    """One program call; no shell."""

    run: str | tuple[Text, ...] = Field(
        description="the call; `{name}` is filled with a hyperparameter, `{seed}` with the seed"
    )
    directory: RelPath | None = Field(
        default=None, description="working directory inside the reference"
    )
    variables: Mapping[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], OneLine] = Field(
        default={}, description="environment variables that are set"
    )
    timeout_s: Annotated[float, Field(gt=0)] = Field(description="after which it is ended")
    network: bool = Field(
        default=False, description="whether prepare may use the network; no other step may"
    )

    @property
    def argv(self) -> tuple[str, ...]:
        """Return the words of the command, slots not yet filled."""
        return tuple(shlex.split(self.run)) if isinstance(self.run, str) else self.run

    @field_validator("run")
    @classmethod
    def _splits(cls, run: str | tuple[str, ...]) -> str | tuple[str, ...]:
        try:
            words = shlex.split(run) if isinstance(run, str) else list(run)
            for word in words:
                find_slots(check_one_line(word))
        except ValueError as error:
            raise ValueError(f"cannot be split into words: {error}") from error
        if not words:
            raise ValueError("is empty: name the program to call")
        return run


class Commands(Record):
    """The steps of one run, in this order; `smoke` replaces train and evaluate when shortened."""

    prepare: Command | None = Field(
        default=None, description="before training: downloads, preprocessing"
    )
    train: Command | None = Field(default=None, description="what trains")
    evaluate: Command | None = Field(
        default=None, description="what evaluates, where train does not"
    )
    smoke: Command | None = Field(default=None, description="a short form of the whole")

    @model_validator(mode="after")
    def _measures(self) -> "Commands":
        if self.train is None and self.evaluate is None:
            raise ValueError("train or evaluate must be given")
        for name in ("train", "evaluate", "smoke"):
            command: Command | None = getattr(self, name)
            if command is not None and command.network:
                raise ValueError(
                    f"{name}.network: only prepare may use the network; download there"
                )
        return self

    def steps(self, *, smoke: bool) -> dict[str, Command]:
        """Return the stages of a full or a shortened run."""
        names = ("prepare", "smoke") if smoke else ("prepare", "train", "evaluate")
        return {name: command for name in names if (command := getattr(self, name)) is not None}


class Seeds(Record):
    """How a seed reaches the reference.

    argument: a `{seed}` slot in a command; variable: an environment variable; offset: every seeding
    call of the reference is shifted; inject: the reference never seeds, so it is seeded at start;
    none: deterministic.
    """

    how: Literal["argument", "variable", "offset", "inject", "none"] = Field(
        description="see above"
    )
    variable: str | None = Field(default=None, description="name of the environment variable")
    first: Annotated[int, Field(ge=0, lt=CALIBRATION_SEED)] = Field(
        default=0, description="seed of the first run"
    )
    retries: Annotated[int, Field(ge=0)] = Field(
        default=0, description="further seeds tried in all when a run crashes"
    )
    unseeded: tuple[Literal["random", "numpy", "torch"], ...] = Field(
        default=(),
        description=(
            "libraries that the program draws from and never seeds: they are seeded at its start"
        ),
    )
    draws_data: bool = Field(
        default=False,
        description="a seed draws the data or the split too: another one is another test set",
    )

    @model_validator(mode="after")
    def _has_variable(self) -> "Seeds":
        if (self.how == "variable") != (self.variable is not None):
            raise ValueError(
                "variable names the environment variable: give it with how: variable, and only then"
            )
        return self


NOT_MEASURED = "not measured yet"
"""Hardware of a drafted recipe."""


class Resources(Record):
    """Limits of one run, and how long it took on named hardware.

    A run that exceeds a limit is ended.
    """

    device: Literal["cpu", "cuda", "mps"] = Field(description="what it runs on")
    cores: Annotated[int, Field(ge=1, le=4096)] = Field(
        default=1, description="of the processor, for one run"
    )
    memory_gb: Annotated[float, Field(gt=0, le=1e6)] | None = Field(
        default=None,
        description=(
            "of all its processes together, in 1e9 bytes; default: nine tenths of the machine's"
        ),
    )
    disk_gb: Annotated[float, Field(gt=0, le=1e6)] | None = Field(
        default=None, description="of its copy, in 1e9 bytes; default: what is free, less a floor"
    )
    output_mb: Annotated[float, Field(gt=0, le=1e6)] = Field(
        default=1000, description="that a step may print, in 1e6 bytes for each of its two streams"
    )
    run_time_s: Annotated[float, Field(gt=0)] = Field(
        description="seconds of one run, all commands"
    )
    hardware: Text = Field(description="on which run_time_s was measured")

    @property
    def is_measured(self) -> bool:
        """Return whether anybody has measured `run_time_s`: of a draft nobody has."""
        return self.hardware != NOT_MEASURED


class Program(Record):
    """What is run and measured: the reference, or the user's own system."""

    datasets: Annotated[tuple[Dataset, ...], Field(min_length=1)]
    environment: Environment
    commands: Commands
    hyperparameters: Mapping[Name, Scalar] = {}
    seeds: Seeds
    metrics: Annotated[tuple[Metric, ...], Field(min_length=1)]
    progress: Progress | None = None
    resources: Resources

    @property
    def patches(self) -> tuple[Patch, ...]:
        """Return diffs that every run's copy gets first."""
        return ()

    @property
    def drivers(self) -> tuple[str, ...]:
        """Return drivers: our programs beside every run's copy."""
        return ()

    @property
    def has_streams(self) -> bool:
        """Return whether each kind of random draw has its own stream.

        Then runs of one seed pair up.
        """
        return False

    @property
    def most_seeds(self) -> int:
        """Return the largest number of seeds a judgment uses."""
        raise NotImplementedError

    def with_values(self, values: Mapping[str, Scalar]) -> Self:
        """Return the program with other hyperparameters."""
        return self.model_copy(update={"hyperparameters": {**self.hyperparameters, **values}})

    def metric(self, name: str) -> Metric:
        """Return the metric of that name."""
        return next(metric for metric in self.metrics if metric.name == name)

    def program_files(self) -> list[str]:
        """Return paths beside the copied folder that a run needs."""
        files = [patch.file for patch in self.patches] + list(self.drivers)
        return files + [data.recipe_file for data in self.placed_datasets() if data.recipe_file]

    def placed_datasets(self) -> list[PlacedDataset]:
        """Return the datasets that are files to be put into the reference's copy."""
        return [dataset for dataset in self.datasets if isinstance(dataset, PlacedDatasetBase)]

    def reading_digest(self) -> str:
        """Return a digest that changes when the same output would be read as another number."""
        metrics = [metric.model_dump(mode="json", by_alias=True) for metric in self.metrics]
        return digest(
            [
                {key: metric[key] for key in ("name", "read", "take", "unit", "printed_in")}
                for metric in metrics
            ]
        )


def items_of(data: Any, key: str) -> list[Mapping[str, Any]]:
    """Return the mappings in a list of the raw document, whatever else is wrong with it."""
    items = data.get(key) if isinstance(data, Mapping) else None
    return [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []


def name_problems(data: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """Return duplicate names."""
    for key in ("metrics", "datasets"):
        names = [item.get("name") for item in items_of(data, key)]
        for index, name in enumerate(names):
            if name in names[:index]:
                yield (key, index, "name"), f"{name!r} is taken by an earlier one: rename it"


def slot_problems(data: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """Return command slots that name nothing, and seeds that do not fit them."""
    values = data.get("hyperparameters")
    hyperparameters = list(values) if isinstance(values, Mapping) else []
    for name in set(OWN_SLOTS) & set(hyperparameters):
        yield ("hyperparameters", name), f"{{{name}}} is a slot of our own: rename it"
    commands = data.get("commands")
    slotted = unread = False
    for step, command in commands.items() if isinstance(commands, Mapping) else ():
        try:
            parsed = Command.model_validate(command)
        except ValueError:
            unread = True  # reported as a field of its own
            continue
        for word in (*parsed.argv, *parsed.variables.values()):
            for slot in find_slots(word):
                slotted |= slot == "seed"
                if slot not in (*hyperparameters, *OWN_SLOTS):
                    yield (
                        ("commands", step, "run"),
                        f"{{{slot}}} is not a hyperparameter and none of {', '.join(OWN_SLOTS)}",
                    )
    how = data["seeds"].get("how") if isinstance(data.get("seeds"), Mapping) else None
    if how == "argument" and not (slotted or unread):
        yield ("seeds", "how"), "argument needs a {seed} slot in a command"
    if how in ("variable", "offset", "inject", "none") and slotted:
        yield ("seeds", "how"), f"a command has a {{seed}} slot: write argument, not {how}"
