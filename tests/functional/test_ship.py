"""`scaffold ship`: GO or NO-GO, limits, the model's entry, and the sealed test that is read once."""

import re

import pytest
import yaml

WRITES_PREDICTIONS = """
import csv, os
rows = [("id", "split", "label", "prediction")]
for split in ("train", "validation", "test"):
    path = "splits/%s.txt" % split
    for name in open(path).read().split() if os.path.exists(path) else ():
        number = int(name[1:])
        wrong = number % 10 == 0 or (split == "test" and number % WORSE == 0)
        used = "train" if split == TRAINS_ON and number % 4 == 0 else split
        name = NAMES + name if split == "test" else name
        rows.append((name, used, number % 3, (number + wrong) % 3))
with open("predictions.csv", "w", newline="") as file:
    csv.writer(file).writerows(rows)
"""
ENTRY = """
import time

def load_model():
    def predict(example):
        time.sleep(0.005)
        return example
    return predict

def examples():
    return [1, 2, 3]
"""


def prepared(cli, project, *, worse=1000, entry=True, trains_on="", names=""):
    """The project with a sealed split and an entry, accepted."""
    cli("tweak", "start", "splits", "--kind", "neutral", cwd=project)
    rows = "".join(f"r{row},{row * 7919 % 1000},{row % 3}\n" for row in range(4000))
    (project.parent / "data.csv").write_text("id,value,label\n" + rows)
    cli(
        "splits",
        "make",
        str(project.parent / "data.csv"),
        "--id",
        "id",
        "--label",
        "label",
        "--json",
        cwd=project,
    )
    cli("splits", "seal", cwd=project)
    program = project / "src/train.py"
    settings = {"WORSE": str(worse), "TRAINS_ON": repr(trains_on), "NAMES": repr(names)}
    text = WRITES_PREDICTIONS
    for name, value in settings.items():
        text = text.replace(name, value)
    program.write_text(program.read_text() + text)
    (project / "src/predict.py").write_text(ENTRY)
    if entry:
        system = yaml.safe_load((project / "system.yaml").read_text())
        system["entry"] = {"script": "predict.py", "load": "load_model", "examples": "examples"}
        (project / "system.yaml").write_text(yaml.safe_dump(system, sort_keys=False))
    cli("verify", "--json", cwd=project)
    cli("tweak", "accept", "--reason", "a test", cwd=project)
    return project


@pytest.fixture
def ready(cli, reproduced):
    return prepared(cli, reproduced)


def limits(cli, project, *texts):
    words = [word for text in texts for word in ("--limit", text)]
    cli("goal", "set", "--matters", "0.02", "--why", "a test", *words, cwd=project)


def test_go_when_all_limits_hold_and_the_sealed_test_is_read_once(cli, ready):
    limits(cli, ready, "accuracy>=0.5", "latency_ms<=1000", "memory_mb<=500")
    answer = cli("ship", "--json", cwd=ready).json
    assert answer["is_go"] and answer["reasons"] == [] and answer["test_reads"] == 1
    assert answer["errors"]["test"]["n"] == 396
    by_name = {one["name"]: one for one in answer["limits"]}
    assert 5 <= by_name["latency_ms"]["value"] < 50 and by_name["latency_ms"]["passes"]
    assert by_name["accuracy"]["interval"][0] < by_name["accuracy"]["value"]
    (accuracy,) = [one for one in answer["metrics"] if one["name"] == "accuracy"]
    assert accuracy["before"] and accuracy["reference"] and accuracy["published"]
    assert cli("ship", "--json", cwd=ready).json["test_reads"] == 1
    seal = yaml.safe_load((ready / "sealed/seal.yaml").read_text())
    assert [one["by"] for one in seal["reads"]] == ["scaffold ship"]
    shown = cli("ship", cwd=ready).out
    assert "GO" in shown and "NO-GO" not in shown and "read once" in shown
    cli("dashboard", "-o", "page.html", cwd=ready)
    page = (ready / "page.html").read_text()
    assert "and was read 1 time:" in page and "by scaffold ship" in page
    assert "<li>latency_ms at most" in page


def test_no_go_for_each_limit_that_fails(cli, ready):
    limits(cli, ready, "accuracy>=0.999", "latency_ms<=1")
    answer = cli("ship", "--json", code=1, cwd=ready).json
    assert not answer["is_go"] and len(answer["reasons"]) == 2
    assert [one["passes"] for one in answer["limits"]] == [False, False]


def test_no_go_without_limits_or_when_src_was_edited_since(cli, ready):
    assert "nothing says what is good enough" in cli("ship", code=1, cwd=ready).out
    limits(cli, ready, "accuracy>=0.5")
    (ready / "src/predict.py").write_text(ENTRY + "# edited\n")
    assert "differ from all that was judged" in cli("ship", code=1, cwd=ready).out


def test_no_go_for_src_that_nobody_judged_though_no_tweak_was_ever_accepted(cli, reproduced):
    cli("tweak", "start", "one", "--kind", "neutral", cwd=reproduced)
    cli("tweak", "drop", cwd=reproduced)
    program = reproduced / "src/train.py"
    program.write_text(program.read_text() + "# edited\n")
    limits(cli, reproduced, "accuracy>=0.5")
    answer = cli("ship", "--json", code=1, cwd=reproduced).json
    assert answer["reasons"] == ["src/ or system.yaml differ from all that was judged"]


def test_no_go_when_sealed_rows_were_trained_on(cli, reproduced):
    project = prepared(cli, reproduced, trains_on="test")
    limits(cli, project, "accuracy>=0.5")
    (reason,) = cli("ship", "--json", code=1, cwd=project).json["reasons"]
    assert re.match("[0-9]+ of the 396 sealed test ids are train in the run", reason)


def test_no_go_when_what_was_tested_on_is_not_the_sealed_split(cli, reproduced):
    project = prepared(cli, reproduced, names="other")
    limits(cli, project, "accuracy>=0.5")
    (reason,) = cli("ship", "--json", code=1, cwd=project).json["reasons"]
    assert "no row of test in the run's predictions has an id of the sealed" in reason


def test_nothing_is_run_or_read_while_a_tweak_is_under_way(cli, ready):
    limits(cli, ready, "accuracy>=0.5")
    cli("tweak", "start", "more", "--kind", "neutral", cwd=ready)
    assert "tweak more is under way" in cli("ship", code=2, cwd=ready).err
    assert yaml.safe_load((ready / "sealed/seal.yaml").read_text())["reads"] == []


def test_no_go_when_test_is_worse_than_validation(cli, reproduced):
    project = prepared(cli, reproduced, worse=3)
    limits(cli, project, "accuracy>=0.5")
    assert "overfit to validation" in cli("ship", code=1, cwd=project).out


def test_a_limit_that_nothing_measures_is_no_go(cli, reproduced):
    project = prepared(cli, reproduced, entry=False)
    limits(cli, project, "latency_ms<=5")
    assert "latency_ms was not measured" in cli("ship", code=1, cwd=project).out


@pytest.mark.parametrize(
    "text", ["accuracy", "accuracy>=high", "acuracy>=0.5", "latency_ms<=20%", "loss<=5%"]
)
def test_limits_that_are_none(cli, reproduced, text):
    assert "limit" in cli("goal", "set", "--limit", text, code=2, cwd=reproduced).err


def test_an_entry_that_fails_says_so(cli, reproduced):
    project = prepared(cli, reproduced)
    limits(cli, project, "latency_ms<=1000")
    (project / "src/predict.py").write_text(
        "def load_model():\n    raise SystemExit('no weights')\n"
    )
    assert "no weights" in cli("ship", code=4, cwd=project).err


def test_a_test_list_that_was_edited_is_not_opened(cli, ready):
    limits(cli, ready, "accuracy>=0.5")
    path = ready / "sealed/test.txt"
    path.write_text(path.read_text() + "r1\n")
    assert "is not what was sealed" in cli("ship", code=2, cwd=ready).err


def test_next_knows_what_ship_said_of_this_state(cli, ready):
    def next_action():
        return cli("next", "--json", cwd=ready).json

    limits(cli, ready, "accuracy>=0.999")
    cli("bound", "set", "0.1", "--source", "a test", cwd=ready)
    assert cli("analyze", "--json", cwd=ready).json["bottleneck"] == "healthy"
    assert next_action()["command"] == "scaffold ship"
    assert "scaffold next" in cli("ship", code=1, cwd=ready).out
    assert next_action()["why"].startswith("it was NO-GO: accuracy is ")
    limits(cli, ready, "accuracy>=0.5")
    assert "NO-GO" not in next_action()["why"], "said of another goal"
    cli("ship", cwd=ready)
    assert next_action()["purpose"] not in ("ship", "analyze")


def test_without_limits_the_next_is_to_say_them(cli, ready):
    limits(cli, ready)
    assert "goal set --limit" in cli("ship", code=1, cwd=ready).out.split("Next")[1]


def test_a_limit_replaces_one_of_its_own_metric_and_end(cli, reproduced):
    for text in ("accuracy>=0.5", "latency_ms<=20", "accuracy>=0.6", "accuracy<=0.99"):
        cli("goal", "set", "--limit", text, cwd=reproduced)
    stated = yaml.safe_load((reproduced / "goal.yaml").read_text())["limits"]
    assert stated == [
        {"name": "latency_ms", "at_most": 20.0},
        {"name": "accuracy", "at_least": 0.6},
        {"name": "accuracy", "at_most": 0.99},
    ]
