"""One run: its folder filled, its commands started under supervision, followed, and ended."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from scaffold.errors import RunError
from scaffold.machine import FREE_BYTES, memory_bytes, require_free
from scaffold.project.files import remove
from scaffold.records.fields import fill_slots
from scaffold.records.program import Command
from scaffold.running.denials import denial_variables
from scaffold.running.outputs import time_limit
from scaffold.running.plan import Plan
from scaffold.running.probing import ask_probe, probe_inputs, probe_variables
from scaffold.running.processes import end_processes
from scaffold.running.tracing import ask, trace_inputs, trace_variables
from scaffold.running.variables import SHIM, run_variables
from scaffold.running.workspace import Workspace, fill, make_short_name, remove_short_name
from scaffold.sandbox import FILTER_DESCRIPTOR, confine
from scaffold.sandbox.visible import Policy

_SUPERVISOR = Path(__file__).with_name("supervisor.py")

_PROGRESS_LIMIT_S = 1.0
_USABLE_MEMORY = 0.9
"""Of the machine's memory: what one run may take whose recipe does not say."""


@dataclass(slots=True)
class Running:
    """A run under way. Its folder's name starts with a dot until it is complete."""

    plan: Plan
    seed: int
    workspace: Workspace
    process: "subprocess.Popen[bytes]"
    started: datetime
    started_s: float
    log: Path | None = None
    position: int = 0
    step: int = 0
    tail: str = ""
    is_unreadable: bool = False

    @property
    def name(self) -> str:
        """Return what messages call it."""
        return self.plan.run_name(self.seed)


def start(plan: Plan, seed: int) -> Running:
    """Make a run's folder and start its commands.

    Raises:
        RunError: a command's program does not exist.
    """
    plan.runs_dir.mkdir(parents=True, exist_ok=True)
    # A name of its own: the supervisor of a scaffold that was killed may still be writing into an
    # earlier one.
    workspace = Workspace(plan.runs_dir / f".{plan.run_id(seed)}-{os.urandom(4).hex()}")
    require_free(plan.runs_dir)
    try:
        fill(workspace, plan)
        if plan.sandbox.kind != "bubblewrap":  # which gives the run a /tmp of its own
            make_short_name(workspace)
        ask(plan, workspace)
        ask_probe(plan, workspace)
        spec = _spec(plan, seed, workspace)
        path = workspace.folder / "supervisor.json"
        path.write_text(json.dumps(spec))
    except BaseException:
        remove_short_name(workspace)
        remove(workspace.folder)
        raise
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(_SUPERVISOR), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    return Running(plan, seed, workspace, process, datetime.now(timezone.utc), time.monotonic())


def _spec(plan: Plan, seed: int, workspace: Workspace) -> dict[str, Any]:
    steps = []
    resources = plan.program.resources
    limits = {
        "memory_bytes": int(
            resources.memory_gb * 1e9 if resources.memory_gb else memory_bytes() * _USABLE_MEMORY
        ),
        "folder_bytes": int(resources.disk_gb * 1e9) if resources.disk_gb else sys.maxsize,
        "free_bytes": FREE_BYTES,
        "output_bytes": int(resources.output_mb * 1e6),
    }
    for index, (name, command) in enumerate(plan.program.commands.steps(smoke=plan.smoke).items()):
        values = {
            **plan.program.hyperparameters,
            "seed": seed,
            "reference": str(workspace.tree),
            "drivers": str(workspace.drivers),
        }
        policy = Policy(
            writable=(
                workspace.tree,
                workspace.drivers,
                workspace.seeding,
                workspace.trace,
                workspace.home,
            ),
            temporary=workspace.temporary,
            visible=(
                SHIM,
                *plan.environment.folders,
                *plan.outside_folders,
                *trace_inputs(plan, workspace),
                *probe_inputs(plan, workspace),
            ),
            network=command.network,
            accelerator=resources.device == "cuda",
            memory_bytes=limits["memory_bytes"],
        )
        variables = run_variables(plan, seed, workspace, command, values)
        variables |= trace_variables(plan, workspace, name) | probe_variables(plan, workspace)
        monitored = denial_variables(plan.sandbox, policy)
        directory = workspace.tree / command.directory if command.directory else workspace.tree
        policy_file = workspace.folder / f"policy-{index}.json"
        wrapper = confine(plan.sandbox, policy, directory, variables | monitored, policy_file)
        if wrapper.policy:
            policy_file.write_text(wrapper.policy)
        steps.append(
            {
                "name": name,
                "argv": _argv(plan, name, command, values, variables, directory),
                "wrapper": wrapper.words,
                "filter": wrapper.socket_filter.hex(),
                "filter_descriptor": FILTER_DESCRIPTOR,
                "directory": str(directory),
                "environment": dict(wrapper.variables),
                "stdout": str(workspace.logs / f"{index}-{name}.out"),
                "stderr": str(workspace.logs / f"{index}-{name}.err"),
                "timeout_s": command.timeout_s,
            }
        )
    return {
        "result": str(workspace.folder / "result.json"),
        "folder": str(workspace.folder),
        "limits": limits,
        "steps": steps,
    }


def _argv(
    plan: Plan,
    name: str,
    command: Command,
    values: Mapping[str, Any],
    environment: Mapping[str, str],
    directory: Path,
) -> list[str]:
    argv = [fill_slots(word, values) for word in command.argv]
    if not directory.is_dir():
        raise RunError(
            f"commands.{name}.directory: the reference has no folder {command.directory!r}"
        )
    if argv[0] in ("python", "python3"):
        return [str(plan.environment.python), *argv[1:]]
    program = shutil.which(
        str(directory / argv[0]) if "/" in argv[0] else argv[0], path=environment["PATH"]
    )
    if program is None:
        raise RunError(
            f"commands.{name}: there is no program {argv[0]!r} in the environment, the reference or"
            " on PATH",
            hint="correct the command, or add the package that brings it to environment.packages",
        )
    return [program, *argv[1:]]


def follow(running: Running) -> int:
    """Return how many steps a run has reached; read only what was written since the last call."""
    progress = running.plan.program.progress
    if progress is None or running.is_unreadable:
        return running.step
    suffix, pattern = (
        (".out", progress.stdout) if progress.stdout else (".err", progress.stderr or "")
    )
    logs = sorted(running.workspace.logs.glob(f"*{suffix}"))
    if not logs:
        return 0
    if logs[-1] != running.log:
        running.log, running.position, running.tail = logs[-1], 0, ""
    try:
        with logs[-1].open("rb") as file:
            file.seek(running.position)
            fresh = file.read(1 << 20)
        running.position += len(fresh)
        *lines, running.tail = re.split(r"[\r\n]", running.tail + fresh.decode(errors="replace"))
        running.tail = running.tail[-2000:]
        with time_limit(_PROGRESS_LIMIT_S, "progress"):
            steps = [match["step"] for line in lines if (match := re.search(pattern, line[:2000]))]
    except (OSError, RunError):
        running.is_unreadable = True  # it is only a bar
        return running.step
    if steps and steps[-1] and re.fullmatch("[0-9]{1,15}", steps[-1]):
        running.step = int(steps[-1])
    return running.step


def stop(runs: Sequence[Running]) -> None:
    """End runs and all their processes, and remove what they left."""
    for running in runs:
        if running.process.stdin:
            running.process.stdin.close()  # all at once: each has a moment of grace
    for running in runs:
        running.process.wait()
        if running.process.stdout:
            running.process.stdout.close()
        discard(running.workspace)


def discard(workspace: Workspace) -> None:
    """Remove an unfinished run and end its processes: its supervisor may have been killed."""
    end_processes(workspace.folder)
    remove_short_name(workspace)
    remove(workspace.folder)
