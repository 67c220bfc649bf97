"""Compares what two traces followed over all steps: batches, schedule, modes, masks. Pure."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaffold.rules.ladder import Trace

_MARK = 1e-5
"""Of marks of examples, relative to the largest: values that were preprocessed in float32."""

_MOVED = 1e-3
"""Of how far the weights moved in one step: a difference of two float32 sums."""

Answer = tuple[Any, ...]
"""Rung, what differs or None, at which step, how much was compared, the module or metric, what was left out."""


def first_apart(expected: Any, found: Any, relative: float) -> int | None:
    """Index of the first value, or row of values, that differs beyond rounding; the length where one ends first.

    Both None, or equal: None.
    """
    import numpy as np

    if expected is None or found is None:
        return None if expected is found else 0
    a, b = np.atleast_1d(expected).astype(np.float64), np.atleast_1d(found).astype(np.float64)
    shared = min(len(a), len(b))
    scale = np.nanmax(np.abs(a), initial=1e-300)
    same = (np.abs(a[:shared] - b[:shared]) <= relative * scale) | (np.isnan(a[:shared]) & np.isnan(b[:shared]))
    same = same.reshape(shared, -1).all(axis=1)
    if not same.all():
        return int(np.argmin(same))
    return None if len(a) == len(b) else shared


def compare_batches(golden: "Trace", found: "Trace") -> Iterator[Answer]:
    """Rungs data and batches: the same examples with the same labels, in the same batches and order.

    Where labels come in another order but are the same ones, it is the order that differs. Where they come in the same
    order and the inputs differ, it is their values: those of the data if the evaluated ones differ as well, else what
    is done to a batch.
    """
    names = [name for name in golden.arrays if name.startswith("series.train.model")]
    targets = "series.train.targets" if "series.train.targets" in golden.arrays else names[-1] if names else ""
    values = sum(len(golden.arrays[name]) for name in names)
    left_out = [] if targets else ["labels: no loss of torch's own was called with them"]
    if _trains_in_evaluation(golden, found):
        told = "what was trained in evaluation mode"
        yield "data", None, 0, 0, "", [told]
        yield "batches", None, 0, 0, "", [told]
        return
    inputs = [name for name in names if name != targets]
    missing = [name for name in inputs if name not in found.arrays]
    data = batches = None
    step = None
    if missing:
        data, step = f"{missing[0].removeprefix('series.train.')} is no input of the network any more", 0
    elif (size := _first_shared(golden, found, "series.train.count")) is not None:
        rows = [trace.arrays["series.train.count"][size] for trace in (golden, found)]
        step = int(rows[0][0])
        batches = f"the batch of step {step + 1} has {int(rows[1][1])} examples instead of {int(rows[0][1])}"
    elif (rung := _values_apart(golden, found, targets, inputs)) is not None:
        step = _step_of(golden, rung[2])
        data, batches = (rung[1], None) if rung[0] == "data" else (None, rung[1])
    if step is not None and _evaluation_came_first(golden, found, step):
        left_out.append(f"batches from step {step + 1} on: the evaluation before drew otherwise, and so do they")
        data = batches = None
    if data is None and batches is None and (told := _evaluation_data(golden, found)):
        data, step = told, 0
    yield "data", data, step, values, "", left_out
    yield "batches", batches, step, values


def _values_apart(
    golden: "Trace", found: "Trace", targets: str, inputs: list[str]
) -> tuple[str, str, int] | None:
    """Rung, what differs, and from which example on."""
    order = _first_shared(golden, found, targets)
    moved = [(at, name) for name in inputs if (at := _first_shared(golden, found, name)) is not None]
    if order is not None:
        if inputs and not moved:
            return "data", f"example {order + 1} has another label", order
        if _leaks(found, inputs) > _leaks(golden, inputs):
            return "data", "evaluated examples are among the training ones", order
        if _same_set(golden, found, targets) or _same_kinds(golden, found, targets):
            return "batches", f"examples come in another order, from example {order + 1} on", order
        return "data", f"other examples, or other labels, from example {order + 1} on", order
    if not moved:
        return None
    at, name = min(moved)
    if targets not in found.arrays and _same_set(golden, found, name):
        return "batches", f"examples come in another order, from example {at + 1} on", at
    evaluated = "series.evaluation." + name.removeprefix("series.train.")
    is_batch = evaluated in golden.arrays and _first_shared(golden, found, evaluated) is None
    return "batches" if is_batch else "data", f"example {at + 1} has other values", at


def _leaks(trace: "Trace", inputs: list[str]) -> int:
    """How many evaluated examples are among the training ones."""
    import numpy as np

    count = 0
    for name in inputs:
        evaluated = trace.arrays.get("series.evaluation." + name.removeprefix("series.train."))
        if evaluated is not None:
            count += len(np.intersect1d(trace.arrays[name].round(9), evaluated.round(9)))
    return count


def _trains_in_evaluation(golden: "Trace", found: "Trace") -> bool:
    return "trained_in_evaluation" in found.index and "trained_in_evaluation" not in golden.index


def _evaluation_came_first(golden: "Trace", found: "Trace", step: int) -> bool:
    """Whether evaluated inputs, with the labels they should have, differ before the training batch of a step."""
    counts = golden.arrays.get("series.evaluation.count")
    apart = _evaluated_apart(golden, found)
    if counts is None or apart is None or _evaluation_data(golden, found):
        return False
    import numpy as np

    rows = np.cumsum(counts[:, 1])
    return bool(counts[min(int(np.searchsorted(rows, apart, side="right")), len(rows) - 1)][0] <= step and step > 0)


def _evaluated_apart(golden: "Trace", found: "Trace") -> int | None:
    """The first evaluated example with other values."""
    names = [name for name in golden.arrays if name.startswith("series.evaluation.model") and name in found.arrays]
    apart = [at for name in names if (at := _first_shared(golden, found, name)) is not None]
    return min(apart, default=None)


def _evaluation_data(golden: "Trace", found: "Trace") -> str | None:
    """Whether other examples are evaluated, by their labels."""
    name = "series.evaluation.targets"
    if name not in golden.arrays or name not in found.arrays:
        return None
    lengths = [len(trace.arrays[name]) // max(int(trace.index["bursts"]), 1) for trace in (golden, found)]
    if golden.index["bursts"] == found.index["bursts"] and lengths[0] != lengths[1]:
        return f"{lengths[1]} examples are evaluated instead of {lengths[0]}"
    if not _same_set(golden, found, name):
        return "the evaluated examples have other labels"
    return None


def _first_shared(golden: "Trace", found: "Trace", name: str) -> int | None:
    """Where a series differs, of as many values as both have: how many there are is another rung's question."""
    a, b = golden.arrays.get(name), found.arrays.get(name)
    if a is None or b is None:
        return None
    shared = min(len(a), len(b))
    return first_apart(a[:shared], b[:shared], _MARK)


def _same_set(golden: "Trace", found: "Trace", name: str) -> bool:
    import numpy as np

    a, b = golden.arrays[name], found.arrays[name]
    shared = min(len(a), len(b))
    return first_apart(np.sort(a[:shared]), np.sort(b[:shared]), _MARK) is None


def _same_kinds(golden: "Trace", found: "Trace", name: str) -> bool:
    """Whether the values are those of the reference, though not as often each: another order leaves out others."""
    import numpy as np

    a, b = np.unique(golden.arrays[name].round(9)), np.unique(found.arrays[name].round(9))
    return len(a) <= 1000 and len(a) == len(b) and first_apart(a, b, _MARK) is None  # noqa: PLR2004 - few classes


def _step_of(trace: "Trace", example: int) -> int:
    """The step in whose batch the n-th example was."""
    import numpy as np

    counts = trace.arrays["series.train.count"]
    ends = np.cumsum(counts[:, 1])
    return int(counts[min(int(np.searchsorted(ends, example, side="right")), len(counts) - 1)][0])


def compare_budget(golden: "Trace", found: "Trace") -> Answer:
    """Rung budget: steps, updates of the optimiser, evaluations and the examples of each."""
    if _trains_in_evaluation(golden, found):
        return "budget", None, None, 0, "", ["what was trained in evaluation mode"]
    for key, what in (("steps", "steps"), ("updates", "updates of the weights"), ("bursts", "evaluations")):
        wanted, got = golden.index[key], found.index[key]
        is_blind = key == "updates" and not got  # its own optimiser is no torch optimiser
        if wanted != got and not is_blind:
            return "budget", f"{got} {what} instead of {wanted}", min(wanted, got), 3
    totals = [_evaluated(trace) for trace in (golden, found)]
    if totals[0] != totals[1]:
        return "budget", f"{totals[1]} examples are evaluated instead of {totals[0]}", 0, 3
    return "budget", None, None, 3


def _evaluated(trace: "Trace") -> int:
    counts = trace.arrays.get("series.evaluation.count")
    return 0 if counts is None else int(counts[:, 1].sum())


def compare_schedule(golden: "Trace", found: "Trace") -> Answer:
    """Rung schedule: the learning rate at every step; by its effect where the program has no torch optimiser."""
    rates = golden.arrays.get("series.rates"), found.arrays.get("series.rates")
    if rates[0] is not None and rates[1] is not None:
        step = first_apart(rates[0], rates[1], 1e-9)
        if step is not None and step < min(map(len, rates)):
            values = rates[1][step][1], rates[0][step][1]
            if values[0] == values[1]:
                values = rates[1][step][2], rates[0][step][2]
            told = f"the learning rate is {values[0]:.9g} instead of {values[1]:.9g} at step {step + 1}"
            return "schedule", told, step, len(rates[0])
        return "schedule", None, None, len(rates[0])
    step = _movement_apart(golden, found)
    left_out = ["learning rates: one of both has no torch optimiser; compared by how far weights move"]
    if step is not None:
        return "schedule", f"the weights move by another amount at step {step + 1}", step, 1
    return "schedule", None, None, len(golden.arrays.get("series.moved", ())), "", left_out


def _movement_apart(golden: "Trace", found: "Trace") -> int | None:
    """The first step at which the followed weights moved otherwise."""
    import numpy as np

    moved = [trace.arrays.get("series.moved") for trace in (golden, found)]
    if moved[0] is None or moved[1] is None:
        return None
    shared = min(map(len, moved))
    change = [np.diff(values[:shared], axis=0) for values in moved]
    allowed = _MOVED * np.abs(change[0]) + 1e-4 * np.abs(change[0]).max(initial=0.0)
    apart = (np.abs(change[0] - change[1]) > allowed).any(axis=1)
    return int(np.argmax(apart)) + 1 if apart.any() else None


def compare_masks(golden: "Trace", found: "Trace") -> Answer:
    """Rung dropout: how many masks a step draws, and with which probability; of masks that are no dropout's the size."""
    masks = [trace.arrays.get("series.masks") for trace in (golden, found)]
    counts = [0 if values is None else int((values[:, 0] == 0).sum()) for values in masks]
    if masks[0] is None and masks[1] is None:
        return "dropout", None, None, 0
    if bool(counts[0]) != bool(counts[1]):
        told = "no mask is drawn in training" if not counts[1] else "masks are drawn in training, the reference has none"
        return "dropout", told, 0, counts[0]
    if counts[0] != counts[1]:
        return "dropout", f"{counts[1]} masks a step instead of {counts[0]}", 0, counts[0]
    for mine, own in zip(masks[0], masks[1], strict=False):
        step, index = int(mine[0]), int(mine[1])
        told = None
        if own[2] >= 0 and mine[2] >= 0 and abs(own[2] - mine[2]) > 1e-12:
            told = f"mask {index + 1} drops {own[2]:g} of the elements instead of {mine[2]:g}"
        elif own[4] != mine[4]:
            told = f"mask {index + 1} has {own[4]:.0f} elements instead of {mine[4]:.0f}"
        if told:
            module = golden.index["masks"].get(f"{step}.{index}", ["", [], ""])[2]
            return "dropout", f"{told} at step {step + 1}", step, counts[0], module
    return "dropout", None, None, len(masks[0])


def compare_followed(rung: str, golden: "Trace", found: "Trace") -> tuple[str, int] | None:
    """What a rung of tensors shows over the whole run besides: modes, losses, gradients left, movement."""
    compare = {
        "evaluation": _evaluation_apart, "forward_train": _training_apart, "loss": _loss_apart,
        "gradients": _left_apart, "optimiser": _effect_apart,
    }.get(rung)  # fmt: skip
    return compare(golden, found) if compare else None


def _training_apart(golden: "Trace", found: "Trace") -> tuple[str, int] | None:
    if _trains_in_evaluation(golden, found):
        step = found.index["trained_in_evaluation"]
        return None if step else ("the network trains in evaluation mode", 0)
    calls = [trace.arrays.get("series.train.calls") for trace in (golden, found)]
    modes = _mode_apart(calls, "at step {next}")
    if modes is not None or calls[0] is None or calls[1] is None:
        return modes
    for mine, own in zip(*calls, strict=False):
        if (mine[4] == calls[0][0][4]) != (own[4] == calls[1][0][4]):
            return f"{own[4]:g} of its tensors are trained at step {int(own[0]) + 1}, not as many as before", int(own[0])
    return None


def _evaluation_apart(golden: "Trace", found: "Trace") -> tuple[str, int] | None:
    calls = [trace.arrays.get("series.evaluation.calls") for trace in (golden, found)]
    if not _trains_in_evaluation(golden, found):
        modes = _mode_apart(calls, "in evaluation after step {step}")
        if modes is not None:
            return modes
    if _trains_in_evaluation(golden, found):
        step = found.index["trained_in_evaluation"]
        told = f"the network is left in evaluation mode, and trains in it from step {step + 1} on"
        return (told, step) if step else None
    at = _evaluated_apart(golden, found)
    return None if at is None else (f"evaluated example {at + 1} has other values", 0)


def _mode_apart(calls: list[Any], when: str) -> tuple[str, int] | None:
    """The first call in another mode: of the network, or of some of its modules."""
    if calls[0] is None or calls[1] is None:
        return None
    for mine, own in zip(*calls, strict=False):
        step = int(own[0])
        place = when.format(step=step, next=step + 1)
        if mine[1] != own[1]:
            return f"the network is in {'training' if own[1] else 'evaluation'} mode {place}", step
        if (mine[2] in (0.0, 1.0)) != (own[2] in (0.0, 1.0)):
            return f"{own[2]:.0%} of its modules are in training mode {place}, {mine[2]:.0%} of the reference's", step
    return None


def _loss_apart(golden: "Trace", found: "Trace") -> tuple[str, int] | None:
    losses = [trace.arrays.get("series.loss") for trace in (golden, found)]
    at = _first_shared(golden, found, "series.loss")
    if at is None:
        return None
    skimmed = sorted(set(range(int(golden.index["steps"]))) - set(golden.index["fed"]))
    step = skimmed[at] if at < len(skimmed) else at
    told = f"the loss of equal outputs is {losses[1][at]:.9g} instead of {losses[0][at]:.9g} at step {step + 1}"
    return told, step


def _left_apart(golden: "Trace", found: "Trace") -> tuple[str, int] | None:
    left = [trace.arrays.get("series.left") for trace in (golden, found)]
    if left[0] is None or left[1] is None:
        return None
    dirty = [{int(row[0]) for row in values if row[1] > 0} for values in left]
    apart = sorted(dirty[0] ^ dirty[1])
    if not apart:
        return None
    which = "gradients of the step before were left" if apart[0] in dirty[1] else "gradients were set to zero, not kept"
    return f"{which} at step {apart[0] + 1}", apart[0]


def _effect_apart(golden: "Trace", found: "Trace") -> tuple[str, int] | None:
    """Over all steps with one learning rate: what the optimiser makes of the same gradients."""
    step = None if _trains_in_evaluation(golden, found) else _movement_apart(golden, found)
    if step is None or compare_schedule(golden, found)[1] is not None:
        return None
    return f"the weights move by another amount at step {step + 1}", step


