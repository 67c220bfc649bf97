"""What a function takes and gives, as arrays: numbers as they are, texts by a number each.

Two values are equal only if all their arrays are, and lie at the same places: the length of what
lies in a list, and what is no number, is an array as well. Of what cannot be read this way the type
is told, so that nobody takes it for compared.
"""

from __future__ import annotations

import datetime
import decimal
import fractions
import pickle
import random
import zlib

import numpy as np

from _scaffold_trace.store import generator, row_marks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, List, Tuple

    from _scaffold_trace.kinds import Array

    Places = List[Tuple[str, Any]]

MOST_DEPTH = 6
MOST_ITEMS = 50
"""Of a list, and how deep they may lie in one another; of each further item one number."""

MOST_MARKS = 5000
"""Further items of one list of which a number is kept."""

LENGTH = ".length"
TEXT = "~text"
"""Ends the place of an array in which texts stand for themselves by a number."""

_ATOMS = (
    str,
    bytes,
    type(None),
    datetime.date,
    datetime.time,
    datetime.timedelta,
    np.datetime64,
    np.timedelta64,
    np.void,
)
_NUMBERS = (bool, int, float, np.number, np.bool_, decimal.Decimal, fractions.Fraction)


class Reader:
    """Reads values of a program whose files lie below a folder, wherever that is this time.

    The types of what could not be read are in `unread`.

    Args:
        tree: that folder.
        only_numbers: of what a function is given, where texts and lengths may be others.
    """

    def __init__(self, tree: str, only_numbers: bool = False) -> None:
        self.tree = tree
        self.only_numbers = only_numbers
        self.unread: set[str] = set()

    def arrays_in(self, value: object) -> list[tuple[str, Array]]:
        """Return each array inside a value with its place, such as `[0].coef_`."""
        arrays = []
        try:
            for place, array in self._arrays(value, "", 0, is_learned=False):
                if not (self.only_numbers and place.endswith((TEXT, LENGTH))):
                    arrays.append((place, array))
        except Exception:  # an object of the program's may do anything when it is looked at
            self.unread.add(type(value).__name__)
        return arrays

    def mark_of(self, value: object) -> float:
        """Return one number for all arrays inside a value."""
        arrays = [array for _, array in self.arrays_in(value) if array.size]
        return sum(float(row_marks(array.reshape(1, -1).astype(np.float64))[0]) for array in arrays)

    def _arrays(
        self, value: Any, place: str, depth: int, is_learned: bool
    ) -> Iterator[tuple[str, Array]]:
        array, has_text = self._as_array(value)
        if array is not None:
            yield place + (TEXT if has_text else ""), array
            return
        parts = _parts_of(value)
        if parts is None or depth > MOST_DEPTH:
            # An estimator holds losses and the like; what torch made is compared where it is used.
            if not is_learned and not _is_of_torch(value):
                self.unread.add(type(value).__name__)
            return
        if isinstance(value, (list, tuple, dict, set, frozenset)):
            yield place + LENGTH, np.asarray(len(parts))
        is_learned = is_learned or _is_estimator(value)
        for step, item in parts[:MOST_ITEMS]:
            for inside in self._arrays(item, place + step, depth + 1, is_learned):
                yield inside
        if len(parts) > MOST_ITEMS:
            further = parts[MOST_ITEMS : MOST_ITEMS + MOST_MARKS]
            yield (
                place + "[%d:]" % MOST_ITEMS,
                np.asarray([self.mark_of(one) for _, one in further]),
            )

    def _as_array(self, value: Any) -> tuple[Array | None, bool]:
        """Return a value as one array, and whether texts are in it; None for anything else."""
        if isinstance(value, complex):
            return np.asarray([value.real, value.imag]), False
        if isinstance(value, _ATOMS):
            return np.asarray(self._of_text(value)), True
        if isinstance(value, _NUMBERS):
            return np.asarray(_number(value)), False
        if isinstance(value, np.ndarray):
            return self._of_array(value)
        if isinstance(value, (list, tuple)) and value and _are_atoms(value):
            return self._of_atoms(value)
        if isinstance(value, (set, frozenset)) and _are_atoms(value):
            return np.sort(self._of_atoms(list(value))[0]), True
        if hasattr(value, "detach") and hasattr(value, "numpy"):
            array: Array = value.detach().cpu().double().numpy()
            return array, False
        return None, False

    def _of_array(self, array: Array) -> tuple[Array | None, bool]:
        kind = array.dtype.kind
        if kind in "biuf":
            return array, False
        if kind == "c":
            return np.stack([array.real, array.imag], axis=-1), False
        if kind in "mM":
            return array.astype(np.int64), False
        if kind in "US" or (kind == "O" and _are_atoms(array.flat)):
            values, has_text = self._of_atoms(list(array.flat))
            return values.reshape(array.shape), has_text
        return None, False

    def _of_atoms(self, items: Any) -> tuple[Array, bool]:
        texts = [isinstance(item, _ATOMS) for item in items]
        if not any(texts):
            return np.asarray([_number(item) for item in items]), False
        pairs = zip(items, texts)
        numbers = [self._of_text(item) if is_text else float(item) for item, is_text in pairs]
        return np.asarray(numbers, dtype=np.float64), True

    def _of_text(self, value: object) -> float:
        """Return a number from 0 to 1 for a text; where the program lies is no part of it."""
        text = value if isinstance(value, str) else repr(value)
        plain = text.replace(self.tree, "").replace(self.tree.rstrip("/"), "")
        return zlib.crc32(plain.encode("utf-8", "surrogatepass")) / 2.0**32


def _are_atoms(items: Any) -> bool:
    return all(isinstance(item, _NUMBERS + _ATOMS) for item in items)


def _number(value: Any) -> Any:
    """Return a number that an array can hold: an integer may be longer than 64 bits."""
    is_long = isinstance(value, int) and abs(value) >= 2**63
    is_other = isinstance(value, (decimal.Decimal, fractions.Fraction))
    return float(value) if is_long or is_other else value


def _is_of_torch(value: object) -> bool:
    return any(kind.__module__.startswith("torch") for kind in type(value).__mro__)


def _is_estimator(value: object) -> bool:
    return hasattr(value, "fit") and hasattr(value, "get_params")


def _parts_of(value: Any) -> Places | None:
    """Return what a value is made of, with the way to each part; None if that is not known."""
    if isinstance(value, dict):
        return [("[%s]" % key, value[key]) for key in sorted(value, key=str)]
    if isinstance(value, (list, tuple)):
        return [("[%d]" % index, item) for index, item in enumerate(value)]
    if isinstance(value, np.ndarray):
        names = value.dtype.names
        if names:
            return [(".%s" % name, value[name]) for name in names]
        return [("[%d]" % index, item) for index, item in enumerate(value.flat)]
    if hasattr(value, "tocsr") and hasattr(value, "nnz"):
        return _parts_of_sparse(value)
    if hasattr(value, "to_numpy"):
        return _parts_of_frame(value)
    return None if isinstance(value, type) or callable(value) else _parts_of_object(value)


def _parts_of_sparse(value: Any) -> Places:
    """Return a sparse matrix of scipy; however its elements were put in."""
    rows = value.tocsr().copy()
    rows.sum_duplicates()
    rows.eliminate_zeros()
    return [
        (".shape", list(rows.shape)),
        (".data", rows.data),
        (".indices", rows.indices),
        (".indptr", rows.indptr),
    ]


def _parts_of_frame(value: Any) -> Places:
    """Return the columns and index of what pandas or polars holds."""
    index = [(".index", value.index.to_numpy())] if hasattr(value, "index") else []
    if not hasattr(value, "columns"):
        return index + [(".values", value.to_numpy())]
    return index + [(".%s" % name, value[name].to_numpy()) for name in value.columns]


def _parts_of_object(value: Any) -> Places | None:
    if hasattr(value, "__dataclass_fields__"):
        return [(".%s" % name, getattr(value, name)) for name in sorted(value.__dataclass_fields__)]
    if not hasattr(value, "__dict__") and hasattr(value, "__getstate__"):
        state = value.__getstate__()  # such as the nodes of a decision tree
        names = sorted(state) if isinstance(state, dict) else ()
        return [(".%s" % name, state[name]) for name in names] or None
    learned = [
        key for key in sorted(getattr(value, "__dict__", ())) if key.endswith("_") and key[0] != "_"
    ]
    return [(".%s" % key, vars(value)[key]) for key in learned] or None


def state_of(value: object) -> float:
    """Return a number for where a generator of random numbers stands; 0 for anything else."""
    # Numpy before 1.17.
    kinds = (
        random.Random,
        np.random.RandomState,
        getattr(np.random, "Generator", random.Random),
    )
    return float(zlib.crc32(pickle.dumps(value))) if isinstance(value, kinds) else 0.0


def disturb(value: Any, name: str, depth: int = 0) -> None:
    """Move each number of the arrays inside a value by one last digit of its type, in place."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "fc" and value.flags.writeable and value.size:
            signs = (
                generator("rounding of " + name)
                .choice([-1.0, 1.0], value.size)
                .reshape(value.shape)
            )
            value *= (1 + np.finfo(value.dtype).eps * signs).astype(value.dtype)
    elif hasattr(value, "is_floating_point") and hasattr(value, "mul_"):
        if value.is_floating_point() and not value.requires_grad and value.numel():
            value.mul_(1 + 2.0 ** (-52 if value.element_size() == 8 else -23))
    elif depth <= MOST_DEPTH:
        for step, item in (_parts_of(value) or [])[:MOST_ITEMS]:
            disturb(item, name + step, depth + 1)
