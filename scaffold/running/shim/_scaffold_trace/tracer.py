"""Follows a torch training program from outside.

And feeds it the reference's values at every check.

Steps are counted by the program's updates. In the first FED of them, and in some later ones,
weights, inputs, outputs and gradients are replaced by given ones, so that no difference hides or
fakes another; then, in float64, LOOP steps run by themselves; all others are skimmed: networks
answer with made-up outputs and nothing is computed, while the program's own data pipeline, schedule
and reporting go their whole way. The same happens to the reference, whose trace is what the other
one is compared with. A program that cannot live with made-up outputs is followed as it runs
(`real`).
"""

from __future__ import annotations

import os
import sys
import threading
import time

from _scaffold_trace.answers import Answers
from _scaffold_trace.evaluations import Evaluations
from _scaffold_trace.feeding import Feeding
from _scaffold_trace.following import Following
from _scaffold_trace.late import Late
from _scaffold_trace.networks import Entry, Network, outermost
from _scaffold_trace.recording import Recording
from _scaffold_trace.replays import Replays
from _scaffold_trace.steps import FED, LOOP, Steps
from _scaffold_trace.trees import with_tensors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Callable

    from _scaffold_trace.draws import Masks
    from _scaffold_trace.kinds import Args, Kwargs, Module, Original, Tensor, Torch
    from _scaffold_trace.store import Store

MOST_CALLS = 200
"""Training calls of one step after which a program is taken to wait for a loss that made-up outputs
never give."""


class Tracer(Steps, Recording, Feeding, Following, Replays, Evaluations, Late):
    """All that one process knows of its program."""

    def __init__(
        self,
        torch: Torch,
        spec: dict[str, Any],
        store: Store,
        golden: Store | None,
        masks: Masks,
        end: Callable[[str], None],
        claim: Callable[[], bool],
    ) -> None:
        self.torch = torch
        self.spec = spec
        self.store = store
        self.golden = golden
        self.masks = masks
        self.end = end
        self.claim = claim
        self.answers = Answers(torch, self.fact)
        self.is_wide = spec["dtype"] == "float64"
        self.is_replay = spec["replay"]
        self.by_gradient = (golden or store).index.setdefault("by_gradient", spec["by_gradient"])
        self.is_real = (golden or store).index.setdefault("real", spec["real"])
        self.networks = {}
        self.entries = {}
        self.modules = []
        self.optimizers = []
        self.known_options = {}
        self.stepped = {}
        self.step = 0
        self.updates = 0
        self.backwards = 0
        self.loss = self.loss_dtype = None
        self.outer = None
        self.calling = []
        self.is_busy = False
        self.in_backward = False
        self.recording = None
        self.is_training = False
        self.arrived = -1
        self.placed = set()
        self.bursts = self.bursts_before = 0
        self.fed_now = False
        self.in_burst = False
        self.burst_calls = 0
        self.calls_of_step = 0
        self.counts, self.begins_at = {}, 0
        self.path = []
        self.fixed_gradients = {}
        self.summed = {}
        self.began = 0.0
        self.site = ""
        self.given_away = {}
        self.thread = threading.get_ident()
        masks.is_active = self.draws_masks
        masks.is_recomputing = lambda: self.in_backward
        masks.place = self.place
        store.index.update(fed=[], masks={}, numbers={}, entered=[])
        self.begin_late()

    def fact(self, key: str, value: Any) -> Any:
        """Note a number; the reference's is given back, where there is one."""
        value = self.store.index["facts"].setdefault(key, value)
        shared = self.golden.index["facts"].get(key) if self.golden else None
        return value if shared is None else shared

    def draws_masks(self) -> bool:
        """Return whether draws are masks now: inside a training network, also when recomputed."""
        inside = self.outer is not None or (
            self.in_backward and (self.fed_now or self.computes(self.step))
        )
        return inside and self.is_training and not self.is_busy

    def is_fed(self, k: int) -> bool:
        """Return whether step k is fed.

        The first ones, powers of eight, those right after some evaluations, those that were planned
        once the number of steps was known, and those after something in the network was set to
        another value. Later ones show what acts late. The other program does as the reference did.
        """
        if self.golden is not None:
            return k < FED or k in self.golden.index["fed"]
        if self.is_wide or self.is_real:
            return k < FED
        fresh = self.bursts_before != self.bursts and _is_power(self.bursts, 4)
        is_late = fresh or k in self.spec["planned"] or self.was_changed()
        return k < FED or _is_power(k, 8) or is_late or k in self.store.index["fed"]

    # --- the program calls a network -------------------------------------------------------------

    def call(self, original: Original, module: Module, args: Args, kwargs: Kwargs) -> Any:
        """Answer one call of any module."""
        if self.is_busy or self.in_backward or threading.get_ident() != self.thread:
            return original(module, *args, **kwargs)
        if self.outer is not None:
            if self.recording is None:
                return original(module, *args, **kwargs)
            return self.inner(original, module, args, kwargs, self.outer, self.recording)
        entry = self.entry_of(module)
        if entry is None:
            return original(module, *args, **kwargs)
        if self.is_wide:
            args, kwargs = with_tensors(
                (args, kwargs), self.answers.is_tensor, lambda _, tensor: _wide(tensor)
            )
        self.notice_update()
        self.outer = entry.network
        self.is_training = self.torch.is_grad_enabled() and (module.training or self.by_gradient)
        self.site = _call_site(entry.name) if module.training and not self.is_training else ""
        self.is_training = self.is_training or self.site in self.spec["auxiliary"]
        try:
            if self.is_replay:
                return self.replay(original, entry, args, kwargs)
            return (self.train if self.is_training else self.evaluate)(
                original, entry, args, kwargs
            )
        finally:
            self.outer = None

    def call_forward(self, original: Original, module: Module, args: Args, kwargs: Kwargs) -> Any:
        """Answer `net.forward(x)`, which is `net(x)` without hooks; inside that it is unchanged."""
        if self.calling and self.calling[-1] is module:
            return original(module, *args, **kwargs)
        return self.called(original, module, args, kwargs)

    def called(self, original: Original, module: Module, args: Args, kwargs: Kwargs) -> Any:
        """Answer a call, and remember whose it is until it ends."""
        self.calling.append(module)
        try:
            return self.call(original, module, args, kwargs)
        finally:
            self.calling.pop()

    def entry_of(self, module: Module) -> Entry | None:
        """Return how a program enters a network by this module; None for one without parameters.

        A part that a program calls itself belongs to the network around it, if that is one to be
        called.
        """
        entry = self.entries.get(id(module))
        if entry is None and next(module.parameters(), None) is not None:
            if not self.networks:
                if not self.claim():
                    self.is_busy = True  # another process of this command is the one that is traced
                    return None
                self.began = time.process_time()
            network = self.network_of(outermost(self.torch, self.modules, module))
            name = network.paths.get(id(module), network.name)
            numbers = self.store.index["numbers"]
            entry = Entry(network, name, module, numbers.setdefault(name, len(numbers) + 1))
            self.entries[id(module)] = entry
        return entry

    def network_of(self, module: Module) -> Network:
        """Return the network that a module is."""
        network = self.networks.get(id(module))
        if network is None:
            golden, name = self.counterpart(module)
            network = Network(self.torch, name, module, golden, self.spec["weights"])
            network.about["begun_at"] = self.step
            self.networks[id(module)] = network
            self.store.index["networks"].append(network.about)
            if network.unmatched:
                self.store.index["unmatched"] = network.unmatched
                self.end("unmatched")
        return network

    def counterpart(self, module: Module) -> tuple[dict[str, Any] | None, str]:
        """Return the reference's network that a new one is compared with, and its name.

        The first free one with the same tensors, else the next one: two networks may be called in
        another order.
        """
        listed = self.golden.index["networks"] if self.golden else []
        taken = {network.name for network in self.networks.values()}
        free = [about for about in listed if about["name"] not in taken]
        own = sorted(tuple(value.shape) for value in module.parameters())
        alike = [
            about
            for about in free
            if sorted(tuple(entry["shape"]) for entry in about["parameters"]) == own
        ]
        chosen = (alike or free or [None])[0]
        if chosen is not None:
            return chosen, chosen["name"]
        number = len(self.networks) + 1
        return None, "model" if number == 1 else "model%d" % number

    # --- training --------------------------------------------------------------------------------

    def train(self, original: Original, entry: Entry, args: Args, kwargs: Kwargs) -> Any:
        """Answer a call whose gradient is wanted."""
        k, network = self.step, entry.network
        if self.arrived < k:
            self.arrive(k)
        self.bursts_before, self.in_burst = self.bursts, False
        entry.calls = entry.calls + 1 if entry.last_step == k else 0
        entry.last_step = k
        if entry.name not in self.store.index["entered"]:
            self.store.index["entered"].append(entry.name)
        self.calls_of_step += 1
        if self.calls_of_step > MOST_CALLS and not self.is_real:
            self.store.index["starved"] = True
            self.end("starved")
        rows = self.follow_batch("train", entry, (args, kwargs))
        self.notice_auxiliary(rows)
        marks = self.answers.marks(entry.name, rows)
        self.follow_modes("train.calls", entry)
        if network.name not in self.placed:
            self.placed.add(network.name)
            self.place_weights(network, k)
        if self.fed_now:
            return self.fed(original, entry, args, kwargs, k, marks)
        if self.computes(k):
            if self.is_wide and not self.is_real:
                label = self.matching_call(entry, (args, kwargs), k)
                args, kwargs = self.feed_inputs(entry, (args, kwargs), k, label)
            return original(entry.module, *args, **kwargs)
        network.age_statistics("step %d" % k)
        key = (entry.name, "train", self.answers.shapes((args, kwargs)))
        self.learn_shape(key, original, entry.module, args, kwargs)
        wants_gradient = self.torch.is_grad_enabled()
        salt = "update %d" % network.updates
        return self.answers.give(
            key, entry.name + " train", salt, marks, (args, kwargs), wants_gradient
        )

    def place_weights(self, network: Network, k: int) -> None:
        """Give a network the weights of its last update, the same until it is updated again."""
        name = "update %d" % network.updates
        is_given = k == 0 if self.is_real else self.fed_now or (k == FED and self.is_wide)
        if is_given and network.placed != name:
            network.place(name)

    def arrive(self, k: int) -> None:
        """Begin step k with its first training call: what the optimizer did before can be seen."""
        self.arrived = k
        self.calls_of_step = 0
        self.masks.begin(k)
        self.notice_assigned(k, self.bursts != self.bursts_before)
        self.record_updates(k)
        self.fed_now = self.is_fed(k)
        if self.fed_now:
            self.store.index["fed"].append(k)
        self.placed = set()
        for network in self.networks.values():
            network.totals, network.left = {}, {}
            if network.updates:  # also one that is updated without being called again
                self.place_weights(network, k)
        if k >= FED + LOOP and self.is_wide:
            self.end("done")

    def finish(self) -> bool:
        """Note what is left when the program has ended.

        Returns whether a network was called at all.
        """
        self.is_busy = True
        self.notice_update_at_end()
        if self.is_replay:
            self.follow_weights_at_end()
            for network in list(self.networks.values()):
                for name, array in network.weights().items():
                    if array is not None:
                        self.store.add(
                            "replay", "weights", array, name, 0, self.step, network.dtype
                        )
        else:
            self.record_updates(self.step)
        self.store.index.update(steps=self.step, updates=self.updates, bursts=self.bursts)
        return bool(self.networks)


def _is_power(number: int, base: int) -> bool:
    while number > 1 and number % base == 0:
        number //= base
    return number == 1


def _call_site(name: str) -> str:
    """Return a network's name with the place in the program that it is called from."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        if "_scaffold_trace" not in path and os.sep + "torch" + os.sep not in path:
            return "%s@%s:%d" % (name, os.path.basename(path), frame.f_lineno)
        frame = frame.f_back
    return name


def _wide(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor
