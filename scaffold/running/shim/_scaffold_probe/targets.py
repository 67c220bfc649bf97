"""See what predictions should have been: targets that a program compares them with."""

from __future__ import annotations

import functools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from _scaffold_probe.watch import Item, Watch


class Targets:
    """Comparisons by hand, and batches of loaders."""

    def __init__(self, torch: Any, watch: Watch) -> None:
        self.torch = torch
        self.watch = watch

    def start(self) -> None:
        """Patch comparisons of tensors."""
        for owner, name in ((self.torch.Tensor, "__eq__"), (self.torch.Tensor, "eq")):
            self._patch_comparison(owner, name)
        self._patch_comparison(self.torch, "eq")

    def of_batch(self, item: Item) -> Any:
        """Return the part of the loader's batch that has as many rows and did not go in."""
        batch = item.batch
        if isinstance(batch, dict):
            batch = [batch[key] for key in ("labels", "label", "target", "y") if key in batch]
        if not isinstance(batch, (tuple, list)):
            return None
        for one in reversed(batch):
            if isinstance(one, self.torch.Tensor) and one.dim() >= 1:
                went_in = any(one is arg for arg in item.args)
                if len(one) == len(item.output) and not went_in:
                    return one
        return None

    def _patch_comparison(self, owner: Any, name: str) -> None:
        """See targets that a program compares with the likeliest class by hand."""
        original = getattr(owner, name)

        @functools.wraps(original)
        def equal(first: Any, second: Any, *args: Any, **kwargs: Any) -> Any:
            item = self.watch.item
            if not self.watch.busy and item is not None and item.target is None:
                self.watch.quietly(self._compared, item, first, second)
            return original(first, second, *args, **kwargs)

        setattr(owner, name, equal)

    def _compared(self, item: Item, first: Any, second: Any) -> None:
        if item.output is None or item.output.requires_grad:
            return
        if item.output.dim() == 1 or tuple(item.output.shape[1:]) == (1,):
            self._compared_with_line(item, first, second)
            return
        if item.output.dim() != 2:
            return
        likeliest = item.output.argmax(1)
        for one, other in ((first, second), (second, first)):
            are_tensors = all(isinstance(side, self.torch.Tensor) for side in (one, other))
            if not are_tensors or not one.numel() == other.numel() == len(likeliest):
                continue
            if self.torch.equal(one.reshape(-1).to(likeliest.dtype), likeliest):
                item.target = other.reshape(-1)
                return

    def _compared_with_line(self, item: Item, first: Any, second: Any) -> None:
        """See targets of two classes: one side is which outputs lie above 0, or above a half."""
        output = item.output.reshape(-1)
        for one, other in ((first, second), (second, first)):
            are_tensors = all(isinstance(side, self.torch.Tensor) for side in (one, other))
            if not are_tensors or not one.numel() == other.numel() == len(output):
                continue
            for line, loss in ((0.0, "with_logits"), (0.5, "")):
                if self.torch.equal(one.reshape(-1).bool(), output > line):
                    item.target, item.loss = other.reshape(-1), "binary " + loss
                    return
