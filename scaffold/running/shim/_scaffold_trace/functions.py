"""Follow the functions of a program without torch: what each call takes and gives.

A function is known by its module and name, a call by its number. What it gives is kept as arrays
(`values`): numbers, texts, and what estimators have learned; of anything else only its type.
"""

from __future__ import annotations

import inspect
import os
import sys

from _scaffold_trace.store import Store
from _scaffold_trace.values import Reader, disturb, state_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Callable
MOST_WEIGHED = 3
"""Calls of a function, and networks, whose weights are looked at."""

MOST_CALLS = 20
"""Of one function that are kept; it may be called millions of times."""

EACH_FOLLOWED = 100
"""Calls of one function of which one number each is kept; then every second up to twice as many,
and so on."""


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
        self.given = Reader(self.tree, only_numbers=True)
        self.gives = Reader(self.tree)
        self.unread: dict[str, set[str]] = {}
        self.steering: set[str] = set()
        self.generators: set[str] = set()
        self.names: dict[int, tuple[str | None, CodeType]] = {}
        self.counts: dict[str, int] = {}
        self.callers: dict[str, set[str]] = {}
        self.open: dict[int, tuple[str, int, list[float], dict[int, float]]] = {}
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
        self.store.index["unread"] = {name: sorted(kinds) for name, kinds in self.unread.items()}
        self.store.index["steering"] = sorted(self.steering)
        self.store.index["generators"] = sorted(self.generators)
        for name, kinds in self.store.index["unread"].items():
            self.store.say("functions", "%s gives %s: not compared" % (name, ", ".join(kinds)))
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
        module = os.path.splitext(path[len(self.tree) :])[0].replace(os.sep, ".")
        name = "%s.%s" % (module, getattr(code, "co_qualname", code.co_name))
        for own, reference in self.renamed.items():
            if name == own or name.startswith(own + "."):
                name = reference + name[len(own) :]
                break
        if code.co_flags & (
            inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
        ):
            self.generators.add(name)
            return None  # they begin and end many times
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
            number = self.counts[name] = self.counts.get(name, -1) + 1
            self.note_caller(frame, name)
            self.waiting[code] = name, next_followed(number)
            self.guarded(name, lambda: self.called(frame, name, number))
        elif event == "return" and id(frame) in self.open:
            self.guarded(self.open[id(frame)][0], lambda: self.ended(frame, value))

    def guarded(self, name: str, look: Callable[[], None]) -> None:
        """Look at values; what they do when they are looked at must not reach the program."""
        try:
            look()
        except Exception as error:
            self.unread.setdefault(name, set()).add("what raises %s" % type(error).__name__)

    def called(self, frame: FrameType, name: str, number: int) -> None:
        """Keep what a call is given; of later calls one number."""
        taken: list[float] = []
        weights = weights_of(frame) if number < MOST_WEIGHED else {}
        self.open[id(frame)] = name, number, taken, weights
        if number < MOST_CALLS:
            self.keep(name, number, "input", dict(frame.f_locals))
        else:
            if number == MOST_CALLS:
                self.store.say(
                    "functions",
                    "%s: of its calls after the first %d one number each" % (name, MOST_CALLS),
                )
            arguments = dict(frame.f_locals)
            taken += [
                self.given.mark_of(arguments),
                sum(state_of(value) for value in arguments.values()),
            ]

    def ended(self, frame: FrameType, value: object) -> None:
        """Keep what a call gives; of later calls one number."""
        name, number, taken, weights = self.open.pop(id(frame))
        if weights and has_changed(weights, weights_of(frame)):
            self.steering.add(name)
        if number < MOST_CALLS:
            self.keep(name, number, "output", value)
        else:
            self.store.follow(
                "later." + name, [float(number)] + taken + [self.gives.mark_of(value)]
            )
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
        """Keep all arrays inside a value, and note what else is in it."""
        is_output = aspect == "output"
        reader = self.gives if is_output else self.given
        if value is None:
            return
        reader.unread.clear()
        for place, array in reader.arrays_in(value):
            self.store.add("functions", aspect + place, array, name, number, 0, keep=is_output)
        if is_output and reader.unread:
            self.unread.setdefault(name, set()).update(reader.unread)


def weights_of(frame: FrameType) -> dict[int, float]:
    """Return a number for the parameters of each network that a function sees, by its id."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "nn"):
        return {}
    objects = list(frame.f_locals.values()) + list(frame.f_globals.values())
    networks = {id(item): item for item in objects if issubclass(type(item), torch.nn.Module)}
    sums = {}
    for key, network in list(networks.items())[:MOST_WEIGHED]:
        try:
            tensors = list(network.parameters())
            sums[key] = sum(float(one.detach().double().abs().sum()) for one in tensors)
        except Exception:
            continue  # it is being made, or its weights are to come
    return sums


def has_changed(before: dict[int, float], after: dict[int, float]) -> bool:
    """Return whether a network that a function was called with has other weights when it ends."""
    pairs = [(before[key], after[key]) for key in before if key in after]
    return any(one != other and (one == one or other == other) for one, other in pairs)


def next_followed(number: int) -> int:
    """Return the next followed call: late effects are met within twice as many calls."""
    stride = 1
    while number + 1 >= 2 * stride * EACH_FOLLOWED:
        stride *= 2
    return (number // stride + 1) * stride
