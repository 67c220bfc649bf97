"""Runs that were handed to an engine: noted in the project, so that a later command finds them.

.scaffold/submissions/NAME/submission.json   which runs, where; signed: only the user's own count
    N.job.json      what is to be run
    N.started       there from its start on
    N.ended.json    how it was executed: written last, whole or not at all
    N.out           what the engine's own start of it printed
"""

import hmac
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path

from scaffold.errors import BrokenFileError, MachineError, ProjectError
from scaffold.project.files import (
    read_record,
    read_text,
    remove,
    write_record,
    write_text,
)
from scaffold.records.engine import EngineTarget, Execution, Submission, SubmittedRun
from scaffold.running.job import Job
from scaffold.user_state import sign

_DOCUMENT = "submission.json"


class RunState(str, Enum):
    """Where a run is that was handed to an engine.

    One that is gone did not end by itself, and its engine no longer has it; it is made again.
    """

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Place:
    """One run of a submission."""

    folder: Path
    submission: Submission
    index: int

    @property
    def run(self) -> SubmittedRun:
        """Return which run it is."""
        return self.submission.runs[self.index]

    @property
    def task(self) -> str:
        """Return what engines call it."""
        return f"{self.submission.name}_{self.index}"

    def job(self) -> Job:
        """Return what is to be run."""
        return Job.from_json(read_text(self.folder / f"{self.index}.job.json"))


def write_submission(
    submissions_dir: Path, target: EngineTarget, runs: Sequence[SubmittedRun], jobs: Sequence[Job]
) -> tuple[Path, Submission]:
    """Write all that a node needs; returns the submission and its folder."""
    now = datetime.now(timezone.utc)
    name = f"{now:%Y%m%d-%H%M%S}-{os.urandom(3).hex()}"
    folder = submissions_dir / name
    folder.mkdir(parents=True)
    for index, job in enumerate(jobs):
        write_text(folder / f"{index}.job.json", job.to_json())
    submission = Submission(
        name=name, created=now.isoformat(timespec="seconds"), target=target, runs=tuple(runs)
    )
    signature = sign(submission.content_digest)
    submission = submission.model_copy(update={"signature": signature})
    write_record(submission, folder / _DOCUMENT)
    return folder, submission


def find_submissions(submissions_dir: Path) -> list[tuple[Path, Submission]]:
    """Return this user's own submissions, oldest first: any other may name any folder."""
    if not submissions_dir.is_dir():
        return []
    own = []
    for folder in sorted(submissions_dir.iterdir()):
        try:
            submission = read_record(Submission, folder / _DOCUMENT)
        except (BrokenFileError, ProjectError, MachineError):
            continue
        expected = sign(submission.content_digest)
        if hmac.compare_digest(expected, submission.signature) and submission.name == folder.name:
            own.append((folder, submission))
    return own


def open_places(submissions_dir: Path) -> Iterator[Place]:
    """Yield the runs that were handed to an engine and are not recorded yet.

    Of this project alone: a copy of it names the folders of the other.
    """
    scaffold_dir = submissions_dir.parent.absolute()
    for folder, submission in find_submissions(submissions_dir):
        for index, run in enumerate(submission.runs):
            if Path(run.folder).is_dir() and Path(run.folder).parent.parent == scaffold_dir:
                yield Place(folder, submission, index)


def states(folder: Path, submission: Submission) -> dict[int, RunState]:
    """Return where each run of a submission is, by one look into its folder."""
    try:
        names = {entry.name for entry in os.scandir(folder)}
    except FileNotFoundError:  # somebody removed it
        return dict.fromkeys(range(len(submission.runs)), RunState.GONE)
    result = {}
    for index in range(len(submission.runs)):
        result[index] = RunState.WAITING
        if f"{index}.ended.json" in names:
            result[index] = RunState.ENDED
        elif f"{index}.started" in names:
            result[index] = RunState.RUNNING
    return result


def state_of(place: Place) -> RunState:
    """Return where one run is."""
    return states(place.folder, place.submission)[place.index]


def read_end(place: Place) -> Execution:
    """Return how a run was executed that has ended."""
    return read_record(Execution, place.folder / f"{place.index}.ended.json")


def last_words(place: Place) -> str:
    """Return the last line that the engine's own start of a run printed."""
    try:
        lines = read_text(place.folder / f"{place.index}.out").strip().splitlines()
    except (ProjectError, MachineError):
        return ""
    return lines[-1][:300] if lines else ""


def remove_collected(submissions_dir: Path) -> None:
    """Remove the submissions of which no run is open."""
    for folder, submission in find_submissions(submissions_dir):
        if not any(Path(run.folder).is_dir() for run in submission.runs):
            remove(folder)
