"""Read the reproduction's evidence, and find out whether it still holds."""

from scaffold.environments.lock import lock_fits
from scaffold.errors import BrokenFileError, Problem, ProjectError
from scaffold.project.digests import data_digests, file_digest, program_digest
from scaffold.project.project import Project, load_recipe
from scaffold.records.evidence import (
    Evidence,
    JudgedRun,
)
from scaffold.records.judgment import Judgment
from scaffold.records.reason import Reason
from scaffold.records.recipe import Recipe
from scaffold.references import find_edits
from scaffold.reproduce.evidence import calibration_digest, load_calibration, read_evidence
from scaffold.rules.reproduction.judge import judge
from scaffold.user_state import Origin, origin_of

REFERENCE_EDITED = Reason("reference_edited", "reference/ changed")
"""Among the reasons for stale evidence: the one that running again cannot mend."""


def find_stale(project: Project, recipe: Recipe, evidence: Evidence) -> list[Reason]:
    """Return why evidence no longer speaks of the project as it is; nothing when it does."""
    stale = []
    name = f"evidence/{project.reproduction.name}"
    if evidence.checksum != evidence.expected_checksum():
        stale.append(Reason("evidence_edited", f"{name} was edited after it was written"))
    edited = bool(find_edits(project.root, project.reference, recipe.reference.tree))
    if edited:
        stale.append(REFERENCE_EDITED)
    if evidence.inputs.reference != recipe.reference.tree:
        stale.append(Reason("reference_pin", "the recipe pins another reference"))
    if evidence.inputs.program != program_digest(recipe, project.root):
        text = "the recipe's commands, hyperparameters, seeding, patches or drivers changed"
        stale.append(Reason("program", text))
    if evidence.inputs.lock != file_digest(project.lock):
        stale.append(Reason("lock", "environment.lock changed"))
    if not edited and not lock_fits(project.reference_source, recipe.environment):
        stale.append(Reason("environment", "the recipe's environment changed"))
    if dict(evidence.inputs.data) != data_digests(recipe):
        stale.append(Reason("data", "the datasets changed"))
    if evidence.rule != recipe.rule_digest():
        text = "the recipe's metrics, claims or rule changed after results were seen"
        stale.append(Reason("rule", text))
    if evidence.calibration != calibration_digest(project.root, recipe):
        stale.append(Reason("calibration", f"{recipe.calibration or 'calibration.json'} changed"))
    return stale


def judge_again(project: Project, recipe: Recipe, evidence: Evidence) -> Judgment:
    """Return the judgment that the runs in the evidence lead to, which must be the stored one.

    Raises:
        BrokenFileError: the stored word does not follow from the stored runs.
    """
    stored = Judgment.from_mapping(evidence.judgment)
    runs: tuple[JudgedRun, ...] = evidence.runs
    fresh = judge(
        recipe, runs, load_calibration(project, recipe), stored.deviations, evidence.noise
    )
    if fresh.verdict is not stored.verdict:
        message = f"says {stored.verdict.value}, but its runs say {fresh.verdict.value}"
        name = f"evidence/{project.reproduction.name}"
        problem = Problem(source=name, line=1, where="judgment", message=message)
        raise BrokenFileError(name, [problem], hint="scaffold verify")
    return stored


def require_evidence(project: Project) -> tuple[Recipe, Evidence]:
    """Return a project's recipe and its evidence, which must hold and be one's own.

    Raises:
        ProjectError: there is none, it no longer speaks of the project as it is, or it was made by
            others and not checked here.
        BrokenFileError: its verdict does not follow from its runs.
    """
    recipe = load_recipe(project)
    evidence = read_evidence(project)
    if evidence is None:
        raise ProjectError("nothing was judged here yet", hint="scaffold verify")
    stale = find_stale(project, recipe, evidence)
    if stale:
        reasons = "; ".join(reason.text for reason in stale)
        raise ProjectError(f"the evidence is stale: {reasons}", hint="scaffold verify")
    judge_again(project, recipe, evidence)
    if origin_of(evidence.checksum) is Origin.OTHERS:
        raise ProjectError(
            "the evidence was made by others, and not checked here",
            hint="scaffold verify runs one of its seeds here",
        )
    return recipe, evidence
