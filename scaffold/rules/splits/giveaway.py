"""Find single columns that give the label away. Pure."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

_EXPLAINED = 0.98
"""Of what the best constant leaves unexplained: the best real columns of Iris explain 0.94."""

_FEWEST = 30
"""Rows to be measured on: of fewer one column explains all by chance."""

_SURELY, _ALARM = 0.85, 0.01


def gives_label_away(
    column: Sequence[Hashable] | NDArray[np.float64],
    labels: Sequence[Hashable] | NDArray[np.float64],
    first: Sequence[int],
    second: Sequence[int],
) -> bool:
    """Return whether one column alone tells the label, as no real one does.

    Classes are told by the most frequent label in `first` of each value, or of the nearest number;
    numbers by the mean label of each value, or by a straight line. The column must explain 0.98 of
    the error that the best constant makes on `second`; where labels are classes on both splits,
    each told by the other, and so surely that 0.85 is excluded at 1 %.
    """
    if min(len(first), len(second)) < _FEWEST:
        return False
    if isinstance(labels, np.ndarray):
        line = _by_line(column, labels, second) if isinstance(column, np.ndarray) else 0.0
        return max(line, _by_means(_cells(column, first), labels, first, second)) >= _EXPLAINED
    # Each of the two by the other: few rows are sure of little.
    ways = [_wrong_of_classes(column, labels, *way) for way in ((first, second), (second, first))]
    wrong, whole = (sum(counts) for counts in zip(*ways, strict=True))
    if not whole or 1 - wrong / whole < _EXPLAINED:
        return False
    n = len(first) + len(second)
    chance = binom.cdf(wrong, n, (1 - _SURELY) * whole / n)  # as few wrong, were so much left
    return bool(chance < _ALARM)


def _wrong_of_classes(
    column: Sequence[Hashable] | NDArray[np.float64],
    labels: Sequence[Hashable],
    first: Sequence[int],
    second: Sequence[int],
) -> tuple[int, int]:
    """Return how many of `second` are wrong by the column, and by the best constant."""
    cells = _cells(column, first)
    by_cell: dict[Hashable, Counter[Hashable]] = defaultdict(Counter)
    for row in first:
        by_cell[cells[row]][labels[row]] += 1
    constant = Counter(labels[row] for row in first).most_common(1)[0][0]
    likeliest = {cell: counts.most_common(1)[0][0] for cell, counts in by_cell.items()}
    wrong = sum(labels[row] != likeliest.get(cells[row], constant) for row in second)
    return wrong, sum(labels[row] != constant for row in second)


def _by_line(
    column: NDArray[np.float64], labels: NDArray[np.float64], rows: Sequence[int]
) -> float:
    """Return the squared correlation; 0 where one of them is constant."""
    values, expected = column[np.asarray(rows)], labels[np.asarray(rows)]
    if not (np.ptp(values) > 0 and np.ptp(expected) > 0):
        return 0.0
    return float(np.corrcoef(values, expected)[0, 1] ** 2)


def _cells(
    column: Sequence[Hashable] | NDArray[np.float64], first: Sequence[int]
) -> Sequence[Hashable]:
    """Return the value of each row; of numbers the nearest that a row of `first` has."""
    if not isinstance(column, np.ndarray):
        return column
    clean = np.nan_to_num(column, nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    known = np.unique(clean[np.asarray(first)])
    above = np.clip(np.searchsorted(known, clean), 1, max(len(known) - 1, 1))
    above = np.minimum(above, len(known) - 1)
    below = np.maximum(above - 1, 0)
    with np.errstate(invalid="ignore"):
        is_below = np.abs(clean - known[below]) <= np.abs(known[above] - clean)
    return list(np.where(is_below, below, above).tolist())


def _by_means(
    cells: Sequence[Hashable],
    labels: NDArray[np.float64],
    first: Sequence[int],
    second: Sequence[int],
) -> float:
    sums: dict[Hashable, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for row in first:
        sums[cells[row]][0] += labels[row]
        sums[cells[row]][1] += 1
    mean = float(np.mean(labels[np.asarray(first)]))
    expected = [
        sums[cells[row]][0] / sums[cells[row]][1] if cells[row] in sums else mean for row in second
    ]
    seen = labels[np.asarray(second)]
    whole = float(np.sum((seen - mean) ** 2))
    return 1 - float(np.sum((seen - np.asarray(expected)) ** 2)) / whole if whole else 0.0
