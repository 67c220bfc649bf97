"""Paths, whole writes, content ids, milestones."""

import pytest
from helpers import git, write_tree

from scaffold.errors import MachineError, ProjectError
from scaffold.git.trees import content_id
from scaffold.project.files import read_text, write_text
from scaffold.project.project import find_project
from scaffold.rules.milestones import Milestone, MilestoneState, derive_states


def test_write_is_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a" / "file.txt"
    write_text(path, "first")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(MachineError, match="No space left on device"):
        write_text(path, "second")
    assert path.read_text() == "first"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


def test_project_is_found_from_below(tmp_path):
    write_tree(tmp_path, {"recipe.yaml": "", "milestones.yaml": "", "a/b/c.txt": ""})
    assert find_project(tmp_path / "a/b").root == tmp_path
    with pytest.raises(ProjectError, match="is not in a project"):
        find_project(tmp_path.parent)


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ProjectError, match="is missing"):
        read_text(tmp_path / "no.txt")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(ProjectError, match="not UTF-8 text"):
        read_text(tmp_path / "latin.txt")


def test_content_id_is_gits(tmp_path):
    tree = write_tree(
        tmp_path / "tree",
        {
            "b.txt": "b",
            "a/x.py": "x",
            "a.txt": "sorts before a/",
            "a-b": "and this",
            "deep/er/y": "",
            "ü.txt": "u",
        },
    )
    (tree / "run.sh").write_text("#!/bin/sh\n")
    (tree / "run.sh").chmod(0o755)
    (tree / "link").symlink_to("b.txt")
    (tree / "to-folder").symlink_to("a")
    expected_id = content_id(tree)
    git(tree, "init", "--quiet")
    git(tree, "add", "--all")
    expected = git(tree, "write-tree")
    (tree / ".git").rename(tmp_path / "away")
    assert expected_id == content_id(tree) == expected
    write_tree(tree, {"a/__pycache__/x.pyc": "compiled"})
    assert content_id(tree) == expected
    (tree / "b.txt").write_text("changed")
    assert content_id(tree) != expected


def test_milestones_open_after_what_they_need():
    steps = [
        Milestone(id="reproduce", phase="reproduce", title="r"),
        Milestone(id="first", phase="tweak", title="t", after=("reproduce",)),
        Milestone(id="second", phase="tweak", title="t", after=("first",)),
    ]
    assert list(derive_states(steps, set()).values()) == [
        MilestoneState.OPEN,
        MilestoneState.LOCKED,
        MilestoneState.LOCKED,
    ]
    assert list(derive_states(steps, {"reproduce"}).values()) == [
        MilestoneState.PASSED,
        MilestoneState.OPEN,
        MilestoneState.LOCKED,
    ]
