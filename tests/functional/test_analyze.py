"""`scaffold goal`, `bound` and `analyze`: from a table of predictions to where the error opens."""

import csv
import random

import pytest
import yaml
from helpers import git, toy_recipe


def write_table(path, wrong, n=1000, header=("id", "split", "label", "prediction")):
    """A table of ten classes with so many of a thousand wrong in each split."""
    draw = random.Random(3)
    rows = [header]
    for split, count in wrong.items():
        for number in range(n):
            label = draw.randrange(10)
            rows.append((f"{split}-{number}", split, label, (label + (number < count)) % 10))
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.fixture
def project(cli, tweakable_recipe):
    project = cli.new(tweakable_recipe)
    cli("goal", "set", "--matters", "0.01", "--why", "one in a hundred", cwd=project)
    return project


def test_from_a_table_to_an_answer_and_the_page(cli, project, tmp_path):
    table = write_table(tmp_path / "p.csv", {"train": 5, "val": 120, "test": 118})
    shown = cli("bound", "set", "0.002", "--source", "two people", "--n", "400", cwd=project).out
    assert "0.002 (human, two people)" in shown
    answer = cli("analyze", table, "--json", code=3, cwd=project).json
    assert answer["answers"] == ["variance"] and answer["of_classes"]
    assert (answer["bottleneck"], answer["runs"]) == (None, 0)
    assert answer["errors"]["validation"]["error"] == 0.12
    # About as many of each of ten classes: whichever one says is wrong nine times in ten.
    assert answer["constants"]["validation"] == pytest.approx(0.9, abs=0.02)
    assert any("learning" not in probe and "sizes" in probe for probe in answer["probes"])
    text = cli("analyze", table, code=3, cwd=project).out
    assert "VARIANCE, CAUSE OPEN  the error opens most between train and validation" in text
    assert "not known from errors alone" in text and "best constant" in text
    cli("dashboard", cwd=project)
    page = (project / ".scaffold/dashboard.html").read_text()
    assert ">Variance, cause open<" in page and "12.00 %" in page and "gap counts" in page
    assert "Of p.csv, " in page and str(tmp_path) not in page  # nothing of this machine


def test_goal_and_bound_are_a_file_that_people_read(cli, project):
    cli("bound", "set", "unknown", "--source", "nobody tried", cwd=project)
    document = yaml.safe_load((project / "goal.yaml").read_text())
    assert document["matters"] == 0.01 and document["bound"]["value"] == "unknown"
    assert git(project, "status", "--porcelain", "goal.yaml") == ""
    cli("bound", "set", "0.2%", "--source", "two people", cwd=project)
    cli("goal", "set", "--matters", "1 %", "--why", "w", "--limit", "accuracy>=95%", cwd=project)
    document = yaml.safe_load((project / "goal.yaml").read_text())
    assert document["bound"]["value"] == 0.002 and document["matters"] == 0.01
    assert document["limits"] == [{"name": "accuracy", "at_least": 0.95}]
    (project / "goal.yaml").write_text("format: 1\nmatters: -1\nbond: 3\n")
    refused = cli("analyze", code=2, cwd=project).err
    assert "goal.yaml:2" in refused and "goal.yaml:3" in refused


def test_what_matters_must_be_said_first(cli, tweakable_recipe, tmp_path):
    project = cli.new(tweakable_recipe)
    table = write_table(tmp_path / "p.csv", {"train": 5, "val": 120})
    refused = cli("analyze", table, code=2, cwd=project).err
    assert "scaffold goal set --matters" in refused


def test_numbers_are_open_and_the_exit_status_says_so(cli, project, tmp_path):
    table = write_table(tmp_path / "p.csv", {"train": 2, "val": 4}, n=30)
    answer = cli("analyze", table, "--json", code=3, cwd=project).json
    assert answer["answers"] == ["cannot say"]
    assert all(gap["counts"] is None and gap["enough"] for gap in answer["gaps"])


def test_of_numbers_the_squared_error_is_taken(cli, project, tmp_path):
    table = tmp_path / "p.csv"
    rows = [f"t{i},train,{i / 7},{i / 7 + 0.1}" for i in range(200)]
    rows += [f"v{i},validation,{i / 7},{i / 7 + 0.5 * (-1) ** i}" for i in range(200)]
    table.write_text("\n".join(["id,split,label,prediction", *rows]))
    answer = cli("analyze", table, "--json", code=3, cwd=project).json
    assert not answer["of_classes"] and answer["answers"] == ["variance"]
    assert answer["errors"]["train"]["error"] == pytest.approx(0.01)
    assert answer["errors"]["validation"]["error"] == pytest.approx(0.25)


def test_columns_of_classes_are_predictions(cli, project, tmp_path):
    table = tmp_path / "p.csv"
    splits = ("train", "validation")
    rows = [
        f"{split}{i},{split},{'ab'[i % 2]},{(i + 1) % 2},{i % 2}"
        for split in splits
        for i in range(500)
    ]
    table.write_text("\n".join(["id,split,label,p_a,p_b", *rows]))
    answer = cli("analyze", table, "--json", code=3, cwd=project).json
    assert answer["errors"]["train"]["error"] == 0 and "bound is unknown" in answer["reason"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["1,train,0,0", "1,train,0,0"], "p.csv:3: id '1' is there twice"),
        (["1,train,0,0", "1,test,0,0"], "id '1' is there in train and in test: a leak"),
        (["1,holdout,0,0"], "split 'holdout' is none of train, train-dev"),
        (["1,train,0,nan"], "not a number that can be compared"),
        (["1,train,,0"], "needs id, split, label, and prediction"),
        (["1,train,0,0", "2,train,1,1"], "no rows of validation"),
        (["1,train,0,0", "2,train,1,1", "3,val,1,1"], "validation has one label alone, '1'"),
        ([], "has no rows"),
        (["1,train,0.5,0.5", "2,train,0.1,N/A", "3,val,1,1"], "p.csv:3: '0.1', 'N/A': no numbers"),
        (["1,train,0,0", "2,train,0,1e200"], "not a number that can be compared"),
        (["1,train,0.5,0.5", "2,train,0.1,0", "3,val,0.5,1", "4,val,2,1"], "fewer than 10 rows"),
    ],
)
def test_tables_that_cannot_be_used(cli, project, tmp_path, rows, words):
    table = tmp_path / "p.csv"
    table.write_text("\n".join(["id,split,label,prediction", *rows]))
    assert words in cli("analyze", table, code=2, cwd=project).err


def test_what_is_no_table(cli, project, tmp_path):
    assert "cannot read" in cli("analyze", tmp_path / "none.csv", code=2, cwd=project).err
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    assert "cannot read" in cli("analyze", tmp_path / "binary.csv", code=2, cwd=project).err
    assert (
        "no completed run has left a table"
        in cli("analyze", "--budget", "0", code=2, cwd=project).err
    )


@pytest.mark.parametrize("form", ["{:f}", "{:.18e}", "{}.0", "{}e0"])
def test_a_class_is_one_however_it_is_written(cli, project, tmp_path, form):
    table = tmp_path / "p.csv"
    rows = [
        f"{split}{i},{split},{i % 2},{form.format(i % 2)}"
        for split in ("train", "val")
        for i in range(200)
    ]
    table.write_text("\ufeff" + "\r\n".join(["id,split,label,prediction", *rows]))
    answer = cli.any_status("analyze", table, "--json", cwd=project).json
    assert answer["errors"]["train"]["error"] == 0


def test_names_that_look_like_versions_are_names(cli, project, tmp_path):
    table = tmp_path / "p.csv"
    rows = [
        f"{split}{i},{split},v2{'.0' * (i % 2)},v2"
        for split in ("train", "val")
        for i in range(200)
    ]
    table.write_text("\n".join(["id,split,label,prediction", *rows]))
    answer = cli.any_status("analyze", table, "--json", cwd=project).json
    assert answer["errors"]["train"]["error"] == 0.5


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("bound", "set", "5", "--source", "s"), "scaffold bound set 0.05"),
        (("goal", "set", "--matters", "1", "--why", "w"), "scaffold goal set --matters 0.01"),
    ],
)
def test_a_percentage_is_no_share(cli, project, tmp_path, words, hint):
    table = write_table(tmp_path / "p.csv", {"train": 5, "val": 120})
    cli(*words, cwd=project)
    assert hint in cli("analyze", table, code=2, cwd=project).err


@pytest.mark.parametrize(
    "words",
    [
        ("goal", "set", "--matters", "inf", "--why", "w"),
        ("goal", "set", "--matters", "-1", "--why", "w"),
        ("goal", "set", "--matters", "0.1", "--why", ""),
        ("bound", "set", "0.1", "--source", ""),
        ("bound", "set", "nan", "--source", "s"),
    ],
)
def test_what_cannot_stand_in_the_file_is_not_written(cli, project, words):
    before = (project / "goal.yaml").read_text()
    assert "goal.yaml" in cli(*words, code=2, cwd=project).err
    assert (project / "goal.yaml").read_text() == before


def test_the_page_shows_no_analysis_of_another_goal(cli, project, tmp_path):
    table = write_table(tmp_path / "p.csv", {"train": 5, "val": 120})
    cli("analyze", table, code=3, cwd=project)
    cli("goal", "set", "--matters", "0.5", "--why", "w", cwd=project)
    cli("dashboard", cwd=project)
    assert "Cannot say yet" in (project / ".scaffold/dashboard.html").read_text()


PROGRAM = """\
    import json
    rows = ["id,split,label,prediction"]
    for split, wrong in (("train", 2), ("validation", 30), ("test", 31)):
        rows += [f"{split}{i},{split},{i % 2},{(i + (i < wrong)) % 2}" for i in range(400)]
    open("predictions.csv", "w").write("\\n".join(rows))
    json.dump({"accuracy": REPORTED}, open("metrics.json", "w"))
    """
READ = {
    "name": "accuracy",
    "split": "test",
    "direction": "higher",
    "unit": "fraction",
    "read": {"json": "metrics.json", "key": "accuracy"},
}


# 0.01 matters: what is off by less is no wrong metric that holds anything back.
@pytest.mark.parametrize(
    ("reported", "is_doubted"), [(369 / 400, False), (0.93, False), (0.94, True), (0.99, True)]
)
def test_a_metric_that_the_predictions_do_not_give_is_doubted(cli, tmp_path, reported, is_doubted):
    recipe = toy_recipe(
        tmp_path / "recipe",
        {"train.py": PROGRAM.replace("REPORTED", str(reported))},
        metrics=[READ],
        progress=None,
        seeds={"how": "none"},
        commands={"train": {"run": "python train.py"}, "smoke": None},
    )
    project = cli.new(recipe)
    cli("run", cwd=project)
    cli("goal", "set", "--matters", "0.01", "--why", "w", cwd=project)
    answer = cli.any_status("analyze", "--budget", "0", "--json", cwd=project).json
    assert answer["predictions"].endswith("tree/predictions.csv")
    doubts = [doubt for doubt in answer["doubts"] if "the program reports accuracy" in doubt]
    assert bool(doubts) == is_doubted


def test_the_next_action_follows_the_analysis_that_was_just_made(cli, reproduced, tmp_path):
    cli("goal", "set", "--matters", "0.01", "--why", "w", cwd=reproduced)
    cli("bound", "set", "0", "--source", "s", cwd=reproduced)
    assert "--remedy" not in cli("next", cwd=reproduced).out
    table = write_table(tmp_path / "p.csv", {"train": 1, "train-dev": 2, "val": 120})
    assert cli("analyze", table, "--json", cwd=reproduced).json["bottleneck"] == "mismatch"
    told = cli("next", cwd=reproduced).out
    assert "scaffold tweak start --remedy matching-data" in told and "mismatch" in told
    cli("goal", "set", "--matters", "0.02", "--why", "w", cwd=reproduced)
    assert "--remedy" not in cli("next", cwd=reproduced).out  # it was of another goal


def test_an_analysis_from_elsewhere_is_not_shown(cli, project, tmp_path):
    table = write_table(tmp_path / "p.csv", {"train": 5, "val": 120})
    cli("analyze", table, code=3, cwd=project)
    kept = project / ".scaffold/analysis.json"
    kept.write_text(kept.read_text().replace("variance", "mismatch", 1))
    cli("dashboard", cwd=project)
    assert "Cannot say yet" in (project / ".scaffold/dashboard.html").read_text()


def test_a_goal_is_committed_alone_and_only_where_it_stays(cli, reproduced):
    (reproduced / "mine.txt").write_text("not yet")
    git(reproduced, "add", "mine.txt")
    words = ("bound", "set", "0.01", "--source", "us")
    assert "goal.yaml is committed" in cli(*words, cwd=reproduced).out
    assert git(reproduced, "show", "--name-only", "--format=", "HEAD") == "goal.yaml"
    assert git(reproduced, "status", "--porcelain") == "A  mine.txt"
    (reproduced / "README.md").write_text("staged")
    git(reproduced, "add", "README.md")
    (reproduced / "README.md").write_text("staged, and edited again")
    assert "goal.yaml is committed" in cli(*words, "--n", "6", cwd=reproduced).out
    assert git(reproduced, "show", "--name-only", "--format=", "HEAD") == "goal.yaml"
    assert git(reproduced, "status", "--porcelain") == "MM README.md\nA  mine.txt"
    git(reproduced, "rm", "--cached", "-q", "mine.txt")
    for place in (("--detach",), ("template",)):
        git(reproduced, "switch", "--quiet", *place)
        head = git(reproduced, "rev-parse", "HEAD")
        told = cli.any_status(*words, "--n", "7", cwd=reproduced)
        assert git(reproduced, "rev-parse", "HEAD") == head, told.out
        git(reproduced, "switch", "--quiet", "--force", "main")


def test_a_goal_said_in_a_tweak_is_not_committed_with_it(cli, reproduced):
    cli("tweak", "start", "idea", cwd=reproduced)
    said = cli("bound", "set", "0.01", "--source", "us", cwd=reproduced).out
    assert "not committed: tweak idea is under way" in said
    assert git(reproduced, "status", "--porcelain", "goal.yaml") == "?? goal.yaml"


@pytest.mark.parametrize(
    "words",
    [("bound", "set", "low", "--source", "s"), ("goal", "set", "--matters", "5%%", "--why", "w")],
)
def test_what_is_no_number_is_named_with_one_that_is(cli, project, words):
    assert "such as 0.0" in cli(*words, code=2, cwd=project).err
