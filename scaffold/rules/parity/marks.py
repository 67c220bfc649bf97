"""Compare marks of examples, by step and call. Pure."""

from typing import Any

from scaffold.rules.parity.checks import Trace

MARK = 1e-5
"""Of marks of examples, relative to the largest: values that were preprocessed in float32."""


COUNT = "series.train.count"
"""Step, number of examples and number of the network of every training call."""


EVALUATED = "series.evaluation.count"
"""The same of every call in an evaluation."""


TARGETS = "series.train.targets"


def first_apart(expected: Any, actual: Any, relative: float) -> int | None:
    """Return the index of the first value, or row of values, that differs beyond rounding.

    Where one ends first, it is the shared length. Both None, or equal: None.
    """
    import numpy as np

    if expected is None or actual is None:
        return None if expected is actual else 0
    a, b = np.atleast_1d(expected).astype(np.float64), np.atleast_1d(actual).astype(np.float64)
    shared = min(len(a), len(b))
    # Each column has a unit of its own: a step counts thousands, a learning rate is 1e-4.
    scale = np.max(np.where(np.isfinite(a), np.abs(a), 0.0), axis=0, initial=1e-300)
    with np.errstate(invalid="ignore"):
        same = (a[:shared] == b[:shared]) | (np.abs(a[:shared] - b[:shared]) <= relative * scale)
    same |= np.isnan(a[:shared]) & np.isnan(b[:shared])
    same = same.reshape(shared, -1).all(axis=1)
    if not same.all():
        return int(np.argmin(same))
    return None if len(a) == len(b) else shared


def first_shared(golden: Trace, candidate: Trace, name: str, relative: float = MARK) -> int | None:
    """Return where a series differs, among as many values as both have."""
    a, b = golden.arrays.get(name), candidate.arrays.get(name)
    if a is None or b is None:
        return None
    shared = min(len(a), len(b))
    return first_apart(a[:shared], b[:shared], relative)


def number_of(trace: Trace, name: str) -> int:
    """Return the number that the call series use for the network a series is about."""
    called = name.removeprefix("series.train.").removeprefix("series.evaluation.").partition("[")[0]
    return int(trace.index.get("numbers", {}).get(called, 1))


def marks_by_step(trace: Trace, name: str) -> dict[int, Any]:
    """Return the marks of all examples of a network's input in each step."""
    import numpy as np

    return {step: np.concatenate(calls) for step, calls in calls_by_step(trace, name).items()}


def calls_by_step(trace: Trace, name: str) -> dict[int, list[Any]]:
    """Return the marks of a network's input in each step, call by call.

    A series that was cut ends with its last whole step.
    """
    import numpy as np

    if COUNT not in trace.arrays:
        return {}
    counts = trace.arrays[COUNT]
    number = number_of(trace, name)
    mine = counts[counts[:, 2] == number] if counts.shape[1] > 2 else counts
    if not len(mine):
        return {}
    marks, begin = trace.arrays[name], 0
    by_step: dict[int, list[Any]] = {}
    rows = mine[:, 1].astype(int)
    if rows.sum() != len(marks):  # an input that not every call has, or a series that was cut
        whole = int(np.searchsorted(np.cumsum(rows), len(marks), side="right"))
        mine = mine[mine[:, 0] < mine[min(whole, len(mine) - 1), 0]]
        rows = mine[:, 1].astype(int)
    for step, count in zip(mine[:, 0].astype(int), rows, strict=False):
        by_step.setdefault(int(step), []).append(marks[begin : begin + count])
        begin += count
    return by_step


def is_cut(trace: Trace, name: str) -> bool:
    """Return whether a series is followed over its first values only."""
    return any(note["series"] == name.removeprefix("series.") for note in trace.index["notes"])


def close(a: Any, b: Any, scale: float) -> bool:
    """Return whether marks are equal but for rounding."""
    import numpy as np

    with np.errstate(invalid="ignore"):
        return bool(
            ((a == b) | (np.abs(a - b) <= MARK * scale) | (np.isnan(a) & np.isnan(b))).all()
        )


def without(values: Any, others: Any) -> Any:
    """Return the values that none of the others is equal to, but for rounding."""
    import numpy as np

    if not len(others):
        return values
    ordered = np.sort(np.asarray(others, dtype=np.float64))
    scale = float(np.abs(ordered[np.isfinite(ordered)]).max(initial=1e-300))
    places = np.searchsorted(ordered, values)
    above, below = (ordered[np.clip(at, 0, len(ordered) - 1)] for at in (places, places - 1))
    with np.errstate(invalid="ignore"):  # where both are infinite, and equal
        near = np.minimum(np.abs(values - above), np.abs(values - below))
    return values[(near > MARK * scale) & (values != above) & (values != below)]


def same_set(golden: Trace, candidate: Trace, name: str) -> bool:
    """Return whether two series have the same values in any order."""
    import numpy as np

    a, b = golden.arrays[name], candidate.arrays[name]
    shared = min(len(a), len(b))
    return first_apart(np.sort(a[:shared]), np.sort(b[:shared]), MARK) is None


EXACT = 1e-12
"""Two numbers that a program was given."""


def distinct(actual: float, expected: float) -> str:
    """Write two numbers with as many digits as it takes to tell them apart."""
    for digits in (6, 9, 12, 17):
        texts = f"{actual:.{digits}g}", f"{expected:.{digits}g}"
        if texts[0] != texts[1]:
            break
    return f"{texts[0]} instead of {texts[1]}"


def both(golden: Trace, candidate: Trace, name: str) -> tuple[Any, Any] | None:
    """Return a series of both traces, if both have it."""
    arrays = golden.arrays.get(name), candidate.arrays.get(name)
    return None if arrays[0] is None or arrays[1] is None else arrays
