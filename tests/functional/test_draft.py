"""From a repository without a recipe to a project: drafted, answered, tried, created."""

import json
import re
from datetime import date
from pathlib import Path

import pytest
import yaml
from helpers import git, make_repository, toy_recipe, write_tree

from scaffold.authoring.drafting import trying
from scaffold.authoring.drafting.cures import python_of
from scaffold.authoring.drafting.kept_answers import read_sources
from scaffold.authoring.drafting.recipe_text import recipe_text
from scaffold.errors import PackagesError
from scaffold.machine import describe_machine

README = """\
# Tiny

Text classification with nothing but chance.

## Results

| model | test accuracy |
|---|---|
| Tiny | 0.90 |

```
python train.py --epochs 3
```
"""
PROGRAM = """\
import argparse
import pathlib
import random

{extra}
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--gain", type=float, default=0.0)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--data", default="data/words.csv")
args = parser.parse_args()
random.seed(args.seed)
words = open("data/words.csv").read().split()
for epoch in range(args.epochs):
    accuracy = 0.9 + args.gain + random.gauss(0, 0.001)
    print(f"epoch {epoch}: test accuracy {accuracy:.4f}")
"""
FILES = {
    "README.md": README + "\n## License\nMIT\n",
    "train.py": PROGRAM.replace("{extra}", ""),
    "data/words.csv": "good,bad\n",
}


@pytest.fixture
def repository(tmp_path):
    """A git repository with a program and a README, and no recipe."""
    make_repository(tmp_path / "tiny", FILES)
    return tmp_path / "tiny"


def try_draft(cli, *words, code=0):
    return cli("recipes", "try", *words, "--json", code=code).json


def test_from_a_url_to_a_project_whose_smoke_run_passes_without_a_decision(cli, repository):
    url = f"file://{repository}"
    drafted = cli("recipes", "draft", url, "-o", "draft", "--json").json
    assert drafted["questions"] == []
    assert drafted["answers"]["claims.0"]["value"]["value"] == 0.90
    assert {str(path) for path in (repository.parent / "draft").iterdir()} == {
        str(repository.parent / "draft" / name)
        for name in ("recipe.yaml", "sources.json", "DRAFT.md")
    }
    assert "citations stand in the source" in cli("recipes", "check", "draft").out
    tried = try_draft(cli, "draft")
    assert tried["works"] and 0.89 < tried["metrics"]["test_accuracy"] < 0.91
    project = cli.new("draft")
    assert (project / "reference/train.py").read_text() == FILES["train.py"]


def test_mlloop_new_drafts_by_itself(cli, repository):
    made = cli("new", "mine", "--from", f"file://{repository}", "--json")
    assert made.json["kind"] == "created"
    assert (repository.parent / "mine-recipe" / "DRAFT.md").is_file()
    assert "README.md:9" in made.err
    again = cli("new", "other", "--from", f"file://{repository}", "--json").json
    assert again["reference_tree"] == made.json["reference_tree"]


def test_calibration_runs_are_named_with_the_time_of_a_run(cli, repository):
    cli("recipes", "draft", f"file://{repository}", "-o", "draft")
    assert "recipes calibrate draft --runs 20" in cli("recipes", "try", "draft").out
    before = yaml.safe_load(Path("draft/recipe.yaml").read_text())
    assert "mlloop-new my-project --from draft" in (
        cli("recipes", "calibrate", "draft", "--runs", "3").out
    )
    after = yaml.safe_load(Path("draft/recipe.yaml").read_text())
    assert after.pop("calibration") == "calibration.json"
    needed = after.pop("resources")
    assert 0 < needed["run_time_s"] < 60 and "not measured" not in needed["hardware"]
    assert needed["device"] == before.pop("resources")["device"]
    assert after == before
    cli("recipes", "answer", "draft", "title", "Mine")  # nothing was edited by hand
    assert "calibration: calibration.json" in Path("draft/recipe.yaml").read_text()
    assert "citations stand in the source" in cli("recipes", "check", "draft").out


def test_calibration_runs_are_named_in_a_recipe_that_people_wrote(cli, tmp_path):
    recipe = toy_recipe(tmp_path / "recipe")
    text = "# by hand\n" + (recipe / "recipe.yaml").read_text() + "# its end\n"
    (recipe / "recipe.yaml").write_text(text)
    for _ in range(2):  # once only
        cli("recipes", "calibrate", str(recipe), "--runs", "2")
        written = (recipe / "recipe.yaml").read_text()
        assert written == text.rstrip() + "\ncalibration: calibration.json\n"


def test_a_recipe_with_other_line_ends_is_left_to_its_author(cli, tmp_path):
    recipe = toy_recipe(tmp_path / "recipe")
    content = (recipe / "recipe.yaml").read_bytes().replace(b"\n", b"\r\n")
    (recipe / "recipe.yaml").write_bytes(content)
    told = cli("recipes", "calibrate", str(recipe), "--runs", "2").out
    assert "add `calibration: calibration.json`" in told
    assert (recipe / "recipe.yaml").read_bytes() == content


def test_a_program_that_fails_in_another_encoding_is_told_with_its_words(cli, repository):
    extra = "import sys\nsys.stderr.buffer.write(b'caf\\xe9 is closed')\nsys.exit(1)\n"
    (repository / "train.py").write_text(PROGRAM.replace("{extra}", extra))
    git(repository, "commit", "--all", "--quiet", "-m", "fails")
    cli("recipes", "draft", f"file://{repository}", "-o", "draft")
    told = cli.any_status("recipes", "try", "draft")
    assert told.code == 1 and "caf\ufffd is closed" in told.out + told.err, told


def test_nothing_runs_before_consent(cli, repository):
    (repository / "train.py").write_text(FILES["train.py"] + "# nobody approved this\n")
    git(repository, "commit", "--quiet", "-am", "changed")
    cli("recipes", "draft", f"file://{repository}", "-o", "draft")
    cli.is_trusting = False
    refused = cli("recipes", "try", "draft", code=2)
    assert "was not approved yet" in refused.err and "python train.py" in refused.err


def test_a_folder_of_several_is_drafted_by_its_name(cli, tmp_path):
    files = {f"{name}/{file}": text for name in "abcd" for file, text in FILES.items()}
    files |= {
        f"{name}/README.md": FILES["README.md"].replace("`python", "`python") for name in "abcd"
    }
    make_repository(tmp_path / "many", {"README.md": "# Examples\n\nLicense: MIT\n", **files})
    url = f"file://{tmp_path / 'many'}"
    drafted = cli("recipes", "draft", url, "-o", "draft", "--json").json
    assert [one["value"] for one in drafted["questions"][0]["candidates"]] == [
        "a/",
        "b/",
        "c/",
        "d/",
    ]
    following = drafted["next"].split()
    assert following[:3] == ["scaffold", "recipes", "draft"] and following[3].endswith(":a")
    refused = cli("recipes", "answer", "draft", "commands.train.run", "b", code=2)
    assert "b is a folder" in refused.err
    one = cli(*following[1:], "-o", "one", "--json").json
    assert one["questions"] == []
    assert one["answers"]["commands.train.directory"]["value"] == "a"
    assert try_draft(cli, "one")["works"]


def test_a_plain_folder_is_copied(cli, tmp_path):
    write_tree(tmp_path / "plain", FILES)
    cli("recipes", "draft", "plain", "-o", "draft", "--json")
    assert (tmp_path / "draft/reference/train.py").read_text() == FILES["train.py"]
    assert "valid recipe" in cli("recipes", "check", "draft").out


def test_nothing_of_the_source_runs_while_it_is_read(cli, tmp_path):
    marker = tmp_path / "ran"
    trap = f"open({str(marker)!r}, 'w').write('ran')\n"
    files = {**FILES, "train.py": trap + FILES["train.py"], "setup.py": trap, "conftest.py": trap}
    make_repository(tmp_path / "trap", files)
    cli("recipes", "draft", f"file://{tmp_path / 'trap'}", "-o", "draft")
    cli("recipes", "check", "draft")
    assert not marker.exists()


def test_a_missing_licence_is_asked_for(cli, repository, tmp_path):
    (repository / "README.md").write_text(README)
    git(repository, "commit", "--quiet", "-am", "no licence")
    url = f"file://{repository}"
    refused = cli("new", "mine", "--from", url, code=2)
    assert "1 open question: reference.license" in refused.err
    assert "scaffold recipes answer mine-recipe reference.license 'none stated'" in refused.err
    assert not (tmp_path / "mine").exists() and (tmp_path / "mine-recipe").is_dir()
    cli("new", "mine", "--from", url, "--accept-no-licence", "--json")
    assert "license: none stated" in (tmp_path / "mine/recipe.yaml").read_text()


def test_questions_are_answered_one_by_one(cli, repository):
    (repository / "README.md").write_text("# Tiny\n\n## License\nMIT\n")
    git(repository, "commit", "--quiet", "-am", "says nothing")
    drafted = cli("recipes", "draft", f"file://{repository}", "-o", "draft", "--json").json
    asked = [question["key"] for question in drafted["questions"]]
    assert asked == ["commands.train.run"]
    answer = ("recipes", "answer", "draft")
    command = "python train.py --epochs 4"
    left = cli(*answer, "commands.train.run", command, "--json").json
    # What follows from the command is read, not asked.
    assert left["questions"] == []
    assert left["answers"]["hyperparameters.epochs"]["value"] == 4
    wrong = cli(*answer, "task", "text-classification", "--source", "train.py:900", code=2)
    assert "the source has no line train.py:900" in wrong.err
    cited = cli(*answer, "task", "text-classification", "--source", "train.py:1", "--json").json
    assert cited["answers"]["task"]["citations"][0]["words"] == "import argparse"
    assert cited["answers"]["task"]["by"] == "person"
    assert try_draft(cli, "draft")["works"]


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("nokey", "1", "is not a field of a recipe"),
        (".", "1", "is not a field of a recipe"),
        ("metrics.-1", "{name: x}", "is not a field of a recipe"),
        ("datasets.0", "null", "datasets.0 cannot be"),
        ("datasets.0", "5", "datasets.0 cannot be"),
        ("commands", "nope", "commands cannot be"),
        ("commands.train.run.foo", "x", "cannot be"),
        ("seeds.how", "banana", "seeds.how cannot be"),
        ("metrics.0", "{name:", "is no YAML value"),
        ("title", "[" * 900 + "]" * 900, "is no YAML value"),
    ],
)
def test_an_answer_that_does_not_fit_changes_nothing(cli, repository, tmp_path, key, text, message):
    cli("recipes", "draft", f"file://{repository}", "-o", "draft")
    before = {path.name: path.read_bytes() for path in (tmp_path / "draft").iterdir()}
    assert message in cli("recipes", "answer", "draft", key, text, code=2).err
    assert {path.name: path.read_bytes() for path in (tmp_path / "draft").iterdir()} == before


def test_a_date_is_an_answer_and_the_page_names_places(cli, repository, tmp_path):
    cli("recipes", "draft", f"file://{repository}", "-o", "draft")
    cli("recipes", "answer", "draft", "environment.as_of", "2022-01-01")
    assert "as_of: '2022-01-01'" in (tmp_path / "draft/recipe.yaml").read_text()
    assert "| README.md:9 |" in (tmp_path / "draft/DRAFT.md").read_text()


def test_an_open_draft_says_so_wherever_it_is_used(cli, repository):
    (repository / "README.md").write_text("# Tiny\n\n## License\nMIT\n")
    git(repository, "commit", "--quiet", "-am", "says nothing")
    cli("recipes", "draft", f"file://{repository}", "-o", "draft")
    for words in (("recipes", "check", "draft"), ("new", "p", "--from", "draft")):
        said = cli(*words, code=2).err
        assert "1 open question: commands.train.run" in said and "recipes answer draft" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "has no name"),
        ("file.txt", "is a file, not a folder"),
        ("git@github.com:a/b.git", "write ssh://git@github.com/a/b.git"),
    ],
)
def test_what_is_no_source_is_said(cli, tmp_path, words, message):
    (tmp_path / "file.txt").write_text("x")
    assert message in cli("recipes", "draft", words, "-o", "draft", code=2).err


def test_what_is_left_out_changes_the_pin(cli, repository):
    write_tree(repository, {"weights/big.bin": "large"})
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "-m", "weights")
    cli("recipes", "draft", f"file://{repository}", "-o", "draft")
    cli("recipes", "answer", "draft", "reference.exclude", "[weights]", "--json")
    assert "as pinned" in cli("recipes", "check", "draft").out
    assert not (cli.new("draft") / "reference/weights").exists()
    nowhere = cli("recipes", "answer", "draft", "reference.exclude", "[nowhere]", code=4)
    assert "which the reference does not have" in nowhere.err


def test_an_answer_does_not_undo_what_was_edited_by_hand(cli, repository, tmp_path):
    cli("recipes", "draft", f"file://{repository}", "-o", "draft")
    recipe = tmp_path / "draft/recipe.yaml"
    recipe.write_text(recipe.read_text().replace("title: Tiny", "title: Tinier"))
    refused = cli("recipes", "answer", "draft", "task", "x", code=2)
    assert "was edited by hand" in refused.err
    assert "title: Tinier" in recipe.read_text()


def test_a_citation_that_does_not_hold_is_refused(cli, repository, tmp_path):
    cli("recipes", "draft", f"file://{repository}", "-o", "draft")
    place = tmp_path / "draft/sources.json"
    sources = json.loads(place.read_text())
    sources["answers"]["title"]["citations"][0]["words"] = "# Huge"
    place.write_text(json.dumps(sources))
    assert (
        "title: README.md:1 does not say '# Huge'" in cli("recipes", "check", "draft", code=2).err
    )


@pytest.mark.parametrize(
    ("extra", "code", "key"),
    [
        ("open('out/log.txt', 'w')", "missing_folder", "commands.prepare"),
        (
            "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9')",
            "no_network",
            "commands.prepare",
        ),
        ("input('go on? ')", "wants_terminal", ""),
    ],
)
def test_a_known_failure_has_a_cure_that_is_written_only_when_accepted(
    cli, repository, tmp_path, extra, code, key
):
    (repository / "train.py").write_text(PROGRAM.replace("{extra}", extra))
    git(repository, "commit", "--quiet", "-am", "fails")
    cli("recipes", "draft", f"file://{repository}", "-o", "draft")
    before = (tmp_path / "draft/recipe.yaml").read_text()
    tried = try_draft(cli, "draft", code=1)
    assert (tried["works"], tried["cure"]["code"], tried["cure"]["key"]) == (False, code, key)
    assert (tmp_path / "draft/recipe.yaml").read_text() == before
    if code == "missing_folder":
        assert try_draft(cli, "draft", "--accept", code=1)["accepted"]
        assert try_draft(cli, "draft")["works"]
        assert "tried: " in (tmp_path / "draft/DRAFT.md").read_text()


def test_an_environment_that_cannot_be_made_goes_down_the_ladder(
    cli, repository, tmp_path, monkeypatch
):
    """Packages of the date for a Python of that time, then today's, then any version."""

    def no_builds(*_, **__):
        raise PackagesError("no builds")

    monkeypatch.setattr(trying, "prepare_smoke", no_builds)
    monkeypatch.setattr(trying, "installed_pythons", lambda: ["3.8.20", "3.6.15", "3.11.9"])
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2020-06-01T00:00:00+00:00")
    (repository / "requirements.txt").write_text("numpy==1.18.0\n")
    (repository / "train.py").write_text(PROGRAM.replace("{extra}", "import numpy"))
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "of its time")
    cli("recipes", "draft", f"file://{repository}", "-o", "draft")
    ladder = []
    while cure := try_draft(cli, "draft", "--accept", code=1)["cure"]:
        ladder.append((cure["code"], cure["value"]))
    assert [code for code, _ in ladder] == [
        "python_of_the_time",
        "no_packages_of_the_time",
        "no_such_version",
    ]
    assert ladder[0][1] == "==3.8.*"
    page = (tmp_path / "draft/DRAFT.md").read_text()
    assert page.count("tried: ") == len(ladder)


@pytest.mark.parametrize(
    ("committed", "pythons", "python"),
    [
        ("2020-06-01", ["3.8.20", "3.11.9"], "3.8"),
        ("2020-01-01", ["3.8.20", "3.11.9"], None),  # three months old: no builds for it yet
        ("2020-01-01", ["3.7.17", "3.6.15", "3.11.9"], "3.7"),
        ("2026-01-01", ["3.11.9", "3.14.0"], "3.11"),
        ("2015-01-01", ["3.6.15"], None),
        ("2024-01-01", [], None),
    ],
)
def test_the_python_of_a_time(committed, pythons, python):
    assert python_of(date.fromisoformat(committed), pythons) == python


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"main.cpp": "int main() {}\n"}, "no Python program in it"),
        ({"README.md": "# Empty\n"}, "no Python program in it"),
    ],
)
def test_what_cannot_be_drafted_is_said(cli, tmp_path, files, message):
    make_repository(tmp_path / "other", files)
    assert message in cli("recipes", "draft", f"file://{tmp_path / 'other'}", code=2).err
    assert not (tmp_path / "other-recipe").exists()


def test_an_empty_repository_is_called_so(cli, tmp_path):
    make_repository(tmp_path / "full", {"README.md": "# T\n"})
    git(tmp_path, "init", "-q", "empty")
    refused = cli("new", "mine", "--from", f"file://{tmp_path / 'empty'}", "--no-input", code=4)
    assert "is empty: nothing was ever committed" in refused.err
    missing = f"file://{tmp_path / 'full'}@v9"
    assert "has no branch or tag" in cli("recipes", "draft", missing, code=4).err


def test_a_program_for_python_2_is_called_so_once(cli, tmp_path):
    files = {
        "README.md": "# Old\n\nRun `python train.py`.\n",
        "train.py": "import numpy\nprint 'test accuracy %f' % 0.9\n",
    }
    make_repository(tmp_path / "old", files)
    words = ("recipes", "draft", f"file://{tmp_path / 'old'}", "-o", "draft", "--json")
    warnings = [text for text in cli(*words).json["warnings"] if "train.py" in text]
    assert len(warnings) == 1 and "port it first" in warnings[0]


def test_a_folder_in_the_way_is_left_alone(cli, repository, tmp_path):
    (tmp_path / "draft").mkdir()
    (tmp_path / "draft/mine.txt").write_text("mine")
    refused = cli("recipes", "draft", f"file://{repository}", "-o", "draft", code=2)
    assert "exists and is not empty" in refused.err
    assert [path.name for path in (tmp_path / "draft").iterdir()] == ["mine.txt"]


def test_a_recipe_s_command_needs_no_shell(cli, repository, tmp_path):
    cli("recipes", "draft", f"file://{repository}", "-o", "draft")
    recipe = tmp_path / "draft/recipe.yaml"
    text = recipe.read_text().replace("python train.py", "cd x && python train.py", 1)
    recipe.write_text(text)
    assert (
        "has '&&', which only a shell understands" in cli("recipes", "check", "draft", code=2).err
    )


@pytest.mark.skipif(describe_machine().accelerator is not None, reason="this machine has a GPU")
def test_a_program_for_a_gpu_is_called_so(cli, tmp_path):
    program = PROGRAM.replace("{extra}", "class model:\n    cuda = print\n\nmodel.cuda()\n")
    files = {
        "README.md": "# Tiny\n\n`python train.py` gives 0.9 test accuracy.\n\nMIT license\n",
        "train.py": program,
        "data/words.csv": "a\n",
    }
    make_repository(tmp_path / "source", files)
    words = ("new", "mine", "--from", f"file://{tmp_path / 'source'}", "--accept-no-licence")
    result = cli(*words, "--no-input")
    assert "Device     cuda   train.py:8" in result.out + result.err
    assert "made for a GPU, and this machine has none" in result.out


def test_an_open_question_shows_what_an_answer_looks_like(cli, tmp_path):
    """And a number that its source does not say is refused."""
    source = write_tree(
        tmp_path / "net",
        {
            "README.md": "# Net\n\nAccuracy is 0.91 on our data.\n\n```\npython train.py\n```\n",
            "train.py": "import json\njson.dump({}, open('out.json', 'w'))\n",
            "LICENSE": "MIT License\n",
        },
    )
    told = cli("recipes", "draft", source, "-o", "draft").out
    form = re.search(r"draft metrics\.0 VALUE\s+# such as\s+'(\{.*\})'", " ".join(told.split()))
    assert form, told
    cli("recipes", "answer", "draft", "metrics.0", form[1])
    claim = "{metric: test_accuracy, dataset: data, basis: training, value: %s, selection: unknown}"
    words = ("recipes", "answer", "draft", "claims.0")
    wrong = cli(*words, claim % 0.95, "--source", "README.md:3", code=2).err
    assert "README.md:3 does not say 0.95: 'Accuracy is 0.91 on our data.'" in wrong


def test_a_draft_of_a_folder_above(cli, tmp_path, monkeypatch):
    from helpers import make_repository

    files = {"train.py": "print('accuracy 0.9')\n", "LICENSE": "MIT License\n"}
    make_repository(tmp_path / "net", files)
    (tmp_path / "work").mkdir()
    cli("recipes", "draft", "../net", "-o", "draft", cwd=tmp_path / "work")
    assert f"git: file://{tmp_path / 'net'}\n" in (tmp_path / "work/draft/recipe.yaml").read_text()


def test_a_draft_of_a_folder_with_edits_says_that_it_is_of_the_last_commit(cli, repository):
    clean = cli("recipes", "draft", str(repository), "-o", "clean", "--json").json
    (repository / "train.py").write_text("print('edited')\n")
    (repository / "README.md").unlink()
    edited = cli("recipes", "draft", str(repository), "-o", "edited", "--json").json
    (new,) = set(edited["warnings"]) - set(clean["warnings"])
    assert "and 1 more differ from the last commit, which the draft is of" in new


def test_what_cures_the_short_command_cures_the_whole_one(cli, tmp_path):
    files = {
        "README.md": FILES["README.md"].replace("python train.py", "python gae/train.py --fast 1"),
        "gae/train.py": PROGRAM.replace("{extra}", "import tools.words"),
        "gae/data/words.csv": "good,bad\n",
        "tools/__init__.py": "",
        "tools/words.py": "",
    }
    repository = tmp_path / "nested"
    make_repository(repository, files)
    cli("recipes", "draft", f"file://{repository}", "-o", "draft")
    for _ in range(5):
        tried = cli.any_status("recipes", "try", "draft", "--accept", "--json").json
        if tried["works"]:
            break
    assert tried["works"], tried
    commands = yaml.safe_load(Path("draft/recipe.yaml").read_text())["commands"]
    for step in ("train", "smoke"):
        command = commands[step]
        assert (
            command["run"].startswith("python train.py --epochs") and "--fast" not in command["run"]
        )
        assert command["directory"] == "gae"
        assert command["variables"] == {"PYTHONPATH": "{reference}"}
    assert cli("recipes", "calibrate", "draft", "--runs", "2").code == 0


def test_another_command_leaves_what_was_tried_of_the_environment(cli, tmp_path):
    needs = {**FILES, "train.py": PROGRAM.replace("{extra}", "import toolz")}
    make_repository(tmp_path / "needs", needs)
    cli("recipes", "draft", f"file://{tmp_path / 'needs'}", "-o", "draft")
    recipe = yaml.safe_load(Path("draft/recipe.yaml").read_text())
    packages = [one for one in recipe["environment"]["packages"] if one != "toolz"]
    sources = json.loads(Path("draft/sources.json").read_text())
    answer = {"status": "value", "value": [*packages, "toolz==1.0.0"], "note": "", "by": "try"}
    sources["answers"]["environment.packages"] = {**answer, "citations": [], "candidates": []}
    Path("draft/sources.json").write_text(json.dumps(sources))
    cli("recipes", "answer", "draft", "title", "Mine", "--json", code=2)
    Path("draft/recipe.yaml").write_text(recipe_text(read_sources(Path("draft"))))
    cli("recipes", "answer", "draft", "commands.train.run", "python train.py --epochs 4")
    renewed = yaml.safe_load(Path("draft/recipe.yaml").read_text())
    assert "toolz==1.0.0" in renewed["environment"]["packages"]
    assert renewed["hyperparameters"]["epochs"] == 4


def test_how_long_a_verification_takes_is_not_said_before_a_run_was_measured(cli, repository):
    cli("recipes", "draft", f"file://{repository}", "-o", "draft")
    project = cli.new("draft")
    assert cli("next", "--json", cwd=project).json["about_s"] is None
