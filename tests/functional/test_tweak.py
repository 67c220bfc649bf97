"""`scaffold tweak`, and `verify` inside one.

From a reproduced project, one small step at a time.
"""

import difflib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from helpers import BETTER, RENAME, WORSE, accepted, edit, git, make_repository, write_tree

from scaffold.tweak.verify import _tell_what_is_left


def run_pytest(project: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_matters_is_the_margin_of_an_improvement(cli, reproduced):
    """Half a standard deviation of the seeds otherwise, and of what is to change nothing."""
    cli("goal", "set", "--matters", "0.02", "--why", "users notice", cwd=reproduced)
    for name, kind in (("better", "improve"), ("same", "neutral")):
        cli("tweak", "start", name, "--kind", kind, cwd=reproduced)
        rule = yaml.safe_load((reproduced / f"tweaks/{name}.yaml").read_text())["rule"]
        assert (rule["margin"] == 0.02) is (kind == "improve")
        assert (rule["margin_reason"] == "goal.yaml: users notice") is (kind == "improve")
        cli("tweak", "drop", cwd=reproduced)


def test_locked_until_reproduced(cli, tweakable_recipe):
    project = cli.new(tweakable_recipe)
    refused = cli("tweak", "start", "first", code=2, cwd=project)
    assert "locked until the reference gives its published result" in refused.err
    assert git(project, "branch", "--list", "tweak/*") == ""
    cli("tweak", "start", "first", "--reason", "no time", cwd=project)
    assert "no time" in (project / "tweaks/first.yaml").read_text()


def test_the_first_tweak_makes_a_copy_that_equals_the_reference(cli, reproduced):
    said = cli("tweak", "start", "first", "--expect", "nothing yet", cwd=reproduced)
    assert "Made       src/" in said.out
    assert git(reproduced, "branch", "--show-current") == "tweak/first"
    for branch in ("main", "tweak/first"):
        assert git(reproduced, "rev-parse", f"{branch}:src") == git(
            reproduced, "rev-parse", "main:reference"
        )
    system = (reproduced / "system.yaml").read_text()
    for key in ("commands:", "hyperparameters:", "metrics:"):
        assert f"\n{key}" in system
    for key in ("claims:", "calibration:", "reference:", "adaptation:"):
        assert key not in system
    for file in ("recipe.yaml", "system.yaml", "milestones.yaml", "tweaks/first.yaml"):
        head, line = (
            "# yaml-language-server: $schema=",
            (reproduced / file).read_text().split("\n")[0],
        )
        assert line.startswith(head), file
        schema = (reproduced / file).parent / line[len(head) :]
        assert set(yaml.safe_load((reproduced / file).read_text())) <= set(
            json.loads(schema.read_text())["properties"]
        )
    assert (reproduced / "system.lock").read_bytes() == (
        reproduced / "environment.lock"
    ).read_bytes()
    assert git(reproduced, "status", "--porcelain") == ""
    again = cli("verify", code=2, cwd=reproduced)
    assert "nothing has changed yet" in again.err and "reference/" not in again.err
    edit(reproduced, "reference/train.py", "import", "import  ")
    again = cli("verify", code=2, cwd=reproduced)
    assert "in reference/, which stays as published, train.py differs" in again.err
    assert "git checkout -- reference" in again.err


def test_a_neutral_change_is_accepted(cli, reproduced):
    cli("tweak", "start", "rename", "--kind", "neutral", cwd=reproduced)
    assert cli("status", "--json", cwd=reproduced).json["tweak"]["changed"] is False
    edit(reproduced, *RENAME)
    assert cli("next", "--json", cwd=reproduced).json["command"] == "scaffold verify"
    found = cli("verify", "--json", cwd=reproduced).json
    assert (found["verdict"], found["refusal"]) == ("NO_DIFFERENCE", None)
    assert "no run was needed" in cli("verify", "--json", cwd=reproduced).json["note"]
    assert cli("next", "--json", cwd=reproduced).json["command"] == "scaffold tweak accept"

    decided = cli("tweak", "accept", "--json", cwd=reproduced).json
    assert decided["decision"] == "accepted" and decided["base_branch"] == "main"
    assert git(reproduced, "branch", "--show-current") == "main"
    assert git(reproduced, "status", "--porcelain") == ""
    assert git(reproduced, "rev-parse", "milestone/tweak-rename") == decided["commit"]
    assert len(git(reproduced, "show", "--no-patch", "--format=%P", "HEAD").split()) == 2
    assert "tweak/rename" not in git(reproduced, "branch")
    assert (
        json.loads((reproduced / "evidence/tweak-rename.json").read_text())["decision"]
        == "accepted"
    )
    assert "**NO_DIFFERENCE**" in (reproduced / "journal/rename.md").read_text()
    steps = {
        step["id"]: step["state"]
        for step in cli("status", "--json", cwd=reproduced).json["milestones"]
    }
    assert steps["tweak-rename"] == "passed"
    assert cli("next", "--json", cwd=reproduced).json["command"] == "scaffold tweak start less-work"
    done = run_pytest(reproduced)
    assert "4 passed" in done.stdout, done.stdout


def test_a_worse_change_is_refused_and_a_reason_goes_on_record(cli, reproduced):
    cli("tweak", "start", "level", "--kind", "neutral", cwd=reproduced)
    edit(reproduced, *WORSE)
    found = cli("verify", "--json", code=1, cwd=reproduced).json
    assert found["verdict"] == "WORSE"
    assert cli("next", "--json", cwd=reproduced).json["command"] == "scaffold tweak drop"
    refused = cli("tweak", "accept", code=2, cwd=reproduced)
    assert "a neutral change must make NO_DIFFERENCE" in refused.err and "--reason" in refused.err
    assert git(reproduced, "branch", "--show-current") == "tweak/level"
    cli("tweak", "accept", "--reason", "the old level was a lie", cwd=reproduced)
    assert (
        json.loads((reproduced / "evidence/tweak-level.json").read_text())["reason"]
        == "the old level was a lie"
    )
    assert "the old level was a lie" in (reproduced / "journal/level.md").read_text()
    assert "the old level was a lie" in git(reproduced, "log", "-1", "--format=%B")
    assert run_pytest(reproduced).returncode == 0


def test_an_improvement(cli, reproduced):
    cli("tweak", "start", "level", cwd=reproduced)
    edit(reproduced, *BETTER)
    found = cli("verify", cwd=reproduced)
    assert "BETTER" in found.out and "can be accepted (kind improve)" in found.out


@pytest.mark.parametrize("edited", ["src", "system", "declaration", "evidence"])
def test_stale_evidence_is_refused(cli, reproduced, edited):
    cli("tweak", "start", "rename", "--kind", "neutral", cwd=reproduced)
    edit(reproduced, *RENAME)
    cli("verify", "--json", cwd=reproduced)
    paths = {
        "src": ("src/train.py", "LEVEL = 0.9", "LEVEL = 0.901"),
        "system": ("system.yaml", "gain: 0.0", "gain: 0.1"),
        "declaration": ("tweaks/rename.yaml", "margin: ", "margin: 1"),
        "evidence": ("evidence/tweak-rename.json", '"cost_s": ', '"cost_s": 1'),
    }
    edit(reproduced, *paths[edited])
    refused = cli("tweak", "accept", code=2, cwd=reproduced)
    assert "stale" in refused.err or "edited after it was written" in refused.err
    if edited in ("src", "system"):
        assert f"{paths[edited][0]} changed" in refused.err
    assert cli("next", "--json", cwd=reproduced).json["command"] == "scaffold verify"


def test_a_word_that_does_not_follow_from_the_runs_is_found(cli, reproduced):
    """Even with the checksum made right, as nobody but a forger would."""
    from scaffold.project.files import read_record
    from scaffold.project.project import Project
    from scaffold.records.tweak import ChangeEvidence

    cli("tweak", "start", "level", "--kind", "neutral", cwd=reproduced)
    edit(reproduced, *WORSE)
    cli("verify", "--json", code=1, cwd=reproduced)
    path = Project(reproduced).evidence / "tweak-level.json"
    evidence = read_record(ChangeEvidence, path)
    forged = evidence.model_copy(
        update={"judgment": {**evidence.judgment, "verdict": "NO_DIFFERENCE", "refusal": None}}
    )
    path.write_text(forged.with_checksum().model_dump_json(by_alias=True))
    refused = cli("tweak", "accept", code=2, cwd=reproduced)
    assert "says NO_DIFFERENCE, but its runs say WORSE" in refused.err


def test_what_is_dropped_before_it_was_judged_is_dropped_in_the_status(cli, reproduced):
    cli("tweak", "start", "less-work", cwd=reproduced)
    cli("tweak", "drop", "--json", cwd=reproduced)
    states = {
        step["id"]: step["state"]
        for step in cli("status", "--json", cwd=reproduced).json["milestones"]
    }
    assert states["tweak-less-work"] == "dropped"


def test_drop_keeps_the_record_and_leaves_main_as_it_was(cli, reproduced):
    accepted(cli, reproduced, "rename", RENAME)
    before = git(reproduced, "ls-tree", "-r", "main")
    (reproduced / "notes.txt").write_text("mine\n")
    cli("tweak", "start", "level", "--kind", "neutral", cwd=reproduced)
    edit(reproduced, *WORSE)
    write_tree(reproduced / "src", {"extra.py": "x = 1\n"})
    cli("verify", "--json", code=1, cwd=reproduced)
    cli("tweak", "drop", "--json", cwd=reproduced)
    assert git(reproduced, "branch", "--show-current") == "main"
    added = set(git(reproduced, "ls-tree", "-r", "main").splitlines()) - set(before.splitlines())
    assert {line.split("\t")[1] for line in added} == {
        "evidence/tweak-level.json",
        "journal/level.md",
    }
    assert "LEVEL = 0.87" in git(reproduced, "show", "dropped/level:src/train.py")
    assert git(reproduced, "show", "dropped/level:src/extra.py") == "x = 1"
    assert (reproduced / "notes.txt").read_text() == "mine\n"
    rows = {
        row["name"]: row for row in cli("tweak", "list", "--json", cwd=reproduced).json["tweaks"]
    }
    assert (rows["level"]["state"], rows["level"]["verdict"]) == ("dropped", "WORSE")
    assert rows["less-work"]["state"] == "suggested"
    assert "dropped" in cli("tweak", "list", cwd=reproduced).out
    refused = cli("tweak", "start", "level", code=2, cwd=reproduced)
    assert "level-2" in refused.err


def test_dropped_before_it_was_judged(cli, reproduced):
    cli("tweak", "start", "idea", cwd=reproduced)
    cli("tweak", "drop", cwd=reproduced)
    assert "before it was judged" in (reproduced / "journal/idea.md").read_text()
    assert git(reproduced, "rev-parse", "main:src") == git(
        reproduced, "rev-parse", "main:reference"
    )
    refused = cli("tweak", "start", "idea", code=2, cwd=reproduced)
    assert "was dropped before" in refused.err


def test_edits_made_before_the_start_come_along(cli, reproduced):
    accepted(cli, reproduced, "rename", RENAME)
    edit(reproduced, *BETTER)
    assert "differ from all that was judged" in cli("next", "--json", cwd=reproduced).json["why"]
    said = cli("tweak", "start", "level", "--json", cwd=reproduced).json
    assert said["carried"] == ["src/train.py"]
    assert cli("verify", "--json", cwd=reproduced).json["verdict"] == "BETTER"
    assert git(reproduced, "show", "main:src/train.py").count("LEVEL = 0.9\n") == 1


def test_commits_made_past_the_scaffold_are_part_of_the_next_tweak(cli, reproduced):
    accepted(cli, reproduced, "rename", RENAME)
    edit(reproduced, *WORSE)
    git(reproduced, "commit", "--all", "--quiet", "-m", "straight to main")
    cli("tweak", "start", "edits", "--kind", "neutral", cwd=reproduced)
    assert cli("verify", "--json", code=1, cwd=reproduced).json["verdict"] == "WORSE"


def test_two_changes_at_once_are_pointed_out(cli, reproduced):
    cli("tweak", "start", "both", cwd=reproduced)
    edit(reproduced, "system.yaml", "gain: 0.0", "gain: 3.0")
    edit(reproduced, "src/train.py", "2.0 / epoch", "3.0 / epoch")
    found = cli("verify", "--json", cwd=reproduced).json
    assert [(part["aspect"], part["name"], part["group"]) for part in found["differences"]] == [
        ("hyperparameter", "gain", 1),
        ("code", "train.py:measure_loss", 2),
    ]
    assert any(
        "2 changes at once" in remark and "git stash push --patch" in remark
        for remark in found["remarks"]
    )


def test_a_flag_and_its_code_are_one_change(cli, reproduced):
    cli("tweak", "start", "bonus", cwd=reproduced)
    edit(reproduced, "system.yaml", "gain: 0.0", "gain: 0.0\n  bonus: 3.0")
    edit(reproduced, "system.yaml", "work={work}", "work={work} bonus={bonus}")
    edit(
        reproduced,
        "src/train.py",
        'float(args["gain"])',
        '(float(args["gain"]) + float(args["bonus"]))',
    )
    found = cli("verify", "--ablate", "bonus=0", "--json", cwd=reproduced).json
    assert {part["group"] for part in found["differences"]} == {1}
    assert found["refusal"] is None
    assert [one for one in found["remarks"] if "may not have shown" not in one] == []
    off = next(f for f in found["findings"] if f["question"] == "ablation")
    assert (off["verdict"], off["metric"]) == ("NO_DIFFERENCE", "bonus=0.0")
    for wrong, said in (
        ("bonnus=0", "no hyperparameter"),
        ("bonus=no", "type float"),
        ("bonus", "KEY=VALUE"),
    ):
        assert said in cli("verify", "--ablate", wrong, code=2, cwd=reproduced).err


def test_a_flag_that_does_not_switch_all_off_is_found(cli, reproduced):
    cli("tweak", "start", "bonus", cwd=reproduced)
    edit(reproduced, "system.yaml", "gain: 0.0", "gain: 3.0")
    edit(reproduced, *BETTER)
    found = cli("verify", "--ablate", "gain=0", "--json", code=1, cwd=reproduced).json
    assert "the snapshot before is not given again" in found["refusal"]


def test_a_cheaper_mode(cli, reproduced):
    cli("tweak", "start", "slow", "--kind", "neutral", cwd=reproduced)
    edit(reproduced, "system.yaml", "work: 100000", "work: 3000000")
    cli.any_status("verify", "--json", cwd=reproduced)
    cli("tweak", "accept", "--reason", "to have something to save", cwd=reproduced)
    cli("tweak", "start", "less-work", "--probe", "gain=-5", cwd=reproduced)
    edit(reproduced, "system.yaml", "work: 3000000", "work: 1000")
    found = cli("verify", "--json", cwd=reproduced).json
    assert (found["verdict"], found["refusal"]) == ("NO_DIFFERENCE", None)
    # It is worse by itself, and leads to the same conclusion of the probe.
    edit(
        reproduced,
        "src/train.py",
        "LEVEL = 0.9",
        'LEVEL = 0.9 if int(args["work"]) > 2000 else 0.8',
    )
    found = cli("verify", "--json", cwd=reproduced).json
    assert found["refusal"] is None, found
    assert [f["metric"] for f in found["findings"] if f["question"] == "probe"] == ["gain=-5.0"]
    # And to another one.
    edit(reproduced, "src/train.py", "else 0.8", 'else 0.8 - 0.02 * float(args["gain"])')
    found = cli("verify", "--json", code=1, cwd=reproduced).json
    assert "WORSE in the full mode and BETTER in the cheaper one: not the same" in found["reason"]


@pytest.mark.parametrize(
    "words, said",
    [
        (("Bad_Name",), "invalid tweak name 'Bad_Name'"),
        (("x", "--kind", "data"), "needs its bound"),
        (("x", "--kind", "data", "--bound", "0.9"), "--bound-source"),
        (("x", "--kind", "data", "--bound", "best", "--bound-source", "me"), "must be a number"),
        (("x", "--metric", "accurracy"), "there are: accuracy, loss"),
        (("x", "--margin", "0"), "must be above 0"),
        (("x", "--margin", "nan"), "must be above 0"),
        (("x", "--kind", "cheaper", "--probe", "width=3"), "there are: gain, work"),
        (("x", "--kind", "cheaper", "--probe", "gain=much"), "type float"),
    ],
)
def test_wrong_words_change_nothing(cli, reproduced, words, said):
    before = git(reproduced, "for-each-ref")
    refused = cli("tweak", "start", *words, code=2, cwd=reproduced)
    assert said in refused.err
    assert git(reproduced, "for-each-ref") == before
    assert json.loads(cli("tweak", "start", *words, "--json", code=2, cwd=reproduced).out)["error"]


def test_one_at_a_time(cli, reproduced):
    cli("tweak", "start", "one", cwd=reproduced)
    assert "one change at a time" in cli("tweak", "start", "two", code=2, cwd=reproduced).err
    git(reproduced, "switch", "--quiet", "main")
    assert cli("next", "--json", cwd=reproduced).json["command"] == "git switch tweak/one"
    assert "no tweak is under way here" in cli("tweak", "accept", code=2, cwd=reproduced).err
    assert "git switch tweak/one" in cli("tweak", "drop", code=2, cwd=reproduced).err
    assert (
        "is a branch tweak/one already" in cli("tweak", "start", "one", code=2, cwd=reproduced).err
    )


def test_accept_needs_a_verdict(cli, reproduced):
    cli("tweak", "start", "one", cwd=reproduced)
    edit(reproduced, *BETTER)
    assert (
        "was not judged yet"
        in cli("tweak", "accept", "--reason", "I know", code=2, cwd=reproduced).err
    )


def test_another_metric_of_the_same_name_is_no_measure(cli, reproduced):
    cli("tweak", "start", "percent", cwd=reproduced)
    edit(reproduced, "system.yaml", "unit: fraction", "unit: percent")
    assert "not measured in the same unit" in cli("verify", code=2, cwd=reproduced).err


def test_ignored_files_are_said_to_be_no_part(cli, reproduced):
    cli("tweak", "start", "one", cwd=reproduced)
    edit(reproduced, *BETTER)
    write_tree(reproduced, {"src/__pycache__/x.pyc": b"\0"})
    found = cli("verify", "--json", cwd=reproduced).json
    assert any("ignored by git" in remark for remark in found["remarks"])


def test_runs_are_not_made_twice(cli, reproduced):
    accepted(cli, reproduced, "rename", RENAME)
    count = len(list((reproduced / ".scaffold/runs").iterdir()))
    cli("tweak", "start", "again", "--kind", "neutral", cwd=reproduced)
    edit(reproduced, "src/train.py", "import random, json, sys", "import sys, random, json")
    cli("verify", "--json", cwd=reproduced)
    assert len(list((reproduced / ".scaffold/runs").iterdir())) == count + 2


def test_a_reference_with_patches_and_drivers(cli, tmp_path, tweakable_recipe):
    """Both go into src/, which then runs by itself."""
    from helpers import TWEAKABLE, git_recipe

    upstream = tmp_path / "upstream"
    revision = make_repository(upstream, {"library.py": TWEAKABLE, ".gitignore": "*.log\n"})
    (tmp_path / "new.py").write_text(
        (upstream / "library.py").read_text().replace("LEVEL = 0.9", "LEVEL = 0.91")
    )
    lines = [
        path.read_text().splitlines(keepends=True)
        for path in (upstream / "library.py", tmp_path / "new.py")
    ]
    patch = "".join(difflib.unified_diff(*lines, "a/library.py", "b/library.py"))
    recipe = git_recipe(
        tmp_path / "recipe",
        upstream,
        revision,
        reference={
            "patches": [{"file": "patches/level.patch", "reason": "to see it"}],
            "drivers": ["drivers/go.py"],
        },
        commands={
            "train": {"run": "python {drivers}/go.py seed={seed} gain=0 work=1", "timeout_s": 20},
            "smoke": None,
        },
    )
    write_tree(
        recipe, {"patches/level.patch": patch, "drivers/go.py": "exec(open('library.py').read())\n"}
    )
    project = cli.new(recipe)
    cli("tweak", "start", "first", "--reason", "no calibration", "--margin", "0.001", cwd=project)
    assert "LEVEL = 0.91" in (project / "src/library.py").read_text()
    assert (project / "src/drivers/go.py").is_file()
    edit(project, "src/library.py", "LEVEL = 0.91", "LEVEL = 0.95")
    assert cli("verify", "--json", cwd=project).json["verdict"] == "BETTER"


def test_a_smoke_run_of_the_change(cli, reproduced):
    cli("tweak", "start", "one", cwd=reproduced)
    edit(reproduced, "src/train.py", "import json", "import jason")
    refused = cli("run", "--smoke", code=4, cwd=reproduced)
    assert "No module named 'jason'" in refused.err and "correct src/ or system.yaml" in refused.err
    assert len(cli("run", "--smoke", "--reference", "--json", cwd=reproduced).json["runs"]) == 1
    edit(reproduced, "src/train.py", "import jason", "import json")
    edit(reproduced, *BETTER)
    assert cli("run", "--smoke", "--json", cwd=reproduced).json["runs"][0]["smoke"] is True
    two = cli("run", "--seeds", "2", "--json", cwd=reproduced).json["runs"]
    again = cli("verify", "--json", cwd=reproduced).json
    assert len(two) == 2 and again["verdict"] == "BETTER"


def test_a_suggestion_that_was_dropped_is_tried_again_under_another_name(cli, reproduced):
    cli("tweak", "start", "less-work", cwd=reproduced)
    assert "under way" in cli("status", cwd=reproduced).out
    cli("tweak", "drop", cwd=reproduced)
    cli("tweak", "start", "less-work-2", cwd=reproduced)
    tweak = yaml.safe_load((reproduced / "tweaks/less-work-2.yaml").read_text())
    assert tweak["kind"] == "cheaper" and "work: 1000" in tweak["expect"]


def test_how_long_all_pairs_would_take_is_told():
    told = []
    work = SimpleNamespace(session=SimpleNamespace(listener=SimpleNamespace(message=told.append)))
    minute, second = SimpleNamespace(wall_time_s=60.0), SimpleNamespace(wall_time_s=1.0)
    _tell_what_is_left(work, "loss", [(minute, minute)] * 2, 26, 2)
    _tell_what_is_left(work, "loss", [(second, second)] * 2, 26, 2)  # not worth a line
    assert told == ["loss: undecided after 2 pairs: at most 26 more, 26 min"]
