"""Compares what two traces followed over all steps: budget, schedule, masks, modes, losses.

Pure.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from scaffold.records.judgment import Verdict
from scaffold.rules.parity.batches import trains_in_evaluation
from scaffold.rules.parity.budget import evaluated_at, networks_trained
from scaffold.rules.parity.checks import CheckResult, Trace
from scaffold.rules.parity.evaluated import (
    evaluated_apart,
    evaluated_outputs,
    evaluates_others,
    evaluation_moved,
)
from scaffold.rules.parity.marks import both, distinct, first_apart, first_shared
from scaffold.rules.parity.masks import mask_apart
from scaffold.rules.parity.movement import MOVED, movement_apart
from scaffold.rules.parity.schedule import compare_schedule

_OUTPUT = 1e-4
"""Of marks of outputs in evaluation: what float32 makes of a whole network."""


_LOSS = 1e-5
"""Of losses of equal outputs: two float32 sums in another order."""


_WEIGHTS = 2
"""Columns of what is evaluated that are weights; those after them are statistics of batches."""


def with_evaluated(check: CheckResult, golden: Trace) -> CheckResult:
    """Return the evaluation check with outputs compared example by example counted."""
    if check.name != "evaluation":
        return check
    count = sum(
        len(values)
        for name, values in golden.arrays.items()
        if name.startswith("series.evaluation.outputs.")
    )
    is_seen = count > 0 and check.verdict is Verdict.LEFT_OUT
    return replace(
        check,
        compared=check.compared + count,
        verdict=Verdict.EQUAL if is_seen else check.verdict,
        reason="" if is_seen else check.reason,
        code="" if is_seen else check.code,
    )


class Followed(NamedTuple):
    """A difference in what is followed over the whole run.

    It has a code if a cause follows from it.
    """

    text: str
    step: int
    code: str = ""


TRAINING_MODE, LEFT_IN_EVALUATION, GRADIENTS_LEFT = (
    "training_mode",
    "left_in_evaluation",
    "gradients_left",
)
"""Codes of differences that have a usual cause of their own."""


def compare_followed(check: str, golden: Trace, candidate: Trace) -> Followed | None:
    """Compare what is followed over the whole run: modes, losses, left gradients, movement."""
    compare: Callable[[Trace, Trace], tuple[str, int] | Followed | None] | None = {
        "evaluation": _evaluation_apart,
        "forward_train": _training_apart,
        "loss": _loss_apart,
        "gradients": _left_apart,
        "optimizer": _effect_apart,
    }.get(check)
    apart = compare(golden, candidate) if compare else None
    return Followed(*apart) if apart else None


def _training_apart(golden: Trace, candidate: Trace) -> Followed | tuple[str, int] | None:
    if trains_in_evaluation(golden, candidate):
        return (
            ("the network trains in evaluation mode", 0)
            if not candidate.index["trained_in_evaluation"]
            else None
        )
    calls = both(golden, candidate, "series.train.calls")
    if calls is None:
        return None
    modes = _mode_apart(calls, "at step {next}")
    if modes is not None:
        return modes
    noise = mask_apart(golden, candidate, is_noise=True)
    if noise is not None:
        return f"{noise[0]}, in {noise[2]}" if noise[2] else noise[0], noise[1]
    if len(calls[0]) != len(calls[1]):
        return None  # in other portions: what is computed says more
    for mine, own in zip(*calls, strict=False):
        step = int(own[0])
        if (mine[2] == calls[0][0][2]) != (own[2] == calls[1][0][2]):
            return (
                (
                    f"{own[2]:.0%} of its modules are in training mode at step {step + 1}, not as"
                    " many as before"
                ),
                step,
            )
    return None


def _evaluation_apart(golden: Trace, candidate: Trace) -> Followed | tuple[str, int] | None:
    networks_text = _networks_evaluated(golden, candidate)
    if networks_text:
        return networks_text, 0
    moved_at = evaluation_moved(golden, candidate)
    if moved_at is not None:
        is_new = moved_at in evaluated_at(candidate)
        text = f"an evaluation comes after step {moved_at}, where the reference has none"
        return text if is_new else f"no evaluation comes after step {moved_at}", moved_at
    if trains_in_evaluation(golden, candidate):
        step = candidate.index["trained_in_evaluation"]
        seen = f"the network is left in evaluation mode, and trains in it from step {step + 1} on"
        return Followed(seen, step, LEFT_IN_EVALUATION) if step else None
    calls = both(golden, candidate, "series.evaluation.calls")
    modes = _mode_apart(calls, "in evaluation after step {step}") if calls is not None else None
    if modes is not None:
        return modes
    if evaluates_others(golden, candidate):
        return "the evaluated examples have other labels", 0
    weights = _weights_apart(golden, candidate)
    if weights is not None:
        step, is_statistics = weights
        subject = "statistics of batches" if is_statistics else "weights"
        return f"{subject} are evaluated that are others after step {step}", step
    return evaluated_apart(golden, candidate) or _outputs_apart(golden, candidate)


def _networks_evaluated(golden: Trace, candidate: Trace) -> str:
    """Say that more or fewer networks are called in evaluation, such as an averaged copy."""
    counts = [len(trace.index["networks"]) for trace in (golden, candidate)]
    if counts[0] == counts[1] or networks_trained(golden) != networks_trained(candidate):
        return ""
    return (
        f"{counts[1]} networks are called instead of {counts[0]}, as many of them as before in"
        " training"
    )


def _outputs_apart(golden: Trace, candidate: Trace) -> tuple[str, int] | None:
    """Compare outputs of the first evaluation by example, in any order and portions."""
    for name in golden.arrays:
        if not name.startswith("series.evaluation.outputs."):
            continue
        # Of one that evaluates in more calls fewer examples are computed.
        if name not in candidate.arrays:
            return "the network gives outputs of another form", 0
        key = name.removeprefix("series.evaluation.outputs.")
        outputs = [list(evaluated_outputs(trace, key)) for trace in (golden, candidate)]
        if len(outputs[0]) != len(outputs[1]):
            at = first_shared(golden, candidate, name, _OUTPUT)
        else:
            values = [[value for _, value in side] for side in outputs]
            at = first_apart(values[0], values[1], _OUTPUT)
        if at is not None:
            return f"the network gives other outputs for evaluated example {at + 1}", 0
    return None


def _weights_apart(golden: Trace, candidate: Trace) -> tuple[int, bool] | None:
    """Return the step after which other weights are evaluated, and whether it is only statistics.

    Other weights are such as the last instead of the best.

    Of all calls after a step the first and the last are compared: one may evaluate in more batches
    than the other.
    """
    import numpy as np

    weights = both(golden, candidate, "series.evaluation.weights")
    if weights is None or movement_apart(golden, candidate) is not None:
        return None
    allowed = MOVED * np.ptp(weights[0][:, 1:], axis=0) + 1e-6 * np.abs(weights[0][:, 1:]).max(
        axis=0
    )
    for step in np.intersect1d(weights[0][:, 0], weights[1][:, 0]):
        mine, own = (rows[rows[:, 0] == step][:, 1:] for rows in weights)
        apart = (np.abs(mine[[0, -1]] - own[[0, -1]]) > allowed).any(axis=0)
        if apart.any():
            return int(step), not apart[:_WEIGHTS].any()
    return None


def _mode_apart(calls: tuple[Any, Any], when: str) -> Followed | None:
    """Return the first call in another mode: of the network, or of some of its modules."""
    for mine, own in zip(*calls, strict=False):
        step = int(own[0])
        place = when.format(step=step, next=step + 1)
        if mine[1] != own[1]:
            mode, code = ("training", TRAINING_MODE) if own[1] else ("evaluation", "")
            return Followed(f"the network is in {mode} mode {place}", step, code)
        if (mine[2] in (0.0, 1.0)) != (own[2] in (0.0, 1.0)):
            text = (
                f"{own[2]:.0%} of its modules are in training mode {place}, {mine[2]:.0%} of the"
                " reference's"
            )
            return Followed(text, step, TRAINING_MODE)
    return None


def _loss_apart(golden: Trace, candidate: Trace) -> tuple[str, int] | None:
    """Compare losses of skimmed steps, of equal outputs.

    How many targets there are says nothing by itself.
    """
    losses = both(golden, candidate, "series.loss")
    if trains_in_evaluation(golden, candidate):
        return None  # what it trains in evaluation mode is answered like evaluated examples
    at = first_shared(golden, candidate, "series.loss", _LOSS)
    if at is None or losses is None:
        return None
    steps = golden.arrays.get("series.loss.steps")
    step = int(steps[at]) if steps is not None and at < len(steps) else at
    text = (
        f"the loss of equal outputs is {distinct(losses[1][at], losses[0][at])} at step {step + 1}"
    )
    return text, step


def _left_apart(golden: Trace, candidate: Trace) -> Followed | None:
    leftovers = both(golden, candidate, "series.left")
    if leftovers is None:
        return None
    dirty = [{int(row[0]) for row in values if row[1] > 0} for values in leftovers]
    apart = sorted(dirty[0] ^ dirty[1])
    if not apart:
        return None
    step = apart[0]
    if step in dirty[1]:
        return Followed(
            f"gradients of the step before were left at step {step + 1}", step, GRADIENTS_LEFT
        )
    return Followed(f"gradients were set to zero, not kept at step {step + 1}", step)


def between_updates(golden: Trace, candidate: Trace) -> tuple[str, int, bool] | None:
    """Describe what only one program does between two updates, and before which step.

    The last is whether that is a difference by itself. Weights that are given other values right
    after an update are none: someone may clip them inside the optimizer. After an evaluation they
    are.
    """
    updates = [int(trace.index.get("updates", 0)) for trace in (golden, candidate)]
    steps = [int(trace.index["steps"]) for trace in (golden, candidate)]
    if updates[0] == updates[1] > 0 and steps[0] != steps[1]:
        text = (
            f"{updates[0]} updates follow {steps[1]} backward passes instead of {steps[0]}, in"
            " another order"
        )
        return text, 0, False
    if not all(updates):
        return None  # an optimizer that is not torch's: nobody sees where its update ends
    assigned = [
        {
            (int(step), bool(is_evaluated))
            for name, rows in trace.arrays.items()
            if name.startswith("series.assigned.")
            for step, is_evaluated in rows
        }
        for trace in (golden, candidate)
    ]
    apart = min(assigned[0] ^ assigned[1], default=None)
    if apart is None:
        return None
    step, is_evaluated = apart
    if apart in assigned[1]:
        return (
            f"weights are given other values before step {step + 1}, the reference's are not",
            step,
            is_evaluated,
        )
    text = (
        f"weights keep the values of the last update before step {step + 1}, the reference's do not"
    )
    return text, step, is_evaluated


def _effect_apart(golden: Trace, candidate: Trace) -> tuple[str, int] | None:
    """Compare what the optimizer makes of equal gradients, over steps with one learning rate."""
    step = None if trains_in_evaluation(golden, candidate) else movement_apart(golden, candidate)
    if step is None or compare_schedule(golden, candidate).verdict is Verdict.DIFFERS:
        return None
    return f"the weights move by another amount at step {step + 1}", step
