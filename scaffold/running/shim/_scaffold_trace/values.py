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
import sys
import zlib

import numpy as np

from _scaffold_trace.store import generator, portion, row_marks

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
_NUMBERS = (bool, int, float, complex, np.number, np.bool_, decimal.Decimal, fractions.Fraction)


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
        total = 0.0
        for place, array in self.arrays_in(value):
            if array.size:
                mark = row_marks(array.reshape(1, -1).astype(np.float64))[0]
                total += float(mark) * (1 + portion(place))
        return total

    def _arrays(
        self, value: Any, place: str, depth: int, is_learned: bool
    ) -> Iterator[tuple[str, Array]]:
        arrays = self._as_arrays(value)
        if arrays is not None:
            for suffix, array in arrays:
                yield place + suffix, array
            return
        parts = _parts_of(value)
        if parts is None or depth > MOST_DEPTH:
            # An estimator holds losses and the like; what torch made is compared where it is used.
            is_helper = is_learned and type(value).__module__.startswith("sklearn")
            if not (is_helper or callable(value) and is_learned or _is_of_torch(value)):
                self.unread.add(type(value).__name__)
            return
        if isinstance(value, (list, tuple, dict)):
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
        if len(parts) > MOST_ITEMS + MOST_MARKS:
            self.unread.add("more than %d items" % (MOST_ITEMS + MOST_MARKS))

    def _as_arrays(self, value: Any) -> Places | None:
        """Return a value as arrays, each with the end of its place; None for anything else."""
        if isinstance(value, type):
            return None
        if isinstance(value, _NUMBERS + _ATOMS):
            return self._of_atoms([value], ())
        if isinstance(value, np.ndarray):
            return self._of_array(value)
        if isinstance(value, (list, tuple)):
            return self._of_atoms(value, (len(value),)) if value and _are_atoms(value) else None
        if isinstance(value, (set, frozenset)):
            return self._of_set(value) if _are_atoms(value) else None
        if isinstance(value, dict) or not _is_tensor(value):
            return None
        tensor = value.detach().cpu()
        if tensor.is_complex():
            tensor = sys.modules["torch"].view_as_real(tensor.resolve_conj())
        if str(tensor.layout) != "torch.strided":
            tensor = tensor.to_dense()
        is_short = str(tensor.dtype) in ("torch.float16", "torch.bfloat16")
        return [("", (tensor.float() if is_short else tensor).numpy())]

    def _of_array(self, array: Array) -> Places | None:
        if isinstance(array, np.ma.MaskedArray):
            return None
        kind = array.dtype.kind
        if kind in "biuf":
            return [("", array)]
        if kind == "c":
            return [("", np.stack([array.real, array.imag], axis=-1))]
        if kind in "mM":
            return [("", array.astype(np.int64))]
        if kind in "US" or (kind == "O" and _are_atoms(array.flat)):
            return self._of_atoms(list(array.flat), array.shape)
        return None

    def _of_atoms(self, items: Any, shape: tuple[int, ...]) -> Places:
        """Return numbers and texts apart: a text is small beside a large number."""
        texts = [isinstance(item, _ATOMS) for item in items]
        values = [0 if is_text else _number(item) for item, is_text in zip(items, texts)]
        arrays: Places = []
        if not all(texts):
            numbers = np.asarray(values)
            if numbers.dtype.kind == "c":
                pairs = np.stack([numbers.real, numbers.imag], axis=-1)
                arrays.append(("", pairs.reshape(shape + (2,))))
            else:
                arrays.append(("", numbers.reshape(shape)))
        if any(texts):
            marks = [self._of_text(item) if is_text else 0.0 for item, is_text in zip(items, texts)]
            arrays.append((TEXT, np.asarray(marks, dtype=np.float64).reshape(shape)))
        return arrays

    def _of_set(self, items: Any) -> Places:
        marks = sorted(self._of_text(item) for item in items)
        return [(TEXT, np.asarray(marks, dtype=np.float64))]

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
    try:
        return float(value) if is_long or is_other else value
    except OverflowError:
        return float("inf")


def _is_tensor(value: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and hasattr(torch, "Tensor") and issubclass(type(value), torch.Tensor)


def _is_of_torch(value: object) -> bool:
    return any(kind.__module__.startswith("torch") for kind in type(value).__mro__)


def _is_estimator(value: object) -> bool:
    return hasattr(value, "fit") and hasattr(value, "get_params")


def _parts_of(value: Any) -> Places | None:
    """Return what a value is made of, with the way to each part; None if that is not known."""
    if isinstance(value, dict):
        return [("[%s]" % (key,), value[key]) for key in sorted(value, key=str)]
    if isinstance(value, (list, tuple)):
        return [("[%d]" % index, item) for index, item in enumerate(value)]
    if isinstance(value, np.ma.MaskedArray):
        return [(".data", value.filled(0)), (".mask", np.ma.getmaskarray(value))]
    if isinstance(value, (set, frozenset)):
        return [("[%d]" % at, item) for at, item in enumerate(sorted(value, key=str))]
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
    names = [str(name) for name in value.columns]
    columns = [
        value.iloc[:, at] if hasattr(value, "iloc") else value[name]
        for at, name in enumerate(names)
    ]
    return (
        index
        + [(".columns", names)]
        + [(".%d" % at, column.to_numpy()) for at, column in enumerate(columns)]
    )


def _parts_of_object(value: Any) -> Places | None:
    if hasattr(value, "__dataclass_fields__"):
        names = sorted(value.__dataclass_fields__)
        return [(".%s" % name, getattr(value, name, None)) for name in names]
    if not hasattr(value, "__dict__") and hasattr(value, "__getstate__"):
        state = value.__getstate__()  # such as the nodes of a decision tree
        names = sorted(state) if isinstance(state, dict) else []
        return [(".%s" % name, state[name]) for name in names] or None
    names = sorted(getattr(value, "__dict__", ()))
    if _is_estimator(value):  # all that it was not made with
        settings = value.get_params(deep=False)
        return [(".%s" % name, vars(value)[name]) for name in names if name not in settings]
    learned = [name for name in names if name.endswith("_") and name[0] != "_"]
    return [(".%s" % name, vars(value)[name]) for name in learned] or None


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
    elif _is_tensor(value):
        is_own = value.grad_fn is None and not value.requires_grad and not value._is_view()
        if value.is_floating_point() and is_own and value.numel():
            value.mul_(1 + 2.0 ** (-52 if value.element_size() == 8 else -23))
    elif depth <= MOST_DEPTH:
        for step, item in (_parts_of(value) or [])[:MOST_ITEMS]:
            disturb(item, name + step, depth + 1)
