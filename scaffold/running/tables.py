"""Read metrics from CSV files."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scaffold.errors import RunError
from scaffold.records.metric import (
    CsvReader,
)
from scaffold.running.points import PrintedNumber, integer, parse_number, read_file_text

_DELIMITERS = (",", ";", "\t", "|")


def csv_points(path: Path, reader: CsvReader) -> Iterator[PrintedNumber]:
    """Yield the numbers of a column, in a file as loggers leave it.

    A comment before the header, a byte order mark, tabs, semicolons with decimal commas, and a
    header again after a resume, with its columns in another order, are read. A row that does not
    fit its header is refused.
    """
    rows: _Rows | None = None
    columns = [reader.column, *([reader.step_column] if reader.step_column else [])]
    for number, line in enumerate(io.StringIO(read_file_text(path), newline=None), start=1):
        text = line.rstrip("\r\n")
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        if rows is None or reader.column in rows.split(text):
            header = _Rows.of(text, reader.column)
            header.require(path.name, number, columns)
            rows = header
            continue
        cells = rows.split(text)
        if len(cells) != len(rows.header):
            counts = f"has {len(cells)} cells, its header {len(rows.header)} columns"
            raise RunError(f"{path.name} line {number} {counts}: {text[:80]!r}")
        row = dict(zip(rows.header, cells, strict=True))
        if row[reader.column]:  # loggers leave a cell empty at steps without this metric
            try:
                point = parse_number(rows.with_point(row[reader.column]))
            except ValueError as error:
                raise RunError(
                    f"{path.name} line {number}: {row[reader.column]!r} is not a number"
                ) from error
            step = integer(rows.with_point(row[reader.step_column])) if reader.step_column else None
            yield PrintedNumber(value=point.value, half_digit=point.half_digit, step=step)


@dataclass(frozen=True, slots=True)
class _Rows:
    """How the rows after a header are read."""

    delimiter: str
    header: tuple[str, ...]

    @classmethod
    def of(cls, text: str, column: str) -> "_Rows":
        """Return how a header is split: by what yields the wanted column, else by commas."""
        candidates = [cls(delimiter, tuple(_cells(text, delimiter))) for delimiter in _DELIMITERS]
        return next(
            (rows for rows in candidates if column in rows.header),
            max(candidates, key=lambda rows: len(rows.header)),
        )

    def split(self, text: str) -> list[str]:
        """Return the cells of a row."""
        return _cells(text, self.delimiter)

    def with_point(self, text: str) -> str:
        """Return a number with a decimal point, where commas may be decimal ones."""
        is_decimal = self.delimiter != "," and text.count(",") == 1 and "." not in text
        return text.replace(",", ".") if is_decimal else text

    def require(self, name: str, number: int, columns: Sequence[str]) -> None:
        """Raise RunError unless each wanted column is there once."""
        for column in columns:
            count = self.header.count(column)
            if count == 0:
                listed = ", ".join(self.header)
                raise RunError(f"{name} has no column {column!r}, but {listed}")
            if count > 1:
                raise RunError(
                    f"{name} line {number} names the column {column!r} {count} times: which one is"
                    " meant?"
                )


def _cells(text: str, delimiter: str) -> list[str]:
    try:
        cells = next(csv.reader([text], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error as error:
        raise RunError(f"{text[:80]!r} is not CSV: {error}") from error
    return [cell.strip() for cell in cells]
