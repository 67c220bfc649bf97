"""Tell which split a program evaluates: from the names of its variables that hold the data."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

_WORDS = {
    "test": "test",
    "tst": "test",
    "te": "test",  # codespell:ignore te
    "val": "validation",
    "va": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "eval": "validation",
    "holdout": "validation",
    "train": "train",
    "training": "train",
    "trn": "train",
    "tr": "train",
}
_MOST_FRAMES = 25


def split_of_name(name: str) -> str:
    """Return the split that a variable's name speaks of; nothing if it speaks of none."""
    tokens = re.findall("[a-z]+", name.lower())
    for token in tokens:
        if token in _WORDS:
            return _WORDS[token]
        for word in ("test", "val", "train"):  # xtest, valset, trainset
            if token.endswith(word) or token.startswith(word):
                return _WORDS[word]
    return ""


def split_of_frames(frame: Any, torch: Any, tensors: list[Any], dataset: Any) -> str:
    """Return the split of what was evaluated, by who holds it in the frames of the program.

    The same object first, then the smallest tensor that contains it, then words such as
    `split="val"`.
    """
    held: list[tuple[int, str]] = []
    words = []
    for _ in range(_MOST_FRAMES):
        if frame is None:
            break
        for name, value in _named(frame):
            if isinstance(value, str):
                words += [split_of_name(value)] if value.lower() in _WORDS else []
                continue
            split = split_of_name(name)
            if split:
                size = _holds(torch, value, tensors, dataset)
                held += [(size, split)] if size else []
        frame = frame.f_back
    if held:
        return min(held)[1]
    return next((word for word in words if word), "")


def targets_of_frame(frame: Any, torch: Any, rows: int, args: tuple[Any, ...]) -> Any:
    """Return the tensor that the caller calls its targets, with as many rows; None without one."""
    for name, value in list(frame.f_locals.items()) if frame is not None else ():
        is_named = re.match("(y|label|target|truth)", name.lower()) is not None
        fits = isinstance(value, torch.Tensor) and value.dim() == 1 and len(value) == rows
        if is_named and fits and not any(value is one for one in args):
            return value
    return None


def _named(frame: Any) -> Iterator[tuple[str, Any]]:
    for name, value in list(frame.f_locals.items()):
        if name == "self" and hasattr(value, "__dict__"):
            yield from list(vars(value).items())
        elif isinstance(value, dict) and len(value) < 20:
            for key, inner in list(value.items()):
                if isinstance(key, str):
                    yield key, inner
        else:
            yield name, value


def _holds(torch: Any, value: Any, tensors: list[Any], dataset: Any) -> int:
    """Return how large the holder is that holds what was evaluated: 1 for itself, 0 for none."""
    if isinstance(value, torch.Tensor):
        for tensor in tensors:
            if value is tensor:
                return 1
            begin, end = value.data_ptr(), value.data_ptr() + value.numel() * value.element_size()
            if begin and begin <= tensor.data_ptr() < end and value.dtype == tensor.dtype:
                return 1 + int(value.numel())
        return 0
    if isinstance(value, (tuple, list)) and 0 < len(value) < 6:
        sizes = [_holds(torch, one, tensors, None) for one in value]
        return min((size for size in sizes if size), default=0)
    if dataset is not None and (value is dataset or getattr(value, "dataset", None) is dataset):
        return 1
    return 0
