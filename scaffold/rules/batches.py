"""Compares which examples two programs train on and evaluate, in which order and with which values. Pure."""

from typing import Any

from scaffold.rules.rung import Rung, Trace, differs, equal

_MARK = 1e-5
"""Of marks of examples, relative to the largest: values that were preprocessed in float32."""

_COUNT = "series.train.count"
"""Step and number of examples of every training call."""

EVALUATED = "series.evaluation.count"
"""Step and number of examples of every call in an evaluation."""


def first_apart(expected: Any, found: Any, relative: float) -> int | None:
    """Index of the first value, or row of values, that differs beyond rounding; the length where one ends first.

    Both None, or equal: None.
    """
    import numpy as np

    if expected is None or found is None:
        return None if expected is found else 0
    a, b = np.atleast_1d(expected).astype(np.float64), np.atleast_1d(found).astype(np.float64)
    shared = min(len(a), len(b))
    # Each column has a unit of its own: a step counts thousands, a learning rate is 1e-4.
    scale = np.nanmax(np.abs(a), axis=0, initial=1e-300)
    same = (np.abs(a[:shared] - b[:shared]) <= relative * scale) | (np.isnan(a[:shared]) & np.isnan(b[:shared]))
    same = same.reshape(shared, -1).all(axis=1)
    if not same.all():
        return int(np.argmin(same))
    return None if len(a) == len(b) else shared


def compare_batches(golden: Trace, found: Trace) -> tuple[Rung, Rung, int | None]:
    """Rungs data and batches: the same examples with the same labels, in the same batches and order.

    Where labels come in another order but are the same ones, it is the order that differs. Where they come in the same
    order and the inputs differ, it is their values: those of the data if the evaluated ones differ as well, else what
    is done to a batch.

    Returns:
        both rungs, and the step from which on batches are others only because an evaluation before drew otherwise: what
        is made of them cannot be compared from there on.
    """
    names = [name for name in golden.arrays if name.startswith("series.train.model")]
    targets = "series.train.targets" if "series.train.targets" in golden.arrays else names[-1] if names else ""
    values = sum(len(golden.arrays[name]) for name in names)
    left_out = [] if targets else ["labels: no loss of torch's own was called with them"]
    if trains_in_evaluation(golden, found):
        told = "what was trained in evaluation mode"
        return equal("data", 0, [told]), equal("batches", 0, [told]), None
    inputs = [name for name in names if name != targets]
    missing = [name for name in inputs if name not in found.arrays]
    data = batches = step = None
    if missing:
        data, step = f"{missing[0].removeprefix('series.train.')} is no input of the network any more", 0
    elif (size := first_shared(golden, found, _COUNT)) is not None:
        rows = [trace.arrays[_COUNT][size] for trace in (golden, found)]
        step = int(rows[0][0])
        batches = f"the batch of step {step + 1} has {int(rows[1][1])} examples instead of {int(rows[0][1])}"
    elif (rung := _values_apart(golden, found, targets, inputs)) is not None:
        step = rung[2]
        data, batches = (rung[1], None) if rung[0] == "data" else (None, rung[1])
    if step is not None and _evaluation_came_first(golden, found, step):
        left_out.append(f"batches from step {step + 1} on: the evaluation before drew otherwise, and so do they")
        return equal("data", values, left_out), equal("batches", values, left_out), step
    return (
        differs("data", data, step or 0, compared=values) if data else equal("data", values, left_out),
        differs("batches", batches, step or 0, compared=values) if batches else equal("batches", values),
        None,
    )


def _values_apart(golden: Trace, found: Trace, targets: str, inputs: list[str]) -> tuple[str, str, int] | None:
    """Rung, what differs, and from which step on."""
    same_number = first_shared(golden, found, f"{targets}.count") is None  # else that is the loss's question
    order = first_shared(golden, found, targets) if same_number else None
    moved = [(at, name) for name in inputs if (at := first_shared(golden, found, name)) is not None]
    if order is not None:
        step = _step_of(golden, order, f"{targets}.count")
        if inputs and not moved:
            return "data", f"example {order + 1} has another label", step
        if _leaks(found, inputs) > _leaks(golden, inputs):
            return "data", "evaluated examples are among the training ones", step
        if _same_set(golden, found, targets) or _same_kinds(golden, found, targets):
            return "batches", f"examples come in another order, from example {order + 1} on", step
        return "data", f"other examples, or other labels, from example {order + 1} on", step
    if not moved:
        return None
    at, name = min(moved)
    step = _step_of(golden, at, _COUNT)
    if targets not in found.arrays and _same_set(golden, found, name):
        return "batches", f"examples come in another order, from example {at + 1} on", step
    evaluated = "series.evaluation." + name.removeprefix("series.train.")
    is_batch = evaluated in golden.arrays and first_shared(golden, found, evaluated) is None
    return "batches" if is_batch else "data", f"example {at + 1} has other values", step


def _leaks(trace: Trace, inputs: list[str]) -> int:
    """How many evaluated examples are among the training ones."""
    import numpy as np

    count = 0
    for name in inputs:
        evaluated = trace.arrays.get("series.evaluation." + name.removeprefix("series.train."))
        if evaluated is not None:
            count += len(np.intersect1d(trace.arrays[name].round(9), evaluated.round(9)))
    return count


def trains_in_evaluation(golden: Trace, found: Trace) -> bool:
    """Whether a program trains in evaluation mode that should not: its batches were taken for evaluated ones."""
    return "trained_in_evaluation" in found.index and "trained_in_evaluation" not in golden.index


def _evaluation_came_first(golden: Trace, found: Trace, step: int) -> bool:
    """Whether evaluated inputs differ before the training batch of a step, or an evaluation came at another time."""
    counts = golden.arrays.get(EVALUATED)
    moved = evaluation_moved(golden, found)
    if moved is not None and counts is not None:
        return bool(min(counts[moved][0], found.arrays[EVALUATED][moved][0]) <= step)
    apart = evaluated_apart(golden, found)
    if counts is None or apart is None:
        return False
    import numpy as np

    rows = np.cumsum(counts[:, 1])
    return bool(counts[min(int(np.searchsorted(rows, apart, side="right")), len(rows) - 1)][0] <= step and step > 0)


def evaluated_apart(golden: Trace, found: Trace) -> int | None:
    """The first evaluated example with other values."""
    names = [name for name in golden.arrays if name.startswith("series.evaluation.model") and name in found.arrays]
    apart = [at for name in names if (at := first_shared(golden, found, name)) is not None]
    return min(apart, default=None)


def evaluates_others(golden: Trace, found: Trace) -> str | None:
    """Whether other examples are evaluated, by their labels."""
    name = "series.evaluation.targets"
    if name not in golden.arrays or name not in found.arrays:
        return None
    lengths = [len(trace.arrays[name]) // max(int(trace.index["bursts"]), 1) for trace in (golden, found)]
    is_cut = any(
        "is followed over its first" in note["text"] for trace in (golden, found) for note in trace.index["said"]
    )
    if golden.index["bursts"] == found.index["bursts"] and lengths[0] != lengths[1] and not is_cut:
        return f"{lengths[1]} examples are evaluated instead of {lengths[0]}"
    if not _same_set(golden, found, name):
        return "the evaluated examples have other labels"
    return None


def first_shared(golden: Trace, found: Trace, name: str, relative: float = _MARK) -> int | None:
    """Where a series differs, of as many values as both have: how many there are is another rung's question."""
    a, b = golden.arrays.get(name), found.arrays.get(name)
    if a is None or b is None:
        return None
    shared = min(len(a), len(b))
    return first_apart(a[:shared], b[:shared], relative)


def _same_set(golden: Trace, found: Trace, name: str) -> bool:
    import numpy as np

    a, b = golden.arrays[name], found.arrays[name]
    shared = min(len(a), len(b))
    return first_apart(np.sort(a[:shared]), np.sort(b[:shared]), _MARK) is None


def _same_kinds(golden: Trace, found: Trace, name: str) -> bool:
    """Whether the values are those of the reference, though not as often each: another order leaves out others."""
    import numpy as np

    a, b = np.unique(golden.arrays[name].round(9)), np.unique(found.arrays[name].round(9))
    return len(a) <= 1000 and len(a) == len(b) and first_apart(a, b, _MARK) is None


def _step_of(trace: Trace, example: int, count: str) -> int:
    """The step in whose batch the n-th example, or target, was; `count` is the series of how many each had."""
    import numpy as np

    counts = trace.arrays[count if count in trace.arrays else _COUNT]
    ends = np.cumsum(counts[:, 1])
    return int(counts[min(int(np.searchsorted(ends, example, side="right")), len(counts) - 1)][0])


def evaluation_moved(golden: Trace, found: Trace) -> int | None:
    """The first call of an evaluation that comes after another step."""
    counts = [trace.arrays.get(EVALUATED) for trace in (golden, found)]
    if counts[0] is None or counts[1] is None or len(counts[0]) != len(counts[1]):
        return None
    return first_apart(counts[0][:, 0], counts[1][:, 0], 0.0)
