"""Compares two tensors of which only summaries and a few elements are kept. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RELATIVE = {"float64": 1e-9, "float32": 2e-5, "float16": 1e-3, "bfloat16": 1.6e-2}
"""Differences that rounding explains, relative to the largest element of the reference's tensor.

float64: equal rewrites differ by at most 2e-13, the smallest fault that was planted moves 5e-7
(docs/verdicts.md); float16 and bfloat16 are torch.testing.assert_close's; float32 is wider than
its 1.3e-6, which is for one operation: it adds up over a network, and float64 is there for the
rest.
"""

NOISE = 10.0
"""How many times what the reference differs from itself, with another number of threads, is still
no difference."""

FLOOR = 4.0
"""How many last digits of the larger numbers a small difference of them may be off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorGap:
    """How two tensors differ: largest error and allowance in their unit, and the first place.

    `ratio` is found / expected where all of one is that multiple of the other; `shapes` and
    `dtypes` are given where they differ.
    """

    error: float
    allowed: float
    index: tuple[int, ...] | None = None
    expected: float | None = None
    actual: float | None = None
    ratio: float | None = None
    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    dtypes: tuple[str, str] | None = None

    @property
    def is_equal(self) -> bool:
        """Return whether rounding explains the difference."""
        return self.shapes is None and self.dtypes is None and self.error <= self.allowed

    @property
    def excess(self) -> float:
        """Return the error in units of what is allowed."""
        return (
            float("inf") if self.shapes or self.dtypes else self.error / max(self.allowed, 1e-300)
        )


def compare(
    expected: Mapping[str, Any],
    actual: Mapping[str, Any],
    arrays: tuple[Mapping[str, Any], Mapping[str, Any]],
    *,
    scale: float = 0.0,
    noise: float = 0.0,
    slack: float = 1.0,
) -> TensorGap:
    """Compare one entry of the reference's trace with one of another's.

    Args:
        expected: entry of the reference's index.
        actual: that of the other's.
        arrays: kept elements of the two traces.
        scale: the largest element of all tensors of the check: what is far below it is rounding.
        noise: largest difference of the reference from itself.
        slack: how many times what rounding explains is allowed.
    """
    shapes = tuple(expected["shape"]), tuple(actual["shape"])
    dtypes = expected["dtype"], actual["dtype"]
    relative = max(RELATIVE.get(dtype, 0.0) for dtype in dtypes)
    floor = FLOOR * max(expected.get("floor", 0.0), actual.get("floor", 0.0))
    allowed = max(
        slack * relative * max(_finite(expected["largest"]), 0.01 * scale), NOISE * noise, floor
    )
    if shapes[0] != shapes[1]:
        return TensorGap(error=float("inf"), allowed=allowed, shapes=shapes)
    if dtypes[0] != dtypes[1] and any(dtype in RELATIVE for dtype in dtypes):
        return TensorGap(error=float("inf"), allowed=allowed, dtypes=dtypes)
    errors = [_apart(a, b) for a, b in zip(expected["products"], actual["products"], strict=True)]
    size = max(_size(shapes[0]), 1)
    errors.append(_apart(expected["norm"], actual["norm"]) / size**0.5)
    index = values = None
    if "elements" in expected and "elements" in actual:
        index, values, error = _first_apart(
            arrays[0][expected["elements"]], arrays[1][actual["elements"]], allowed, shapes[0]
        )
        errors.append(error)
    return TensorGap(
        error=max(errors),
        allowed=allowed,
        index=index,
        expected=values[0] if values else None,
        actual=values[1] if values else None,
        ratio=_ratio(expected, actual, relative),
    )


def _first_apart(
    a: Any, b: Any, allowed: float, shape: tuple[int, ...]
) -> tuple[tuple[int, ...] | None, tuple[float, float] | None, float]:
    import numpy as np

    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(a - b))
    apart = np.where(np.isnan(apart), np.inf, apart)
    if not apart.size:
        return None, None, 0.0
    beyond = np.flatnonzero(apart > allowed)
    if not beyond.size:
        return None, None, float(apart.max())
    size = _size(shape)
    place = (
        int(beyond[0])
        if len(a) == size
        else int(np.linspace(0, size - 1, len(a)).astype(np.int64)[beyond[0]])
    )
    index = tuple(int(number) for number in np.unravel_index(place, shape)) if shape else ()
    return index, (float(a[beyond[0]]), float(b[beyond[0]])), float(apart.max())


def _ratio(expected: Mapping[str, Any], actual: Mapping[str, Any], relative: float) -> float | None:
    """Return found / expected, if all three summaries agree on it."""
    pairs = list(
        zip(
            [expected["norm"], *expected["products"]],
            [actual["norm"], *actual["products"]],
            strict=True,
        )
    )
    if not all(abs(a) > 0 and _finite(a) and _finite(b) for a, b in pairs):
        return None
    ratios = [b / a for a, b in pairs]
    spread = max(ratios) - min(ratios)
    return (
        ratios[0]
        if spread <= max(100 * relative, 1e-6) * abs(ratios[0]) and abs(ratios[0] - 1) > 1e-6
        else None
    )


def _apart(a: float, b: float) -> float:
    if a == b or (a != a and b != b):
        return 0.0
    difference = abs(a - b)
    return difference if difference == difference else float("inf")


def _finite(value: float) -> float:
    return value if abs(value) < float("inf") else 0.0


def _size(shape: tuple[int, ...]) -> int:
    product = 1
    for length in shape:
        product *= length
    return product
