"""See where a program draws its training rows, and draw fewer where that is the probe."""

from __future__ import annotations

import os

from _scaffold_probe.interventions import caller_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from _scaffold_probe.interventions import Interventions
    from _scaffold_probe.watch import Watch


class Draws:
    """Loaders, and tensors that are indexed by row numbers."""

    def __init__(self, torch: Any, watch: Watch, interventions: Interventions) -> None:
        self.torch = torch
        self.watch = watch
        self.interventions = interventions

    def start(self) -> None:
        """Patch both ways of drawing rows."""
        self._patch_loaders()
        self._patch_indexing()

    def _patch_loaders(self) -> None:
        from torch.utils.data import dataloader

        base: Any = dataloader._BaseDataLoaderIter
        original_next, original_index = base.__next__, base._next_index
        watch, interventions = self.watch, self.interventions

        def following(loader: Any) -> Any:
            batch = original_next(loader)
            watch.batch, watch.dataset = batch, loader._dataset
            watch.collate = getattr(loader, "_collate_fn", None)
            return batch

        def next_index(loader: Any) -> Any:
            index = original_index(loader)
            if not isinstance(index, list):
                return index
            size = len(loader._dataset) if hasattr(loader._dataset, "__len__") else 0
            sampler = type(getattr(loader._index_sampler, "sampler", None)).__name__
            site = "loader %s %d %s" % (type(loader._dataset).__name__, size, sampler)
            if size and sampler != "SequentialSampler":
                watch.recent[site] = (size, index)
            return interventions.changed_index(site, index)

        base.__next__ = following
        base._next_index = next_index

    def _patch_indexing(self) -> None:
        torch, watch, interventions = self.torch, self.watch, self.interventions
        original = torch.Tensor.__getitem__

        def getitem(tensor: Any, index: Any) -> Any:
            draws_rows = (
                isinstance(index, torch.Tensor)
                and index.dtype == torch.int64
                and index.dim() == 1
                and 1 < len(index) <= len(tensor)
            )
            if not draws_rows or watch.busy or watch.depth or not torch.is_grad_enabled():
                return original(tensor, index)
            frame = caller_of(watch.home)
            if frame is None:
                return original(tensor, index)
            name = os.path.basename(frame.f_code.co_filename)
            site = "%s:%d %d" % (name, frame.f_lineno, len(tensor))
            watch.recent[site] = (len(tensor), index.tolist())
            result = original(tensor, interventions.changed_index(site, index))
            if interventions.rows:
                watch.drawn.append((tensor, result))
            return result

        torch.Tensor.__getitem__ = getitem
