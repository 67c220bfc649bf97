"""Read the rows of a table, CSV, JSON lines, or Parquet where pyarrow is installed, and cells."""

import csv
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scaffold.errors import UsageError

_BATCH_CELLS = 100_000
_MOST_CELL_CHARACTERS = 10_000_000


def table_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield each row by the names of its columns; of a CSV file all values are texts.

    Raises:
        UsageError: the file cannot be read, or pyarrow is needed and not installed.
    """
    try:
        if path.suffix.lower() == ".parquet":
            yield from _parquet_rows(path)
        elif path.suffix.lower() in (".jsonl", ".ndjson"):
            yield from _json_rows(path)
        else:
            yield from _separated_rows(path)
    except (OSError, ValueError, csv.Error, RecursionError) as error:  # pyarrow: a ValueError
        raise UsageError(f"cannot read {path}: {error}") from error


def _separated_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    limit = csv.field_size_limit(min(_MOST_CELL_CHARACTERS, sys.maxsize))
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # Excel writes a mark first
            head = file.readline()
            file.seek(0)
            is_tabbed = path.suffix.lower() == ".tsv"
            # Where a comma is in numbers, a spreadsheet writes semicolons.
            delimiter = "\t" if is_tabbed else max(",;", key=head.count)
            for row in csv.DictReader(file, delimiter=delimiter):
                yield row if delimiter != ";" else {k: _with_point(v) for k, v in row.items()}
    finally:
        csv.field_size_limit(limit)  # it is the whole process's


def _with_point(cell: Any) -> Any:
    """Return a cell, with a decimal point if it is a number with a decimal comma."""
    is_number = isinstance(cell, str) and re.fullmatch(r"[-+]?\d+,\d+([eE][-+]?\d+)?", cell)
    return cell.replace(",", ".") if is_number else cell


def _json_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise UsageError(f"{path}:{number}: no object with a value for each column")
                yield row


def _parquet_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise UsageError(
            f"{path} is Parquet, and pyarrow is not installed", hint="pip install pyarrow"
        ) from error
    table = parquet.ParquetFile(path)
    rows = max(_BATCH_CELLS // max(table.metadata.num_columns, 1), 1)
    for batch in table.iter_batches(batch_size=rows):
        yield from batch.to_pylist()


def plain_label(value: Any) -> str:
    """Return a class as text: 3, 3.0 and 3e0 are one, as are True and 1."""
    text = str(int(value) if isinstance(value, bool) else value).strip()
    try:
        number = float(text)
    except ValueError:
        return text
    # A long number is a name, and loses digits as a float.
    is_short = number.is_integer() and abs(number) < 2**53
    return str(int(number)) if is_short else text


def as_numbers(label: Any, prediction: Any) -> tuple[float, float] | None:
    """Return both as numbers; None if one is none."""
    try:
        return float(label), float(prediction)
    except (TypeError, ValueError, OverflowError):
        return None
