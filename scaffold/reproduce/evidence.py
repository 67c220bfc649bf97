"""Read what a reproduction is judged by: its evidence, and the calibration runs."""

from scaffold.errors import BrokenFileError, Problem
from scaffold.project.files import read_record
from scaffold.project.project import Project
from scaffold.records.evidence import (
    Calibration,
    Evidence,
)
from scaffold.records.judgment import Judgment
from scaffold.records.recipe import Recipe


def read_evidence(project: Project) -> Evidence | None:
    """Return the reproduction's evidence, if there is any.

    Raises:
        BrokenFileError: it is not evidence.
    """
    if not project.reproduction.exists():
        return None
    evidence = read_record(Evidence, project.reproduction)
    try:
        Judgment.from_mapping(evidence.judgment)
    except (ValueError, KeyError, TypeError) as error:
        name = project.reproduction.name
        problem = Problem(source=name, line=1, where="judgment", message=f"is none: {error}")
        raise BrokenFileError(
            name, [problem], hint=f"restore it: git checkout -- evidence/{name}"
        ) from error
    return evidence


def load_calibration(project: Project, recipe: Recipe) -> Calibration | None:
    """Return the calibration runs that came with the recipe."""
    return read_record(Calibration, project.calibration) if recipe.calibration else None
