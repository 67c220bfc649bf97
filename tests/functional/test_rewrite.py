"""Rewrites on a reference that is plain numpy, so that a whole round takes seconds."""

import json
import subprocess
import sys

import pytest
from helpers import edit, git, toy_recipe, write_tree

PROGRAM = """\
    import json, sys

    import numpy as np


    def make_data(count):
        x = np.linspace(-1, 1, count)
        return x, 3 * x + np.random.normal(0, 0.1, count)


    def fit(x, y):
        return np.polyfit(x, y, 1)


    def spread(errors):
        return float(np.std(errors))


    def main():
        np.random.seed(int(sys.argv[1]))
        x, y = make_data(50)
        slope, offset = fit(x, y)
        json.dump({"slope": slope, "spread": spread(y - slope * x - offset)}, open("metrics.json", "w"))


    main()
    """

OWN_FIT = """\
    import numpy as np


    def least_squares(x, y):
        a = np.stack([x, np.ones_like(x)], axis=1)
        return np.linalg.solve(a.T @ a, a.T @ y)
    """

METRICS = [
    {
        "name": name,
        "split": "test",
        "direction": "lower",
        "unit": "value",
        "monitored": watch,
        "read": {"json": "metrics.json", "key": name},
    }
    for name, watch in (("spread", False), ("slope", True))
]


@pytest.fixture(scope="module")
def numpy_project(tmp_path_factory):
    """A project whose reference was reproduced."""
    from helpers import Cli

    folder = tmp_path_factory.mktemp("numpy")
    recipe = toy_recipe(
        folder / "recipe",
        {"train.py": PROGRAM},
        id="line",
        metrics=METRICS,
        progress=None,
        environment={"python": ">=3.10", "packages": ["numpy"]},
        claims=[
            {
                "metric": "spread",
                "dataset": "nothing",
                "basis": "training",
                "value": 0.1,
                "selection": "one_run",
                "source": {"url": "https://example.org/paper", "words": "0.1"},
            }
        ],
        adaptation={"rewrites": [{"part": "fit", "why": "to have more than a line"}]},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        cli = Cli(patch)
        cli("recipes", "calibrate", str(recipe), "--runs", "20", "--json")
        project = cli.new(recipe)
        cli("verify", "--json", cwd=project)
    return project


@pytest.fixture
def project(numpy_project, tmp_path):
    import shutil

    return shutil.copytree(numpy_project, tmp_path / "project", symlinks=True)


def verify(cli, project, status):
    return cli("verify", "--json", cwd=project, code=status).json


def checks(answer):
    return {check["name"]: check for check in answer["checks"]}


def test_a_rewrite_is_equal_accepted_and_stays_testable(cli, project, tmp_path):
    own = write_tree(tmp_path, {"least_squares.py": OWN_FIT}) / "least_squares.py"
    started = cli("rewrite", "start", "fit", "--with", f"{own}:least_squares", cwd=project).out
    assert "branch rewrite/fit" in started and "src/least_squares.py" in started
    assert (
        "from least_squares import least_squares as fit\n" in (project / "src/train.py").read_text()
    )
    assert "def fit" not in (project / "src/train.py").read_text()

    answer = verify(cli, project, 0)
    assert (answer["verdict"], answer["refusal"]) == ("EQUAL", None)
    assert (
        checks(answer)["functions"]["verdict"] == "EQUAL"
        and checks(answer)["functions"]["compared"] > 2
    )
    assert {f["question"] for f in answer["findings"]} >= {"parity", "reproduction", "monitored"}

    cli("rewrite", "accept", cwd=project)
    assert git(project, "tag", "--list", "milestone/rewrite-fit")
    assert (project / "journal/fit.md").read_text().count("| EQUAL |") == 2
    cli("rewrite", "check", cwd=project)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"], cwd=project, capture_output=True, text=True
    )
    assert "passed" in done.stdout and done.returncode == 0, done.stdout
    assert "rewrite" not in cli("next", "--json", cwd=project).json["command"]

    edit(project, "src/least_squares.py", "np.ones_like(x)", "0.9 * np.ones_like(x)")
    checked = cli("rewrite", "check", cwd=project, code=1).out
    assert "Differs    at functions, train." in checked, checked


def test_a_fault_is_named_by_its_function(cli, project):
    cli("rewrite", "start", "spread", cwd=project)
    edit(project, "src/train.py", "np.std(errors)", "np.std(errors, ddof=1)")
    answer = verify(cli, project, 1)
    assert answer["verdict"] == "DIFFERS" and "functions, train.spread" in answer["refusal"]
    check = checks(answer)["functions"]
    assert (
        check["address"]["module"] == "train.spread"
        and "another default, axis or ddof" in check["causes"]
    )
    refused = cli("rewrite", "accept", cwd=project, code=2).err
    assert "is not to be accepted" in refused and "scaffold rewrite drop" in refused

    edit(
        project,
        "src/train.py",
        "np.std(errors, ddof=1)",
        "np.sqrt(np.mean((errors - np.mean(errors)) ** 2))",
    )
    assert verify(cli, project, 0)["verdict"] == "EQUAL"


def test_what_is_around_functions_is_not_passed_over(cli, project):
    cli("rewrite", "start", "program", cwd=project)
    edit(project, "src/train.py", "make_data(50)", "make_data(51)")
    check = checks(verify(cli, project, 1))["functions"]
    assert check["verdict"] == "DIFFERS" and check["address"]["tensor"].startswith("input"), check


def test_reported_numbers_are_compared(cli, project):
    cli("rewrite", "start", "main", "--name", "reported", cwd=project)
    edit(project, "src/train.py", '"slope": slope', '"slope": 100 * slope')
    found = checks(verify(cli, project, 1))
    assert found["functions"]["verdict"] == "EQUAL" and found["reporting"]["verdict"] == "DIFFERS"
    assert found["reporting"]["address"]["module"] == "slope"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["fitt"], "did you mean"),
        (["model.block1"], "there is no part 'model.block1'"),
        (["fit", "--with", "nowhere.py"], "there is no such file"),
        (["fit", "--with", "OWN:polynomial"], "defines no polynomial, but least_squares"),
        (
            ["loss", "--with", "OWN:least_squares"],
            "--with replaces a class or a function, loss is a stage",
        ),
        (["fit", "--with", "BROKEN"], "is no Python"),
        (["fit", "--with", "train.py"], "exists already"),
        (["fit", "--name", "No Name"], "invalid tweak name"),
    ],
)
def test_wrong_words_change_nothing(cli, project, tmp_path, words, told):
    write_tree(
        tmp_path,
        {"own.py": OWN_FIT, "broken.py": "def fit(:", "train.py": "def fit(x, y):\n    pass\n"},
    )
    paths = {"OWN": "own.py", "BROKEN": "broken.py", "train.py": "train.py"}
    words = [
        (
            str(tmp_path / paths[word.partition(":")[0]])
            + word.partition(":")[1]
            + word.partition(":")[2]
            if word.partition(":")[0] in paths
            else word
        )
        for word in words
    ]
    assert told in cli("rewrite", "start", *words, cwd=project, code=2).err
    assert git(project, "branch", "--list", "rewrite/*") == ""
    assert not (project / "golden").exists() and not (project / "tweaks").exists()


def test_an_edited_golden_trace_is_refused(cli, project):
    cli("rewrite", "start", "fit", cwd=project)
    edit(project, "src/train.py", "np.polyfit(x, y, 1)", "np.polyfit(x, y, 1, rcond=1e-12)")
    about = next((project / "golden").glob("*/about.json"))
    index = next((project / "golden").glob("*/own/train/index.json"))
    kept = index.read_text()
    index.write_text(kept.replace('"call": 0', '"call": 1', 1))
    assert (
        "was edited after it was recorded: own/train/index.json"
        in cli("verify", cwd=project, code=2).err
    )
    index.write_text(kept)
    about.write_text(about.read_text().replace('"functions": true', '"functions": false'))
    assert "is not what the rewrite was started with" in cli("verify", cwd=project, code=2).err
    git(project, "checkout", "--", "golden")
    (about.parent / "own/train/more.json").write_text("{}")
    assert "more.json" in cli("verify", cwd=project, code=2).err


def test_a_rewrite_is_no_tweak(cli, project):
    cli("rewrite", "start", "fit", cwd=project)
    assert (
        "it is rewrite fit that is under way here, no tweak"
        in cli("tweak", "accept", cwd=project, code=2).err
    )
    assert (
        "rewrite fit is under way here" in cli("tweak", "start", "other", cwd=project, code=2).err
    )
    assert "--ablate is for a tweak" in cli("verify", "--ablate", "a=1", cwd=project, code=2).err
    cli("rewrite", "drop", cwd=project)
    assert git(project, "tag", "--list", "dropped/fit")
    assert "scaffold rewrite start PART" in cli("rewrite", "drop", cwd=project, code=2).err
    assert "no rewrite was accepted here yet" in cli("rewrite", "check", cwd=project, code=2).err


def test_a_chain_of_rewrites_is_compared_with_its_first_state(cli, project):
    cli("rewrite", "start", "fit", cwd=project)
    edit(project, "src/train.py", "np.polyfit(x, y, 1)", "np.polyfit(x, y, deg=1)")
    verify(cli, project, 0)
    cli("rewrite", "accept", cwd=project)
    cli("rewrite", "start", "spread", cwd=project)
    named = [path.name for path in (project / "golden").iterdir()]
    assert len(named) == 1
    assert f"name: {named[0]}" in (project / "tweaks/spread.yaml").read_text()


def test_a_part_that_was_rewritten_before_is_still_compared_under_its_new_name(
    cli, project, tmp_path
):
    own = write_tree(tmp_path / "own", {"own.py": OWN_FIT}) / "own.py"
    cli("rewrite", "start", "fit", "--with", f"{own}:least_squares", cwd=project)
    verify(cli, project, 0)
    cli("rewrite", "accept", cwd=project)
    cli("rewrite", "start", "spread", cwd=project)
    edit(project, "src/train.py", "np.std(", "1.0 * np.std(")
    answer = verify(cli, project, 0)
    assert answer["verdict"] == "EQUAL" and checks(answer)["functions"]["left_out"] == []
    edit(project, "src/own.py", "return ", "return 1.001 * ")
    assert checks(verify(cli, project, 1))["functions"]["address"]["module"] == "train.fit"


def test_a_dropped_name_is_not_used_again(cli, project):
    cli("rewrite", "start", "fit", cwd=project)
    cli("rewrite", "drop", cwd=project)
    refused = cli("rewrite", "start", "fit", cwd=project, code=2).err
    assert (
        "a change 'fit' was dropped before" in refused and "choose another: --name fit-2" in refused
    )


def test_a_program_that_fails_says_so(cli, project):
    cli("rewrite", "start", "fit", cwd=project)
    edit(project, "src/train.py", "np.polyfit(x, y, 1)", "np.polyfitt(x, y, 1)")
    refused = cli("verify", cwd=project, code=4).err
    assert "did not end well while it was traced" in refused and "polyfitt" in refused
    assert not list((project / ".scaffold/traces").glob("*"))


def test_a_file_of_ones_own_may_lie_below_a_colon(cli, project, tmp_path):
    own = write_tree(tmp_path / "a:b", {"own.py": OWN_FIT}) / "own.py"
    cli("rewrite", "start", "fit", "--with", f"{own}:least_squares", cwd=project)
    assert "from own import least_squares as fit" in (project / "src/train.py").read_text()


def test_what_was_rewritten_and_is_gone_is_no_proof(cli, project):
    cli("rewrite", "start", "spread", cwd=project)
    inlined = '"spread": float(np.std(y - slope * x - offset))'
    edit(project, "src/train.py", '"spread": spread(y - slope * x - offset)', inlined)
    answer = verify(cli, project, 3)
    assert (
        answer["verdict"] == "INCONCLUSIVE" and "train.spread was not compared" in answer["refusal"]
    )
    assert "not to be accepted" in cli("rewrite", "accept", cwd=project, code=2).err


def test_parts_are_listed(cli, project):
    listed = cli("rewrite", "parts", "--json", cwd=project).json["parts"]
    names = {part["name"]: part["kind"] for part in listed}
    assert names["train.fit"] == "function" and names["loss"] == "stage"
    assert "train.fit" in cli("rewrite", "parts", cwd=project).out
    assert not (project / ".scaffold/golden").exists(), "nothing is run for a list"
    assert "train.fit" in cli("rewrite", "parts", "--traced", cwd=project).out


def test_a_locked_rewrite_says_what_unlocks_it(cli, calibrated_recipe):
    project = cli.new(calibrated_recipe)
    assert (
        "scaffold verify --reproduction" in cli("rewrite", "start", "fit", cwd=project, code=2).err
    )


def test_eject_leaves_no_parity_behind(cli, project):
    cli("rewrite", "start", "fit", cwd=project)
    edit(project, "src/train.py", "np.polyfit(x, y, 1)", "np.polyfit(x, y, deg=1)")
    verify(cli, project, 0)
    cli("rewrite", "accept", cwd=project)
    cli("eject", "--yes", cwd=project)
    assert not (project / "golden").exists() and not (project / "tests/test_parity.py").exists()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:scaffold"],
        cwd=project,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_a_recipes_golden_trace_is_compared_before_the_first_run(cli, numpy_project, tmp_path):
    import shutil

    recipe = shutil.copytree(numpy_project.parent / "recipe", tmp_path / "recipe")
    added = cli("recipes", "trace", str(recipe)).out.partition("golden:\n")[2]
    with (recipe / "recipe.yaml").open("a") as file:
        file.write("golden:\n" + added.rstrip() + "\n")
    project = cli.new(recipe)
    assert (project / "golden").is_dir()
    verified = cli("verify", cwd=project)
    assert (
        "all checks are equal" in verified.err
        and "is not what the recipe recorded" not in verified.out
    )
    assert "checks are equal" not in cli("verify", cwd=project).err

    edit(
        recipe,
        "reference/train.py",
        "np.random.normal(0, 0.1, count)",
        "0.1 * np.random.standard_normal(count) + 1e-6",
    )
    fix_tree(recipe)
    project = cli.new(recipe, "other")
    said = "is not what the recipe recorded: it differs at functions, train.make_data"
    begun = git(project, "rev-parse", "HEAD")
    for _ in range(2):
        verified = cli.any_status("verify", cwd=project)
        assert said in " ".join(verified.out.split())
        git(project, "reset", "--hard", "--quiet", begun)  # no evidence: it is judged again
        for stored in (project / ".scaffold/parity").iterdir():  # as a foreign project may have it
            stored.write_text(json.dumps({"differences": "", "signature": "0" * 64}))


def fix_tree(recipe):
    from scaffold.git.trees import content_id

    text = (recipe / "recipe.yaml").read_text()
    old = next(line for line in text.splitlines() if line.strip().startswith("tree:"))
    (recipe / "recipe.yaml").write_text(
        text.replace(old, f"  tree: {content_id(recipe / 'reference')}")
    )
