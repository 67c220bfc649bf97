"""Evaluate training rows that a run with fewer of them did not train on, as a train-dev split."""

from __future__ import annotations

from _scaffold_probe.watch import Item

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    from _scaffold_probe.interventions import Interventions
    from _scaffold_probe.watch import Watch

_MOST_ROWS = 4096
_AT_ONCE = 512


def held_out(torch: Any, watch: Watch, interventions: Interventions) -> Iterator[Item]:
    """Yield calls of the network with rows that were left out, as training made them of its rows.

    Nothing where it cannot be seen how a drawn row becomes what the network gets.
    """
    last = next((one for one in reversed(watch.train) if one.target is not None), None)
    if last is None or len(last.args) != 1 or last.kwargs or not interventions.rows:
        return
    if not watch.is_prediction(last):
        return
    rows = sorted(_left_out(interventions))
    rows = rows[:: max(1, -(-len(rows) // _MOST_ROWS))]
    for begin in range(0, len(rows), _AT_ONCE):
        chunk = rows[begin : begin + _AT_ONCE]
        try:
            inputs, target = _drawn(torch, last, chunk)
            if not begin and not _is_same(torch, (inputs, target), _drawn(torch, last, chunk)):
                return  # changed at random, as validation is not
        except Exception:
            return
        if inputs is None or target is None:
            return
        item = Item(last.module, (inputs,), {})
        item.inputs, item.target, item.loss = (inputs,), target, last.loss
        yield item


def is_augmented(torch: Any, watch: Watch) -> bool:
    """Return whether a loader's rows are others when they are drawn again: changed at random."""
    last = watch.train[-1] if watch.train else None
    if last is None or last.batch is None or last.collate is None:
        return False
    index = next(
        (rows for name, (_, rows) in last.recent.items() if name.startswith("loader")), None
    )
    if not isinstance(index, list):
        return False
    try:
        again = _parts(last.collate([last.source[row] for row in index]))
        pairs = list(zip(_parts(last.batch), again))
    except Exception:
        return False
    return any(
        isinstance(old, torch.Tensor) and old.shape == new.shape and not torch.equal(old, new)
        for old, new in pairs
    )


def _parts(batch: Any) -> list[Any]:
    return list(batch.values()) if isinstance(batch, dict) else list(batch)


def _is_same(torch: Any, first: tuple[Any, Any], second: tuple[Any, Any]) -> bool:
    """Return whether drawing the same rows again gives the same."""
    return all(
        one is other or (one is not None and other is not None and torch.equal(one, other))
        for one, other in zip(first, second)
    )


def _left_out(interventions: Interventions) -> set[int]:
    """Return the rows that no site drew."""
    tables = list(interventions.tables.items())
    if not tables:
        return set()
    drawn = [interventions.sites[name].get("ids") or range(len(table)) for name, table in tables]
    used = {row for _, table in tables for row in table}
    return set(drawn[0]) - used


def _drawn(torch: Any, last: Item, rows: list[int]) -> tuple[Any, Any]:
    """Return inputs and targets of some rows, drawn from where the last step drew its own."""
    if last.batch is not None and last.collate is not None:
        batch = last.collate([last.source[row] for row in rows])
        pairs = list(zip(_parts(last.batch), _parts(batch)))
    else:
        index = torch.tensor(rows)
        pairs = [(result, tensor.index_select(0, index)) for tensor, result in last.drawn]
    return tuple(_like(torch, part, pairs) for part in (last.args[0], last.target))


def _like(torch: Any, part: Any, pairs: list[tuple[Any, Any]]) -> Any:
    """Return what stands now for a tensor that was drawn, or is a view of one."""
    for old, new in pairs:
        is_it = isinstance(old, torch.Tensor) and old.data_ptr() == part.data_ptr()
        if is_it and old.numel() == part.numel() and old.dtype == part.dtype:
            return new.reshape(len(new), *part.shape[1:])
    return None
