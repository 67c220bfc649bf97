"""Follows a torch training program from outside, and feeds it the reference's values at every rung.

Steps are counted by the program's calls of `backward`. In the first FED of them, and in some later ones, weights,
inputs, outputs and gradients are replaced by given ones, so that no difference hides or fakes another; then, in
float64, LOOP steps run by themselves; all others are skimmed: networks answer with made-up outputs and nothing is
computed, while the program's own data pipeline, schedule and reporting go their whole way. The same happens to the
reference, whose trace is what the other one is compared with.
"""

import threading

import numpy as np

from _scaffold_trace.answers import Answers
from _scaffold_trace.networks import Network, to_tensor
from _scaffold_trace.steps import FED, LOOP, Steps, dtype_of
from _scaffold_trace.store import generator, row_marks, summary, to_array
from _scaffold_trace.trees import tensors_in, with_tensors

OF_MASKS = ("torch.dropout", "torch.attention dropout")
"""Draws that are masks; those of them that get here drop nothing."""

MOST_EVALUATED = 64
"""Calls of the first evaluation that are computed."""


class Tracer(Steps):
    """All that one process knows of its program."""

    def __init__(self, torch, spec, store, golden, masks, end, claim):
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
        self.networks = {}
        self.optimisers = []
        self.step = 0
        self.updates = 0
        self.outer = None
        self.is_busy = False
        self.recording = None
        self.is_training = False
        self.arrived = -1
        self.placed = set()
        self.bursts = self.bursts_before = 0
        self.fed_now = False
        self.in_burst = False
        self.burst_calls = self.burst_rows = 0
        self.counts = {}
        self.path = []
        self.fixed_gradients = {}
        self.summed = {}
        self.thread = threading.get_ident()
        masks.is_active = lambda: self.outer is not None and self.is_training and not self.is_busy
        masks.here = self.here
        store.index.update(fed=[], masks={})

    def fact(self, key, value):
        """Note a number; the reference's is given back, where there is one."""
        value = self.store.index["facts"].setdefault(key, value)
        shared = self.golden.index["facts"].get(key) if self.golden else None
        return value if shared is None else shared

    def is_fed(self, k):
        """Whether step k is: the first ones, powers of four, and those right after some evaluations.

        Later ones show what acts late, such as from the second epoch on. The other program does as the reference did.
        """
        if k < FED or self.golden is not None:
            return k < FED or k in self.golden.index["fed"]
        if self.is_wide:
            return False
        fresh = self.bursts_before != self.bursts and _is_power_of_four(self.bursts)
        return _is_power_of_four(k) or fresh or k in self.store.index["fed"]

    # --- the program calls a network ---------------------------------------------------------------------------------

    def call(self, original, module, args, kwargs):
        """One call of any module."""
        if self.is_busy or threading.get_ident() != self.thread:
            return original(module, *args, **kwargs)
        if self.outer is not None:
            if self.recording is None:
                return original(module, *args, **kwargs)
            return self.inner(original, module, args, kwargs)
        network = self.network_of(module)
        if network is None:
            return original(module, *args, **kwargs)
        if self.is_wide:
            args, kwargs = with_tensors((args, kwargs), self.answers.is_tensor, lambda _, tensor: _wide(tensor))
        self.outer = network
        self.is_training = self.torch.is_grad_enabled() and (module.training or self.by_gradient)
        try:
            if self.is_replay:
                return self.replay(original, network, args, kwargs)
            return (self.train if self.is_training else self.evaluate)(original, network, args, kwargs)
        finally:
            self.outer = None

    def network_of(self, module):
        """The network that this module is; None for one without parameters, such as a loss."""
        found = self.networks.get(id(module))
        if found is None and next(module.parameters(), None) is not None:
            if not self.networks and not self.claim():
                self.is_busy = True  # another process of this command is the one that is traced
                return None
            name = "model" if not self.networks else "model%d" % (len(self.networks) + 1)
            listed = self.golden.index["networks"] if self.golden else []
            golden = next((about for about in listed if about["name"] == name), None)
            found = Network(self.torch, name, module, golden, self.spec["weights"])
            self.networks[id(module)] = found
            self.store.index["networks"].append(found.about)
            if found.unmatched:
                self.store.index["unmatched"] = found.unmatched
                self.end("unmatched")
        return found

    def inner(self, original, module, args, kwargs):
        """A module inside a network while that is recorded: its inputs, and its outputs before others change them."""
        rung, step = self.recording
        path = self.outer.paths.get(id(module), "")
        number = self.counts[path] = self.counts.get(path, -1) + 1
        self.record(rung, "input", (args, kwargs), path, number, step, keep=False)
        self.path.append(path)
        try:
            output = original(module, *args, **kwargs)
        finally:
            self.path.pop()
        self.record(rung, "output", output, path, number, step, keep=step == 0)
        return output

    def record(self, rung, what, value, path, number, step, keep=True):
        """All tensors inside a value."""
        found = False
        for place, tensor in tensors_in(value, self.answers.is_tensor):
            found = True
            if tensor.is_floating_point() or what != "input":
                self.store.add(rung, what + place, self.known(tensor), path, number, step, dtype_of(tensor), keep)
        if not found and what == "output":
            self.store.say(rung, "%s gives no tensors, but %s: not compared" % (path, type(value).__name__))

    def here(self):
        """The path of the innermost module that is at work."""
        return self.path[-1] if self.path else self.outer.name

    def known(self, tensor):
        """A tensor's summary; what one module gives and the next gets is summed up once."""
        key = tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor._version
        if key not in self.summed:
            self.summed[key] = summary(to_array(tensor)), tensor  # held, so that nothing else gets its place
        return self.summed[key][0]

    def noted_draw(self, name):
        """A draw that is not a mask, inside a network in training: nobody can give both programs the same."""
        if self.masks.is_active() and not name.startswith(OF_MASKS):
            path = self.here()
            drawn = self.store.index.setdefault("drawn", [])
            if [name, path] not in drawn and len(drawn) < 50:
                drawn.append([name, path])

    def replay(self, original, network, args, kwargs):
        """Nothing is fed but the first weights; what happens is only followed."""
        if network.calls == 0:
            network.place("replay")
        if self.arrived < self.step:
            self.arrived = self.step
            self.masks.begin(self.step)
        network.calls += 1
        return original(network.module, *args, **kwargs)

    # --- training ----------------------------------------------------------------------------------------------------

    def train(self, original, network, args, kwargs):
        """A call whose gradient is wanted."""
        k = self.step
        if self.arrived < k:
            self.arrive(k)
        self.bursts_before, self.in_burst = self.bursts, False
        network.calls = network.calls + 1 if network.last_step == k else 0
        network.last_step = k
        self.follow_batch("train", network, (args, kwargs))
        self.follow_modes("train.calls", network)
        is_loop = self.is_wide and FED <= k < FED + LOOP
        if network.name not in self.placed:
            self.placed.add(network.name)
            if self.fed_now or k == FED:
                network.place(k)
        if self.fed_now:
            return self.fed(original, network, args, kwargs, k)
        if is_loop:
            return original(network.module, *args, **kwargs)
        key = (network.name, "train", network.calls, self.answers.shapes((args, kwargs)))
        return self.answers.give(key, lambda: original(network.module, *args, **kwargs), k, True)

    def arrive(self, k):
        """The first training call of step k: what the optimiser made of the step before can be seen."""
        self.arrived = k
        self.masks.begin(k)
        self.record_updates(k)
        self.fed_now = self.is_fed(k)
        if self.fed_now:
            self.store.index["fed"].append(k)
        self.placed = set()
        if k >= FED + LOOP and self.is_wide:
            self.end("done")

    def record_updates(self, k):
        """What the step before k did to the weights."""
        if k == 0 or self.store.index.get("updates_seen") == k:
            return
        self.store.index["updates_seen"] = k
        was_fed = k - 1 in self.store.index["fed"]
        for network in list(self.networks.values()):
            if was_fed:
                for name, array in network.weights().items():
                    # Later on only what was updated in all steps before has the state that it should.
                    if array is not None and name in network.made and (k <= FED or name in network.probed):
                        floor = float(np.abs(array).max()) * _rounding(network.dtype) if array.size else 0.0
                        change = array - network.made[name]
                        keep = k in (1, FED)
                        self.store.add("optimiser", "change", change, name, 0, k - 1, network.dtype, keep, floor)
            elif self.is_wide:
                for name, array in network.weights().items():
                    if array is not None:
                        self.store.add("loop", "weights", array, name, 0, k - 1, network.dtype, k == FED + 1)
            else:
                # The effect of the learning rate, whoever applies it.
                self.store.follow("moved." + network.name, [k] + network.probe())

    def follow_batch(self, kind, network, inputs):
        """Marks of each example that a network gets, and how many there are."""
        rows = 0
        for place, tensor in tensors_in(inputs, self.answers.is_tensor):
            marks = row_marks(to_array(tensor).astype(np.float64))
            rows = rows or len(marks)
            self.store.follow("%s.%s%s" % (kind, network.name, place), marks)
        self.store.follow(kind + ".count", [self.step, rows])
        return rows

    def follow_modes(self, name, network):
        """How many modules are in training mode and parameters trained, and whether gradients are wanted."""
        modes = [inner.training for inner in network.module.modules()]
        trained = sum(parameter.requires_grad for parameter in network.parameters.values())
        self.store.follow(name, [self.step, modes[0], sum(modes) / len(modes), self.torch.is_grad_enabled(), trained])

    def fed(self, original, network, args, kwargs, k):
        """One step with everything given."""
        inputs = self.feed_inputs(network, (args, kwargs), k)
        if k == 0 and network.calls == 0:
            self.forward_eval(original, network, inputs)
        self.counts = {}
        self.masks.drawn = []
        self.summed = {}
        # Modules inside are seen at the first step; later ones only need them where something acts late.
        self.recording = ("forward_train", k) if k == 0 or k >= FED else None
        try:
            output = original(network.module, *inputs[0], **inputs[1])
        finally:
            self.recording = None
        for index, (kind, p, share, shape, path) in enumerate(self.masks.drawn):
            self.store.follow("masks", [k, index, p, share, float(np.prod(shape))])
            self.store.index["masks"]["%d.%d" % (k, index)] = [kind, list(shape), path]
        self.record("forward_train", "output", output, network.name, network.calls, k)
        if network.calls == 0:
            found = network.buffer_layout.gather(network.arrays(network.buffers))
            for name, array in found.items():
                if array is not None:
                    self.store.add("buffers", "statistics", array, name, 0, k, network.dtype)
        self.answers.learn((network.name, "train", network.calls, self.answers.shapes(inputs)), output)
        stem = "%s.%d.%d" % (network.name, k, network.calls)
        return self.answers.fed(stem, output, k, self.gradient_arrived)

    def gradient_arrived(self, gradient, key, k):
        """The loss's gradient at the outputs."""
        self.store.add("loss", "gradient at the outputs", to_array(gradient), key, 0, k, dtype_of(gradient))

    def feed_inputs(self, network, inputs, k):
        """The reference's inputs, where they were kept."""
        stem = "input.%s.%d.%d" % (network.name, k, network.calls)

        def give(place, tensor):
            key = stem + place
            if self.golden is None:
                kept = self.store.keep_input(key, to_array(tensor))
                return tensor if kept is None else self.given(kept, tensor)
            kept = self.golden.arrays.get(key)
            if kept is None or list(kept.shape) != list(tensor.shape):
                self.store.say("forward_train", "input%s of step %d is the program's own" % (place, k + 1))
                return tensor
            fed = self.given(kept, tensor)
            return self.disturbed(key, fed) if self.spec["disturb"] else fed

        return with_tensors(inputs, self.answers.is_tensor, give)

    def given(self, kept, like):
        """A kept input as a tensor like the program's own."""
        return self.torch.from_numpy(np.array(kept)).to(dtype=like.dtype, device=like.device)

    def disturbed(self, key, tensor):
        """A tensor in another memory format, each number off by one last digit: what rounding makes of the rest."""
        if tensor.is_floating_point():
            signs = generator("rounding of " + key).choice([-1.0, 1.0], tensor.numel()).reshape(tuple(tensor.shape))
            tensor = tensor * (1 + _rounding(dtype_of(tensor)) * to_tensor(self.torch, signs, tensor))
        return tensor.contiguous(memory_format=self.torch.channels_last) if tensor.dim() == 4 else tensor

    def forward_eval(self, original, network, inputs):
        """The same call in evaluation mode, beside the program's own."""
        torch, module = self.torch, network.module
        modes = [(inner, inner.training) for inner in module.modules()]
        states = torch.get_rng_state(), np.random.get_state(), self.masks.copy_states()
        module.eval()
        self.counts = {}
        self.summed = {}
        self.recording = ("forward_eval", 0)
        was_training, self.is_training = self.is_training, False
        try:
            with torch.no_grad():
                copies = with_tensors(inputs, self.answers.is_tensor, lambda _, tensor: tensor.clone())
                output = original(module, *copies[0], **copies[1])
            self.recording = None
            self.record("forward_eval", "output", output, network.name, 0, 0)
        except Exception as error:
            self.store.say("forward_eval", "%s: %s" % (type(error).__name__, error))
        finally:
            self.recording = None
            self.is_training = was_training
            for inner, mode in modes:
                inner.training = mode
            torch.set_rng_state(states[0])
            np.random.set_state(states[1])
            self.masks.restore_states(states[2])
            network.place(0)

    # --- evaluation --------------------------------------------------------------------------------------------------

    def evaluate(self, original, network, args, kwargs):
        """A call without gradient, or in evaluation mode."""
        if self.is_wide and FED <= self.step < FED + LOOP and self.arrived >= FED:
            return original(network.module, *args, **kwargs)
        if not self.in_burst:
            self.in_burst, self.burst_calls, self.burst_rows = True, 0, 0
            self.bursts += 1
            self.record_updates(self.step)  # an evaluation between two steps must not hide what the optimiser did
            self.placed = set()
        number, first = self.burst_calls, self.bursts == 1
        if not first or number == 0:  # the first evaluation is given weights
            self.store.follow("evaluation.weights", [self.step] + network.probe())
        self.burst_calls += 1
        self.follow_modes("evaluation.calls", network)
        rows, begin = self.follow_batch("evaluation", network, (args, kwargs)), self.burst_rows
        self.burst_rows += rows
        key = (network.name, "evaluation", 0, self.answers.shapes((args, kwargs)))
        if first and number < MOST_EVALUATED:
            if network.name not in self.placed:
                self.placed.add(network.name)
                network.place("evaluation")
            with self.torch.no_grad():
                output = original(network.module, *args, **kwargs)
            self.record_evaluated(network, output, rows, number)
            self.answers.learn(key, output)
        needs_gradient = self.torch.is_grad_enabled()

        def compute():
            return original(network.module, *args, **kwargs)

        return self.answers.give(key, compute, self.bursts + 100003 * number * (not rows), needs_gradient, rows, begin)

    def record_evaluated(self, network, output, rows, number):
        """Outputs example by example, so that it does not matter in how many calls; others whole."""
        for place, tensor in tensors_in(output, self.answers.is_tensor):
            if tensor.dim() and tensor.shape[0] == rows:
                marks = row_marks(to_array(tensor).astype(np.float64))
                self.store.follow("evaluation.outputs.%s%s" % (network.name, place), marks)
            else:
                dtype = dtype_of(tensor)
                self.store.add("evaluation", "output" + place, to_array(tensor), network.name, number, 0, dtype)

    def noted_targets(self, target):
        """Targets that reach one of torch's own losses, example by example."""
        if self.networks and self.outer is None and not self.is_replay and self.answers.is_tensor(target):
            kind = "evaluation" if self.in_burst and self.arrived < self.step else "train"
            marks = row_marks(to_array(target).astype(np.float64)) if target.dim() else np.zeros(1)
            self.store.follow(kind + ".targets", marks)
            self.store.follow(kind + ".targets.count", [self.step, len(marks)])

    def finish(self):
        """The program has ended, or all was seen. Returns whether a network was called at all."""
        self.is_busy = True
        if self.is_replay:
            for network in list(self.networks.values()):
                for name, array in network.weights().items():
                    if array is not None:
                        self.store.add("replay", "weights", array, name, 0, self.step, network.dtype)
        else:
            self.record_updates(self.step)
        self.store.index.update(steps=self.step, updates=self.updates, bursts=self.bursts)
        return bool(self.networks)


def _is_power_of_four(number):
    return number > 0 and number & (number - 1) == 0 and number.bit_length() % 2 == 1


def _wide(tensor):
    return tensor.double() if tensor.is_floating_point() else tensor


def _rounding(dtype):
    return {"float64": 2.0**-52, "float16": 2.0**-10, "bfloat16": 2.0**-7}.get(dtype, 2.0**-23)
