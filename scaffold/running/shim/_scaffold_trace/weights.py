"""Place the reference's values into differently named and shaped tensors, and read them back.

A map says of which of the reference's tensors each own tensor is made: terms that are joined along
the first axis, each of them a tensor's name followed by operations. It only moves numbers, so that
it is kept as positions: each own element has one in the row of all of the reference's numbers.
"""

from __future__ import annotations

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable

    from _scaffold_trace.kinds import Array, Arrays, Elements, Shape, Terms


class Layout:
    """Positions of own tensors' elements among the reference's.

    Args:
        reference: (name, shape) of the reference's tensors.
        own: shape of each own tensor by name.
        terms: own name -> list of terms, each [["take", name], ["part", i, n], ["transpose"],
            ["reshape", shape]].
    """

    def __init__(
        self, reference: list[tuple[str, list[int]]], own: dict[str, Shape], terms: Terms
    ) -> None:
        self.reference = reference
        self.problems: list[str] = []
        self.known_sources: dict[str, list[str]] = {}
        self.places: dict[str, Array] = {}
        offset = 0
        numbered: dict[str, Array] = {}
        for name, shape in reference:
            size = int(np.prod(shape, dtype=np.int64))
            numbered[name] = np.arange(offset, offset + size, dtype=np.int64).reshape(shape)
            offset += size
        self.size = offset
        for name, own_shape in own.items():
            declared = terms.get(name)
            if declared is None and name in numbered:
                declared = [[["take", name]]]
            if declared is None:
                continue
            try:
                positions = (
                    np.concatenate([_evaluate(term, numbered) for term in declared])
                    if len(declared) > 1
                    else None
                )
                positions = _evaluate(declared[0], numbered) if positions is None else positions
            except (KeyError, ValueError, IndexError) as error:
                self.problems.append("%s: %s" % (name, error))
                continue
            if tuple(positions.shape) != tuple(own_shape):
                self.problems.append(
                    "%s has shape %s, its map gives %s"
                    % (name, list(own_shape), list(positions.shape))
                )
                continue
            self.places[name] = positions
        self.shapes: dict[str, Shape] = {name: tuple(shape) for name, shape in reference}
        self.whole = {
            name
            for name in self.places
            if name not in terms and self.shapes.get(name) == tuple(own[name])
        }
        covered = np.zeros(self.size, dtype=bool)
        for places in self.places.values():
            covered[places.ravel()] = True
        self.missing = [name for name, numbers in numbered.items() if not covered[numbers].all()]
        self.extra = [name for name in own if name not in self.places]

    def row(self, values: dict[str, Array]) -> Array:
        """Return the reference's values as one row; 0 where there are none."""
        parts = [
            (
                np.asarray(values[name], dtype=np.float64).ravel()
                if values.get(name) is not None
                else np.zeros(int(np.prod(shape, dtype=np.int64)))
            )
            for name, shape in self.reference
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def place(self, values: dict[str, Array]) -> dict[str, Array]:
        """Return arrays by own name, from the reference's values."""
        placed = {name: values[name] for name in self.whole if values.get(name) is not None}
        split_names = [name for name in self.places if name not in self.whole]
        row = self.row(values) if split_names else np.zeros(0)
        placed.update({name: row[self.places[name]] for name in split_names})
        return placed

    def gather(self, own: Arrays) -> dict[str, Array | None]:
        """Return arrays by the reference's name, from own ones; None where one of them is None."""
        values = {name: own.get(name) for name in self.whole}
        split_names = [
            name for name in self.places if name not in self.whole and own.get(name) is not None
        ]
        count = self.size if split_names else 0
        row, known = np.full(count, np.nan), np.zeros(count, dtype=bool)
        for name in split_names:
            row[self.places[name]] = own[name]
            known[self.places[name].ravel()] = True
        offset = 0
        for name, shape in self.reference:
            size = int(np.prod(shape, dtype=np.int64))
            part = slice(offset, offset + size)
            if name not in self.whole:
                values[name] = (
                    row[part].reshape(shape) if split_names and known[part].all() else None
                )
            offset += size
        return {name: values[name] for name, _ in self.reference}

    def elements(self, name: str) -> Elements:
        """Return own tensors that have elements of a reference tensor, and which elements."""
        offset = 0
        for known, shape in self.reference:
            size = int(np.prod(shape, dtype=np.int64))
            if known == name:
                break
            offset += size
        elements = []
        for own, places in self.places.items():
            at = np.flatnonzero((places.ravel() >= offset) & (places.ravel() < offset + size))
            if at.size:
                elements.append((own, at))
        return elements

    def sources(self, name: str) -> list[str]:
        """Return the reference's tensors that an own one is made of."""
        if name not in self.known_sources:
            self.known_sources[name] = self.find_sources(name)
        return self.known_sources[name]

    def find_sources(self, name: str) -> list[str]:
        """Work out the reference's tensors that an own one is made of."""
        marks = np.cumsum(
            [0] + [int(np.prod(shape, dtype=np.int64)) for _, shape in self.reference]
        )
        used = np.unique(np.searchsorted(marks, self.places[name].ravel(), side="right") - 1)
        return [self.reference[index][0] for index in used]


def _evaluate(term: list[list[Any]], numbered: dict[str, Array]) -> Array:
    result: Array  # of "take", with which a term begins
    for operation, *operands in term:
        if operation == "take":
            if operands[0] not in numbered:
                raise KeyError("the reference has no %s" % operands[0])
            result = numbered[operands[0]]
        elif operation == "part":
            index, count = operands
            if result.shape[0] % count:
                raise ValueError("%d rows are not %d equal parts" % (result.shape[0], count))
            result = np.split(result, count)[index]
        elif operation == "transpose":
            result = np.swapaxes(result, -1, -2)
        elif operation == "reshape":
            result = result.reshape(operands[0])
    return result


def aligned(reference: list[str], own: list[str]) -> Terms:
    """Return terms for tensors whose names differ from the reference's only by a prefix.

    Args:
        reference: names of its tensors.
        own: names of the program's.
    """
    begins = [_shared_path(names) for names in (reference, own)]
    if begins[0] == begins[1] or set(reference) == set(own):
        return {}
    known = {name[len(begins[0]) :]: name for name in reference}
    suffixes = {name[len(begins[1]) :]: name for name in own}
    if set(known) != set(suffixes):
        return {}
    return {name: [[["take", known[end]]]] for end, name in suffixes.items()}


def _shared_path(names: Iterable[str]) -> str:
    """Return the path that all names begin with, with its last dot."""
    paths = [name.split(".")[:-1] for name in names]
    shared: list[str] = []
    for parts in zip(*paths):  # noqa: B905 - Python 3.7 has no strict
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return "".join(part + "." for part in shared)


def of_copy(terms: Terms, name: str) -> Terms:
    """Return the terms of a network; one that has none is taken for a copy of the first."""
    if name == "model" or any(own.startswith(name + ".") for own in terms):
        return terms
    renamed: Terms = {}
    for own, parts in terms.items():
        differing = [
            [[*step[:1], name + step[1][5:]] if step[0] == "take" else step for step in part]
            for part in parts
        ]
        renamed[name + own[5:]] = differing
    return renamed
