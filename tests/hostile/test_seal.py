"""The sealed test split: what was edited or linked is not read, and reads are counted."""

import pytest
import yaml

from scaffold.datasets.splits import open_seal, read_seal, seal_folder
from scaffold.errors import ProjectError, UsageError
from scaffold.project.project import find_project


@pytest.fixture
def lists(cli, tmp_path):
    """Splits in src/ of something that looks like a project, test sealed."""
    (tmp_path / "src").mkdir()
    for name in ("recipe.yaml", "milestones.yaml"):
        (tmp_path / name).write_text("")
    rows = "".join(f"r{row},{row * 7919 % 1000}\n" for row in range(100))
    (tmp_path / "data.csv").write_text("id,value\n" + rows)
    cli("splits", "make", "data.csv", "--id", "id")
    cli("splits", "seal")
    return tmp_path / "src/splits"


def test_every_read_is_written_down(lists):
    assert open_seal(lists, "first").startswith("r")
    open_seal(lists, "second")
    seal = read_seal(lists)
    assert seal is not None and [one.by for one in seal.reads] == ["first", "second"]


def test_a_list_that_was_edited_is_not_opened_nor_counted(lists):
    path = seal_folder(lists) / "test.txt"
    path.write_text(path.read_text() + "r1\n")
    with pytest.raises(UsageError, match="not what was sealed"):
        open_seal(lists, "a test")
    seal = read_seal(lists)
    assert seal is not None and not seal.reads


def test_a_list_edited_before_it_is_sealed(cli, lists):
    sealed, target = seal_folder(lists), lists / "test.txt"
    target.write_text((sealed / "test.txt").read_text() + "r1\n")
    (sealed / "seal.yaml").unlink()
    assert "was edited" in cli("splits", "seal", code=2).err


def test_a_linked_seal_is_refused(lists, tmp_path):
    seal_folder(lists).rename(tmp_path / "elsewhere")
    (tmp_path / "sealed").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ProjectError, match="is a link"):
        find_project(tmp_path)


def test_a_seal_that_lists_no_digest_is_broken(cli, lists):
    path = seal_folder(lists) / "seal.yaml"
    document = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**document, "sha256": "none"}))
    assert "64 hex digits" in cli("splits", "check", code=2).err
