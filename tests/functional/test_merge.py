"""Calibration runs of several machines in one calibration: each seed once, each with its hardware."""

import json
from pathlib import Path

from helpers import toy_recipe


def elsewhere(path: Path, target: Path, **changes) -> Path:
    """The same calibration as if it came from another machine."""
    document = json.loads(path.read_text())
    document["machine"]["processor"] = "Another CPU"
    document.update(changes)
    target.write_text(json.dumps(document))
    return target


def test_runs_of_two_machines_are_merged_and_compared(cli, tmp_path):
    recipe = toy_recipe(tmp_path / "recipe")
    cli("recipes", "calibrate", str(recipe), "--runs", "5")
    path = recipe / "calibration.json"
    here = path.read_text()
    same_seeds = elsewhere(path, tmp_path / "same.json")
    cli("recipes", "calibrate", str(recipe), "--runs", "4", "--first-seed", "2000")
    other_seeds = elsewhere(path, tmp_path / "other.json")
    path.write_text(here)

    text = cli("recipes", "merge", str(recipe), str(same_seeds), str(other_seeds)).out
    assert "9 seeds recorded" in text
    assert "gives the same to the last digit on 5 seeds as" in " ".join(text.split())
    merged = json.loads(path.read_text())
    assert [run["seed"] for run in merged["runs"]] == [*range(1000, 1005), *range(2000, 2004)]
    hardware = [run["hardware"] for run in merged["runs"]]
    assert ["Another CPU" in one for one in hardware] == [False] * 5 + [True] * 4
    assert [run["seed"] for run in merged["aside"]] == [*range(1000, 1005)]
    assert "9 runs on" in cli("recipes", "check", str(recipe)).out
    assert "and on 2 machines in all" in cli("recipes", "check", str(recipe)).out

    # Merged once more nothing is added, and a project is judged by the nine.
    again = cli("recipes", "merge", str(recipe), str(same_seeds), "--json").json
    assert again["runs"] == 9 and json.loads(path.read_text()) == merged
    assert all(one["between"][0]["is_identical"] for one in again["spreads"])
    found = cli.any_status("verify", "--json", cwd=cli.new(recipe)).json
    assert any("9 calibration runs" in one["reason"] + one["rule"] for one in found["findings"])


def test_a_machine_that_differs_does_not_count(cli, tmp_path):
    recipe = toy_recipe(tmp_path / "recipe")
    cli("recipes", "calibrate", str(recipe), "--runs", "5")
    path = recipe / "calibration.json"
    document = json.loads(path.read_text())
    for run in document["runs"]:
        run["metrics"]["accuracy"]["value"] += 0.1
    other = elsewhere(path, tmp_path / "other.json", runs=document["runs"])
    told = " ".join(cli("recipes", "merge", str(recipe), str(other)).out.split())
    assert "DIFFERS, and does not count," in told and "5 seeds recorded" in told
    merged = json.loads(path.read_text())
    assert not any("Another CPU" in run["hardware"] for run in merged["runs"])
    assert len(merged["aside"]) == 5
    assert "which differ in accuracy" in cli("recipes", "check", str(recipe)).out
    refused = cli("recipes", "calibrate", str(recipe), "--runs", "3", code=2).err
    assert "would lose them" in refused and json.loads(path.read_text()) == merged
    missing = cli("recipes", "merge", str(recipe), "nowhere.json", code=2).err
    assert "nowhere.json: there is no such file" in missing


def test_runs_of_another_program_are_refused(cli, tmp_path):
    recipe = toy_recipe(tmp_path / "recipe")
    other = elsewhere_of(cli, recipe, tmp_path)
    before = (recipe / "calibration.json").read_text()
    refused = cli("recipes", "merge", str(recipe), str(other), code=2).err
    assert "has another program, another threads than" in refused
    assert (recipe / "calibration.json").read_text() == before
    (tmp_path / "none.json").write_text("{}")
    assert (
        "none.json" in cli("recipes", "merge", str(recipe), str(tmp_path / "none.json"), code=2).err
    )


def elsewhere_of(cli, recipe: Path, folder: Path) -> Path:
    cli("recipes", "calibrate", str(recipe), "--runs", "2")
    return elsewhere(recipe / "calibration.json", folder / "x.json", program="0" * 64, threads=99)


def test_projects_own_seeds_are_no_calibration(cli, tmp_path):
    recipe = toy_recipe(tmp_path / "recipe")
    refused = cli("recipes", "calibrate", str(recipe), "--first-seed", "5", code=2).err
    assert "seeds below 1000 are those of projects" in refused
    assert "names no calibration" in cli("recipes", "merge", str(recipe), "x.json", code=2).err
