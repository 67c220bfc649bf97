"""Documents that only count where this user wrote them for this project."""

import json

import pytest

from scaffold.project.project import Project
from scaffold.project.signed import read_signed, write_signed

CONTENT = {"b": [1, 2.5, None], "a": {"text": "x"}}


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "project").mkdir()
    return Project(tmp_path / "project")


def test_what_was_written_is_read_here_and_under_its_title_alone(project, tmp_path):
    path = project.root / "x.json"
    write_signed(path, project, "status", CONTENT)
    assert read_signed(path, project, "status") == CONTENT
    assert read_signed(path, project, "analysis") is None
    assert read_signed(path, Project(tmp_path), "status") is None
    assert read_signed(project.root / "y.json", project, "status") is None


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, '{"signature": 3}', "\xff"])
def test_what_is_damaged_is_nobody_s(project, text):
    (project.root / "x.json").write_text(text, encoding="latin-1")
    assert read_signed(project.root / "x.json", project, "status") is None


def test_an_edit_or_a_link_is_not_believed(project, tmp_path):
    path = project.root / "x.json"
    write_signed(path, project, "status", CONTENT)
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "b": [1]}))
    assert read_signed(path, project, "status") is None
    write_signed(path, project, "status", CONTENT)
    path.rename(tmp_path / "moved.json")
    path.symlink_to(tmp_path / "moved.json")
    assert read_signed(path, project, "status") is None
