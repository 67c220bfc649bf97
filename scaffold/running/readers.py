"""Reads metrics from what a run left: streams, JSON, CSV, TensorBoard events, trainer_state.json.

Each reader gives points in the order written; `select` takes the one that the recipe means. A number counts only if
it is finite and within the range of its unit.
"""

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaffold.errors import RunError
from scaffold.records.evidence import MetricValue
from scaffold.records.metric import (
    AtStep,
    CsvReader,
    JsonReader,
    Metric,
    Nth,
    Reader,
    StderrReader,
    StdoutReader,
    TensorboardReader,
    TrainerStateReader,
)
from scaffold.running import tensorboard_events
from scaffold.running.outputs import find_output, open_output, read_output

MAX_LINE_CHARACTERS = 65536
"""Longer lines are no metric lines: a pattern is not tried on them, so that it cannot hang on a dump."""

_RANGES = {"fraction": 1.0, "percent": 100.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One number as it was printed. `half_digit` is half a unit of its last digit, 0.0 for full precision."""

    value: float
    half_digit: float = 0.0
    step: int | None = None


def read_metric(metric: Metric, logs: Path, tree: Path) -> tuple[MetricValue, list[Point]]:
    """Read one metric of a run that ended well.

    Args:
        metric: what to read.
        logs: folder with `NAME.out` and `NAME.err` for each step of the run, in order of their names' numbers.
        tree: the run's copy of the reference.

    Returns:
        the selected value and all points, both in the metric's unit.

    Raises:
        RunError: it is not there, not finite, or outside the range of its unit.
    """
    scale = metric.scale
    points = [
        Point(value=point.value * scale, half_digit=point.half_digit * scale, step=point.step)
        for point in read_points(metric.read, logs, tree)
    ]
    if not points:
        raise RunError(f"metric {metric.name}: nothing found in {_describe(metric.read)}")
    chosen = select(metric, points)
    if not math.isfinite(chosen.value):
        raise RunError(f"metric {metric.name} is {chosen.value}")
    limit = _RANGES.get(metric.unit)
    if limit is not None and not -1e-9 <= chosen.value <= limit * (1 + 1e-9):
        other = "percent" if metric.unit == "fraction" else "fraction"
        raise RunError(
            f"metric {metric.name}: read {chosen.value / scale:g}, but its unit {metric.unit} ends at {limit:g}",
            hint=f"if it is printed as a {other}, say `printed_in: {other}`",
        )
    return MetricValue(value=chosen.value, half_digit=chosen.half_digit, step=chosen.step), points


def select(metric: Metric, points: Sequence[Point]) -> Point:
    """The point that `take` means; where two are equally good, the earlier one."""
    take = metric.take
    if take == "first":
        return points[0]
    if take == "last":
        return points[-1]
    if isinstance(take, Nth):
        if take.nth > len(points):
            raise RunError(f"metric {metric.name}: occurrence {take.nth} wanted, {len(points)} found")
        return points[take.nth - 1]
    if isinstance(take, AtStep):
        at_step = [point for point in points if point.step == take.step]
        if not at_step:
            steps = [point.step for point in points if point.step is not None]
            found = f"steps {min(steps)} to {max(steps)} found" if steps else "no steps found"
            raise RunError(f"metric {metric.name}: step {take.step} wanted, {found}")
        return at_step[-1]
    unusable = next((point for point in points if math.isnan(point.value)), None)
    if unusable is not None:
        return unusable
    return (max if take == "max" else min)(points, key=lambda point: point.value)


def read_points(reader: Reader, logs: Path, tree: Path) -> list[Point]:
    """All points that a reader finds, as printed."""
    if isinstance(reader, (StdoutReader, StderrReader)):
        suffix, pattern = (".out", reader.stdout) if isinstance(reader, StdoutReader) else (".err", reader.stderr)
        compiled = re.compile(pattern)
        return [
            point
            for log in sorted(logs.glob(f"*{suffix}"))
            for line in read_lines(log)
            for point in _match(compiled, line)
        ]
    if isinstance(reader, JsonReader):
        return list(_json_points(find_output(tree, reader.json_file), reader))
    if isinstance(reader, CsvReader):
        return list(_csv_points(find_output(tree, reader.csv), reader))
    if isinstance(reader, TensorboardReader):
        return [
            Point(value=value, step=step)
            for step, value in tensorboard_events.read_scalars(find_output(tree, reader.tensorboard), reader.tag)
        ]
    state = _load_json(find_output(tree, reader.trainer_state))
    history = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(history, list):
        raise RunError(f"{reader.trainer_state} has no list log_history")
    entries = [(entry, _as_point(entry.get(reader.key))) for entry in history if isinstance(entry, dict)]
    return [
        Point(value=point.value, half_digit=point.half_digit, step=_integer(entry.get("step")))
        for entry, point in entries
        if point is not None
    ]


def read_lines(log: Path) -> Iterator[str]:
    """Lines of a log; a progress line that ends in a carriage return is a line too."""
    with log.open(encoding="utf-8", errors="replace", newline=None) as file:  # newline=None: \n, \r\n and \r end lines
        while line := file.readline(MAX_LINE_CHARACTERS):
            if len(line) < MAX_LINE_CHARACTERS:
                yield line.rstrip("\n")
            else:
                while line and not line.endswith("\n"):
                    line = file.readline(MAX_LINE_CHARACTERS)


def parse_number(text: str) -> Point:
    """A printed number with the half unit of its last digit; raises ValueError if it is none."""
    plain = text.strip().replace(",", "") if re.fullmatch(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?", text.strip()) else text
    value = float(plain)
    mantissa, _, exponent = plain.strip().lower().partition("e")
    digits = mantissa.partition(".")[2]
    if not math.isfinite(value) or len(mantissa.replace(".", "").lstrip("+-0")) >= 12:
        return Point(value=value)  # twelve significant digits and more are full precision, not rounding
    half_digit = float(f"5e{int(exponent or 0) - len(digits) - 1}")
    if not math.isfinite(half_digit):
        raise ValueError(f"{plain[:40]!r} is written in no sensible way")
    return Point(value=value, half_digit=half_digit)


def _match(pattern: re.Pattern[str], line: str) -> Iterator[Point]:
    for match in pattern.finditer(line):
        groups = match.groupdict()
        try:
            number = parse_number(groups["value"] or "")
        except ValueError as error:
            raise RunError(f"{groups['value']!r} in the line {line[:120]!r} is no number") from error
        yield Point(value=number.value, half_digit=number.half_digit, step=_integer(groups.get("step")))


def _integer(text: Any) -> int | None:
    try:
        return int(float(str(text.value if isinstance(text, Point) else text).replace(",", "")))
    except (ValueError, OverflowError):
        return None


def _json_float(text: str) -> Point:
    return Point(value=float(text))  # full precision: a short number in JSON is one that happens to be round


def _load_json(path: Path) -> Any:
    content = read_output(path)
    try:
        return json.loads(content.decode(), parse_float=_json_float, parse_constant=_json_float)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path.name} is not JSON: {error}") from error


def _json_points(path: Path, reader: JsonReader) -> Iterator[Point]:
    try:
        documents = [_load_json(path)]
    except RunError:
        lines = [line for line in read_output(path).decode(errors="replace").splitlines() if line.strip()]
        try:
            documents = [json.loads(line, parse_float=_json_float, parse_constant=_json_float) for line in lines]
        except (ValueError, RecursionError) as error:
            raise RunError(f"{path.name} is neither JSON nor one JSON object a line: {error}") from error
    for document in documents:
        for item in document if isinstance(document, list) else [document]:
            value = _as_point(_look_up(item, reader.key))
            if value is not None:
                step = _integer(_look_up(item, reader.step_key)) if reader.step_key else None
                yield Point(value=value.value, half_digit=value.half_digit, step=step)


def _look_up(document: Any, key: str) -> Any:
    for part in key.split("."):
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif (
            isinstance(document, list) and re.fullmatch(r"-?\d+", part) and -len(document) <= int(part) < len(document)
        ):
            document = document[int(part)]
        else:
            return None
    return document


def _as_point(value: Any) -> Point | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return Point(value=float(str(value)))  # too large a number is infinite, not an OverflowError
    return value if isinstance(value, Point) else None


def _csv_points(path: Path, reader: CsvReader) -> Iterator[Point]:
    with io.TextIOWrapper(open_output(path), encoding="utf-8", errors="replace", newline="") as file:
        rows = csv.DictReader(file, skipinitialspace=True)
        try:
            if reader.column not in (rows.fieldnames or ()):
                raise RunError(f"{path.name} has no column {reader.column!r}, but {', '.join(rows.fieldnames or ())}")
            for row in rows:
                if row[reader.column]:  # loggers leave a cell empty at steps without this metric
                    number = parse_number(row[reader.column])
                    step = _integer(row.get(reader.step_column)) if reader.step_column else None
                    yield Point(value=number.value, half_digit=number.half_digit, step=step)
        except ValueError as error:
            raise RunError(f"{path.name} line {rows.line_num}: {row[reader.column]!r} is no number") from error
        except csv.Error as error:
            raise RunError(f"{path.name} line {rows.line_num} is not CSV: {error}") from error


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
