"""What all runs of one program share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scaffold.environments.prepare import ReadyEnvironment
from scaffold.git.objects import TreeEntry
from scaffold.project.project import ProgramSource
from scaffold.records.dataset import OutsideDataset
from scaffold.records.engine import EngineTarget
from scaffold.records.evidence import Inputs
from scaffold.records.parsing import digest
from scaffold.records.program import Program
from scaffold.sandbox import Sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracing:
    """What the shim records of a run.

    As `shim/_scaffold_trace` reads it; `golden` is the reference's trace.
    """

    golden: Path | None
    request: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A program ready to run: where its parts are, how it is confined, what decides its results.

    Attributes:
        title: what messages call it.
        series: what messages call its runs, before their seed; empty for the seed alone.
        remedy: what to do when its runs end badly.
        slots: how many of its runs may be under way at once.
        engine: where they are made.
        is_detached: whether they are left to the engine, for a later command to record.
        submissions_dir: where engines note what they were handed.
        entries: lists the files of the tree that `inputs` names, where its id alone does not tell.
        tracing: what is recorded of its runs besides metrics.
        extra_files: text by name, written beside what its commands run in.
        probing: how its runs are watched or changed, as `shim/_scaffold_probe` reads it.
    """

    title: str
    remedy: str
    program: Program
    source: ProgramSource
    environment: ReadyEnvironment
    datasets: Mapping[str, Path]
    inputs: Inputs
    sandbox: Sandbox
    smoke: bool
    threads: int
    slots: int
    engine: EngineTarget
    is_detached: bool
    submissions_dir: Path
    runs_dir: Path
    entries: Callable[[], Sequence[TreeEntry]] = tuple
    tracing: Tracing | None = None
    extra_files: Mapping[str, str] = field(default_factory=dict)
    probing: Mapping[str, Any] | None = None
    series: str = ""

    @property
    def outside_folders(self) -> tuple[Path, ...]:
        """Return folders of data that a run reads where they lie."""
        placed = self.program.placed_datasets()
        return tuple(self.datasets[d.name] for d in placed if isinstance(d, OutsideDataset))

    def run_name(self, seed: int) -> str:
        """Return what messages call a run."""
        words = "smoke run" if self.smoke else f"seed {seed}"
        return f"{self.series}, {words}" if self.series else words

    def run_id(self, seed: int) -> str:
        """Return a name for a run made of all that decides its result."""
        kind = "smoke" if self.smoke else "seed"
        if self.probing is not None:  # a name that no run of the program itself can have
            kind = f"probe-{digest(self.probing)[:12]}"
        return f"{kind}-{seed}-{self.inputs.digest[:12]}"
