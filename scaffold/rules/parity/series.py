"""Compares what two traces followed over all steps: budget, schedule, masks, modes, losses.

Pure.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from scaffold.records.judgment import Verdict
from scaffold.rules.parity.batches import (
    EVALUATED,
    calls_apart,
    evaluated_apart,
    evaluated_outputs,
    evaluates_others,
    evaluation_moved,
    first_apart,
    first_shared,
    trains_in_evaluation,
)
from scaffold.rules.parity.checks import CheckResult, Trace, differs, equal

_EXACT = 1e-12
"""Two numbers that a program was given."""

_OUTPUT = 1e-4
"""Of marks of outputs in evaluation: what float32 makes of a whole network."""

_MOVED = 1e-3
"""Of how far the weights moved in one step: a difference of two float32 sums."""

_LOSS = 1e-5
"""Of losses of equal outputs: two float32 sums in another order."""

_RATE = 1e-9
"""Relative difference of two learning rates: a schedule is computed in float64."""

OF_DROPOUT = ".p"
"""How a setting ends that is the probability of a dropout."""

_WEIGHTS = 2
"""Columns of what is evaluated that are weights; those after them are statistics of batches."""

_NOISE = ("randn", "randn_like", "normal", "normal_", "exponential_")
"""Draws of torch that no mask is made of."""

_OPTIONS = (
    "learning rate",
    "weight_decay",
    "momentum",
    "dampening",
    "beta1",
    "beta2",
    "eps",
    "alpha",
    "rho",
    "lambd",
    "nesterov",
    "amsgrad",
    "maximize",
    "centered",
)
"""Columns of the series of options, in the order in which the tracer writes them."""


def compare_budget(golden: Trace, found: Trace) -> CheckResult:
    """Check the budget: updates, calls of a network in a step, evaluations and their sizes."""
    if trains_in_evaluation(golden, found):
        return equal("budget", 0, ["what was trained in evaluation mode"])
    wanted, got = golden.index["steps"], found.index["steps"]
    if wanted != got:
        return differs("budget", f"{got} steps instead of {wanted}", min(wanted, got))
    calls = calls_apart(golden, found)
    if calls is not None:
        return differs("budget", calls.text, calls.step, structural=calls.structural)
    wanted, got = golden.index["bursts"], found.index["bursts"]
    if wanted != got and _examples_evaluated(golden) != _examples_evaluated(found):
        return differs("budget", f"{got} evaluations instead of {wanted}", min(wanted, got))
    return equal("budget", 3)


def _examples_evaluated(trace: Trace) -> int:
    """Return how many examples all evaluations had together."""
    counts = trace.arrays.get(EVALUATED)
    return 0 if counts is None else int(counts[:, 1].sum())


def evaluated_at(trace: Trace) -> set[int]:
    """Return the steps after which a program evaluates."""
    counts = trace.arrays.get("series.evaluation.count")
    return set() if counts is None else {int(step) for step in counts[:, 0]}


def compare_schedule(golden: Trace, found: Trace) -> CheckResult:
    """Check the schedule: the options of every parameter group at every step.

    Where one of both programs has no torch optimizer it is compared by how far weights move.
    """
    options = [_options_by_group(trace) for trace in (golden, found)]
    pairs = _paired_groups(golden, found)
    if all(options) and pairs:
        apart = [
            (*at, name)
            for (mine, own), name in pairs.items()
            if mine in options[0]
            and own in options[1]
            and (at := _option_apart(options[0][mine], options[1][own])) is not None
        ]
        if apart:
            step, text, name = min(apart)
            return differs("schedule", f"{text} at step {step + 1}, for {name}", step, name)
        return equal("schedule", sum(len(rows) for rows in options[0].values()))
    step_apart = _movement_apart(golden, found)
    left_out = [
        "learning rates: one of both has no torch optimizer; compared by how far weights move"
    ]
    if step_apart is not None:
        text = f"the weights move by another amount at step {step_apart + 1}"
        return differs("schedule", text, step_apart)
    moved = [values for name, values in golden.arrays.items() if name.startswith("series.moved.")]
    return equal("schedule", sum(map(len, moved)), left_out)


def _options_by_group(trace: Trace) -> dict[int, list[tuple[int, Any]]]:
    """Return of each group the steps at which its options became others, and what they became."""
    rows = trace.arrays.get("series.options")
    found: dict[int, list[tuple[int, Any]]] = {}
    for row in () if rows is None else rows:
        found.setdefault(int(row[1]), []).append((int(row[0]), row[2:]))
    return found


def _paired_groups(golden: Trace, found: Trace) -> dict[tuple[int, int], str]:
    """Return groups of both programs with common parameters, with the name of one of those."""
    pairs: dict[tuple[int, int], str] = {}
    for mine, theirs in zip(golden.index["networks"], found.index["networks"], strict=False):
        groups = {entry["name"]: entry.get("groups", ()) for entry in mine["parameters"]}
        for entry in theirs["parameters"]:
            for name in theirs["sources"].get(entry["name"], ()):
                for one, other in zip(groups.get(name, ()), entry.get("groups", ()), strict=False):
                    pairs.setdefault((one, other), name)
    return pairs


def _option_apart(
    expected: list[tuple[int, Any]], actual: list[tuple[int, Any]]
) -> tuple[int, str] | None:
    """Return the first step at which an option of two groups differs, and how.

    What it is at first is compared for the learning rate only: the rest is the question of the
    check parameters.
    """
    import numpy as np

    begins = [rows[0][1] for rows in (expected, actual)]
    known: list[Any] = [begins[0], begins[1]]
    changes: dict[int, dict[int, Any]] = {}
    for side, rows in enumerate((expected, actual)):
        for step, row in rows:
            changes.setdefault(step, {})[side] = row
    for step in sorted(changes):
        for side, row in changes[step].items():
            known[side] = row
        a, b = known
        with np.errstate(invalid="ignore"):
            apart = ~(np.isnan(a) | np.isnan(b)) & (
                np.abs(a - b) > _RATE * np.maximum(np.abs(a), np.abs(b))
            )
        for column in np.flatnonzero(apart):
            is_first = a[column] == begins[0][column] and b[column] == begins[1][column]
            if column == 0 or not is_first:
                return step, f"{_OPTIONS[column]} is {_distinct(b[column], a[column])}"
    return None


def _distinct(actual: float, expected: float) -> str:
    """Write two numbers with as many digits as it takes to tell them apart."""
    for digits in (6, 9, 12, 17):
        texts = f"{actual:.{digits}g}", f"{expected:.{digits}g}"
        if texts[0] != texts[1]:
            break
    return f"{texts[0]} instead of {texts[1]}"


def _movement_apart(golden: Trace, found: Trace) -> int | None:
    """Return the first step at which a network's followed weights moved differently."""
    import numpy as np

    steps = []
    for name in golden.arrays:
        moved = _both(golden, found, name) if name.startswith("series.moved.") else None
        if moved is None:
            continue
        shared = min(map(len, moved))
        change = [np.diff(values[:shared, 1:], axis=0) for values in moved]
        # Between two rows that are further apart a step was fed: weights were given there, if the
        # network was called.
        is_next = (np.diff(moved[0][:shared, 0]) == 1) & (np.diff(moved[1][:shared, 0]) == 1)
        largest = np.abs(change[0][is_next]).max(initial=0.0)
        allowed = _MOVED * np.abs(change[0]) + 1e-4 * largest
        apart = is_next & (np.abs(change[0] - change[1]) > allowed).any(axis=1)
        steps += [int(moved[0][int(np.argmax(apart)) + 1][0]) - 1] if apart.any() else []
    return min(steps, default=None)


def compare_masks(golden: Trace, found: Trace) -> CheckResult:
    """Check dropout: masks per call, their sizes and probabilities.

    What keeps or drops by a mask that is no dropout of torch's own, only the outputs show. Noise
    that is no mask is a question of the check forward_train.
    """
    masks = [_masks_by_call(trace) for trace in (golden, found)]
    if not any(masks):
        return equal("dropout", 0)
    again = _seeded_again(golden, found)
    if again is not None:
        return again
    if not all(masks):
        seen = (
            "no mask is drawn in training"
            if masks[0]
            else "masks are drawn in training, and none in the reference"
        )
        return differs("dropout", seen)
    counts = [len(calls[0]) for calls in masks]
    if counts[0] != counts[1]:
        return differs("dropout", f"{counts[1]} masks a call instead of {counts[0]}")
    late = settings_apart(golden, found)
    if late is not None and late[2].endswith(OF_DROPOUT):
        return differs("dropout", late[0], late[1], late[2])
    apart = _mask_apart(golden, found, is_noise=False)
    if apart is not None:
        return differs("dropout", *apart)
    return equal("dropout", sum(len(call) for call in masks[0]))


def _masks_by_call(trace: Trace) -> list[Any]:
    """Return the masks of each call of a network, in the order in which it is called."""
    import numpy as np

    masks = trace.arrays.get("series.masks")
    return [] if masks is None else np.split(masks, np.flatnonzero(masks[:, 1] == 0)[1:])


def _mask_apart(golden: Trace, found: Trace, *, is_noise: bool) -> tuple[str, int, str] | None:
    """Return how a mask, or else noise, differs, from which step on, and in which module.

    Of a step in which networks are called more often, or less, the calls of both are compared.
    """
    steps = [_by_step(_masks_by_call(trace)) for trace in (golden, found)]
    pairs = [
        (mine, own)
        for step, calls in steps[0].items()
        for first, second in zip(calls, steps[1].get(step, ()), strict=False)
        for mine, own in zip(first, second, strict=False)
    ]
    for mine, own in pairs:
        step, index = int(mine[0]), int(mine[1])
        kind, _, module = golden.index["masks"].get(f"{step}.{index}", ["", [], ""])
        if (kind in _NOISE) != is_noise:
            continue
        what = "noise" if is_noise else "mask"
        seen = ""
        if min(own[2], mine[2]) >= 0 and abs(own[2] - mine[2]) > _EXACT:
            seen = f"mask {index + 1} drops {own[2]:g} of the elements instead of {mine[2]:g}"
        elif own[4] != mine[4]:
            seen = f"{what} {index + 1} has {own[4]:.0f} elements instead of {mine[4]:.0f}"
        if seen:
            return f"{seen} at step {step + 1}", step, module
    return None


def _by_step(calls: Sequence[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for call in calls:
        found.setdefault(int(call[0][0]), []).append(call)
    return found


def _seeded_again(golden: Trace, found: Trace) -> CheckResult | None:
    """Check whether a program seeds torch again with an earlier seed: its masks repeat."""
    first = [next(iter(trace.index.get("reseeded", [])), None) for trace in (golden, found)]
    if (first[0] is None) == (first[1] is None):
        return None
    step, seed = first[1] or first[0]  # type: ignore[misc]
    text = (
        f"torch is seeded with {seed} again before step {step + 1}: masks repeat those of an"
        " earlier step"
    )
    if first[1] is None:
        text = (
            f"masks do not repeat; the reference seeds torch with {seed} again before step"
            f" {step + 1}"
        )
    return differs("dropout", text, step)


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

    Text, step, and a code if a cause follows.
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


def compare_followed(check: str, golden: Trace, found: Trace) -> Followed | None:
    """Compare what is followed over the whole run: modes, losses, left gradients, movement."""
    compare: Callable[[Trace, Trace], tuple[str, int] | Followed | None] | None = {
        "evaluation": _evaluation_apart,
        "forward_train": _training_apart,
        "loss": _loss_apart,
        "gradients": _left_apart,
        "optimizer": _effect_apart,
    }.get(check)
    apart = compare(golden, found) if compare else None
    return Followed(*apart) if apart else None


def _training_apart(golden: Trace, found: Trace) -> Followed | tuple[str, int] | None:
    if trains_in_evaluation(golden, found):
        return (
            ("the network trains in evaluation mode", 0)
            if not found.index["trained_in_evaluation"]
            else None
        )
    calls = _both(golden, found, "series.train.calls")
    if calls is None:
        return None
    modes = _mode_apart(calls, "at step {next}")
    if modes is not None:
        return modes
    noise = _mask_apart(golden, found, is_noise=True)
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


def settings_apart(golden: Trace, found: Trace) -> tuple[str, int, str] | None:
    """Find a module setting or trained flag that only one program changes during the run.

    Only of modules of torch and tensors that both programs have: how, from which step on, and
    whose.
    """
    changes = [
        {
            (int(step), str(name)): (before, after)
            for step, name, before, after in trace.index.get("changed", [])
        }
        for trace in (golden, found)
    ]
    modules = [
        {m["path"] for net in trace.index["networks"] for m in net["modules"]}
        | {p["name"] for net in trace.index["networks"] for p in net["parameters"]}
        for trace in (golden, found)
    ]
    for side in (0, 1):
        for (step, name), (before, after) in sorted(changes[side].items()):
            other = changes[1 - side].get((step, name))
            if name.rpartition(".")[0] not in modules[1 - side] or other == (before, after):
                continue
            text = f"{name} stays {before} at step {step + 1} instead of becoming {after}"
            if side:
                text = f"{name} becomes {after} at step {step + 1}, not in the reference"
            return text, step, name
    return None


def _evaluation_apart(golden: Trace, found: Trace) -> Followed | tuple[str, int] | None:
    more = _networks_evaluated(golden, found)
    if more:
        return more, 0
    moved = evaluation_moved(golden, found)
    if moved is not None:
        is_new = moved in evaluated_at(found)
        text = f"an evaluation comes after step {moved}, where the reference has none"
        return text if is_new else f"no evaluation comes after step {moved}", moved
    if trains_in_evaluation(golden, found):
        step = found.index["trained_in_evaluation"]
        seen = f"the network is left in evaluation mode, and trains in it from step {step + 1} on"
        return Followed(seen, step, LEFT_IN_EVALUATION) if step else None
    calls = _both(golden, found, "series.evaluation.calls")
    modes = _mode_apart(calls, "in evaluation after step {step}") if calls is not None else None
    if modes is not None:
        return modes
    if evaluates_others(golden, found):
        return "the evaluated examples have other labels", 0
    weights = _weights_apart(golden, found)
    if weights is not None:
        step, is_statistics = weights
        what = "statistics of batches" if is_statistics else "weights"
        return f"{what} are evaluated that are others after step {step}", step
    return evaluated_apart(golden, found) or _outputs_apart(golden, found)


def networks_trained(trace: Trace) -> int:
    """Return how many networks are called in training; all, where a trace does not say."""
    names = {network["name"] for network in trace.index["networks"]}
    entered = {name.partition(".")[0] for name in trace.index.get("entered", names)}
    return len(names & entered)


def _networks_evaluated(golden: Trace, found: Trace) -> str:
    """Say that more or fewer networks are called in evaluation, such as an averaged copy."""
    counts = [len(trace.index["networks"]) for trace in (golden, found)]
    if counts[0] == counts[1] or networks_trained(golden) != networks_trained(found):
        return ""
    return (
        f"{counts[1]} networks are called instead of {counts[0]}, as many of them as before in"
        " training"
    )


def _outputs_apart(golden: Trace, found: Trace) -> tuple[str, int] | None:
    """Compare outputs of the first evaluation by example, in any order and portions."""
    for name in golden.arrays:
        if not name.startswith("series.evaluation.outputs."):
            continue
        # Of one that evaluates in more calls fewer examples are computed.
        if name not in found.arrays:
            return "the network gives outputs of another form", 0
        key = name.removeprefix("series.evaluation.outputs.")
        outputs = [list(evaluated_outputs(trace, key)) for trace in (golden, found)]
        if len(outputs[0]) != len(outputs[1]):
            at = first_shared(golden, found, name, _OUTPUT)
        else:
            values = [[value for _, value in side] for side in outputs]
            at = first_apart(values[0], values[1], _OUTPUT)
        if at is not None:
            return f"the network gives other outputs for evaluated example {at + 1}", 0
    return None


def _weights_apart(golden: Trace, found: Trace) -> tuple[int, bool] | None:
    """Return the step after which other weights are evaluated, and whether it is only statistics.

    Such as the last instead of the best.

    Of all calls after a step the first and the last are compared: one may evaluate in more batches
    than the other.
    """
    import numpy as np

    weights = _both(golden, found, "series.evaluation.weights")
    if weights is None or _movement_apart(golden, found) is not None:
        return None
    allowed = _MOVED * np.ptp(weights[0][:, 1:], axis=0) + 1e-6 * np.abs(weights[0][:, 1:]).max(
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


def _both(golden: Trace, found: Trace, name: str) -> tuple[Any, Any] | None:
    """Return a series of both traces, if both have it."""
    arrays = golden.arrays.get(name), found.arrays.get(name)
    return None if arrays[0] is None or arrays[1] is None else arrays


def _loss_apart(golden: Trace, found: Trace) -> tuple[str, int] | None:
    """Compare losses of skimmed steps, of equal outputs.

    How many targets there are says nothing by itself.
    """
    losses = _both(golden, found, "series.loss")
    if trains_in_evaluation(golden, found):
        return None  # what it trains in evaluation mode is answered like evaluated examples
    at = first_shared(golden, found, "series.loss", _LOSS)
    if at is None or losses is None:
        return None
    steps = golden.arrays.get("series.loss.steps")
    step = int(steps[at]) if steps is not None and at < len(steps) else at
    text = (
        f"the loss of equal outputs is {_distinct(losses[1][at], losses[0][at])} at step {step + 1}"
    )
    return text, step


def _left_apart(golden: Trace, found: Trace) -> Followed | None:
    left = _both(golden, found, "series.left")
    if left is None:
        return None
    dirty = [{int(row[0]) for row in values if row[1] > 0} for values in left]
    apart = sorted(dirty[0] ^ dirty[1])
    if not apart:
        return None
    step = apart[0]
    if step in dirty[1]:
        return Followed(
            f"gradients of the step before were left at step {step + 1}", step, GRADIENTS_LEFT
        )
    return Followed(f"gradients were set to zero, not kept at step {step + 1}", step)


def between_updates(golden: Trace, found: Trace) -> tuple[str, int, bool] | None:
    """Describe what only one program does between two updates, and before which step.

    The last is whether that is a difference by itself. Weights that are given other values right
    after an update are none: someone may clip them inside the optimizer. After an evaluation they
    are.
    """
    updates = [int(trace.index.get("updates", 0)) for trace in (golden, found)]
    steps = [int(trace.index["steps"]) for trace in (golden, found)]
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
        for trace in (golden, found)
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


def _effect_apart(golden: Trace, found: Trace) -> tuple[str, int] | None:
    """Compare what the optimizer makes of equal gradients.

    Over all steps with one learning rate.
    """
    step = None if trains_in_evaluation(golden, found) else _movement_apart(golden, found)
    if step is None or compare_schedule(golden, found).verdict is Verdict.DIFFERS:
        return None
    return f"the weights move by another amount at step {step + 1}", step
