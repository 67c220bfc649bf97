"""Reads metrics from what a run left: streams, JSON, CSV, TensorBoard events, trainer_state.json.

Each reader gives points in the order written; `select` takes the one that the recipe means. A
number counts only if it is finite and within the range of its unit.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from scaffold.errors import RunError
from scaffold.records.evidence import MetricValue
from scaffold.records.fields import WHOLE
from scaffold.records.metric import (
    AtStep,
    CsvReader,
    JsonReader,
    Metric,
    Nth,
    OfPhase,
    Reader,
    StderrReader,
    StdoutReader,
    TensorboardReader,
    TrainerStateReader,
)
from scaffold.running import tensorboard_events
from scaffold.running.outputs import find_output, open_output, read_output
from scaffold.running.points import (
    MAX_LINE_CHARACTERS,
    PrintedNumber,
    integer,
    json_float,
    parse_number,
    read_file_text,
)
from scaffold.running.tables import csv_points


def read_metric(
    metric: Metric, logs: Path, tree: Path, before: Path | None = None
) -> tuple[MetricValue, list[PrintedNumber]]:
    """Read one metric of a run that ended well.

    Args:
        metric: what to read.
        logs: folder with `NAME.out` and `NAME.err` for each step of the run, in order of their
            names' numbers.
        tree: the run's copy of the reference.
        before: the reference that it was copied from, with the times of its files; what a file of
            results said there is not the run's. None where that is known already.

    Returns:
        the selected value and all points, both in the metric's unit.

    Raises:
        RunError: it is not there, not the run's, not finite, or outside the range of its unit.
    """
    scale = metric.scale
    points = [
        replace(point, value=point.value * scale, half_digit=point.half_digit * scale)
        for point in read_points(metric.read, logs, tree)
    ]
    if before is not None and not isinstance(metric.read, (StdoutReader, StderrReader)):
        points = points[_count_before(metric.read, logs, tree, before) :]
    if not points:
        raise RunError(f"metric {metric.name}: nothing found in {_describe(metric.read)}")
    chosen = select(metric, points)
    if not math.isfinite(chosen.value):
        raise RunError(f"metric {metric.name} is {chosen.value}")
    limit = WHOLE.get(metric.unit)
    if limit is not None and not -1e-9 <= chosen.value <= limit * (1 + 1e-9):
        other = "percent" if metric.unit == "fraction" else "fraction"
        raise RunError(
            f"metric {metric.name}: read {chosen.value / scale:g}, but its unit {metric.unit} ends"
            f" at {limit:g}",
            hint=f"if it is printed as a {other}, say `printed_in: {other}`",
        )
    return MetricValue(value=chosen.value, half_digit=chosen.half_digit, step=chosen.step), points


def _count_before(reader: Reader, logs: Path, tree: Path, before: Path) -> int:
    """Return how many points a file of results had before the run, which has appended to it.

    Raises:
        RunError: the run wrote no file, or not all of those that are read.
    """
    appended = False
    for file in files_read(reader, logs, tree):
        name = file.relative_to(tree.resolve())
        old = before / name
        if old.is_symlink() or not old.is_file():
            continue
        one, other = old.stat(), file.stat()
        if (one.st_mtime_ns, one.st_size) == (other.st_mtime_ns, other.st_size):
            raise RunError(
                f"the run did not write {name}: it is there in the reference",
                hint="a patch that removes it there shows what the run writes",
            )
        appended |= other.st_size > one.st_size and _begins_alike(old, file)
    return len(read_points(reader, logs, before)) if appended else 0


def _begins_alike(old: Path, new: Path) -> bool:
    """Return whether a file begins with all of another one."""
    content = read_output(old)
    with open_output(new) as file:
        return file.read(len(content)) == content


def select(metric: Metric, points: Sequence[PrintedNumber]) -> PrintedNumber:
    """Return the point that `take` means; of equally good ones the earliest."""
    take = metric.take
    if take == "first":
        return points[0]
    if take == "last":
        return points[-1]
    if isinstance(take, Nth):
        if take.nth > len(points):
            raise RunError(
                f"metric {metric.name}: occurrence {take.nth} wanted, {len(points)} found"
            )
        return points[take.nth - 1]
    if isinstance(take, OfPhase):
        of_phase = [point for point in points if point.phase == take.phase]
        if not of_phase:
            raise RunError(
                f"metric {metric.name}: phase {take.phase} wanted, {points[-1].phase} found"
            )
        return of_phase[-1]
    if isinstance(take, AtStep):
        at_step = [point for point in points if point.step == take.step]
        if not at_step:
            steps = [point.step for point in points if point.step is not None]
            range_text = f"steps {min(steps)} to {max(steps)} found" if steps else "no steps found"
            raise RunError(f"metric {metric.name}: step {take.step} wanted, {range_text}")
        return at_step[-1]
    unusable = next((point for point in points if math.isnan(point.value)), None)
    if unusable is not None:
        return unusable
    return (max if take == "max" else min)(points, key=lambda point: point.value)


def files_read(reader: Reader, logs: Path, tree: Path) -> list[Path]:
    """Return the files that a reader reads; none where the run did not write them."""
    if isinstance(reader, (StdoutReader, StderrReader)):
        return _logs_read(logs, ".out" if isinstance(reader, StdoutReader) else ".err")
    if isinstance(reader, JsonReader):
        name = reader.json_file
    elif isinstance(reader, CsvReader):
        name = reader.csv
    elif isinstance(reader, TensorboardReader):
        name = reader.tensorboard
    else:
        name = reader.trainer_state
    try:
        output = find_output(tree, name)
    except RunError:
        return []
    if not output.is_dir():
        return [output]
    # Beside the events of TensorBoard anything may lie.
    return [file for file in output.rglob("*tfevents*") if file.is_file()]


def _logs_read(logs: Path, suffix: str) -> list[Path]:
    """Return the logs that may have a metric: what prepares data measures none."""
    return [log for log in sorted(logs.glob(f"*{suffix}")) if not log.stem.endswith("-prepare")]


def read_points(reader: Reader, logs: Path, tree: Path) -> list[PrintedNumber]:
    """Return all points that a reader finds, as printed."""
    if isinstance(reader, (StdoutReader, StderrReader)):
        suffix, pattern = (
            (".out", reader.stdout) if isinstance(reader, StdoutReader) else (".err", reader.stderr)
        )
        texts = _logs_read(logs, suffix)
        lines = (line for log in texts for line in read_lines(log))
        return list(_stream_points(lines, re.compile(pattern), reader.phase))
    if isinstance(reader, JsonReader):
        return _with_phases(list(_json_points(find_output(tree, reader.json_file), reader)))
    if isinstance(reader, CsvReader):
        return _with_phases(list(csv_points(find_output(tree, reader.csv), reader)))
    if isinstance(reader, TensorboardReader):
        return [
            PrintedNumber(value=value, step=step)
            for step, value in tensorboard_events.read_scalars(
                find_output(tree, reader.tensorboard), reader.tag
            )
        ]
    state = _load_json(find_output(tree, reader.trainer_state))
    history = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(history, list):
        raise RunError(f"{reader.trainer_state} has no list log_history")
    entries = [
        (entry, _as_point(entry.get(reader.key))) for entry in history if isinstance(entry, dict)
    ]
    return [
        PrintedNumber(
            value=point.value, half_digit=point.half_digit, step=integer(entry.get("step"))
        )
        for entry, point in entries
        if point is not None
    ]


def _stream_points(
    lines: Iterator[str], pattern: re.Pattern[str], phase: str | None
) -> Iterator[PrintedNumber]:
    """Yield all points.

    A line that `phase` matches begins the next phase; without it a step that goes back does.
    """
    begins = re.compile(phase) if phase else None
    number = 0 if begins else 1
    last: int | None = None
    for line in lines:
        if begins and begins.search(line):
            number += 1
        for point in _match(pattern, line):
            if not begins and last is not None and point.step is not None and point.step < last:
                number += 1
            last = point.step if point.step is not None else last
            yield replace(point, phase=max(number, 1))


def _with_phases(points: list[PrintedNumber]) -> list[PrintedNumber]:
    """Number the phases of points: a step that goes back begins the next one."""
    number, last, numbered = 1, None, []
    for point in points:
        if last is not None and point.step is not None and point.step < last:
            number += 1
        last = point.step if point.step is not None else last
        numbered.append(replace(point, phase=number))
    return numbered


def read_lines(log: Path) -> Iterator[str]:
    """Yield lines of a log; a progress line that ends in a carriage return counts."""
    with log.open(
        encoding="utf-8", errors="replace", newline=None
    ) as file:  # newline=None: \n, \r\n and \r end lines
        while line := file.readline(MAX_LINE_CHARACTERS):
            if len(line) < MAX_LINE_CHARACTERS:
                yield line.rstrip("\n")
            else:
                while line and not line.endswith("\n"):
                    line = file.readline(MAX_LINE_CHARACTERS)


def _match(pattern: re.Pattern[str], line: str) -> Iterator[PrintedNumber]:
    for match in pattern.finditer(line):
        groups = match.groupdict()
        try:
            number = parse_number(groups["value"] or "")
        except ValueError as error:
            raise RunError(
                f"{groups['value']!r} in the line {line[:120]!r} is not a number"
            ) from error
        _require_whole(line, match)
        yield PrintedNumber(
            value=number.value, half_digit=number.half_digit, step=integer(groups.get("step"))
        )


_GOES_ON = re.compile(r"\d|\.\d|[eE][-+]?\d")
_THOUSANDS = re.compile(r",\d{3}(?!\d)")
_BEGINS_BEFORE = re.compile(r"(^|[\s=:(\[])-$|\d\.?$")


def _require_whole(line: str, match: re.Match[str]) -> None:
    """Raise RunError where a pattern reads a part of a number, such as 9.0 of 9.0e-05."""
    start, end = match.span("value")
    has_thousands = "." not in match["value"] and _THOUSANDS.match(line, end)
    if has_thousands or _GOES_ON.match(line, end) or _BEGINS_BEFORE.search(line[:start]):
        raise RunError(
            f"the pattern reads {match['value']!r}, a part of a number in the line {line[:120]!r}",
            hint=r"such as (?P<value>[-+]?[\d.]+(?:[eE][-+]?\d+)?)",
        )


def _load_json(path: Path) -> Any:
    content = read_file_text(path)
    try:
        return json.loads(content, parse_float=json_float, parse_constant=json_float)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path.name} is not JSON: {error}") from error


def _json_points(path: Path, reader: JsonReader) -> Iterator[PrintedNumber]:
    try:
        documents = [_load_json(path)]
    except RunError:
        lines = [line for line in read_file_text(path).splitlines() if line.strip()]
        try:
            documents = [
                json.loads(line, parse_float=json_float, parse_constant=json_float)
                for line in lines
            ]
        except (ValueError, RecursionError) as error:
            raise RunError(
                f"{path.name} is neither JSON nor one JSON object a line: {error}"
            ) from error
    for document in documents:
        for item in document if isinstance(document, list) else [document]:
            raw = _look_up(item, reader.key)
            value = _as_point(raw)
            if value is not None:
                step = integer(_look_up(item, reader.step_key)) if reader.step_key else None
                yield PrintedNumber(value=value.value, half_digit=value.half_digit, step=step)
            elif raw is not None:
                raise RunError(
                    f"{path.name} has {_shown(raw)} under {reader.key!r}, which is not a number"
                )


def _shown(value: Any) -> str:
    """Return a value of a JSON document in a few characters."""
    text = repr(value.value if isinstance(value, PrintedNumber) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _look_up(document: Any, key: str) -> Any:
    """Return the value under a dotted path.

    A key that has dots itself goes before a path of shorter ones.
    """
    if isinstance(document, dict):
        parts = key.split(".")
        for count in range(len(parts), 0, -1):
            name, remainder = ".".join(parts[:count]), ".".join(parts[count:])
            if name in document:
                value = _look_up(document[name], remainder) if remainder else document[name]
                if value is not None:
                    return value
        return None
    first, _, remainder = key.partition(".")
    if (
        isinstance(document, list)
        and re.fullmatch(r"-?\d+", first)
        and -len(document) <= int(first) < len(document)
    ):
        return _look_up(document[int(first)], remainder) if remainder else document[int(first)]
    return None


def _as_point(value: Any) -> PrintedNumber | None:
    """Return a number, or one that was written as text; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        # Too large a number is infinite, not an OverflowError.
        return PrintedNumber(value=float(str(value)))
    if isinstance(value, str):
        try:
            return parse_number(value)
        except ValueError:
            return None
    return value if isinstance(value, PrintedNumber) else None


def _describe(reader: Reader) -> str:
    if isinstance(reader, StdoutReader):
        return f"stdout with {reader.stdout!r}"
    if isinstance(reader, StderrReader):
        return f"stderr with {reader.stderr!r}"
    if isinstance(reader, JsonReader):
        return f"{reader.json_file} under {reader.key!r}"
    if isinstance(reader, CsvReader):
        return f"{reader.csv} in column {reader.column!r}"
    if isinstance(reader, TensorboardReader):
        return f"the event files of {reader.tensorboard} with tag {reader.tag!r}"
    assert isinstance(reader, TrainerStateReader)
    return f"log_history of {reader.trainer_state} under {reader.key!r}"
