"""Watch a program's networks: which calls train, what they predict of which rows, what moves."""

from __future__ import annotations

import functools
import hashlib
import os
from collections import deque

from _scaffold_probe.draws import Draws
from _scaffold_probe.interventions import caller_of
from _scaffold_probe.splits import split_of_frames, targets_of_frame
from _scaffold_probe.targets import Targets, score_of
from _scaffold_probe.twice import compare_twice, copied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Deque

    from _scaffold_probe.interventions import Interventions

_LOSSES = (
    "cross_entropy",
    "nll_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
)
_MOST_TRAIN_ROWS = 3000
_MOST_HASHED_ROWS = 200000
_MOST_PENDING = 64
_MOST_IDS = 200000
_MOST_LOSSES = 5000
_MOST_DRAWN = 8
"""Tensors that are indexed by row numbers in one step: inputs, targets, weights."""

_ELEMENTS = 1000
"""Of each parameter that are compared, to see whether it ever moved."""


class Item:
    """One call of an outermost network: what went in, what came out, what it should have been."""

    def __init__(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.module = module
        self.args = args
        self.kwargs = kwargs
        self.output: Any = None
        self.target: Any = None
        self.loss = ""
        self.split = ""
        self.source: Any = None
        self.collate: Any = None
        self.recent: dict[str, tuple[int, Any]] = {}
        self.drawn: list[tuple[Any, Any]] = []
        self.trained = False
        self.batch: Any = None
        self.named: Any = None
        self.is_guessed = False
        self.burst = 0
        self.inputs: tuple[Any, ...] = ()


class Watch:
    """All that a run shows by itself."""

    def __init__(self, torch: Any, interventions: Interventions) -> None:
        self.torch = torch
        self.interventions = interventions
        self.targets = Targets(torch, self)
        self.home = os.path.dirname(torch.__file__)
        self.busy = False
        self.depth = 0
        self.item: Item | None = None
        self.inside: tuple[str, Any, Any] | None = None
        self.pending: list[Item] = []
        self.kinds: set[tuple[str, tuple[int, ...]]] = set()
        self.train: Deque[Item] = deque()
        self.train_rows = 0
        self.steps = 0
        self.burst = 0
        self.rows: dict[str, tuple[int, list[Item]]] = {}
        self.earlier: dict[str, list[float]] = {}
        self.eval_module: Any = None
        self.train_module: Any = None
        self.batch: Any = None
        self.dataset: Any = None
        self.collate: Any = None
        self.drawn: Deque[tuple[Any, Any]] = deque(maxlen=_MOST_DRAWN)
        self.losses: list[Any] = []
        self.first: dict[str, float] = {}
        self.begun: dict[int, tuple[Any, Any]] = {}
        self.gradients: set[int] = set()
        self.optimized: set[int] = set()
        self.hashes: set[bytes] = set()
        self.hashed_rows = 0
        self.sites: dict[str, Any] = {}
        self.recent: dict[str, tuple[int, Any]] = {}
        self.compared = False
        self.twice: float | None = None
        self.alone: float | None = None

    def start(self) -> None:
        """Patch calls of networks, losses, steps, loaders and indexing."""
        self._patch_calls()
        for name in _LOSSES:
            self._patch_loss(name)
        self._patch_optimizers()
        self._patch_backward()
        Draws(self.torch, self, self.interventions).start()
        self.targets.start()

    def _patch_calls(self) -> None:
        original = self.torch.nn.Module.__call__

        @functools.wraps(original)
        def call(module: Any, *args: Any, **kwargs: Any) -> Any:
            if self.busy or self.depth or next(module.parameters(), None) is None:
                return original(module, *args, **kwargs)
            args = self.interventions.changed_inputs(args)
            item = Item(module, args, kwargs)
            self.quietly(self._copy_inputs, item)
            self.inside = None
            self.depth += 1
            try:
                output = original(module, *args, **kwargs)
            finally:
                self.depth -= 1
            self.quietly(self._called, item, output)
            return output

        self.torch.nn.Module.__call__ = call

    def _copy_inputs(self, item: Item) -> None:
        """Copy what goes in: a network may change it in place."""
        item.inputs = copied(self.torch, item.args)
        item.burst = self.burst

    def quietly(self, function: Any, *args: Any) -> None:
        """Look at something without being seen, and never be why the program fails."""
        self.busy = True
        try:
            function(*args)
        except Exception as error:
            self.first.setdefault("failed: %s" % str(error)[:100], 1.0)
        finally:
            self.busy = False

    def _called(self, item: Item, output: Any) -> None:
        self._close()
        if self.inside is not None:
            item.loss, item.output, item.target = self.inside
        else:
            item.output = self.first_tensor(output)
        item.batch, item.source, item.collate = self.batch, self.dataset, self.collate
        if item.output is None:
            return
        self.kinds.add((type(item.module).__name__, tuple(item.output.shape[1:])))
        if item.output.requires_grad and self.torch.is_grad_enabled():
            if not item.module.training:
                item.split = self._split(item)
            item.output.register_hook(lambda _: setattr(item, "trained", True))
            self.pending.append(item)
            if len(self.pending) > _MOST_PENDING:
                self._settle()
        else:
            item.split = self._split(item)
            frame = caller_of(self.home)
            item.named = targets_of_frame(frame, self.torch, len(item.output), item.args)
        self.item = item
        if not item.output.requires_grad and self.steps and not self.compared:
            self.compared = True
            compare_twice(self, item)

    def first_tensor(self, output: Any) -> Any:
        """Return the tensor that a network gives, if it gives several things."""
        if isinstance(output, self.torch.Tensor):
            return output
        if hasattr(output, "logits"):
            return output.logits
        if isinstance(output, (tuple, list)):
            return next((one for one in output if isinstance(one, self.torch.Tensor)), None)
        return None

    def _split(self, item: Item) -> str:
        tensors = [one for one in item.args if isinstance(one, self.torch.Tensor)]
        dataset = self.dataset if item.batch is not None else None
        # A loader copies: what it took its rows from is what has a name.
        tensors += list(getattr(dataset, "tensors", ())[:1])
        return split_of_frames(caller_of(self.home), self.torch, tensors, dataset)

    def _close(self) -> None:
        """Take in an evaluation call, whose targets must have been seen by now."""
        item, self.item = self.item, None
        if item is not None and not item.output.requires_grad:
            self._evaluated(item)

    def _evaluated(self, item: Item) -> None:
        if item.target is None:
            batch_target = self.targets.of_batch(item)
            item.target = item.named if batch_target is None else batch_target
            item.is_guessed = True
        self.eval_module = item.module
        burst, items = self.rows.get(item.split, (-1, []))
        if burst == item.burst and items and items[0].source is not item.source:
            return  # another set that is called by the same word: the first one counts
        if burst != item.burst:
            score = score_of(items)
            self.earlier.setdefault(item.split, []).extend([] if score is None else [score])
            items = []
        item.output = item.output.detach()
        items.append(item)
        self.rows[item.split] = (item.burst, items)

    def _patch_loss(self, name: str) -> None:
        functional = self.torch.nn.functional
        original = getattr(functional, name, None)
        if original is None:
            return

        @functools.wraps(original)
        def loss(input: Any, target: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: A002
            result = original(input, target, *args, **kwargs)
            if not self.busy:
                self.quietly(self._lost, name, input, target, result)
            return result

        setattr(functional, name, loss)

    def _lost(self, name: str, output: Any, target: Any, result: Any) -> None:
        if not isinstance(target, self.torch.Tensor):
            return
        if self.depth:
            self.inside = (name, output, target)
        elif self.item is not None and self.item.target is None and len(output) == len(target):
            self.item.loss, self.item.target = name, target
            self.item.output = output
        if output.requires_grad and self.torch.is_grad_enabled():
            if result.dim() == 0:
                self.first.setdefault("loss", float(result.detach()))
                if len(self.losses) < _MOST_LOSSES:
                    self.losses.append(result.detach())
            if "start" not in self.first and name == "cross_entropy" and output.dim() >= 2:
                self._first_loss_of_classes(output, target)

    def _first_loss_of_classes(self, output: Any, target: Any) -> None:
        """Compare the loss at the start with that of guessing: the logarithm of the classes."""
        if target.dtype.is_floating_point:
            return
        logits = output.detach().movedim(1, -1).reshape(-1, output.shape[1]).double()
        classes = target.reshape(-1)
        usable = (classes >= 0) & (classes < logits.shape[1])
        shares = self.torch.log_softmax(logits[usable], 1)
        chosen = shares.gather(1, classes[usable].long().unsqueeze(1))
        self.first["start"] = float(-chosen.mean())
        self.first["classes"] = float(output.shape[1])

    def _patch_backward(self) -> None:
        original = self.torch.Tensor.backward

        @functools.wraps(original)
        def backward(tensor: Any, *args: Any, **kwargs: Any) -> Any:
            if "backward" not in self.first and not self.busy and tensor.numel() == 1:
                self.first["backward"] = float(tensor.detach())
            return original(tensor, *args, **kwargs)

        self.torch.Tensor.backward = backward

    def _patch_optimizers(self) -> None:
        from torch.optim import optimizer as module

        before = getattr(module, "register_optimizer_step_pre_hook", None)
        after = getattr(module, "register_optimizer_step_post_hook", None)
        if before is None or after is None:
            return
        changed: list[Any] = []

        def pre(optimizer: Any, *_: Any) -> None:
            self.quietly(self._before_step, optimizer)
            changed.extend(self.interventions.before_step(optimizer))

        def post(*_: Any) -> None:
            while changed:
                group, key, value = changed.pop()
                group[key] = value
            self.steps += 1
            self.burst += 1
            self.quietly(self._settle)

        before(pre)
        after(post)

    def _before_step(self, optimizer: Any) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.optimized.update(map(id, parameters))
        for item in self.pending:
            for parameter in item.module.parameters():
                if id(parameter) not in self.begun:
                    self.begun[id(parameter)] = (parameter, self.sample(parameter))
        if self.steps < 200:
            for parameter in parameters:
                if parameter.grad is not None and bool(parameter.grad.count_nonzero()):
                    self.gradients.add(id(parameter))

    def sample(self, parameter: Any) -> Any:
        """Return some elements of a parameter."""
        return parameter.detach().flatten()[:_ELEMENTS].clone()

    def _settle(self) -> None:
        """Tell calls that trained from those that did not, now that gradients came back."""
        if self.item is not None and self.item.output.requires_grad:
            self.item = None
        pending, self.pending = self.pending, []
        for item in pending:
            if item.trained:
                self._trained(item)
            else:
                item.output = item.output.detach()
                self._evaluated(item)
        self.drawn.clear()

    def _trained(self, item: Item) -> None:
        self.train_module = item.module
        item.output = item.output.detach()
        self._hash(item)
        for site, (size, index) in self.recent.items():
            about = self.sites.setdefault(site, {"n": size, "ids": set()})
            if len(about["ids"]) < _MOST_IDS:
                about["ids"].update(index)
        item.recent, self.recent = self.recent, {}
        for earlier in list(self.train)[-1:]:
            earlier.drawn = []  # of the last step alone: they hold the program's data
        item.drawn = list(self.drawn)
        if item.target is None:
            item.target = self.targets.of_batch(item)
            item.is_guessed = True
        self.train.append(item)
        self.train_rows += len(item.output)
        # Not more than one epoch: else rows are there twice.
        epoch = max((about["n"] for about in self.sites.values()), default=_MOST_TRAIN_ROWS)
        while self.train_rows > min(_MOST_TRAIN_ROWS, epoch) and len(self.train) > 1:
            self.train_rows -= len(self.train.popleft().output)

    def _hash(self, item: Item) -> None:
        # Rows, not digests: the same ones would be hashed again in every epoch.
        if not self.interventions.zeroed and self.hashed_rows < _MOST_HASHED_ROWS:
            self.hashes.update(self.row_hashes(item))
            self.hashed_rows += len(item.output)

    def row_hashes(self, item: Item) -> list[bytes]:
        """Return a digest of each row that went in."""
        tensors = [one for one in item.inputs if isinstance(one, self.torch.Tensor)]
        tensors = [one for one in tensors if one.dim() > 1]
        if not tensors:
            return []
        rows = tensors[0].detach().cpu().contiguous()
        rows = rows.float() if rows.is_floating_point() else rows.long()
        array = rows.reshape(len(rows), -1).numpy()
        return [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in array]

    def finish(self) -> None:
        """Take in what is still open."""
        self.quietly(self._settle)
        self.quietly(self._close)
        self.busy = True

    def is_prediction(self, item: Item) -> bool:
        """Return whether an output is what its targets are of.

        With several networks the output of one may be the input of another: then only what a loss
        or a comparison said counts.
        """
        return not item.is_guessed or len(self.kinds) == 1
