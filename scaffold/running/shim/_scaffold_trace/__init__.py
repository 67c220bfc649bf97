"""Records what a program computes, check by check, without editing it; started by `sitecustomize`.

SCAFFOLD_TRACE is the path of a JSON file:

- out: folder for one trace a process in which a network was called, or functions were
- golden: folder of the reference's traces, whose values are fed; null when they are made
- dtype: own, or float64
- replay: whether the program runs as it is, only its first weights given
- weights: how own tensors are made of the reference's
- flip: mirror the uniform numbers that masks are made of
- by_gradient: a call with gradients trains, whatever the network's mode
- disturb: inputs rounded otherwise and in another memory format, to see what that makes of it
- real: nothing is made up but the first weights: the program cannot live with it
- auxiliary: calls without gradient, by network and place in the program, that belong to training,
  since other networks train on what they give
- known: by command: planned, steps that are fed because they are among the last ones; bursts, the
  evaluations that the program makes
- seconds: of processor time, after which a replay ends
- renamed: functions that are called otherwise in the reference
- functions: folder of a program whose functions are followed, not its networks; else null

Like sitecustomize beside it Python 3.7 syntax; it needs numpy, and torch if the program does.
"""

from __future__ import annotations

import atexit
import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, NoReturn

    from _scaffold_trace.kinds import Torch

_spec: dict[str, Any] = {}
_running: dict[str, Any] = {}


def start(path: str, write_report: Callable[[], None]) -> None:
    """Read what is asked for."""
    with open(path) as file:
        _spec.update(json.load(file))
    _spec.update(_spec.get("known", {}).get(os.environ.get("SCAFFOLD_TRACE_STEP", "train"), {}))
    _running.update(
        report=write_report,
        process=os.getpid(),
        step=os.environ.get("SCAFFOLD_TRACE_STEP", "train"),
    )
    if _spec["functions"]:
        from _scaffold_trace.functions import Functions

        _running["functions"] = Functions(
            _spec["functions"], _spec.get("renamed") or {}, _spec["disturb"]
        )
        _running["functions"].start()
    atexit.register(_finish, "program ended")


def patch_torch(torch: Torch) -> None:
    """Put all hooks in place, right after torch was imported."""
    if _spec["functions"]:
        return
    from _scaffold_trace.draws import Masks
    from _scaffold_trace.hooks import patch
    from _scaffold_trace.store import Store, read_golden
    from _scaffold_trace.tracer import Tracer

    store = Store()
    store.index.update(torch=str(torch.__version__), dtype=_spec["dtype"], replay=_spec["replay"])
    golden = read_golden(_spec["golden"], _running["step"]) if _spec["golden"] else None
    if _spec["dtype"] == "float64":
        from _scaffold_trace.widen import widen

        _running["mode"] = widen(torch)
    masks = Masks(torch, _spec["flip"])
    tracer = Tracer(torch, _spec, store, golden, masks, _end, _claim)
    _running["tracer"] = tracer
    masks.patch()
    patch(torch, tracer)
    _running["noted_seed"] = tracer.noted_seed
    if "_scaffold_streams" in sys.modules:
        sys.modules["_scaffold_streams"].observers.append(tracer.noted_draw)


def noted_seed(call: str, value: object) -> None:
    """Note that the program seeds a generator by a call of this name."""
    if "noted_seed" in _running:
        _running["noted_seed"](call, value)


def _claim() -> bool:
    """Return whether this is the first process of its command that calls a network.

    Only that is traced.
    """
    try:
        os.close(
            os.open(os.path.join(_spec["out"], _running["step"] + ".claim"), os.O_CREAT | os.O_EXCL)
        )
    except FileExistsError:
        return False
    except OSError:
        pass
    return True


def _finish(how: str) -> None:
    if _running.get("process") != os.getpid() or _running.get("done"):
        return  # a forked loader worker
    _running["done"] = True
    tracer = _running.get("tracer") or _running.get("functions")
    if tracer is not None and tracer.finish():
        tracer.store.index["ended"] = how
        tracer.store.write(_spec["out"], _running["step"])


def _end(how: str) -> NoReturn:
    """End the program: all that is wanted was seen."""
    _finish(how)
    _running["report"]()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
