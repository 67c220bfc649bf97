"""Compare how far weights move. Pure."""

from scaffold.rules.parity.checks import Trace
from scaffold.rules.parity.marks import both

MOVED = 1e-3
"""Of how far the weights moved in one step: a difference of two float32 sums."""


def movement_apart(golden: Trace, candidate: Trace) -> int | None:
    """Return the first step at which a network's followed weights moved differently."""
    import numpy as np

    steps = []
    for name in golden.arrays:
        movements = both(golden, candidate, name) if name.startswith("series.moved.") else None
        if movements is None:
            continue
        shared = min(map(len, movements))
        change = [np.diff(values[:shared, 1:], axis=0) for values in movements]
        # Between two rows that are further apart a step was fed: weights were given there, if the
        # network was called.
        is_next = (np.diff(movements[0][:shared, 0]) == 1) & (
            np.diff(movements[1][:shared, 0]) == 1
        )
        largest = np.abs(change[0][is_next]).max(initial=0.0)
        allowed = MOVED * np.abs(change[0]) + 1e-4 * largest
        apart = is_next & (np.abs(change[0] - change[1]) > allowed).any(axis=1)
        steps += [int(movements[0][int(np.argmax(apart)) + 1][0]) - 1] if apart.any() else []
    return min(steps, default=None)
