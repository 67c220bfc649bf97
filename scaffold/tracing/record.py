"""Record what a program computes, by running it under the tracer."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from scaffold.errors import ProjectError, RunError
from scaffold.git.trees import list_files
from scaffold.project.digests import file_digest
from scaffold.project.files import record_text, remove, write_text
from scaffold.project.lock import only_one
from scaffold.project.project import Project
from scaffold.records.evidence import Outcome, RunRecord
from scaffold.records.tweak import GoldenAbout
from scaffold.rules.parity.checks import Trace
from scaffold.rules.parity.entries import noise_of, noise_of_series
from scaffold.running.batch import ProgressListener, run_seeds
from scaffold.running.plan import Plan, Tracing
from scaffold.running.tracing import INDEX, TENSORS, read_traces
from scaffold.tracing.golden import ABOUT, Golden, golden_name, read_golden

_ENDED = ("done", "unmatched", "starved", "auxiliary")
"""How a tracer ends a program itself: there is nothing more to see of it, or it must be traced in
another way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """How a program is traced that is not like most.

    Attributes:
        functions: by its functions, since it calls no network.
        by_gradient: it trains in evaluation mode.
        real: it cannot live with made-up outputs, and is followed as it runs.
        auxiliary: calls without gradient that belong to training, since other networks train on
            what they give.
    """

    functions: bool = False
    by_gradient: bool = False
    real: bool = False
    auxiliary: tuple[str, ...] = ()

    def corrected(self, traces: Mapping[str, Trace]) -> "Mode":
        """Return the mode that a trace asks for; the same if it is right."""
        indexes = [trace.index for trace in traces.values()]
        feeding = {name for index in indexes for name in index.get("feeds_training", ())}
        return Mode(
            functions=self.functions or not traces,
            by_gradient=self.by_gradient
            or any("trained_in_evaluation" in index for index in indexes),
            real=self.real or any(_is_starved(index) for index in indexes),
            auxiliary=tuple(sorted(feeding | set(self.auxiliary))),
        )


def _is_starved(index: Mapping[str, Any]) -> bool:
    """Return whether a program trained on nothing.

    Made-up outputs never gave the loss it waits for.
    """
    return bool(index.get("starved")) or bool(index.get("entered") and not index.get("steps"))


_USUAL = Mode()


def record_golden(
    project: Project, plan: Plan, smoke: Plan | None, snapshot: str, listener: ProgressListener
) -> Golden:
    """Record a program's golden trace under `.scaffold/golden/`, or use an earlier one.

    Args:
        project: whose program it is.
        plan: the program made ready to run.
        smoke: the same for its smoke command, if it has one.
        snapshot: git id of the snapshot that it is.
        listener: is told of the runs.

    Raises:
        RunError: the program failed, or nothing of it could be seen.
        ProjectError: another scaffold makes runs here.
    """
    folder = project.scaffold_dir / "golden" / golden_name(snapshot)
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
            about = _record(project, plan, smoke, snapshot, listener, aside)
            write_text(aside / ABOUT, record_text(about))
            aside.rename(folder)
        finally:
            remove(aside)
    return read_golden(folder)


def _record(
    project: Project,
    plan: Plan,
    smoke: Plan | None,
    snapshot: str,
    listener: ProgressListener,
    aside: Path,
) -> GoldenAbout:
    listener.message("the golden trace, in the program's own dtype")
    recorder = _Recorder(project, plan, smoke or plan, aside, listener)
    metrics = recorder.own()
    mode = recorder.mode
    if not mode.functions:
        listener.message("the same in float64")
        recorder.record("float64", plan, TraceRequest(dtype="float64"))
    listener.message("the same again, to see by how much it differs from itself")
    other = replace(plan, threads=1 if plan.threads > 1 else 2)
    full_metrics = recorder.again("own", other, TraceRequest(disturb=True))
    replayed: Mapping[str, float] = {}
    if "float64" in recorder.kinds:
        recorder.again("float64", plan, TraceRequest(dtype="float64", disturb=True))
        listener.message("a short run in float64, nothing given but its first weights")
        seconds = _REPLAY_SECONDS + _REPLAY_SHARE * plan.program.resources.run_time_s
        request = TraceRequest(dtype="float64", replay=True, seconds=seconds)
        replayed = recorder.record("replay", smoke or plan, request)
        recorder.again("replay", smoke or plan, replace(request, disturb=True))
    if not mode.functions:
        listener.message("a short run by its functions, for those that no network calls")
        recorder.mode = Mode(functions=True)
        recorder.record("functions", smoke or plan, TraceRequest())
        recorder.again("functions", smoke or plan, TraceRequest(disturb=True))
    files = {path.relative_to(aside).as_posix(): file_digest(path) for path in list_files(aside)}
    return GoldenAbout(
        snapshot=snapshot,
        kinds=tuple(recorder.kinds),
        metrics=metrics,
        full_metrics=full_metrics,
        replayed_metrics=dict(replayed),
        left_out=tuple(recorder.left_out),
        packages=tuple(plan.environment.packages),
        files=files,
        functions=mode.functions,
        by_gradient=mode.by_gradient,
        real=mode.real,
        auxiliary=mode.auxiliary,
    )


_REPLAY_SECONDS = 0.4
_REPLAY_SHARE = 0.03
"""Processor time after which a replay ends: so much, and this share of a run of the recipe
(docs/performance.md)."""


_MOST_MODES = 4
"""Runs until a program is traced as it must be: each may show one thing more that it asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRequest:
    """What of a program is traced, and how.

    Attributes:
        dtype: `own` or `float64`.
        replay: nothing is given but the first weights.
        flip: masks are made of mirrored numbers.
        disturb: inputs are rounded otherwise.
        seconds: of processor time after which a replay ends.
        weights: what own tensors are made of.
        renamed: functions that are called otherwise in the reference.
        golden: the trace whose values are fed; None when that is being made.
        known: by command, the steps that are fed because they are among the last, and the number of
            evaluations.
    """

    dtype: str = "own"
    replay: bool = False
    flip: bool = False
    disturb: bool = False
    seconds: float = 0.0
    weights: Mapping[str, Any] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, Any] = field(default_factory=dict)
    golden: Path | None = None


@dataclass(slots=True)
class _Recorder:
    """What all traces of one recording share."""

    project: Project
    plan: Plan
    short: Plan
    aside: Path
    listener: ProgressListener
    mode: Mode = _USUAL
    kinds: list[Any] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def own(self) -> dict[str, float]:
        """Record the trace in the program's own dtype and mode; return its metrics.

        A first run shows how many steps and evaluations there are, so that late ones can be looked
        at in the second.
        """
        place = self.aside / "own"
        traces, metrics = self.surveyed(place)
        if not self.mode.functions:
            known = {step: _late_steps(trace) for step, trace in traces.items()}
            _, metrics = traced(
                self.project,
                self.plan,
                place,
                self.listener,
                TraceRequest(known=known),
                self.mode,
            )
        self.kinds.append("own")
        return metrics

    def surveyed(self, place: Path) -> tuple[dict[str, Trace], dict[str, float]]:
        for _ in range(_MOST_MODES):
            try:
                traces, metrics = traced(
                    self.project, self.plan, place, self.listener, TraceRequest(), self.mode
                )
            except RunError as error:
                if self.mode.real or self.mode.functions:
                    raise
                self.mode = replace(self.mode, real=True)
                self.left_out.append(
                    f"it fails with made-up outputs, and was followed as it runs: {error.cause}"
                )
                continue
            mode = self.mode.corrected(traces)
            if mode == self.mode:
                break
            if mode.real and not self.mode.real:
                self.left_out.append(
                    "it waits for a loss that made-up outputs never give, and was followed as it"
                    " runs"
                )
            self.mode = mode
        if not traces:
            raise RunError(
                f"nothing of {self.plan.title} could be traced: it calls no torch module, and no"
                " function of its own files",
                hint="put what it computes into functions, and call them",
            )
        return traces, metrics

    def record(self, kind: str, plan: Plan, request: "TraceRequest") -> dict[str, float]:
        """Record one more kind; if it fails it is left out."""
        try:
            traces, metrics = traced(
                self.project, plan, self.aside / kind, self.listener, request, self.mode
            )
        except RunError as error:
            self.left_out.append(f"{kind}: {error.cause}")
            return {}
        self.kinds.extend([kind] if traces else [])
        return metrics

    def again(self, kind: str, plan: Plan, request: "TraceRequest") -> dict[str, float]:
        """Put beside each tensor and series by how much the program differs from itself there."""
        if kind not in self.kinds:
            return {}
        place, golden = self.aside / "again", self.aside / kind
        try:
            traces, metrics = traced(
                self.project, plan, place, self.listener, replace(request, golden=golden), self.mode
            )
        except RunError as error:
            self.left_out.append(f"the noise of {kind}: {error.cause}")
            return {}
        finally:
            remove(place)
        for step, (index, arrays) in read_traces(golden).items():
            if step in traces:
                trace = Trace(index=index, arrays=arrays)
                noisy = {
                    **index,
                    "entries": noise_of(trace, traces[step]),
                    "noise": noise_of_series(trace, traces[step]),
                }
                # A tensor may have something infinite.
                write_text(golden / step / INDEX, json.dumps(noisy))
        return metrics


def _late_steps(trace: Trace) -> dict[str, Any]:
    """Return late steps to be fed, since something may act late.

    The last ones, and some between.
    """
    steps = int(trace.index.get("steps", 0))
    late = {
        steps - 1,
        steps - 2,
        steps - 1 - steps // 20,
        steps // 2,
        steps // 2 + 1,
        3 * steps // 4,
    }
    return {
        "planned": sorted(step for step in late if step >= 0),
        "bursts": trace.index.get("bursts", 0),
    }


def traced(
    project: Project,
    plan: Plan,
    destination: Path,
    listener: ProgressListener,
    request: TraceRequest,
    mode: Mode = _USUAL,
) -> tuple[dict[str, Trace], dict[str, float]]:
    """Run a program once under the tracer; keep what it recorded in `destination`.

    Args:
        project: whose program it is.
        plan: the program made ready to run.
        destination: a folder a command is written there.
        listener: is told of the run.
        request: what is traced.
        mode: how the program must be traced.

    Returns:
        traces by command, and the metrics that the program reported of made-up outputs.

    Raises:
        RunError: the program failed before anything was recorded, or by itself.
    """
    settings = {**asdict(request), **asdict(mode)}
    golden = settings.pop("golden")
    plan = replace(
        plan,
        tracing=Tracing(golden=golden, request=settings),
        runs_dir=project.scaffold_dir / "traces",
    )
    records = run_seeds(plan, [plan.program.seeds.first], _Quiet(listener))
    record: RunRecord = records[0]
    folder = plan.runs_dir / record.id
    try:
        traces = read_traces(folder / "trace")
        # In float64 a trace ends where all was seen: what comes after it has nothing to work on.
        is_done = any(index.get("ended") in _ENDED for index, _ in traces.values())
        if record.outcome not in (Outcome.COMPLETED, Outcome.NO_METRIC) and not is_done:
            cause = f"{record.outcome.value}: {record.reason}"
            raise RunError(
                f"{plan.title} did not end well while it was traced\n  {cause}",
                cause=cause,
                hint="does it run by itself? scaffold run --smoke",
            )
        remove(destination)
        for step in traces:  # of all that a program may have put there, only what was read
            (destination / step).mkdir(parents=True)
            for name in (INDEX, TENSORS):
                shutil.copyfile(
                    folder / "trace" / step / name, destination / step / name, follow_symlinks=False
                )
    finally:
        remove(folder)
    metrics = {name: value.value for name, value in record.metrics.items()}
    return {
        step: Trace(index=index, arrays=arrays, metrics=metrics)
        for step, (index, arrays) in traces.items()
    }, metrics


@dataclass(frozen=True, slots=True)
class _Quiet:
    """A listener that passes on progress but no results: they are made of made-up outputs."""

    listener: ProgressListener

    def planned(self, runs: int, at_once: int, run_s: float) -> None:
        self.listener.planned(runs, at_once, run_s)

    def started(self, name: str) -> None:
        self.listener.started(name)

    def advanced(self, name: str, step: int, elapsed_s: float) -> None:
        self.listener.advanced(name, step, elapsed_s)

    def ended(self, name: str, record: RunRecord) -> None:
        quiet = record.model_copy(
            update={"metrics": {}, "outcome": Outcome.COMPLETED, "reason": ""}
        )
        self.listener.ended(name, quiet)

    def message(self, text: str) -> None:
        self.listener.message(text)
