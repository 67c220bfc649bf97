"""Made-up outputs of networks: what a program gets where nothing is computed, the same for both programs."""

import numpy as np

from _scaffold_trace.networks import to_tensor
from _scaffold_trace.store import generator, normals, portion, uniforms
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
        self.bases = {}

    def is_tensor(self, value):
        """Whether it is one."""
        return isinstance(value, self.torch.Tensor)

    def shapes(self, inputs):
        """Of all tensors of a call."""
        return tuple(tuple(tensor.shape) for _, tensor in tensors_in(inputs, self.is_tensor))

    def learn(self, key, output):
        """Keep what an output of this kind of call looks like, the first time."""
        if key in self.templates:
            return
        self.templates[key] = with_tensors(output, self.is_tensor, lambda _, tensor: tensor.detach())

    def give(self, key, compute, number, needs_gradient, rows=0, begin=0):
        """An output like that of an earlier call of this kind; the first time one is computed.

        Args:
            key: name of the network, kind of call, its number, shapes of the inputs.
            compute: makes the output the first time.
            number: of the answer; another one is another answer.
            needs_gradient: whether a gradient by it is wanted.
            rows: examples of the call, if an example's answer shall not depend on how many are in it.
            begin: number of the first of them.
        """
        if key not in self.templates:
            with self.torch.no_grad():
                self.learn(key, compute())
        name, kind, _, shapes = key
        stem = "%s %s %s" % (name, kind, "x".join(map(str, shapes)))

        def make(place, tensor):
            if not tensor.is_floating_point():
                return tensor.clone()
            if rows and tensor.dim() and tensor.shape[0] == rows:
                return self.by_example(name, kind, place, tensor, number, begin).requires_grad_(needs_gradient)
            base = self.bases.get((key, place))
            if base is None:
                base = self.bases[key, place] = self.base(stem, place, tensor)
            # Another answer to each example and to each call.
            made = base.roll(number % max(base.shape[-1], 1), -1) if base.dim() else base
            return (made * (0.7 + 0.3 * portion("%s %d" % (stem, number)))).requires_grad_(needs_gradient)

        return with_tensors(self.templates[key], self.is_tensor, make)

    def by_example(self, name, kind, place, tensor, number, begin):
        """Numbers for each example by where it stands, however many are in a call."""
        shape = tuple(tensor.shape)[1:]
        stem = "%s %s%s each %s" % (name, kind, place, "x".join(map(str, shape)))
        low, high = self.fact("range " + stem, span(tensor))
        size = int(np.prod(shape, dtype=np.int64))
        numbers = uniforms("%s %d" % (stem, number), begin * size, tensor.numel())
        numbers = (low + (high - low) * numbers) * (0.7 + 0.3 * portion("%s %d" % (stem, number)))
        return to_tensor(self.torch, numbers.astype(np.float32).reshape(tuple(tensor.shape)), tensor)

    def base(self, stem, place, tensor):
        """Numbers in the range of an output that was computed."""
        low, high = self.fact("range %s%s" % (stem, place), span(tensor))
        if low == high:
            low, high = low - 0.5 * abs(low), high + 0.5 * abs(high)
        numbers = low + (high - low) * generator(stem + place).random_sample(tensor.numel())
        return to_tensor(self.torch, numbers.astype(np.float32).reshape(tuple(tensor.shape)), tensor)

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
                numbers = size * normals("gradient " + ctx.key, gradient.numel())
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
