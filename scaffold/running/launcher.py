"""One run: started under supervision, followed, read and recorded. A killed run leaves no record."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from scaffold.environment import ReadyEnvironment
from scaffold.errors import RunError
from scaffold.project import write_json, write_record
from scaffold.records.evidence import EnvironmentUsed, Inputs, MetricValue, Outcome, RunRecord, StepResult
from scaffold.records.fields import fill_slots
from scaffold.records.recipe import Command, Recipe
from scaffold.resources import describe_machine
from scaffold.running.readers import read_lines, read_metric
from scaffold.running.workspace import Workspace, fill

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_SHIM = Path(__file__).with_name("shim")

_SECRET = re.compile(
    r"(TOKEN|SECRET|PASSWORD|PASSWD|PASS|CREDENTIALS?|API_?KEY|_KEY|_KEY_ID|_PAT|COOKIE)(_|$)|^(AWS|AZURE|GOOGLE|GCP)_",
    re.IGNORECASE,
)
"""Names of variables that a run does not get to see."""

_CREDENTIALS_IN_URL = re.compile(r"://[^/@\s]+@")
"""Values that a run does not get to see, whatever their variable is called."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_DROPPED = ("PYTHONHOME", "PYTHONSTARTUP", "PYTHONPATH", "PYTHONWARNINGS", "GIT_DIR", "GIT_WORK_TREE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that the runs of one recipe share."""

    recipe: Recipe
    recipe_dir: Path
    reference: Path
    environment: ReadyEnvironment
    datasets: Mapping[str, Path]
    inputs: Inputs
    smoke: bool
    threads: int
    runs_dir: Path

    def run_id(self, seed: int) -> str:
        """Names a run by all that decides its result."""
        kind = "smoke" if self.smoke else "seed"
        return f"{kind}-{seed}-{self.inputs.digest[:12]}"


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
    tail: str = field(default="")


def start(plan: Plan, seed: int) -> Running:
    """Make a run's folder and start its commands.

    Raises:
        RunError: a command's program does not exist.
    """
    plan.runs_dir.mkdir(parents=True, exist_ok=True)
    workspace = Workspace(plan.runs_dir / f".{plan.run_id(seed)}")
    try:
        fill(workspace, plan.recipe, plan.recipe_dir, plan.reference, plan.datasets)
        spec = _spec(plan, seed, workspace)
        path = workspace.folder / "supervisor.json"
        path.write_text(json.dumps(spec))
    except BaseException:
        shutil.rmtree(workspace.folder, ignore_errors=True)
        raise
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(_SUPERVISOR), str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    return Running(plan, seed, workspace, process, datetime.now(timezone.utc), time.monotonic())


def _spec(plan: Plan, seed: int, workspace: Workspace) -> dict[str, Any]:
    steps = []
    for index, (name, command) in enumerate(plan.recipe.commands.steps(smoke=plan.smoke).items()):
        values = {
            **plan.recipe.hyperparameters, "seed": seed,
            "reference": str(workspace.tree), "drivers": str(workspace.drivers),
        }  # fmt: skip
        environment = _variables(plan, seed, workspace, command, values)
        directory = workspace.tree / command.directory if command.directory else workspace.tree
        steps.append(
            {
                "name": name,
                "argv": _argv(plan, name, command, values, environment, directory),
                "directory": str(directory),
                "environment": environment,
                "stdout": str(workspace.logs / f"{index}-{name}.out"),
                "stderr": str(workspace.logs / f"{index}-{name}.err"),
                "timeout_s": command.timeout_s,
            }
        )
    return {"result": str(workspace.folder / "result.json"), "steps": steps}


def _argv(
    plan: Plan, name: str, command: Command, values: Mapping[str, Any], environment: Mapping[str, str], directory: Path
) -> list[str]:
    argv = [fill_slots(word, values) for word in command.argv]
    if not directory.is_dir():
        raise RunError(f"commands.{name}.directory: the reference has no folder {command.directory!r}")
    if argv[0] in ("python", "python3"):
        return [str(plan.environment.python), *argv[1:]]
    program = shutil.which(str(directory / argv[0]) if "/" in argv[0] else argv[0], path=environment["PATH"])
    if program is None:
        raise RunError(
            f"commands.{name}: there is no program {argv[0]!r} in the environment, the reference or on PATH",
            hint="correct the command, or add the package that brings it to environment.packages",
        )
    return [program, *argv[1:]]


def _variables(
    plan: Plan, seed: int, workspace: Workspace, command: Command, values: Mapping[str, Any]
) -> dict[str, str]:
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in _DROPPED and not _SECRET.search(name) and not _CREDENTIALS_IN_URL.search(value)
    }
    bin_dir = plan.environment.python.parent
    own = {name: fill_slots(value, values) for name, value in command.variables.items()}
    seeds = plan.recipe.seeds
    variables |= {
        "PATH": f"{bin_dir}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "VIRTUAL_ENV": str(bin_dir.parent),
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONHASHSEED": str(seed % 2**32),
        "TMPDIR": str(workspace.temporary),
        "MPLBACKEND": "Agg",
        "SCAFFOLD_SEED_HOW": seeds.how,
        "SCAFFOLD_SEED": str(seed),
        "SCAFFOLD_SEED_REPORT": str(workspace.seeding),
        **dict.fromkeys(_THREAD_VARIABLES, str(plan.threads)),
        **({seeds.variable: str(seed)} if seeds.variable else {}),
        **own,
    }
    variables["PYTHONPATH"] = os.pathsep.join([str(_SHIM), *([own["PYTHONPATH"]] if "PYTHONPATH" in own else [])])
    return variables


def follow(running: Running) -> int:
    """How many steps of its progress a run has reached; reads only what was written since the last call."""
    progress = running.plan.recipe.progress
    if progress is None:
        return 0
    suffix, pattern = (".out", progress.stdout) if progress.stdout else (".err", progress.stderr or "")
    logs = sorted(running.workspace.logs.glob(f"*{suffix}"))
    if not logs:
        return 0
    if logs[-1] != running.log:
        running.log, running.position, running.tail = logs[-1], 0, ""
    with logs[-1].open("rb") as file:
        file.seek(running.position)
        fresh = file.read(1 << 20)
    running.position += len(fresh)
    *lines, running.tail = re.split(r"[\r\n]", running.tail + fresh.decode(errors="replace"))
    running.tail = running.tail[-2000:]
    steps = [match["step"] for line in lines if (match := re.search(pattern, line[:2000]))]
    if steps and steps[-1].isdigit():
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
        shutil.rmtree(running.workspace.folder, ignore_errors=True)


def finish(running: Running) -> RunRecord:
    """Read and record a run whose supervisor has ended, and rename its folder into place."""
    plan, workspace = running.plan, running.workspace
    said, _ = running.process.communicate()
    result = workspace.folder / "result.json"
    if not result.exists():
        shutil.rmtree(workspace.folder, ignore_errors=True)
        last = said.decode(errors="replace").strip().splitlines()[-1:] or [f"status {running.process.returncode}"]
        raise RunError(f"seed {running.seed}: the run's supervisor was ended from outside: {last[0]}")
    document = json.loads(result.read_text())
    steps = tuple(StepResult.model_validate(step) for step in document["steps"])
    outcome, reason = _outcome(document["ended"], steps, plan, workspace)
    metrics: dict[str, MetricValue] = {}
    series: dict[str, list[tuple[int, float]]] = {}
    if outcome is Outcome.COMPLETED and not plan.smoke:
        outcome, reason, metrics, series = _read_metrics(plan.recipe, workspace)
    final = _free_name(plan.runs_dir, plan.run_id(running.seed))
    record = RunRecord(
        id=final.name, seed=running.seed, smoke=plan.smoke, outcome=outcome, reason=reason, inputs=plan.inputs,
        reading=plan.recipe.reading_digest(),
        steps=steps, metrics=metrics, seeding=_seeding(workspace),
        environment=EnvironmentUsed(
            python=plan.environment.version, lock=plan.environment.lock, reused=plan.environment.reused
        ),
        machine=describe_machine(), threads=plan.threads, started=running.started.isoformat(timespec="seconds"),
        wall_time_s=time.monotonic() - running.started_s,
    )  # fmt: skip
    write_json(series, workspace.folder / "series.json")
    write_record(record, workspace.folder / "run.json")
    for leftover in (result, workspace.folder / "supervisor.json"):
        leftover.unlink()
    shutil.rmtree(workspace.temporary, ignore_errors=True)
    workspace.folder.rename(final)
    return record


def _free_name(runs_dir: Path, run_id: str) -> Path:
    attempt = 1
    while (runs_dir / f"{run_id}{f'-{attempt}' if attempt > 1 else ''}").exists():
        attempt += 1
    return runs_dir / f"{run_id}{f'-{attempt}' if attempt > 1 else ''}"


def _outcome(ended: str, steps: tuple[StepResult, ...], plan: Plan, workspace: Workspace) -> tuple[Outcome, str]:
    if ended == "completed":
        return Outcome.COMPLETED, ""
    last = steps[-1]
    if ended == "timed_out":
        limit = plan.recipe.commands.steps(smoke=plan.smoke)[last.name].timeout_s
        return Outcome.TIMED_OUT, (
            f"{last.name} did not end by itself within its limit of {limit:g} s: "
            f"raise commands.{last.name}.timeout_s, or give the program a number of steps"
        )
    if ended == "stopped":
        return Outcome.FAILED, f"{last.name} was stopped from outside"
    status = last.exit_status or 0
    how = f"was ended by signal {-status}" if status < 0 else f"exited with status {status}"
    lines = [line for line in read_lines(workspace.logs / f"{len(steps) - 1}-{last.name}.err") if line.strip()]
    return Outcome.FAILED, f"{last.name} {how}" + (f": {lines[-1].strip()[:300]}" if lines else "")


def read_again(record: RunRecord, recipe: Recipe, folder: Path) -> RunRecord:
    """Read the metrics of a kept run anew, after the recipe says otherwise where or how they are read."""
    outcome, reason, metrics, series = _read_metrics(recipe, Workspace(folder))
    fresh = record.model_copy(
        update={"outcome": outcome, "reason": reason, "metrics": metrics, "reading": recipe.reading_digest()}
    )
    write_json(series, folder / "series.json")
    write_record(fresh, folder / "run.json")
    return fresh


def _read_metrics(
    recipe: Recipe, workspace: Workspace
) -> tuple[Outcome, str, dict[str, MetricValue], dict[str, list[tuple[int, float]]]]:
    metrics, series, problems = {}, {}, []
    for metric in recipe.metrics:
        try:
            metrics[metric.name], points = read_metric(metric, workspace.logs, workspace.tree)
        except RunError as error:
            problems.append(error.message + (f" ({error.hint})" if error.hint else ""))
            continue
        series[metric.name] = [
            (point.step if point.step is not None else index, point.value)
            for index, point in enumerate(points)
            if math.isfinite(point.value)
        ]
    if problems:
        return Outcome.NO_METRIC, "; ".join(problems), {}, series
    return Outcome.COMPLETED, "", metrics, series


def _seeding(workspace: Workspace) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for report in sorted(workspace.seeding.glob("*.json")):
        content = json.loads(report.read_text())
        for library, calls in [*content["calls"].items(), ("not reached", content["missed"])]:
            found.setdefault(library, []).extend(call for call in calls if call not in found.get(library, []))
    return {library: tuple(calls) for library, calls in found.items() if calls}
