"""Reads and records what a run left. A run that was killed leaves no record."""

import hmac
import json
import math
import os
import re
from collections import deque
from pathlib import Path

import scaffold
from scaffold.errors import RunError
from scaffold.machine import FREE_BYTES
from scaffold.project.digests import file_digest
from scaffold.project.files import make_durable, make_ordinary, remove, write_json, write_record
from scaffold.records.engine import Execution
from scaffold.records.evidence import (
    Confinement,
    EnvironmentUsed,
    MetricValue,
    Outcome,
    RunRecord,
    StepResult,
)
from scaffold.records.parsing import digest
from scaffold.records.program import Program
from scaffold.running.denials import Attempt, Seen, read_reports
from scaffold.running.launcher import Running
from scaffold.running.outputs import memory_limit, time_limit
from scaffold.running.plan import Plan
from scaffold.running.readers import files_read, read_lines, read_metric
from scaffold.running.variables import is_passed_on
from scaffold.running.workspace import Workspace, remove_short_name
from scaffold.user_state import sign

_NO_MEMORY = re.compile(
    r"MemoryError|OutOfMemoryError|out of memory|[Cc]an(no|')t allocate memory|std::bad_alloc"
)
_NO_DISK = re.compile(r"No space left on device|Disk quota exceeded")
_READING_LIMIT_S = 60.0
_READING_LIMIT_BYTES = 2 * 10**9
"""Eight times the largest file of numbers that is read, which takes some five times its size."""

_SERIES = "series.json"


def finish(running: Running, execution: Execution) -> RunRecord:
    """Read and record a run that was executed, and rename its folder into place.

    Raises:
        RunError: the supervisor itself was killed, or could not write: nothing is left of the run.
    """
    plan, workspace = running.plan, running.workspace
    if execution.problem:
        raise RunError(f"{running.name}: {execution.problem}")
    result = workspace.folder / "result.json"
    try:
        document = json.loads(result.read_text())
    except (OSError, ValueError) as error:
        raise RunError(f"{running.name}: its result cannot be read: {error}") from error
    make_ordinary(workspace.folder)
    steps = tuple(StepResult.model_validate(step) for step in document["steps"])
    outcome, reason = _outcome(document["ended"], steps, plan, workspace)
    metrics: dict[str, MetricValue] = {}
    series: dict[str, list[tuple[int, float]]] = {}
    if outcome is Outcome.COMPLETED:
        outcome, reason, metrics, series = _read_metrics(plan.program, workspace, plan.source.tree)
        # It may end before any is written; what is there is told.
        if plan.smoke and outcome is Outcome.NO_METRIC:
            outcome = Outcome.COMPLETED
    started_at = workspace.folder / "supervisor.json"
    final = _free_name(plan.runs_dir, plan.run_id(running.seed))
    seen = read_reports(workspace.seeding)
    record = RunRecord(
        id=final.name,
        seed=running.seed,
        smoke=plan.smoke,
        outcome=outcome,
        reason=reason,
        inputs=plan.inputs,
        reading=plan.program.reading_digest(),
        steps=steps,
        metrics=metrics,
        seeding=seen.seeding,
        peak_accelerator_bytes=seen.accelerator_bytes,
        confinement=_confinement(plan, workspace, seen),
        environment=EnvironmentUsed(
            python=plan.environment.version,
            lock=plan.environment.lock,
            reused=plan.environment.reused,
        ),
        machine=execution.machine,
        threads=plan.threads,
        started=execution.started,
        wall_time_s=execution.wall_time_s,
        sizes=_write_series(series, workspace),
        digests=_digests(workspace, started_at.stat().st_mtime),
    )
    record = signed(record)
    write_record(record, workspace.folder / "run.json")
    if plan.tracing is None and plan.probing is None:
        remove(workspace.trace)
    for leftover in (
        result,
        started_at,
        *workspace.folder.glob("policy-*.json"),
    ):
        leftover.unlink()
    remove_short_name(workspace)
    remove(workspace.temporary)
    remove(workspace.home)
    workspace.folder.rename(final)
    make_durable(plan.runs_dir)
    return record


def _write_series(
    series: dict[str, list[tuple[int, float]]], workspace: Workspace
) -> dict[str, int]:
    """Write all points beside the record; returns the size of that and of every log."""
    path = workspace.folder / _SERIES
    write_json(series, path)
    files = [path, *sorted(workspace.logs.iterdir())]
    return {file.relative_to(workspace.folder).as_posix(): file.stat().st_size for file in files}


_MOST_READ_AGAIN_BYTES = 32_000_000
"""Larger files are checkpoints and data, and hashing them would take longer than it is worth."""

_CLOCK_S = 2.0
"""How far the time of a file may lie before that of the run which wrote it: the coarsest file
systems count in 2 s."""


def _digests(workspace: Workspace, since: float) -> dict[str, str]:
    """Return the sha256 of every log and small file written since the start.

    The clock is that of the file system: a node's may differ from ours.
    """
    digests = {}
    pending = [workspace.logs, workspace.tree]
    while pending:
        for entry in os.scandir(pending.pop()):
            if entry.is_dir(follow_symlinks=False):
                pending.append(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                if status.st_size <= _MOST_READ_AGAIN_BYTES and status.st_mtime >= since - _CLOCK_S:
                    name = Path(entry.path).relative_to(workspace.folder).as_posix()
                    digests[name] = file_digest(Path(entry.path))
    return digests


def _are_as_written(record: RunRecord, program: Program, workspace: Workspace) -> bool:
    """Return whether all files that metrics are read from are as the run left them."""
    files = [
        file
        for metric in program.metrics
        for file in files_read(metric.read, workspace.logs, workspace.tree)
    ]
    folder = workspace.folder.resolve()
    for file in files:
        place = file.resolve()
        name = place.relative_to(folder).as_posix() if place.is_relative_to(folder) else ""
        if name not in record.digests or record.digests[name] != file_digest(place):
            return False
    return True


def signed(record: RunRecord) -> RunRecord:
    """Return a copy with the user's signature."""
    return record.model_copy(
        update={"signature": sign(digest(record.model_dump(mode="json", exclude={"signature"})))}
    )


def is_own(record: RunRecord, folder: Path) -> bool:
    """Return whether the user made this run, and its files have their recorded sizes."""
    if not hmac.compare_digest(signed(record).signature, record.signature):
        return False
    sizes = {
        name: (folder / name).stat().st_size if (folder / name).is_file() else None
        for name in record.sizes
    }
    return sizes == dict(record.sizes)


def _confinement(plan: Plan, workspace: Workspace, seen: Seen) -> Confinement:
    if plan.sandbox.kind == "none":
        return Confinement(sandbox="none")
    steps = plan.program.commands.steps(smoke=plan.smoke)
    declared = {name for command in steps.values() for name in command.variables}
    withheld = {
        name for name, value in os.environ.items() if not is_passed_on(name, value)
    } - declared
    denied = [f"variable {name}" for name in seen.missing_variables if name in withheld]
    denied += [
        f"write to the home directory: {name}, into a stand-in" for name in _written_home(workspace)
    ]
    attempts = [f"{a.kind} {a.target}" for a in seen.attempts if not _is_harmless(a)]
    return Confinement(
        sandbox=plan.sandbox.kind,
        open_doors=plan.sandbox.open_doors,
        network=tuple(name for name, command in steps.items() if command.network),
        denied=(*denied, *attempts),
    )


_PACKAGE = Path(scaffold.__file__).parent
"""Of an editable installation, which Python's import looks at in every program."""


def _is_harmless(attempt: Attempt) -> bool:
    """Return whether an attempt says nothing of the program.

    Libraries look for files that no machine has; Python's import looks where this package is.
    """
    if attempt.kind != "read":
        return False
    target = Path(attempt.target)
    is_own = target in (_PACKAGE.parent, _PACKAGE)
    return is_own or not os.path.lexists(target)


_CACHES = (".cache", ".config", ".nv")
"""What libraries keep in a home for the next time; `.nv` is CUDA's compiled code."""


def _written_home(workspace: Workspace) -> list[str]:
    """Return what a run wrote into its stand-in home; caches do not count."""
    names = sorted(path.name for path in workspace.home.iterdir() if path.name not in _CACHES)
    return [name.encode("unicode_escape").decode()[:100] for name in names[:20]]


def _free_name(runs_dir: Path, run_id: str) -> Path:
    attempt = 1
    while (runs_dir / f"{run_id}{f'-{attempt}' if attempt > 1 else ''}").exists():
        attempt += 1
    return runs_dir / f"{run_id}{f'-{attempt}' if attempt > 1 else ''}"


def _outcome(
    ended: str, steps: tuple[StepResult, ...], plan: Plan, workspace: Workspace
) -> tuple[Outcome, str]:
    if ended == "completed":
        return Outcome.COMPLETED, ""
    last, resources = steps[-1], plan.program.resources
    if ended == "timed_out":
        limit = plan.program.commands.steps(smoke=plan.smoke)[last.name].timeout_s
        return (
            Outcome.TIMED_OUT,
            (
                f"{last.name} did not end by itself within its limit of {limit:g} s: "
                f"raise commands.{last.name}.timeout_s, or give the program a number of steps"
            ),
        )
    if ended == "out_of_memory":
        limited = (
            f"the limit of {resources.memory_gb:g} GB"
            if resources.memory_gb
            else "what this machine has"
        )
        return (
            Outcome.OUT_OF_MEMORY,
            (
                f"{last.name} took {last.peak_memory_bytes / 1e9:.2f} GB of memory, more than"
                f" {limited}: raise resources.memory_gb if there is more, or run fewer at once with"
                " --jobs"
            ),
        )
    if ended == "out_of_disk":
        limited = f"its folder passed {resources.disk_gb:g} GB, or " if resources.disk_gb else ""
        return (
            Outcome.OUT_OF_DISK,
            (
                f"{last.name} filled the disk: {limited}less than {FREE_BYTES / 1e6:.0f} MB were"
                " left: free some space, or raise resources.disk_gb"
            ),
        )
    if ended == "too_much_output":
        return (
            Outcome.TOO_MUCH_OUTPUT,
            (
                f"{last.name} printed more than {resources.output_mb:g} MB, of which head and tail"
                " are kept: raise resources.output_mb, or make it print less"
            ),
        )
    if ended == "stopped":
        return Outcome.FAILED, f"{last.name} was stopped from outside"
    status = last.exit_status or 0
    how = f"was ended by signal {-status}" if status < 0 else f"exited with status {status}"
    if plan.sandbox.kind == "bubblewrap" and 128 < status < 128 + 65:
        how = f"was ended by signal {status - 128}"  # as bubblewrap passes it on
    log = workspace.logs / f"{len(steps) - 1}-{last.name}.err"
    lines = deque((line for line in read_lines(log) if line.strip()), maxlen=20)
    excerpt = "\n".join(lines)
    outcome = Outcome.FAILED
    if _NO_MEMORY.search(excerpt):
        outcome = Outcome.OUT_OF_MEMORY
    elif _NO_DISK.search(excerpt):
        outcome = Outcome.OUT_OF_DISK
    return outcome, f"{last.name} {how}" + (f": {lines[-1].strip()[:300]}" if lines else "")


def read_again(record: RunRecord, program: Program, folder: Path) -> RunRecord | None:
    """Read the metrics of a kept run again, after the recipe changed how they are read.

    Returns:
        its new record; None where a file to read is not as the run left it, so that the run must be
            made again.
    """
    if not _are_as_written(record, program, Workspace(folder)):
        return None
    outcome, reason, metrics, series = _read_metrics(program, Workspace(folder))
    changed = {
        "outcome": outcome,
        "reason": reason,
        "metrics": metrics,
        "reading": program.reading_digest(),
    }
    # Until all is written, a record without its points that is still to be read again: a kill here
    # loses nothing.
    without = {name: size for name, size in record.sizes.items() if name != _SERIES}
    write_record(signed(record.model_copy(update={"sizes": without})), folder / "run.json")
    fresh = record.model_copy(update={**changed, "sizes": _write_series(series, Workspace(folder))})
    fresh = signed(fresh)
    write_record(fresh, folder / "run.json")
    return fresh


def _read_metrics(
    program: Program, workspace: Workspace, before: Path | None = None
) -> tuple[Outcome, str, dict[str, MetricValue], dict[str, list[tuple[int, float]]]]:
    metrics, series, problems = {}, {}, []
    for metric in program.metrics:
        try:
            title = f"metric {metric.name}"
            with time_limit(_READING_LIMIT_S, title), memory_limit(_READING_LIMIT_BYTES, title):
                metrics[metric.name], points = read_metric(
                    metric, workspace.logs, workspace.tree, before
                )
        except RunError as error:
            problems.append(error.message + (f" ({error.hint})" if error.hint else ""))
            continue
        series[metric.name] = [
            (point.step if point.step is not None else index, point.value)
            for index, point in enumerate(points)
            if math.isfinite(point.value)
        ]
    if problems:
        return Outcome.NO_METRIC, "; ".join(problems), metrics, series
    return Outcome.COMPLETED, "", metrics, series
