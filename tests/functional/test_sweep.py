"""`scaffold sweep`: from ranges to a tweak that is judged with other seeds."""

import json

import pytest
import yaml
from helpers import git, toy_recipe

PROGRAM = """\
    import json, math, random, sys
    args = dict(word.split("=") for word in sys.argv[1:])
    random.seed(int(args["seed"]))
    lr, width = float(args["lr"]), int(args["width"])
    if lr > 0.5:
        raise SystemExit("diverged")
    best = 0.9 - 0.05 * abs(math.log10(lr / 0.01)) - 0.01 * abs(math.log2(width / 32))
    for epoch in range(1, 13):
        accuracy = best * (1 - float(args["slope"]) / epoch) + random.gauss(0, 0.002)
        print(f"epoch {epoch}: accuracy {accuracy:.6f}")
    """
COMMAND = "python train.py seed={seed} lr={lr} width={width} slope={slope}"
ACCURACY = {
    "name": "accuracy",
    "split": "validation",
    "direction": "higher",
    "unit": "fraction",
    "read": {"stdout": r"epoch (?P<step>\d+): accuracy (?P<value>\S+)"},
}


@pytest.fixture
def project(cli, tmp_path):
    recipe = toy_recipe(
        tmp_path / "recipe",
        {"train.py": PROGRAM},
        hyperparameters={"lr": 0.3, "width": 8, "slope": 0.0},
        commands={name: {"run": COMMAND, "timeout_s": 20} for name in ("train", "smoke")},
        metrics=[ACCURACY],
        progress=None,
    )
    return cli.new(recipe)


def runs(project):
    return list(project.glob(".scaffold/sweeps/seed-*"))


def test_the_best_becomes_a_tweak_that_is_judged_with_other_seeds(cli, project):
    answer = cli(
        "sweep", "lr=1e-3..1", "--trials", "10", "--seeds", "2", "--json", cwd=project
    ).json
    trials = answer["trials"]
    failed = [one for one in trials if not one["n"]]
    assert len(trials) == 11 and answer["looks"] == 11 - len(failed)
    assert answer["best"] == trials[0]["values"]
    assert 0.004 < answer["best"]["lr"] < 0.03
    assert trials[0]["mean"] == max(one["mean"] or 0 for one in trials)
    assert {one["n"] for one in trials if one["values"]["lr"] > 0.5} == {0}
    assert trials[0]["effect"] > 0.05 and trials[0]["effect_interval"][0] > 0.05
    record = yaml.safe_load((project / "sweeps/lr.yaml").read_text())
    assert record["trials"][0]["values"] == {"lr": 0.3}
    assert len(runs(project)) == 22

    started = cli(
        "tweak", "start", "--sweep", "--margin", "0.01", "--reason", "a test", cwd=project
    )
    assert f"Edited     system.yaml: lr {answer['best']['lr']}" in started.out
    assert git(project, "branch", "--show-current") == "tweak/tune-lr"
    judged = cli("verify", "--json", cwd=project).json
    assert judged["verdict"] == "BETTER"
    evidence = json.loads((project / "evidence/tweak-tune-lr.json").read_text())
    used = {run["seed"] for side in ("before", "change") for run in evidence[side]["runs"]}
    assert used.isdisjoint(answer["seeds"])
    assert "best of 11 trials (lr.yaml)" in evidence["tweak"]["expect"]


def test_asked_again_it_goes_on(cli, project):
    first = cli("sweep", "lr=1e-3..0.1", "--trials", "3", "--json", cwd=project).json
    made = {path.name: path.stat().st_mtime_ns for path in runs(project)}
    longer = cli("sweep", "lr=1e-3..0.1", "--trials", "6", "--json", cwd=project).json
    assert {path.name for path in runs(project)} > made.keys()
    assert all(
        (project / ".scaffold/sweeps" / name).stat().st_mtime_ns == made[name] for name in made
    )
    assert longer["path"] == first["path"] and longer["looks"] == 7
    other = cli("sweep", "lr=1e-3..0.2", "--trials", "2", "--json", cwd=project).json
    assert other["path"].endswith("lr-2.yaml") and other["looks"] == 9  # as it is, once


def test_what_to_mind_is_said(cli, project):
    shown = cli("sweep", "lr=0.05..0.4", "--trials", "16", "--json", cwd=project).json
    assert shown["edges"] == {"lr": "low"} and not shown["still_improves"]
    text = cli("sweep", "lr=0.05..0.4", "--trials", "16", cwd=project).out
    assert "the best trials lie at the low end of lr=0.05..0.4" in text
    assert "17 configurations have been compared by validation in all" in text
    assert "Careful" not in text


def test_a_metric_of_test_and_a_curve_that_rises(cli, tmp_path):
    recipe = toy_recipe(
        tmp_path / "recipe",
        {"train.py": PROGRAM},
        hyperparameters={"lr": 0.01, "width": 32, "slope": 0.5},
        commands={name: {"run": COMMAND, "timeout_s": 20} for name in ("train", "smoke")},
        metrics=[{**ACCURACY, "split": "test"}],
        progress=None,
    )
    project = cli.new(recipe)
    text = cli("sweep", "width=8..64", "--trials", "2", cwd=project, code=1).out
    assert "NO GAIN" in text and "Longer" in text and "the metric is of test" in text
    refused = cli(
        "tweak", "start", "--sweep", "--margin", "1", "--reason", "x", cwd=project, code=2
    )
    assert "no trial was better than the present values" in refused.err


def test_inside_a_tweak_the_values_are_to_be_set_by_hand(cli, project):
    cli("tweak", "start", "tuned", "--margin", "0.01", "--reason", "a test", cwd=project)
    text = cli("sweep", "lr=0.01,0.3", cwd=project).out
    assert "lr 0.01 in system.yaml, then scaffold verify" in text
    both = cli("tweak", "start", "--sweep", "--remedy", "x", cwd=project, code=2)
    assert "two changes" in both.err


def test_values_that_all_fail(cli, project):
    assert "no other trial gave its metric" in cli("sweep", "lr=0.6,0.9", cwd=project, code=1).out
    made = len(runs(project))
    cli("sweep", "lr=0.6,0.9", cwd=project, code=1)
    assert len(runs(project)) == made  # that they fail is a result


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("nope=1..2",), "there is no hyperparameter 'nope'; there are: lr, width, slope"),
        (("lr=a..b",), "lr=a..b: must be two numbers"),
        (("lr=0.1..0.01",), "must go from a number to a larger one"),
        (("lr=0.1..nan",), "must go from a number to a larger one"),
        (("width=8..9.5",), "must be whole numbers, as 8 is"),
        (("width=8",), "must be a range, LOW..HIGH, or at least two values"),
        (("width=8,x",), "'x' must be of type int, such as 8"),
        (("lr=0.1..1", "lr=1,2"), "lr is given twice"),
        (("lr",), "write KEY=VALUE"),
        (("lr=0.1..1", "--metric", "f1"), "there are: accuracy"),
    ],
)
def test_ranges_that_cannot_be_swept(cli, project, words, problem):
    answer = cli("sweep", *words, cwd=project, code=2)
    assert problem in answer.err
    assert not (project / "sweeps").exists()


def test_nothing_swept_and_a_state_that_changed(cli, project):
    command = ("tweak", "start", "--sweep", "--margin", "0.01", "--reason", "a test")
    assert "nothing has been swept" in cli(*command, cwd=project, code=2).err
    cli("tweak", "start", "first", "--margin", "0.01", "--reason", "a test", cwd=project)
    cli("sweep", "lr=0.01,0.3", cwd=project)
    text = (project / "system.yaml").read_text()
    (project / "system.yaml").write_text(text.replace("lr: 0.3", "lr: 0.2"))
    assert "src/ changed since the last sweep" in cli(*command, cwd=project, code=2).err


def test_the_page_shows_each_sweep(cli, project):
    cli("sweep", "lr=1e-3..0.1", "width=8,32", "--trials", "5", cwd=project)
    cli("dashboard", "-o", "page.html", cwd=project)
    page = (project / "page.html").read_text()
    assert "6 trials of 1 seed each" in page and "Looks: 6 configurations" in page
    assert page.count('class="effect open"') == 2  # the ring, in both panels
    (project / "sweeps/lr-width.yaml").write_text("trials: 3")
    cli("dashboard", "-o", "page.html", cwd=project)
    assert "sweeps/" in (project / "page.html").read_text()


def test_runs_of_src_are_none_of_the_reference(cli, project):
    cli("tweak", "start", "first", "--margin", "0.01", "--reason", "a test", cwd=project)
    (project / "system.yaml").write_text(
        (project / "system.yaml").read_text().replace("lr: 0.3", "lr: 0.2")
    )
    cli("run", "--seeds", "2", cwd=project)
    git(project, "stash", "--quiet")
    git(project, "checkout", "--quiet", "main")
    assert "not judged yet" not in cli("next", "--json", cwd=project).json["why"]
    cli("run", cwd=project)
    assert cli("next", "--json", cwd=project).json["why"] == "1 run is there and not judged yet"


def test_a_sweep_that_was_edited_is_named(cli, project):
    cli("sweep", "lr=0.01,0.3", cwd=project)
    path = project / "sweeps/lr.yaml"
    path.write_text(path.read_text().replace("    lr: 0.01", "    rate: 0.01"))
    answer = cli("sweep", "lr=0.01,0.3", cwd=project, code=2)
    assert "trials.1.values: must be of lr" in answer.err
    cli("dashboard", "-o", "page.html", cwd=project)
    assert "damaged or not of this user: sweeps/" in (project / "page.html").read_text()
