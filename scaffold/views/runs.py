"""Read the runs that lie in a project, and what each of them ran."""

from collections.abc import Sequence

from scaffold.errors import BrokenFileError, MachineError, ProjectError
from scaffold.project.files import read_record
from scaffold.project.project import Project
from scaffold.records.evidence import Evidence, RunRecord
from scaffold.records.tweak import ChangeEvidence
from scaffold.running.recording import is_own


def read_records(project: Project) -> tuple[list[RunRecord], list[str]]:
    """Return the records of full runs, the newest first, and the names of damaged ones."""
    records, damaged = [], []
    for folder in project.runs.glob("seed-*"):
        try:
            record = read_record(RunRecord, folder / "run.json")
        except (BrokenFileError, MachineError, ProjectError):
            damaged.append(folder.name)
            continue
        if record.id == folder.name and is_own(record, folder):
            records.append(record)
        else:
            damaged.append(folder.name)
    return sorted(records, key=lambda record: record.started, reverse=True), sorted(damaged)


def states_by_inputs(evidence: Evidence | None, judged: Sequence[ChangeEvidence]) -> dict[str, str]:
    """Return by the digest of a run's inputs what was run, in words."""
    states: dict[str, str] = {}
    for change in sorted(judged, key=lambda one: one.created):
        states.setdefault(change.before.inputs.digest, f"before {change.tweak.name}")
        states[change.change.inputs.digest] = f"{change.tweak.phase} {change.tweak.name}"
    if evidence is not None:
        states[evidence.inputs.digest] = "reference"
    return states
