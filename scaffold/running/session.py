"""What all steps of a command that runs something share."""

from dataclasses import dataclass, field

from scaffold.datasets.fetch import OnBytes
from scaffold.environments.resolve import Announce
from scaffold.project.project import Project
from scaffold.records.engine import EngineTarget, LocalTarget
from scaffold.records.recipe import Recipe
from scaffold.running.batch import ProgressListener


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the user said of how to run.

    Attributes:
        slots: runs at once; None for as many as fit.
        engine: where runs are made.
        detach: leave the runs to the engine, and record them by a later command.
        offline: ask no network, only the cache.
        sandboxed: False when the user trusts the code without a sandbox.
        trust: digest of the program that is approved with this.
        on_bytes: is told of datasets as they come.
        announce: is told what an environment brings before it is built.
    """

    slots: int | None = None
    engine: EngineTarget = field(default_factory=LocalTarget)
    detach: bool = False
    offline: bool = False
    sandboxed: bool = True
    trust: str | None = None
    on_bytes: OnBytes | None = None
    announce: Announce = lambda _: None


@dataclass(frozen=True, slots=True)
class Session:
    """A project and its recipe, who is told of progress, and how to run."""

    project: Project
    recipe: Recipe
    listener: ProgressListener
    options: RunOptions
