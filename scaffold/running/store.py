"""The completed runs of a project.

A folder whose name starts with a dot is a run that never was completed.
"""

import json
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from scaffold.errors import BrokenFileError, MachineError, ProjectError
from scaffold.project.files import MOST_SERIES_BYTES, read_record, read_text
from scaffold.records.evidence import Inputs, JudgedRun, Outcome, RunRecord
from scaffold.records.program import Program
from scaffold.running.recording import is_own, read_again


def find_runs(
    runs_dir: Path, inputs: Inputs, program: Program, *, smoke: bool = False
) -> list[RunRecord]:
    """Return records of runs with these inputs, by seed and attempt.

    Damaged ones, copies and other users' are not runs.

    Where the recipe now reads its metrics in another way, they are read again from what the run
    left.
    """
    records = []
    for folder in _folders(runs_dir, inputs, smoke=smoke):
        try:
            record = read_record(RunRecord, folder / "run.json")
        except (BrokenFileError, MachineError, ProjectError):
            continue
        if record.inputs != inputs or folder.name != record.id or not is_own(record, folder):
            continue
        ended_well = record.outcome in (Outcome.COMPLETED, Outcome.NO_METRIC) and not smoke
        if ended_well and record.reading != program.reading_digest():
            fresh = read_again(record, program, folder)
            if fresh is None:
                continue
            record = fresh
        records.append(record)
    return sorted(records, key=lambda record: (record.seed, len(record.id), record.id))


def _folders(runs_dir: Path, inputs: Inputs, *, smoke: bool) -> Iterable[Path]:
    return runs_dir.glob(f"{'smoke' if smoke else 'seed'}-*-{inputs.digest[:12]}*")


def uncounted(runs_dir: Path, inputs: Inputs, records: Iterable[RunRecord]) -> list[str]:
    """Return folders of full runs with these inputs that are none of the records `find_runs` gave.

    They are damaged, copies, or another user's.
    """
    known = {record.id for record in records}
    names = {folder.name for folder in _folders(runs_dir, inputs, smoke=False)}
    return sorted(names - known)


def completed(records: Iterable[RunRecord]) -> list[RunRecord]:
    """Return runs that succeeded and gave every metric."""
    return [record for record in records if record.outcome is Outcome.COMPLETED]


def judged_runs(
    records: Sequence[RunRecord], runs_dir: Path, with_series: Iterable[str]
) -> list[JudgedRun]:
    """Return what a judgment needs of these runs."""
    series_names = set(with_series)
    return [
        JudgedRun(
            id=record.id,
            seed=record.seed,
            metrics=record.metrics,
            wall_time_s=record.wall_time_s,
            threads=record.threads,
            cpu_time_s=sum(step.cpu_time_s for step in record.steps),
            machine=record.machine,
            environment=record.environment,
            confinement=record.confinement,
            series={
                name: points
                for name, points in (_series(runs_dir / record.id) if series_names else {}).items()
                if name in series_names
            },
        )
        for record in records
    ]


_Series = dict[str, tuple[tuple[int, float], ...]]


def _series(folder: Path) -> _Series:
    """Return every metric of a run over its steps; raise ProjectError if the file is damaged."""
    path = folder / "series.json"
    try:
        content = json.loads(read_text(path, MOST_SERIES_BYTES))
        return {
            str(name): tuple((int(step), float(value)) for step, value in points)
            for name, points in content.items()
        }
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ProjectError(
            f"{path} is damaged",
            hint=f"rm -r {shlex.quote(str(folder))}; the seed is run again",
        ) from error


def read_series(folder: Path) -> _Series:
    """Return every metric of a run over its steps; nothing of a run whose series are damaged."""
    try:
        return _series(folder)
    except (MachineError, ProjectError):
        return {}
