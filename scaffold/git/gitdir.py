"""Opens the git directory of a folder that may be untrusted, so that git trusts nothing in it.

Git always reads a repository's own configuration, which can name programs, servers and files in
more ways than any list of exceptions holds. So git is given a common directory of ours, as
`git-new-workdir` of git's contrib makes one: objects, references and logs lead to the real ones,
`config` repeats what `_NEEDED` lists, and nothing else is there. Before that, what git would follow
or wait for (links, pipes, devices) is refused.

Sources: https://git-scm.com/docs/gitrepository-layout (commondir),
https://git-scm.com/docs/git-config (safe.directory)
"""

import functools
import hashlib
import os
import re
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from scaffold.cache import cache_dir
from scaffold.errors import ProjectError

_NEEDED = re.compile(
    r"core\.(repositoryformatversion|filemode|bare|ignorecase|precomposeunicode|symlinks|autocrlf|eol)|user\.(name|email|useconfigonly)|"
    r"extensions\.(objectformat|refstorage|partialclone)|remote\..+\.(promisor|partialclonefilter)",
    re.IGNORECASE | re.DOTALL,
)
"""Settings of a repository without which git misreads it, and whose commits its owner makes
there."""

_SHARED = ("objects", "refs", "logs", "packed-refs", "reftable", "shallow", "worktrees")
"""What the common directory of ours has of the real one."""

_UNREAD = {"hooks", "lfs", "annex", "modules", "description", "config.worktree"}
"""What lies in a git directory and is read by nobody here."""

_MOST_CONFIG_BYTES = 1 << 20

ATTRIBUTES = (
    "/reference/** -text -filter -ident -working-tree-encoding -merge\n"
    "/src/** -text -filter -ident -working-tree-encoding\n"
)
"""For `info/attributes`: attributes inside the reference, or its copy, may not change its bytes."""


def variables(folder: Path, trusted: Callable[[], tuple[str, ...]]) -> Mapping[str, str]:
    """Return the variables with which git works in a folder.

    Where the folder has no `.git` of its own, git looks no further up.

    Args:
        folder: the top of a work tree, or any other.
        trusted: gives the folders of other users that the user trusts (`safe.directory`); asked
            where it matters.

    Raises:
        ProjectError: its git directory has links or other special files, lies elsewhere, or is
            another user's.
    """
    place = folder / ".git"
    if not os.path.lexists(place):
        return {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
    return opened(folder, trusted)


@functools.lru_cache(maxsize=64)
def opened(folder: Path, trusted: Callable[[], tuple[str, ...]]) -> Mapping[str, str]:
    """Return the variables for a work tree, once its git directory was looked at."""
    own, common = git_dirs(folder)
    _refuse_strangers(folder, own, trusted)
    odd = sorted({path for place in (own, common) for path in _special_files(place)})
    if odd:
        shown = ", ".join(odd[:3]) + (f" and {len(odd) - 3} more" if len(odd) > 3 else "")
        raise ProjectError(
            f"{shown} in the git directory of {folder}: links and special files could lead git"
            " anywhere",
            hint=(
                "look at them, remove them, or clone it anew: git clone"
                f" {shlex.quote(str(folder))} NEW"
            ),
        )
    return {
        "GIT_DIR": str(own),
        "GIT_COMMON_DIR": str(_common_of_ours(common)),
        "GIT_WORK_TREE": str(folder),
    }


def git_dirs(folder: Path) -> tuple[Path, Path]:
    """Return a work tree's own git directory, and the one shared with linked work trees.

    Raises:
        ProjectError: a link leads there, or what it leads to knows nothing of the work tree.
    """
    place = folder / ".git"
    if place.is_symlink() or not (place.is_dir() or place.is_file()):
        raise ProjectError(
            f"{place} is a link or a special file", hint="a project has its git directory in itself"
        )
    if place.is_dir():
        if os.path.lexists(place / "commondir"):
            raise ProjectError(
                f"{place / 'commondir'} leads to another repository",
                hint=f"rm {shlex.quote(str(place / 'commondir'))}",
            )
        return place, place
    own = Path(_read_line(place).removeprefix("gitdir: "))
    own = own if own.is_absolute() else folder / own
    back = _read_line(own / "gitdir") if (own / "gitdir").is_file() else ""
    # Git may write both paths relative to where they stand (worktree.useRelativePaths).
    if own.parent.name != "worktrees" or not back or (own / back).resolve() != place.resolve():
        raise ProjectError(
            f"{place} leads to {own}, which knows nothing of it",
            hint=(
                "a linked work tree is made by `git worktree add`; mend one that was moved: git"
                " worktree repair"
            ),
        )
    return own, own.parent.parent


def main_work_tree_on(folder: Path, branch: str) -> str:
    """Return the main work tree if it has this branch checked out; else empty.

    Only for a linked work tree.

    Git itself looks for its HEAD in the common directory, and finds ours.
    """
    own, common = git_dirs(folder)
    if own == common or not (common / "HEAD").is_file():
        return ""
    return str(common.parent) if _read_line(common / "HEAD") == f"ref: refs/heads/{branch}" else ""


def _read_line(file: Path) -> str:
    with file.open(encoding="utf-8", errors="surrogateescape") as opened:
        return opened.read(4096).strip()


def _refuse_strangers(folder: Path, own: Path, trusted: Callable[[], tuple[str, ...]]) -> None:
    """Raise ProjectError, in git's words, if folders belong to another user.

    Git itself checks this only while it searches.
    """
    users = {
        os.geteuid(),
        int(os.environ.get("SUDO_UID", "-1") or -1) if os.geteuid() == 0 else os.geteuid(),
    }
    if all(place.lstat().st_uid in users for place in (folder, folder / ".git", own)):
        return
    # An empty entry takes back those before it; one may end in /*.
    names: list[str] = []
    for name in trusted():
        names = [*names, name.rstrip("/") or "/"] if name else []
    top = str(folder)
    if "*" in names or any(
        top == name or (name.endswith("/*") and top.startswith(name[:-1])) for name in names
    ):
        return
    raise ProjectError(
        f"detected dubious ownership in repository at '{folder}'",
        hint=f"git config --global --add safe.directory {shlex.quote(top)}",
    )


def _special_files(place: Path) -> Iterator[str]:
    """Yield links, pipes, sockets and devices below a git directory, by their path in it."""
    waiting = [place]
    while waiting:
        for entry in os.scandir(waiting.pop()):
            path = Path(entry.path).relative_to(place).as_posix()
            if path in _UNREAD:
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            elif not entry.is_file(follow_symlinks=False):
                yield path


def _common_of_ours(common: Path) -> Path:
    """Return a copy of a common directory with only the needed settings, kept in the cache."""
    settings = [
        (key, value) for key, value in _own_settings(common / "config") if _NEEDED.fullmatch(key)
    ]
    name = hashlib.sha256(repr((str(common), settings, ATTRIBUTES)).encode()).hexdigest()[:24]
    target = cache_dir("gitdirs") / name
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=".making-"))
    try:
        for shared in _SHARED:
            (aside / shared).symlink_to(common / shared)
        (aside / "info").mkdir()
        (aside / "info" / "attributes").write_text(ATTRIBUTES)
        (aside / "info" / "exclude").symlink_to(common / "info" / "exclude")
        for key, value in settings:
            _git_config("--file", str(aside / "config"), "--add", key, value)
        (aside / "config").touch()
        aside.rename(target)
    except OSError:
        if not target.is_dir():  # another process was first
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def _own_settings(file: Path) -> list[tuple[str, str]]:
    """Return what a configuration file says itself; files that it includes are not looked at."""
    try:
        status = file.lstat()
    except FileNotFoundError:
        return []
    if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_CONFIG_BYTES:
        raise ProjectError(
            f"{file} is not a plain file, or has more than {_MOST_CONFIG_BYTES} bytes"
        )
    words = _git_config("--file", str(file), "--no-includes", "--list", "--null").split("\0")
    return [(key, value) for key, _, value in (word.partition("\n") for word in words if word)]


def _git_config(*arguments: str) -> str:
    """Run `git config` on a file, outside of every repository."""
    env = {
        **os.environ,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_DIR": os.devnull,
    }
    done = subprocess.run(["git", "config", *arguments], env=env, capture_output=True, cwd="/")
    if done.returncode:
        raise ProjectError(f"git config: {os.fsdecode(done.stderr).strip()}")
    return os.fsdecode(done.stdout)
