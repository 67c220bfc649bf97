"""Checks a recipe without running anything of it."""

import tempfile
from pathlib import Path

from scaffold.catalogue import FoundRecipe
from scaffold.errors import UsageError
from scaffold.inputs import program_digest
from scaffold.records.recipe import CALIBRATION_SEED, reference_name
from scaffold.references import fetch_reference
from scaffold.references.folder import root_index
from scaffold.repository import Repository, check_patches
from scaffold.rules.reproduction import MIN_CALIBRATION_RUNS


def check_recipe(found: FoundRecipe, *, offline: bool = False) -> list[str]:
    """What holds of a recipe, a line each.

    Raises:
        FetchError: the reference is not what the recipe pins, or a patch does not apply.
        UsageError: the calibration is another recipe's, or was made from seeds that projects use.
    """
    recipe = found.recipe
    with tempfile.TemporaryDirectory() as folder:
        repository = Repository.create(Path(folder) / "check", bare=True)
        tree = fetch_reference(recipe, found.folder, repository, offline=offline)
        patches = [found.folder / patch.file for patch in recipe.reference.patches]
        check_patches(repository, tree, patches, root_index(repository))
    notes = [
        f"{found.origin}: the text is a valid recipe",
        f"reference {reference_name(recipe)}: tree {tree} as pinned, {len(patches)} patches apply",
    ]
    calibration = found.calibration()
    if calibration is None:
        notes.append("no calibration runs: a reproduction can be refuted, never confirmed (scaffold recipes calibrate)")
        return notes
    if calibration.recipe != recipe.id or calibration.reference != tree:
        raise UsageError(
            f"calibration.json was made for {calibration.recipe} with the tree {calibration.reference}",
            hint=f"make it anew: scaffold recipes calibrate {found.folder}",
        )
    if calibration.program != program_digest(recipe, found.folder):
        raise UsageError(
            "calibration.json was made with other commands, hyperparameters, seeding, patches or drivers",
            hint=f"make it anew: scaffold recipes calibrate {found.folder}",
        )
    if any(run.seed < CALIBRATION_SEED for run in calibration.runs) and recipe.seeds.how != "none":
        raise UsageError(f"calibration.json has seeds below {CALIBRATION_SEED}, which projects use for their own runs")
    count = len(calibration.runs)
    enough = "" if count >= MIN_CALIBRATION_RUNS else f"; at least {MIN_CALIBRATION_RUNS} are needed to judge"
    notes.append(f"calibration: {count} runs on {calibration.machine.processor}{enough}")
    return notes
