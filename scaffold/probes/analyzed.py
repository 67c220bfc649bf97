"""What an analysis says, kept for the commands after it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from scaffold.errors import ScaffoldError
from scaffold.git.snapshots import worktree_id
from scaffold.project.goal import read_goal
from scaffold.project.project import Project, load_recipe
from scaffold.project.signed import read_signed, write_signed
from scaffold.records.goal import Goal
from scaffold.rules.loop.case import Diagnosis, ProbeKind, ProbeResult
from scaffold.rules.loop.gaps import Analysis

_ANALYSIS, _DIAGNOSIS = TypeAdapter(Analysis), TypeAdapter(Diagnosis)
_RESULTS = TypeAdapter(tuple[ProbeResult, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class Analyzed:
    """An analysis, what it was made of, and the goal that it was compared with.

    Attributes:
        constants: by split, the error of the best constant: the simplest model that there is.
        diagnosis: what holds the model back, as far as probes ran.
        results: of the probes.
        runs: how many were made or used for it.
    """

    analysis: Analysis
    predictions: Path
    of_classes: bool
    goal: Goal
    constants: Mapping[str, float]
    diagnosis: Diagnosis
    results: tuple[ProbeResult, ...] = ()
    runs: int = 0


def remember(project: Project, analyzed: Analyzed) -> None:
    """Keep an analysis of the present program and goal, signed."""
    content = {
        "analysis": _ANALYSIS.dump_python(analyzed.analysis, mode="json"),
        "diagnosis": _DIAGNOSIS.dump_python(analyzed.diagnosis, mode="json"),
        "results": _RESULTS.dump_python(analyzed.results, mode="json"),
        "state": present_state(project),
        "of_classes": analyzed.of_classes,
        "constants": dict(analyzed.constants),
        "predictions": str(analyzed.predictions),
        "goal": _compared_with(analyzed.goal),
        "created": datetime.now(timezone.utc).isoformat(timespec="minutes"),
    }
    write_signed(project.last_analysis, project, "analysis", content)


def _compared_with(goal: Goal) -> dict[str, Any]:
    """Return what an analysis is made with; limits are for `scaffold ship`."""
    return goal.model_dump(mode="json", exclude={"limits"})


def present_state(project: Project) -> str:
    """Return what tells the present program from others."""
    return worktree_id(project) if project.system.exists() else load_recipe(project).reference.tree


@dataclass(frozen=True, slots=True, kw_only=True)
class LastAnalysis:
    """The last analysis that was made here, of which table, when.

    Attributes:
        is_current: the program is still the one that was analyzed.
    """

    analysis: Analysis
    diagnosis: Diagnosis
    results: tuple[ProbeResult, ...]
    of_classes: bool
    constants: Mapping[str, float]
    predictions: str
    created: str
    is_current: bool

    @property
    def best_rate(self) -> float | None:
        """Return the factor of the learning rate whose probe lowered the training error most."""
        rates = {
            result.probe.value: result.errors["train"].error
            for result in self.results
            if result.probe.kind is ProbeKind.RATE and "train" in result.errors
        }
        return min(rates, key=lambda rate: rates[rate], default=None)


def last_analysis(project: Project) -> LastAnalysis | None:
    """Return the last analysis that was made here of this project and its present goal."""
    content = read_signed(project.last_analysis, project, "analysis")
    try:
        if content is None or content["goal"] != _compared_with(read_goal(project)):
            return None
        return LastAnalysis(
            analysis=_ANALYSIS.validate_python(content["analysis"]),
            diagnosis=_DIAGNOSIS.validate_python(content["diagnosis"]),
            results=_RESULTS.validate_python(content["results"]),
            of_classes=bool(content["of_classes"]),
            constants=content["constants"],
            predictions=content["predictions"],
            created=content["created"],
            is_current=content["state"] == present_state(project),
        )
    except (ScaffoldError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
