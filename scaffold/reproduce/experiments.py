"""Judge the experiments of a recipe that has several, each by its own claims and evidence."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from scaffold.errors import BrokenFileError
from scaffold.project.project import Project
from scaffold.records.judgment import Judgment, Verdict
from scaffold.records.recipe import Recipe
from scaffold.reproduce.evidence import read_evidence
from scaffold.reproduce.staleness import find_stale, judge_again
from scaffold.rules.reproduction.judge import is_decided
from scaffold.user_state import Origin, origin_of

_WORST_FIRST = (Verdict.NOT_REPRODUCED, Verdict.INCONCLUSIVE, Verdict.REPRODUCED)
"""Over all is the worst of each: one result that is not reproduced is not made up for by others."""


def experiments_of(project: Project, recipe: Recipe) -> Iterator[tuple[Project, Recipe]]:
    """Yield each experiment as a recipe, with where its evidence lies; the project's own first."""
    yield project, recipe
    for name in recipe.further_experiments:
        yield replace(project, experiment=name), recipe.of_experiment(name)


def stored_judgment(project: Project, recipe: Recipe) -> Judgment | None:
    """Return the judgment of one experiment if it is current and no further run is due."""
    try:
        evidence = read_evidence(project)
        if evidence is None or find_stale(project, recipe, evidence):
            return None
        if origin_of(evidence.checksum) is Origin.OTHERS:
            return None
        judgment = judge_again(project, recipe, evidence)
    except BrokenFileError:
        return None  # it is about to be replaced
    seeds = len({run.seed for run in evidence.runs})
    return judgment if is_decided(judgment, recipe, seeds) else None


def judged_experiments(project: Project, recipe: Recipe) -> list[tuple[str, Judgment | None]]:
    """Return each experiment's name and its stored judgment; None where it is not judged yet."""
    return [
        (str(own.experiment), stored_judgment(place, own))
        for place, own in experiments_of(project, recipe)
    ]


def overall_verdict(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the worst of several verdicts."""
    return min(verdicts, key=_WORST_FIRST.index)
