"""Write a copy of a table with corrected labels."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaffold.datasets.examples import Roles
from scaffold.datasets.tables import plain_label, table_rows
from scaffold.errors import UsageError
from scaffold.project.files import write_text

_MOST_PROBLEMS = 5
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Correction:
    """A label that a person corrected, and what it was."""

    before: str
    after: str


def write_corrected(
    source: Path, roles: Roles, corrections: Mapping[str, Correction], output: Path
) -> int:
    """Write the table with its labels corrected, and return how many there are.

    Args:
        source: CSV, TSV or JSON lines.
        roles: the columns of ids, row numbers from 1 where there is none, and of labels.
        corrections: by id; all must be in the table, with the label that they had.
        output: of the same kind; must not exist.

    Raises:
        UsageError: the table or a correction cannot be used; nothing is written.
    """
    if output.exists():
        raise UsageError(f"{output} is there already", hint="name another file with -o")
    kind = source.suffix.lower()
    if kind not in _WRITERS or output.suffix.lower() != kind:
        raise UsageError(
            f"cannot write {output} from {source}: only CSV, TSV and JSON lines, each as itself",
            hint="errors/SPLIT.csv has the corrections: id and correct_label",
        )
    rows = [dict(row) for row in table_rows(source)]
    problems: list[str] = []
    pending = dict(corrections)
    for number, row in enumerate(rows, start=1):
        missing = [name for name in (roles.id, roles.label) if name and name not in row]
        if missing:
            raise UsageError(
                f"{source} has no column {missing[0]!r}: there are {', '.join(map(str, row))}"
            )
        name = str(row[roles.id]) if roles.id else str(number)
        correction = pending.pop(name, None)
        if correction is None:
            continue
        label = row[roles.label or ""]
        if plain_label(label) != correction.before:
            problems.append(f"id {name!r} has label {label!r}, not {correction.before!r}")
        row[roles.label or ""] = _like(label, correction.after)
    problems += [f"id {name!r} is not in it" for name in pending]
    if problems:
        few = "\n  ".join(problems[:_MOST_PROBLEMS])
        raise UsageError(
            f"{source} is not the data that the predictions are of:\n  {few}",
            hint="name the column of ids with --id, that of labels with --label",
        )
    text = _WRITERS[kind](rows)
    with source.open("rb") as file:
        ends_as_windows = file.readline().endswith(b"\r\n")
    write_text(output, text.replace("\n", "\r\n") if ends_as_windows else text)
    return len(corrections)


def _like(before: Any, after: str) -> Any:
    """Return a label of the type that it had; in a CSV file all are texts."""
    if isinstance(before, bool) or not isinstance(before, (int, float)):
        return after
    try:
        return type(before)(after)
    except ValueError:
        return after


def _separated(rows: Rows, delimiter: str) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _json_lines(rows: Rows) -> str:
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


_WRITERS: Mapping[str, Callable[[Rows], str]] = {
    ".csv": lambda rows: _separated(rows, ","),
    ".tsv": lambda rows: _separated(rows, "\t"),
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
}
