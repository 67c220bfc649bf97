"""Compare how far weights move. Pure."""

from scaffold.rules.parity.checks import Trace
from scaffold.rules.parity.marks import both

MOVED = 1e-3
"""Of how far the weights moved in one step: a difference of two float32 sums."""


def movement_apart(golden: Trace, found: Trace) -> int | None:
    """Return the first step at which a network's followed weights moved differently."""
    import numpy as np

    steps = []
    for name in golden.arrays:
        moved = both(golden, found, name) if name.startswith("series.moved.") else None
        if moved is None:
            continue
        shared = min(map(len, moved))
        change = [np.diff(values[:shared, 1:], axis=0) for values in moved]
        # Between two rows that are further apart a step was fed: weights were given there, if the
        # network was called.
        is_next = (np.diff(moved[0][:shared, 0]) == 1) & (np.diff(moved[1][:shared, 0]) == 1)
        largest = np.abs(change[0][is_next]).max(initial=0.0)
        allowed = MOVED * np.abs(change[0]) + 1e-4 * largest
        apart = is_next & (np.abs(change[0] - change[1]) > allowed).any(axis=1)
        steps += [int(moved[0][int(np.argmax(apart)) + 1][0]) - 1] if apart.any() else []
    return min(steps, default=None)
