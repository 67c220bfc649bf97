"""Explain how the examples of a step differ. Pure."""

from dataclasses import dataclass
from typing import Any

from scaffold.rules.parity.checks import CALLS, PORTIONS, Trace
from scaffold.rules.parity.evaluated import evaluated_apart
from scaffold.rules.parity.marks import (
    COUNT,
    first_shared,
    is_cut,
    marks_by_step,
    number_of,
    same_set,
    without,
)

_REPEATED = 0.35
"""Share of distinct examples among all that were trained on, up to which they come again in later
epochs: more than a half where every example is there once with noise of its own and once
without."""


_OTHER = 0.9
"""Share of examples that are new, above which it is their values that differ, not which ones are
taken."""


_BEFORE = 2
"""Steps before, from which an example may come that is given again: networks that are updated in
turn share one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """What differs between the examples of two programs, from which step on."""

    check: str
    text: str
    step: int
    structural: str = ""


def explained(golden: Trace, candidate: Trace, name: str, step: int) -> Apart:
    """Explain how the examples of a step differ.

    Values come before which ones, then how many, then order.
    """
    import numpy as np

    a, b = marks_by_step(golden, name).get(step), marks_by_step(candidate, name).get(step)
    is_count = a is None or b is None or len(a) != len(b)
    expected, actual = golden.arrays[name], candidate.arrays[name]
    distinct = np.unique(expected.round(9))
    is_repeated = len(distinct) <= _REPEATED * len(expected)
    evaluated = "series.evaluation." + name.removeprefix("series.train.")
    if is_repeated:
        missing, new = without(distinct, actual), without(np.unique(actual.round(9)), distinct)
        tested = golden.arrays.get(evaluated)
        if len(new):
            leaked = len(np.intersect1d(new, tested.round(9))) if tested is not None else 0
            if leaked:
                text = f"{leaked} examples that the reference evaluates are among the training ones"
                return Apart(check="data", text=text, step=step)
            if len(new) >= _OTHER * len(np.unique(actual.round(9))):
                return _other_values(golden, candidate, name, step)
            text = (
                f"{len(new)} training examples are not the reference's, {len(missing)} of its are"
                " not there"
            )
            return Apart(check="data", text=text, step=step)
        largest = max((len(rows) for rows in marks_by_step(golden, name).values()), default=0)
        if len(missing) >= max(largest, 1) or (len(missing) and not is_count):
            text = (
                f"{len(missing)} of the reference's {len(distinct)} training examples are never"
                " trained on"
            )
            return Apart(check="data", text=text, step=step)
    elif not is_count:
        return _other_values(golden, candidate, name, step)
    if is_count:
        numbers = [0 if rows is None else len(rows) for rows in (b, a)]
        text = f"step {step + 1} has {numbers[0]} examples instead of {numbers[1]}"
        return Apart(
            check="batches",
            text=text,
            step=step,
            structural=_kind_of_count(golden, candidate, name, step, b),
        )
    return Apart(
        check="batches", text=f"examples come in another order, from step {step + 1} on", step=step
    )


def _kind_of_count(golden: Trace, candidate: Trace, name: str, step: int, examples: Any) -> str:
    """Return whether programs differ in how often they call a network, or in examples per call.

    Examples that the reference has not given before are no other calls of the same ones.
    """
    import numpy as np

    near = [rows for at, rows in marks_by_step(golden, name).items() if 0 <= step - at <= _BEFORE]
    if examples is not None and (not near or len(without(examples, np.concatenate(near)))):
        return PORTIONS
    sizes = [
        {
            int(row[1])
            for row in trace.arrays[COUNT]
            if len(row) < 3 or row[2] == number_of(trace, name)
        }
        for trace in (golden, candidate)
    ]
    return CALLS if sizes[0] == sizes[1] else PORTIONS


def _other_values(golden: Trace, candidate: Trace, name: str, step: int) -> Apart:
    """Report an example with other values.

    It is one of the data if the evaluated ones differ as well, else one of a batch.
    """
    numbers = [len(trace.arrays[name]) for trace in (candidate, golden)]
    is_whole = not (is_cut(golden, name) or is_cut(candidate, name))
    if numbers[0] != numbers[1] and is_whole and golden.index["steps"] == candidate.index["steps"]:
        text = f"{numbers[0]} examples are trained on in all epochs instead of {numbers[1]}"
        return Apart(check="data", text=text, step=step)
    at = first_shared(golden, candidate, name) or 0
    is_evaluated = any(name.startswith("series.evaluation.model") for name in golden.arrays)
    is_batch = is_evaluated and evaluated_apart(golden, candidate) is None
    if is_batch and same_set(golden, candidate, name):
        return Apart(
            check="batches",
            text=f"examples come in another order, from step {step + 1} on",
            step=step,
        )
    return Apart(
        check="batches" if is_batch else "data",
        text=f"example {at + 1} has other values",
        step=step,
    )
