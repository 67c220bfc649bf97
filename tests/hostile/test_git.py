"""Repositories, URLs and configurations that would have git run or write something of theirs."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from helpers import TOY, TOY_RECIPE, git, git_recipe, make_repository, toy_recipe, write_tree

from scaffold.errors import FetchError
from scaffold.git.entries import refuse_unsafe
from scaffold.git.objects import TreeEntry
from scaffold.git.remote import fetch_objects, find_remote_id
from scaffold.git.repository import Repository
from scaffold.git.trees import content_id


@pytest.fixture
def upstream(tmp_path):
    folder = tmp_path / "upstream"
    return folder, make_repository(folder, {"train.py": TOY})


@pytest.fixture
def person(isolated, tmp_path, monkeypatch):
    """Writes the user's git configuration."""

    def write(text: str) -> None:
        (tmp_path / "gitconfig").write_text((isolated / ".gitconfig").read_text() + text)
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))

    return write


def raw_tree(repository: Path, entries: list[tuple[str, bytes, str]]) -> str:
    """A commit whose tree has entries that git itself would not make."""
    listed = b"".join(
        mode.encode() + b" " + name + b"\0" + bytes.fromhex(object_id)
        for mode, name, object_id in entries
    )
    made = subprocess.run(
        ["git", "hash-object", "-t", "tree", "-w", "--stdin", "--literally"],
        cwd=repository,
        input=listed,
        capture_output=True,
        check=True,
    )
    tree = made.stdout.decode().strip()
    commit = git(repository, "commit-tree", tree, "-m", "hostile")
    git(repository, "update-ref", "refs/heads/hostile", commit)
    return commit


def blob(repository: Path, content: bytes) -> str:
    made = subprocess.run(
        ["git", "hash-object", "-w", "--stdin"],
        cwd=repository,
        input=content,
        capture_output=True,
        check=True,
    )
    return made.stdout.decode().strip()


def test_hooks_of_the_persons_template_folder(cli, upstream, person, payload, tmp_path):
    hooks = tmp_path / "template" / "hooks"
    hooks.mkdir(parents=True)
    for name in (
        "post-checkout",
        "post-index-change",
        "reference-transaction",
        "pre-commit",
        "post-commit",
    ):
        (hooks / name).symlink_to(payload)
    person(f"[init]\n\ttemplateDir = {hooks.parent}\n")
    project = cli.new(git_recipe(tmp_path / "recipe", *upstream))
    assert not (project / ".git" / "hooks").exists()


def test_hooks_of_a_project_that_was_handed_over(cli, calibrated_recipe, payload):
    project = cli.new(calibrated_recipe)
    hooks = project / ".git" / "hooks"
    hooks.mkdir()
    for name in (
        "post-index-change",
        "reference-transaction",
        "pre-commit",
        "commit-msg",
        "post-commit",
    ):
        (hooks / name).symlink_to(payload)
    cli("verify", cwd=project)
    assert git(project, "log", "-1", "--format=%s") == "Verify: REPRODUCED"


def test_fsmonitor_of_a_project_that_was_handed_over(cli, calibrated_recipe, payload):
    project = cli.new(calibrated_recipe)
    with (project / ".git" / "config").open("a") as file:
        file.write(f"[core]\n\tfsmonitor = {payload}\n")
    cli("verify", cwd=project)


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% MARKER",
        "--upload-pack=touch MARKER",
        "https://user:secret@example.org/x",
        "https://example.org/a/../../b",
        "https://example.org/%2e%2e/b",
        "file://../x",
        "git@example.org:x",
        "http://example.org/x",
        "https://example.org/x\n[core]",
    ],
)
def test_urls_that_are_more_than_a_place(cli, tmp_path, url, upstream):
    recipe = git_recipe(tmp_path / "recipe", *upstream, reference={"git": url})
    assert (
        "must be an https://, ssh:// or file:/// URL"
        in cli("new", "x", "--from", recipe, code=2).err
    )
    assert not (tmp_path / "x").exists()


def test_ext_transport_is_off_whatever_url_comes_through(payload, tmp_path):
    repository = Repository.create(tmp_path / "cache", bare=True)
    with pytest.raises(FetchError, match="transport 'ext' not allowed"):
        fetch_objects(repository, f"ext::sh {payload}", ["0" * 40])
    with pytest.raises(FetchError, match="transport 'ext' not allowed"):
        find_remote_id(repository, f"ext::sh {payload}", "main")


def test_upload_pack_as_url_or_revision(cli, payload, upstream, tmp_path):
    repository = Repository.create(tmp_path / "cache", bare=True)
    with pytest.raises(FetchError):
        find_remote_id(repository, f"--upload-pack={payload}", str(upstream[0]))
    error = cli("new", "x", "--from", f"file://{upstream[0]}@--upload-pack={payload}", code=2).err
    assert "is not a revision" in error


def test_submodule(cli, tmp_path, payload):
    repository = tmp_path / "upstream"
    modules = f'[submodule "m"]\n\tpath = m\n\turl = ext::sh {payload}\n'
    make_repository(repository, {"train.py": TOY, ".gitmodules": modules})
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},m")
    git(repository, "commit", "--quiet", "-m", "module")
    recipe = git_recipe(tmp_path / "recipe", repository, git(repository, "rev-parse", "HEAD"))
    assert (
        "the submodule 'm', which is not fetched" in cli("new", "x", "--from", recipe, code=4).err
    )


@pytest.mark.parametrize(
    "target", ["../../outside", "/etc/passwd", "a/../../x", "inner/../../../x"]
)
def test_link_out_of_the_tree(cli, tmp_path, target):
    repository = tmp_path / "upstream"
    write_tree(repository, {"train.py": TOY})
    (repository / "link").symlink_to(target)
    (repository / "inner").symlink_to("deep/er")
    revision = make_repository(repository, {"deep/er/x": "x"})
    error = cli(
        "new", "x", "--from", git_recipe(tmp_path / "recipe", repository, revision), code=4
    ).err
    assert "leads outside it" in error
    assert not (tmp_path / "x").exists()


def test_git_folder_inside_a_fetched_tree(upstream, tmp_path):
    config = blob(upstream[0], b"[core]\n\tfsmonitor = touch MARKER\n")
    inner = raw_tree(upstream[0], [("100644", b"config", config)])
    commit = raw_tree(
        upstream[0], [("40000", b".git", git(upstream[0], "rev-parse", f"{inner}^{{tree}}"))]
    )
    with pytest.raises(FetchError, match=r"hasDotgit|contains"):
        fetch_objects(
            Repository.create(tmp_path / "cache", bare=True),
            f"file://{upstream[0]}",
            [commit],
            "--depth=1",
        )


@pytest.mark.parametrize(
    "name", [".git", ".GIT", "git~1", ".git ", ".g\u200cit", ".git:x", "..", ".", "a\x1b[2Jb"]
)
def test_names_that_no_project_may_hold(upstream, name):
    entries = [TreeEntry(mode="100644", id="0" * 40, path=f"folder/{name}/config")]
    with pytest.raises(FetchError, match=r"no disk may hold|control characters"):
        refuse_unsafe(Repository(upstream[0]), entries)


def test_names_that_are_one_on_many_disks(cli, tmp_path):
    repository = tmp_path / "upstream"
    revision = make_repository(repository, {"train.py": TOY, "Data/a": "1", "data/b": "2"})
    error = cli(
        "new", "x", "--from", git_recipe(tmp_path / "recipe", repository, revision), code=4
    ).err
    assert "one name on many disks" in error


def test_filters_of_the_person_do_not_change_or_run(cli, tmp_path, person, payload):
    """As git-lfs is set up: a filter by name in the user's configuration.

    Asked for by an untrusted attributes.
    """
    person(
        f'[filter "lfs"]\n\tsmudge = {payload}\n\tclean = {payload}\n\tprocess ='
        f" {payload}\n\trequired = true\n"
    )
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    repository = tmp_path / "upstream"
    write_tree(
        repository,
        {
            "train.py": TOY,
            "model.bin": pointer,
            ".gitattributes": "* filter=lfs text eol=crlf ident\n",
        },
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GIT_CONFIG_GLOBAL")
        revision = make_repository(repository, {})
    project = cli.new(git_recipe(tmp_path / "recipe", repository, revision))
    assert (project / "reference/model.bin").read_text() == pointer
    assert content_id(project / "reference") == git(repository, "rev-parse", "HEAD^{tree}")


def test_filters_of_the_person_by_attributes_in_a_recipe(cli, tmp_path, person, payload):
    person(f'[filter "lfs"]\n\tclean = {payload}\n\trequired = true\n')
    files = {"data/.gitattributes": "* filter=lfs\n", "data/x": "1"}
    datasets = [
        {
            "name": f"d{index}",
            "file": name,
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "place": f"d{index}",
            "license": "x",
        }
        for index, (name, text) in enumerate(files.items())
    ]
    claims = [{**TOY_RECIPE["claims"][0], "dataset": "d0"}]
    project = cli.new(
        write_tree(toy_recipe(tmp_path / "recipe", datasets=datasets, claims=claims), files)
    )
    assert git(project, "show", "HEAD:data/x") == "1"


def test_filters_are_off_in_reference_for_the_persons_own_git_too(
    cli, tmp_path, person, payload, upstream
):
    write_tree(upstream[0], {".gitattributes": "* filter=lfs\n"})
    git(upstream[0], "add", "--all")
    git(upstream[0], "commit", "--quiet", "-m", "attributes")
    project = cli.new(
        git_recipe(tmp_path / "recipe", upstream[0], git(upstream[0], "rev-parse", "HEAD"))
    )
    person(f'[filter "lfs"]\n\tsmudge = {payload}\n\tclean = {payload}\n')
    (project / "reference/train.py").unlink()
    git(project, "checkout", "--", "reference")


def test_commit_that_is_not_the_pin(cli, tmp_path, upstream):
    folder, revision = upstream
    write_tree(folder, {"train.py": "print('another')\n"})
    git(folder, "commit", "--quiet", "-am", "another")
    recipe = git_recipe(tmp_path / "recipe", folder, revision)
    # A branch that is called as the pin is, and names another commit.
    git(folder, "update-ref", f"refs/heads/{revision}", "HEAD")
    assert "another" not in (cli.new(recipe) / "reference/train.py").read_text()
    other = git_recipe(
        tmp_path / "other", folder, git(folder, "rev-parse", "HEAD"), reference={"tree": "1" * 40}
    )
    assert f"but the recipe pins {'1' * 40}" in cli("new", "y", "--from", other, code=4).err


def test_remote_that_gives_another_commit(upstream, tmp_path, monkeypatch):
    from scaffold.references import git as references

    folder, revision = upstream
    monkeypatch.setattr(Repository, "find_id", lambda *_: "2" * 40)
    with pytest.raises(FetchError, match="has no commit"):
        references.cached_commit(f"file://{folder}", revision, offline=False)


def test_reference_in_a_recipe_with_links_or_a_repository(cli, tmp_path):
    recipe = toy_recipe(tmp_path / "recipe")
    (recipe / "reference/link").symlink_to("/etc/passwd")
    assert "has links" in cli("new", "x", "--from", recipe, code=4).err
    (recipe / "reference/link").unlink()
    write_tree(recipe, {"reference/.git/config": "[core]\n"})
    assert "has a repository in it" in cli("new", "x", "--from", recipe, code=4).err


@pytest.mark.parametrize("name", [".scaffold", "evidence"])
def test_project_whose_folders_lead_elsewhere(cli, calibrated_recipe, tmp_path, name):
    project = cli.new(calibrated_recipe)
    (tmp_path / "elsewhere").mkdir()
    (project / name).symlink_to(tmp_path / "elsewhere")
    assert f"{name} is a link to" in cli("verify", cwd=project, code=2).err
    assert os.listdir(tmp_path / "elsewhere") == []
