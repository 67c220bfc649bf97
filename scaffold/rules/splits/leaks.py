"""Say what leaks from one split to another: copies, groups, time, columns that tell the label."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from scaffold.rules.splits.duplicates import (
    Neighbors,
    chance_of_equals,
    exact_copies,
    is_more_than_chance,
    measure_neighbors,
    near_copies,
    shared_values,
)
from scaffold.rules.splits.giveaway import gives_label_away

_PAIRS = (
    ("train", "train-dev"),
    ("train", "validation"),
    ("train", "test"),
    ("train-dev", "validation"),
    ("train-dev", "test"),
    ("validation", "test"),
)


class LeakKind(str, Enum):
    """How something leaks."""

    EXACT = "exact copies"
    NEAR = "near copies"
    GROUP = "shared groups"
    TIME = "later in training"
    GIVEAWAY = "gives the label away"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """One finding.

    Attributes:
        first, second: the splits.
        n: rows of `second`, or groups.
        of: rows of `second`, or groups, in all.
        rows: all pairs of row numbers; the row of `second` first.
        names: the column, or the groups, that leak.
        is_alarm: whether it must be mended; else it may be chance.
    """

    kind: LeakKind
    first: str
    second: str
    n: int
    of: int
    rows: tuple[tuple[int, int], ...] = ()
    names: str = ""
    is_alarm: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Examples as the rules see them, by row number.

    Attributes:
        rows: of each split.
        contents: what is equal where the features are.
        columns: features; arrays where they are numbers.
        vectors: whose distances tell near copies; of texts, of length 1.
        by_time: whether training must be earlier than validation and test.
    """

    rows: Mapping[str, Sequence[int]]
    contents: Sequence[Hashable]
    columns: Mapping[str, Sequence[Hashable] | NDArray[np.float64]]
    labels: Sequence[Hashable] | NDArray[np.float64] | None = None
    groups: Sequence[Hashable] | None = None
    times: Sequence[float] | None = None
    vectors: NDArray[np.float32] | None = None
    are_texts: bool = False
    by_time: bool = False


def find_leaks(sample: Sample) -> Iterator[Leak]:
    """Yield what leaks between each two splits, and columns that tell the label alone."""
    neighbors = None
    if sample.vectors is not None and sample.rows:
        largest = max(sample.rows.values(), key=len)
        neighbors = measure_neighbors(sample.vectors, largest, are_texts=sample.are_texts)
    for first, second in _PAIRS:
        if sample.rows.get(first) and sample.rows.get(second):
            yield from _copies(sample, neighbors, first, second)
            yield from _late(sample, first, second)
    yield from _groups(sample)
    yield from _giveaways(sample)


def _copies(sample: Sample, neighbors: Neighbors | None, first: str, second: str) -> Iterator[Leak]:
    earlier, later = sample.rows[first], sample.rows[second]
    exact = exact_copies(sample.contents, earlier, later)
    if exact:
        columns = [
            # NaN, an empty cell, is not equal to itself: each would count as one of its own.
            ["" if value != value else value for value in column]
            for column in sample.columns.values()
        ]
        copied = [row for row, _ in exact]
        plain = chance_of_equals(columns, copied, len(earlier)) if columns else 0
        is_alarm = plain < len(exact) or is_more_than_chance(
            sample.contents, earlier, len(exact), len(later)
        )
        yield _leak(LeakKind.EXACT, (first, second), exact, len(later), is_alarm=is_alarm)
    if neighbors is not None:
        done = {row for row, _ in exact}
        others = [row for row in later if row not in done]
        near = near_copies(neighbors, earlier, others)
        if near:
            yield _leak(LeakKind.NEAR, (first, second), near, len(later))


def _leak(
    kind: LeakKind,
    splits: tuple[str, str],
    pairs: Sequence[tuple[int, int]],
    of: int,
    *,
    is_alarm: bool = True,
) -> Leak:
    return Leak(
        kind=kind,
        first=splits[0],
        second=splits[1],
        n=len(pairs),
        of=of,
        rows=tuple(pairs),
        is_alarm=is_alarm,
    )


def _late(sample: Sample, first: str, second: str) -> Iterator[Leak]:
    if sample.times is None or not sample.by_time or second == "train-dev":
        return
    start = min(sample.times[row] for row in sample.rows[second])
    late = [(row, row) for row in sample.rows[first] if sample.times[row] > start]
    if late:
        yield _leak(LeakKind.TIME, (second, first), late, len(sample.rows[first]))


def _groups(sample: Sample) -> Iterator[Leak]:
    if sample.groups is None:
        return
    for first, second in _PAIRS:
        pair = {name: sample.rows[name] for name in (first, second) if sample.rows.get(name)}
        shared = shared_values(sample.groups, pair) if len(pair) == 2 else {}
        if shared:
            named = sorted(map(str, shared))
            yield Leak(
                kind=LeakKind.GROUP,
                first=first,
                second=second,
                n=len(shared),
                of=len({sample.groups[row] for row in pair[second]}),
                names=", ".join(named[:3]) + (" ..." if len(named) > 3 else ""),
            )


def _giveaways(sample: Sample) -> Iterator[Leak]:
    train = sample.rows.get("train")
    unseen = [row for name, rows in sample.rows.items() if name != "train" for row in rows]
    if sample.labels is None or not train or not unseen:
        return
    for name, column in sample.columns.items():
        if gives_label_away(column, sample.labels, train, unseen):
            yield Leak(
                kind=LeakKind.GIVEAWAY,
                first="train",
                second="all other splits",
                n=len(unseen),
                of=len(unseen),
                names=name,
            )
