"""Follows the functions of a program that is not torch: what each call takes and gives, without editing it.

A function is known by its module and name, a call by its number. Arrays, numbers, and what estimators have learned
(attributes that end in an underscore, as scikit-learn names them) are kept; of anything else only that it was there.
"""

import os
import pickle
import random
import sys
import threading
import zlib

import numpy as np

from _scaffold_trace.store import Store, generator, row_marks

MOST_CALLS = 20
"""Of one function that are kept; it may be called millions of times."""

MOST_FOLLOWED = 2000
"""Of one function of whose outputs one number is kept."""

MOST_DEPTH = 4
MOST_ITEMS = 50
"""Of a list, and how deep they may lie in one another."""


class Functions:
    """Records calls of functions that are defined in files below a folder.

    Args:
        tree: that folder.
        renamed: what functions are called here, and in the reference.
        disturb: each array that a function gives is off by one last digit: what does that make of the rest?
    """

    def __init__(self, tree, renamed, disturb):
        self.tree = os.path.join(os.path.realpath(tree), "")
        self.renamed = renamed
        self.disturb = disturb
        self.store = Store()
        self.store.index["kind"] = "functions"
        self.names = {}
        self.counts = {}
        self.callers = {}
        self.open = {}
        self.is_busy = False

    def start(self):
        """From now on."""
        sys.setprofile(self.profile)

    def finish(self):
        """End, and return whether anything was seen."""
        sys.setprofile(None)
        self.store.index["counts"] = {name: number + 1 for name, number in self.counts.items()}
        self.store.index["callers"] = {name: sorted(above) for name, above in self.callers.items()}
        return bool(self.counts)

    def name_of(self, code):
        """Return what a function is called; None for one that is not the program's own."""
        found = self.names.get(code, "")
        if found == "":
            found = None
            path = os.path.realpath(code.co_filename)
            is_file = not code.co_filename.startswith("<") and not code.co_name.startswith("<")
            if is_file and path.startswith(self.tree) and "site-packages" not in path:
                module = os.path.splitext(path[len(self.tree) :])[0].replace(os.sep, ".")
                found = "%s.%s" % (module, getattr(code, "co_qualname", code.co_name))
                for own, reference in self.renamed.items():
                    if found == own or found.startswith(own + "."):
                        found = reference + found[len(own) :]
            self.names[code] = found
        return found

    def profile(self, frame, event, given):
        """Python's own hook: a function begins or ends."""
        if event not in ("call", "return") or self.is_busy or threading.current_thread() is not threading.main_thread():
            return
        name = self.name_of(frame.f_code)
        if name is None or frame.f_code.co_flags & 0x2A0:  # generators and coroutines begin and end many times
            return
        self.is_busy = True
        try:
            if event == "call":
                self.called(frame, name)
            elif id(frame) in self.open:
                number, taken = self.open.pop(id(frame))
                if number < MOST_CALLS:
                    self.keep(name, number, "output", given)
                else:
                    self.store.follow("later." + name, [float(number)] + taken + [mark_of(given)])
                if self.disturb:
                    disturb(given, "%s %d" % (name, number))
        finally:
            self.is_busy = False

    def called(self, frame, name):
        """Note a call, and by whom."""
        number = self.counts[name] = self.counts.get(name, -1) + 1
        if number < MOST_FOLLOWED:
            self.callers.setdefault(name, set()).add(self.caller(frame))
        if number == MOST_CALLS:
            self.store.say("functions", "%s: of its calls after the first %d one number each" % (name, MOST_CALLS))
        if number < MOST_CALLS:
            self.keep(name, number, "input", dict(frame.f_locals))
        if number < MOST_FOLLOWED:
            given = {} if number < MOST_CALLS else dict(frame.f_locals)
            self.open[id(frame)] = number, [mark_of(given), sum(state_of(value) for value in given.values())]

    def caller(self, frame):
        """Return the innermost function of the program that a call came from; empty at a file's outermost level."""
        frame = frame.f_back
        while frame is not None:
            if not frame.f_code.co_name.startswith("<"):
                name = self.name_of(frame.f_code)
                if name is not None:
                    return name
            frame = frame.f_back
        return ""

    def keep(self, name, number, what, value):
        """Keep all arrays inside a value."""
        arrays = list(arrays_in(value))
        for place, array in arrays:
            self.store.add("functions", what + place, array, name, number, 0, keep=what == "output")
        if not arrays and what == "output" and value is not None:
            self.store.say("functions", "%s gives %s: not compared" % (name, type(value).__name__))


def mark_of(value):
    """Return one number for all arrays inside a value."""
    arrays = [array for _, array in arrays_in(value) if array.size]
    return sum(float(row_marks(array.reshape(1, -1).astype(np.float64))[0]) for array in arrays)


def state_of(value):
    """Return a number for where a generator of random numbers stands; 0 for anything else."""
    kinds = random.Random, np.random.RandomState, getattr(np.random, "Generator", random.Random)  # numpy before 1.17
    return float(zlib.crc32(pickle.dumps(value))) if isinstance(value, kinds) else 0.0


def disturb(value, name, depth=0):
    """Move each number of the arrays inside a value by one last digit of its type, in place."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f" and value.flags.writeable and value.size:
            signs = generator("rounding of " + name).choice([-1.0, 1.0], value.size).reshape(value.shape)
            value *= (1 + np.finfo(value.dtype).eps * signs).astype(value.dtype)
    elif hasattr(value, "is_floating_point") and hasattr(value, "mul_"):
        if value.is_floating_point() and not value.requires_grad and value.numel():
            value.mul_(1 + 2.0 ** (-52 if value.element_size() == 8 else -23))
    elif depth <= MOST_DEPTH:
        for step, item in parts_of(value):
            disturb(item, name + step, depth + 1)


def arrays_in(value, place="", depth=0):
    """Each array or number inside a value, with the place where it stands, such as `[0].coef_`."""
    array = as_array(value)
    if array is not None:
        yield place, array
    elif depth <= MOST_DEPTH:
        for step, item in parts_of(value):
            for found in arrays_in(item, place + step, depth + 1):
                yield found


def as_array(value):
    """Numbers as an array; None for anything else."""
    if isinstance(value, (bool, int, float, np.number, np.bool_)):
        return np.asarray(value)
    if isinstance(value, np.ndarray):
        return value if value.dtype.kind in "biuf" else None
    if isinstance(value, (list, tuple)) and value and all(type(item) in (int, float, bool) for item in value):
        return np.asarray(value)
    if hasattr(value, "detach") and hasattr(value, "numpy"):
        return value.detach().cpu().double().numpy()
    if hasattr(value, "to_numpy"):  # pandas
        return as_array(value.to_numpy())
    return None


def parts_of(value):
    """What a value is made of, with the way to each part."""
    if isinstance(value, dict):
        return [("[%s]" % key, value[key]) for key in sorted(value, key=str)]
    if isinstance(value, (list, tuple)):
        return [("[%d]" % index, item) for index, item in enumerate(value[:MOST_ITEMS])]
    if hasattr(value, "__dict__") and not isinstance(value, type) and not callable(value):
        learned = [key for key in sorted(vars(value)) if key.endswith("_") and not key.startswith("_")]
        return [(".%s" % key, vars(value)[key]) for key in learned]
    return []
