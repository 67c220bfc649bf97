"""Double the hidden layers of a network that is a chain in `nn.Sequential`, with no width to name.

Its layers are known by the order in which the program makes them, which is the same in every run.
"""

from __future__ import annotations

import copy
import functools
import inspect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SIZES = {
    "Linear": ("in_features", "out_features"),
    "BatchNorm1d": ("num_features",),
    "LayerNorm": ("normalized_shape",),
}
"""Kinds of layers in such a chain, and the arguments that are their sizes."""


class Layers:
    """Layers in the order in which they are made; `widths` are sizes to make some of them with."""

    def __init__(self, torch: Any, widths: dict[str, list[int]]) -> None:
        self.torch = torch
        self.widths = widths
        self.count = 0
        self.touched = 0
        self.made: dict[int, int] = {}

    def start(self) -> None:
        """Patch the constructors."""
        for name in _SIZES:
            self._patch(getattr(self.torch.nn, name), _SIZES[name])

    def _patch(self, kind: Any, names: tuple[str, ...]) -> None:
        original = kind.__init__
        signature = inspect.signature(original)

        @functools.wraps(original)
        def init(module: Any, *args: Any, **kwargs: Any) -> None:
            number, self.count = self.count, self.count + 1
            sizes = self.widths.get(str(number))
            if sizes and type(module) is kind and len(sizes) == len(names):
                bound = signature.bind(module, *args, **kwargs)
                bound.arguments.update(zip(names, sizes))
                args, kwargs = bound.args[1:], bound.kwargs
                self.touched += 1
            original(module, *args, **kwargs)
            self.made[id(module)] = number

        kind.__init__ = init

    def doubled(self, network: Any) -> tuple[Any, dict[str, list[int]], int] | None:
        """Return a copy with twice the hidden sizes, the sizes by layer, and the largest before.

        None where the network is not one chain of layers whose sizes are known.
        """
        nn = self.torch.nn
        chain = self._chain(network)
        if chain is None:
            return None
        linear = [place for place, one in enumerate(chain) if type(one) is nn.Linear]
        pairs = [(chain[a], chain[b]) for a, b in zip(linear, linear[1:])]
        if not pairs or any(one.out_features != after.in_features for one, after in pairs):
            return None
        wider = copy.deepcopy(network)
        layers, sizes = self._chain(wider), dict[str, list[int]]()
        hidden = 0
        for place, layer in enumerate(chain):
            inner = 2 if place > linear[0] else 1
            outer = 2 if place < linear[-1] else 1
            if type(layer) is nn.Linear:
                new = [inner * layer.in_features, outer * layer.out_features]
                hidden = max(hidden, layer.out_features if outer == 2 else 0)
            elif inner == outer == 2 and type(layer) in (nn.BatchNorm1d, nn.LayerNorm):
                own = getattr(layer, "num_features", None) or layer.normalized_shape[0]
                new = [2 * own]
            elif next(layer.parameters(), None) is None:
                continue
            else:
                return None
            layers[place] = type(layer)(*new)
            sizes[str(self.made[id(layer)])] = new
        return wider, sizes, hidden

    def _chain(self, network: Any) -> Any:
        """Return the one `nn.Sequential` that holds all parameters of a network, if one does."""
        count = sum(one.numel() for one in network.parameters())
        for module in network.modules():
            if type(module) is self.torch.nn.Sequential:
                own = sum(one.numel() for one in module.parameters())
                return module if own == count else None
        return None
