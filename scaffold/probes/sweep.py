"""Sweep hyperparameters of the present program: a run for each trial, all on the same seeds."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from scaffold.errors import UsageError
from scaffold.probes.analyzed import present_state
from scaffold.project.digests import inputs_of
from scaffold.project.files import write_text
from scaffold.project.lock import only_one
from scaffold.project.project import Project, load_yaml
from scaffold.records.evidence import Outcome, RunRecord
from scaffold.records.fields import Scalar, scalar_like
from scaffold.records.metric import Metric
from scaffold.records.program import CALIBRATION_SEED, Program
from scaffold.records.sweep import Sweep, SweepTrial
from scaffold.records.yaml_text import dump_yaml
from scaffold.rules.loop.sweep import (
    Choices,
    Dimension,
    Range,
    Trial,
    best_first,
    edges,
    still_improves,
    trial_values,
)
from scaffold.running.batch import run_all
from scaffold.running.plan import Plan
from scaffold.running.preparation import ProgramFiles, prepare_program
from scaffold.running.session import Session
from scaffold.running.store import find_runs, read_series
from scaffold.running.unfinished import discard_unfinished

_RESULTS = (Outcome.COMPLETED, Outcome.NO_METRIC, Outcome.FAILED)
"""Ends that the values may have brought about: such a run is not made again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRequest:
    """What the user asks for.

    Attributes:
        ranges: by hyperparameter, as typed: `1e-4..0.1`, or `adam,sgd`.
        trials: besides the present values.
        seeds: of each trial.
    """

    ranges: Mapping[str, str]
    metric: str
    trials: int
    seeds: int


def parse_ranges(program: Program, ranges: Mapping[str, str]) -> dict[str, Dimension]:
    """Return the hyperparameters to sweep.

    Raises:
        UsageError: there is no such hyperparameter, or no such range of it; all problems at once.
    """
    dimensions: dict[str, Dimension] = {}
    problems = []
    for name, text in ranges.items():
        if name not in program.hyperparameters:
            known = ", ".join(program.hyperparameters) or "none"
            problems.append(f"there is no hyperparameter {name!r}; there are: {known}")
            continue
        try:
            dimensions[name] = _dimension(program.hyperparameters[name], text)
        except ValueError as error:
            problems.append(f"{name}={text}: {error}")
    if problems:
        raise UsageError(
            "a sweep that cannot be made:\n  " + "\n  ".join(problems),
            hint="scaffold sweep lr=1e-4..0.1 width=16..256 optimizer=adam,sgd",
        )
    return dimensions


def _dimension(present: Scalar, text: str) -> Dimension:
    """Return a range of numbers or a list of values, of the type of the present one."""
    low_text, dots, high_text = text.partition("..")
    is_number = isinstance(present, (int, float)) and not isinstance(present, bool)
    if dots and is_number:
        try:
            low, high = float(low_text), float(high_text)
        except ValueError:
            raise ValueError("must be two numbers, LOW..HIGH") from None
        is_whole = isinstance(present, int)
        if is_whole and not (low.is_integer() and high.is_integer()):
            raise ValueError(f"must be whole numbers, as {present} is")
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError("must go from a number to a larger one")
        return Range(low, high, is_whole)
    values = tuple(scalar_like(present, one.strip()) for one in text.split(","))
    if len(set(values)) < 2:
        raise ValueError("must be a range, LOW..HIGH, or at least two values")
    return Choices(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """A sweep with its trials in order, and how often validation has been looked at in all."""

    sweep: Sweep
    path: Path
    ordered: Sequence[Trial]
    looks: int

    @property
    def present(self) -> Trial:
        """Return the trial of the program's own values."""
        return _trial(self.sweep, self.sweep.trials[0])


def run_sweep(session: Session, files: ProgramFiles, request: SweepRequest) -> Swept:
    """Run the trials that are missing, and write `sweeps/NAMES.yaml`.

    Their seeds are the last ones before those of calibration, which no tweak is judged with: what
    was chosen by them is judged by others.

    Raises:
        UsageError: the request does not fit the program.
        RunError: nothing is left of a run; those that ended are kept.
    """
    project, program = session.project, files.program
    dimensions = parse_ranges(program, request.ranges)
    metric = _metric(program, request.metric)
    seeds = _seeds(program, request.seeds)
    values = trial_values(dimensions, program.hyperparameters, request.trials)
    base = replace(prepare_program(session, files), runs_dir=project.scaffold_dir / "sweeps")
    plans = [_plan(base, files, one, number) for number, one in enumerate(values)]
    with only_one(project):
        jobs = [
            (plan, seed)
            for plan in plans
            for seed in seeds
            if seed not in {run.seed for run in _runs(plan) if run.outcome in _RESULTS}
        ]
        if jobs:
            discard_unfinished(project)
            session.listener.planned(len(jobs), base.slots, program.resources.run_time_s)
            run_all(jobs, session.listener)
    runs = [{run.seed: run for run in _runs(plan)} for plan in plans]
    sweep = Sweep(
        created=datetime.now(timezone.utc).isoformat(timespec="minutes"),
        state=present_state(project),
        metric=metric.name,
        split=metric.split,
        direction=metric.direction,
        ranges=request.ranges,
        seeds=tuple(seeds),
        trials=tuple(
            SweepTrial(
                values=one, results=tuple(_value(by_seed.get(seed), metric.name) for seed in seeds)
            )
            for one, by_seed in zip(values, runs, strict=True)
        ),
    )
    ordered = _ordered(sweep)
    if ordered:
        best = runs[values.index(dict(ordered[0].values))][seeds[0]]
        points = read_series(base.runs_dir / best.id).get(metric.name, ())
        curve = [value for _, value in points]
        ends = {name: edge.value for name, edge in edges(dimensions, ordered).items()}
        sweep = sweep.model_copy(
            update={"edges": ends, "still_improves": still_improves(curve, metric.direction)}
        )
    path = _write(project, sweep)
    return Swept(
        sweep=sweep,
        path=path,
        ordered=ordered,
        looks=_looks(_load_all(project).values(), sweep.split),
    )


def _metric(program: Program, name: str) -> Metric:
    metric = next((one for one in program.metrics if one.name == name), None)
    if metric is None:
        known = ", ".join(one.name for one in program.metrics)
        raise UsageError(f"--metric {name}: there is none of that name", hint=f"there are: {known}")
    return metric


def _seeds(program: Program, n: int) -> list[int]:
    if program.seeds.how == "none":
        return [program.seeds.first]
    last = CALIBRATION_SEED - program.seeds.retries
    if last - n <= program.seeds.first:
        raise UsageError(f"--seeds {n}: there are {last - program.seeds.first - 1} seeds")
    return list(range(last - n, last))


def _plan(base: Plan, files: ProgramFiles, values: Mapping[str, Scalar], number: int) -> Plan:
    """Return the plan of a trial: what was prepared is prepared once for all."""
    program = files.program.with_values(values)
    return replace(
        base,
        program=program,
        inputs=inputs_of(program, files.source.folder, files.tree, base.environment.lock),
        series=f"trial {number}" if number else "as it is",
    )


def _runs(plan: Plan) -> list[RunRecord]:
    return find_runs(plan.runs_dir, plan.inputs, plan.program)


def _value(run: RunRecord | None, metric: str) -> float | None:
    """Return what a run gave; None if it did not end well, or diverged."""
    if run is None or run.outcome is not Outcome.COMPLETED or metric not in run.metrics:
        return None
    value = run.metrics[metric].value
    return value if math.isfinite(value) else None


def _trial(sweep: Sweep, trial: SweepTrial) -> Trial:
    results = zip(sweep.seeds, trial.results, strict=True)
    return Trial(
        values=trial.values, by_seed={seed: one for seed, one in results if one is not None}
    )


def _ordered(sweep: Sweep) -> list[Trial]:
    return best_first([_trial(sweep, one) for one in sweep.trials], sweep.direction)


def _write(project: Project, sweep: Sweep) -> Path:
    """Write a sweep; over an earlier one of the same state and ranges, which it goes on with."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", "-".join(sweep.ranges))[:60].strip(".-") or "sweep"
    number = 1
    while True:
        path = project.sweeps / (f"{name}.yaml" if number == 1 else f"{name}-{number}.yaml")
        if not path.exists() or _is_continued(load_yaml(Sweep, path), sweep):
            break
        number += 1
    document = dump_yaml(sweep.model_dump(mode="json"))
    write_text(path, document)
    return path


def _is_continued(earlier: Sweep, sweep: Sweep) -> bool:
    def kind(one: Sweep) -> tuple[object, ...]:
        return one.state, one.metric, dict(one.ranges), one.seeds

    return kind(earlier) == kind(sweep) and len(earlier.trials) <= len(sweep.trials)


def read_sweeps(project: Project) -> list[Swept]:
    """Return the sweeps of a project, the newest first.

    Raises:
        BrokenFileError: with all problems of a file.
    """
    sweeps = _load_all(project)
    swept = [
        Swept(
            sweep=sweep,
            path=path,
            ordered=_ordered(sweep),
            looks=_looks(sweeps.values(), sweep.split),
        )
        for path, sweep in sweeps.items()
    ]
    return sorted(swept, key=lambda one: one.sweep.created, reverse=True)


def _load_all(project: Project) -> dict[Path, Sweep]:
    return {path: load_yaml(Sweep, path) for path in sorted(project.sweeps.glob("*.yaml"))}


def _looks(sweeps: Iterable[Sweep], split: str) -> int:
    """Return how many configurations sweeps have compared by a split: so often was it looked at."""
    return len(
        {
            (sweep.state, frozenset(trial.values.items()))
            for sweep in sweeps
            if sweep.split == split
            for trial in sweep.trials
            if any(result is not None for result in trial.results)
        }
    )
