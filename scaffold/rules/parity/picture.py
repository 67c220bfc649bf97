"""Draws how large the error of each module is, as text. Pure."""

import math
from collections.abc import Sequence

_BELOW = 12
"""Powers of ten on both sides of what is allowed."""

_INFINITE = 1e299


def error_bar(error: float) -> str:
    """Return a bar of powers of ten, with a mark where an error is just allowed.

    Args:
        error: in units of what is allowed.
    """
    power = min(max(math.log10(max(error, 1e-300)) + _BELOW, 0.0), 2.0 * _BELOW)
    signs = ["#" if at < power else "." for at in range(2 * _BELOW + 1)]
    signs[_BELOW] = "|"
    return "".join(signs)


def error_text(error: float) -> str:
    """Return an error as text."""
    return f"{error:.1e}" if error < _INFINITE else "not finite, or another shape"


def error_page(along: Sequence[tuple[str, float]]) -> list[str]:
    """Return the errors of all modules in order of computation, for a journal page."""
    name_width = max((len(name) for name, _ in along), default=0)
    return [
        f"{name:{name_width}}  {error_bar(error)}  {error_text(error)}" for name, error in along
    ]
