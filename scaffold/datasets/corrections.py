"""Write a copy of a table with corrected labels; not a byte of anything else changes."""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from scaffold.datasets.examples import Roles
from scaffold.datasets.tables import plain_label
from scaffold.errors import UsageError
from scaffold.project.files import write_bytes

_MOST_PROBLEMS = 5
_BYTE_ORDER_MARK = "\ufeff"

_BOOLEANS = ("false", "true")


@dataclass(frozen=True, slots=True)
class Correction:
    """A label that a person corrected, and what it was."""

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class _Line:
    """A row as it is written: its number, its id, its label, and both sides of that in the text."""

    number: int
    id: str
    label: str
    before: str
    written: str
    after: str
    is_json: bool = False

    def rewritten(self, label: str) -> str:
        """Return another label as this one is written: quoted, or not."""
        is_quoted = self.written.startswith('"')
        if self.is_json and self.written in _BOOLEANS and label in ("0", "1"):
            return _BOOLEANS[int(label)]
        if self.is_json:
            return label if not is_quoted and _is_json(label) else json.dumps(label)
        needs_quotes = is_quoted or re.search(r'[,;\t"\r\n]', label)
        return '"' + label.replace('"', '""') + '"' if needs_quotes else label


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def write_corrected(
    source: Path, roles: Roles, corrections: Mapping[str, Correction], output: Path
) -> int:
    """Write the table with its labels corrected, and return how many there are.

    Args:
        source: CSV with commas or semicolons, TSV, or JSON lines; UTF-8.
        roles: the columns of ids, row numbers from 1 where there is none, and of labels.
        corrections: by id; all must be in the table once, with the label that they had.
        output: must not exist.

    Raises:
        UsageError: the table or a correction cannot be used; nothing is written.
    """
    if output.exists():
        raise UsageError(f"{output} is there already", hint="name another file with -o")
    read = _json_lines if source.suffix.lower() in (".jsonl", ".ndjson") else _separated
    if source.suffix.lower() == ".parquet":
        raise UsageError(
            f"{source} is Parquet: only CSV, TSV and JSON lines are corrected",
            hint="the sheets have the corrections: id and correct_label",
        )
    try:
        text = source.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {source}: {error}", hint="it must be UTF-8") from error
    parts: list[str] = []
    problems: list[str] = []
    consumed = 0
    corrected: set[str] = set()
    for line in read(source, text, roles):
        correction = corrections.get(line.id)
        written = line.written
        if correction is not None:
            if line.id in corrected:
                problems.append(f"{source}:{line.number}: id {line.id!r} is there twice")
            if plain_label(line.label) != correction.before:
                was = f"has label {line.label!r}, not {correction.before!r}"
                problems.append(f"{source}:{line.number}: id {line.id!r} {was}")
            corrected.add(line.id)
            written = line.rewritten(correction.after)
        parts += [line.before, written, line.after]
        consumed += len(line.before) + len(line.written) + len(line.after)
    problems += [
        f"{source}: id {one!r} is not in it" for one in corrections if one not in corrected
    ]
    if problems:
        few = "\n  ".join(problems[:_MOST_PROBLEMS])
        raise UsageError(
            f"{source} is not the data that the predictions are of:\n  {few}",
            hint="name the column of ids with --id, that of labels with --label",
        )
    parts.append(text[consumed:])  # blank lines at the end
    write_bytes(output, "".join(parts).encode())
    return len(corrections)


def _separated(source: Path, text: str, roles: Roles) -> Iterator[_Line]:
    """Yield the rows of a CSV or TSV file; what is before the first one belongs to it."""
    lines = [line for line in re.split(r"(?<=\n)", text) if line]
    header_text = lines[0].removeprefix(_BYTE_ORDER_MARK) if lines else ""
    is_tabbed = source.suffix.lower() == ".tsv"
    delimiter = "\t" if is_tabbed else max(",;", key=header_text.count)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        header = [name.removeprefix(_BYTE_ORDER_MARK) for name in next(reader, [])]
        places = [_place(source, header, name) for name in (roles.id, roles.label or "label")]
        pending, end, number = "".join(lines[: reader.line_num]), reader.line_num, 0
        for cells in reader:
            record = "".join(lines[end : reader.line_num])
            first, end = end + 1, reader.line_num
            if not cells:
                pending += record
                continue
            number += 1
            if len(cells) != len(header):
                raise UsageError(f"{source}:{first}: not as many cells as columns")
            start, stop = _span(record, delimiter, places[1] or 0)
            yield _Line(
                number=first,
                id=str(number) if places[0] is None else cells[places[0]],
                label=cells[places[1] or 0],
                before=pending + record[:start],
                written=record[start:stop],
                after=record[stop:],
            )
            pending = ""
    except csv.Error as error:
        raise UsageError(f"{source}:{reader.line_num}: {error}") from error


def _place(source: Path, header: list[str], name: str | None) -> int | None:
    if name is None:
        return None
    if header.count(name) != 1:
        many = "no column" if name not in header else "more than one column"
        raise UsageError(f"{source} has {many} {name!r}: there are {', '.join(header)}")
    return header.index(name)


def _span(record: str, delimiter: str, column: int) -> tuple[int, int]:
    """Return where a cell of a record stands in its text, its quotes included."""
    start, seen, is_quoted = 0, 0, False
    for place, character in enumerate(record):
        # Anywhere else than at a cell's start a quote is a character like any other: 6'2".
        if character == '"' and (is_quoted or place == start):
            is_quoted = not is_quoted
        elif not is_quoted and character in f"{delimiter}\r\n":
            if seen == column or character != delimiter:
                return start, place
            start, seen = place + 1, seen + 1
    return start, len(record)


def _json_lines(source: Path, text: str, roles: Roles) -> Iterator[_Line]:
    """Yield the rows of JSON lines; blank lines belong to the next one."""
    label = roles.label or "label"
    key = re.compile(rf'{re.escape(json.dumps(label))}\s*:\s*("(?:[^"\\]|\\.)*"|[^\s,}}\]]+)')
    pending, number = "", 0
    for first, line in enumerate(re.split(r"(?<=\n)", text), start=1):
        if not line.removeprefix(_BYTE_ORDER_MARK).strip():
            pending += line
            continue
        number += 1
        try:
            row = json.loads(line.removeprefix(_BYTE_ORDER_MARK))
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{source}:{first}: {error}") from error
        missing = [
            name
            for name in (roles.id, label)
            if name and not (isinstance(row, dict) and name in row)
        ]
        if missing:
            raise UsageError(f"{source}:{first}: has no {missing[0]!r}")
        matches = list(key.finditer(line))
        if len(matches) != 1 or isinstance(row[label], (dict, list)):
            raise UsageError(
                f"{source}:{first}: {label!r} is there more than once, or no one value"
            )
        start, stop = matches[0].span(1)
        yield _Line(
            number=first,
            id=str(row[roles.id]) if roles.id else str(number),
            label=plain_label(row[label]),
            before=pending + line[:start],
            written=line[start:stop],
            after=line[stop:],
            is_json=True,
        )
        pending = ""
