"""Follows the functions of a program that is not torch: what each call takes and gives, without editing it.

A function is known by its module and name, a call by its number. Arrays, numbers, and what estimators have learned
(attributes that end in an underscore, as scikit-learn names them) are kept; of anything else only that it was there.
"""

import os
import sys
import threading

import numpy as np

from _scaffold_trace.store import Store

MOST_CALLS = 20
"""Of one function that are kept; it may be called millions of times."""

MOST_DEPTH = 4
MOST_ITEMS = 50
"""Of a list, and how deep they may lie in one another."""


class Functions:
    """Records calls of functions that are defined in files below a folder."""

    def __init__(self, tree):
        self.tree = os.path.join(os.path.realpath(tree), "")
        self.store = Store()
        self.store.index["kind"] = "functions"
        self.names = {}
        self.counts = {}
        self.open = {}
        self.is_busy = False

    def start(self):
        """From now on."""
        sys.setprofile(self.profile)

    def finish(self):
        """The program has ended. Returns whether anything was seen."""
        sys.setprofile(None)
        return bool(self.counts)

    def name_of(self, code):
        """What a function is called; None for one that is not the program's own."""
        found = self.names.get(code, "")
        if found == "":
            found = None
            path = os.path.realpath(code.co_filename)
            is_file = not code.co_filename.startswith("<") and not code.co_name.startswith("<")
            if is_file and path.startswith(self.tree) and "site-packages" not in path:
                module = os.path.splitext(path[len(self.tree) :])[0].replace(os.sep, ".")
                found = "%s.%s" % (module, getattr(code, "co_qualname", code.co_name))
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
                number = self.counts[name] = self.counts.get(name, -1) + 1
                if number == MOST_CALLS:
                    self.store.say("functions", "%s: its first %d calls are compared" % (name, MOST_CALLS))
                if number < MOST_CALLS:
                    self.open[id(frame)] = number
                    self.keep(name, number, "input", dict(frame.f_locals))
            elif id(frame) in self.open:
                number = self.open.pop(id(frame))
                self.keep(name, number, "output", given)
        finally:
            self.is_busy = False

    def keep(self, name, number, what, value):
        """All arrays inside a value."""
        found = False
        for place, array in arrays_in(value):
            found = True
            self.store.add("functions", what + place, array, name, number, 0, keep=what == "output")
        if not found and what == "output" and value is not None:
            self.store.say("functions", "%s gives %s: not compared" % (name, type(value).__name__))


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
