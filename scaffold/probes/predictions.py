"""Read a table of predictions: the errors of each split, in one pass.

One row an example: `id`, `split`, `label`, and `prediction` or a column `p_CLASS` for each class.
CSV, or Parquet where pyarrow is installed.
"""

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scaffold.datasets.tables import as_numbers, plain_label, table_rows
from scaffold.errors import UsageError
from scaffold.rules.loop.gaps import SPLITS, SplitError
from scaffold.rules.splits.names import HELD_OUT, split_named

_MOST_PROBLEMS = 5
_FEWEST_NUMBERS = 10
"""Examples of a split whose errors are numbers: of fewer no interval can be believed."""

_MOST_CLASSES = 10_000
"""Whose labels are counted; more are numbers, or names."""

_LARGEST = 1e70
"""A difference whose square and its square can still be added."""


@dataclass(slots=True)
class _Sums:
    """What is remembered of a split: no example, so that a million rows take no more room."""

    n: int = 0
    wrong: int = 0
    mean: float = 0.0
    deviations: float = 0.0
    labels: Counter[str] = field(default_factory=Counter)
    label_mean: float = 0.0
    label_deviations: float = 0.0
    absolute: float = 0.0

    def add_label(self, label: float) -> None:
        """Take in a label that is a number."""
        before = label - self.label_mean
        self.label_mean += before / self.n
        self.label_deviations += before * (label - self.label_mean)

    def add_square(self, square: float) -> None:
        """Take in a squared error, by Welford's method."""
        before = square - self.mean
        self.mean += before / self.n
        self.deviations += before * (square - self.mean)


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """The errors of the splits of a table.

    Attributes:
        errors: by split.
        of_classes: whether they are shares of wrong examples, not mean squared errors.
        constants: by split, the error of the best constant of the training labels.
        measures: by split, what a program may report of them: accuracy and error, or of numbers
            mse, rmse, mae and r2.
        held_out: the error of training rows that were not trained on, if there are any.
    """

    errors: Mapping[str, SplitError]
    of_classes: bool
    constants: Mapping[str, float] = field(default_factory=dict)
    held_out: SplitError | None = None
    measures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def read_predictions(path: Path, needed: Collection[str] = ("train", "validation")) -> Predictions:
    """Return the error of each split.

    Args:
        path: the table.
        needed: splits that must be there.

    Raises:
        UsageError: rows that cannot be read, ids that are there twice, one label alone; the first
            few of all.
    """
    sums: dict[str, _Sums] = {}
    problems: list[str] = []
    seen: dict[int, str] = {}
    has_fractions, word = False, ""
    for number, row in enumerate(table_rows(path), start=2):
        split = split_named(row.get("split"))
        label, prediction = row.get("label"), prediction_of(row)
        problem = _problem(row, split, label, prediction, seen)
        if problem:
            problems.append(f"{path}:{number}: {problem}")
            if len(problems) >= _MOST_PROBLEMS:
                break
            continue
        assert split is not None
        seen[hash(str(row["id"]))] = split
        of_split = sums.setdefault(split, _Sums())
        of_split.n += 1
        if len(of_split.labels) < _MOST_CLASSES or plain_label(label) in of_split.labels:
            of_split.labels[plain_label(label)] += 1
        of_split.wrong += plain_label(label) != plain_label(prediction)
        pair = as_numbers(label, prediction)
        if pair is None:
            word = word or f"{path}:{number}: {label!r}, {prediction!r}"
        else:
            has_fractions |= any(not number.is_integer() for number in pair)
            of_split.add_square((pair[0] - pair[1]) ** 2)
            of_split.add_label(pair[0])
            of_split.absolute += abs(pair[0] - pair[1])
    if word and has_fractions:
        problems.append(f"{word}: no numbers, though other rows have fractions")
    of_classes = not has_fractions
    problems += [] if problems else _problems_of_all(path, sums, needed, of_classes=of_classes)
    if problems:
        raise UsageError("predictions that cannot be used:\n  " + "\n  ".join(problems))
    errors = {name: _error(one, of_classes=of_classes) for name, one in sums.items() if one.n > 1}
    return Predictions(
        errors={name: errors[name] for name in SPLITS if name in errors},
        of_classes=of_classes,
        constants={
            name: _constant_error(sums["train"], one, of_classes=of_classes)
            for name, one in sums.items()
            if "train" in sums
        },
        held_out=errors.get(HELD_OUT),
        measures={name: _measures(one, of_classes=of_classes) for name, one in sums.items()},
    )


def _measures(of_split: _Sums, *, of_classes: bool) -> dict[str, float]:
    if of_classes:
        wrong = of_split.wrong / of_split.n
        return {"accuracy": 1 - wrong, "error": wrong}
    spread = of_split.label_deviations / of_split.n
    return {
        "mse": of_split.mean,
        "rmse": math.sqrt(of_split.mean),
        "mae": of_split.absolute / of_split.n,
        **({"r2": 1 - of_split.mean / spread} if spread else {}),
    }


def _constant_error(train: _Sums, of_split: _Sums, *, of_classes: bool) -> float:
    """Return the error on a split of the most frequent class, or the mean, of training."""
    if of_classes:
        likeliest = max(train.labels, key=lambda label: train.labels[label])
        return 1 - of_split.labels[likeliest] / of_split.n
    shift = of_split.label_mean - train.label_mean
    return of_split.label_deviations / of_split.n + shift**2


def _problem(
    row: Mapping[str, Any],
    split: str | None,
    label: Any,
    prediction: Any,
    seen: Mapping[int, str],
) -> str | None:
    if row.get("id") in (None, "") or label in (None, "") or prediction in (None, ""):
        return "needs id, split, label, and prediction or columns p_CLASS"
    if split is None:
        return f"split {row.get('split')!r} is none of {', '.join(SPLITS)}"
    before = seen.get(hash(str(row["id"])))
    if before is not None:
        where = "twice" if before == split else f"in {before} and in {split}: a leak"
        return f"id {row['id']!r} is there {where}"
    pair = as_numbers(label, prediction)
    if pair is not None and not abs(pair[0] - pair[1]) < _LARGEST:
        return f"label {label}, prediction {prediction}: not a number that can be compared"
    return None


def _problems_of_all(
    path: Path, sums: Mapping[str, _Sums], needed: Collection[str], *, of_classes: bool
) -> list[str]:
    if not sums:
        return [f"{path} has no rows"]
    missing = [name for name in needed if name not in sums]
    if missing:
        return [f"{path} has no rows of {' and '.join(missing)}: not enough to say anything"]
    judged = {name: one for name, one in sums.items() if len(needed) > 1 or name in needed}
    few = [name for name, one in judged.items() if one.n < _FEWEST_NUMBERS]
    if few and not of_classes:
        return [f"{path} has fewer than {_FEWEST_NUMBERS} rows of {' and '.join(few)}"]
    return [
        f"{path}: {name} has one label alone, {next(iter(one.labels))!r}: its error says nothing"
        for name, one in judged.items()
        if len(one.labels) < 2
    ]


def _error(sums: _Sums, *, of_classes: bool) -> SplitError:
    if of_classes:
        return SplitError(n=sums.n, error=sums.wrong / sums.n)
    return SplitError(n=sums.n, error=sums.mean, variance=sums.deviations / (sums.n - 1))


def prediction_of(row: Mapping[str, Any]) -> Any:
    """Return the prediction, or the class with the largest of the columns `p_CLASS`."""
    if row.get("prediction") not in (None, ""):
        return row["prediction"]
    shares = class_shares(row)
    return max(shares, key=lambda name: shares[name]) if shares else None


def class_shares(row: Mapping[str, Any]) -> dict[str, float]:
    """Return the columns `p_CLASS` by class; empty if there are none, or one is not a number."""
    names = [name for name in row if name and name.startswith("p_")]
    try:
        shares = {name.removeprefix("p_"): float(row[name]) for name in names}
    except (TypeError, ValueError):
        return {}
    return {} if any(map(math.isnan, shares.values())) else shares
