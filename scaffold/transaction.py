"""Moves a project on to another commit: references, HEAD, files and index together, whatever interrupts it.

First everything is prepared where nobody looks: objects in git's store, the files to come in `.scaffold/aside`, a copy
of the index. Then the move is written to a journal, and from that moment on it is only ever completed: by this process,
or by the next command when this one was killed. A full disk or a conflict with the user's files is noticed before the
journal is written, so that nothing has changed then.

Nothing that was not committed is overwritten: a file in the way refuses the move, and one that the user edited after
an interruption stays as it is.
"""

import contextlib
import json
import os
import shutil
import signal
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scaffold.errors import MachineError, ProjectError
from scaffold.history import find_branch
from scaffold.person import sign
from scaffold.project import Project, make_durable, only_one, read_text, remove, write_text
from scaffold.repository import Repository, TreeEntry, object_id

_LOCK_WAIT_S = 2.0
"""How long a git that outlived a killed command may take to end. Its reference locks are held for milliseconds."""

_ABSENT = "0" * 40
_FOLDER = "folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merging:
    """A merge with conflicts, left for the user to resolve as `git merge` leaves it.

    Attributes:
        theirs: the commit that is merged in.
        message: for the merge commit.
        stages: index entries of conflicting paths, as `git ls-files --stage` prints them.
    """

    theirs: str
    message: str
    stages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What changes, all of it or nothing.

    Attributes:
        title: the command that moves, without `scaffold`.
        refs: new value of each full reference name; None deletes it.
        branch: short name of the branch that is checked out afterwards; None for the present one, or a detached HEAD.
        present: tree that the work tree holds where it differs from HEAD's; None where it does not: edits that one of
            the new commits has.
        files: tree that the work tree holds afterwards; None for that of the commit.
        merging: conflicts to leave for the user.
    """

    title: str
    refs: Mapping[str, str | None]
    branch: str | None = None
    present: str | None = None
    files: str | None = None
    merging: Merging | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Journal:
    """A move with all names resolved, as the next command must find it."""

    title: str
    refs: Mapping[str, tuple[str, str]]
    head: str
    old_tree: str
    new_tree: str
    old_files: str
    new_files: str
    merging: Merging | None = field(default=None)


def move(project: Project, wanted: Move) -> None:
    """Carry out a move.

    Raises:
        ProjectError: files of the user are in the way, a reference was moved by somebody else, or git is at work;
            nothing has changed.
        MachineError: the disk is full; nothing has changed, or the next command completes it.
    """
    repository = Repository(project.root)
    with only_one(project):
        remove(_aside(project))
        journal = _resolved(repository, wanted)
        differing = _differences(repository, journal.old_files, journal.new_files)
        _refuse_in_the_way(project, repository, journal, differing)
        prepared = _prepare_files(project, repository, differing)
        index = _prepare_index(repository, journal)
        with _uninterrupted():
            _write_journal(project, journal)
            _carry_out(project, repository, journal, differing, prepared, index)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold back Ctrl-C and requests to end: what follows takes milliseconds."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def complete_interrupted(project: Project) -> str | None:
    """Complete the move that a killed command left, and remove what it had only prepared.

    Returns:
        the title of the command that was completed; None where nothing was left.

    Raises:
        ProjectError: the journal is not this user's, or somebody moved a reference since.
        MachineError: see `move`.
    """
    with only_one(project):
        journal = _read_journal(project)
        remove(_aside(project))
        if journal is None:
            if (project.root / ".git").exists():
                _remove_prepared_index(Repository(project.root))
            return None
        repository = Repository(project.root)
        _clear_locks(repository, journal)
        differing = _differences(repository, journal.old_files, journal.new_files)
        actual = _ids(repository, differing)
        # What is neither the old nor the new content was edited since: it stays.
        differing = {path: sides for path, sides in differing.items() if actual[path] == _id(sides[0])}
        prepared = _prepare_files(project, repository, differing)
        index = _prepare_index(repository, journal)
        with _uninterrupted():
            _carry_out(project, repository, journal, differing, prepared, index)
        return journal.title


# --- the journal -------------------------------------------------------------------------------------------------


def _aside(project: Project) -> Path:
    return project.state / "aside"


def _write_journal(project: Project, journal: _Journal) -> None:
    text = json.dumps(asdict(journal))
    write_text(project.journal_of_move, f"{_signature(project, text)}\n{text}\n")
    make_durable(project.state)


def _signature(project: Project, text: str) -> str:
    return sign(f"move in {project.root}: {text}")


def _read_journal(project: Project) -> _Journal | None:
    path = project.journal_of_move
    if not os.path.lexists(path):
        return None
    signature, _, text = read_text(path).rstrip("\n").partition("\n")
    if path.is_symlink() or signature != _signature(project, text):
        raise ProjectError(
            f"{path} was not written by you in this folder: it is not carried out",
            hint="rm .scaffold/move.json, then look at: git status",
        )
    document: dict[str, Any] = json.loads(text)
    merging = document.pop("merging")
    document["refs"] = {name: (old, new) for name, (old, new) in document["refs"].items()}
    return _Journal(**document, merging=Merging(**{**merging, "stages": tuple(merging["stages"])}) if merging else None)


def _resolved(repository: Repository, wanted: Move) -> _Journal:
    name = wanted.branch or find_branch(repository)
    branch = f"refs/heads/{name}" if name else "HEAD"
    refs = {}
    for name, new in wanted.refs.items():
        old = repository.find_id(name) or _ABSENT
        new_id = repository.call("rev-parse", new) if new else _ABSENT
        if old != new_id:
            refs[name] = (old, new_id)
    commit = refs[branch][1] if branch in refs else repository.call("rev-parse", branch)
    old_tree = repository.call("rev-parse", "HEAD^{tree}")
    new_tree = repository.call("rev-parse", f"{commit}^{{tree}}")
    if wanted.merging and wanted.files:  # what merged cleanly is staged
        new_tree = wanted.files
    return _Journal(
        title=wanted.title, refs=refs, head=branch, old_tree=old_tree, new_tree=new_tree,
        old_files=wanted.present or old_tree, new_files=wanted.files or new_tree, merging=wanted.merging,
    )  # fmt: skip


# --- preparing: nothing of this is seen by anybody ---------------------------------------------------------------

_Sides = tuple[TreeEntry | None, TreeEntry | None]


def _differences(repository: Repository, before: str, after: str) -> dict[str, _Sides]:
    """Return the entry before and after of each path that differs between two trees."""
    listed = repository.call("diff-tree", "-r", "-z", "--no-renames", "--raw", "--no-abbrev", before, after)
    words = listed.split("\0")
    found: dict[str, _Sides] = {}
    for head, path in zip(words[::2], words[1::2], strict=False):
        old_mode, new_mode, old_id, new_id, _ = head.lstrip(":").split(" ")
        sides = ((old_mode, old_id), (new_mode, new_id))
        old, new = (TreeEntry(mode=mode, id=name, path=path) if int(mode, 8) else None for mode, name in sides)
        found[path] = (old, new)
    return found


def _id(entry: TreeEntry | None) -> str:
    return entry.id if entry else _ABSENT


def _ids(repository: Repository, paths: Iterable[str]) -> dict[str, str]:
    """Return the blob id of what lies at each path of the work tree, as git would store it; zeros for nothing."""
    found: dict[str, str] = {}
    plain = []
    for path in paths:
        place = repository.folder / path
        try:
            mode = place.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            found[path] = _ABSENT
            continue
        if stat.S_ISLNK(mode):
            found[path] = object_id("blob", os.fsencode(place.readlink()))
        elif not stat.S_ISREG(mode):
            found[path] = _FOLDER
        elif "\n" in path:
            found[path] = object_id("blob", place.read_bytes())
        else:
            plain.append(path)
    if plain:
        listed = "".join(f"{path}\n" for path in plain)
        ids = repository.call("hash-object", "--stdin-paths", stdin=os.fsencode(listed)).split()
        found.update(zip(plain, ids, strict=True))
    return found


def _refuse_in_the_way(
    project: Project, repository: Repository, journal: _Journal, differing: Mapping[str, _Sides]
) -> None:
    """Raise ProjectError if a file would be overwritten that has edits, staged or not, or that git does not track."""
    files = {path: sides for path, sides in differing.items() if not _is_submodule(sides)}
    actual = _ids(repository, files)
    in_the_way = [path for path, sides in files.items() if actual[path] not in (_id(sides[0]), _id(sides[1]))]
    removed = {path for path, (_, new) in files.items() if new is None}
    for path, (_, new) in files.items():
        if new is not None:
            in_the_way += _blocked_parents(project.root, path, removed)
    in_the_way += _staged(repository, journal, differing)
    if in_the_way:
        shown = ", ".join(sorted(set(in_the_way))[:5])
        raise ProjectError(
            f"{shown} would be overwritten, and has changes that are not committed",
            hint="commit or stash what is in the way (move it away if git does not track it), then repeat",
        )


def _is_submodule(sides: _Sides) -> bool:
    return any(entry is not None and entry.mode == "160000" for entry in sides)


def _blocked_parents(root: Path, path: str, removed: set[str]) -> Iterator[str]:
    """Yield parents of a path that are no folders and stay; a link there would lead out of the project."""
    for parent in Path(path).parents:
        place, name = root / parent, parent.as_posix()
        if os.path.lexists(place) and (place.is_symlink() or not place.is_dir()) and name not in removed:
            yield name


def _staged(repository: Repository, journal: _Journal, differing: Mapping[str, _Sides]) -> list[str]:
    """Return paths whose staged content is in none of the trees, so that it would be lost."""
    changing = _differences(repository, journal.old_tree, journal.new_tree)
    if not changing:
        return []
    listed = repository.call("ls-files", "--stage", "-z")
    lost = []
    for line in listed.split("\0"):
        head, _, path = line.partition("\t")
        if path in changing:
            expected = {_id(side) for side in (*changing[path], *differing.get(path, ()))}
            if head.split(" ")[1] not in expected and path in differing:
                lost.append(path)
    return lost


def _prepare_files(project: Project, repository: Repository, differing: Mapping[str, _Sides]) -> Path:
    """Write the files to come below a folder, so that moving them into place needs no space and reads no object."""
    place = _aside(project) / "files"
    new = [entry for _, entry in differing.values() if entry is not None and entry.mode != "160000"]
    try:
        place.mkdir(parents=True, exist_ok=True)
        if new:
            lines = "".join(f"{entry.mode} {entry.id}\t{entry.path}\0" for entry in new)
            env = {"GIT_INDEX_FILE": str(_aside(project) / "index")}
            repository.call("update-index", "-z", "--index-info", stdin=os.fsencode(lines), env=env)
            repository.call("checkout-index", "--all", f"--prefix={place}/", env=env)
    except OSError as error:
        raise MachineError(f"could not write {place}: {error.strerror}", hint="nothing was changed") from error
    except ProjectError:
        remove(_aside(project))
        raise
    return place


def _index_paths(repository: Repository) -> tuple[Path, Path, Path]:
    """Return the index, the lock that git takes before it writes it, and the copy that is prepared."""
    index = repository.folder / repository.call("rev-parse", "--git-path", "index")
    return index, index.with_name("index.lock"), index.with_name("scaffold-index")


def _remove_prepared_index(repository: Repository) -> None:
    with contextlib.suppress(ProjectError):  # a git directory that cannot be used has other troubles
        _, _, prepared = _index_paths(repository)
        for path in (prepared, prepared.with_name(f"{prepared.name}.lock")):
            path.unlink(missing_ok=True)


def _prepare_index(repository: Repository, journal: _Journal) -> Path:
    """Copy the index and put into it what the move changes; what else is staged stays staged."""
    index, _, prepared = _index_paths(repository)
    env = {"GIT_INDEX_FILE": str(prepared)}
    _remove_prepared_index(repository)
    try:
        if index.exists():
            shutil.copy2(index, prepared)  # with its time, by which git knows which files it must look into again
        else:
            repository.call("read-tree", journal.old_tree, env=env)
        lines = [
            f"{entry.mode} {entry.id}\t{path}" if entry else f"0 {_ABSENT}\t{path}"
            for path, (_, entry) in _differences(repository, journal.old_tree, journal.new_tree).items()
        ]
        if journal.merging:
            conflicting = {line.partition("\t")[2] for line in journal.merging.stages}
            lines = [line for line in lines if line.partition("\t")[2] not in conflicting]
            lines += [f"0 {_ABSENT}\t{path}" for path in sorted(conflicting)]
            lines += journal.merging.stages
        if lines:
            listed = "".join(f"{line}\0" for line in lines)
            repository.call("update-index", "-z", "--index-info", stdin=os.fsencode(listed), env=env)
    except OSError as error:
        _remove_prepared_index(repository)
        raise MachineError(f"could not write {prepared}: {error.strerror}", hint="nothing was changed") from error
    except ProjectError:
        _remove_prepared_index(repository)
        raise
    return prepared


# --- moving: from here on it is only ever completed ---------------------------------------------------------------


def _carry_out(
    project: Project, repository: Repository, journal: _Journal, differing: Mapping[str, _Sides], prepared: Path,
    prepared_index: Path,
) -> None:  # fmt: skip
    index, lock, _ = _index_paths(repository)
    try:
        _take_lock(lock)
        _refuse_moved(repository, journal)
    except (ProjectError, MachineError):
        _forget(project, repository, lock)
        raise
    try:
        _move_refs(repository, journal)
    except ProjectError as error:
        if not _is_begun(repository, journal):
            _forget(project, repository, lock)
            raise
        raise MachineError(error.message, hint=_COMPLETED_LATER) from error
    try:
        if journal.head != "HEAD":
            repository.call("symbolic-ref", "-m", f"scaffold {journal.title}", "HEAD", journal.head)
        _move_files(project.root, differing, prepared)
        _leave_merge(repository, journal.merging)
        with contextlib.suppress(ProjectError):  # it only saves git from looking into each file again
            repository.call("update-index", "-q", "--refresh", env={"GIT_INDEX_FILE": str(prepared_index)})
        prepared_index.replace(index)
        _delete_refs(repository, journal)
    except OSError as error:
        raise MachineError(
            f"scaffold {journal.title} was cut off: {error.strerror or error}",
            hint=_COMPLETED_LATER,
        ) from error
    _forget(project, repository, lock)


_COMPLETED_LATER = "mend that; the next scaffold command completes it"


def _forget(project: Project, repository: Repository, lock: Path) -> None:
    """Remove the journal first: the rest is only litter without it."""
    project.journal_of_move.unlink(missing_ok=True)
    if _is_our_lock(lock):
        lock.unlink(missing_ok=True)
    _remove_prepared_index(repository)
    remove(_aside(project))


_LOCK_TEXT = b"held by mlloop-new; see .scaffold/move.json\n"


def _is_our_lock(lock: Path) -> bool:
    with contextlib.suppress(OSError), lock.open("rb") as file:
        return file.read(len(_LOCK_TEXT) + 1) == _LOCK_TEXT
    return False


def _take_lock(lock: Path) -> None:
    """Keep git from writing the index meanwhile, with the lock that git itself takes."""
    try:
        handle = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except FileExistsError as error:
        raise ProjectError(
            f"git is at work here: {lock} exists", hint="end it; or remove that file if no git is running"
        ) from error
    except OSError as error:
        raise MachineError(f"could not write {lock}: {error.strerror}", hint="nothing was changed") from error
    with os.fdopen(handle, "wb", buffering=0) as file:
        file.write(_LOCK_TEXT)


def _clear_locks(repository: Repository, journal: _Journal) -> None:
    """Remove the locks that a killed command, or its killed git, left; one that is in use ends by itself first."""
    _, index_lock, _ = _index_paths(repository)
    if _is_our_lock(index_lock):
        index_lock.unlink(missing_ok=True)
    names = ["HEAD", journal.head, "packed-refs", "reftable/tables.list", *journal.refs]
    placed = [repository.call("rev-parse", "--git-path", name) for name in dict.fromkeys(names)]
    paths = [(repository.folder / place).resolve() for place in placed]
    locks = [path.with_name(f"{path.name}.lock") for path in paths]
    end = time.monotonic() + _LOCK_WAIT_S
    while any(lock.exists() for lock in locks) and time.monotonic() < end:
        time.sleep(0.02)
    for lock in locks:
        lock.unlink(missing_ok=True)


def _is_begun(repository: Repository, journal: _Journal) -> bool:
    kept = {name: new for name, (_, new) in journal.refs.items() if new != _ABSENT}
    return any(repository.find_id(name) == new for name, new in kept.items())


def _refuse_moved(repository: Repository, journal: _Journal) -> None:
    """Raise ProjectError if a reference has neither its old nor its new value: somebody else moved it meanwhile."""
    for name, sides in journal.refs.items():
        actual = repository.find_id(name) or _ABSENT
        if actual not in sides:
            raise ProjectError(
                f"{name} was moved to {actual[:12]} while scaffold {journal.title} was at work",
                hint="look at it: git log --all --oneline --graph; then repeat the command",
            )


def _move_refs(repository: Repository, journal: _Journal) -> None:
    """Set all references in one transaction of git's; what is deleted stays until HEAD has left it."""
    lines = [
        f"update {name} {new} {old}\n"
        for name, (old, new) in journal.refs.items()
        if new not in (_ABSENT, repository.find_id(name))
    ]
    if lines:
        message = f"commit: scaffold {journal.title}"
        repository.call("update-ref", "-m", message, "--stdin", stdin=os.fsencode("".join(lines)))


def _delete_refs(repository: Repository, journal: _Journal) -> None:
    gone = [name for name, (_, new) in journal.refs.items() if new == _ABSENT and repository.find_id(name)]
    if gone:
        lines = "".join(f"delete {name} {journal.refs[name][0]}\n" for name in gone)
        repository.call("update-ref", "--stdin", stdin=os.fsencode(lines))


def _move_files(root: Path, differing: Mapping[str, _Sides], prepared: Path) -> None:
    """Remove, then rename into place. Never through a link, and never a folder that has something in it."""
    for path, (_, new) in differing.items():
        place = root / path
        if new is None and not any(_blocked_parents(root, path, set())):
            with contextlib.suppress(FileNotFoundError, IsADirectoryError, PermissionError):
                place.unlink()
            _remove_empty(root, place.parent)
    for path, (_, new) in differing.items():
        source, place = prepared / path, root / path
        if new is not None and os.path.lexists(source):
            with contextlib.suppress(OSError):  # an empty folder where a file comes
                place.rmdir()
            place.parent.mkdir(parents=True, exist_ok=True)
            source.replace(place)


def _remove_empty(root: Path, folder: Path) -> None:
    while folder != root:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def _leave_merge(repository: Repository, merging: Merging | None) -> None:
    """Tell git that a merge is under way, so that `git merge --continue` and `--abort` work."""
    if merging is None:
        return
    texts = {"MERGE_MSG": merging.message, "MERGE_MODE": "no-ff", "MERGE_HEAD": f"{merging.theirs}\n"}
    for name, text in texts.items():
        write_text(repository.folder / repository.call("rev-parse", "--git-path", name), text)
