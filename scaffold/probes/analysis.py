"""Analyze a project's predictions: believe them or not, then say where the error opens."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from scaffold.errors import BrokenFileError, ScaffoldError, UsageError
from scaffold.probes.predictions import Predictions, read_predictions
from scaffold.project.files import read_record, read_text, write_json, write_text
from scaffold.project.project import Project, load_recipe, load_yaml
from scaffold.project.schemas import editor_line
from scaffold.records.evidence import Outcome, RunRecord
from scaffold.records.goal import ErrorBound, Goal
from scaffold.records.parsing import parse_record
from scaffold.rules.loop.gaps import Analysis, Answer, Gap, SplitError, analyze_gaps
from scaffold.running.recording import is_own
from scaffold.user_state import sign

_NAMES = ("predictions.csv", "predictions.parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Analyzed:
    """An analysis, what it was made of, and the goal that it was compared with."""

    analysis: Analysis
    predictions: Path
    of_classes: bool
    goal: Goal


def goal_path(project: Project) -> Path:
    """Return the file of the goal."""
    return project.root / "goal.yaml"


def read_goal(project: Project) -> Goal:
    """Return the goal; an empty one where none was set.

    Raises:
        BrokenFileError: with all problems of the file.
    """
    path = goal_path(project)
    return load_yaml(Goal, path) if path.exists() else Goal()


def change_goal(project: Project, **changes: Any) -> Goal:
    """Write the goal with some changes, and return it.

    Raises:
        UsageError: what was said cannot stand in goal.yaml; nothing is written.
    """
    document = {**read_goal(project).model_dump(mode="json", exclude_none=True), **changes}
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    try:
        goal = parse_record(Goal, text, source="goal.yaml")
    except BrokenFileError as error:
        problems = "; ".join(f"{one.where}: {one.message}" for one in error.problems)
        raise UsageError(f"this cannot stand in goal.yaml: {problems}") from error
    write_text(goal_path(project), editor_line("goal") + text)
    return goal


def analyze(project: Project, predictions: Path | None) -> Analyzed:
    """Say where the error opens, and keep the answer for the dashboard.

    Args:
        project: with its goal.
        predictions: the table; None for that of the newest run which wrote one.

    Raises:
        UsageError: what matters was not said, there is no table, or it cannot be used.
    """
    goal = read_goal(project)
    if goal.matters is None:
        raise UsageError(
            "what difference in the error matters was not said yet",
            hint="scaffold goal set --matters 0.005 --why 'fewer complaints than we can answer'",
        )
    path = (predictions or newest_predictions(project)).resolve()
    table = read_predictions(path)
    bound = bound_of(goal, of_classes=table.of_classes)
    _require_shares(goal, of_classes=table.of_classes)
    analysis = analyze_gaps(table.errors, bound, goal.matters)
    doubts = (*_unlike_reported(project, path, table), *analysis.doubts)
    analyzed = Analyzed(
        analysis=replace(analysis, doubts=doubts),
        predictions=path,
        of_classes=table.of_classes,
        goal=goal,
    )
    _remember(project, analyzed)
    return analyzed


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


def _unlike_reported(project: Project, path: Path, table: Predictions) -> Iterator[str]:
    """Yield metrics of the run that its own predictions do not give."""
    run = next((parent for parent in path.parents if parent.parent == project.runs), None)
    if run is None or not table.of_classes:
        return
    try:
        record = read_record(RunRecord, run / "run.json")
    except ScaffoldError:
        return
    for metric in load_recipe(project).metrics:
        error, value = table.errors.get(metric.split), record.metrics.get(metric.name)
        is_share = metric.unit in ("fraction", "percent")
        words = [word for word in ("acc", "err") if word in metric.name.lower()]
        if error is None or value is None or not is_share or len(words) != 1:
            continue
        whole = 100 if metric.unit == "percent" else 1
        expected = whole * (1 - error.error if words == ["acc"] else error.error)
        if abs(expected - value.value) > value.half_digit + 0.5 * whole / error.n + 1e-9:
            yield (
                f"the program reports {metric.name} {value.value:.4g}, its predictions give"
                f" {expected:.4g}: they are not of the same examples, or it is averaged otherwise"
            )


def _memory(project: Project) -> Path:
    return project.scaffold_dir / "analysis.json"


def _remember(project: Project, analyzed: Analyzed) -> None:
    content = {
        "analysis": json.loads(json.dumps(asdict(analyzed.analysis))),
        "of_classes": analyzed.of_classes,
        "predictions": str(analyzed.predictions),
        "goal": analyzed.goal.model_dump(mode="json"),
        "created": datetime.now(timezone.utc).isoformat(timespec="minutes"),
    }
    write_json({**content, "signature": _signature(project, content)}, _memory(project))


def _signature(project: Project, content: Mapping[str, Any]) -> str:
    return sign(f"analysis of {project.root}: {json.dumps(content, sort_keys=True)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LastAnalysis:
    """The last analysis that was made here, of which table, when."""

    analysis: Analysis
    of_classes: bool
    predictions: str
    created: str


def last_analysis(project: Project) -> LastAnalysis | None:
    """Return the last analysis that was made here of this project and its present goal."""
    try:
        content: dict[str, Any] = json.loads(read_text(_memory(project)))
        signature = content.pop("signature")
        is_current = content["goal"] == read_goal(project).model_dump(mode="json")
        if signature != _signature(project, content) or not is_current:
            return None
        return LastAnalysis(
            analysis=_analysis(content["analysis"]),
            of_classes=bool(content["of_classes"]),
            predictions=content["predictions"],
            created=content["created"],
        )
    except (ScaffoldError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _analysis(data: Mapping[str, Any]) -> Analysis:
    return Analysis(
        answers=tuple(map(Answer, data["answers"])),
        reason=data["reason"],
        errors={name: SplitError(**one) for name, one in data["errors"].items()},
        gaps=tuple(Gap(**{**gap, "interval": tuple(gap["interval"])}) for gap in data["gaps"]),
        doubts=tuple(data["doubts"]),
        probes=tuple(data["probes"]),
    )
