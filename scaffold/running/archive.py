"""The completed runs of a project. A folder whose name starts with a dot is a run that never was completed."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from scaffold.errors import BrokenFileError, MachineError
from scaffold.project import read_record, read_text
from scaffold.records.evidence import JudgedRun, Outcome, RunRecord
from scaffold.running.launcher import Plan, read_again


def find_runs(plan: Plan, seeds: Iterable[int] | None = None) -> list[RunRecord]:
    """Records of the runs with this plan's inputs, by seed and attempt; unreadable ones are not runs.

    Where the recipe now reads its metrics in another way, they are read again from what the run left.
    """
    kind = "smoke" if plan.smoke else "seed"
    wanted = None if seeds is None else set(seeds)
    found = []
    for folder in sorted(plan.runs_dir.glob(f"{kind}-*-{plan.inputs.digest[:12]}*")):
        try:
            record = read_record(RunRecord, folder / "run.json")
        except (BrokenFileError, MachineError):
            continue
        if record.inputs != plan.inputs or not (wanted is None or record.seed in wanted):
            continue
        ended_well = record.outcome in (Outcome.COMPLETED, Outcome.NO_METRIC) and not plan.smoke
        if ended_well and record.reading != plan.recipe.reading_digest():
            record = read_again(record, plan.recipe, folder)
        found.append(record)
    return sorted(found, key=lambda record: (record.seed, len(record.id), record.id))


def completed(records: Iterable[RunRecord]) -> list[RunRecord]:
    """Those that ended well and gave every metric."""
    return [record for record in records if record.outcome is Outcome.COMPLETED]


def judged_runs(records: Sequence[RunRecord], runs_dir: Path, with_series: Iterable[str]) -> list[JudgedRun]:
    """What a judgement needs of these runs."""
    wanted = set(with_series)
    return [
        JudgedRun(
            id=record.id, seed=record.seed, metrics=record.metrics, wall_time_s=record.wall_time_s,
            machine=record.machine, environment=record.environment,
            series=_series(runs_dir / record.id / "series.json", wanted) if wanted else {},
        )
        for record in records
    ]  # fmt: skip


def _series(path: Path, wanted: set[str]) -> dict[str, tuple[tuple[int, float], ...]]:
    content = json.loads(read_text(path))
    return {
        name: tuple((int(step), float(value)) for step, value in content[name]) for name in wanted if name in content
    }
