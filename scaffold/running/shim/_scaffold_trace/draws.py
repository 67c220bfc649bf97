"""Gives a rewritten network the reference's random masks, whichever way it draws them.

`dropout`, `rand(x.shape) > p`, `bernoulli` and their like all begin with uniform numbers of the
mask's shape. Normal and exponential ones are made of such numbers too. Inside a network's training
call they come from one stream for each number of elements, in the order of rows, so that two
programs drop the same elements, also where one has merged two axes. Those that keep what is *below*
1 - p instead of what is above p get the numbers mirrored (`flip`).
"""

from __future__ import annotations

import functools
import hashlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable

    from _scaffold_trace.kinds import Original, Shape, Tensor, Torch
else:
    Any = object  # a program may ask what types a function of torch's takes


class Masks:
    """Uniform numbers by step and number of elements, whatever the program has drawn or seeded."""

    def __init__(self, torch: Torch, flip: bool) -> None:
        self.torch = torch
        self.flip = flip
        self.generators: dict[int, Any] = {}
        self.step = 0
        self.drawn: list[tuple[str, float, float, Shape, str]] = []
        self.is_active: Callable[[], bool] = lambda: False
        self.is_recomputing: Callable[[], bool] = lambda: False
        self.place: Callable[[], str] = str

    def begin(self, step: int) -> None:
        """Begin a step."""
        self.step = step
        self.generators.clear()

    def uniform(self, shape: Iterable[int], mirrored: bool = False) -> Tensor:
        """Return numbers in (0, 1) of a shape.

        Odd multiples of 2**-24, so that none equals a threshold in any dtype.
        """
        torch = self.torch
        whole = torch.empty(tuple(int(side) for side in shape), dtype=torch.int64)
        size: int = whole.numel()
        if size not in self.generators:
            text = "mask %d %d" % (self.step, size)
            seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
            self.generators[size] = torch.Generator()
            self.generators[size].manual_seed(seed)
        self.fill(whole, self.generators[size])
        numbers = (2 * whole + 1).to(torch.float64) / 2**24
        return 1 - numbers if mirrored else numbers

    def normal(self, shape: Iterable[int]) -> Tensor:
        """Return standard normal numbers of a shape, from the same streams."""
        return self.torch.special.ndtri(self.uniform(shape))

    def copy_states(self) -> dict[int, Tensor]:
        """Return the states of all streams."""
        return {size: generator.get_state() for size, generator in self.generators.items()}

    def restore_states(self, states: dict[int, Tensor]) -> None:
        """Go back to there."""
        for size, generator in list(self.generators.items()):
            if size in states:
                generator.set_state(states[size])
            else:
                del self.generators[size]

    def note(self, name: str, p: float, share: float, shape: Shape) -> None:
        """Note a mask; of one that is drawn again for activations that were not kept nothing."""
        if not self.is_recomputing():
            self.drawn.append((name, p, share, shape, self.place()))

    def keep_with_state(self) -> None:
        """Save and restore the masks' streams with the state that activations are recomputed at."""
        torch = self.torch
        get_all, set_all = torch.get_rng_state, torch.set_rng_state

        @functools.wraps(get_all)
        def get_rng_state() -> Tensor:
            state = get_all()
            state.scaffold_masks = self.copy_states()
            return state

        @functools.wraps(set_all)
        def set_rng_state(new_state: Tensor) -> None:
            set_all(new_state)
            streams = getattr(new_state, "scaffold_masks", None)
            if streams is not None:
                self.restore_states(streams)

        for module in (torch, torch.random):
            module.get_rng_state, module.set_rng_state = get_rng_state, set_rng_state

    def fill(self, whole: Tensor, generator: Any) -> None:
        """Fill with integers below 2**23, in place, by the original function."""
        self.random_(whole, 0, 2**23, generator=generator)

    def patch(self) -> None:
        """Replace the functions by which masks are drawn."""
        torch = self.torch
        self.keep_with_state()
        functional = torch.nn.functional
        self.random_ = getattr(torch.Tensor.random_, "__wrapped__", torch.Tensor.random_)
        for name in ("dropout", "dropout1d", "dropout2d", "dropout3d"):
            if hasattr(functional, name):
                setattr(functional, name, self._dropout(getattr(functional, name), name))
        self.attention: Any = getattr(functional, "scaled_dot_product_attention", None)
        if self.attention is not None:
            functional.scaled_dot_product_attention = self._attend
        for name in ("rand", "rand_like", "randn", "randn_like", "normal", "bernoulli"):
            setattr(torch, name, self._drawing(getattr(torch, name), getattr(self, "_" + name)))
        for name in ("bernoulli", "bernoulli_", "uniform_", "normal_", "exponential_"):
            original = getattr(torch.Tensor, name)
            setattr(torch.Tensor, name, self._drawing(original, getattr(self, "_" + name)))

    def _drawing(self, original: Original, ours: Original) -> Original:
        def draw(*args: object, **kwargs: object) -> object:
            if not self.is_active() or kwargs.get("generator") is not None:
                return original(*args, **kwargs)
            drawn = ours(*args, **kwargs)  # what is kept of it, nobody can see
            self.note(draw.__name__, -1.0, -1.0, tuple(drawn.shape))
            return drawn

        draw.__name__ = getattr(original, "__name__", "draw")
        return draw

    def _dropout(self, original: Original, name: str) -> Original:
        def dropout(
            input: Any,  # noqa: A002 - torch's name
            p: float = 0.5,
            training: bool = True,
            inplace: bool = False,
        ) -> Any:
            if not training or p == 0 or not self.is_active():
                return original(input, p, training, inplace)
            shape: Shape = tuple(input.shape)
            if name != "dropout":  # whole channels
                spatial = int(name[-2])
                shape = shape[: input.dim() - spatial] + (1,) * spatial
            mask = (self.uniform(shape) >= p).to(input.device)
            self.note(name, float(p), 1.0 - float(mask.double().mean()), shape)
            factor = mask.to(input.dtype) / (1 - p) if p < 1 else mask.to(input.dtype) * 0
            return input.mul_(factor) if inplace else input * factor

        dropout.__name__ = name
        return dropout

    def _attend(
        self,
        query: Any,
        key: Any,
        value: Any,
        attn_mask: Any = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        **options: object,
    ) -> Any:
        arguments = dict(options, scale=scale) if scale is not None else dict(options)
        if dropout_p == 0 or not self.is_active():
            return self.attention(query, key, value, attn_mask, dropout_p, is_causal, **arguments)
        torch = self.torch
        if options.get("enable_gqa"):
            times = query.shape[-3] // key.shape[-3]
            key, value = (tensor.repeat_interleave(times, -3) for tensor in (key, value))
        scores = (
            query
            @ key.transpose(-2, -1)
            * (scale if scale is not None else query.shape[-1] ** -0.5)
        )
        if is_causal:
            allowed = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
            scores = scores.masked_fill(~allowed, float("-inf"))
        if attn_mask is not None:
            is_truth = attn_mask.dtype == torch.bool
            scores = (
                scores.masked_fill(~attn_mask, float("-inf")) if is_truth else scores + attn_mask
            )
        return torch.nn.functional.dropout(scores.softmax(-1), dropout_p, True) @ value

    def _typed(self, numbers: Tensor, like: Tensor = None, **kwargs: Any) -> Tensor:
        dtype = kwargs.get("dtype") or (
            like.dtype if like is not None else self.torch.get_default_dtype()
        )
        device = kwargs.get("device") or (like.device if like is not None else None)
        return numbers.to(dtype=dtype, device=device)

    def _rand(self, *size: Any, **kwargs: Any) -> Tensor:
        size = kwargs.pop("size", size)
        size = size[0] if len(size) == 1 and not isinstance(size[0], int) else size
        return self._typed(self.uniform(size, self.flip), **kwargs)

    def _rand_like(self, input: Tensor, **kwargs: Any) -> Tensor:  # noqa: A002 - torch's name
        return self._typed(self.uniform(input.shape, self.flip), input, **kwargs)

    def _randn(self, *size: Any, **kwargs: Any) -> Tensor:
        size = kwargs.pop("size", size)
        size = size[0] if len(size) == 1 and not isinstance(size[0], int) else size
        return self._typed(self.normal(size), **kwargs)

    def _randn_like(self, input: Tensor, **kwargs: Any) -> Tensor:  # noqa: A002 - torch's name
        return self._typed(self.normal(input.shape), input, **kwargs)

    def _normal(self, mean: Any, std: Any = 1.0, size: Any = None, **kwargs: Any) -> Tensor:
        if size is None:
            size = self.torch.broadcast_shapes(
                getattr(mean, "shape", ()), getattr(std, "shape", ())
            )
        like = next((one for one in (mean, std) if hasattr(one, "dtype")), None)
        return self._typed(mean + std * self._typed(self.normal(size), like), like, **kwargs)

    def _normal_(
        self,
        input: Tensor,  # noqa: A002 - torch's name
        mean: float = 0.0,
        std: float = 1.0,
        **_: object,
    ) -> Tensor:
        return input.copy_(mean + std * self.normal(input.shape))

    def _exponential_(
        self,
        input: Tensor,  # noqa: A002 - torch's name
        lambd: float = 1.0,
        **_: object,
    ) -> Tensor:
        return input.copy_(-self.uniform(input.shape).log() / lambd)

    def _bernoulli(self, input: Tensor, p: Any = None, **_: object) -> Tensor:  # noqa: A002 - torch's name
        return self._typed(self._below(input.shape, input if p is None else p), input)

    def _bernoulli_(self, input: Tensor, p: Any = 0.5, **_: object) -> Tensor:  # noqa: A002 - torch's name
        return input.copy_(self._below(input.shape, p))

    def _below(self, shape: Iterable[int], p: Any) -> Tensor:
        p = p.double().cpu() if hasattr(p, "double") else p
        return self.uniform(shape) >= 1 - p

    def _uniform_(
        self,
        input: Tensor,  # noqa: A002 - torch's name
        start: float = 0.0,
        end: float = 1.0,
        **kwargs: float,
    ) -> Tensor:
        start, end = kwargs.get("from", start), kwargs.get("to", end)
        return input.copy_(start + (end - start) * self.uniform(input.shape, self.flip))
