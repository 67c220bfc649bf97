"""Read and extend a project's history: branches, trees of the work tree, commits, merges.

Nothing here changes a reference or a file: `transaction` does.
"""

import contextlib
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from scaffold.errors import ProjectError
from scaffold.git.gitdir import main_work_tree_on
from scaffold.git.objects import TreeEntry
from scaffold.git.repository import Repository, person

_UNDER_WAY = {
    "MERGE_HEAD": ("a merge", "git merge --continue, or git merge --abort"),
    "rebase-merge": ("a rebase", "git rebase --continue, or git rebase --abort"),
    "rebase-apply": ("a rebase", "git rebase --continue, or git rebase --abort"),
    "CHERRY_PICK_HEAD": ("a cherry-pick", "git cherry-pick --continue, or git cherry-pick --abort"),
    "REVERT_HEAD": ("a revert", "git revert --continue, or git revert --abort"),
    "BISECT_LOG": ("a bisection by git", "git bisect reset"),
}


def project_repository(root: Path) -> Repository:
    """Return the repository of a project, if it is in a state to work on.

    Raises:
        ProjectError: it is none of its own, has no commit, or git is in the middle of something.
    """
    repository = Repository(root)
    if repository.find_top() != root:
        raise ProjectError(
            f"{root} is not the top of a git repository of its own",
            hint="git init && git add --all && git commit",
        )
    if repository.find_id("HEAD") is None:
        raise ProjectError("there is no commit yet", hint="git add --all && git commit")
    places = _git_paths(repository, _UNDER_WAY)
    for place, (title, remedy) in zip(places, _UNDER_WAY.values(), strict=True):
        if place.exists():
            raise ProjectError(f"{title} is under way in {root}", hint=f"end it first: {remedy}")
    return repository


def _git_paths(repository: Repository, names: Iterable[str]) -> list[Path]:
    words = [word for name in names for word in ("--git-path", name)]
    return [repository.folder / line for line in repository.call("rev-parse", *words).splitlines()]


def present_branch(repository: Repository) -> str:
    """Return the branch that is checked out.

    Raises:
        ProjectError: none is.
    """
    name = find_branch(repository)
    if name is None:
        at = repository.call("rev-parse", "--short", "HEAD")
        raise ProjectError(
            f"HEAD is detached at {at}: what is committed here belongs to no branch",
            hint="git switch main, or keep it: git switch -c NAME",
        )
    return name


def find_branch(repository: Repository) -> str | None:
    """Return the branch that is checked out, if there is one."""
    try:
        return repository.call("symbolic-ref", "--quiet", "HEAD").removeprefix("refs/heads/")
    except ProjectError:
        return None


def branches(repository: Repository) -> list[str]:
    """Return local branches."""
    return repository.call("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads").split()


def commits_made_here(repository: Repository) -> set[str]:
    """Return commits that git's reflog says were made in this work tree, not pulled or merged."""
    moves = repository.call("log", "--walk-reflogs", "--format=%H %gs", "HEAD", "--").splitlines()
    own_moves = (line.partition(" ") for line in moves)
    return {
        commit for commit, _, how in own_moves if re.match(r"commit( \((amend|initial)\))?:", how)
    }


def is_ancestor(repository: Repository, older: str, newer: str) -> bool:
    """Return whether one commit is another or among its ancestors."""
    return repository.find_id(older) is not None and not repository.call(
        "rev-list", "--max-count=1", older, f"^{newer}", "--"
    )


def common_ancestor(repository: Repository, first: str, second: str) -> str:
    """Return the last common ancestor of two commits."""
    try:
        return repository.call("merge-base", first, second)
    except ProjectError as error:
        raise ProjectError(f"{first} and {second} have no commit in common") from error


def edited_paths(repository: Repository) -> list[str]:
    """Return tracked paths that differ from the last commit."""
    listed = repository.call("status", "--porcelain", "-z", "--no-renames", "--untracked-files=no")
    return [line[3:] for line in listed.split("\0") if line]


def ignored_paths(repository: Repository, folder: str) -> list[str]:
    """Return files in a folder that git ignores, so that no commit and no run has them."""
    listed = repository.call(
        "ls-files",
        "-z",
        "--others",
        "--ignored",
        "--exclude-standard",
        "--directory",
        "--no-empty-directory",
        "--",
        folder,
    )
    return [name for name in listed.split("\0") if name]


@contextlib.contextmanager
def _index(repository: Repository) -> Iterator[dict[str, str]]:
    """Yield variables for a copy of the index, so that staged changes stay.

    While it has conflicts, the copy is of HEAD's index.
    """
    (real,) = _git_paths(repository, ["index"])
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "index"
        env = {"GIT_INDEX_FILE": str(copy)}
        if repository.call("ls-files", "--unmerged"):
            repository.call("read-tree", "HEAD", env=env)
        elif real.exists():
            # With its time: git looks again into files that changed in the same moment.
            shutil.copy2(real, copy)
        yield env


def _has_files(repository: Repository, name: str) -> bool:
    """Return whether anything of a path is tracked or could be.

    Git refuses to add a path that is ignored as a whole.
    """
    return bool(
        repository.call("ls-files", "--cached", "--others", "--exclude-standard", "--", name)
    )


def tree_of_worktree(repository: Repository, paths: Iterable[str]) -> str:
    """Return the tree of these paths as they are in the work tree, without ignored files."""
    names = list(paths)
    with _index(repository) as env:
        _add(repository, names, env)
        whole = repository.call("write-tree", env=env)
    return tree_of_commit(repository, whole, names)


def tree_with_edits(
    repository: Repository, paths: Iterable[str], tracked_only: Iterable[str] = ()
) -> str:
    """Return the tree of HEAD with these paths as they are in the work tree, without ignored files.

    Args:
        repository: of the work tree.
        paths: files and folders.
        tracked_only: those of them whose new files are left out.
    """
    with _index(repository) as env:
        # As -m, it keeps what git knows of unchanged files, but takes a staged one edited again.
        repository.call("read-tree", "--reset", "HEAD", env=env)
        names = [path for path in paths if path not in tracked_only]
        _add(repository, names, env)
        tracked = [name for name in tracked_only if repository.call("ls-files", "--", name)]
        if tracked:
            repository.call("add", "--update", "--", *tracked, env=env)
        return repository.call("write-tree", env=env)


def _add(repository: Repository, names: Iterable[str], env: Mapping[str, str]) -> None:
    present = [name for name in names if os.path.lexists(repository.folder / name)]
    files = [name for name in present if not (repository.folder / name).is_dir()]
    if files:  # they are part of it, whatever is ignored
        repository.call("add", "--force", "--", *files, env=env)
    folders = [name for name in present if name not in files and _has_files(repository, name)]
    if folders:
        repository.call("add", "--all", "--", *folders, env=env)
    gone = [name for name in names if name not in present]
    if gone:
        repository.call("rm", "-r", "--cached", "--quiet", "--ignore-unmatch", "--", *gone, env=env)


def tree_of_commit(repository: Repository, commit: str, paths: Iterable[str]) -> str:
    """Return the tree of only these top-level paths of a commit or tree."""
    listed = repository.call("ls-tree", "-z", "--full-tree", commit, "--", *paths)
    return repository.call("mktree", "-z", stdin=listed.encode(errors="surrogateescape"))


def tree_with_files(
    repository: Repository,
    files: Mapping[str, str | bytes],
    trees: Mapping[str, str] | None = None,
    without: Iterable[str] = (),
    base: str = "HEAD",
) -> str:
    """Return the tree of a commit with these files and folders put in, and others left out."""
    gone = [*(trees or {}), *without]
    with _index(repository) as env:
        repository.call("read-tree", base, env=env)
        if gone:
            repository.call(
                "rm", "-r", "--cached", "--quiet", "--ignore-unmatch", "--", *gone, env=env
            )
        for folder, tree in (trees or {}).items():
            repository.call("read-tree", f"--prefix={folder}/", tree, env=env)
        lines = "".join(
            f"100644 {blob}\t{path}\0"
            for path, blob in zip(files, _write_blobs(repository, files.values()), strict=True)
        )
        repository.call("update-index", "-z", "--index-info", stdin=lines.encode(), env=env)
        return repository.call("write-tree", env=env)


def _write_blobs(repository: Repository, contents: Iterable[str | bytes]) -> list[str]:
    """Store contents and return their ids in order, by one process however many they are."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, content in enumerate(contents):
            file = Path(folder) / str(number)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
            files.append(file)
        return repository.write_blobs(files)


def changed_entries(
    repository: Repository, before: str, after: str
) -> dict[str, tuple[TreeEntry | None, TreeEntry | None]]:
    """Return files that differ between two trees, by path."""
    old, new = (
        {entry.path: entry for entry in repository.entries(tree)} for tree in (before, after)
    )
    return {
        path: (old.get(path), new.get(path))
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    }


def make_commit(repository: Repository, tree: str, message: str, parents: Iterable[str]) -> str:
    """Return the id of a new commit that no branch has yet.

    Raises:
        ProjectError: git does not know who commits.
    """
    try:
        return repository.commit_tree(tree, message, parents)
    except ProjectError as error:
        if person(repository.folder) is None:
            error.hint = "git config --global user.name NAME; git config --global user.email MAIL"
        raise


def commit_with_edits(
    repository: Repository, paths: Iterable[str], message: str
) -> tuple[str, str]:
    """Return a commit that no branch has yet of HEAD with these paths as they are, and its tree.

    It is HEAD where they are as HEAD has them.

    Raises:
        ProjectError: git does not know who commits.
    """
    tree = tree_with_edits(repository, tuple(paths))
    if tree == repository.find_id("HEAD^{tree}"):
        return repository.call("rev-parse", "HEAD"), tree
    return make_commit(repository, tree, message, ["HEAD"]), tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What a merge gives, without touching a file.

    Attributes:
        tree: with both sides' changes; conflicting files with the marks of `git merge`.
        stages: index entries of conflicting paths, as `git ls-files --stage` prints them; empty
            without conflicts.
    """

    tree: str
    stages: tuple[str, ...]

    @property
    def conflicts(self) -> list[str]:
        """Return paths that both sides changed."""
        return conflicting_paths(self.stages)


def conflicting_paths(stages: Iterable[str]) -> list[str]:
    """Return the paths of index entries, as `git ls-files --stage` prints them."""
    return sorted({line.partition("\t")[2] for line in stages})


def conflict_error(branch: str, conflicts: Iterable[str]) -> ProjectError:
    """Return the error that says how a merge with conflicts is ended."""
    return ProjectError(
        f"merging {branch} conflicts in {', '.join(conflicts)}",
        hint=(
            "correct the files that git marked, then git add them and git merge --continue; "
            "or take it all back: git merge --abort"
        ),
    )


def require_not_elsewhere(repository: Repository, branch: str) -> None:
    """Raise ProjectError if another work tree has this branch checked out."""
    elsewhere = repository.call("for-each-ref", "--format=%(worktreepath)", f"refs/heads/{branch}")
    elsewhere = elsewhere or main_work_tree_on(repository.folder, branch)
    if elsewhere and Path(elsewhere).resolve() != repository.folder.resolve():
        raise ProjectError(
            f"{branch} is checked out in {elsewhere}, whose files would no longer be those of its"
            " branch",
            hint=f"git worktree remove {shlex.quote(elsewhere)}, or switch it to another branch",
        )


def merge_aside(repository: Repository, ours: str, theirs: str) -> Merged:
    """Merge two commits in git's object store.

    Raises:
        ProjectError: they have no commit in common.
        MachineError: git is older than 2.38.
    """
    tree, *stages = repository.merge_tree(ours, theirs)
    return Merged(tree=tree, stages=tuple(stages))
