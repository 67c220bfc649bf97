"""Find and replace tensors inside tuples, lists, mappings and records."""

from __future__ import annotations

import copy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    from _scaffold_trace.kinds import IsTensor, Replace, Tensor


def tensors_in(value: object, is_tensor: IsTensor, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield each tensor with its place, such as `[0]['logits']`."""
    if is_tensor(value):
        yield path, value
        return
    for step, item in parts_of(value):
        for nested in tensors_in(item, is_tensor, path + step):
            yield nested


def parts_of(value: object) -> list[tuple[str, Any]]:
    """Return what a structure is made of, with the way to each part."""
    if isinstance(value, dict):
        return [("[%r]" % (key,), value[key]) for key in value]
    if isinstance(value, (list, tuple)):
        return [("[%d]" % index, item) for index, item in enumerate(value)]
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        return [(".%s" % name, getattr(value, name, None)) for name in value.__dataclass_fields__]
    return []


def with_tensors(value: Any, is_tensor: IsTensor, replace: Replace, path: str = "") -> Any:
    """Return the same structure with each tensor replaced by `replace(place, tensor)`."""
    if is_tensor(value):
        return replace(path, value)
    items = [with_tensors(item, is_tensor, replace, path + step) for step, item in parts_of(value)]
    if isinstance(value, dict):
        duplicate = copy.copy(value)
        for key, item in zip(value, items):  # noqa: B905 - Python 3.7 has no strict
            duplicate[key] = item
        return duplicate
    if isinstance(value, (list, tuple)):
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if items:
        duplicate = copy.copy(value)
        for name, item in zip(value.__dataclass_fields__, items):  # noqa: B905
            object.__setattr__(duplicate, name, item)
        return duplicate
    return value
