"""Where runs are made: `engines.yaml`, the user's own file, and what is handed to an engine.

Records only.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from scaffold.records.evidence import Machine
from scaffold.records.fields import Text
from scaffold.records.parsing import Record, digest


class LocalTarget(Record):
    """This machine: as many runs at once as there are cores or accelerators for."""

    kind: Literal["local"] = "local"


class SlurmTarget(Record):
    """A Slurm cluster whose nodes see this project, the cache and this Python at the same paths."""

    kind: Literal["slurm"] = "slurm"
    at_once: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=100, description="runs that are queued or running at a time"
    )
    partition: Text | None = Field(default=None, description="for a run, as sbatch reads it")
    account: Text | None = Field(default=None, description="whom Slurm charges")
    qos: Text | None = Field(default=None, description="quality of service")
    constraint: Text | None = Field(default=None, description="features that a node must have")
    gres: Text | None = Field(
        default=None, description="for a run; default: gpu:1 where the recipe's device is cuda"
    )
    time: Text | None = Field(default=None, description="limit of a run, as sbatch reads it")


class RayTarget(Record):
    """A Ray cluster whose nodes see this project, the cache and this Python at the same paths."""

    kind: Literal["ray"] = "ray"
    at_once: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=100, description="runs that wait for a node or have one, at a time"
    )
    address: Text = Field(
        default="auto", description="of its head, or auto for one on this machine"
    )


EngineTarget = LocalTarget | SlurmTarget | RayTarget


class Engines(Record):
    """Named places to make runs, for --engine."""

    format: Literal[1] = 1
    default: Text | None = Field(default=None, description="name of what is used without --engine")
    engines: Mapping[Text, Annotated[EngineTarget, Field(discriminator="kind")]]


class Execution(Record):
    """How the commands of a run were executed, whatever came of them."""

    machine: Machine
    started: str = Field(description="UTC, ISO 8601")
    wall_time_s: float = Field(description="without waiting for its turn")
    problem: str = Field(
        default="", description="why nothing is left of it; empty where it ended by itself"
    )
    is_machine_lost: bool = Field(
        default=False, description="it went with its machine, so that another may make it again"
    )


class SubmittedRun(Record):
    """A run that was handed to an engine."""

    name: str = Field(description="what messages call it")
    seed: int
    folder: str = Field(description="absolute path of its folder, until it is recorded")


class Submission(Record):
    """Runs that were handed to an engine together."""

    format: Literal[1] = 1
    name: str = Field(description="of its folder, and what the engine calls it")
    created: str = Field(description="UTC, ISO 8601")
    target: Annotated[EngineTarget, Field(discriminator="kind")]
    runs: tuple[SubmittedRun, ...]
    signature: str = Field(default="", description="made with the user's own key over all the rest")

    @property
    def content_digest(self) -> str:
        """Return one id for all but the signature."""
        return digest(self.model_dump(mode="json", exclude={"signature"}))
