"""Follow the functions of a program without torch: what each call takes and gives.

A function is known by its module and name, a call by its number. Arrays, numbers, and what
estimators have learned (attributes that end in an underscore, as scikit-learn names them) are kept;
of anything else only that it was there.
"""

from __future__ import annotations

import inspect
import os
import pickle
import random
import sys
import zlib

import numpy as np

from _scaffold_trace.store import Store, generator, row_marks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Any, Iterator

    from _scaffold_trace.kinds import Array

MOST_CALLS = 20
"""Of one function that are kept; it may be called millions of times."""

EACH_FOLLOWED = 100
"""Calls of one function of which one number each is kept; then every second up to twice as many,
and so on."""

MOST_DEPTH = 4
MOST_ITEMS = 50
"""Of a list, and how deep they may lie in one another."""


class Functions:
    """Records calls of functions that are defined in files below a folder.

    Args:
        tree: that folder.
        renamed: what functions are called here, and in the reference.
        disturb: each array that a function gives is off by one last digit: what does that make of
            the rest?
    """

    def __init__(self, tree: str, renamed: dict[str, str], disturb: bool) -> None:
        self.tree = os.path.join(os.path.realpath(tree), "")
        self.renamed = renamed
        self.disturb = disturb
        self.store = Store()
        self.store.index["kind"] = "functions"
        self.names: dict[int, tuple[str | None, CodeType]] = {}
        self.counts: dict[str, int] = {}
        self.callers: dict[str, set[str]] = {}
        self.open: dict[int, tuple[str, int, list[float]]] = {}
        self.foreign: set[int] = set()
        self.waiting: dict[int, tuple[str, int]] = {}
        self.pairs: set[tuple[str, int | None]] = set()

    def start(self) -> None:
        """Start following."""
        sys.setprofile(self.profile)

    def finish(self) -> bool:
        """End, and return whether anything was seen."""
        sys.setprofile(None)
        self.store.index["counts"] = {name: number + 1 for name, number in self.counts.items()}
        self.store.index["callers"] = {name: sorted(above) for name, above in self.callers.items()}
        return bool(self.counts)

    def name_of(self, code: CodeType) -> str | None:
        """Return a function's name; None for generators and code that is not the program's."""
        if id(code) not in self.names:
            self.names[id(code)] = self.find_name(code), code  # held, so that no other gets its id
        return self.names[id(code)][0]

    def find_name(self, code: CodeType) -> str | None:
        """Work out a function's name."""
        path = os.path.realpath(code.co_filename)
        is_file = not code.co_filename.startswith("<") and not code.co_name.startswith("<")
        if not is_file or not path.startswith(self.tree) or "site-packages" in path:
            return None
        if code.co_flags & (
            inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
        ):
            return None  # they begin and end many times
        module = os.path.splitext(path[len(self.tree) :])[0].replace(os.sep, ".")
        name = "%s.%s" % (module, getattr(code, "co_qualname", code.co_name))
        for own, reference in self.renamed.items():
            if name == own or name.startswith(own + "."):
                name = reference + name[len(own) :]
        return name

    def profile(self, frame: FrameType, event: str, value: object) -> None:
        """Follow a function that begins or ends.

        It is called a million times, so it checks the counted-only ones first.
        """
        if event == "call":
            code = id(frame.f_code)
            if code in self.foreign:
                return
            waiting = self.waiting.get(code)
            if waiting is not None and self.counts[waiting[0]] + 1 < waiting[1]:
                self.counts[waiting[0]] += 1
                self.note_caller(frame, waiting[0])
                return
            name = self.name_of(frame.f_code)
            if name is None:
                self.foreign.add(code)
                return
            self.called(frame, name)
            self.waiting[code] = name, next_followed(self.counts[name])
        elif event == "return" and id(frame) in self.open:
            self.ended(frame, value)

    def called(self, frame: FrameType, name: str) -> None:
        """Note a call, and what it is given; of later calls one number."""
        number = self.counts[name] = self.counts.get(name, -1) + 1
        self.note_caller(frame, name)
        taken: list[float] = []
        if number < MOST_CALLS:
            self.keep(name, number, "input", dict(frame.f_locals))
        else:
            if number == MOST_CALLS:
                self.store.say(
                    "functions",
                    "%s: of its calls after the first %d one number each" % (name, MOST_CALLS),
                )
            arguments = dict(frame.f_locals)
            taken = [mark_of(arguments), sum(state_of(value) for value in arguments.values())]
        self.open[id(frame)] = name, number, taken

    def ended(self, frame: FrameType, value: object) -> None:
        """Keep what a call gives; of later calls one number."""
        name, number, taken = self.open.pop(id(frame))
        if number < MOST_CALLS:
            self.keep(name, number, "output", value)
        else:
            self.store.follow("later." + name, [float(number)] + taken + [mark_of(value)])
        if self.disturb:
            disturb(value, "%s %d" % (name, number))

    def note_caller(self, frame: FrameType, name: str) -> None:
        """Note by which of the program's functions one is called."""
        back = frame.f_back
        pair = name, None if back is None else id(back.f_code)
        if pair not in self.pairs:
            self.callers.setdefault(name, set()).add(self.caller(frame))
            if back is None or self.name_of(back.f_code) is not None:
                # What is called by a library, or in a comprehension, has another caller behind.
                self.pairs.add(pair)

    def caller(self, frame: FrameType) -> str:
        """Return the program's innermost function that a call came from; empty at top level."""
        back = frame.f_back
        while back is not None:
            if not back.f_code.co_name.startswith("<"):
                name = self.name_of(back.f_code)
                if name is not None:
                    return name
            back = back.f_back
        return ""

    def keep(self, name: str, number: int, aspect: str, value: object) -> None:
        """Keep all arrays inside a value."""
        arrays = list(arrays_in(value))
        for place, array in arrays:
            self.store.add(
                "functions", aspect + place, array, name, number, 0, keep=aspect == "output"
            )
        if not arrays and aspect == "output" and value is not None:
            self.store.say("functions", "%s gives %s: not compared" % (name, type(value).__name__))


def next_followed(number: int) -> int:
    """Return the next followed call: late effects are met within twice as many calls."""
    stride = 1
    while number + 1 >= 2 * stride * EACH_FOLLOWED:
        stride *= 2
    return (number // stride + 1) * stride


def mark_of(value: object) -> float:
    """Return one number for all arrays inside a value."""
    arrays = [array for _, array in arrays_in(value) if array.size]
    return sum(float(row_marks(array.reshape(1, -1).astype(np.float64))[0]) for array in arrays)


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
        if value.dtype.kind == "f" and value.flags.writeable and value.size:
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
        for step, item in parts_of(value):
            disturb(item, name + step, depth + 1)


def arrays_in(value: object, place: str = "", depth: int = 0) -> Iterator[tuple[str, Array]]:
    """Yield each array or number inside a value with its place, such as `[0].coef_`."""
    array = as_array(value)
    if array is not None:
        yield place, array
    elif depth <= MOST_DEPTH:
        for step, item in parts_of(value):
            for array_inside in arrays_in(item, place + step, depth + 1):
                yield array_inside


def as_array(value: Any) -> Array | None:
    """Return numbers as an array; None for anything else."""
    if isinstance(value, (bool, int, float, np.number, np.bool_)):
        return np.asarray(value)
    if isinstance(value, np.ndarray):
        return value if value.dtype.kind in "biuf" else None
    if (
        isinstance(value, (list, tuple))
        and value
        and all(type(item) in (int, float, bool) for item in value)
    ):
        return np.asarray(value)
    if hasattr(value, "detach") and hasattr(value, "numpy"):
        array: Array = value.detach().cpu().double().numpy()
        return array
    if hasattr(value, "to_numpy"):  # pandas
        return as_array(value.to_numpy())
    return None


def parts_of(value: object) -> list[tuple[str, Any]]:
    """Return what a value is made of, with the way to each part."""
    if isinstance(value, dict):
        return [("[%s]" % key, value[key]) for key in sorted(value, key=str)]
    if isinstance(value, (list, tuple)):
        return [("[%d]" % index, item) for index, item in enumerate(value[:MOST_ITEMS])]
    if hasattr(value, "__dict__") and not isinstance(value, type) and not callable(value):
        learned = [
            key for key in sorted(vars(value)) if key.endswith("_") and not key.startswith("_")
        ]
        return [(".%s" % key, vars(value)[key]) for key in learned]
    return []
