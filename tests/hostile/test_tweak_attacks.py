"""What an untrusted project, or a slip of one's own, could do to tweaks: each was once possible."""

import json
import os
import shutil
import subprocess

import pytest
from helpers import BETTER, WORSE, approved, edit, git, write_tree

from scaffold.project.files import read_record
from scaffold.project.project import Project
from scaffold.records.tweak import ChangeEvidence
from scaffold.tweak.store import read_change


@pytest.mark.parametrize("text", ["a\nb", "a\x1b[2Jb"])
def test_reasons_are_one_line(cli, judged, text):
    assert (
        "--reason: must be one line"
        in cli("tweak", "accept", "--reason", text, code=2, cwd=judged).err
    )
    assert read_change(Project(judged), "rename").decision is None
    cli("tweak", "accept", cwd=judged)
    for option in ("--expect", "--reason"):
        assert (
            "must be one line" in cli("tweak", "start", "x", option, text, code=2, cwd=judged).err
        )
    assert cli("status", cwd=judged).code == 0


def test_evidence_is_written_where_its_name_says(cli, judged, tmp_path):
    write_tree(tmp_path, {"victim/settings.json": "{}"})
    path = judged / "evidence/tweak-rename.json"
    forged = (
        read_record(ChangeEvidence, path)
        .model_copy(update={"milestone": "../../victim/settings"})
        .with_checksum()
    )
    path.write_text(forged.model_dump_json(by_alias=True))
    assert "tweak.name" in cli("tweak", "drop", code=2, cwd=judged).err
    assert (tmp_path / "victim/settings.json").read_text() == "{}"


def test_a_name_of_mine_is_not_mine_for_ever(cli, reproduced):
    cli("tweak", "start", "one", cwd=reproduced)
    declaration = (reproduced / "tweaks/one.yaml").read_text()
    cli("tweak", "drop", cwd=reproduced)
    write_tree(reproduced, {"tweaks/one.yaml": declaration})
    edit(reproduced, "src/train.py", "LEVEL = 0.9", "LEVEL = 0.9314")
    git(reproduced, "add", "--all")
    git(reproduced, "commit", "--quiet", "-m", "a third party's")
    cli.is_trusting = False
    assert "was not approved yet" in cli("verify", "--json", code=2, cwd=reproduced).json["error"]


def test_next_names_no_branch_that_a_shell_would_run(cli, reproduced):
    git(reproduced, "branch", "tweak/x;touch${IFS}gotcha")
    assert "touch" not in cli("next", "--json", cwd=reproduced).out
    assert "touch" not in cli("tweak", "accept", code=2, cwd=reproduced).err


def test_packages_are_shown_before_they_are_built(cli, reproduced, tmp_path, monkeypatch):
    cli("tweak", "start", "level", cwd=reproduced)
    edit(
        reproduced,
        "system.yaml",
        "environment:",
        "environment:\n  packages: [no-such-package-of-anybody]",
    )
    git(reproduced, "commit", "--all", "--quiet", "-m", "level")
    other = tmp_path / "other"
    subprocess.run(
        ["git", "clone", "--quiet", "--branch", "tweak/level", str(reproduced), str(other)],
        check=True,
    )
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "someone-else"))
    cli.is_trusting = False
    refused = cli("verify", "--json", code=2, cwd=other).json
    assert (
        "was not approved yet" in refused["error"]
        and "no-such-package-of-anybody" in refused["error"]
    )


def test_a_declaration_changed_after_the_start_is_on_record(cli, reproduced):
    cli("tweak", "start", "level", "--kind", "neutral", "--margin", "0.001", cwd=reproduced)
    edit(reproduced, *WORSE)
    cli("verify", "--json", code=1, cwd=reproduced)
    edit(reproduced, "tweaks/level.yaml", "margin: 0.001", "margin: 0.5")
    found = cli("verify", "--json", code=1, cwd=reproduced).json
    assert "its declaration was changed after it was started: rule" in found["refusal"]
    assert "declaration was changed" in cli("tweak", "accept", code=2, cwd=reproduced).err


def test_another_key_of_the_same_name_is_no_measure(cli, reproduced):
    cli("tweak", "start", "key", cwd=reproduced)
    edit(reproduced, "system.yaml", "key: accuracy", "key: better_accuracy")
    assert "is read in another way" in cli("verify", code=2, cwd=reproduced).err


def test_a_fixed_seed_makes_no_pair(cli, reproduced):
    cli("tweak", "start", "fixed", cwd=reproduced)
    edit(reproduced, "system.yaml", "how: argument", "how: none")
    edit(reproduced, "system.yaml", "seed={seed} gain={gain}", "seed=4 gain={gain}")
    edit(reproduced, "system.yaml", "seed={seed} gain=0", "seed=4 gain=0")
    assert "make no pairs" in cli("verify", code=2, cwd=reproduced).err


@pytest.mark.parametrize("name", ["evidence/tweak-rename.json", "tweaks/rename.yaml"])
def test_a_record_that_is_gone_is_asked_back(cli, judged, name):
    cli("tweak", "accept", cwd=judged)
    (judged / name).unlink()
    for words in (("verify",), ("tweak", "start", "x"), ("tweak", "drop"), ("next",)):
        refused = cli(*words, code=2, cwd=judged)
        assert f"{name} is missing" in refused.err and f"git checkout -- {name}" in refused.err


def test_a_home_that_is_checked_out_elsewhere(cli, judged, tmp_path):
    git(judged, "worktree", "add", str(tmp_path / "wt"), "main")
    refused = cli("tweak", "accept", code=2, cwd=judged)
    assert "is checked out in" in refused.err
    git(judged, "worktree", "remove", str(tmp_path / "wt"))
    cli("tweak", "accept", cwd=judged)
    assert git(judged, "status", "--porcelain") == ""


def test_a_tag_named_like_the_branch(cli, judged):
    git(judged, "tag", "main", "HEAD~1")
    git(judged, "tag", "tweak/rename", "HEAD~1")
    assert cli("tweak", "accept", "--json", cwd=judged).json["base_branch"] == "main"
    assert git(judged, "symbolic-ref", "HEAD") == "refs/heads/main"


def test_eject_asks_and_never_writes_through_links(cli, reproduced, tmp_path):
    assert "--yes" in cli("eject", code=2, cwd=reproduced).err
    outside = tmp_path / "outside"
    shutil.copytree(reproduced / "tests", outside)
    shutil.rmtree(reproduced / "tests")
    (reproduced / "tests").symlink_to(outside)
    git(reproduced, "add", "--all")
    git(reproduced, "commit", "--quiet", "-m", "linked")
    before = sorted(os.listdir(outside))
    cli.any_status("eject", "--yes", cwd=reproduced)
    assert sorted(os.listdir(outside)) == before


def test_eject_keeps_what_is_not_committed(cli, reproduced):
    (reproduced / "requirements.txt").write_text("mine\n")
    refused = cli("eject", "--yes", code=2, cwd=reproduced)
    assert "requirements.txt" in refused.err
    assert (reproduced / "requirements.txt").read_text() == "mine\n" and (
        reproduced / "AGENTS.md"
    ).exists()


def test_dropped_before_it_was_judged_is_decided(cli, reproduced):
    suggested = cli("next", "--json", cwd=reproduced).json["command"]
    cli("tweak", "start", "less-work", cwd=reproduced)
    cli("tweak", "drop", cwd=reproduced)
    assert cli("next", "--json", cwd=reproduced).json["command"] != suggested
    rows = {
        row["name"]: row["state"]
        for row in cli("tweak", "list", "--json", cwd=reproduced).json["tweaks"]
    }
    assert rows["less-work"] == "dropped"


def test_ignored_places_are_left_out(cli, reproduced):
    cli("tweak", "start", "level", cwd=reproduced)
    with (reproduced / ".gitignore").open("a") as file:
        file.write("/data/\n*.lock\n")
    write_tree(reproduced, {"data/huge.bin": b"0" * 1000})
    edit(reproduced, *BETTER)
    assert cli("verify", "--json", cwd=reproduced).json["verdict"] == "BETTER"
    cli("tweak", "accept", cwd=reproduced)


def test_a_word_that_is_none_is_told_with_its_place(cli, judged):
    cli("tweak", "accept", cwd=judged)
    for name in ("reproduce", "tweak-rename"):
        path = judged / f"evidence/{name}.json"
        kept = path.read_text()
        word = json.loads(kept)["judgment"]["verdict"]
        path.write_text(kept.replace(f'"{word}"', '"SPLENDID"'))
        assert "SPLENDID" in cli("status", code=2, cwd=judged).err
        path.write_text(kept)


def test_a_pull_that_brings_src_proves_nothing_of_other_edits(cli, reproduced, tmp_path):
    """The first src/ is what began it, not the merge by which it came."""
    other = tmp_path / "other"
    subprocess.run(["git", "clone", "--quiet", str(reproduced), str(other)], check=True)
    approved(other)
    cli("tweak", "start", "x", cwd=reproduced)
    cli("tweak", "drop", cwd=reproduced)
    edit(reproduced, *WORSE)
    git(reproduced, "commit", "--all", "--quiet", "-m", "by hand")
    write_tree(other, {"notes.md": "mine\n"})
    git(other, "add", "--all")
    git(other, "commit", "--quiet", "-m", "notes")
    git(other, "pull", "--quiet", "--no-rebase", "--no-edit", "origin", "main")
    assert "differ from all that was judged" in cli("next", "--json", cwd=other).json["why"]


@pytest.mark.parametrize("way", ["pull", "merge", "switch", "cherry-pick"])
def test_commits_of_a_tweak_of_mine_that_come_from_elsewhere(cli, reproduced, tmp_path, way):
    """Someone pushes to the branch of my tweak, and I bring it in."""
    cli("tweak", "start", "level", cwd=reproduced)
    edit(reproduced, "src/train.py", "LEVEL = 0.9", "LEVEL = 0.91")
    git(reproduced, "commit", "--all", "--quiet", "-m", "mine")
    cli.is_trusting = False
    cli.any_status("verify", cwd=reproduced)
    other = tmp_path / "other"
    subprocess.run(
        ["git", "clone", "--quiet", "--branch", "tweak/level", str(reproduced), str(other)],
        check=True,
    )
    edit(other, "src/train.py", "LEVEL = 0.91", "LEVEL = 0.92")
    git(other, "commit", "--all", "--quiet", "-m", "theirs")
    git(reproduced, "fetch", "--quiet", str(other), "tweak/level")
    if way == "switch":
        git(reproduced, "switch", "--quiet", "--detach")
        git(reproduced, "branch", "--force", "tweak/level", "FETCH_HEAD")
        git(reproduced, "switch", "--quiet", "tweak/level")
    elif way == "pull":
        git(reproduced, "pull", "--quiet", "--ff-only", str(other), "tweak/level")
    else:
        git(reproduced, way, "FETCH_HEAD")
    refused = cli("verify", "--json", code=2, cwd=reproduced).json["error"]
    assert "was not approved yet" in refused
    assert (
        "- src/train.py | LEVEL = 0.91\n" in refused and "+ src/train.py | LEVEL = 0.92" in refused
    )


def test_build_programs_of_a_tweak_of_mine_are_asked_for(cli, reproduced):
    """They run outside the sandbox."""
    cli("tweak", "start", "level", cwd=reproduced)
    edit(
        reproduced,
        "system.yaml",
        "environment:",
        "environment:\n  packages: [no-such-package]\n  build: [no-such-package]",
    )
    cli.is_trusting = False
    refused = cli("verify", "--json", code=2, cwd=reproduced).json["error"]
    assert "was not approved yet" in refused and "OUTSIDE the sandbox" in refused


def test_marks_of_own_tweaks_that_were_handed_over(cli, reproduced, tmp_path, monkeypatch):
    """With everything that git and .scaffold/ remember of them."""
    cli("tweak", "start", "level", cwd=reproduced)
    edit(reproduced, "src/train.py", "LEVEL = 0.9", "LEVEL = 0.91")
    git(reproduced, "commit", "--all", "--quiet", "-m", "theirs")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "someone-else"))
    cli.is_trusting = False
    assert (
        "tweak level: src/ with the tree"
        in cli("verify", "--json", code=2, cwd=reproduced).json["error"]
    )
