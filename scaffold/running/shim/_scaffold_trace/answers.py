"""Made-up outputs of networks: what a program gets where nothing is computed, the same for both programs."""

import numpy as np

from _scaffold_trace.networks import to_tensor
from _scaffold_trace.store import generator
from _scaffold_trace.trees import tensors_in, with_tensors


def span(tensor):
    """Smallest and largest element."""
    values = tensor.detach().double()
    return [float(values.min()), float(values.max())] if values.numel() else [0.0, 0.0]


class Answers:
    """Outputs by kind of call and shapes of the inputs, with numbers of their own for every call.

    Args:
        torch: the library.
        fact: notes a number of the reference's, and gives it to the other program.
    """

    def __init__(self, torch, fact):
        self.torch = torch
        self.fact = fact
        self.templates = {}

    def is_tensor(self, value):
        """Whether it is one."""
        return isinstance(value, self.torch.Tensor)

    def shapes(self, inputs):
        """Of all tensors of a call."""
        return tuple(tuple(tensor.shape) for _, tensor in tensors_in(inputs, self.is_tensor))

    def learn(self, key, output):
        """Keep what an output looks like."""
        self.templates[key] = with_tensors(output, self.is_tensor, lambda _, tensor: tensor.detach())

    def give(self, key, compute, number, needs_gradient):
        """An output like that of an earlier call of this kind; the first time one is computed."""
        if key not in self.templates:
            with self.torch.no_grad():
                self.learn(key, compute())
        name, kind, _, shapes = key
        stem = "%s %s %s" % (name, kind, "x".join(map(str, shapes)))

        def make(place, tensor):
            if not tensor.is_floating_point():
                return tensor.clone()
            low, high = self.fact("range %s%s" % (stem, place), span(tensor))
            if low == high:
                low, high = low - 0.5 * abs(low), high + 0.5 * abs(high)
            base = low + (high - low) * generator(stem + place).random_sample(tensor.numel())
            base = base.reshape(tuple(tensor.shape))
            base = np.roll(base, number, -1) if base.ndim else base  # another answer to each example
            base = base * (1.0 - 0.3 * generator("%s %d" % (stem, number)).random_sample())
            made = to_tensor(self.torch, base.astype(np.float32), tensor)
            return made.requires_grad_(needs_gradient)

        return with_tensors(self.templates[key], self.is_tensor, make)

    def fed(self, stem, output, step, arrived):
        """What the loss gets in a step that is fed: made-up numbers, through which a made-up gradient comes back."""
        torch, answers = self.torch, self

        class Fed(torch.autograd.Function):
            @staticmethod
            def forward(ctx, own, fed, key):  # noqa: ARG004 - what the gradient goes back to
                ctx.key = key
                return fed

            @staticmethod
            def backward(ctx, gradient):
                arrived(gradient, ctx.key, step)
                size = answers.fact("gradient " + ctx.key, float(gradient.double().square().mean().sqrt()))
                numbers = size * generator("gradient " + ctx.key).standard_normal(gradient.numel())
                numbers = numbers.astype(np.float32).reshape(tuple(gradient.shape))
                return to_tensor(torch, numbers, gradient), None, None

        def give(place, tensor):
            if not (tensor.is_floating_point() and tensor.requires_grad and tensor.numel() > 1):
                return tensor
            low, high = self.fact("range " + stem + place, span(tensor))
            key = "output %s%s" % (stem, place)
            numbers = low + (high - low) * generator(key).random_sample(tensor.numel())
            fed = to_tensor(torch, numbers.astype(np.float32).reshape(tuple(tensor.shape)), tensor)
            return Fed.apply(tensor, fed, key)

        return with_tensors(output, self.is_tensor, give)
