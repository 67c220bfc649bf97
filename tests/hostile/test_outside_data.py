"""Data that stay outside a project: their manifest, where they lie, and what a run sees of them."""

import hashlib
import os

import pytest
from helpers import ACCURACY, toy_recipe, write_tree

from scaffold import sandbox as sandboxes
from scaffold.datasets.outside import located_folder

PROGRAM = """\
    import json, pathlib
    folder = pathlib.Path("data/digits")
    accuracy = float((folder / "train/values.txt").read_text())
    try:
        (folder / "train/values.txt").write_text("0.1")
        accuracy = 0.0
    except OSError:
        pass
    json.dump({"accuracy": accuracy}, open("metrics.json", "w"))
    """
CLAIM = {
    "metric": "accuracy",
    "dataset": "digits",
    "basis": "training",
    "value": 0.9,
    "source": {"url": "u", "words": "w"},
}


@pytest.fixture
def images(tmp_path):
    """A folder of data, far from any project."""
    return write_tree(tmp_path / "disk/digits", {"train/values.txt": "0.9\n", "labels.csv": "1\n"})


@pytest.fixture
def recipe(cli, tmp_path, images):
    """A recipe with the manifest of that folder."""
    manifest = tmp_path / "recipe/data/digits.sha256"
    answer = cli("data", "manifest", images, "-o", manifest, "--json").json
    dataset = {"name": "digits", "license": "none stated", "place": "data/digits"}
    return toy_recipe(
        tmp_path / "recipe",
        {"train.py": PROGRAM},
        metrics=[ACCURACY],
        progress=None,
        seeds={"how": "none"},
        commands={"train": {"run": "python train.py"}, "smoke": None},
        datasets=[{**dataset, "manifest": "data/digits.sha256", "sha256": answer["sha256"]}],
        claims=[CLAIM],
    )


@pytest.mark.parametrize("kind", ["bubblewrap", "landlock"])
def test_a_run_reads_the_folder_where_it_lies(cli, recipe, images, monkeypatch, kind):
    if getattr(sandboxes, f"{kind}_problem")():
        pytest.skip(f"{kind} does not work on this machine")
    if kind == "landlock":
        monkeypatch.setattr(sandboxes, "bubblewrap_problem", lambda: "taken away by the test")
    project = cli.new(recipe)
    record = cli("run", "--json", cwd=project).json["runs"][0]
    assert record["metrics"]["accuracy"]["value"] == 0.9
    assert (images / "train/values.txt").read_text() == "0.9\n"
    run = project / ".scaffold/runs" / record["id"]
    assert (run / "tree/data/digits").readlink() == images
    assert cli("recipes", "check", recipe, "--json").json["ok"]


def test_where_it_lies_is_said_once_and_kept_with_the_user(cli, recipe, images, tmp_path):
    project = cli.new(recipe)
    moved = images.rename(tmp_path / "disk/moved")
    refused = cli.any_status("run", cwd=project)
    assert refused.code == 4 and f"{images} is not a folder of this machine" in refused.err
    manifest = project / "data/digits.sha256"
    assert f"scaffold data locate {manifest} FOLDER" in refused.err
    located = cli("data", "locate", manifest, moved)
    assert f"{moved} has the 2 files of {manifest}" in located.out
    cli("run", cwd=project)
    assert str(moved) not in (project / "recipe.yaml").read_text()


def test_files_that_changed_are_read_again(cli, recipe, images):
    project = cli.new(recipe)
    os.utime(images / "labels.csv", (1, 1))
    cli("run", cwd=project)
    status = (images / "labels.csv").stat()
    (images / "labels.csv").write_text("2\n")
    os.utime(images / "labels.csv", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "with other content: labels.csv" in cli.any_status("run", "--rerun", cwd=project).err
    (images / "labels.csv").write_text("7\n")
    (images / "extra.txt").touch()
    (images / "train/values.txt").unlink()
    refused = cli.any_status("run", "--rerun", cwd=project)
    assert refused.code == 4
    for words in (
        "1 missing: train/values.txt",
        "1 not in the manifest: extra.txt",
        "1 with other content: labels.csv",
    ):
        assert words in refused.err


def test_a_manifest_of_sha256sum_is_read(cli, images, tmp_path):
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()} *./{path.relative_to(images)}\n"
        for path in (images / "train/values.txt", images / "labels.csv")
    ]
    manifest = tmp_path / "by-hand.sha256"
    manifest.write_text("".join(lines))
    answer = cli("data", "locate", manifest, images, "--json").json
    assert answer["folder"] == str(images)
    assert answer["sha256"] == hashlib.sha256(manifest.read_bytes()).hexdigest()
    manifest.write_text(lines[0] + "no digest\n")
    refused = cli.any_status("data", "locate", manifest, images)
    assert refused.code == 2 and f"{manifest}:2: 'no digest' is not a line" in refused.err


def test_line_ends_of_windows_and_a_manifest_among_its_data(cli, images, tmp_path, recipe):
    windows = tmp_path / "windows.sha256"
    content = (recipe / "data/digits.sha256").read_bytes().replace(b"\n", b"\r\n")
    windows.write_bytes(content)
    digest = cli("data", "locate", windows, images, "--json").json["sha256"]
    assert digest == hashlib.sha256(content).hexdigest()
    assert located_folder("digits", windows, digest) == images
    inside = cli("data", "manifest", images, "-o", images / "m.sha256", code=2)
    assert "would be one of the files" in inside.err and not (images / "m.sha256").exists()


def test_without_a_sandbox_data_could_be_written(cli, recipe):
    project = cli.new(recipe)
    assert "could be written" in cli("run", "--no-sandbox", code=2, cwd=project).err


def test_what_is_no_data_is_refused(cli, images, isolated, tmp_path):
    def refusal(folder):
        done = cli.any_status("data", "manifest", folder, "-o", tmp_path / "m.sha256")
        assert done.code == 2 and not (tmp_path / "m.sha256").exists()
        return done.err

    assert "is not a folder" in refusal(images / "labels.csv")
    assert "has your home in it" in refusal("/")
    (images / "link").symlink_to(images / "labels.csv")
    assert "link or no plain file" in refusal(images)
    (images / "link").unlink()
    (images / "two\nlines").touch()
    assert "no manifest can hold" in refusal(images)
    (tmp_path / "empty").mkdir()
    assert "has no files" in refusal(tmp_path / "empty")


def test_a_manifest_that_was_edited_is_refused(cli, recipe):
    project = cli.new(recipe)
    manifest = project / "data/digits.sha256"
    manifest.write_text(manifest.read_text().replace("labels.csv", "other.csv"))
    refused = cli.any_status("run", cwd=project)
    assert refused.code == 4 and "not the manifest that the recipe pins" in refused.err
