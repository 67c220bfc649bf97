"""One run: its folder filled, its job written, followed while it is under way, and removed."""

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaffold.errors import RunError
from scaffold.machine import require_free
from scaffold.project.files import remove
from scaffold.records.fields import fill_slots
from scaffold.records.program import Command
from scaffold.running.filling import fill
from scaffold.running.job import Job, JobStep
from scaffold.running.outputs import time_limit
from scaffold.running.plan import Plan
from scaffold.running.probing import ask_probe, probe_inputs, probe_variables
from scaffold.running.processes import end_processes
from scaffold.running.submissions import Place
from scaffold.running.tracing import ask, trace_inputs, trace_variables
from scaffold.running.variables import SHIM, run_variables
from scaffold.running.workspace import Workspace, remove_short_name

_PROGRESS_LIMIT_S = 1.0


@dataclass(slots=True)
class Running:
    """A run under way. Its folder's name starts with a dot until it is complete.

    Attributes:
        place: where it is noted that an engine was handed it; None for one of this machine.
    """

    plan: Plan
    seed: int
    workspace: Workspace
    job: Job
    place: Place | None = None
    log: Path | None = None
    position: int = 0
    step: int = 0
    tail: str = ""
    is_unreadable: bool = False

    @property
    def key(self) -> str:
        """Return the name of its folder, which no other run has."""
        return self.workspace.folder.name

    @property
    def name(self) -> str:
        """Return what messages call it."""
        return self.plan.run_name(self.seed)


def prepare_run(plan: Plan, seed: int) -> Running:
    """Make a run's folder, and say what is to be run in it.

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
        ask(plan, workspace)
        ask_probe(plan, workspace)
        return Running(plan, seed, workspace, make_job(plan, seed, workspace))
    except BaseException:
        remove(workspace.folder)
        raise


def make_job(plan: Plan, seed: int, workspace: Workspace) -> Job:
    """Say what is to be run in a run's folder, which is filled."""
    resources = plan.program.resources
    values = {
        **plan.program.hyperparameters,
        "seed": seed,
        "reference": str(workspace.tree),
        "drivers": str(workspace.drivers),
    }
    steps = []
    for name, command in plan.program.commands.steps(smoke=plan.smoke).items():
        variables = run_variables(plan, seed, workspace, command, values)
        variables |= trace_variables(plan, workspace, name) | probe_variables(plan, workspace)
        directory = workspace.tree / command.directory if command.directory else workspace.tree
        steps.append(
            JobStep(
                name=name,
                argv=_argv(plan, name, command, values, variables, directory),
                variables=variables,
                directory=directory,
                network=command.network,
                timeout_s=command.timeout_s,
            )
        )
    return Job(
        folder=workspace.folder,
        sandbox=plan.sandbox.kind,
        device=resources.device,
        visible=(
            SHIM,
            *plan.environment.folders,
            *plan.outside_folders,
            *trace_inputs(plan, workspace),
            *probe_inputs(plan, workspace),
        ),
        memory_bytes=int(resources.memory_gb * 1e9) if resources.memory_gb else None,
        folder_bytes=int(resources.disk_gb * 1e9) if resources.disk_gb else None,
        output_bytes=int(resources.output_mb * 1e6),
        steps=tuple(steps),
    )


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


def discard(workspace: Workspace) -> None:
    """Remove an unfinished run and end its processes: its supervisor may have been killed."""
    end_processes(workspace.folder)
    remove_short_name(workspace)
    remove(workspace.folder)
