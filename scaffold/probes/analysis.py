"""Analyze a project's predictions: believe them or not, then say where the error opens."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from scaffold.errors import ScaffoldError, UsageError
from scaffold.probes.predictions import Predictions, read_predictions
from scaffold.project.files import read_record, read_text, write_json, write_text
from scaffold.project.project import Project, load_recipe, load_yaml
from scaffold.project.schemas import editor_line
from scaffold.records.evidence import RunRecord
from scaffold.records.goal import ErrorBound, Goal
from scaffold.rules.loop.gaps import Analysis, Answer, Gap, SplitError, analyze_gaps
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


def write_goal(project: Project, goal: Goal) -> None:
    """Write the goal."""
    document = goal.model_dump(mode="json", exclude_none=True)
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    write_text(goal_path(project), editor_line("goal") + text)


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
    path = predictions or newest_predictions(project)
    table = read_predictions(path)
    analysis = analyze_gaps(table.errors, bound_of(goal), goal.matters)
    doubts = (*_unlike_reported(project, path, table), *analysis.doubts)
    analyzed = Analyzed(
        analysis=Analysis(
            answers=analysis.answers,
            reason=analysis.reason,
            errors=analysis.errors,
            gaps=analysis.gaps,
            doubts=doubts,
            probes=analysis.probes,
        ),
        predictions=path,
        of_classes=table.of_classes,
        goal=goal,
    )
    _remember(project, analyzed)
    return analyzed


def bound_of(goal: Goal) -> SplitError | None:
    """Return the bound as an error; None if it is unknown."""
    bound: ErrorBound | None = goal.bound
    if bound is None or bound.value == "unknown":
        return None
    return SplitError(n=bound.n or 0, error=bound.value)


def newest_predictions(project: Project) -> Path:
    """Return the table that the newest run left.

    Raises:
        UsageError: none did.
    """
    tables = [
        path
        for name in _NAMES
        for path in project.runs.glob(f"seed-*/tree/{name}")
        if path.is_file() and not path.is_symlink()
    ]
    if not tables:
        raise UsageError(
            "no run has left a table of predictions",
            hint=(
                "let the program write predictions.csv with the columns id, split, label,"
                " prediction into its folder, or: scaffold analyze FILE"
            ),
        )
    return max(tables, key=lambda path: path.stat().st_mtime)


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
    content = json.loads(json.dumps(asdict(analyzed.analysis)))
    content = {"analysis": content, "of_classes": analyzed.of_classes}
    text = json.dumps(content, sort_keys=True)
    write_json({**content, "signature": sign(f"analysis {text}")}, _memory(project))


def last_analysis(project: Project) -> tuple[Analysis, bool] | None:
    """Return the last analysis that was made here, and whether it is of classes."""
    try:
        content: dict[str, Any] = json.loads(read_text(_memory(project)))
        signature = content.pop("signature")
        if signature != sign(f"analysis {json.dumps(content, sort_keys=True)}"):
            return None
        return _analysis(content["analysis"]), bool(content["of_classes"])
    except (ScaffoldError, ValueError, KeyError, TypeError):
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
