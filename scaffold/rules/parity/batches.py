"""Compares which examples two programs train on and evaluate, in which order and with which values.

Pure.
"""

from collections.abc import Iterator
from typing import Any

from scaffold.rules.parity.checks import CALLS, PORTIONS, CheckResult, Trace, differs, equal
from scaffold.rules.parity.evaluated import evaluated_apart, evaluated_steps, evaluation_moved
from scaffold.rules.parity.explain import Apart, explained
from scaffold.rules.parity.marks import (
    COUNT,
    EVALUATED,
    MARK,
    TARGETS,
    calls_by_step,
    close,
    first_apart,
    first_shared,
    is_cut,
    without,
)


def compare_batches(golden: Trace, candidate: Trace) -> tuple[CheckResult, CheckResult, int | None]:
    """Compare the checks data and batches: the same examples and labels, in the same batches.

    Steps are compared as sets of examples: in how many calls, and in which order within a step,
    changes nothing.

    Returns:
        both checks, and the step from which on batches are others only because an evaluation before
            drew otherwise: what
        is made of them cannot be compared from there on.
    """
    names = _inputs(golden)
    values = sum(len(golden.arrays[name]) for name in names)
    left_out = (
        [] if TARGETS in golden.arrays else ["labels: no loss of torch's own was called with them"]
    )
    if trains_in_evaluation(golden, candidate):
        text = "what was trained in evaluation mode"
        return equal("data", 0, [text]), equal("batches", 0, [text]), None
    apart = _apart(golden, candidate, names)
    lost = _lost(golden, candidate) if apart is None or apart.check != "data" else None
    if lost is not None:
        return (
            differs("data", lost.text, lost.step, compared=values),
            equal("batches", values),
            None,
        )
    if apart is None:
        return equal("data", values, left_out), equal("batches", values), None
    before = _drawn_before(golden, candidate, apart.step)
    if before:
        left_out.append(
            f"batches from step {apart.step + 1} on: {before} drew otherwise, and so do they"
        )
        return equal("data", values, left_out), equal("batches", values, left_out), apart.step
    check = differs(
        apart.check, apart.text, apart.step, compared=values, structural=apart.structural
    )
    if apart.check == "data":
        return check, equal("batches", values), None
    return equal("data", values, left_out), check, None


def _inputs(trace: Trace) -> list[str]:
    return [name for name in trace.arrays if name.startswith("series.train.model")]


def _apart(golden: Trace, candidate: Trace, names: list[str]) -> Apart | None:
    """Find the first step whose examples differ, and why."""
    apart: list[tuple[int, int, str]] = []
    for order, name in enumerate(names):
        if name not in candidate.arrays:
            called = name.removeprefix("series.train.").partition("[")[0]
            if called.partition(".")[0] not in {
                network["name"] for network in candidate.index["networks"]
            }:
                continue  # the whole network is gone, which is another check's question
            is_entered = called in candidate.index.get("entered", [called])
            text = f"{name.removeprefix('series.train.')} is no input of the network any more"
            return Apart(
                check="data" if is_entered else "batches", text=text, step=0, structural=CALLS
            )
        step = _first_step_apart(golden, candidate, name)
        if step is not None:
            apart.append((step, order, name))
    if apart:
        step, _, name = min(apart)
        return explained(golden, candidate, name, step)
    return _labels_apart(golden, candidate, names)


def _first_step_apart(golden: Trace, candidate: Trace, name: str) -> int | None:
    """Return the first step whose examples are not the same set."""
    return next(
        (step for step, is_calls in _steps_apart(golden, candidate, name) if not is_calls), None
    )


def calls_apart(golden: Trace, candidate: Trace) -> Apart | None:
    """Find the first step with more or fewer calls of a network on the same examples."""
    import numpy as np

    apart = [
        (step, name)
        for name in _inputs(golden)
        if name in candidate.arrays
        for step, is_calls in _steps_apart(golden, candidate, name)
        if is_calls
    ]
    if not apart:
        return None
    step, name = min(apart)
    calls = [calls_by_step(trace, name)[step] for trace in (golden, candidate)]
    examples = [np.concatenate(one) for one in calls]
    is_again = not len(without(examples[0], examples[1])) and not len(
        without(examples[1], examples[0])
    )
    called = name.removeprefix("series.train.").partition("[")[0]
    text = f"step {step + 1} calls {called} {len(calls[1])} times instead of {len(calls[0])}"
    return Apart(check="budget", text=text, step=step, structural=CALLS if is_again else PORTIONS)


def _steps_apart(golden: Trace, candidate: Trace, name: str) -> Iterator[tuple[int, bool]]:
    """Yield steps with other examples, and whether only calls are missing or additional."""
    import numpy as np

    expected, actual = calls_by_step(golden, name), calls_by_step(candidate, name)
    limit = max(expected, default=-1)
    if is_cut(golden, name) or is_cut(candidate, name):
        limit = min(limit, max(actual, default=-1))
    scale = float(np.abs(golden.arrays[name][np.isfinite(golden.arrays[name])]).max(initial=1e-300))
    for step in sorted(step for step in set(expected) | set(actual) if step <= limit):
        calls = expected.get(step, []), actual.get(step, [])
        if not all(calls):
            if golden.index["steps"] != candidate.index["steps"]:
                return  # it is called in other steps, since there are others: the budget's question
            yield step, False
            continue
        a, b = map(np.concatenate, calls)
        if len(a) != len(b):
            yield step, _contains(*calls, scale)
        elif not close(a, b, scale) and not close(np.sort(a), np.sort(b), scale):
            yield step, False


def _contains(first: list[Any], second: list[Any], scale: float) -> bool:
    """Return whether one of two steps has all calls of the other, and more."""
    import numpy as np

    fewer, larger = sorted(
        ([np.sort(call) for call in calls] for calls in (first, second)), key=len
    )
    for call in fewer:
        same = next(
            (
                at
                for at, own in enumerate(larger)
                if len(own) == len(call) and close(own, call, scale)
            ),
            None,
        )
        if same is None:
            return False
        del larger[same]
    return bool(larger)


def _labels_apart(golden: Trace, candidate: Trace, names: list[str]) -> Apart | None:
    """Compare labels where inputs are equal.

    They are data if each example has one label of its own.

    Targets that one example has several of, or that are the same for all, are what the loss is
    called with.
    """
    import numpy as np

    expected, actual = golden.arrays.get(TARGETS), candidate.arrays.get(TARGETS)
    if expected is None or actual is None or len(expected) != len(actual):
        return None
    at = first_shared(golden, candidate, TARGETS)
    if at is None:
        return None
    if first_apart(np.sort(expected), np.sort(actual), MARK) is None and _ordered_otherwise(
        golden, candidate, names
    ):
        return None  # rows of a step in another order, their labels with them
    if len(np.unique(expected.round(9))) < 2 or not _is_function(candidate, names):
        return None
    return Apart(
        check="data", text=f"example {at + 1} has another label", step=_step_of(golden, at)
    )


def _ordered_otherwise(golden: Trace, candidate: Trace, names: list[str]) -> bool:
    return any(first_shared(golden, candidate, name) is not None for name in names)


def _is_function(trace: Trace, names: list[str]) -> bool:
    """Return whether each example has the same label wherever it comes again."""
    targets = trace.arrays[TARGETS]
    name = next(
        (
            name
            for name in names
            if name in trace.arrays and len(trace.arrays[name]) == len(targets)
        ),
        None,
    )
    if name is None:
        return False
    labels: dict[float, float] = {}
    return all(
        labels.setdefault(mark, label) == label
        for mark, label in zip(trace.arrays[name].tolist(), targets.tolist(), strict=True)
    )


def _step_of(trace: Trace, target: int) -> int:
    """Return the step in which the n-th target was."""
    import numpy as np

    counts = trace.arrays.get(f"{TARGETS}.count", trace.arrays.get(COUNT))
    if counts is None:
        return 0
    ends = np.cumsum(counts[:, 1])
    return int(counts[min(int(np.searchsorted(ends, target, side="right")), len(counts) - 1)][0])


def trains_in_evaluation(golden: Trace, candidate: Trace) -> bool:
    """Return whether a program wrongly trains in evaluation mode.

    Then its batches were taken for evaluated ones.
    """
    return (
        "trained_in_evaluation" in candidate.index and "trained_in_evaluation" not in golden.index
    )


def _lost(golden: Trace, candidate: Trace) -> Apart | None:
    """Find examples that are no longer evaluated, while others of their call are."""
    import numpy as np

    for name in (name for name in golden.arrays if name.startswith("series.evaluation.model")):
        if name not in candidate.arrays or is_cut(golden, name) or is_cut(candidate, name):
            continue
        # Whichever network evaluates them: another one may be called than before.
        actual = np.concatenate(
            [v for key, v in candidate.arrays.items() if key.startswith("series.evaluation.model")]
        )
        trained = golden.arrays.get(name.replace("evaluation", "train", 1))
        new = without(np.unique(actual), golden.arrays[name])
        if len(new) and (trained is None or len(without(new, trained))):
            continue  # its values are others, which is another question
        for step, calls in evaluated_steps(golden, name).items():
            for call in calls:
                missing = without(call, actual)
                if 0 < len(missing) < len(call):
                    text = f"{len(missing)} examples that the reference evaluates are not there"
                    return Apart(check="data", text=text, step=step)
    return None


# --- evaluation ---------------------------------------------------------------------------------


def _drawn_before(golden: Trace, candidate: Trace, step: int) -> str:
    """Name calls or evaluations that may have drawn other random numbers before a step."""
    calls = calls_apart(golden, candidate)
    if calls is not None and calls.structural == PORTIONS and calls.step <= step:
        return "the network's calls before"
    return "the evaluation before" if _evaluation_came_first(golden, candidate, step) else ""


def _evaluation_came_first(golden: Trace, candidate: Trace, step: int) -> bool:
    """Return whether evaluations differ before the training batch of a step."""
    first_step = evaluation_moved(golden, candidate)
    if first_step is not None:
        return first_step <= step
    apart = evaluated_apart(golden, candidate)
    counts = golden.arrays.get(EVALUATED)
    return counts is not None and apart is not None and apart[1] <= step and step > 0
