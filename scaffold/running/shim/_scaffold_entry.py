"""Runs a command, then the model's own entry on one example after another, timed.

    python _scaffold_entry.py OUT SCRIPT LOAD EXAMPLES COMMAND ...

COMMAND trains or evaluates as always. LOAD is a function of SCRIPT that returns the model as a
function of one example, EXAMPLES one that returns a list of them. Writes to OUT the milliseconds of
each call and of loading, and the megabytes that both took at most. Python 3.7 syntax.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import subprocess
import sys
import time

_WARM_UP, _CALLS, _LONGEST_S = 3, 100, 60.0


def main() -> None:
    """Run the command; where it ends well, measure."""
    out, script, load, examples, *command = sys.argv[1:]
    if command[0] in ("python", "python3"):
        command[0] = sys.executable
    status = subprocess.call(command)
    if status:
        sys.exit(status if status > 0 else 128 - status)
    before_mb = _resident_mb()
    started = time.perf_counter()
    sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
    sys.argv = [script]
    spec = importlib.util.spec_from_file_location("_scaffold_entry_module", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    predict = getattr(module, load)()
    load_ms = 1e3 * (time.perf_counter() - started)
    rows = list(getattr(module, examples)())
    if not rows:
        sys.exit("%s returns no examples" % examples)
    times = []
    ends = time.perf_counter() + _LONGEST_S
    for call in range(_WARM_UP + _CALLS):
        started = time.perf_counter()
        predict(rows[call % len(rows)])
        if call >= _WARM_UP:
            times.append(1e3 * (time.perf_counter() - started))
        if time.perf_counter() > ends and times:
            break
    memory_mb = max(_resident_mb() - before_mb, 0.0)
    with open(out, "w") as file:
        json.dump({"calls_ms": times, "load_ms": load_ms, "memory_mb": memory_mb}, file)


def _resident_mb() -> float:
    """Return the most memory that this process had so far, in 1e6 bytes."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 1e6 if sys.platform == "darwin" else used * 1024 / 1e6


if __name__ == "__main__":
    main()
