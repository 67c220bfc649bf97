"""Runs that are under way, or were when the scaffold that made them was killed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scaffold.project.project import Project
from scaffold.running.launcher import discard
from scaffold.running.submissions import open_places
from scaffold.running.workspace import Workspace

RUN_FOLDERS = ("runs", "probes", "sweeps")
"""Of `.scaffold/`: where runs are made."""

_NAME = re.compile(r"\.(?P<kind>seed|smoke|probe)(-[0-9a-f]+)?-(?P<seed>\d+)(-[0-9a-f]+){2}")
"""As `launcher` names them, after `Plan.run_id`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedRun:
    """A run's folder before it is complete; `kind` is seed, smoke or probe."""

    folder: Path
    kind: str
    seed: str


def unfinished_runs(project: Project) -> Iterator[UnfinishedRun]:
    """Yield the runs of a project that are not complete, in the order of their names."""
    for name in RUN_FOLDERS:
        for folder in sorted((project.scaffold_dir / name).glob(".*")):
            if match := _NAME.fullmatch(folder.name):
                yield UnfinishedRun(folder=folder, kind=match["kind"], seed=match["seed"])


def discard_unfinished(project: Project) -> None:
    """Remove what a killed scaffold left, and end its programs; under the project's lock alone."""
    handed_over = {Path(place.run.folder) for place in open_places(project.submissions)}
    for run in unfinished_runs(project):
        if run.folder not in handed_over:
            discard(Workspace(run.folder))
