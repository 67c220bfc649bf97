"""See what predictions should have been: targets that a program compares them with."""

from __future__ import annotations

import functools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from _scaffold_probe.watch import Item, Watch

_OF_NUMBERS = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")


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


def pairs_of(item: Item) -> list[tuple[Any, Any]]:
    """Return label and prediction of each row: classes, or numbers."""
    output, target = item.output, item.target
    if output is None or target is None:
        return []
    output, target = output.detach(), target.detach()
    if item.loss.startswith("binary"):
        line = 0.0 if item.loss.endswith("logits") else 0.5
        labels, predicted = target.reshape(-1) > 0.5, output.reshape(-1) > line
        return list(zip(labels.int().tolist(), predicted.int().tolist()))
    of_numbers = item.loss in _OF_NUMBERS or target.is_floating_point()
    if not of_numbers and output.dim() >= 2 and output.numel() > target.numel():
        labels, classes = target.reshape(-1), output.movedim(1, -1).reshape(target.numel(), -1)
        usable = labels >= 0
        return list(zip(labels[usable].tolist(), classes[usable].argmax(1).tolist()))
    if output.numel() == target.numel():
        flat = (target.reshape(-1).double(), output.reshape(-1).double())
        return list(zip(flat[0].tolist(), flat[1].tolist()))
    return []


def score_of(items: list[Item]) -> float | None:
    """Return the share of right rows, or of numbers the mean squared error; None without rows."""
    pairs = [pair for item in items for pair in pairs_of(item)]
    if not pairs:
        return None
    if all(isinstance(label, int) for label, _ in pairs):
        return float(sum(label == prediction for label, prediction in pairs)) / len(pairs)
    return float(sum((label - prediction) ** 2 for label, prediction in pairs) / len(pairs))
