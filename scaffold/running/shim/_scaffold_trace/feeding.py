"""What a tracer gives to a step that is fed: inputs, and numbers in the place of outputs.

Mixed into `Tracer`.
"""

from __future__ import annotations

import numpy as np

from _scaffold_trace.networks import to_tensor
from _scaffold_trace.options import dtype_of
from _scaffold_trace.state import State
from _scaffold_trace.steps import FED
from _scaffold_trace.store import generator, row_marks, to_array
from _scaffold_trace.trees import tensors_in, with_tensors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from _scaffold_trace.kinds import Args, Array, Inputs, Key, Kwargs, Module, Original, Tensor
    from _scaffold_trace.networks import Entry

CALLS = 1000
"""Calls of a module inside one call of its network; its calls inside the next one count on from
there."""

NEAR = 1e-3
"""Relative difference of the marks of inputs that are taken for the same ones."""


class Feeding(State):
    """One call of a step in which everything is given."""

    def fed(
        self,
        original: Original,
        entry: Entry,
        args: Args,
        kwargs: Kwargs,
        k: int,
        marks: Array | None,
    ) -> Any:
        """Answer a call of a step in which everything is given."""
        network = entry.network
        label = self.matching_call(entry, (args, kwargs), k)
        inputs = self.feed_inputs(entry, (args, kwargs), k, label)
        if k == 0 and entry.calls == 0:
            self.forward_eval(original, entry, inputs)
        self.counts, self.begins_at = {}, label * CALLS
        self.masks.drawn = []
        self.summed = {}
        # Modules inside are seen at the first step; later ones only need them where something acts
        # late.
        self.recording = ("forward_train", k) if k == 0 or k >= FED else None
        try:
            output = original(entry.module, *inputs[0], **inputs[1])
        finally:
            self.recording = None
        for index, (kind, p, share, shape, path) in enumerate(self.masks.drawn):
            self.store.follow("masks", [k, index, p, share, float(np.prod(shape))])
            self.store.index["masks"]["%d.%d" % (k, index)] = [kind, list(shape), path]
        self.record("forward_train", "output", output, entry.name, label, k)
        if entry.calls == 0:
            buffers = network.buffer_layout.gather(network.arrays(network.buffers))
            for name, array in buffers.items():
                if array is not None:
                    self.store.add("buffers", "statistics", array, name, 0, k, network.dtype)
        self.answers.learn((entry.name, "train", self.answers.shapes(inputs)), output)
        if self.is_real:
            return output
        stem, salt = entry.name + " train", "update %d" % network.updates

        def arrived(gradient: Tensor, key: str) -> float:
            return self.gradient_arrived(gradient, key, label, "%s %d" % (key, network.updates))

        return self.answers.feed(stem, salt, marks, output, arrived)

    def gradient_arrived(self, gradient: Tensor, key: str, label: int, fact: str) -> float:
        """Record the loss's gradient at the outputs; return the size of the one given instead."""
        title = "gradient at the outputs" + (
            " by the inputs" if self.torch.is_grad_enabled() else ""
        )
        array, dtype = to_array(gradient), dtype_of(gradient)
        self.store.add("loss", title, array, "output " + key, label, self.step, dtype)
        own = float(gradient.detach().double().square().mean().sqrt())
        size: float = self.fact("gradient " + fact, own)
        return size

    def matching_call(self, entry: Entry, inputs: Inputs, k: int) -> int:
        """Return the number of the reference's call of this step with these inputs.

        Without such a call it is the number of its own.
        """
        if self.golden is None:
            return entry.calls
        stem = "input.%s.%d." % (entry.name, k)
        recorded = {
            key[len(stem) :]: array
            for key, array in self.golden.arrays.items()
            if key.startswith(stem)
        }
        first = next(iter(tensors_in(inputs, self.answers.is_tensor)), None)
        if first is None or not recorded:
            return entry.calls
        place, tensor = first
        marks = row_marks(to_array(tensor).astype(np.float64))
        calls = sorted({int(key.partition("[")[0].partition(".")[0]) for key in recorded})
        for call in sorted(calls, key=lambda one: one != entry.calls):
            array = recorded.get("%d%s" % (call, place))
            if array is not None and list(array.shape) == list(tensor.shape):
                row_ids = row_marks(array.astype(np.float64))
                if np.abs(row_ids - marks).max(initial=0.0) <= NEAR * np.abs(row_ids).max(
                    initial=1e-12
                ):
                    return call
        return entry.calls

    def feed_inputs(self, entry: Entry, inputs: Inputs, k: int, label: int) -> Inputs:
        """Give it the reference's inputs, where they were kept."""
        stem = "input.%s.%d.%d" % (entry.name, k, label)

        def give(place: str, tensor: Tensor) -> Tensor:
            key = stem + place
            if self.golden is None:
                recorded = self.store.keep_input(key, to_array(tensor))
                return tensor if recorded is None else self.like_own(recorded, tensor)
            recorded = self.golden.arrays.get(key)
            if recorded is None or list(recorded.shape) != list(tensor.shape):
                self.store.say(
                    "forward_train", "input%s of step %d is the program's own" % (place, k + 1)
                )
                return tensor
            fed = self.like_own(recorded, tensor)
            if self.spec["disturb"] and self.is_wide:
                return self.rounded(key, fed)
            return self.disturbed(key, fed) if self.spec["disturb"] else fed

        replaced: Inputs = with_tensors(inputs, self.answers.is_tensor, give)
        return replaced

    def like_own(self, recorded: Array, like: Tensor) -> Tensor:
        """Return a kept input as a tensor like the program's; its gradient goes the same way."""
        fed = self.torch.from_numpy(np.array(recorded)).to(dtype=like.dtype, device=like.device)
        if like.requires_grad and self.torch.is_grad_enabled():
            return self.answers.bridge(like, fed)
        return fed

    def disturbed(self, key: str, tensor: Tensor) -> Tensor:
        """Return a tensor in another memory format, each number off by one last digit.

        That is what rounding makes of it.
        """
        if tensor.is_floating_point():
            signs = (
                generator("rounding of " + key)
                .choice([-1.0, 1.0], tensor.numel())
                .reshape(tuple(tensor.shape))
            )
            tensor = tensor * (
                1 + rounding(dtype_of(tensor)) * to_tensor(self.torch, signs, tensor)
            )
        return (
            tensor.contiguous(memory_format=self.torch.channels_last)
            if tensor.dim() == 4
            else tensor
        )

    def rounded(self, place: str, tensor: Tensor) -> Tensor:
        """Return a tensor with each number off by one last digit of the type it was computed in."""
        if not tensor.is_floating_point() or not tensor.numel():
            return tensor
        values = to_array(tensor)
        was_narrow = np.array_equal(
            values.astype(np.float32).astype(np.float64), values, equal_nan=True
        )
        is_whole = was_narrow and np.array_equal(values, np.round(values))
        dtype = "float32" if was_narrow else "float64"
        digit = 0.0 if is_whole else rounding(dtype)
        signs = (
            generator("rounding of " + place).choice([-1.0, 1.0], values.size).reshape(values.shape)
        )
        return tensor * (1 + digit * to_tensor(self.torch, signs, tensor))

    def learn_shape(
        self, key: Key, original: Original, module: Module, args: Args, kwargs: Kwargs
    ) -> None:
        """Learn what an output of this kind of call looks like, once and without a trace."""
        if key in self.answers.templates:
            return
        states_before = {
            name: buffer.clone() for name, buffer in module.named_buffers() if buffer is not None
        }
        states = self.torch.get_rng_state(), np.random.get_state()
        with self.torch.no_grad():
            copies = with_tensors(
                (args, kwargs), self.answers.is_tensor, lambda _, tensor: tensor.detach().clone()
            )
            self.answers.learn(key, original(module, *copies[0], **copies[1]))
            for name, buffer in module.named_buffers():
                if name in states_before:
                    buffer.data.copy_(states_before[name])
        self.torch.set_rng_state(states[0])
        np.random.set_state(states[1])


def rounding(dtype: str) -> float:
    """Return one last digit of a type of numbers, relative to them."""
    return {"float64": 2.0**-52, "float16": 2.0**-10, "bfloat16": 2.0**-7}.get(dtype, 2.0**-23)
