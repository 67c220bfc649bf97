"""Tweaks in whatever state git is in, and in several clones.

Clear errors or right merges, and nothing lost.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import BETTER, RENAME, WORSE, accepted, approved, edit, git, write_tree

from scaffold.git import execute
from scaffold.git.repository import Repository
from scaffold.project.project import Project
from scaffold.status.cache import fingerprint
from scaffold.tweak.new_files import find_new_files


def try_git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=False)


def conflicting_branch(project: Path) -> None:
    """A branch that conflicts with the present one in README.md."""
    git(project, "branch", "other", "main")
    (project / "README.md").write_text("here\n")
    git(project, "commit", "--all", "--quiet", "-m", "here")
    git(project, "switch", "--quiet", "other")
    (project / "README.md").write_text("there\n")
    git(project, "commit", "--all", "--quiet", "-m", "there")
    git(project, "switch", "--quiet", "tweak/rename")


@pytest.mark.parametrize("what", ["merge", "rebase", "cherry-pick", "revert", "bisect"])
def test_something_under_way_is_said_with_the_way_out(cli, judged, what):
    git(judged, "add", "--all")
    git(judged, "commit", "--quiet", "-m", "the change")
    conflicting_branch(judged) if what in ("merge", "rebase", "cherry-pick") else None
    if what == "merge":
        try_git(judged, "merge", "other")
    elif what == "rebase":
        try_git(judged, "rebase", "other")
    elif what == "cherry-pick":
        try_git(judged, "cherry-pick", "other")
    elif what == "revert":
        try_git(judged, "revert", "--no-commit", "HEAD")
        Path(judged / ".git/REVERT_HEAD").write_text(git(judged, "rev-parse", "HEAD"))
    else:
        git(judged, "bisect", "start")
    before = git(judged, "for-each-ref")
    for words in (("tweak", "accept"), ("tweak", "drop"), ("tweak", "start", "x"), ("update",)):
        refused = cli(*words, code=2, cwd=judged)
        assert "is under way" in refused.err and "git " in refused.err
    assert git(judged, "for-each-ref") == before


def test_detached_head(cli, judged):
    git(judged, "stash", "--quiet")
    git(judged, "switch", "--quiet", "--detach", "main")
    for words in (("tweak", "start", "x"), ("tweak", "accept"), ("tweak", "drop")):
        refused = cli(*words, code=2, cwd=judged)
        assert "detached" in refused.err or "no tweak is under way" in refused.err
    assert cli("status", cwd=judged).code == 0
    git(judged, "switch", "--quiet", "tweak/rename")
    git(judged, "stash", "pop", "--quiet")
    git(judged, "switch", "--quiet", "--detach", "tweak/rename")
    assert "HEAD is detached" in cli("tweak", "accept", code=2, cwd=judged).err
    git(judged, "switch", "--quiet", "tweak/rename")
    cli("tweak", "accept", cwd=judged)


def test_a_dirty_tree_elsewhere_stays_as_it_is(cli, judged):
    (judged / "README.md").write_text("half a thought\n")
    write_tree(judged, {"notes/a.txt": "mine\n"})
    git(judged, "add", "notes/a.txt")
    cli("tweak", "accept", cwd=judged)
    assert git(judged, "status", "--porcelain").split() == ["M", "README.md", "A", "notes/a.txt"]
    assert (judged / "README.md").read_text() == "half a thought\n"
    assert "half a thought" not in git(judged, "show", "main:README.md")


def test_a_dirty_tree_that_is_in_the_way_of_a_drop(cli, judged):
    git(judged, "switch", "--quiet", "main")
    (judged / "README.md").write_text("on main\n")
    git(judged, "commit", "--quiet", "-m", "on main", "README.md")
    git(judged, "stash", "--quiet", "--include-untracked")
    git(judged, "switch", "--quiet", "tweak/rename")
    git(judged, "stash", "pop", "--quiet")
    (judged / "README.md").write_text("half a thought\n")
    refused = cli("tweak", "drop", code=2, cwd=judged)
    assert "README.md" in refused.err and "commit or stash" in refused.err
    assert (judged / "README.md").read_text() == "half a thought\n"
    assert git(judged, "branch", "--show-current") == "tweak/rename"
    (judged / "README.md").write_text(git(judged, "show", "HEAD:README.md") + "\n")
    cli("tweak", "drop", cwd=judged)
    assert (judged / "README.md").read_text() == "on main\n"


@pytest.mark.parametrize("vendor", ["reference", "template"])
def test_vendor_branches_are_nobody_s_place_of_work(cli, reproduced, vendor):
    git(reproduced, "symbolic-ref", "HEAD", f"refs/heads/{vendor}")
    for words in (("tweak", "start", "x"), ("update",), ("eject", "--yes")):
        assert "vendor branch" in cli(*words, code=2, cwd=reproduced).err


def test_a_renamed_home_is_found(cli, judged):
    git(judged, "branch", "--move", "main", "trunk")
    assert cli("tweak", "accept", "--json", cwd=judged).json["base_branch"] == "trunk"
    assert git(judged, "branch", "--show-current") == "trunk"


def test_a_home_that_is_gone_or_ambiguous_is_asked_for(cli, judged):
    git(judged, "branch", "one", "main")
    git(judged, "branch", "two", "main")
    git(judged, "branch", "-D", "main")
    refused = cli("tweak", "accept", code=2, cwd=judged)
    assert (
        "there is no branch main" in refused.err
        and "one" in refused.err
        and "git branch main" in refused.err
    )
    git(judged, "branch", "main", "two")
    cli("tweak", "accept", cwd=judged)


def test_a_renamed_tweak_branch_is_still_the_tweak(cli, judged):
    git(judged, "branch", "--move", "my-own-name")
    assert cli("next", "--json", cwd=judged).json["command"] == "scaffold tweak accept"
    cli("tweak", "accept", cwd=judged)
    assert "my-own-name" not in git(judged, "branch")


def test_other_work_on_main_is_merged(cli, judged):
    git(judged, "stash", "--quiet", "--include-untracked")
    git(judged, "switch", "--quiet", "main")
    write_tree(judged, {"docs.md": "written meanwhile\n"})
    git(judged, "add", "docs.md")
    git(judged, "commit", "--quiet", "-m", "docs")
    git(judged, "switch", "--quiet", "tweak/rename")
    git(judged, "stash", "pop", "--quiet")
    cli("tweak", "accept", cwd=judged)
    assert git(judged, "show", "main:docs.md") == "written meanwhile"
    assert "import random, json" in git(judged, "show", "main:src/train.py")


def test_a_conflict_with_main_is_an_ordinary_one(cli, judged):
    git(judged, "add", "--all")
    (judged / "README.md").write_text("here\n")
    git(judged, "add", "--all")
    git(judged, "commit", "--quiet", "-m", "the change, and words")
    git(judged, "switch", "--quiet", "main")
    (judged / "README.md").write_text("there\n")
    git(judged, "commit", "--all", "--quiet", "-m", "other words")
    git(judged, "switch", "--quiet", "tweak/rename")
    refused = cli("tweak", "accept", code=2, cwd=judged)
    assert "conflicts in README.md" in refused.err and "git merge --abort" in refused.err
    assert "<<<<<<<" in (judged / "README.md").read_text()
    (judged / "README.md").write_text("both\n")
    git(judged, "commit", "--all", "--quiet", "--no-edit")
    cli("tweak", "accept", cwd=judged)
    assert git(judged, "show", "main:README.md") == "both"


def test_a_home_with_another_system_by_now(cli, judged):
    git(judged, "add", "--all")
    git(judged, "commit", "--quiet", "-m", "the change")
    git(judged, "switch", "--quiet", "main")
    edit(judged, "src/train.py", "2.0 / epoch", "2.1 / epoch")
    git(judged, "commit", "--all", "--quiet", "-m", "past the scaffold")
    git(judged, "switch", "--quiet", "tweak/rename")
    refused = cli("tweak", "accept", code=2, cwd=judged)
    assert "another system by now" in refused.err and "git merge main" in refused.err
    git(judged, "merge", "--quiet", "--no-edit", "main")
    assert "stale" in cli("tweak", "accept", code=2, cwd=judged).err


def test_a_change_committed_by_hand_is_accepted_all_the_same(cli, judged):
    git(judged, "add", "--all")
    git(judged, "commit", "--quiet", "-m", "by hand")
    cli("tweak", "accept", cwd=judged)
    assert git(judged, "status", "--porcelain") == ""


def test_a_drop_that_was_cut_off_is_done_again(cli, judged):
    git(judged, "add", "--all")
    git(judged, "commit", "--quiet", "-m", "last state")
    git(judged, "tag", "dropped/rename")
    git(judged, "switch", "--quiet", "main")
    assert cli("next", "--json", cwd=judged).json["command"] == "git switch tweak/rename"
    git(judged, "switch", "--quiet", "tweak/rename")
    cli("tweak", "drop", cwd=judged)
    assert json.loads((judged / "evidence/tweak-rename.json").read_text())["decision"] == "dropped"


def test_a_tweak_merged_by_hand_can_still_be_accepted(cli, judged):
    git(judged, "add", "--all")
    git(judged, "commit", "--quiet", "-m", "by hand")
    git(judged, "switch", "--quiet", "main")
    git(judged, "merge", "--quiet", "--no-ff", "--no-edit", "tweak/rename")
    assert cli("next", "--json", cwd=judged).json["command"] == "scaffold tweak accept"
    cli("tweak", "accept", cwd=judged)
    assert json.loads((judged / "evidence/tweak-rename.json").read_text())["decision"] == "accepted"


def clone(source: Path, target: Path) -> Path:
    """What another user has: no branches but main, no tags of runs, no .scaffold."""
    subprocess.run(["git", "clone", "--quiet", str(source), str(target)], check=True)
    return target


def test_evidence_of_two_clones_merges(cli, reproduced, tmp_path):
    accepted(cli, reproduced, "rename", RENAME)
    other = approved(clone(reproduced, tmp_path / "other"))
    accepted(cli, reproduced, "level", BETTER, kind="improve")
    accepted(cli, other, "epochs", ("src/train.py", "2.0 / epoch", "2.0 / (epoch)"))
    cli("tweak", "start", "idea", "--kind", "neutral", cwd=other)
    edit(other, "src/train.py", "LEVEL = 0.9", "LEVEL = 0.88")
    cli.any_status("verify", "--json", cwd=other)
    cli("tweak", "drop", cwd=other)
    git(other, "pull", "--quiet", "--no-rebase", "--no-edit", "origin", "main")
    assert git(other, "status", "--porcelain") == ""
    states = {
        row["name"]: row["state"]
        for row in cli("tweak", "list", "--json", cwd=other).json["tweaks"]
    }
    assert (states["rename"], states["level"], states["epochs"], states["idea"]) == (
        "accepted",
        "accepted",
        "accepted",
        "dropped",
    )
    # Nobody has judged both changes together.
    told = cli("next", "--json", cwd=other).json
    assert told["command"] == "scaffold tweak start edits-1"
    cli("tweak", "start", "edits-1", "--kind", "improve", cwd=other)
    assert cli("verify", "--json", cwd=other).json["verdict"] == "BETTER"
    cli("tweak", "accept", cwd=other)
    assert (
        cli("next", "--json", cwd=other)
        .json["command"]
        .startswith("scaffold tweak start less-work")
    )


def test_a_clone_of_a_stranger_asks_before_it_runs(cli, reproduced, tmp_path, monkeypatch):
    accepted(cli, reproduced, "rename", RENAME)
    cli("tweak", "start", "level", cwd=reproduced)
    edit(reproduced, *BETTER)
    git(reproduced, "commit", "--all", "--quiet", "-m", "level")
    other = clone(reproduced, tmp_path / "other")
    shutil.copytree(reproduced / ".scaffold", other / ".scaffold", symlinks=True)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "someone-else"))
    git(other, "switch", "--quiet", "tweak/level")
    cli.is_trusting = False
    refused = cli("verify", "--json", code=2, cwd=other).json
    assert "was not approved yet" in refused["error"] and "python train.py" in refused["error"]
    assert refused["error"].count("src/ with the tree") == 2
    assert not [path for path in (other / ".scaffold/runs").iterdir() if "-2" in path.name[-3:]]
    found = cli("verify", "--json", "--trust", refused["trust"], cwd=other).json
    assert found["verdict"] == "BETTER"
    edit(other, "src/train.py", "LEVEL = 0.95", "LEVEL = 0.96")
    assert "was not approved yet" in cli("verify", "--json", code=2, cwd=other).json["error"]


def test_the_state_before_that_is_gone(cli, judged):
    gone = "0" * 40
    path = judged / "tweaks/rename.yaml"
    before = git(judged, "rev-parse", "main")
    path.write_text(path.read_text().replace(before, gone))
    git(judged, "branch", "--move", "main", "tweak/elsewhere")
    refused = cli("verify", code=2, cwd=judged)
    assert "is not in this repository" in refused.err


def test_two_tweaks_in_one_branch(cli, judged):
    git(judged, "stash", "--quiet", "--include-untracked")
    git(judged, "switch", "--quiet", "main")
    cli("tweak", "start", "other", cwd=judged)
    git(judged, "merge", "--quiet", "--no-edit", "tweak/rename")
    refused = cli("verify", code=2, cwd=judged)
    assert "several tweaks are under way at once: other, rename" in refused.err


def test_linked_places_are_refused(cli, reproduced, tmp_path):
    cli("tweak", "start", "rename", cwd=reproduced)
    for name in ("src", "tweaks", "journal"):
        place = reproduced / name
        kept = tmp_path / name
        if place.exists():
            place.rename(kept)
        else:
            kept.mkdir()
        place.symlink_to(kept)
        assert "is a link to" in cli("verify", code=2, cwd=reproduced).err
        place.unlink()
        if any(kept.iterdir()):
            kept.rename(place)


def test_a_link_out_of_src_is_refused(cli, reproduced):
    cli("tweak", "start", "link", cwd=reproduced)
    (reproduced / "src/secret").symlink_to("/etc/passwd")
    assert "leads outside it" in cli("verify", code=4, cwd=reproduced).err


def test_an_unpacked_state_that_somebody_changed_is_unpacked_anew(cli, judged):
    for path in (judged / ".scaffold/states").glob("*/src/train.py"):
        path.write_text("raise SystemExit(1)\n")
    shutil.rmtree(judged / ".scaffold/runs")
    assert cli("verify", "--json", cwd=judged).json["verdict"] == "NO_DIFFERENCE"
    (judged / "evidence/tweak-rename.json").unlink()
    assert cli("verify", "--json", cwd=judged).json["verdict"] == "NO_DIFFERENCE"


def test_a_broken_declaration_names_its_line(cli, judged):
    edit(judged, "tweaks/rename.yaml", "kind: neutral", "kind: sideways")
    refused = cli("verify", code=2, cwd=judged)
    assert "rename.yaml:6: kind" in refused.err


def test_no_identity(cli, reproduced, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("EMAIL", "")
    git(reproduced, "config", "user.useConfigOnly", "true")
    from scaffold.git.execute import _user_settings

    _user_settings.cache_clear()
    refused = cli("tweak", "start", "x", code=2, cwd=reproduced)
    assert (
        "identity" in refused.err.lower()
        or "user.name" in refused.err
        or "auto-detection" in refused.err
    )
    _user_settings.cache_clear()
    assert not (reproduced / "tweaks").exists()
    assert os.environ["HOME"] == str(tmp_path)


def test_worse_on_main_is_found_by_the_next_tweak(cli, reproduced):
    accepted(cli, reproduced, "rename", RENAME)
    accepted(cli, reproduced, "level", WORSE, reason="a test")
    assert cli("next", "--json", cwd=reproduced).json["command"] == "scaffold tweak start less-work"


def test_an_edit_of_the_same_size_in_the_same_moment_is_seen(cli, reproduced):
    """Git knows a file by its size and time; what is as young as the index it reads again."""
    from scaffold.git.snapshots import snapshot_of_worktree
    from scaffold.project.project import Project

    cli("tweak", "start", "x", cwd=reproduced)
    # Which would tell them apart on this machine.
    git(reproduced, "config", "core.trustctime", "false")
    moment = 1_700_000_000_000_000_000
    train, index = reproduced / "src/train.py", reproduced / ".git/index"
    os.utime(train, ns=(moment, moment))
    git(reproduced, "add", "src/train.py")
    os.utime(index, ns=(moment, moment))
    before = snapshot_of_worktree(Project(reproduced)).id
    edit(reproduced, "src/train.py", "LEVEL = 0.9", "LEVEL = 0.8")
    os.utime(train, ns=(moment, moment))
    assert snapshot_of_worktree(Project(reproduced)).id != before


def test_new_files_are_named_when_they_are_committed(cli, judged):
    write_tree(judged, {"src/notes.txt": "what I saw\n"})
    cli("verify", "--json", cwd=judged)
    said = cli("tweak", "accept", cwd=judged).out
    assert "src/notes.txt (11 bytes)" in said and "src/notes.txt" in git(judged, "ls-files")


@pytest.mark.parametrize("decision", ["accept", "drop"])
@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("src/table.bin", b"\0\1", "binary"),
        ("src/table.csv", b"1,2\n" * 12_500_001, "50 MB of new files"),
    ],
)
def test_binary_and_large_new_files_are_committed_only_when_asked_for(
    cli, judged, decision, name, content, reason
):
    write_tree(judged, {name: content})
    cli("verify", "--json", cwd=judged)
    refused = cli("tweak", decision, code=2, cwd=judged)
    assert (
        name in refused.err
        and reason in refused.err
        and f"scaffold tweak {decision} --include-large" in refused.err
    )
    assert git(judged, "branch", "--show-current") == "tweak/rename"
    committed = cli("tweak", decision, "--include-large", "--json", cwd=judged).json["committed"]
    assert committed == [name]


def test_a_drop_leaves_new_data_where_it_is(cli, judged):
    write_tree(judged, {"data/mine.bin": b"\0" * 1000})
    dropped = cli("tweak", "drop", "--json", cwd=judged).json
    assert dropped["untracked"] == ["data/mine.bin"] and dropped["committed"] == []
    assert (judged / "data/mine.bin").read_bytes() == b"\0" * 1000
    assert git(judged, "status", "--porcelain") == "?? data/"
    assert "data/mine.bin" not in git(judged, "ls-tree", "-r", "--name-only", "dropped/rename")


def test_a_home_that_the_main_work_tree_has_is_not_moved_from_a_linked_one(cli, judged, tmp_path):
    git(judged, "add", "--all")
    git(judged, "commit", "--quiet", "-m", "the change")
    git(judged, "switch", "--quiet", "main")
    git(judged, "worktree", "add", "--quiet", str(tmp_path / "linked"), "tweak/rename")
    refused = cli("tweak", "drop", code=2, cwd=tmp_path / "linked")
    assert f"main is checked out in {judged}" in refused.err
    assert git(judged, "status", "--porcelain") == ""


def test_what_the_person_ignores_is_not_committed(cli, judged, tmp_path, monkeypatch):
    (tmp_path / "ignore").write_text(".env\n")
    config = Path(os.environ["GIT_CONFIG_GLOBAL"]) if "GIT_CONFIG_GLOBAL" in os.environ else None
    text = config.read_text() if config and config.exists() else ""
    (tmp_path / "gitconfig").write_text(f"{text}\n[core]\n\texcludesFile = {tmp_path / 'ignore'}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    execute._user_settings.cache_clear()
    write_tree(judged, {"src/.env": "SECRET=1\n"})
    assert "src/.env" not in str(find_new_files(Repository(judged), ["src"]))
    execute._user_settings.cache_clear()


def test_a_linked_work_tree_with_relative_paths(cli, reproduced, tmp_path):
    """As `git worktree add` writes them with worktree.useRelativePaths."""
    linked = tmp_path / "linked"
    git(reproduced, "worktree", "add", "--quiet", "-b", "other", str(linked))
    (linked / ".git").write_text("gitdir: ../project/.git/worktrees/linked\n")
    (reproduced / ".git/worktrees/linked/gitdir").write_text("../../../../linked/.git\n")
    assert cli("status", "--json", cwd=linked).json["evidence"] == "current"
    stamps = fingerprint(Project(linked))
    git(linked, "branch", "further")  # refs lie in the shared directory
    assert fingerprint(Project(linked)) != stamps
    stamps = fingerprint(Project(linked))
    git(linked, "switch", "--quiet", "further")
    assert fingerprint(Project(linked)) != stamps


def test_what_the_next_step_depends_on_is_looked_at(reproduced):
    stamps = fingerprint(Project(reproduced))
    write_tree(reproduced, {"errors/validation.csv": "id\n"})
    assert fingerprint(Project(reproduced)) != stamps


def project_tests(project: Path) -> str:
    """Run the project's own tests of its tweaks; returns their end."""
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    return subprocess.run(words, cwd=project, capture_output=True, text=True).stdout


def test_an_edit_that_was_dropped_and_is_still_there_is_taken_back(cli, reproduced):
    accepted(cli, reproduced, "rename", RENAME)
    edit(reproduced, *WORSE)
    git(reproduced, "commit", "--all", "--quiet", "-m", "straight into main")
    assert "src/train.py differ from all that was judged" in project_tests(reproduced)
    assert "tweak start edits-1" in cli("next", cwd=reproduced).out
    cli("tweak", "start", "edits-1", "--kind", "improve", cwd=reproduced)
    assert "differ from all" not in project_tests(reproduced)  # it is there to be judged
    cli.any_status("verify", cwd=reproduced)
    cli("tweak", "drop", cwd=reproduced)
    told = cli("next", "--json", cwd=reproduced).json
    assert (told["purpose"], "edits-1" in told["why"]) == ("restore", True)
    subprocess.run(told["command"], shell=True, cwd=reproduced, check=True, capture_output=True)
    assert git(reproduced, "status", "--porcelain") == ""
    assert cli("next", "--json", cwd=reproduced).json["purpose"] == "start_tweak"
    assert "edits" not in cli("next", cwd=reproduced).out
    assert "failed" not in project_tests(reproduced)


@pytest.mark.parametrize(
    "path",
    ["system.yaml", "calibration.json", "evidence/reproduce.json", "evidence/tweak-rename.json"],
)
def test_a_deleted_record_is_asked_back_by_commands_and_tests(cli, reproduced, path):
    accepted(cli, reproduced, "rename", RENAME)
    (reproduced / path).unlink()
    for words in (("status",), ("verify",), ("tweak", "start", "more")):
        refused = cli(*words, code=2, cwd=reproduced).err
        assert f"{path} is missing, though committed" in refused
        assert f"git checkout -- {path}" in refused
    assert f"{path} is missing, though committed" in project_tests(reproduced)
    git(reproduced, "checkout", "HEAD", "--", path)
    cli("status", cwd=reproduced)


def test_a_deleted_program_is_named(cli, reproduced):
    accepted(cli, reproduced, "rename", RENAME)
    (reproduced / "src/train.py").unlink()
    assert "(src/train.py deleted)" in " ".join(cli("next", cwd=reproduced).out.split())
