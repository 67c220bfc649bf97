"""`scaffold log`: a metric from step to step."""

import json


def test_from_the_reference_to_the_last_change(cli, judged):
    cli("tweak", "accept", "--reason", "a test", cwd=judged)
    answer = cli("log", "--json", cwd=judged).json
    assert answer["metric"] == "accuracy" and answer["direction"] == "higher"
    reference, change = answer["steps"]
    evidence = json.loads((judged / "evidence/reproduce.json").read_text())
    values = [run["metrics"]["accuracy"]["value"] for run in evidence["runs"]]
    assert reference["kind"] == "reference" and reference["n"] == len(values)
    assert abs(reference["mean"] - sum(values) / len(values)) < 1e-12
    assert reference["interval"][0] < reference["mean"] < reference["interval"][1]
    assert reference["effect"] is None
    assert (change["name"], change["decision"]) == ("rename", "accepted")
    assert change["effect"] is not None and change["cost_s"] > 0
    shown = cli("log", cwd=judged).out
    assert "rename" in shown and "REPRODUCED" in shown and "higher is better" in shown
    assert shown.count("●") == 2


def test_another_metric_has_no_effect_of_its_own(cli, judged):
    answer = cli("log", "loss", "--json", cwd=judged).json
    assert all(step["effect"] is None and step["mean"] is not None for step in answer["steps"])
    assert "there are: accuracy, loss" in cli("log", "lossy", code=2, cwd=judged).err


def test_before_anything_was_judged(cli, tweakable_recipe):
    project = cli.new(tweakable_recipe)
    assert "nothing has been judged yet" in cli("log", cwd=project).out
    assert cli("log", "--json", cwd=project).json["steps"] == []
