"""Execute one run of a submission on the machine where an engine started this program.

Started as `python -I -m scaffold.running.node SUBMISSION INDEX`. It needs the project, the cache
and this Python at the same paths as where the run was prepared. It ends with whatever started it,
and everything below ends with it. It imports nothing heavy: it is started once for each run.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from scaffold.errors import ScaffoldError
from scaffold.machine import machine_facts
from scaffold.project.files import make_durable, write_json
from scaffold.running.job import Job, missing_result, start_supervisor
from scaffold.running.processes import adopt_orphans, end_orphans
from scaffold.running.supervisor import end_with_parent
from scaffold.running.workspace import Workspace, remove_short_name
from scaffold.sandbox import sandbox_problem

_STOPPED = "its engine stopped it, at its time limit or for another job"


def main(submission: str, number: str) -> int:
    """Execute the run, and note how, last of all."""
    folder, index = Path(submission), int(number)
    end_with_parent(signal.SIGTERM)
    adopt_orphans()
    job = Job.from_json((folder / f"{index}.job.json").read_text())
    (folder / f"{index}.started").touch()
    problem = sandbox_problem(job.sandbox) or ""
    started, started_s = datetime.now(timezone.utc), time.monotonic()
    try:
        if problem:
            problem = f"this is to run in {job.sandbox}, which cannot be used: {problem}"
        else:
            problem = _execute(job)
    except (ScaffoldError, OSError) as error:
        problem = str(error)
    finally:
        end_orphans(())
        remove_short_name(Workspace(job.folder))
    execution = {  # as `records.engine.Execution` reads it, whose import takes as long as a run
        "machine": machine_facts(),
        "started": started.isoformat(timespec="seconds"),
        "wall_time_s": time.monotonic() - started_s,
        "problem": f"on {os.uname().nodename}: {problem}" if problem else "",
        "is_machine_lost": problem == _STOPPED,
    }
    if folder.is_dir():  # else somebody gave it up meanwhile
        write_json(execution, folder / f"{index}.ended.json")
        make_durable(folder)
    return 0


def _execute(job: Job) -> str:
    """Run a job's commands; returns why there is no result, or nothing."""
    process = start_supervisor(job, _accelerators(job))
    stops: list[int] = []

    def stop(number: int, _: object) -> None:
        stops.append(number)
        _stop(process)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    assert process.stdout is not None
    messages = process.stdout.read()
    status = process.wait()
    problem = missing_result(job, messages, status)
    if problem:
        return problem
    # An engine may signal every process, so that the program ends before its supervisor knows.
    ended = json.loads((job.folder / "result.json").read_text())["ended"]
    return _STOPPED if ended == "stopped" or (stops and ended != "completed") else ""


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Close what the supervisor listens to: it ends all that it started."""
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.close()


def _accelerators(job: Job) -> str | None:
    """Return what this run may see: what the engine gave it, and nothing where it needs none.

    An engine that gives none leaves the variable unset, which would mean all.
    """
    return os.environ.get("CUDA_VISIBLE_DEVICES") if job.device == "cuda" else ""


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
