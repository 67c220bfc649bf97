"""Compare which examples two programs evaluate. Pure."""

from collections.abc import Iterator
from typing import Any

from scaffold.rules.parity.checks import Trace
from scaffold.rules.parity.marks import (
    EVALUATED,
    close,
    number_of,
    same_set,
    without,
)


def evaluated_steps(trace: Trace, name: str = "") -> dict[int, list[Any]]:
    """Return the inputs of each evaluation, call by call, by the step it comes after."""
    counts = trace.arrays.get(EVALUATED)
    if counts is None:
        return {}
    number = number_of(trace, name) if name else 0
    mine = counts if not name or counts.shape[1] < 3 else counts[counts[:, 2] == number]
    marks, begin = trace.arrays.get(name), 0
    by_step: dict[int, list[Any]] = {}
    for step, rows in mine[:, :2].astype(int):
        by_step.setdefault(int(step), []).append(
            None if marks is None else marks[begin : begin + rows]
        )
        begin += rows
    return by_step


def evaluated_apart(golden: Trace, candidate: Trace) -> tuple[str, int] | None:
    """Find the first evaluation with other examples, in whatever order and portions."""
    import numpy as np

    for name in (name for name in golden.arrays if name.startswith("series.evaluation.model")):
        if name not in candidate.arrays:
            continue
        expected, actual = evaluated_steps(golden, name), evaluated_steps(candidate, name)
        scale = float(
            np.abs(golden.arrays[name][np.isfinite(golden.arrays[name])]).max(initial=1e-300)
        )
        for step in sorted(set(expected) & set(actual)):
            a, b = np.sort(np.concatenate(expected[step])), np.sort(np.concatenate(actual[step]))
            shared = min(len(a), len(b))
            if len(a) == len(b) and not close(a, b, scale):
                return f"evaluated examples have other values after step {step}", step
            if len(a) != len(b) and (len(without(a, b)) or len(without(b, a)) or not shared):
                return (
                    f"{len(b)} examples are evaluated instead of {len(a)} after step {step}",
                    step,
                )
    return None


def evaluates_others(golden: Trace, candidate: Trace) -> bool:
    """Return whether as many labels are evaluated, but others."""
    labels = [trace.arrays.get("series.evaluation.targets") for trace in (golden, candidate)]
    if labels[0] is None or labels[1] is None or len(labels[0]) != len(labels[1]):
        return False
    return not same_set(golden, candidate, "series.evaluation.targets")


def evaluation_moved(golden: Trace, candidate: Trace) -> int | None:
    """Return the first step after which only one of two programs evaluates."""
    steps = [set(evaluated_steps(trace)) for trace in (golden, candidate)]
    apart = steps[0] ^ steps[1]
    return min(apart) if apart and all(steps) else None


def evaluated_outputs(trace: Trace, name: str) -> Iterator[tuple[float, float]]:
    """Yield mark and output of each example of the first evaluation, ordered by the marks."""
    import numpy as np

    examples = trace.arrays.get("series.evaluation.examples." + name.partition("[")[0])
    outputs = trace.arrays["series.evaluation.outputs." + name]
    if examples is None or len(examples) != len(outputs):
        yield from enumerate(outputs)
        return
    for at in np.argsort(examples, kind="stable"):
        yield float(examples[at]), float(outputs[at])
