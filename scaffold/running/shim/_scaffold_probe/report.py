"""Write what was seen, and the predictions of the trained network, when the program has ended."""

from __future__ import annotations

import csv
import json
import math
import os

from _scaffold_probe.held_out import held_out, is_augmented
from _scaffold_probe.targets import pairs_of
from _scaffold_probe.twice import copied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable, Iterator

    from _scaffold_probe.interventions import Interventions
    from _scaffold_probe.watch import Item, Watch

_LEAST_STEPS = 50
"""Before a parameter is said to never have moved."""

_MOST_ROWS = 100000
_MOST_EARLIER = 1000
_MOST_POINTS = 200


def write_report(torch: Any, watch: Watch, interventions: Interventions, out: str) -> None:
    """Write one report and one table of this process."""
    watch.finish()
    if not watch.steps and not watch.rows and watch.train_module is None:
        return
    report = {
        "steps": watch.steps,
        "touched": interventions.touched + interventions.layers.touched,
        "optimizers": len(interventions.optimizers),
        "weight_decay": interventions.weight_decay,
        "dropout": interventions.dropout,
        "first": {name: value for name, value in watch.first.items() if math.isfinite(value)},
        "losses": _thinned([float(loss) for loss in watch.losses]),
        "twice": _finite(watch.twice),
        "alone": _finite(watch.alone),
        "parameters": len(watch.begun),
        "never_moved": list(_never_moved(watch)) if watch.steps >= _LEAST_STEPS else [],
        "sites": {
            site: {"n": about["n"], "ids": sorted(about["ids"])}
            for site, about in watch.sites.items()
        },
        "copies": _copies(watch),
        "augmented": is_augmented(torch, watch),
        "splits": sorted(watch.rows),
        "earlier": {
            split: [score for score in scores if math.isfinite(score)][-_MOST_EARLIER:]
            for split, scores in watch.earlier.items()
        },
        "wider": [
            *_widths(torch, watch, interventions),
            *_wider_chain(torch, watch, interventions),
        ],
    }
    name = str(os.getpid())
    with open(os.path.join(out, "rows-%s.csv" % name), "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "split", "label", "prediction"])
        _write_rows(torch, watch, interventions, writer)
    with open(os.path.join(out, "report-%s.json" % name), "w") as file:
        json.dump(report, file)


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else min(value, 1e9)


def _thinned(losses: list[float]) -> list[float | None]:
    step = max(len(losses) // _MOST_POINTS, 1)
    return [loss if math.isfinite(loss) else None for loss in losses[::step]]


def _never_moved(watch: Watch) -> Iterator[dict[str, Any]]:
    names = {}
    for module in (watch.train_module, watch.eval_module):
        if module is not None:
            names.update({id(p): name for name, p in module.named_parameters()})
    for key, (parameter, begun) in watch.begun.items():
        if not watch.torch.equal(begun, watch.sample(parameter)):
            continue
        reason = ""
        if not parameter.requires_grad:
            reason = "requires_grad is False"
        elif key not in watch.optimized:
            reason = "in no optimizer"
        elif key not in watch.gradients:
            reason = "its gradient is None or 0"
        if reason:
            yield {
                "name": names.get(key, "a parameter"),
                "reason": reason,
                "is_zero": not bool(begun.count_nonzero()),
            }


def _copies(watch: Watch) -> dict[str, list[int]]:
    """Return for each split how many of its rows went into training, and how many it has."""
    copies = {}
    for split, (_, items) in watch.rows.items():
        hashes = [digest for item in items for digest in watch.row_hashes(item)]
        copies[split] = [sum(digest in watch.hashes for digest in hashes), len(hashes)]
    return copies


def _write_rows(torch: Any, watch: Watch, interventions: Interventions, writer: Any) -> None:
    written: dict[str, int] = {}
    for split, (_, items) in watch.rows.items():
        pairs = [pair for item in items if watch.is_prediction(item) for pair in pairs_of(item)]
        written[split] = len(pairs)
        for number, (label, prediction) in enumerate(pairs[:_MOST_ROWS]):
            writer.writerow(["%s-%d" % (split or "evaluated", number), split, label, prediction])
    _write_evaluated(torch, watch, writer, "held-out", held_out(torch, watch, interventions))
    if written.get("train") or len(watch.kinds) != 1:  # inputs of several are not known
        return
    trained = [item for item in watch.train if item.target is not None]
    _write_evaluated(torch, watch, writer, "train", trained)


def _write_evaluated(
    torch: Any, watch: Watch, writer: Any, split: str, items: Iterable[Item]
) -> None:
    """Write what the trained network gives for some calls, as it is evaluated."""
    number = 0
    for item in items:
        if not _is_evaluated(torch, watch, item):
            return
        for label, prediction in pairs_of(item):
            writer.writerow(["%s-%d" % (split, number), split, label, prediction])
            number += 1


def _is_evaluated(torch: Any, watch: Watch, item: Item) -> bool:
    """Call the trained network as it is evaluated; return whether it gave what it gives."""
    evaluated = watch.eval_module
    module = evaluated if type(evaluated) is type(item.module) else item.module
    module.eval()
    watch.depth, watch.busy, watch.inside = 1, False, None
    try:
        with torch.no_grad():
            output = module(*copied(torch, item.inputs), **item.kwargs)
    except Exception:
        return False
    finally:
        watch.depth, watch.busy = 0, True
    if watch.inside is not None:
        item.loss, item.output, item.target = watch.inside
        return True
    fresh = watch.first_tensor(output)
    if fresh is None or (item.output is not None and fresh.numel() != item.output.numel()):
        return False
    item.output = fresh if item.output is None else fresh.reshape(item.output.shape)
    return True


def _widths(torch: Any, watch: Watch, interventions: Interventions) -> Iterator[dict[str, Any]]:
    """Yield integers of the network's constructor that can be doubled, and what that makes of it.

    One is kept if the outputs keep their shape, tried on the last batch that trained.
    """
    module = watch.train_module
    built = interventions.constructed.get(id(module))
    if module is None or built is None or not watch.train:
        return
    kind, arguments = built
    for name, value in arguments.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            continue
        try:
            times = _times_as_large(torch, watch, kind(**{**arguments, name: 2 * value}))
        except Exception:
            continue
        if times > 1.2:
            yield {"class": kind.__name__, "argument": name, "value": value, "times": times}


def _times_as_large(torch: Any, watch: Watch, network: Any) -> float:
    """Return how many times as many parameters a network has as the trained one.

    0 where it gives another shape for the last batch that trained.
    """
    item = watch.train[-1]
    network.eval()
    with torch.no_grad():
        output = watch.first_tensor(network(*copied(torch, item.inputs), **item.kwargs))
    if output is None or output.shape != item.output.shape:
        return 0.0
    size, before = (
        sum(int(parameter.numel()) for parameter in one.parameters())
        for one in (network, watch.train_module)
    )
    return size / max(before, 1)


def _wider_chain(
    torch: Any, watch: Watch, interventions: Interventions
) -> Iterator[dict[str, Any]]:
    """Yield the network with its hidden layers doubled, where it is one chain of them."""
    module = watch.train_module
    if module is None or not watch.train:
        return
    try:
        doubled = interventions.layers.doubled(module)
        if doubled is None:
            return
        network, sizes, hidden = doubled
        times = _times_as_large(torch, watch, network)
    except Exception:
        return
    if times:
        yield {
            "class": type(module).__name__,
            "argument": "hidden layers",
            "value": hidden,
            "times": times,
            "layers": sizes,
        }
