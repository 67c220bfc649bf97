"""Options of optimizers, and other values, as JSON and series can hold them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from _scaffold_trace.kinds import Tensor

OPTIONS = (
    "lr",
    "weight_decay",
    "momentum",
    "dampening",
    "betas",
    "eps",
    "alpha",
    "rho",
    "lambd",
    "nesterov",
    "amsgrad",
    "maximize",
    "centered",
)
"""Options of an optimizer's group that are followed over all steps; `betas` takes two columns."""


def options_of(group: dict[str, Any]) -> list[float]:
    """Return the options of a group as numbers, NaN for those that it has not."""
    row: list[float] = []
    for name in OPTIONS:
        value = group.get(name)
        values: list[Any] = list(value) if isinstance(value, (list, tuple)) else [value]
        if name == "betas":
            values = (values + [None, None])[:2]
        for one in values[:2] if name == "betas" else values[:1]:
            try:
                row.append(float(one))
            except (TypeError, ValueError):
                row.append(float("nan"))
    return row


def simple(value: object) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(value, (list, tuple)):
        return [simple(item) for item in value]
    return value if isinstance(value, (int, float, str, bool, type(None))) else repr(value)[:40]


def dtype_of(tensor: Tensor) -> str:
    """Return the name of a tensor's dtype."""
    return str(tensor.dtype).replace("torch.", "")
