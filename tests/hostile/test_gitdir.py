"""Git directories that a third party prepared.

Nothing in them is followed, waited for, or believed.
"""

import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from helpers import TOY, git, git_recipe, make_repository, write_tree

import scaffold
from scaffold.errors import ProjectError
from scaffold.git import gitdir
from scaffold.git.remote import fetch_objects
from scaffold.git.repository import Repository


@pytest.fixture
def project(cli, calibrated_recipe):
    return cli.new(calibrated_recipe)


SETTINGS = {
    "a program at the other end": '[remote "{url}"]\n\turl = {url}\n\tuploadpack = {payload}\n',
    "another place": '[url "file://{elsewhere}"]\n\tinsteadOf = {url}\n',
    "a monitor of files": "[core]\n\tfsmonitor = {payload}\n",
    "a program for ssh": "[core]\n\tsshCommand = {payload}\n\thooksPath = {elsewhere}\n",
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_a_project_are_not_read(cli, tmp_path, payload, name):
    upstream = tmp_path / "upstream"
    revision = make_repository(upstream, {"train.py": TOY})
    project = cli.new(git_recipe(tmp_path / "recipe", upstream, revision))
    make_repository(tmp_path / "elsewhere", {"train.py": "raise SystemExit('another place')"})
    (upstream / "train.py").write_text(TOY + "# newer")
    git(upstream, "commit", "--quiet", "-am", "newer")
    text = SETTINGS[name].format(
        url=f"file://{upstream}", payload=payload, elsewhere=tmp_path / "elsewhere"
    )
    with (project / ".git" / "config").open("a") as file:
        file.write(text)
    cli("reference", "update", "main", cwd=project)
    assert (project / "reference/train.py").read_text().endswith("# newer")


def test_included_settings_are_not_looked_for(cli, project):
    os.mkfifo(project / "waits")
    with (project / ".git" / "config").open("a") as file:
        file.write(f"[include]\n\tpath = {project / 'waits'}\n")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "from pathlib import Path; from scaffold.git.repository import Repository as R; "
                f"print(R(Path({str(project)!r})).find_id('HEAD'))"
            ),
        ],
        timeout=30,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.strip()) == 40


def test_settings_that_are_too_large_are_refused(cli, project):
    os.truncate(project / ".git" / "config", 1 << 31)
    assert "more than 1048576 bytes" in cli("verify", cwd=project, code=2).err


def test_who_commits_here_may_be_said_here(project):
    git(project, "config", "user.name", "Another Name")
    assert Repository(project).call("config", "user.name") == "Another Name"


SPECIAL = [
    "COMMIT_EDITMSG",
    "HEAD",
    "config",
    "index",
    "packed-refs",
    "logs/HEAD",
    "logs/refs/heads/main",
    "refs/tags",
    "objects/aa",
    "info/attributes",
    "info/exclude",
]


@pytest.mark.parametrize("name", SPECIAL)
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_special_files_are_refused_before_anything_is_written(cli, project, tmp_path, name, kind):
    victim = write_tree(tmp_path / "victim", {"file": "whole", "folder/file": "whole"})
    place = project / ".git" / name
    if place.is_dir():
        place.rename(tmp_path / "aside")
    place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    if kind == "link":
        place.symlink_to(victim / ("folder" if name in ("refs/tags", "objects/aa") else "file"))
    else:
        os.mkfifo(place)
    for command in ("verify", "tweak start x --reason y"):
        assert (
            f"{name} in the git directory of {project}"
            in cli(*command.split(), cwd=project, code=2).err
        )
    assert (victim / "file").read_text() == "whole" and os.listdir(victim / "folder") == ["file"]


def test_links_that_git_is_not_asked_to_follow_do_no_harm(cli, project, tmp_path):
    (project / ".git" / "hooks").symlink_to(tmp_path)
    cli("run", cwd=project)


def test_a_git_directory_elsewhere_is_refused(cli, project, tmp_path):
    other = make_repository(tmp_path / "other", {"mine": "mine"})
    (project / ".git").rename(tmp_path / "aside")
    (project / ".git").write_text(f"gitdir: {tmp_path / 'other' / '.git'}\n")
    assert "which knows nothing of it" in cli("verify", cwd=project, code=2).err
    assert git(tmp_path / "other", "rev-parse", "HEAD") == other


def test_a_common_directory_elsewhere_is_refused(cli, project, tmp_path):
    make_repository(tmp_path / "other", {"mine": "mine"})
    (project / ".git" / "commondir").write_text(str(tmp_path / "other" / ".git"))
    assert "commondir leads to another repository" in cli("verify", cwd=project, code=2).err


def test_linked_work_trees_of_ones_own_work(cli, project, tmp_path):
    git(project, "worktree", "add", "--quiet", "-b", "beside", str(tmp_path / "beside"))
    cli("verify", cwd=tmp_path / "beside")
    assert git(project, "log", "-1", "--format=%s", "beside") == "Verify: REPRODUCED"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_git_directories_of_another_user(project, tmp_path):
    for place in (project, project / ".git"):
        os.chown(place, 12345, -1)
    trusted = {
        "": False,
        str(project): True,
        f"{tmp_path}/*": True,
        "*": True,
        str(tmp_path): False,
    }
    for name, is_trusted in trusted.items():
        gitdir.opened.cache_clear()
        try:
            gitdir.variables(project, lambda name=name: ("/elsewhere", name) if name else ())
            assert is_trusted, name
        except ProjectError as error:
            assert not is_trusted and "dubious ownership" in error.message
    gitdir.opened.cache_clear()
    with pytest.raises(ProjectError, match="dubious"):  # an empty entry takes back those before it
        gitdir.variables(project, lambda: (str(project), ""))


def test_no_repository_further_up_is_used(project, payload):
    (project / "below").mkdir()
    repository = Repository(project / "below")
    assert repository.find_id("HEAD") is None and repository.find_top() == project


def test_a_bare_repository_in_a_folder_is_none(tmp_path):
    Repository.create(tmp_path / "evil", bare=True)
    with pytest.raises(ProjectError, match=r"bareRepository|not a git repository"):
        Repository(tmp_path / "evil").call("rev-parse", "--git-dir")


def test_missing_objects_of_the_cache_are_not_fetched_on_the_way(tmp_path):
    """A cache without file contents promises them.

    Only `fetch` may ask for them, and not where one is offline.
    """
    revision = make_repository(tmp_path / "upstream", {"train.py": TOY})
    cache = Repository.create(tmp_path / "cache", bare=True)
    fetch_objects(
        cache, f"file://{tmp_path / 'upstream'}", [revision], "--depth=1", "--filter=blob:none"
    )
    with pytest.raises(ProjectError):
        cache.read_blob(git(tmp_path / "upstream", "rev-parse", "HEAD:train.py"))


def forge(project: Path, name: str, kind: str, body: bytes) -> None:
    """Put other content under an object's name."""
    for pack in list((project / ".git/objects/pack").glob("*.pack")):
        moved = pack.rename(project.parent / pack.name)
        pack.with_suffix(".idx").unlink()
        with moved.open("rb") as file:
            subprocess.run(["git", "unpack-objects", "-q"], cwd=project, stdin=file, check=True)
    place = project / ".git/objects" / name[:2] / name[2:]
    place.chmod(0o644)
    place.write_bytes(zlib.compress(f"{kind} {len(body)}\0".encode() + body))


def test_a_forged_tree_is_noticed(tmp_path):
    make_repository(tmp_path / "project", {"train.py": "one", "data/work.py": "two"})
    project = tmp_path / "project"
    repository = Repository(project)
    assert [entry.path for entry in repository.entries("HEAD")] == ["data/work.py", "train.py"]
    assert [entry.path for entry in repository.entries("HEAD:data")] == ["work.py"]
    below, other = (
        git(project, "rev-parse", "HEAD:data"),
        git(project, "rev-parse", "HEAD:train.py"),
    )
    forge(project, below, "tree", b"100644 work.py\0" + bytes.fromhex(other))
    assert other in git(project, "ls-tree", "-r", "HEAD:"), "git itself believes it"
    with pytest.raises(ProjectError, match="is not what its name says"):
        repository.entries("HEAD")


def test_a_forged_blob_is_noticed(cli, project, tmp_path):
    blob = git(project, "rev-parse", "HEAD:reference/train.py")
    forge(project, blob, "blob", b"print('another program')\n")
    repository = Repository(project)
    for read in (lambda: repository.read_blob(blob), lambda: list(repository.read_blobs([blob]))):
        with pytest.raises(ProjectError, match="is not what its name says"):
            read()


def test_commits_that_stand_for_others(project):
    git(project, "replace", "HEAD", git(project, "rev-parse", "template"))
    assert Repository(project).find_id("HEAD:reference") is not None


def test_attributes_of_a_project_change_no_byte(cli, reproduced):
    cli("tweak", "start", "x", "--reason", "y", cwd=reproduced)
    write_tree(
        reproduced,
        {
            ".git/info/attributes": "* ident text eol=crlf\n",
            "src/.gitattributes": "* ident eol=crlf\n",
        },
    )
    (reproduced / "src/odd.txt").write_bytes(b"$Id: mine $\r\nend\n")
    cli.any_status("verify", "--json", cwd=reproduced)
    [kept] = (reproduced / ".scaffold/states").glob("*/src/odd.txt")
    assert kept.read_bytes() == b"$Id: mine $\r\nend\n"


def test_nothing_is_imported_from_the_present_folder(project, marker):
    write_tree(project, {"click.py": f"open({str(marker)!r}, 'w').write('ran')\n"})
    env = {**os.environ, "PYTHONPATH": str(Path(scaffold.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-m", "scaffold", "--help"],
        cwd=project,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and not marker.exists(), done.stderr


def test_names_of_a_stranger_are_quoted_where_they_are_part_of_a_command(cli, judged):
    place = judged / "tweaks" / "$(touch x).yaml"
    place.write_text("name: x\n")
    git(judged, "add", "tweaks")
    git(judged, "commit", "--quiet", "-m", "odd")
    place.unlink()
    error = cli.any_status("verify", cwd=judged).err
    assert "git checkout -- 'tweaks/$(touch x).yaml'" in error
