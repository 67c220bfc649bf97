"""Watches how a torch program trains and evaluates, or runs it in another way, without editing it.

    SCAFFOLD_PROBE    path of a JSON file:
        out             folder for report-PID.json and rows-PID.csv
        rate            factor of every learning rate
        regularization  "" as it is, "off", or "more": weight decay and dropout
        zeroed          whether all inputs of networks are 0
        rows            how many training rows are used, as often as all were; 0 for all
        sites           where training rows are drawn, as a watched run reported it
        wider           class and argument of a constructor whose integer is doubled; or null
        layers          sizes of layers by the order in which the program makes them; or null

Like sitecustomize beside it Python 3.7 syntax; it needs nothing but the program's own torch.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_request: dict[str, Any] = {}
_process: list[int] = []


def start(path: str) -> None:
    """Read what is to be done."""
    with open(path) as file:
        _request.update(json.load(file))
    _process.append(os.getpid())


def patch_torch(torch: Any) -> None:
    """Put all hooks in place, right after torch was imported."""
    from _scaffold_probe.interventions import Interventions
    from _scaffold_probe.report import write_report
    from _scaffold_probe.watch import Watch

    interventions = Interventions(torch, _request)
    watch = Watch(torch, interventions)
    interventions.start()
    watch.start()

    def finish() -> None:
        if os.getpid() != _process[0]:  # a loader's worker has nothing to report
            return
        with contextlib.suppress(Exception):  # it was not seen: whoever reads finds no report
            write_report(torch, watch, interventions, _request["out"])

    atexit.register(finish)
