"""`mlloop-new`: what a project is, and that nothing is left behind when it cannot be made."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from helpers import (
    TOY,
    copy_recipe,
    git,
    git_recipe,
    interruptible,
    make_repository,
    toy_recipe,
    write_tree,
)

from scaffold.git.trees import content_id


def test_project_has_exactly_these_files(cli, calibrated_recipe):
    project = cli.new(calibrated_recipe)
    files = sorted(
        path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()
    )
    assert [file for file in files if not file.startswith(".git/")] == [
        ".github/workflows/reproduce.yml",
        ".gitignore",
        ".schemas/goal.schema.json",
        ".schemas/milestones.schema.json",
        ".schemas/recipe.schema.json",
        ".schemas/system.schema.json",
        ".schemas/tweak.schema.json",
        "AGENTS.md",
        "README.md",
        "calibration.json",
        "milestones.yaml",
        "pytest.ini",
        "recipe.yaml",
        "reference/train.py",
        "tests/test_parity.py",
        "tests/test_reproduction.py",
        "tests/test_tweaks.py",
    ]
    for file in files:
        if not file.startswith(".git/"):
            text = (project / file).read_text()
            assert "{{ " not in text.replace("${{ ", "") and "{%" not in text, file


def test_history_is_two_vendor_branches_merged_into_main(cli, calibrated_recipe):
    project = cli.new(calibrated_recipe)
    assert git(project, "status", "--porcelain") == ""
    assert git(project, "branch", "--format=%(refname:short)").split() == [
        "main",
        "reference",
        "template",
    ]
    assert git(project, "rev-list", "--count", "--all") == "3"
    parents = git(project, "log", "-1", "--format=%P", "main", "--").split()
    assert parents == [
        git(project, "rev-parse", "template"),
        git(project, "rev-parse", "reference"),
    ]
    assert git(project, "rev-parse", "reference:reference") == git(
        project, "rev-parse", "main:reference"
    )
    message = git(project, "log", "-1", "--format=%B", "reference", "--")
    assert "License: MIT" in message and "Upstream-Tree:" in message


def test_reference_bytes_survive_attributes_and_filters(cli, tmp_path):
    repository = tmp_path / "upstream"
    revision = make_repository(
        repository,
        {
            ".gitattributes": "*.txt eol=crlf\n*.id ident\n*.lfs filter=lfs\n",
            "a.txt": b"one\ntwo\n",
            "b.id": b"$Id$\n",
            "c.lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
            "run.sh": "#!/bin/sh\n",
            "train.py": TOY,
            "ign.pyc": b"x",
        },
    )
    (repository / "run.sh").chmod(0o755)
    git(repository, "commit", "--quiet", "-am", "executable")
    revision = git(repository, "rev-parse", "HEAD")
    project = cli.new(git_recipe(tmp_path / "recipe", repository, revision))
    assert git(project, "rev-parse", "HEAD:reference") == git(
        repository, "rev-parse", "HEAD^{tree}"
    )
    assert (project / "reference/a.txt").read_bytes() == b"one\ntwo\n"
    assert (project / "reference/b.id").read_bytes() == b"$Id$\n"
    assert os.access(project / "reference/run.sh", os.X_OK)
    assert git(project, "status", "--porcelain") == ""


def test_second_project_needs_no_network(cli, tmp_path):
    repository = tmp_path / "upstream"
    revision = make_repository(repository, {"train.py": TOY})
    recipe = git_recipe(tmp_path / "recipe", repository, revision)
    refused = cli("new", "early", "--from", recipe, "--offline", code=4)
    assert "not in the cache" in refused.err
    cli.new(recipe, "first")
    repository.rename(tmp_path / "gone")
    second = cli.new(recipe, "second")
    assert content_id(second / "reference") == git(second, "rev-parse", "HEAD:reference")
    cli("new", "third", "--from", recipe, "--offline")


def test_only_one_commit_is_fetched(cli, tmp_path, isolated):
    repository = tmp_path / "upstream"
    make_repository(repository, {"train.py": TOY, "big": b"x" * 300_000})
    (repository / "big").write_bytes(os.urandom(300_000))
    git(repository, "commit", "--quiet", "-am", "second")
    revision = git(repository, "rev-parse", "HEAD")
    cli.new(git_recipe(tmp_path / "recipe", repository, revision))
    cached = [
        p
        for p in (isolated / "cache/mlloop-new/git").glob("*.git")
        if (p / "complete" / revision).exists()
    ]
    assert git(cached[0], "rev-list", "--count", revision) == "1"


def test_project_from_a_git_url_of_a_recipe(cli, tmp_path, calibrated_recipe):
    repository = tmp_path / "recipes"
    files = {
        p.relative_to(calibrated_recipe).as_posix(): p.read_bytes()
        for p in calibrated_recipe.rglob("*")
        if p.is_file()
    }
    revision = make_repository(
        repository, {f"deep/toy/{name}": content for name, content in files.items()}
    )
    cli.new(f"file://{repository}@{revision}:deep/toy", "by-id")
    by_branch = cli(
        "new", "by-branch", "--from", f"file://{repository}@main:deep/toy", "--json"
    ).json
    assert f"@{revision}:deep/toy" in by_branch["origin"]
    short = cli("new", "x", "--from", f"file://{repository}@{revision[:7]}:deep/toy", code=2)
    assert "not a full revision" in short.err
    nowhere = cli("new", "x", "--from", f"file://{repository}@no-such-branch:deep/toy", code=4)
    assert "has no branch or tag 'no-such-branch'" in nowhere.err
    of_head = cli("new", "of-head", "--from", f"file://{repository}@HEAD:deep/toy", "--json").json
    assert of_head["origin"] == by_branch["origin"]


def test_what_publishes_nothing_is_never_said_to_have_published(cli, tmp_path):
    recipe = toy_recipe(tmp_path / "recipe", claims=[])
    made = cli("new", "project", "--from", recipe)
    assert "nothing is published" in made.out
    said = cli("status", cwd=tmp_path / "project").out
    readme = (tmp_path / "project/README.md").read_text()
    assert "gives what its calibration runs gave here" in " ".join(said.split())
    assert "published result" not in said and "published result" not in readme


def test_set_changes_a_hyperparameter_and_is_a_deviation(cli, tmp_path):
    recipe = toy_recipe(tmp_path / "recipe", hyperparameters={"rate": 0.5, "name": "a"})
    made = cli("new", "project", "--from", recipe, "--set", "rate=0.25", "--json").json
    assert [reason["text"] for reason in made["deviations"]] == [
        "hyperparameter rate is 0.25, published 0.5"
    ]
    written = yaml.safe_load((Path("project") / "recipe.yaml").read_text())
    assert written["hyperparameters"]["rate"] == 0.25 and written["published"] == {"rate": 0.5}
    cli("new", "whole", "--from", recipe, "--set", "rate=1")  # 1.0, as people type it
    assert (
        "has no hyperparameter 'speed'"
        in cli("new", "x", "--from", recipe, "--set", "speed=1", code=2).err
    )
    assert (
        "rate is of type float, such as 0.5"
        in cli("new", "x", "--from", recipe, "--set", "rate=fast", code=2).err
    )
    assert "write KEY=VALUE" in cli("new", "x", "--from", recipe, "--set", "rate", code=2).err


def refused(cli, recipe, code, *words, name="project"):
    """The project is refused with these words, and nothing of it is left."""
    before = set(Path.cwd().iterdir())
    result = cli("new", name, "--from", recipe, "--no-input", code=code)
    for word in words:
        assert word in result.err, result
    assert set(Path.cwd().iterdir()) == before
    assert "Traceback" not in result.err
    return result


def test_unknown_recipe_offers_the_nearest(cli):
    refused(cli, "digit-cn", 2, "there is no recipe 'digit-cn'", "digits-cnn")


def test_five_mistakes_are_told_at_once_with_their_lines(cli, tmp_path):
    folder = toy_recipe(tmp_path / "recipe", seeds={"how": "sometimes"}, color="red")
    text = (folder / "recipe.yaml").read_text()
    text = text.replace("timeout_s: 20", "timeout_s: -1", 1).replace(
        "direction: higher", "direction: up"
    )
    text = text.replace("metric: accuracy", "metric: acuracy")
    (folder / "recipe.yaml").write_text(text)
    result = refused(cli, folder, 2, "has 5 problems")
    lines = text.splitlines()
    for key, start in [
        ("commands.train.timeout_s", "    timeout_s: -1"),
        ("seeds.how", "  how: sometimes"),
        ("metrics[0].direction", "  direction: up"),
        ("claims[0].metric", "- metric: acuracy"),
        ("color", "color: red"),
    ]:
        number = next(i for i, line in enumerate(lines, 1) if line.startswith(start))
        assert f"recipe.yaml:{number}: {key}: " in result.err, result


def test_revision_must_be_full(cli, tmp_path):
    repository = tmp_path / "upstream"
    revision = make_repository(repository, {"train.py": TOY})
    recipe = git_recipe(tmp_path / "recipe", repository, revision)
    original = (recipe / "recipe.yaml").read_text()
    for given, words in [
        ("main", "a branch or tag moves"),
        (revision[:7], "7 characters are not a full revision"),
    ]:
        (recipe / "recipe.yaml").write_text(
            original.replace(f"revision: {revision}", f"revision: '{given}'")
        )
        refused(cli, recipe, 2, "reference.revision", words)
    (recipe / "recipe.yaml").write_text(
        original.replace(f"revision: {revision}", f"revision: {'1' * 40}")
    )
    refused(cli, recipe, 4, "the revision does not exist there", "not our ref")


def test_tree_must_be_the_pinned_one(cli, tmp_path, calibrated_recipe):
    folder = copy_recipe(calibrated_recipe, tmp_path / "recipe")
    (folder / "reference/train.py").write_text("print('something else')\n")
    refused(cli, folder, 4, "but the recipe pins", "reference.tree")


def test_half_a_clone_is_an_error_and_excluding_the_missing_file_a_cure(cli, tmp_path, isolated):
    repository = tmp_path / "upstream"
    revision = make_repository(repository, {"train.py": TOY, "weights/big.bin": b"gone"})
    blob = git(repository, "rev-parse", f"{revision}:weights/big.bin")
    (repository / ".git/objects" / blob[:2] / blob[2:]).unlink()
    before = set((isolated / "cache/mlloop-new/git").glob("*"))
    recipe = git_recipe(tmp_path / "recipe", repository, revision)
    refused(cli, recipe, 4, "could not fetch", "reference.exclude: [weights/big.bin]")
    kept = set((isolated / "cache/mlloop-new/git").glob("*")) - before
    assert all(".blobless" in path.name for path in kept)  # names alone, to say what is missing

    write_tree(tmp_path / "rest", {"train.py": TOY})
    without = {"exclude": ["weights"], "tree": content_id(tmp_path / "rest")}
    recipe = git_recipe(tmp_path / "cured", repository, revision, reference=without)
    project = cli.new(recipe)
    assert [path.name for path in (project / "reference").iterdir()] == ["train.py"]
    assert git(project, "rev-parse", "HEAD:reference") == without["tree"]
    again = git_recipe(tmp_path / "wrong", repository, revision, reference={"exclude": ["wights"]})
    refused(cli, again, 4, "exclude names 'wights'", name="other")


def test_patch_must_apply(cli, tmp_path):
    patch = "--- a/train.py\n+++ b/train.py\n@@ -1,1 +1,1 @@\n-no such line\n+another\n"
    patches = [{"file": "patches/fix.diff", "reason": "an alias was removed"}]
    recipe = toy_recipe(tmp_path / "recipe", reference={"patches": patches})
    write_tree(recipe, {"patches/fix.diff": patch})
    refused(cli, recipe, 4, "patch fix.diff does not apply")
    (recipe / "patches/fix.diff").unlink()
    refused(cli, recipe, 2, "names files that are not beside it: patches/fix.diff")


@pytest.mark.parametrize("entry", ["link", "submodule"])
def test_reference_may_not_reach_out(cli, tmp_path, entry):
    repository = tmp_path / "upstream"
    revision = make_repository(repository, {"train.py": TOY})
    if entry == "link":
        (repository / "outside").symlink_to("../../etc/passwd")
        git(repository, "add", "--all")
    else:
        git(repository, "update-index", "--add", "--cacheinfo", f"160000,{revision},lib")
    git(repository, "commit", "--quiet", "-m", entry)
    recipe = git_recipe(tmp_path / "recipe", repository, git(repository, "rev-parse", "HEAD"))
    refused(
        cli,
        recipe,
        4,
        "leads outside" if entry == "link" else "has the submodule 'lib'",
        "reference.exclude",
    )


def test_non_empty_folder_is_refused_and_untouched(cli, tmp_path, calibrated_recipe):
    write_tree(tmp_path / "project", {"mine.txt": "precious"})
    result = cli("new", "project", "--from", calibrated_recipe, code=2)
    assert "exists and is not empty" in result.err
    assert [path.name for path in (tmp_path / "project").iterdir()] == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    cli.new(calibrated_recipe, "empty")


def test_interrupt_leaves_nothing(tmp_path, calibrated_recipe):
    # The interrupt comes while the template is rendered, when the folder is half full.
    program = (
        "import os, signal, sys, scaffold.scaffolding.templates as t; real = t.render\n"
        "import scaffold.scaffolding.create as c\n"
        "def render(*a, **k): real(*a, **k); os.kill(os.getpid(), signal.SIGINT)\n"
        "c.render = render\n"
        "from scaffold.cli.new import main; main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "project", "--from", str(calibrated_recipe), "--no-input"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=interruptible,
    )
    assert done.returncode == 130, done
    assert "Interrupted" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_creating_runs_nothing_of_the_reference(cli, tmp_path):
    marker = tmp_path / "ran"
    code = f"open({str(marker)!r}, 'w')\n"
    recipe = toy_recipe(
        tmp_path / "recipe",
        {"train.py": TOY, "setup.py": code, "conftest.py": code, "__init__.py": code},
    )
    cli.new(recipe)
    assert not marker.exists()


def test_without_a_terminal_a_missing_folder_is_said(cli):
    result = cli("new", code=2)
    assert "where shall the project go?" in result.err and "mlloop-new my-project" in result.err


def test_a_project_inside_a_repository_says_so(cli, tmp_path, calibrated_recipe):
    make_repository(tmp_path / "outer", {"a.txt": "a\n"})
    said = cli("new", tmp_path / "outer" / "project", "--from", calibrated_recipe)
    assert "Nested" in said.out and "in its .gitignore" in said.out
    assert "Nested" not in cli("new", tmp_path / "alone", "--from", calibrated_recipe).out


def test_a_missing_identity_is_said_once_with_the_command(
    cli, tmp_path, calibrated_recipe, monkeypatch
):
    (tmp_path / "gitconfig").write_text("[user]\n\tuseConfigOnly = true\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    for name in (
        "GIT_AUTHOR_NAME",
        "GIT_AUTHOR_EMAIL",
        "GIT_COMMITTER_NAME",
        "GIT_COMMITTER_EMAIL",
        "EMAIL",
    ):
        monkeypatch.delenv(name, raising=False)
    said = cli("new", "project", "--from", calibrated_recipe)
    assert "git config --global user.name" in said.out
