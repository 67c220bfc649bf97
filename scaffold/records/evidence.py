"""What runs leave, and what was judged of them. Records only; `project` reads and writes them."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal, TypeVar

from pydantic import Field

from scaffold.records.fields import Scalar
from scaffold.records.parsing import Record, digest

ChecksummedT = TypeVar("ChecksummedT", bound="Checksummed")


class Outcome(str, Enum):
    """How a run ended; only COMPLETED carries metrics that count."""

    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    OUT_OF_DISK = "OUT_OF_DISK"
    TOO_MUCH_OUTPUT = "TOO_MUCH_OUTPUT"
    NO_METRIC = "NO_METRIC"


class MetricValue(Record):
    """One number of one run, in the metric's unit.

    `half_digit` is half a unit of the last digit printed, 0.0 where the program wrote full
    precision.
    """

    value: float
    half_digit: float = 0.0
    step: int | None = None


class StepResult(Record):
    """One command of a run; times in seconds, memory of the largest process in bytes."""

    name: str
    argv: tuple[str, ...]
    exit_status: int | None = Field(description="None when it was stopped; negative is a signal")
    wall_time_s: float
    cpu_time_s: float
    peak_memory_bytes: int


class Machine(Record):
    """The hardware and system that a run was made on."""

    processor: str
    cores: int
    memory_gb: float
    accelerator: str | None
    system: str

    @property
    def hardware(self) -> str:
        """Return what computes: machines that share it give the same numbers in the same time."""
        return self.processor + (f" with {self.accelerator}" if self.accelerator else "")


class EnvironmentUsed(Record):
    """What the commands ran in.

    `reused` means the interpreter that runs the scaffold satisfied every pin.
    """

    python: str
    lock: str = Field(description="sha256 of environment.lock")
    reused: bool


class Confinement(Record):
    """How a run was kept from the rest of the machine, and what it tried all the same."""

    sandbox: Literal["bubblewrap", "landlock", "none"] = "none"
    open_doors: tuple[str, ...] = Field(default=(), description="what this sandbox cannot close")
    network: tuple[str, ...] = Field(
        default=(), description="steps that had the network, as the recipe declares"
    )
    denied: tuple[str, ...] = Field(
        default=(),
        description=(
            "what its Python programs were seen to try and did not get; others are not monitored"
        ),
    )


class Inputs(Record):
    """Digests of all that decides what a run computes.

    Two runs with the same inputs are the same run.
    """

    reference: str = Field(description="git tree id")
    program: str = Field(description="commands, hyperparameters, seeding, patches, drivers")
    lock: str
    data: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Return one id for all of them."""
        return digest(self)


class Seeding(Record):
    """How a run's random numbers were seeded, as its own processes reported it."""

    calls: Mapping[str, tuple[str, ...]] = Field(
        default={}, description="library: seeding calls the program made"
    )
    missed: tuple[str, ...] = Field(default=(), description="generators that no seed reached")
    streams: tuple[str, ...] = Field(
        default=(), description="draws that have a stream of their own"
    )


class RunRecord(Record):
    """One execution of the recipe's commands with one seed."""

    format: Literal[1] = 1
    id: str
    seed: int
    smoke: bool
    outcome: Outcome
    reason: str = ""
    inputs: Inputs
    reading: str = Field(description="digest of how its metrics were read")
    steps: tuple[StepResult, ...]
    metrics: Mapping[str, MetricValue] = {}
    seeding: Seeding = Seeding()
    peak_accelerator_bytes: int | None = Field(
        default=None,
        description="memory of GPUs that torch held in its largest process, as that reported it",
    )
    confinement: Confinement = Confinement()
    environment: EnvironmentUsed
    machine: Machine
    threads: int
    started: str = Field(description="UTC, ISO 8601")
    wall_time_s: float
    sizes: Mapping[str, int] = Field(
        default={}, description="bytes of each of its files: one cut short shows"
    )
    digests: Mapping[str, str] = Field(
        default={},
        description="sha256 of logs and of files that it wrote: only these are ever read again",
    )
    signature: str = Field(default="", description="made with the user's own key over all the rest")


class JudgedRun(Record):
    """What a judgment needs of one run."""

    id: str
    seed: int
    metrics: Mapping[str, MetricValue]
    series: Mapping[str, tuple[tuple[int, float], ...]] = Field(
        default={},
        description="(step, value) of metrics whose claim is about when something is reached",
    )
    wall_time_s: float
    cpu_time_s: float = Field(
        default=0.0, description="of all its processes; 0 where nobody measured it"
    )
    threads: int = Field(default=0, description="that it was told to use; 0 where nobody noted it")
    machine: Machine
    environment: EnvironmentUsed
    confinement: Confinement = Confinement()


class CalibrationRun(Record):
    """One calibration run: all its metric values."""

    seed: int
    metrics: Mapping[str, MetricValue]
    wall_time_s: float
    hardware: str = Field(default="", description="on which it ran; empty: that of the calibration")


class Calibration(Record):
    """Recorded runs of the recipe, all values, with the hardware.

    They show the distribution of each metric over seeds.
    """

    format: Literal[1] = 1
    recipe: str
    reference: str = Field(description="git tree id of the reference that was run")
    program: str = Field(
        description="digest of commands, hyperparameters, seeding, patches and drivers"
    )
    data: Mapping[str, str] = Field(description="sha256 of each placed dataset")
    reading: str = Field(description="digest of how the metrics were read")
    created: str = Field(description="UTC date, ISO 8601")
    machine: Machine
    threads: int
    packages: tuple[str, ...] = Field(description="installed versions, as in environment.lock")
    runs: tuple[CalibrationRun, ...] = Field(description="each of another seed")
    aside: tuple[CalibrationRun, ...] = Field(
        default=(), description="of other machines: of a seed that counts, or they differ"
    )


class Checksummed(Record):
    """What is committed with a digest of itself, so that an edit shows."""

    checksum: str = Field(default="", description="sha256 of all the rest")

    def with_checksum(self: ChecksummedT) -> ChecksummedT:
        """Return a copy with its signature set."""
        return self.model_copy(update={"checksum": self.expected_checksum()})

    def expected_checksum(self) -> str:
        """Return what the signature must be."""
        return digest(self.model_dump(mode="json", exclude={"checksum"}))


class Evidence(Checksummed):
    """`evidence/reproduce.json`: judged runs, bound to all that they depend on."""

    format: Literal[1] = 1
    milestone: str
    inputs: Inputs
    rule: str = Field(description="digest of metrics, claims and rule, declared before running")
    calibration: str | None = Field(description="digest of calibration.json")
    hyperparameters: Mapping[str, Scalar]
    runs: tuple[JudgedRun, ...]
    failed_runs: int
    noise: Mapping[str, float] = Field(
        default={},
        description=(
            "how far each metric of a deterministic program was measured to differ from itself"
        ),
    )
    judgment: Mapping[str, Any] = Field(description="as `judgment.Judgment.as_mapping` writes it")
    created: str = Field(description="UTC, ISO 8601")
