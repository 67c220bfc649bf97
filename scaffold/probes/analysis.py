"""Analyze a project's predictions: believe them or not, then say where the error opens."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from scaffold.errors import ScaffoldError, UsageError
from scaffold.probes.analyzed import Analyzed, remember
from scaffold.probes.predictions import Predictions, read_predictions
from scaffold.probes.runs import ProbedRun, Prober, facts_of, table_of
from scaffold.project.files import read_record
from scaffold.project.goal import read_goal
from scaffold.project.project import Project, load_recipe
from scaffold.records.evidence import Outcome, RunRecord
from scaffold.records.goal import ErrorBound, Goal
from scaffold.records.metric import Metric
from scaffold.rules.loop.case import Case, Probe
from scaffold.rules.loop.causes import diagnose
from scaffold.rules.loop.gaps import SplitError, analyze_gaps
from scaffold.running.recording import is_own

_NAMES = ("predictions.csv", "predictions.parquet")


def analyze(project: Project, predictions: Path | None) -> Analyzed:
    """Say where the error opens, and keep the answer for the dashboard.

    Args:
        project: with its goal.
        predictions: the table; None for that of the newest run which wrote one.

    Raises:
        UsageError: what matters was not said, there is no table, or it cannot be used.
    """
    goal = _require_goal(project)
    path = (predictions or newest_predictions(project)).resolve()
    table = read_predictions(path)
    case = _case(project, goal, table, path)
    analyzed = Analyzed(
        analysis=case.analysis,
        predictions=path,
        of_classes=table.of_classes,
        goal=goal,
        constants=table.constants,
        diagnosis=diagnose(case),
    )
    remember(project, analyzed)
    return analyzed


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """One probe beside the program's own run: errors by split; `problem` where it is no result."""

    probe: Probe
    before: Mapping[str, SplitError]
    after: Mapping[str, SplitError]
    problem: str
    of_classes: bool


def probe_by_name(prober: Prober, name: str) -> Probed:
    """Run one probe, and the program itself where that was not done yet.

    Raises:
        UsageError: there is no such probe of this program; says which there are.
        RunError: the program does not end well.
    """
    watched = prober.watched()
    available = {probe.name: probe for probe in prober.available(watched)}
    if name not in available:
        known = ", ".join(available) or "none: system.yaml names no knobs (scaffold docs loop)"
        raise UsageError(f"there is no probe {name!r} of this program", hint=f"there are: {known}")
    table = table_of(watched)
    result = prober.run(available[name], watched)
    return Probed(
        probe=result.probe,
        before=table.errors,
        after=result.errors,
        problem=result.problem,
        of_classes=table.of_classes,
    )


def _require_goal(project: Project) -> Goal:
    goal = read_goal(project)
    if goal.matters is None:
        raise UsageError(
            "what difference in the error matters was not said yet",
            hint="scaffold goal set --matters 0.005 --why 'fewer complaints than we can answer'",
        )
    return goal


def _case(
    project: Project,
    goal: Goal,
    table: Predictions,
    path: Path,
    earlier: Mapping[str, Sequence[float]] = MappingProxyType({}),
) -> Case:
    """Return what a diagnosis starts from: gaps and doubts of one table."""
    assert goal.matters is not None
    bound = bound_of(goal, of_classes=table.of_classes)
    _require_shares(goal, of_classes=table.of_classes)
    analysis = analyze_gaps(table.errors, bound, goal.matters)
    otherwise = tuple(_unlike_reported(project, path, table, earlier, goal.matters))
    return Case(
        analysis=replace(analysis, doubts=(*otherwise, *analysis.doubts)),
        matters=goal.matters,
        constants=table.constants,
        reported_otherwise=otherwise,
    )


def analyze_by_probes(prober: Prober, budget: int) -> Analyzed:
    """Watch one run of the program, then run probes until they name what holds the model back.

    Args:
        prober: the program.
        budget: probes at most that are asked for, each as dear as a run, also those that ran
            before; the watched run is not one.

    Raises:
        UsageError: what matters was not said, or no predictions can be seen.
        RunError: the program does not end well.
    """
    project = prober.session.project
    goal = _require_goal(project)
    watched = prober.watched()
    table = table_of(watched)
    earlier = watched.report.earlier if watched.report is not None else {}
    case = replace(
        _case(project, goal, table, watched.table, earlier),
        facts=facts_of(watched),
        available=tuple(prober.available(watched)),
    )
    case = _probed(prober, watched, case, budget)
    # What was run by hand tells as much.
    by_hand = prober.earlier(watched, [result.probe for result in case.results])
    if by_hand:
        spent = len(case.results)
        case = replace(case, results=(*case.results, *by_hand))
        case = _probed(prober, watched, case, budget - spent)
    diagnosis = diagnose(case)
    analyzed = Analyzed(
        analysis=case.analysis,
        predictions=watched.table,
        of_classes=table.of_classes,
        goal=goal,
        constants=table.constants,
        diagnosis=diagnosis,
        results=tuple(case.results),
        runs=1 + len(case.results),
    )
    remember(project, analyzed)
    return analyzed


def _probed(prober: Prober, watched: ProbedRun, case: Case, budget: int) -> Case:
    """Return a case with the results of the probes that its diagnosis asks for, one by one."""
    for _ in range(budget):
        probe = diagnose(case).next_probe
        if probe is None:
            break
        case = replace(case, results=(*case.results, prober.run(probe, watched)))
    return case


def bound_of(goal: Goal, *, of_classes: bool) -> SplitError | None:
    """Return the bound as an error; None if it is unknown.

    Of numbers it is taken as exact: how they spread nobody stated.
    """
    bound: ErrorBound | None = goal.bound
    if bound is None or bound.value == "unknown":
        return None
    return SplitError(n=(bound.n or 0) if of_classes else 0, error=bound.value)


def _require_shares(goal: Goal, *, of_classes: bool) -> None:
    """Raise UsageError if a percentage was given where a share is meant."""
    bound = goal.bound.value if goal.bound is not None else "unknown"
    if of_classes and bound != "unknown" and bound > 1:
        raise UsageError(
            f"goal.yaml: the bound is {bound:g}, and a share of wrong examples is at most 1",
            hint=f"of {bound:g} percent: scaffold bound set {bound / 100:g} --source ...",
        )
    if of_classes and goal.matters is not None and goal.matters >= 1:
        raise UsageError(
            f"goal.yaml: {goal.matters:g} matters, and a share of wrong examples is at most 1",
            hint=f"of {goal.matters:g} percent: scaffold goal set --matters {goal.matters / 100:g}",
        )


def newest_predictions(project: Project) -> Path:
    """Return the table that the newest completed run wrote.

    Raises:
        UsageError: none did.
    """
    trees = (project.reference, project.root / "src")
    shipped = {path.name for tree in trees for path in tree.glob("predictions.*")}
    records = []
    for folder in project.runs.glob("seed-*"):
        try:
            record = read_record(RunRecord, folder / "run.json")
        except ScaffoldError:
            continue
        if record.outcome is Outcome.COMPLETED and is_own(record, folder):
            records.append(record)
    for record in sorted(records, key=lambda one: one.started, reverse=True):
        for name in _NAMES:
            path = project.runs / record.id / "tree" / name
            if name not in shipped and path.is_file() and not path.is_symlink():
                return path
    raise UsageError(
        "no completed run has left a table of predictions",
        hint=(
            "let the program write predictions.csv with the columns id, split, label,"
            " prediction into its folder, or: scaffold analyze FILE"
        ),
    )


def _unlike_reported(
    project: Project,
    path: Path,
    table: Predictions,
    earlier: Mapping[str, Sequence[float]],
    matters: float,
) -> Iterator[str]:
    """Yield metrics of the run that its own predictions do not give, by as much as matters.

    Nor those of an earlier evaluation: a program may report its best one.
    """
    places = (project.runs, project.scaffold_dir / "probes")
    run = next((parent for parent in path.parents if parent.parent in places), None)
    if run is None:
        return
    try:
        record = read_record(RunRecord, run / "run.json")
    except ScaffoldError:
        return
    for metric in load_recipe(project).metrics:
        error, value = table.errors.get(metric.split), record.metrics.get(metric.name)
        expected = _expected(metric, table)
        if error is None or value is None or not expected or metric.take != "last":
            continue
        whole = 100 if metric.unit == "percent" else 1
        scores = earlier.get(metric.split, ())
        is_error = table.of_classes and _share_named(metric.name) != "accuracy"
        expected = [*expected, *(whole * (1 - one if is_error else one) for one in scores)]
        # One example more or less; of numbers, what a table rounds them to.
        blur = (
            max(0.5 / error.n, matters) * whole if table.of_classes else _ROUNDED * abs(value.value)
        )
        if all(abs(one - value.value) > value.half_digit + blur + 1e-9 for one in expected):
            yield (
                f"the program reports {metric.name} {value.value:.4g}, its predictions give"
                f" {expected[0]:.4g}: of other examples, or averaged otherwise"
            )


_ROUNDED = 1e-3


def _share_named(name: str) -> str | None:
    """Return `accuracy` or `error` where one of them is a word of a metric's name."""
    words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower())
    named = {
        measure
        for word in words
        for start, measure in (("acc", "accuracy"), ("err", "error"))
        if word.startswith(start) or word.endswith(start)
    }
    return named.pop() if len(named) == 1 else None


def _expected(metric: Metric, table: Predictions) -> list[float]:
    """Return what a metric may be by its name: of a mere `error` in numbers, any usual measure."""
    measures = table.measures.get(metric.split, {})
    name = metric.name.lower()
    if table.of_classes:
        share = _share_named(name) if metric.unit in ("fraction", "percent") else None
        whole = 100 if metric.unit == "percent" else 1
        return [whole * measures[share]] if share and measures else []
    exact = [measure for measure in ("rmse", "mse", "mae", "r2") if measure in name]
    if exact and measures:
        return [measures[exact[0]]] if exact[0] in measures else []
    return [measures[one] for one in ("mse", "rmse", "mae") if measures] if "error" in name else []
