"""Read what a reproduction is judged by: its evidence, and the calibration runs."""

from pathlib import Path

from scaffold.errors import BrokenFileError, Problem
from scaffold.project.digests import file_digest
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
    name = recipe.calibration
    return read_record(Calibration, project.root / name) if name else None


def calibration_digest(folder: Path, recipe: Recipe) -> str | None:
    """Return sha256 of the calibration runs that came with a recipe."""
    return file_digest(folder / recipe.calibration) if recipe.calibration else None
