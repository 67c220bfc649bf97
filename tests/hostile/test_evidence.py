"""Evidence that someone else brings.

Shown as theirs, checked by runs made here, never believed.
"""

import json
import os
import subprocess
import sys

import pytest
import yaml
from helpers import ACCURACY, git, toy_recipe

from scaffold.project.project import Project, load_recipe
from scaffold.records.evidence import Evidence
from scaffold.reproduce.deviations import find_deviations
from scaffold.reproduce.evidence import read_evidence


@pytest.fixture
def brought(reproduced, tmp_path, monkeypatch):
    """A project with evidence, in the hands of another user."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user"))
    return reproduced


def forge(project, change) -> None:
    """Write other evidence, sealed as anybody can."""
    path = project / "evidence/reproduce.json"
    document = json.loads(path.read_text())
    change(document)
    forged = Evidence.model_validate(document).with_checksum()
    path.write_text(json.dumps(forged.model_dump(mode="json")))
    git(project, "commit", "--all", "--quiet", "-m", "Verify: REPRODUCED")


def seeds_run_here(project) -> set[str]:
    return {name.rpartition("-")[0] for name in os.listdir(project / ".scaffold/runs")}


def test_evidence_of_others_is_named_and_opens_nothing(cli, brought):
    status = cli("status", "--json", cwd=brought).json
    assert (
        status["origin"] == "by others, not checked here"
        and status["next"]["command"] == "scaffold verify"
    )
    assert status["milestones"][0]["state"] != "passed"
    assert "by others, not checked here" in cli("status", cwd=brought).out
    assert "by others, not checked here" in cli("tweak", "start", "x", code=2, cwd=brought).err


def test_one_seed_that_agrees_is_enough(cli, brought):
    before = read_evidence(Project(brought))
    there = len(os.listdir(brought / ".scaffold/runs"))
    said = cli("verify", cwd=brought).out
    assert "made by others" in said and "gives the same numbers" in said
    assert len(os.listdir(brought / ".scaffold/runs")) == there + 1
    assert read_evidence(Project(brought)) == before
    assert (
        cli("status", "--json", cwd=brought).json["origin"]
        == "by others, agrees with a run made here"
    )
    cli("tweak", "start", "x", cwd=brought)


def otherwise(document) -> None:
    for run in document["runs"]:
        run["metrics"]["accuracy"]["value"] += 0.001


def measured_noise(document) -> None:
    document["noise"] = {"accuracy": 0.5}


def rounded(document) -> None:
    """The same numbers, said to be printed less exactly: that decides what they may differ by."""
    for run in document["runs"]:
        run["metrics"]["accuracy"]["half_digit"] = 1e-9


@pytest.mark.parametrize("change", [otherwise, measured_noise, rounded])
def test_evidence_that_need_be_believed_is_made_here(cli, brought, change):
    honest = read_evidence(Project(brought))
    forge(brought, change)
    cli("verify", "--json", cwd=brought)
    mine = read_evidence(Project(brought))
    assert [(run.seed, run.metrics) for run in mine.runs] == [
        (run.seed, run.metrics) for run in honest.runs
    ]
    assert mine.noise == {} and cli("status", "--json", cwd=brought).json["origin"] == "here"


def test_seeds_that_were_picked_are_made_here(cli, reproduced, tmp_path, monkeypatch):
    """Each of them is honest; that it is these and not the first ones is not."""
    honest = read_evidence(Project(reproduced))
    count = len(honest.runs)
    further = cli("run", "--seeds", count + 1, "--json", cwd=reproduced).json["runs"][count]

    def pick(document) -> None:
        picked = {name: further[name] for name in ("id", "seed", "metrics")}
        document["runs"] = [*document["runs"][1:], {**document["runs"][0], **picked}]

    forge(reproduced, pick)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user"))
    cli("verify", "--json", cwd=reproduced)
    assert [run.seed for run in read_evidence(Project(reproduced)).runs] == [
        run.seed for run in honest.runs
    ]


def test_a_tweak_that_others_judged_is_judged_here_before_it_is_accepted(
    cli, judged, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user"))
    assert "by others, not checked here" in cli("tweak", "accept", code=2, cwd=judged).err
    assert cli("next", "--json", cwd=judged).json["command"] == "scaffold verify"
    cli("verify", "--json", cwd=judged)
    cli("tweak", "accept", cwd=judged)
    assert cli("tweak", "list", "--json", cwd=judged).json["tweaks"][0]["origin"] == "here"


def test_an_edit_is_not_judged_here_by_dropping_it(cli, judged):
    path = judged / "evidence/tweak-rename.json"
    document = json.loads(path.read_text())
    document["change"]["runs"][0]["metrics"]["accuracy"]["value"] += 0.1
    path.write_text(json.dumps(document))
    cli("tweak", "drop", cwd=judged)
    assert (
        cli("tweak", "list", "--json", cwd=judged).json["tweaks"][0]["origin"]
        == "by others, not checked here"
    )


def test_evidence_without_runs_is_none(cli, brought):
    forge(brought, lambda document: document.update(runs=[]))
    assert cli.any_status("status", cwd=brought).code in (0, 2)
    cli("verify", "--json", cwd=brought)
    assert read_evidence(Project(brought)).runs


def test_a_status_that_came_along_is_not_believed(cli, reproduced, tmp_path):
    path = reproduced / ".scaffold/status.json"
    cli("status", cwd=reproduced)
    forged = json.loads(path.read_text())
    forged["status"]["verdict"] = "NOT_REPRODUCED"
    path.write_text(json.dumps(forged))
    assert cli("status", "--json", cwd=reproduced).json["verdict"] == "REPRODUCED"


def test_another_calibration_or_rule_of_a_recipe_of_ours_is_a_deviation(cli, tmp_path):
    cli.is_trusting = False
    project = Project(cli.new("digits-cnn"))
    environment = type("Environment", (), {"packages": ()})()
    assert find_deviations(project, load_recipe(project), None, environment) == []
    document = json.loads((project.root / "calibration.json").read_text())
    document["runs"] = document["runs"][:5]
    (project.root / "calibration.json").write_text(json.dumps(document))
    told = find_deviations(project, load_recipe(project), None, environment)
    assert (
        len(told) == 1
        and "calibration.json is not the one of the recipe digits-cnn" in told[0].text
    )
    project.recipe.write_text(f"{project.recipe.read_text()}\nrule:\n  max_seeds: 40\n")
    told = find_deviations(project, load_recipe(project), None, environment)
    assert len(told) == 2 and "metrics, claims or rule are not those of digits-cnn" in told[1].text


def test_files_of_a_kept_run_that_were_edited_are_not_read_again(cli, tmp_path):
    project = cli.new(toy_recipe(tmp_path / "recipe", metrics=[ACCURACY]))
    kept = cli("run", "--json", cwd=project).json["runs"][0]
    results = project / ".scaffold/runs" / kept["id"] / "tree/metrics.json"
    text = results.read_text()

    def take(which: str) -> None:
        document = yaml.safe_load((project / "recipe.yaml").read_text())
        document["metrics"][0]["take"] = which
        (project / "recipe.yaml").write_text(yaml.safe_dump(document))

    take("first")
    read_again = cli("run", "--json", cwd=project).json["runs"][0]
    assert read_again["id"] == kept["id"]

    value = str(kept["metrics"]["accuracy"]["value"])
    results.write_text(text.replace(value, "9".join([value[:-1], ""])))
    take("max")
    made_again = cli("run", "--json", cwd=project).json["runs"][0]
    assert made_again["id"] != kept["id"] and made_again["metrics"] == kept["metrics"]


def test_pytest_says_whose_evidence_it_looked_at(brought):
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/test_reproduction.py",
    ]
    said = subprocess.run(words, cwd=brought, capture_output=True, text=True, check=False).stdout
    assert "is by others, not checked here" in said and "passed" in said
