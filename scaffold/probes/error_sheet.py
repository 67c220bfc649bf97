"""Write sheets of examples to look at, and read back what a person made of them.

A sheet is two files: SPLIT.yaml says which examples were drawn, SPLIT.csv is for the person.
"""

import csv
import io
import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import tee
from pathlib import Path
from typing import Any

from scaffold.datasets.corrections import Correction
from scaffold.datasets.tables import as_numbers, plain_label, table_rows
from scaffold.errors import ProjectError, UsageError
from scaffold.probes.predictions import (
    Predictions,
    class_shares,
    prediction_of,
    read_predictions,
)
from scaffold.probes.suspects import SuspectsError, find_suspects
from scaffold.project.digests import file_digest
from scaffold.project.files import read_text, write_text
from scaffold.project.project import load_yaml
from scaffold.records.error_sheet import ErrorSheet, SheetExample
from scaffold.records.yaml_text import dump_yaml
from scaffold.rules.loop.gaps import SPLITS, SplitError
from scaffold.rules.loop.tally import WRONG_LABEL, Reviewed, TagShare, draw_by_error, tally
from scaffold.rules.splits.names import HELD_OUT, split_named

_TO_FILL_IN = ("tags", "correct_label")
_OWN = ("id", "label", "prediction", "confidence", "label_confidence", "why", *_TO_FILL_IN)
_MOST_PROBLEMS = 5
_MOST_CLASSES = 1000
"""That a corrected label must be one of; of more it may be any."""

_SUSPECTS = 3
"""One in so many rows of a sheet is kept for suspects, where there are any."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is a formula to a spreadsheet: what a model said may be one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenSheet:
    """A sheet that was written; `problem` says why suspects were not looked for."""

    sheet: ErrorSheet
    path: Path
    problem: str


def write_sheet(predictions: Path, split: str, n: int, folder: Path) -> WrittenSheet:
    """Write a sheet of about n examples of a split.

    Most are drawn in proportion to their error, and stand in random order, so that whoever stops
    half-way has looked at a fair sample. After them come those whose label is doubted most.

    Raises:
        UsageError: the table cannot be used, the split has no errors, or its sheet has been filled
            in.
    """
    table = read_predictions(predictions, needed=(split,))
    error = _split_error(table, split)
    if error is None:
        raise UsageError(
            f"{predictions} has no rows of {split}", hint=f"there are: {', '.join(table.errors)}"
        )
    if not error.error:
        raise UsageError(f"{predictions}: no example of {split} is wrong: nothing to look at")
    path = folder / f"{split}.csv"
    _refuse_filled_in(path)
    suspects, problem = _suspects(predictions, split, error.n, of_classes=table.of_classes)
    examples: list[SheetExample] = []
    rows: list[Mapping[str, Any]] = []
    for drawn, is_suspect, row in _chosen(predictions, split, table, suspects, n):
        rows.append(row)
        texts = (str(row["id"]), str(row["label"]), str(prediction_of(row)))
        odd = next((one for one in texts if not one.isprintable()), None)
        if odd is not None:
            raise UsageError(
                f"{predictions}: {odd!r} is not an id, label or prediction on one line"
            )
        examples.append(
            SheetExample(
                id=str(row["id"]),
                label=plain_label(row["label"]),
                prediction=plain_label(prediction_of(row)),
                draws=drawn,
                suspect=is_suspect,
            )
        )
    sheet = ErrorSheet(
        split=split,
        predictions_sha256=file_digest(predictions),
        created=datetime.now(timezone.utc).isoformat(timespec="minutes"),
        of_classes=table.of_classes,
        n=error.n,
        error=error.error,
        classes=_classes(predictions, split) if table.of_classes else (),
        examples=tuple(examples),
    )
    # The record first: a sheet whose examples no record knows could not be read back.
    document = dump_yaml(sheet.model_dump(mode="json"))
    write_text(folder / f"{split}.yaml", document)
    write_text(path, _csv(rows, sheet))
    return WrittenSheet(sheet=sheet, path=path, problem=problem)


def _split_error(table: Predictions, split: str) -> SplitError | None:
    return table.held_out if split == HELD_OUT else table.errors.get(split)


def _suspects(
    predictions: Path, split: str, n: int, *, of_classes: bool
) -> tuple[Sequence[int], str]:
    """Return rows whose label is doubted, the most doubtful first; or why there are none."""
    if split == "train":
        return (), "the model has learned these labels, the wrong ones too"
    if not of_classes:
        return (), "the labels are numbers"
    try:
        return find_suspects(_rows(predictions, split), n), ""
    except SuspectsError as unable:
        return (), str(unable)


def _classes(predictions: Path, split: str) -> tuple[str, ...]:
    """Return the labels that there are and that the model knows; none where they are too many."""
    known: set[str] = set()
    for row in _rows(predictions, split):
        known |= {plain_label(row["label"]), plain_label(prediction_of(row))}
        known.update(map(plain_label, class_shares(row)))
        if len(known) > _MOST_CLASSES:
            return ()
    return tuple(sorted(known))


def _rows(predictions: Path, split: str) -> Iterator[Mapping[str, Any]]:
    return (row for row in table_rows(predictions) if split_named(row.get("split")) == split)


def _chosen(
    predictions: Path, split: str, table: Predictions, suspects: Sequence[int], n: int
) -> list[tuple[int, bool, Mapping[str, Any]]]:
    """Return draws, whether it is suspect, and the row of each example of a sheet, in its order."""
    error = _split_error(table, split)
    assert error is not None
    total = error.error * error.n
    draws = n - min(len(suspects), n // _SUSPECTS)
    if table.of_classes:
        draws = min(draws, round(total))
    order = random.Random(split)  # noqa: S311 - the same table gives the same sheet
    doubt = {row: rank for rank, row in enumerate(suspects)}
    drawn, doubted = [], {}
    rows, again = tee(_rows(predictions, split))  # in step: the file is read once
    errors = (_error(row, of_classes=table.of_classes) for row in again)
    times = draw_by_error(errors, total, draws, order.random())
    for number, (row, one) in enumerate(zip(rows, times, strict=True)):
        rank = doubt.get(number)
        if one:
            drawn.append((one, rank is not None, row))
        elif rank is not None and rank < n:
            doubted[rank] = (0, True, row)
    order.shuffle(drawn)
    return drawn + [doubted[rank] for rank in sorted(doubted)][: n - len(drawn)]


def _error(row: Mapping[str, Any], *, of_classes: bool) -> float:
    """Return 0 or 1 of a class, the squared error of a number."""
    label, prediction = row["label"], prediction_of(row)
    if of_classes:
        return float(plain_label(label) != plain_label(prediction))
    pair = as_numbers(label, prediction)
    assert pair is not None  # of all rows: read_predictions has read them
    return (pair[0] - pair[1]) ** 2


def _csv(rows: Sequence[Mapping[str, Any]], sheet: ErrorSheet) -> str:
    """Return what the person fills in, with whatever else the table says of each example."""
    others = [
        name
        for name in (rows[0] if rows else ())
        if name and name not in (*_OWN, "split") and not name.startswith("p_")
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_OWN[: -len(_TO_FILL_IN)], *map(_cell, others), *_TO_FILL_IN])
    for row, example in zip(rows, sheet.examples, strict=True):
        shares = {plain_label(name): share for name, share in class_shares(row).items()}
        says = [
            f"{shares[name]:.4g}" if name in shares else ""
            for name in (example.prediction, example.label)
        ]
        own = [example.id, example.label, example.prediction, *says, example.why]
        cells = [*own, *(row.get(name) for name in others), "", ""]
        writer.writerow(["" if cell is None else _cell(str(cell)) for cell in cells])
    return f"{_BYTE_ORDER_MARK}{text.getvalue()}"


_BYTE_ORDER_MARK = "\ufeff"
"""Excel reads UTF-8 only after it."""


def _cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula; a negative number is none."""
    is_number = as_numbers(text, 0) is not None
    return f"'{text}" if text.startswith(_FORMULA) and not is_number else text


def _plain_cell(text: str) -> str:
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def _refuse_filled_in(path: Path) -> None:
    """Raise UsageError if a person's work would be lost."""
    if not path.exists():
        return
    rows = [row for row in _sheet_rows(path) if any(row.values())]
    n = sum(bool(_tags(row) or row["correct_label"].strip()) for row in rows)
    if n:
        raise UsageError(
            f"{path}: {n} of its rows have been filled in, and would be lost",
            hint="scaffold errors tally, or write the new sheet elsewhere with -o",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSheet:
    """A sheet with what a person wrote into it.

    Attributes:
        reviewed: rows with a tag or a corrected label.
        shares: of the error, by tag.
        suspects_reviewed: of them, those whose label was doubted.
        suspects_wrong: of these, those whose label was corrected.
        tags: of the rows looked at, by id.
        corrections: the right label by id.
    """

    sheet: ErrorSheet
    reviewed: int
    shares: tuple[TagShare, ...]
    suspects_reviewed: int
    suspects_wrong: int
    tags: Mapping[str, Sequence[str]]
    corrections: Mapping[str, str]


def read_sheets(folder: Path) -> list[ReadSheet]:
    """Read the sheets of a folder, in the order of the splits.

    Raises:
        UsageError: there are none, or their rows cannot be used; the first few problems of each.
        BrokenFileError: a record of what was drawn was edited.
    """
    names = [name for name in (*SPLITS, HELD_OUT) if (folder / f"{name}.yaml").is_file()]
    if not names:
        raise UsageError(f"{folder} has no sheets", hint="scaffold errors sheet")
    return [_read_sheet(folder, name) for name in names]


def corrections_of(sheets: Sequence[ReadSheet]) -> dict[str, Correction]:
    """Return what was corrected, by id."""
    return {
        example.id: Correction(example.label, read.corrections[example.id])
        for read in sheets
        for example in read.sheet.examples
        if example.id in read.corrections
    }


def _read_sheet(folder: Path, split: str) -> ReadSheet:
    sheet = load_yaml(ErrorSheet, folder / f"{split}.yaml")
    path = folder / f"{split}.csv"
    examples = {example.id: example for example in sheet.examples}
    problems: list[str] = []
    seen: set[str] = set()
    reviewed: dict[str, set[str]] = {}
    corrections: dict[str, str] = {}
    for number, row in enumerate(_sheet_rows(path), start=2):
        if not any(row.values()):
            continue
        name = _plain_cell(row.get("id") or "")
        if name not in examples:
            problems.append(f"{path}:{number}: id {name!r} was not drawn: leave this column as is")
            continue
        if name in seen:
            problems.append(f"{path}:{number}: id {name!r} is there twice")
            continue
        seen.add(name)
        tags = _tags(row)
        correct = plain_label(_plain_cell(row["correct_label"].strip()))
        problem = _label_problem(sheet, correct) if correct else ""
        if problem:
            problems.append(f"{path}:{number}: correct_label {correct!r} {problem}")
            continue
        if tags or correct:
            reviewed[name] = tags
        if correct and not _is_same(sheet, correct, examples[name].label):
            corrections[name] = correct
            tags.add(WRONG_LABEL)
    if problems:
        few = "\n  ".join(problems[:_MOST_PROBLEMS])
        raise UsageError(f"a sheet that cannot be used:\n  {few}")
    suspects = [name for name in reviewed if examples[name].suspect]
    return ReadSheet(
        sheet=sheet,
        reviewed=len(reviewed),
        shares=tally(
            [
                Reviewed(draws=examples[name].draws, tags=tags)
                for name, tags in reviewed.items()
                if examples[name].draws
            ],
            sheet.error,
        ),
        suspects_reviewed=len(suspects),
        suspects_wrong=sum(name in corrections for name in suspects),
        tags={name: sorted(tags) for name, tags in reviewed.items()},
        corrections=corrections,
    )


def _tags(row: Mapping[str, str]) -> set[str]:
    """Return what a person tagged a row with, however they spaced and wrote it."""
    words = re.split(r"[;,\n\r]", row["tags"])
    return {" ".join(tag.split()).lower() for tag in words} - {""}


def _label_problem(sheet: ErrorSheet, label: str) -> str:
    """Return why a corrected label cannot be one."""
    if not sheet.of_classes:
        pair = as_numbers(label, 0)
        return "" if pair is not None and math.isfinite(pair[0]) else "is not a number"
    if sheet.classes and label not in sheet.classes:
        return f"is none of the classes {', '.join(sheet.classes[:10])}: write it into tags"
    return ""


def _is_same(sheet: ErrorSheet, label: str, other: str) -> bool:
    pair = None if sheet.of_classes else as_numbers(label, other)
    return label == other if pair is None else pair[0] == pair[1]


def _sheet_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a filled-in sheet: a spreadsheet may have written semicolons."""
    try:
        text = read_text(path).removeprefix(_BYTE_ORDER_MARK)
    except ProjectError as error:
        raise UsageError(error.message, hint="save it as CSV UTF-8") from error
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    try:
        rows = list(csv.DictReader(io.StringIO(text), delimiter=delimiter, restkey="", restval=""))
    except csv.Error as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    names = next(csv.reader([header], delimiter=delimiter), [])
    wrong = [name for name in ("id", *_TO_FILL_IN) if names.count(name) != 1]
    if wrong:
        many = "no column" if wrong[0] not in names else "more than one column"
        raise UsageError(f"{path}:1: has {many} {wrong[0]}")
    return rows
