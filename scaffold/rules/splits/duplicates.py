"""Find examples of one split that are copies of examples in another, exact or nearly. Pure."""

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CHANCE = 0.01
"""Expected equal partners of a row from which on an equality may be chance."""

_NEIGHBORS = 5
_ALARM = 0.0005
"""Of a false near duplicate in the whole comparison (Bonferroni's correction over its rows)."""

_SAME_TEXT = 0.8
"""Of the sequences of characters that two texts share, from which on they are the same but for
edits: a changed word in a sentence leaves 0.85 to 0.95."""

_FAR_NEARER = 0.4
"""Of the usual difference to the nearest text: what many texts have in common makes none a copy."""

_FEWEST = 20
"""Rows of training from which on distances between neighbors can be compared."""

MOST_COMPARED_WITH, MOST_COMPARED = 50_000, 5_000
"""Rows of one split, and of the other, among which near copies are looked for."""

_MOST_NULL = 1_000
_CHUNK = 512
_TAIL = (0.05, 0.25)
"""Shares of the ratios of training rows between which their tail is measured."""


def exact_copies(
    contents: Sequence[Hashable], first: Sequence[int], second: Sequence[int]
) -> list[tuple[int, int]]:
    """Return rows of `second` with a row of `first` that has the same content."""
    seen: dict[Hashable, int] = {}
    for row in first:
        seen.setdefault(contents[row], row)
    return [(row, seen[contents[row]]) for row in second if contents[row] in seen]


def chance_of_equals(columns: Sequence[Sequence[Hashable]], rows: Sequence[int], n: int) -> int:
    """Return how many of some rows may have an equal among n others by chance.

    As if the columns were independent: the expected number of equals is n times the product of the
    shares of the row's values.
    """
    shares = [Counter(column) for column in columns]
    total = len(columns[0]) if columns else 0
    count = 0
    for row in rows:
        logs = (
            math.log(of[column[row]] / total) for of, column in zip(shares, columns, strict=True)
        )
        count += math.log(n) + sum(logs) > math.log(_CHANCE)
    return count


def is_more_than_chance(
    contents: Sequence[Hashable], first: Sequence[int], copies: int, rows: int
) -> bool:
    """Return whether more rows have an equal in `first` than rows of `first` themselves have.

    Equal by chance may be as many as three standard deviations of the share allow.
    """
    counts = Counter(contents[row] for row in first)
    repeated = sum(count for count in counts.values() if count > 1)
    share = repeated / max(len(first), 1)
    deviation = math.sqrt(max(share * (1 - share), 1 / rows) * (1 / rows + 1 / len(first)))
    return copies / rows > share + 3 * deviation


@dataclass(frozen=True, slots=True)
class Neighbors:
    """How near rows lie to one another by nature: training rows, and some of their distances.

    Attributes:
        vectors: by row number; of texts of length 1.
        rows: of the largest split.
        distances: of some of them to their five nearest, without rows that have an exact copy.
    """

    vectors: NDArray[np.float32]
    rows: NDArray[np.int64]
    distances: NDArray[np.float32]
    are_texts: bool = False


def measure_neighbors(
    vectors: NDArray[np.float32], rows: Sequence[int], *, are_texts: bool = False
) -> Neighbors | None:
    """Return how near some rows lie to one another; None of too few."""
    if len(rows) < _FEWEST:
        return None
    reference = np.asarray(_evenly(rows, MOST_COMPARED_WITH))
    sample = np.asarray(_evenly(range(len(reference)), _MOST_NULL))
    distances, _ = _nearest(vectors[reference[sample]], vectors[reference], itself=sample)
    distances = distances[distances[:, 0] > 0]
    if len(distances) < _FEWEST:
        return None
    return Neighbors(vectors, reference, distances, are_texts)


def near_copies(
    neighbors: Neighbors, first: Sequence[int], second: Sequence[int]
) -> list[tuple[int, int]]:
    """Return rows of `second` that lie much nearer to one row of `first` than rows do by nature.

    Compared is t = d_1 / d_5, the distance to the nearest row of `first` beside that to the fifth
    of training: it does not depend on how dense the data are. A row is named where a t as small is
    less likely than 0.05 % over all rows that were compared, by the larger of two chances (see
    `_chance`). A text is named as well where it shares 0.8 with another: d^2 = 2 (1 - 0.8).
    """
    if not first or not second:
        return []
    vectors, usual = neighbors.vectors, neighbors.distances
    reference = np.asarray(_evenly(first, MOST_COMPARED_WITH))
    queries = np.asarray(_evenly(second, MOST_COMPARED))
    distances, nearest = _nearest(vectors[queries], vectors[reference])
    scales = distances
    if not np.array_equal(reference, neighbors.rows):
        scales, _ = _nearest(vectors[queries], vectors[neighbors.rows])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.nan_to_num(distances[:, 0] / scales[:, -1], nan=1.0)
    is_near = _chance(ratios, usual) < _ALARM / len(queries)
    if neighbors.are_texts:
        differing = distances[:, 0] ** 2 / 2
        usually = float(np.median(usual[:, 0] ** 2 / 2))
        is_near |= differing < min(1 - _SAME_TEXT, _FAR_NEARER * usually)
    return [
        (int(query), int(reference[place]))
        for query, place in zip(queries[is_near], nearest[is_near], strict=True)
    ]


def _chance(ratios: NDArray[np.float32], usual: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how likely a ratio as small is, from distances of training rows to their neighbors.

    In m dimensions the volume up to the nearest of k neighbors is the least of k - 1 uniform shares
    of that up to the k-th: P(d_1 / d_k < t) = 1 - (1 - t^m)^(k - 1). m is estimated from
    d_1 / d_2, whose median is 2^(-1/m) (Facco et al., Estimating the intrinsic dimension of
    datasets by a minimal neighborhood information, 2017). Real data are less even: the second
    chance continues the ratios of training rows below their lowest twentieth, as a power that is
    taken from there to their lowest quarter. What lies below may be copies within training.
    """
    median = float(np.median(usual[:, 0] / np.maximum(usual[:, 1], 1e-30)))
    dimensions = math.log(2) / -math.log(min(max(median, 1e-6), 1 - 1e-3))
    even = 1 - (1 - np.minimum(ratios, 1.0) ** dimensions) ** (usual.shape[1] - 1)
    low, high = np.quantile(usual[:, 0] / usual[:, -1], _TAIL)
    power = math.log(_TAIL[1] / _TAIL[0]) / max(math.log(high / low), 1e-3)
    uneven = _TAIL[0] * np.minimum(ratios / low, 1.0) ** power
    larger: NDArray[np.float64] = np.maximum(even, uneven)
    return larger


def _evenly(rows: Sequence[int], most: int) -> Sequence[int]:
    """Return some rows, evenly over all."""
    step = max(math.ceil(len(rows) / most), 1)
    return rows[::step]


def _nearest(
    queries: NDArray[np.float32],
    reference: NDArray[np.float32],
    itself: NDArray[Any] | None = None,
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return the distances to the nearest neighbors, in order, and the place of the nearest."""
    count = min(_NEIGHBORS, len(reference) - (itself is not None))
    squares = (reference**2).sum(axis=1)
    distances, nearest = [], []
    for start in range(0, len(queries), _CHUNK):
        chunk = queries[start : start + _CHUNK]
        # |a - b|^2 = |a|^2 - 2ab + |b|^2 loses digits of small distances: those are taken again.
        rough = (chunk**2).sum(axis=1)[:, None] - 2 * chunk @ reference.T + squares
        if itself is not None:
            rough[np.arange(len(chunk)), itself[start : start + _CHUNK]] = np.inf
        places = np.argpartition(rough, count - 1, axis=1)[:, :count]
        exact = np.sqrt(((chunk[:, None, :] - reference[places]) ** 2).sum(axis=2))
        order = np.argsort(exact, axis=1)
        distances.append(np.take_along_axis(exact, order, axis=1))
        nearest.append(np.take_along_axis(places, order[:, :1], axis=1)[:, 0])
    return np.concatenate(distances), np.concatenate(nearest)


def group_by_content(contents: Sequence[Hashable]) -> list[str]:
    """Return for each row the number of the first with its content: what stays in one split."""
    first: dict[Hashable, int] = {}
    return [str(first.setdefault(content, row)) for row, content in enumerate(contents)]


def shared_values(
    values: Sequence[Hashable], rows: Mapping[str, Sequence[int]]
) -> dict[Hashable, list[str]]:
    """Return the values that rows of several splits have, with these splits."""
    where: dict[Hashable, set[str]] = defaultdict(set)
    for split, members in rows.items():
        for row in members:
            where[values[row]].add(split)
    return {value: sorted(splits) for value, splits in where.items() if len(splits) > 1}
