"""Read the examples of a dataset: the rows of a table, or the files of a folder."""

import hashlib
import math
import os
import sys
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaffold.datasets.tables import table_rows
from scaffold.datasets.times import read_times
from scaffold.errors import UsageError
from scaffold.project.digests import file_digest

_MOST_PROBLEMS = 5

_WITH_NULLS = (".parquet", ".jsonl", ".ndjson")
"""Tables whose cells may be missing; in a CSV file a cell may be empty, not missing."""

Column = Sequence[Hashable] | NDArray[np.float64]
"""Values by example; an array where all of them are numbers, NaN where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Which columns mean what; None where there is none."""

    id: str | None = None
    label: str | None = None
    group: str | None = None
    time: str | None = None
    split: str | None = None

    def named(self) -> dict[str, str]:
        """Return the columns by role."""
        names = ("id", "label", "group", "time", "split")
        return {name: column for name in names if (column := getattr(self, name)) is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """What is known of each example, by its number.

    Attributes:
        path: the table or the folder.
        ids: unique.
        columns: features: neither ids nor labels, groups, times or splits.
        contents: a digest of all features of an example.
        labels: None where none were named; as `groups`, `times` and `splits`.
        files: of each example, where it is one.
    """

    path: Path
    sha256: str
    ids: Sequence[str]
    columns: Mapping[str, Column]
    contents: Sequence[bytes]
    labels: Column | None = None
    groups: Sequence[Hashable] | None = None
    times: Sequence[float] | None = None
    splits: Sequence[str] | None = None
    files: Sequence[Path] | None = None


def read_examples(path: Path, roles: Roles) -> Examples:
    """Read a table, or a folder whose files are examples and whose subfolders are labels.

    Raises:
        UsageError: it cannot be read, has no such column, an id twice, or a time that is none; the
            first few problems of all.
    """
    if path.is_dir():
        return _read_folder(path, roles)
    if not path.is_file():
        raise UsageError(f"there is no file or folder {path}")
    table = _Table(path, roles)
    for number, row in enumerate(table_rows(path), start=1):
        table.add(number, row)
    return table.examples()


@dataclass(slots=True)
class _Table:
    path: Path
    roles: Roles
    raw: dict[str, list[Hashable]] = field(default_factory=dict)
    contents: list[bytes] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    features: list[str] = field(default_factory=list)

    def add(self, number: int, row: Mapping[str, Any]) -> None:
        """Take in one row."""
        if number == 1:
            self._check_columns(list(row))
        if len(self.problems) >= _MOST_PROBLEMS:
            return
        is_ragged = None in row or any(row.get(name) is None for name in self.raw)
        if is_ragged and self.path.suffix.lower() not in _WITH_NULLS:
            self.problems.append(f"{self.path}:{number + 1}: not as many cells as columns")
            return
        cells = {name: _cell(row.get(name)) for name in self.raw}
        for name, cell in cells.items():
            self.raw[name].append(cell)
        features = "\0".join(f"{type(cells[name]).__name__}{cells[name]}" for name in self.features)
        self.contents.append(hashlib.blake2b(features.encode(), digest_size=16).digest())

    def _check_columns(self, names: Sequence[str]) -> None:
        named = self.roles.named()
        for role, column in named.items():
            if column not in names:
                raise UsageError(
                    f"{self.path} has no column {column!r} for the {role}",
                    hint=f"there are: {', '.join(map(str, names))}",
                )
        self.raw = {name: [] for name in names if name is not None}
        self.features = [name for name in self.raw if name not in named.values()]
        if not self.features:
            raise UsageError(f"{self.path} has no columns but {', '.join(named.values())}")

    def examples(self) -> Examples:
        """Return what was read."""
        if not self.contents and not self.problems:
            raise UsageError(f"{self.path} has no rows")
        roles, raw, n = self.roles, self.raw, len(self.contents)
        ids = (
            [str(value) for value in raw[roles.id]]
            if roles.id
            else [str(row + 1) for row in range(n)]
        )
        self.problems += _id_problems(self.path, ids)
        times = None
        if roles.time:
            times, reasons = read_times(raw[roles.time])
            problems = [f"{self.path}:{place + 2}: {reason}" for place, reason in reasons]
            self.problems += problems
        if self.problems:
            lines = "\n  ".join(self.problems[:_MOST_PROBLEMS])
            raise UsageError(f"{self.path} cannot be used:\n  {lines}")
        return Examples(
            path=self.path,
            sha256=file_digest(self.path),
            ids=ids,
            columns={name: as_numbers(raw[name]) for name in self.features},
            contents=self.contents,
            labels=as_numbers(raw[roles.label], classes=True) if roles.label else None,
            groups=raw[roles.group] if roles.group else None,
            times=times,
            splits=[str(value) for value in raw[roles.split]] if roles.split else None,
        )


def _cell(value: Any) -> Hashable:
    """Return a cell that can be compared; equal texts are one object, which saves memory."""
    if isinstance(value, str):
        text = value.strip()
        return sys.intern(text) if len(text) < 40 else text
    if value is None:
        return ""
    return value if isinstance(value, (int, float, bool)) else str(value)


_MOST_CLASSES = 100


def as_numbers(column: Sequence[Hashable], *, classes: bool = False) -> Column:
    """Return a column as an array where its values are numbers; of `classes` only where many are.

    Labels that are few different integers are classes.
    """
    try:
        numbers = np.array([math.nan if value == "" else float(value) for value in column])  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return column
    if classes:
        distinct = np.unique(numbers[~np.isnan(numbers)])
        if len(distinct) <= _MOST_CLASSES and np.all(distinct == np.round(distinct)):
            return column
    return numbers


def _id_problems(path: Path, ids: Sequence[str]) -> Iterator[str]:
    seen: dict[str, int] = {}
    for row, one in enumerate(ids, start=2):
        if len(one.splitlines()) != 1:  # as lists of ids are read: U+2028 ends a line, too
            yield f"{path}:{row}: an id is empty, or has more than one line"
        elif one in seen:
            yield f"{path}:{row}: id {one!r} is also in line {seen[one]}"
        seen.setdefault(one, row)


def _read_folder(folder: Path, roles: Roles) -> Examples:
    """Read files as examples; their first folder is their label."""
    if roles.named():
        raise UsageError(
            f"{folder} is a folder: its files are examples, and their folders the labels",
            hint="leave out --id, --label, --group, --time, or give a table",
        )
    files = sorted(_files(folder))
    if not files:
        raise UsageError(f"{folder} has no files")
    broken = [name for name in files if len(name.splitlines()) != 1]
    if broken:
        raise UsageError(f"{folder}: the name {broken[0]!r} has more than one line: rename it")
    digests = [file_digest(folder / name) for name in files]
    lines = "".join(f"{sha}  {name}\n" for sha, name in zip(digests, files, strict=True))
    labels = [name.split("/")[0] for name in files]
    has_labels = all("/" in name for name in files)
    return Examples(
        path=folder,
        sha256=hashlib.sha256(lines.encode()).hexdigest(),
        ids=files,
        columns={},
        contents=[bytes.fromhex(sha) for sha in digests],
        labels=labels if has_labels else None,
        files=[folder / name for name in files],
    )


def join_examples(parts: Mapping[str, Examples]) -> tuple[Examples, dict[str, list[int]]]:
    """Return the examples of several splits as one, with the rows of each.

    Raises:
        UsageError: they have other columns.
    """
    first = next(iter(parts.values()))
    for part in parts.values():
        differing = set(part.columns) ^ set(first.columns)
        if differing or (part.files is None) != (first.files is None):
            raise UsageError(
                f"{part.path} and {first.path} have other columns"
                + (f": {', '.join(sorted(differing))}" if differing else "")
            )
    rows: dict[str, list[int]] = {}
    start = 0
    for name, part in parts.items():
        rows[name] = list(range(start, start + len(part.ids)))
        start += len(part.ids)
    joined = [one for part in parts.values() for one in part.contents]
    return replace(
        first,
        ids=[f"{part.path}:{one}" for part in parts.values() for one in part.ids],
        columns={
            name: _joined([part.columns[name] for part in parts.values()]) for name in first.columns
        },
        contents=joined,
        labels=_joined_if_all([part.labels for part in parts.values()]),
        groups=_joined_if_all([part.groups for part in parts.values()]),
        times=_joined_if_all([part.times for part in parts.values()]),
        splits=None,
        files=_joined_if_all([part.files for part in parts.values()]),
    ), rows


def _joined(columns: Sequence[Column]) -> Column:
    if all(isinstance(column, np.ndarray) for column in columns):
        return np.concatenate([np.asarray(column) for column in columns])
    return [value for column in columns for value in list(column)]


def _joined_if_all(columns: Sequence[Any]) -> Any:
    return None if any(column is None for column in columns) else _joined(columns)


def _files(folder: Path) -> Iterator[str]:
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        for name in names:
            path = Path(base, name)
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield path.relative_to(folder).as_posix()
