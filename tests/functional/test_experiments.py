"""A recipe with several experiments: one reference, a verdict for each, and one over all."""

import copy
import subprocess
import sys

import pytest
import yaml
from helpers import TOY_RECIPE, edit, git, toy_recipe

PROGRAM = """\
import json
import random
import sys

seed, level = int(sys.argv[1]), float(sys.argv[2])
random.seed(seed)
for epoch in range(3):
    print(f"epoch {epoch}: loss {1 / (epoch + 1)}")
accuracy = round(level + random.gauss(0, 0.001), 4)
open("metrics.json", "w").write(json.dumps({"accuracy": accuracy}))
"""


def claim(**changes):
    return {**copy.deepcopy(TOY_RECIPE["claims"][0]), **changes}


@pytest.fixture
def recipe(tmp_path):
    """Two experiments: of one the published number is right, of the other it is not."""
    run = {"run": "python train.py {seed} {level}", "timeout_s": 20}
    return toy_recipe(
        tmp_path / "toy",
        {"train.py": PROGRAM},
        claims=None,
        commands={"train": run, "smoke": run},
        hyperparameters={"level": 0.9},
        experiments=[
            {"name": "cora", "claims": [claim()]},
            {
                "name": "pubmed",
                "hyperparameters": {"level": 0.7},
                "claims": [claim(value=0.8)],
            },
        ],
    )


def calibrated(cli, recipe):
    """The recipe with calibration runs of both experiments."""
    for name in ("cora", "pubmed"):
        cli("recipes", "calibrate", recipe, "--runs", "30", "--experiment", name)
    document = yaml.safe_load((recipe / "recipe.yaml").read_text())
    for experiment in document["experiments"]:
        experiment["calibration"] = f"calibration-{experiment['name']}.json"
    (recipe / "recipe.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return recipe


def test_each_experiment_is_judged_by_its_own_claim_and_the_worst_is_said_over_all(cli, recipe):
    project = cli.new(calibrated(cli, recipe))
    assert cli("verify", "--json", cwd=project).json["verdict"] == "REPRODUCED"
    assert cli("status", "--json", cwd=project).json["experiments"] == {
        "cora": "REPRODUCED",
        "pubmed": None,
    }
    one = cli("verify", "--experiment", "pubmed", "--json", code=1, cwd=project).json
    assert [(e["name"], e["verdict"]) for e in one["experiments"]] == [("pubmed", "NOT_REPRODUCED")]
    both = cli("verify", "--experiment", "all", "--json", code=1, cwd=project).json
    assert both["verdict"] == "NOT_REPRODUCED"
    assert [e["verdict"] for e in both["experiments"]] == ["REPRODUCED", "NOT_REPRODUCED"]
    assert cli("status", "--json", cwd=project).json["experiments"]["pubmed"] == "NOT_REPRODUCED"
    assert "Experiment pubmed: NOT_REPRODUCED" in cli("status", cwd=project).out

    # The milestone is the one that the project builds on; evidence of the other is committed too.
    assert git(project, "tag", "--list") == "milestone/reproduce"
    assert "evidence/reproduce-pubmed.json" in git(project, "ls-files")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=project,
        capture_output=True,
        text=True,
    )
    assert "test_published_result_of_each_experiment_is_reproduced[pubmed]" in done.stdout
    assert "1 failed" in done.stdout and "3 passed" in done.stdout


def test_a_project_builds_on_the_experiment_that_is_named(cli, recipe):
    cli("new", "project", "--from", recipe, "--experiment", "pubmed", "--no-input")
    project = recipe.parent / "project"
    assert "\nexperiment: pubmed\n" in (project / "recipe.yaml").read_text()
    record = cli("run", "--json", cwd=project).json["runs"][0]
    assert record["metrics"]["accuracy"]["value"] == pytest.approx(0.7, abs=0.01)
    assert list(cli("status", "--json", cwd=project).json["experiments"]) == ["pubmed", "cora"]


def test_a_setting_changes_the_value_of_the_experiment(cli, recipe):
    words = ("--experiment", "pubmed", "--set", "level=0.75", "--no-input", "--json")
    made = cli("new", "project", "--from", recipe, *words).json
    assert [deviation["text"] for deviation in made["deviations"]] == [
        "hyperparameter level is 0.75, published 0.7"
    ]
    document = yaml.safe_load((recipe.parent / "project/recipe.yaml").read_text())
    assert document["hyperparameters"] == {"level": 0.9}
    assert document["experiments"][1]["hyperparameters"] == {"level": 0.75}


def test_edited_evidence_of_an_experiment_is_stale(cli, recipe):
    project = cli.new(calibrated(cli, recipe))
    cli("verify", "--experiment", "pubmed", code=1, cwd=project)
    edit(project, "evidence/reproduce-pubmed.json", "NOT_REPRODUCED", "REPRODUCED")
    assert cli("status", "--json", cwd=project).json["experiments"]["pubmed"] is None
    again = cli("verify", "--experiment", "pubmed", "--json", code=1, cwd=project).json
    assert again["verdict"] == "NOT_REPRODUCED"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--experiment", "citeseer"), "has no experiment 'citeseer'"),
        (("--experiment", "citeseer"), "it has: cora, pubmed"),
    ],
)
def test_an_unknown_experiment_is_said_with_those_there_are(cli, recipe, words, message):
    assert message in cli("new", "p", "--from", recipe, *words, "--no-input", code=2).err
    project = cli.new(recipe)
    assert message in cli("verify", *words, cwd=project, code=2).err


def test_a_recipe_without_experiments_has_none(cli, tmp_path):
    recipe = toy_recipe(tmp_path / "toy")
    words = ("--experiment", "cora", "--no-input")
    assert "it has none" in cli("new", "p", "--from", recipe, *words, code=2).err
    project = cli.new(recipe)
    assert not (project / "tests/test_experiments.py").exists()
    assert cli("status", "--json", cwd=project).json["experiments"] == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"claims": [claim()]}, "claims: each of the experiments has its own"),
        ({"experiment": "x"}, "experiment: 'x' is none of the experiments ['a', 'a']"),
        ({}, "'a' is taken by an earlier one"),
        ({}, "'nolevel' is none of the recipe's hyperparameters"),
        ({}, "experiments[1].claims[0].metric: 'f1' is none of the metrics"),
    ],
)
def test_problems_of_experiments_are_said_with_their_lines(cli, tmp_path, changes, message):
    experiments = [
        {"name": "a", "claims": [claim()]},
        {"name": "a", "hyperparameters": {"nolevel": 1}, "claims": [claim(metric="f1")]},
    ]
    recipe = toy_recipe(tmp_path / "toy", **{"claims": None, "experiments": experiments, **changes})
    assert message in cli("recipes", "check", recipe, code=2).err
