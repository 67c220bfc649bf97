"""Golden traces: what a state of the program computes, recorded once and kept, so that parity stays testable.

A trace is recorded by running the program itself under the shim (`running/shim/_scaffold_trace`): in its own dtype, in
float64, once more to see by how much it differs from itself, and the smoke command in float64. `golden/NAME/` holds
about.json, then a folder a kind, then one a command, each with index.json and tensors.safetensors.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scaffold.errors import ProjectError, RunError
from scaffold.inputs import file_digest
from scaffold.project import Project, only_one, read_record, record_text, remove, write_json, write_text
from scaffold.records.evidence import Outcome, RunRecord
from scaffold.records.tweak import GoldenAbout, GoldenTrace, Tweak
from scaffold.references.folder import list_files
from scaffold.rules.entries import noise_of
from scaffold.rules.rung import Trace
from scaffold.running.plan import Plan, Tracing
from scaffold.running.slots import Watcher, run_seeds
from scaffold.running.tracing import INDEX, TENSORS, read_traces

Traces = Mapping[str, Mapping[str, Trace]]
"""Traces by kind, and in each by the name of the command."""

_ABOUT = "about.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A golden trace where it lies, and what its about.json says."""

    folder: Path
    about: GoldenAbout

    @property
    def record(self) -> GoldenTrace:
        """How evidence and declarations name it."""
        return GoldenTrace(name=self.folder.name, sha256=file_digest(self.folder / _ABOUT))

    @property
    def traces(self) -> Traces:
        """All of it, read."""
        found: dict[str, dict[str, Trace]] = {}
        for kind in self.about.kinds:
            about = self.about
            metrics = (about.metrics, about.full_metrics) if kind == "own" else ({}, {})
            found[kind] = {
                step: Trace(index=index, arrays=arrays, metrics=metrics[0], full_metrics=metrics[1])
                for step, (index, arrays) in read_traces(self.folder / kind).items()
            }
        return found

    def files(self) -> dict[str, bytes]:
        """Contents by path below `golden/`."""
        return {
            f"{self.folder.name}/{path.relative_to(self.folder).as_posix()}": path.read_bytes()
            for path in list_files(self.folder)
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """How a program is traced that is not like most: by its functions, or with training in evaluation mode."""

    functions: bool = False
    by_gradient: bool = False


_USUAL = Mode()


def golden_name(state: str) -> str:
    """The folder of a state's golden trace."""
    return state[:12]


def read_golden(folder: Path, expected: GoldenTrace | None = None) -> Golden:
    """A golden trace, every file of it being what was recorded.

    Raises:
        ProjectError: it is not there, or was edited.
    """
    about = folder / _ABOUT
    restore = f"git checkout -- golden/{folder.name}"
    if not about.is_file():
        raise ProjectError(f"there is no golden trace {folder}", hint=restore)
    if expected is not None and file_digest(about) != expected.sha256:
        raise ProjectError(f"{about} is not what the rewrite was started with", hint=restore)
    golden = Golden(folder=folder, about=read_record(GoldenAbout, about))
    there = {path.relative_to(folder).as_posix(): path for path in list_files(folder)}
    edited = [name for name, digest in golden.about.files.items()
              if name not in there or there[name].is_symlink() or file_digest(there[name]) != digest]  # fmt: skip
    edited += sorted(there.keys() - golden.about.files.keys() - {_ABOUT})
    if edited:
        raise ProjectError(f"golden/{folder.name} was edited after it was recorded: {', '.join(edited[:5])}",
                           hint=restore)  # fmt: skip
    return golden


def require_golden(project: Project, tweak: Tweak) -> Golden:
    """The golden trace that a rewrite was started with.

    Raises:
        ProjectError: it is gone, or was edited.
    """
    if tweak.golden is None:
        raise ProjectError(f"rewrite {tweak.name} names no golden trace", hint="scaffold rewrite drop, then start anew")
    return read_golden(project.golden / tweak.golden.name, tweak.golden)


def record_golden(project: Project, plan: Plan, smoke: Plan | None, state: str, watcher: Watcher) -> Golden:
    """Record the golden trace of a program, aside, and keep it under `.scaffold/golden/`; an earlier one is used.

    Args:
        project: whose program it is.
        plan: the program made ready to run.
        smoke: the same for its smoke command, if it has one.
        state: git id of the state that it is.
        watcher: is told of the runs.

    Raises:
        RunError: the program failed, or nothing of it could be seen.
        ProjectError: another scaffold makes runs here.
    """
    folder = project.state / "golden" / golden_name(state)
    if folder.exists():
        try:
            return read_golden(folder)
        except ProjectError:
            remove(folder)
    aside = folder.with_name(f".{folder.name}.part")
    remove(aside)
    aside.mkdir(parents=True)
    with only_one(project):
        try:
            about = _record(project, plan, smoke, state, watcher, aside)
            write_text(aside / _ABOUT, record_text(about))
            aside.rename(folder)
        finally:
            remove(aside)
    return read_golden(folder)


def _record(
    project: Project, plan: Plan, smoke: Plan | None, state: str, watcher: Watcher, aside: Path
) -> GoldenAbout:  # fmt: skip
    watcher.said("the golden trace, in the program's own dtype")
    own, metrics, mode = _record_own(project, plan, aside / "own", watcher)
    kinds: list[Any] = ["own"]
    left_out: list[str] = []

    def record(kind: str, which: Plan, *, replay: bool) -> None:
        try:
            found, _ = traced(
                project, which, aside / kind, None, watcher, dtype="float64", replay=replay,
                mode=mode,
            )  # fmt: skip
        except RunError as error:
            left_out.append(f"{kind}: {error.message.splitlines()[-1].strip()}")
            return
        kinds.extend([kind] if found else [])

    if not mode.functions:
        watcher.said("the same in float64")
        record("float64", plan, replay=False)
    watcher.said("the same again, to see by how much it differs from itself")
    other = replace(plan, threads=1 if plan.threads > 1 else 2)
    again, full_metrics = traced(project, other, aside / "again", aside / "own", watcher, disturb=True, mode=mode)
    for step, trace in own.items():
        if step in again:
            _write_noise(aside / "own" / step, trace, again[step])
    if smoke is not None and "float64" in kinds:
        watcher.said("its smoke command in float64")
        record("replay", smoke, replay=True)
    for kind in {"again", "float64", "replay"} - set(kinds):
        remove(aside / kind)
    files = {path.relative_to(aside).as_posix(): file_digest(path) for path in list_files(aside)}
    return GoldenAbout(
        state=state, kinds=tuple(kinds), metrics=metrics, full_metrics=full_metrics, left_out=tuple(left_out),
        packages=tuple(plan.environment.packages), files=files, functions=mode.functions,
        by_gradient=mode.by_gradient,
    )  # fmt: skip


def _record_own(
    project: Project, plan: Plan, folder: Path, watcher: Watcher
) -> tuple[dict[str, Trace], dict[str, float], Mode]:
    """The trace in the program's own dtype, its metrics, and what about the program asks for another way of tracing."""
    own, metrics = traced(project, plan, folder, None, watcher)
    mode = Mode(functions=not own, by_gradient=any("trained_in_evaluation" in trace.index for trace in own.values()))
    if mode != _USUAL:
        own, metrics = traced(project, plan, folder, None, watcher, mode=mode)
    if not own:
        raise RunError(
            f"nothing of {plan.title} could be traced: it calls no torch module, and no function of its own files",
            hint="put what it computes into functions, and call them",
        )
    return own, metrics, mode


def _write_noise(folder: Path, trace: Trace, again: Trace) -> None:
    """Put beside each tensor by how much the program differs from itself there."""
    index = dict(trace.index)
    index["entries"] = noise_of(trace, again)
    write_json(index, folder / INDEX)


def traced(
    project: Project, plan: Plan, destination: Path, golden: Path | None, watcher: Watcher, *, dtype: str = "own",
    replay: bool = False, weights: Mapping[str, Any] | None = None, flip: bool = False, disturb: bool = False,
    mode: Mode = _USUAL,
) -> tuple[dict[str, Trace], dict[str, float]]:  # fmt: skip
    """Run a program once under the tracer; keep what it recorded in `destination`.

    Returns:
        traces by command, and the metrics that the program reported of made-up outputs.

    Raises:
        RunError: the program failed before anything was recorded, or by itself.
    """
    asked = {
        "dtype": dtype, "replay": replay, "weights": dict(weights or {}), "flip": flip, "disturb": disturb,
        "by_gradient": mode.by_gradient, "functions": mode.functions,
    }  # fmt: skip
    plan = replace(plan, tracing=Tracing(golden=golden, asked=asked), runs_dir=project.state / "traces")
    records = run_seeds(plan, [plan.program.seeds.first], 1, _Quiet(watcher))
    record: RunRecord = records[0]
    folder = plan.runs_dir / record.id
    try:
        found = read_traces(folder / "trace")
        # In float64 a trace ends where all was seen: what comes after it has nothing to work on.
        is_done = any(index.get("ended") == "done" for index, _ in found.values())
        if record.outcome not in (Outcome.COMPLETED, Outcome.NO_METRIC) and not is_done:
            raise RunError(
                f"{plan.title} did not end well while it was traced\n  {record.outcome.value}: {record.reason}",
                hint="does it run by itself? scaffold run --smoke",
            )
        remove(destination)
        for step in found:  # of all that a program may have put there, only what was read
            (destination / step).mkdir(parents=True)
            for name in (INDEX, TENSORS):
                shutil.copyfile(folder / "trace" / step / name, destination / step / name, follow_symlinks=False)
    finally:
        remove(folder)
    metrics = {name: value.value for name, value in record.metrics.items()}
    return {
        step: Trace(index=index, arrays=arrays, metrics=metrics) for step, (index, arrays) in found.items()
    }, metrics


@dataclass(frozen=True, slots=True)
class _Quiet:
    """Shows that a traced run advances, and none of what it reports: its metrics are made of made-up outputs."""

    watcher: Watcher

    def started(self, seed: int, smoke: bool) -> None:
        self.watcher.started(seed, smoke)

    def advanced(self, seed: int, step: int, elapsed_s: float) -> None:
        self.watcher.advanced(seed, step, elapsed_s)

    def ended(self, record: RunRecord) -> None:
        quiet = record.model_copy(update={"metrics": {}, "outcome": Outcome.COMPLETED, "reason": ""})
        self.watcher.ended(quiet)

    def said(self, text: str) -> None:
        self.watcher.said(text)


def modules_of(traces: Mapping[str, Trace]) -> Sequence[Mapping[str, Any]]:
    """All modules of all networks that were called, in the order of their definition."""
    return [module for trace in traces.values() for network in trace.index["networks"] for module in network["modules"]]
