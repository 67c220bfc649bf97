"""A move to another commit is whole at whatever instant it is killed.

And overwrites nothing that was not committed.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import git, make_repository, write_tree

from scaffold.errors import ProjectError
from scaffold.git.history import merge_aside
from scaffold.git.move_journal import Merging
from scaffold.git.repository import Repository
from scaffold.git.transaction import Move, complete_interrupted, move
from scaffold.project.lock import only_one
from scaffold.project.project import Project

FILES = {
    "same.txt": "same\n",
    "edited.txt": "old\n",
    "gone/deep/a.txt": "a\n",
    "folder": "a file\n",
    "run.sh": "x\n",
}
NEW = {
    "same.txt": "same\n",
    "edited.txt": "new\n",
    "added/b.txt": "b\n",
    "folder/c.txt": "c\n",
    "run.sh": "y\n",
}

KILLED_AT = """\
import os, signal, sys, traceback
from pathlib import Path

steps = instant = 0


def count(event, arguments):
    global steps
    writes = event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "subprocess.Popen") or (
        event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    )
    if writes:
        steps += 1
        if steps == instant:
            os.kill(os.getpid(), signal.SIGKILL)


from scaffold.project.project import Project
from scaffold.git.transaction import Move, move
import git

refs = {"refs/heads/main": sys.argv[2], "refs/tags/done": sys.argv[2], "refs/heads/work": None}
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        instant = int(line)
        sys.addaudithook(count)
        try:
            move(Project(Path(sys.argv[1])), Move(title="test", refs=refs, branch="main"))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@contextlib.contextmanager
def killer(project, commit):
    """Give a function that carries the move out and kills it before one of its writes.

    It returns the exit status. All of them are forked from one process, which has the imports.
    """
    words = [sys.executable, "-c", KILLED_AT, str(project.root), commit]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, bufsize=1) as running:

        def kill(instant: int) -> int:
            running.stdin.write(f"{instant}\n")
            return int(running.stdout.readline())

        yield kill


@pytest.fixture
def project(tmp_path):
    """A repository on a branch `work`.

    Its tag `next` has other files, in a commit whose parent is HEAD's.
    """
    root = tmp_path / "project"
    make_repository(root, {**FILES, ".gitignore": ".scaffold/\n"})
    (
        git(root, "branch", "--move", "main")
        if git(root, "branch", "--show-current") != "main"
        else None
    )
    git(root, "switch", "--quiet", "-c", "work")
    for name in FILES:
        (root / name).unlink()
    shutil.rmtree(root / "gone")
    write_tree(root, NEW)
    (root / "run.sh").chmod(0o755)
    (root / "link").symlink_to("edited.txt")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "-m", "next")
    git(root, "tag", "next")
    git(root, "reset", "--quiet", "--hard", "main")
    return Project(root)


def state(project: Project) -> tuple[str, ...]:
    """References, branch, work tree and index, and what a cut-off command could leave behind."""
    root = project.root
    names = [path.name for path in root.rglob("*") if path != project.scaffold_dir]
    litter = [name for name in names if "scaffold" in name or name.endswith(".lock")]
    inside = (
        sorted(path.name for path in project.scaffold_dir.iterdir())
        if project.scaffold_dir.exists()
        else []
    )
    return (
        git(root, "for-each-ref"),
        git(root, "branch", "--show-current"),
        git(root, "status", "--porcelain"),
        git(root, "fsck", "--no-dangling"),
        str(litter),
        str([name for name in inside if name != "lock"]),
    )


def carry_out(project: Project) -> None:
    commit = git(project.root, "rev-parse", "next")
    refs = {"refs/heads/main": commit, "refs/tags/done": commit, "refs/heads/work": None}
    move(project, Move(title="test", refs=refs, branch="main"))


def killed_once_journaled(project: Project, tmp_path: Path) -> None:
    """Leave the project as a kill right after the journal was written does."""
    kept = shutil.copytree(project.root, tmp_path / "as it was", symlinks=True)
    with killer(project, "next") as kill:
        for instant in range(50, 200):
            shutil.rmtree(project.root)
            shutil.copytree(kept, project.root, symlinks=True)
            kill(instant)
            if project.journal_of_move.exists():
                return


def test_references_branch_files_and_index_move_together(project):
    carry_out(project)
    root = project.root
    assert (
        git(root, "branch", "--show-current") == "main" and git(root, "status", "--porcelain") == ""
    )
    assert (
        git(root, "rev-parse", "HEAD", "done", "next").split()
        == [git(root, "rev-parse", "main")] * 3
    )
    assert (root / "folder/c.txt").read_text() == "c\n" and not (root / "gone").exists()
    assert os.access(root / "run.sh", os.X_OK) and (root / "link").readlink() == Path("edited.txt")


@pytest.mark.parametrize(("regarded", "is_refused"), [("true", True), ("false", False)])
def test_an_executable_bit_that_was_not_committed_is_kept(project, regarded, is_refused):
    git(project.root, "config", "core.fileMode", regarded)
    (project.root / "edited.txt").chmod(0o755)
    if is_refused:
        with pytest.raises(ProjectError, match=r"edited\.txt would be overwritten"):
            carry_out(project)
        assert os.access(project.root / "edited.txt", os.X_OK)
    else:
        carry_out(project)


def test_killed_before_each_of_its_writes(project, tmp_path):
    """What the next command finds is the old state, or becomes the new one.

    At every instant of the move itself.
    """
    commit = git(project.root, "rev-parse", "next")
    kept = Path(shutil.copytree(project.root, tmp_path / "kept", symlinks=True))
    before = state(project)
    carry_out(project)
    after = state(project)
    completed = 0
    with killer(project, commit) as kill:
        for instant in [*range(5, 50, 9), *range(50, 200)]:  # before the 50th it only prepares
            shutil.rmtree(project.root)
            shutil.copytree(kept, project.root, symlinks=True)
            status = kill(instant)
            if status == 0:
                break
            assert status == -signal.SIGKILL
            told = complete_interrupted(project)
            completed += told == "test"
            # Killed after its journal was written, or only before it was removed.
            if told or state(project)[0] == after[0]:
                assert state(project) == after, instant
                continue
            # What was only prepared goes with the next move.
            assert state(project)[:4] == before[:4], instant
            carry_out(project)
            assert state(project) == after, instant
    assert 50 < instant < 199 and completed > 5


def test_what_is_edited_after_the_interruption_stays(project, tmp_path):
    killed_once_journaled(project, tmp_path)
    (project.root / "edited.txt").write_text("mine\n")
    assert complete_interrupted(project) == "test"
    assert (project.root / "edited.txt").read_text() == "mine\n"
    assert git(project.root, "status", "--porcelain") == "M edited.txt"


@pytest.mark.parametrize(
    "in_the_way",
    ["edited.txt", "run.sh staged", "added/b.txt", "added", "folder", "link", "gone/deep/a.txt"],
)
def test_what_is_not_committed_is_in_the_way(project, in_the_way):
    path, _, staged = in_the_way.partition(" ")
    place = project.root / path
    place.unlink(missing_ok=True)
    write_tree(project.root, {path: "mine\n"})
    if staged:
        git(project.root, "add", path)
        (project.root / path).write_text("x\n")
    before = state(project)
    with pytest.raises(ProjectError, match=f"{path} would be overwritten"):
        carry_out(project)
    assert state(project) == before


def test_a_link_where_a_folder_comes_is_not_followed(project, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (project.root / "added").symlink_to(outside)
    with pytest.raises(ProjectError, match="added would be overwritten"):
        carry_out(project)
    assert list(outside.iterdir()) == []


def test_what_is_as_it_will_be_is_not_in_the_way(project):
    write_tree(project.root, {"added/b.txt": "b\n", "edited.txt": "new\n"})
    carry_out(project)
    assert git(project.root, "status", "--porcelain") == ""


def test_other_edits_and_what_is_staged_stay(project):
    write_tree(project.root, {"same.txt": "mine\n", "staged.txt": "mine\n"})
    git(project.root, "add", "staged.txt")
    carry_out(project)
    assert git(project.root, "status", "--porcelain").split("\n") == ["M same.txt", "A  staged.txt"]


def test_git_at_work_and_a_branch_that_somebody_moved(project):
    (project.root / ".git/index.lock").touch()
    with pytest.raises(ProjectError, match=r"index\.lock exists"):
        carry_out(project)
    assert (project.root / ".git/index.lock").exists() and not project.journal_of_move.exists()
    (project.root / ".git/index.lock").unlink()
    with only_one(project):
        code = (
            "from pathlib import Path; from scaffold.project.lock import only_one; from scaffold.project.project import Project;"
            f" list(only_one(Project(Path({str(project.root)!r}))).gen)"
        )
        second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "BusyError" in second.stderr
    carry_out(project)


def test_a_journal_that_is_not_mine_is_not_carried_out(project, monkeypatch, tmp_path):
    killed_once_journaled(project, tmp_path)
    before = git(project.root, "for-each-ref")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user"))
    with pytest.raises(ProjectError, match="not written by you"):
        complete_interrupted(project)
    assert git(project.root, "for-each-ref") == before


def test_conflicts_are_left_as_git_merge_leaves_them(project):
    root = project.root
    (root / "edited.txt").write_text("ours\n")
    git(root, "commit", "--quiet", "--all", "-m", "ours")
    expected = Path(shutil.copytree(root, root.with_name("by git"), symlinks=True))
    subprocess.run(["git", "merge", "--quiet", "next"], cwd=expected, capture_output=True)
    merged = merge_aside(Repository(root), "HEAD", "next")
    theirs = git(root, "rev-parse", "next")
    merging = Merging(theirs=theirs, message="Merge next\n", stages=merged.stages)
    move(project, Move(title="test", refs={}, files=merged.tree, merging=merging))
    assert merged.conflicts == ["edited.txt"]
    for question in (
        ["status", "--porcelain"],
        ["ls-files", "--stage"],
        ["rev-parse", "MERGE_HEAD"],
    ):
        assert git(root, *question) == git(expected, *question)
    assert "<<<<<<<" in (root / "edited.txt").read_text()
    git(root, "merge", "--abort")
    assert (
        git(root, "status", "--porcelain") == "" and (root / "edited.txt").read_text() == "ours\n"
    )


@pytest.fixture
def deadly_git(tmp_path, monkeypatch):
    """A git on PATH that kills whoever calls it, at the call that the file `countdown` says."""
    folder, countdown = tmp_path / "bin", tmp_path / "countdown"
    real = shutil.which("git")
    write_tree(
        folder,
        {
            "git": (
                f"""#!/bin/sh
left=$(cat {countdown}); echo $((left - 1)) > {countdown}
[ "$left" = 1 ] && kill -9 $PPID && sleep 0.1
exec {real} "$@"
"""
            )
        },
    )
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    countdown.write_text("0")
    return countdown


@pytest.mark.parametrize(
    "words", [("tweak", "accept"), ("tweak", "drop"), ("eject", "--yes")], ids=" ".join
)
def test_a_command_killed_at_some_call_of_git_is_completed_by_the_next(
    judged, tmp_path, deadly_git, words
):
    if words[0] == "eject":
        subprocess.run(
            [sys.executable, "-m", "scaffold", "tweak", "accept"], cwd=judged, check=True
        )
    kept = shutil.copytree(judged, tmp_path / "kept", symlinks=True)

    def call(count: int) -> subprocess.CompletedProcess[str]:
        deadly_git.write_text(str(count))
        return subprocess.run(
            [sys.executable, "-m", "scaffold", *words],
            cwd=judged,
            capture_output=True,
            text=True,
            check=False,
        )

    def result() -> tuple[str, ...]:
        names = git(judged, "for-each-ref", "--format=%(refname)")
        return (
            names,
            git(judged, "ls-tree", "-r", "--name-only", "HEAD"),
            git(judged, "status", "--porcelain"),
        )

    assert call(-1).returncode == 0
    calls, expected = -1 - int(deadly_git.read_text()), result()
    for count in range(calls, 0, -15):  # from the end, where things are written
        shutil.rmtree(judged)
        shutil.copytree(kept, judged, symlinks=True)
        assert call(count).returncode == -signal.SIGKILL
        was_done = result() == expected and not (judged / ".scaffold/move.json").exists()
        repeated = call(-1)
        assert repeated.returncode == 0 or was_done, repeated.stderr
        assert result() == expected
        assert git(judged, "fsck", "--no-dangling") == ""


def test_a_project_that_was_being_made_by_a_killed_process_is_removed(
    cli, tmp_path, tweakable_recipe
):
    from scaffold.scaffolding.create import _lock_folder

    abandoned, used = tmp_path / ".project.abcdefgh.new", tmp_path / ".project.ijklmnop.new"
    write_tree(abandoned, {"half": "made"})
    used.mkdir()
    handle = _lock_folder(used)
    cli("new", "project", "--from", tweakable_recipe)
    os.close(handle)
    assert not abandoned.exists() and used.exists()


def test_two_that_start_at_once_do_not_both_win(reproduced):
    words = [sys.executable, "-m", "scaffold", "tweak", "start"]
    both = [
        subprocess.Popen(
            [*words, name],
            cwd=reproduced,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    errors = [process.communicate()[1] for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes == [0, 2] and any("at work" in text or "under way" in text for text in errors)
    assert len(list((reproduced / "tweaks").glob("*.yaml"))) == 1


def test_a_head_that_went_on_after_the_interruption_is_left_alone(project, tmp_path):
    killed_once_journaled(project, tmp_path)
    git(project.root, "switch", "--quiet", "-c", "other")
    (project.root / "same.txt").write_text("my work\n")
    git(project.root, "commit", "--quiet", "--all", "-m", "my work")
    before = git(project.root, "for-each-ref")
    with pytest.raises(ProjectError, match="was moved to"):
        complete_interrupted(project)
    assert git(project.root, "for-each-ref") == before and not project.journal_of_move.exists()
    assert complete_interrupted(project) is None


def test_what_is_staged_refuses_a_merge_with_conflicts(project):
    """The way back from one, `git merge --abort`, would throw it away."""
    (project.root / "edited.txt").write_text("ours\n")
    git(project.root, "commit", "--quiet", "--all", "-m", "ours")
    write_tree(project.root, {"plan.md": "a day of work\n"})
    git(project.root, "add", "plan.md")
    merged = merge_aside(Repository(project.root), "HEAD", "next")
    merging = Merging(
        theirs=git(project.root, "rev-parse", "next"), message="Merge\n", stages=merged.stages
    )
    with pytest.raises(ProjectError, match=r"plan\.md would be overwritten"):
        move(project, Move(title="test", refs={}, files=merged.tree, merging=merging))
    assert git(project.root, "status", "--porcelain") == "A  plan.md"


@pytest.mark.parametrize(("before", "after"), [("place/a.txt", "place"), ("place", "place/a.txt")])
def test_a_folder_becomes_a_file_and_the_other_way(project, before, after):
    root = project.root
    write_tree(root, {before: "old\n"})
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "-m", "before")
    git(root, "rm", "--quiet", "-r", "place")
    write_tree(root, {after: "new\n"})
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "-m", "after")
    commit = git(root, "rev-parse", "HEAD")
    git(root, "reset", "--quiet", "--hard", "HEAD~1")
    move(project, Move(title="test", refs={"refs/heads/work": commit}))
    assert (root / after).read_text() == "new\n" and git(root, "status", "--porcelain") == ""


def test_a_deletion_that_is_staged_is_not_undone(project):
    git(project.root, "rm", "--quiet", "--cached", "edited.txt")
    with pytest.raises(ProjectError, match=r"edited\.txt would be overwritten"):
        carry_out(project)


def test_files_of_the_user_that_are_called_partial_stay(project):
    write_tree(project.root, {".notes.partial": "mine\n", ".folder.abcdefgh.partial/a": "mine\n"})
    carry_out(project)
    assert (project.root / ".notes.partial").exists() and (
        project.root / ".folder.abcdefgh.partial/a"
    ).exists()
