"""Run a program in another way: other rates, regularization, inputs, training rows or widths."""

from __future__ import annotations

import functools
import inspect
import random
import sys

from _scaffold_probe.layers import Layers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

_MORE_WEIGHT_DECAY = 10.0
_LEAST_WEIGHT_DECAY = {"AdamW": 0.1}
_USUAL_WEIGHT_DECAY = 0.001
"""Where there is none: ten times what torch's AdamW has by default, and what people give to
others."""

_MORE_DROPOUT = 0.3
"""Of what is still let through."""

_DROPOUTS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout")


class Interventions:
    """What a probe changes of a run, and how often it did: a probe that changed nothing is none."""

    def __init__(self, torch: Any, request: dict[str, Any]) -> None:
        self.torch = torch
        self.rate = float(request.get("rate") or 1.0)
        self.regularization = request.get("regularization") or ""
        self.zeroed = bool(request.get("zeroed"))
        self.rows = int(request.get("rows") or 0)
        self.sites: dict[str, Any] = request.get("sites") or {}
        self.wider = request.get("wider")
        self.layers = Layers(torch, request.get("layers") or {})
        self.touched = 0
        self.weight_decay = 0.0
        self.dropout = 0.0
        self.optimizers: set[int] = set()
        self.tables: dict[str, Any] = {}
        self.constructed: dict[int, list[Any]] = {}
        self.constructing = 0

    def start(self) -> None:
        """Patch what optimizers, dropout and constructors do."""
        for name in _DROPOUTS:
            self._patch_dropout(name)
        self._patch_constructors()
        self.layers.start()

    def before_step(self, optimizer: Any) -> list[tuple[Any, str, Any]]:
        """Change an optimizer's groups; returns the old values, to be put back."""
        self.optimizers.add(id(optimizer))
        old = []
        for group in optimizer.param_groups:
            decay = group.get("weight_decay")
            if isinstance(decay, (int, float)):
                self.weight_decay = max(self.weight_decay, float(decay))
            if self.rate != 1.0 and "lr" in group:
                old.append((group, "lr", group["lr"]))
                group["lr"] = group["lr"] * self.rate
                self.touched += 1
            if self.regularization and isinstance(decay, (int, float)):
                changed = self._changed_decay(optimizer, float(decay))
                if changed != decay:
                    old.append((group, "weight_decay", decay))
                    group["weight_decay"] = changed
                    self.touched += 1
        return old

    def _changed_decay(self, optimizer: Any, decay: float) -> float:
        if self.regularization == "off":
            return 0.0
        least = _LEAST_WEIGHT_DECAY.get(type(optimizer).__name__, _USUAL_WEIGHT_DECAY)
        return max(_MORE_WEIGHT_DECAY * decay, least)

    def _patch_dropout(self, name: str) -> None:
        functional = self.torch.nn.functional
        original = getattr(functional, name, None)
        if original is None:
            return
        signature = inspect.signature(original)

        @functools.wraps(original)
        def dropout(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            p, values = bound.arguments["p"], bound.arguments["input"]
            if not bound.arguments["training"] or not p:
                return original(*args, **kwargs)
            self.dropout = max(self.dropout, float(p))
            if self.regularization == "more":
                self.touched += 1
                bound.arguments["p"] = p + (1 - p) * _MORE_DROPOUT
            result = original(*bound.args, **bound.kwargs)
            if self.regularization == "off":
                self.touched += 1
                return values  # the mask was drawn all the same: what is drawn after it stays
            return result

        setattr(functional, name, dropout)

    def changed_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return arguments of a network with its inputs 0, where that is the probe."""
        if not self.zeroed:
            return args
        changed = []
        for place, value in enumerate(args):
            is_input = isinstance(value, self.torch.Tensor) and not value.requires_grad
            # Of whole numbers only the first argument: the others are masks and targets.
            if is_input and (value.is_floating_point() or place == 0):
                self.touched += 1
                value = self.torch.zeros_like(value)
            changed.append(value)
        return tuple(changed)

    def changed_index(self, site: str, index: Any) -> Any:
        """Return the training rows in place of those that were drawn."""
        if not self.rows or site not in self.sites:
            return index
        table = self._table(site)
        if isinstance(index, list):
            self.touched += 1
            return [table[i] if isinstance(i, int) and 0 <= i < len(table) else i for i in index]
        if int(index.max()) >= len(table) or int(index.min()) < 0:
            return index
        self.touched += 1
        rows = self.torch.tensor(table, device=index.device)
        return rows.index_select(0, index)  # not by [], which is watched

    def _table(self, site: str) -> list[int]:
        """Return for each row the one that stands for it: of those that training drew."""
        if site not in self.tables:
            about = self.sites[site]
            drawn = about.get("ids") or list(range(int(about["n"])))
            chosen = random.Random(0).sample(drawn, min(self.rows, len(drawn)))  # noqa: S311
            table = list(range(int(about["n"])))
            for rank, row in enumerate(drawn):
                table[row] = chosen[rank % len(chosen)]
            self.tables[site] = table
        return self.tables[site]  # type: ignore[no-any-return]

    def _patch_constructors(self) -> None:
        """Let constructors of the program's own networks be seen, and their integers doubled."""
        watching = self

        def init_subclass(cls: Any, **kwargs: Any) -> None:
            super(watching.torch.nn.Module, cls).__init_subclass__(**kwargs)
            own = cls.__dict__.get("__init__")
            code = getattr(own, "__code__", None)
            if code is not None and "site-packages" not in code.co_filename:
                cls.__init__ = watching._wrapped(own)

        subclassing: Any = init_subclass
        self.torch.nn.Module.__init_subclass__ = classmethod(subclassing)

    def _wrapped(self, construct: Callable[..., None]) -> Callable[..., None]:
        try:
            signature = inspect.signature(construct)
        except (TypeError, ValueError):
            return construct

        @functools.wraps(construct)
        def init(module: Any, *args: Any, **kwargs: Any) -> None:
            if self.constructing:
                return construct(module, *args, **kwargs)
            try:
                bound = signature.bind(module, *args, **kwargs)
            except TypeError:
                return construct(module, *args, **kwargs)
            bound.apply_defaults()
            name = type(module).__name__
            if self.wider and self.wider[0] == name and self.wider[1] in bound.arguments:
                bound.arguments[self.wider[1]] *= 2
                self.touched += 1
            self.constructing += 1
            try:
                construct(*bound.args, **bound.kwargs)
            finally:
                self.constructing -= 1
            arguments = dict(list(bound.arguments.items())[1:])
            self.constructed[id(module)] = [type(module), arguments]
            return None

        return init


def caller_of(skipped: str) -> Any:
    """Return the frame of the program that called torch: the first outside it and this package."""
    frame: Any = sys._getframe(2)
    while frame is not None and (
        frame.f_code.co_filename.startswith(skipped) or "_scaffold" in frame.f_code.co_filename
    ):
        frame = frame.f_back
    return frame
