"""Made-up outputs of networks: what a program gets where nothing is computed.

What an example is answered with follows from the example itself and from how often its network was
updated, never from which call it came in. Two programs that ask for the same examples in other
portions, in another order, or twice, are answered alike. The answers are smooth in the inputs, so
that rounding in those stays rounding in these.
"""

from __future__ import annotations

import numpy as np

from _scaffold_trace.networks import to_tensor
from _scaffold_trace.store import generator, portion, uniforms
from _scaffold_trace.trees import tensors_in, with_tensors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from _scaffold_trace.kinds import (
        Args,
        Array,
        Fact,
        Inputs,
        Key,
        Original,
        Salt,
        Shape,
        Tensor,
        Torch,
    )

PATTERNS = 6
"""Fixed patterns that each example's answer is a mixture of."""

MOST_MIXED = 100000
"""Elements of an example's answer above which it is one pattern, scaled: a mixture would take
seconds."""

LEAST_FACTOR = 0.15
"""Of the range of real outputs, what the calmest example's answer spans. Examples differ by up to 1
/ 0.15, so that a mean of means over unequal batches shows."""


def span(tensor: Tensor) -> list[float]:
    """Return the smallest and the largest element."""
    values = tensor.detach().double()
    return [float(values.min()), float(values.max())] if values.numel() else [0.0, 0.0]


class Answers:
    """Outputs by kind of call.

    Args:
        torch: the library.
        fact: notes a number of the reference's, and gives it to the other program.
    """

    def __init__(self, torch: Torch, fact: Fact) -> None:
        self.torch = torch
        self.fact = fact
        self.templates: dict[Key, Any] = {}
        self.patterns: dict[tuple[str, int, int], Array] = {}
        self.bridge, self.skimmed, self.fed_function = _functions(torch, self)

    def is_tensor(self, value: object) -> bool:
        """Return whether a value is a tensor."""
        return isinstance(value, self.torch.Tensor)

    def shapes(self, inputs: Inputs) -> tuple[Shape, ...]:
        """Return the shapes of all tensors of a call."""
        return tuple(tuple(tensor.shape) for _, tensor in tensors_in(inputs, self.is_tensor))

    def learn(self, key: Key, output: object) -> None:
        """Keep what an output of this kind of call looks like, the first time."""
        if key not in self.templates:
            self.templates[key] = with_tensors(output, self.is_tensor, lambda _, t: t.detach())

    def marks(self, name: str, rows: dict[str, Array]) -> Array | None:
        """Return two numbers per example, of order one, from the marks of a call's inputs, if any.

        Args:
            name: of what is called.
            rows: marks by the place of the input, each [B, 2] for B examples.
        """
        total: Array | None = None
        for index, place in enumerate(sorted(rows)):
            marks = np.where(np.isfinite(rows[place]), rows[place], 0.0)
            if not len(marks) or (total is not None and len(marks) != len(total)):
                continue
            about = self.fact(
                "marks %s%s" % (name, place), [float(marks.mean()), float(marks.std())]
            )
            scaled = (marks - about[0]) / (about[1] or 1.0) / (1.0 + 0.7 * index)
            total = scaled if total is None else total + scaled
        return total

    def give(
        self,
        key: Key,
        stem: str,
        salt: Salt,
        marks: Array | None,
        inputs: Inputs,
        needs_gradient: bool,
    ) -> Any:
        """Return an output like that of an earlier call of this kind.

        Args:
            key: of the template, which must have been learned.
            stem: network and kind of call.
            salt: a name, another one is another answer; or two names and the share of the second.
            marks: two numbers an example, or None.
            inputs: of the call; the answer goes back to those that want a gradient.
            needs_gradient: whether a gradient by it is wanted.
        """

        def make(place: str, tensor: Tensor) -> Tensor:
            if not tensor.is_floating_point():
                return tensor.clone()
            numbers = self.made_up(stem + place, salt, tensor, marks)
            if not needs_gradient:
                return numbers
            wanting = [t for _, t in tensors_in(inputs, self.is_tensor) if t.requires_grad]
            return self.skimmed(numbers, *wanting) if wanting else numbers.requires_grad_().clone()

        return with_tensors(self.templates[key], self.is_tensor, make)

    def feed(
        self,
        stem: str,
        salt: Salt,
        marks: Array | None,
        output: object,
        arrived: Callable[[Tensor, str], float],
    ) -> Any:
        """Return what the loss gets in a fed step.

        Those are made-up numbers that lead back to the real output. A made-up gradient goes back
        through them; `arrived` is told of the one that came.
        """

        def give(place: str, tensor: Tensor) -> Tensor:
            is_given = tensor.requires_grad or not self.torch.is_grad_enabled()
            if not (tensor.is_floating_point() and is_given and tensor.numel() > 1):
                return tensor
            numbers = self.made_up(stem + place, salt, tensor, marks)
            if not tensor.requires_grad:
                return numbers
            return self.fed_function(tensor, numbers, (stem + place, salt, marks, arrived))

        return with_tensors(output, self.is_tensor, give)

    def made_up(self, stem: str, salt: Salt, tensor: Tensor, marks: Array | None) -> Tensor:
        """Return numbers in the place of a tensor, within the range that such outputs had."""
        low, high = self.fact("range " + stem, span(tensor))
        if low == high:
            low, high = low - 0.5 * abs(low), high + 0.5 * abs(high)
        numbers = self.mixture(stem, salt, tuple(tensor.shape), marks)
        return to_tensor(self.torch, 0.5 * (low + high) + 0.5 * (high - low) * numbers, tensor)

    def mixture(self, stem: str, salt: Salt, shape: Shape, marks: Array | None) -> Array:
        """Return numbers in -1..1.

        An example's own mixture of fixed patterns, times its own factor.
        """
        by_row = marks is not None and len(shape) > 0 and shape[0] == len(marks)
        rows = np.zeros((1, 2)) if marks is None else marks
        if not by_row:
            rows = rows.mean(axis=0, keepdims=True)
        size = int(np.prod(shape[1:] if by_row else shape, dtype=np.int64))
        count = PATTERNS if size <= MOST_MIXED else 1
        key = stem, size, count
        if key not in self.patterns:
            numbers = generator("patterns of " + stem).random_sample(count * size)
            self.patterns[key] = (2.0 * numbers - 1.0).reshape(count, size)
        mixed: Array = np.clip(
            waves(salt, rows, count) @ self.patterns[key] * (2.0 / count**0.5), -1.0, 1.0
        )
        factor = (
            LEAST_FACTOR + (1.0 - LEAST_FACTOR) * (0.5 + 0.5 * waves(salt, rows, 1, "factor")) ** 3
        )
        return (mixed * factor).reshape(shape).astype(np.float32)


class Fixed:
    """A gradient that is given repeatedly.

    Copied only where the program changed it, as clipping does.
    """

    def __init__(self, gradient: Tensor) -> None:
        self.kept = gradient
        self.given = gradient.clone()
        self.version = self.given._version

    def fresh(self) -> Tensor:
        """Return it as it was made."""
        if self.given._version != self.version:
            self.given.copy_(self.kept)
            self.version = self.given._version
        return self.given


def waves(salt: Salt, rows: Array, count: int, which: str = "") -> Array:
    """Return [B, count] numbers in -1..1, smooth in the rows' marks, [B, 2]."""
    if isinstance(salt, tuple):
        first, second, share = salt
        return (1.0 - share) * waves(first, rows, count, which) + share * waves(
            second, rows, count, which
        )
    rates = (0.5 + 2.5 * uniforms("rates " + which, 0, 2 * count)).reshape(2, count)
    begins = 2.0 * np.pi * uniforms("begins %s %s" % (salt, which), 0, count)
    # Where all examples have one mark, answers still differ from step to step.
    return np.sin(rows @ rates + begins + 2.0 * np.pi * portion(salt))


def _functions(torch: Torch, answers: Answers) -> tuple[Original, Original, Original]:
    """Return functions that replace a number and keep the gradient's way."""

    # The program's torch is `Any`.
    class Bridge(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: object, own: object, replacement: Tensor) -> Tensor:  # noqa: ARG004
            return replacement.clone()  # the gradient goes back to `own`

        @staticmethod
        def backward(ctx: object, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ARG004
            return gradient, None

    class Skimmed(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, numbers: Tensor, *wanting: Tensor) -> Tensor:
            ctx.shapes = wanting
            return numbers.clone()

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ARG004
            # Nothing is computed: any gradient of this shape will do.
            gradients = [
                to_tensor(torch, answers.mixture("gradient of input", "0", tuple(t.shape), None), t)
                for t in ctx.shapes
            ]
            return (None, *[t.requires_grad_(torch.is_grad_enabled()) for t in gradients])

    class Fed(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, own: object, numbers: Tensor, about: Args) -> Tensor:  # noqa: ARG004
            ctx.about = about
            return numbers.clone()

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
            key, salt, marks, arrived = ctx.about
            size = arrived(gradient, key)
            numbers = size * answers.mixture("gradient " + key, salt, tuple(gradient.shape), marks)
            return to_tensor(torch, numbers, gradient), None, None

    return Bridge.apply, Skimmed.apply, Fed.apply
