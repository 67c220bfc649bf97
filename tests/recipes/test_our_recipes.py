"""Every recipe that we ship: parses, pinned, sourced, calibrated, and makes a project."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from scaffold.authoring.check import check_recipe
from scaffold.project.digests import program_digest
from scaffold.recipes.catalogue import data_dir, find_recipe, recipe_ids
from scaffold.records.program import CALIBRATION_SEED
from scaffold.records.recipe import PathReference
from scaffold.views.schemas import make_schemas


@pytest.mark.parametrize("key", recipe_ids())
def test_recipe(key):
    found = find_recipe(key)
    recipe = found.recipe
    assert recipe.id == key == found.folder.name
    assert recipe.adaptation.tweaks and recipe.adaptation.rewrites and recipe.commands.smoke
    for name in [one.name for one in recipe.experiments] or [None]:
        one = replace(found, recipe=recipe.of_experiment(name))
        calibration = one.calibration()
        least = 2 if recipe.seeds.how == "none" else 10
        assert calibration is not None and len(calibration.runs) >= least
        assert calibration.reference == recipe.reference.tree
        assert calibration.program == program_digest(one.recipe, found.folder)
        assert all(run.seed >= CALIBRATION_SEED for run in calibration.runs)
        for run in calibration.runs:
            assert set(run.metrics) == {metric.name for metric in recipe.metrics}
    if isinstance(recipe.reference, PathReference):
        check_recipe(found)


@pytest.mark.parametrize("key", recipe_ids())
def test_claim_of_a_reference_of_ours_stands_where_it_says(key):
    found = find_recipe(key)
    for claim in found.recipe.claims:
        if not claim.source.url.startswith("https://"):
            lines = (found.folder / claim.source.url).read_text().splitlines()
            assert claim.source.words in lines[claim.source.line - 1]


def test_ids_and_texts_are_listed(cli):
    listed = cli("recipes", "list").out
    for key in recipe_ids():
        assert key in listed
        assert f"id: {key}" in cli("recipes", "show", key).out
    assert cli("recipes", "show", "digits-cnn", "--json").json["recipe"]["format"] == 1


def test_published_schemas_are_those_of_the_records_and_answers():
    folder = data_dir("docs") / "schemas"
    published = {path.name: json.loads(path.read_text()) for path in folder.iterdir()}
    assert published == json.loads(json.dumps(make_schemas())), "make schema"


def test_check(cli, calibrated_recipe, tmp_path):
    from helpers import copy_recipe, toy_recipe

    ok = cli("recipes", "check", calibrated_recipe).out
    assert "is a valid recipe" in ok and "20 runs" in ok
    edited = copy_recipe(calibrated_recipe, tmp_path / "edited", {"train.py": ("0.9", "0.8")})
    assert (
        "calibration.json was made for toy with the tree"
        in cli("recipes", "check", edited, code=2).err
    )
    other = copy_recipe(
        calibrated_recipe,
        tmp_path / "other",
        commands={"train": {"run": "python train.py {seed} 1"}},
    )
    assert "other commands" in cli("recipes", "check", other, code=2).err
    bare = toy_recipe(tmp_path / "bare")
    assert "no calibration runs" in cli("recipes", "check", bare).out
    assert Path(calibrated_recipe / "calibration.json").exists()
