"""Check the options of the optimizers at every step. Pure."""

from typing import Any

from scaffold.records.trace import OPTIONS, paired_networks
from scaffold.rules.parity.checks import CheckResult, Trace, differs, equal
from scaffold.rules.parity.marks import distinct
from scaffold.rules.parity.movement import movement_apart

_RATE = 1e-9
"""Relative difference of two learning rates: a schedule is computed in float64."""


_NAMES = {"lr": "learning rate"}
"""What an option is called in a message, where that is not its name."""


def compare_schedule(golden: Trace, candidate: Trace) -> CheckResult:
    """Check the schedule: the options of every parameter group at every step.

    Where one of both programs has no torch optimizer it is compared by how far weights move.
    """
    options = [_options_by_group(trace) for trace in (golden, candidate)]
    pairs = _paired_groups(golden, candidate)
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
    step_apart = movement_apart(golden, candidate)
    left_out = [
        "learning rates: one of both has no torch optimizer; compared by how far weights move"
    ]
    if step_apart is not None:
        text = f"the weights move by another amount at step {step_apart + 1}"
        return differs("schedule", text, step_apart)
    movements = [
        values for name, values in golden.arrays.items() if name.startswith("series.moved.")
    ]
    return equal("schedule", sum(map(len, movements)), left_out)


def _options_by_group(trace: Trace) -> dict[int, list[tuple[int, Any]]]:
    """Return of each group the steps at which its options became others, and what they became."""
    rows = trace.arrays.get("series.options")
    by_group: dict[int, list[tuple[int, Any]]] = {}
    for row in () if rows is None else rows:
        by_group.setdefault(int(row[1]), []).append((int(row[0]), row[2:]))
    return by_group


def _paired_groups(golden: Trace, candidate: Trace) -> dict[tuple[int, int], str]:
    """Return groups of both programs with common parameters, with the name of one of those."""
    pairs: dict[tuple[int, int], str] = {}
    for mine, theirs in paired_networks(golden.index, candidate.index):
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
                option = OPTIONS[column]
                name = _NAMES.get(option, option)
                return step, f"{name} is {distinct(b[column], a[column])}"
    return None
