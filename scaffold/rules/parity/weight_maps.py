"""Map tensors of a rewritten network to the reference's: parse declared maps, suggest others. Pure.

`model.q.weight: model.qkv.weight | part 1/3` takes the first of three equal parts along the first
axis; `transpose` swaps the last two axes, `reshape 4x8` lays the elements out anew in the order of
rows; a list is joined along the first axis. Nothing is transposed or cut that was not declared.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scaffold.errors import UsageError

Term = list[list[Any]]
_PART = re.compile(r"part ([0-9]{1,3})/([0-9]{1,3})")
_SHAPE = re.compile(r"reshape ([0-9]{1,9}(?:x[0-9]{1,9})*)")


def parse_weights(declared: Mapping[str, str | Sequence[str]]) -> dict[str, list[Term]]:
    """Parse declared maps: own name to terms that are joined.

    The module says what a term may be.

    Raises:
        UsageError: an operation is none; all of them at once.
    """
    problems: list[str] = []
    parsed = {}
    for name, declaration in declared.items():
        texts = [declaration] if isinstance(declaration, str) else list(declaration)
        parsed[name] = [_term(name, text, problems) for text in texts]
    if problems:
        raise UsageError(
            "weights: " + "; ".join(problems),
            hint="an expression is NAME, then any of: | part 1/3, | transpose, | reshape 4x8",
        )
    return parsed


def _term(name: str, text: str, problems: list[str]) -> Term:
    taken, *operations = [part.strip() for part in text.split("|")]
    term: Term = [["take", taken]]
    for operation in operations:
        part, shape = _PART.fullmatch(operation), _SHAPE.fullmatch(operation)
        if part and 1 <= int(part[1]) <= int(part[2]):
            term.append(["part", int(part[1]) - 1, int(part[2])])
        elif operation == "transpose":
            term.append(["transpose"])
        elif shape:
            term.append(["reshape", [int(size) for size in shape[1].split("x")]])
        else:
            problems.append(f"{name}: {operation!r} is not an operation")
    return term


def suggest(
    reference: Mapping[str, Sequence[int]], own: Mapping[str, Sequence[int]]
) -> dict[str, str | list[str]]:
    """Suggest expressions for own tensors that match no name, by shape and order.

    A guess for the user to declare, or not: squares fit transposed, and equal shapes in any
    order.

    Args:
        reference: shape by name, in the order of definition, of tensors that are still without a
            partner.
        own: the same of the rewritten network's.
    """
    unmatched = {name: tuple(shape) for name, shape in reference.items()}
    suggestions: dict[str, str | list[str]] = {}
    waiting = {name: tuple(shape) for name, shape in own.items()}
    _match(
        unmatched,
        waiting,
        suggestions,
        "",
        lambda name, shape, other, other_shape: other_shape == shape and _alike(name, other),
    )
    _match(
        unmatched,
        waiting,
        suggestions,
        " | transpose",
        lambda name, shape, other, other_shape: (
            _alike(name, other) and _swapped(other_shape) == shape
        ),
    )
    _split(unmatched, waiting, suggestions)
    _join(unmatched, waiting, suggestions)
    _match(
        unmatched,
        waiting,
        suggestions,
        "",
        lambda _name, shape, _other, other_shape: other_shape == shape,
    )
    return suggestions


def _match(
    unmatched: dict[str, tuple[int, ...]],
    waiting: dict[str, tuple[int, ...]],
    suggestions: dict[str, str | list[str]],
    operation: str,
    fits: Callable[[str, tuple[int, ...], str, tuple[int, ...]], bool],
) -> None:
    """Pair off those that fit, in the order of definition."""
    for name, shape in list(waiting.items()):
        match = next(
            (
                other
                for other, other_shape in unmatched.items()
                if fits(name, shape, other, other_shape)
            ),
            None,
        )
        if match:
            suggestions[name] = f"{match}{operation}"
            del unmatched[match], waiting[name]


def _alike(name: str, other: str) -> bool:
    """Return whether both are weights, or both biases, by the last word of their names."""
    return name.rpartition(".")[2].startswith(other.rpartition(".")[2][:4])


def _swapped(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    return (*shape[:-2], shape[-1], shape[-2]) if len(shape) > 1 else None


def _is_part(part: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    """Return whether a tensor is one of equal parts of another along the first axis."""
    return (
        len(part) == len(whole) > 0
        and part[1:] == whole[1:]
        and part[0] > 0
        and whole[0] % part[0] == 0
    )


def _split(
    unmatched: dict[str, tuple[int, ...]],
    waiting: dict[str, tuple[int, ...]],
    suggestions: dict[str, str | list[str]],
) -> None:
    """Find tensors that are equal parts of one of the reference's, such as q, k and v."""
    for other, other_shape in list(unmatched.items()):
        parts = [
            name
            for name, shape in waiting.items()
            if _alike(name, other) and _is_part(shape, other_shape)
        ]
        count = other_shape[0] // waiting[parts[0]][0] if parts else 0
        if count > 1 and len(parts) >= count:
            for index, name in enumerate(parts[:count]):
                suggestions[name] = f"{other} | part {index + 1}/{count}"
                del waiting[name]
            del unmatched[other]


def _join(
    unmatched: dict[str, tuple[int, ...]],
    waiting: dict[str, tuple[int, ...]],
    suggestions: dict[str, str | list[str]],
) -> None:
    """Find a tensor that several of the reference's are parts of."""
    for name, shape in list(waiting.items()):
        parts = [
            other
            for other, other_shape in unmatched.items()
            if _alike(name, other) and _is_part(other_shape, shape)
        ]
        count = shape[0] // unmatched[parts[0]][0] if parts else 0
        if count > 1 and len(parts) >= count:
            suggestions[name] = parts[:count]
            del waiting[name]
            for other in parts[:count]:
                del unmatched[other]
