"""Compares what two traces followed over all steps: budget, schedule, masks, modes, losses. Pure."""

from dataclasses import replace
from typing import Any

from scaffold.records.judgement import Word
from scaffold.rules.batches import (
    EVALUATED,
    evaluated_apart,
    evaluates_others,
    evaluation_moved,
    first_apart,
    first_shared,
    trains_in_evaluation,
)
from scaffold.rules.rung import Rung, Trace, differs, equal

_EXACT = 1e-12
"""Two numbers that a program was given."""

_OUTPUT = 1e-4
"""Of marks of outputs in evaluation: what float32 makes of a whole network."""

_MOVED = 1e-3
"""Of how far the weights moved in one step: a difference of two float32 sums."""


def compare_budget(golden: Trace, found: Trace) -> Rung:
    """Rung budget: steps, updates of the optimiser, evaluations and the examples of each."""
    if trains_in_evaluation(golden, found):
        return equal("budget", 0, ["what was trained in evaluation mode"])
    for key, what in (("steps", "steps"), ("updates", "updates of the weights"), ("bursts", "evaluations")):
        wanted, got = golden.index[key], found.index[key]
        is_blind = key == "updates" and not got  # its own optimiser is no torch optimiser
        if wanted != got and not is_blind:
            return differs("budget", f"{got} {what} instead of {wanted}", min(wanted, got))
    at = evaluation_moved(golden, found)
    if at is not None:
        steps = [int(trace.arrays[EVALUATED][at][0]) for trace in (golden, found)]
        return differs("budget", f"an evaluation comes after step {steps[1]} instead of {steps[0]}", min(steps))
    return equal("budget", 3)


def compare_schedule(golden: Trace, found: Trace) -> Rung:
    """Rung schedule: the learning rate at every step; by its effect where the program has no torch optimiser."""
    rates = golden.arrays.get("series.rates"), found.arrays.get("series.rates")
    if rates[0] is not None and rates[1] is not None:
        step = first_apart(rates[0], rates[1], 1e-9)
        if step is not None and step < min(len(rates[0]), len(rates[1])):
            column = 1 if rates[1][step][1] != rates[0][step][1] else 2
            values = rates[1][step][column], rates[0][step][column]
            step = int(rates[0][step][0])
            told = f"the learning rate is {values[0]:.9g} instead of {values[1]:.9g} at step {step + 1}"
            return differs("schedule", told, step)
        return equal("schedule", len(rates[0]))
    step = _movement_apart(golden, found)
    left_out = ["learning rates: one of both has no torch optimiser; compared by how far weights move"]
    if step is not None:
        return differs("schedule", f"the weights move by another amount at step {step + 1}", step)
    moved = [values for name, values in golden.arrays.items() if name.startswith("series.moved.")]
    return equal("schedule", sum(map(len, moved)), left_out)


def _movement_apart(golden: Trace, found: Trace) -> int | None:
    """The first step at which the followed weights of a network moved otherwise."""
    import numpy as np

    steps = []
    for name in golden.arrays:
        moved = _both(golden, found, name) if name.startswith("series.moved.") else None
        if moved is None:
            continue
        shared = min(map(len, moved))
        change = [np.diff(values[:shared, 1:], axis=0) for values in moved]
        allowed = _MOVED * np.abs(change[0]) + 1e-4 * np.abs(change[0]).max(initial=0.0)
        apart = (np.abs(change[0] - change[1]) > allowed).any(axis=1)
        steps += [int(moved[0][int(np.argmax(apart)) + 1][0]) - 1] if apart.any() else []
    return min(steps, default=None)


def compare_masks(golden: Trace, found: Trace) -> Rung:
    """Rung dropout: how many masks a step draws, of how many elements, and with which probability.

    What keeps or drops by a mask that is no dropout of torch's own, only the outputs show.
    """
    counts = [_masks_a_step(trace) for trace in (golden, found)]
    if not any(counts):
        return equal("dropout", 0)
    if not all(counts):
        seen = "no mask is drawn in training" if counts[0] else "masks are drawn in training, and none in the reference"
        return differs("dropout", seen)
    if counts[0] != counts[1]:
        return differs("dropout", f"{counts[1]} masks a step instead of {counts[0]}")
    masks = [trace.arrays["series.masks"] for trace in (golden, found)]
    for mine, own in zip(*masks, strict=False):
        step, index = int(mine[0]), int(mine[1])
        seen = ""
        if min(own[2], mine[2]) >= 0 and abs(own[2] - mine[2]) > _EXACT:
            seen = f"mask {index + 1} drops {own[2]:g} of the elements instead of {mine[2]:g}"
        elif own[4] != mine[4]:
            seen = f"mask {index + 1} has {own[4]:.0f} elements instead of {mine[4]:.0f}"
        if seen:
            module = golden.index["masks"].get(f"{step}.{index}", ["", [], ""])[2]
            return differs("dropout", f"{seen} at step {step + 1}", step, module)
    return equal("dropout", len(masks[0]))


def _masks_a_step(trace: Trace) -> int:
    masks = trace.arrays.get("series.masks")
    return 0 if masks is None else int((masks[:, 0] == masks[0, 0]).sum())


def with_evaluated(rung: Rung, golden: Trace) -> Rung:
    """Rung evaluation, with the outputs that were compared example by example counted."""
    if rung.name != "evaluation":
        return rung
    count = sum(len(values) for name, values in golden.arrays.items() if name.startswith("series.evaluation.outputs."))
    is_seen = count > 0 and rung.word is Word.LEFT_OUT
    return replace(
        rung, compared=rung.compared + count, word=Word.EQUAL if is_seen else rung.word,
        reason="" if is_seen else rung.reason,
    )  # fmt: skip


def compare_followed(rung: str, golden: Trace, found: Trace) -> tuple[str, int] | None:
    """What a rung of tensors shows over the whole run besides: modes, losses, gradients left, movement."""
    compare = {
        "evaluation": _evaluation_apart, "forward_train": _training_apart, "loss": _loss_apart,
        "gradients": _left_apart, "optimiser": _effect_apart,
    }.get(rung)  # fmt: skip
    return compare(golden, found) if compare else None


def _training_apart(golden: Trace, found: Trace) -> tuple[str, int] | None:
    if trains_in_evaluation(golden, found):
        return ("the network trains in evaluation mode", 0) if not found.index["trained_in_evaluation"] else None
    calls = _both(golden, found, "series.train.calls")
    if calls is None:
        return None
    modes = _mode_apart(calls, "at step {next}")
    if modes is not None:
        return modes
    for mine, own in zip(*calls, strict=False):
        if (mine[4] == calls[0][0][4]) != (own[4] == calls[1][0][4]):
            step = int(own[0])
            return f"{own[4]:g} of its tensors are trained at step {step + 1}, not as many as before", step
    return None


def _evaluation_apart(golden: Trace, found: Trace) -> tuple[str, int] | None:
    if trains_in_evaluation(golden, found):
        step = found.index["trained_in_evaluation"]
        seen = f"the network is left in evaluation mode, and trains in it from step {step + 1} on"
        return (seen, step) if step else None
    calls = _both(golden, found, "series.evaluation.calls")
    modes = _mode_apart(calls, "in evaluation after step {step}") if calls is not None else None
    if modes is not None:
        return modes
    others = evaluates_others(golden, found)
    if others:
        return others, 0
    weights = _weights_apart(golden, found)
    if weights is not None:
        return "weights are evaluated that are others by then", weights
    at = evaluated_apart(golden, found)
    if at is not None:
        return f"evaluated example {at + 1} has other values", 0
    for name in golden.arrays:
        if name.startswith("series.evaluation.outputs."):
            # Of one that evaluates in more calls fewer examples are computed.
            at = first_shared(golden, found, name, _OUTPUT) if name in found.arrays else 0
            if at is not None:
                return f"the network gives other outputs for evaluated example {at + 1}", 0
    return None


def _weights_apart(golden: Trace, found: Trace) -> int | None:
    """The step after which other weights are evaluated, such as the last instead of the best ones.

    Of all calls after a step the first and the last are compared: one may evaluate in more batches than the other.
    """
    import numpy as np

    weights = _both(golden, found, "series.evaluation.weights")
    if weights is None or _movement_apart(golden, found) is not None:
        return None
    allowed = _MOVED * np.ptp(weights[0][:, 1:], axis=0) + 1e-6 * np.abs(weights[0][:, 1:]).max(axis=0)
    for step in np.intersect1d(weights[0][:, 0], weights[1][:, 0]):
        mine, own = (rows[rows[:, 0] == step][:, 1:] for rows in weights)
        if (np.abs(mine[[0, -1]] - own[[0, -1]]) > allowed).any():
            return int(step)
    return None


def _mode_apart(calls: tuple[Any, Any], when: str) -> tuple[str, int] | None:
    """The first call in another mode: of the network, or of some of its modules."""
    for mine, own in zip(*calls, strict=False):
        step = int(own[0])
        place = when.format(step=step, next=step + 1)
        if mine[1] != own[1]:
            return f"the network is in {'training' if own[1] else 'evaluation'} mode {place}", step
        if (mine[2] in (0.0, 1.0)) != (own[2] in (0.0, 1.0)):
            return f"{own[2]:.0%} of its modules are in training mode {place}, {mine[2]:.0%} of the reference's", step
    return None


def _both(golden: Trace, found: Trace, name: str) -> tuple[Any, Any] | None:
    """A series of both, if both have it."""
    arrays = golden.arrays.get(name), found.arrays.get(name)
    return None if arrays[0] is None or arrays[1] is None else arrays


def _loss_apart(golden: Trace, found: Trace) -> tuple[str, int] | None:
    counts = _both(golden, found, "series.train.targets.count")
    at = first_shared(golden, found, "series.train.targets.count")
    if at is not None and counts is not None:
        mine, own = counts[0][at], counts[1][at]
        return f"the loss gets {own[1]:.0f} targets instead of {mine[1]:.0f} at step {mine[0] + 1:.0f}", int(mine[0])
    losses = _both(golden, found, "series.loss")
    at = first_shared(golden, found, "series.loss")
    if at is None or losses is None:
        return None
    skimmed = sorted(set(range(int(golden.index["steps"]))) - set(golden.index["fed"]))
    step = skimmed[at] if at < len(skimmed) else at
    told = f"the loss of equal outputs is {losses[1][at]:.9g} instead of {losses[0][at]:.9g} at step {step + 1}"
    return told, step


def _left_apart(golden: Trace, found: Trace) -> tuple[str, int] | None:
    left = _both(golden, found, "series.left")
    if left is None:
        return None
    dirty = [{int(row[0]) for row in values if row[1] > 0} for values in left]
    apart = sorted(dirty[0] ^ dirty[1])
    if not apart:
        return None
    which = "gradients of the step before were left" if apart[0] in dirty[1] else "gradients were set to zero, not kept"
    return f"{which} at step {apart[0] + 1}", apart[0]


def _effect_apart(golden: Trace, found: Trace) -> tuple[str, int] | None:
    """Over all steps with one learning rate: what the optimiser makes of the same gradients."""
    step = None if trains_in_evaluation(golden, found) else _movement_apart(golden, found)
    if step is None or compare_schedule(golden, found).word is Word.DIFFERS:
        return None
    return f"the weights move by another amount at step {step + 1}", step
