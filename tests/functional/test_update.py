"""`scaffold update`, `scaffold reference update`, `scaffold eject`: adaptation strands nobody."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import (
    BETTER,
    RENAME,
    TWEAKABLE,
    accepted,
    approved,
    edit,
    git,
    git_recipe,
    make_repository,
    toy_recipe,
    write_tree,
)

import scaffold.scaffolding.create
from scaffold.recipes.catalogue import data_dir


@pytest.fixture
def newer_template(tmp_path, monkeypatch):
    """A later mlloop-new, whose template says more."""
    templates = tmp_path / "later" / "templates"
    shutil.copytree(data_dir("templates"), templates)
    shutil.copytree(data_dir("docs"), tmp_path / "later" / "docs")
    monkeypatch.setattr(
        scaffold.scaffolding.create, "data_dir", lambda name: tmp_path / "later" / name
    )
    agents = templates / "project" / "AGENTS.md.jinja"
    agents.write_text(agents.read_text() + "- A new rule.\n")
    (templates / "project" / "tests" / "test_more.py").write_text(
        "def test_more():\n    assert True\n"
    )
    return templates / "project"


def test_nothing_newer(cli, reproduced):
    before = git(reproduced, "for-each-ref")
    assert cli("update", "--json", cwd=reproduced).json["changed"] == []
    assert git(reproduced, "for-each-ref") == before


def test_a_newer_template_is_merged_with_what_was_changed(cli, reproduced, newer_template):
    accepted(cli, reproduced, "rename", RENAME)
    (reproduced / "README.md").write_text("# Mine now\n")
    git(reproduced, "commit", "--all", "--quiet", "-m", "my words")
    src = git(reproduced, "rev-parse", "HEAD:src")
    changed = cli("update", "--json", cwd=reproduced).json["changed"]
    assert changed == ["AGENTS.md", "tests/test_more.py"]
    assert (reproduced / "AGENTS.md").read_text().endswith("- A new rule.\n")
    assert (reproduced / "README.md").read_text() == "# Mine now\n"
    assert git(reproduced, "rev-parse", "HEAD:src") == src
    assert git(reproduced, "status", "--porcelain") == ""
    assert git(reproduced, "log", "-1", "--format=%s", "template").startswith(
        "Template of mlloop-new"
    )
    assert cli("status", "--json", cwd=reproduced).json["evidence"] == "current"
    assert cli("update", "--json", cwd=reproduced).json["changed"] == []


def test_conflicts_are_ordinary_and_can_be_resolved_or_taken_back(cli, reproduced, newer_template):
    agents = reproduced / "AGENTS.md"
    agents.write_text(agents.read_text() + "- My rule.\n")
    git(reproduced, "commit", "--all", "--quiet", "-m", "my rule")
    refused = cli("update", code=2, cwd=reproduced)
    assert "conflicts in AGENTS.md" in refused.err and "git merge --abort" in refused.err
    assert "<<<<<<<" in agents.read_text()
    assert "is under way" in cli("update", code=2, cwd=reproduced).err
    git(reproduced, "merge", "--abort")
    assert agents.read_text().endswith("- My rule.\n")
    cli("update", code=2, cwd=reproduced)
    agents.write_text("both\n")
    git(reproduced, "commit", "--all", "--quiet", "--no-edit")
    assert cli("update", "--json", cwd=reproduced).json["changed"] == []
    assert agents.read_text() == "both\n"


def test_a_clone_has_no_template_branch_and_updates_all_the_same(
    cli, reproduced, newer_template, tmp_path
):
    subprocess.run(
        ["git", "clone", "--quiet", str(reproduced), str(tmp_path / "clone")], check=True
    )
    clone = approved(tmp_path / "clone")
    git(clone, "remote", "remove", "origin")
    assert "AGENTS.md" in cli("update", "--json", cwd=clone).json["changed"]
    assert "my project" not in (clone / "README.md").read_text()
    assert "# project" in (clone / "README.md").read_text(), (
        "the name that the project was made with"
    )


def test_edits_in_the_way_stop_an_update_and_stay(cli, reproduced, newer_template):
    (reproduced / "AGENTS.md").write_text("half a thought\n")
    refused = cli("update", code=2, cwd=reproduced)
    assert "AGENTS.md" in refused.err and "commit or stash" in refused.err
    assert (reproduced / "AGENTS.md").read_text() == "half a thought\n"
    git(reproduced, "checkout", "--", "AGENTS.md")
    cli("update", cwd=reproduced)


@pytest.fixture
def upstream(cli, tmp_path):
    """A project whose reference is a commit of a repository that went on since."""
    repository = tmp_path / "upstream"
    first = make_repository(
        repository, {"train.py": TWEAKABLE, "notes.md": "one\n", "other.py": "x = 1\n"}
    )
    recipe = git_recipe(
        tmp_path / "recipe",
        repository,
        first,
        hyperparameters={"gain": 0.0, "work": 10},
        commands={
            "train": {
                "run": "python train.py seed={seed} gain={gain} work={work}",
                "timeout_s": 20,
            },
            "smoke": None,
        },
    )
    project = cli.new(recipe, "advancing")
    write_tree(
        repository,
        {"train.py": TWEAKABLE.replace("2.0 / epoch", "1.9 / epoch"), "notes.md": "two\n"},
    )
    git(repository, "commit", "--all", "--quiet", "-m", "newer")
    git(repository, "tag", "v2")
    return project, repository, first


def test_a_newer_reference(cli, upstream):
    project, repository, first = upstream
    cli("verify", "--json", code=3, cwd=project)
    cli("tweak", "start", "level", "--reason", "no calibration", "--margin", "0.005", cwd=project)
    edit(project, *BETTER)
    cli("verify", "--json", cwd=project)
    assert "is under way" in cli("reference", "update", "v2", code=2, cwd=project).err
    cli("tweak", "accept", cwd=project)
    src = git(project, "rev-parse", "HEAD:src")
    found = cli("reference", "update", "v2", "--json", cwd=project).json
    assert (
        found["revision"] == git(repository, "rev-parse", "HEAD") and found["old_revision"] == first
    )
    assert (found["changed"], found["touching"]) == (["notes.md", "train.py"], ["train.py"])
    assert git(project, "rev-parse", "HEAD:reference") == git(
        repository, "rev-parse", "HEAD^{tree}"
    )
    assert git(project, "rev-parse", "HEAD:src") == src
    assert found["revision"] in (project / "recipe.yaml").read_text()
    assert first not in (project / "recipe.yaml").read_text()
    assert git(project, "status", "--porcelain") == ""
    assert f"Upstream-Revision: {found['revision']}" in git(
        project, "log", "-1", "--format=%B", "refs/heads/reference"
    )
    assert git(project, "show", "reference:reference/notes.md") == "two"
    status = cli("status", "--json", cwd=project).json
    assert "reference_pin" in [reason["code"] for reason in status["stale_reasons"]]
    # Its changes into src/, by the line that was printed.
    older, newer = git(project, "log", "-2", "--format=%H", "refs/heads/reference").split()[::-1]
    diff = subprocess.run(
        ["git", "diff", f"{older}:reference", f"{newer}:reference"],
        cwd=project,
        capture_output=True,
    )
    subprocess.run(
        ["git", "apply", "--3way", "--directory=src"], cwd=project, input=diff.stdout, check=True
    )
    text = (project / "src/train.py").read_text()
    assert "1.9 / epoch" in text and "LEVEL = 0.95" in text


@pytest.mark.parametrize(
    "name, code, said", [("no-such-tag", 4, "has no branch or tag"), ("f" * 40, 4, "not our ref")]
)
def test_a_revision_that_is_not_there(cli, upstream, name, code, said):
    project, _, _ = upstream
    before = git(project, "for-each-ref")
    assert said in cli("reference", "update", name, code=code, cwd=project).err
    assert git(project, "for-each-ref") == before


def test_the_same_revision_and_no_repository(cli, upstream, reproduced):
    project, _, first = upstream
    assert "already" in cli("reference", "update", first, code=2, cwd=project).err
    assert (
        "lies inside its recipe" in cli("reference", "update", "main", code=2, cwd=reproduced).err
    )


def test_an_edit_in_the_way_of_a_newer_reference(cli, upstream):
    project, _, first = upstream
    recipe = (project / "recipe.yaml").read_text()
    (project / "recipe.yaml").write_text(recipe.replace("testing", "testing it"))
    refused = cli("reference", "update", "v2", code=2, cwd=project)
    assert "recipe.yaml" in refused.err
    assert "testing it" in (project / "recipe.yaml").read_text()
    assert first in (project / "recipe.yaml").read_text()


def bare_pytest(project: Path, **variables: str) -> subprocess.CompletedProcess:
    """As if mlloop-new were not installed: its plugin off, and importing it fails."""
    guard = (
        "import sys; sys.modules['scaffold'] = None; import pytest;"
        " sys.exit(pytest.main(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", guard, "-q", "-p", "no:scaffold", "-p", "no:cacheprovider"],
        cwd=project,
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
        check=False,
    )


def test_struck(cli, reproduced):
    accepted(
        cli, reproduced, "level", ("src/train.py", "LEVEL = 0.9", "LEVEL = 0.93"), kind="improve"
    )
    said = cli("eject", "--yes", "--json", cwd=reproduced).json
    assert "AGENTS.md" in said["removed"] and "tests/expectations.json" in said["written"]
    assert git(reproduced, "status", "--porcelain") == ""
    left = {
        path
        for path in git(reproduced, "ls-files").splitlines()
        if not path.startswith(("reference/", "src/"))
    }
    assert left == {
        ".github/workflows/tests.yml",
        ".gitignore",
        "README.md",
        "calibration.json",
        "evidence/recipe.yaml",
        "evidence/reproduce.json",
        "evidence/system.yaml",
        "evidence/tweak-level.json",
        "journal/level.md",
        "pytest.ini",
        "requirements.txt",
        "tests/expectations.json",
        "tests/test_expectations.py",
    }
    for name in (
        "README.md",
        "tests/test_expectations.py",
        ".github/workflows/tests.yml",
        "requirements.txt",
    ):
        text = (reproduced / name).read_text()
        assert "scaffold" not in text and "mlloop" not in text
    done = bare_pytest(reproduced, FULL_RUN="1")
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout
    for name, old, new in (
        ("reference/train.py", "LEVEL = 0.9", "LEVEL = 0.8"),
        ("src/train.py", "LEVEL = 0.93", "LEVEL = 0.7"),
        ("src/train.py", "import json", "import jason"),
        ("evidence/tweak-level.json", "BETTER", "WORSE"),
    ):
        edit(reproduced, name, old, new)
        assert bare_pytest(reproduced, FULL_RUN="1").returncode == 1, name
        git(reproduced, "checkout", "--", name)
    git(reproduced, "revert", "--no-edit", "HEAD")
    assert cli("status", "--json", cwd=reproduced).json["evidence"] == "current"


def test_struck_before_any_tweak(cli, reproduced):
    cli("eject", "--yes", cwd=reproduced)
    assert (
        json.loads((reproduced / "tests/expectations.json").read_text())["program"]["tree"]
        == "reference"
    )
    assert bare_pytest(reproduced).returncode == 0


def test_commands_of_an_ejected_project_can_be_typed(tmp_path):
    from scaffold.records.parsing import parse_record
    from scaffold.records.recipe import Recipe
    from scaffold.scaffolding.eject import _shown

    commands = {"train": {"run": "python train.py {seed} 'a b' {{loss}}", "timeout_s": 20}}
    text = (toy_recipe(tmp_path / "recipe", commands=commands) / "recipe.yaml").read_text()
    recipe = parse_record(Recipe, text, source="recipe.yaml")
    assert _shown(recipe)[-1] == "python train.py 0 'a b' '{loss}'"


def test_eject_waits_for_what_is_open(cli, reproduced):
    edit(reproduced, "README.md", "# project", "# Project")
    assert "not committed: README.md" in cli("eject", "--yes", code=2, cwd=reproduced).err
    git(reproduced, "checkout", "--", "README.md")
    cli("tweak", "start", "x", cwd=reproduced)
    assert "tweak x is under way" in cli("eject", "--yes", code=2, cwd=reproduced).err
    assert (reproduced / "AGENTS.md").exists()
