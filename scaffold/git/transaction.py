"""Move a project to another commit: references, HEAD, files and index, whatever interrupts it.

First everything is prepared where nobody looks: objects in git's store, the files to come in
`.scaffold/aside`, a copy of the index. Then the move is written to a journal, and from that moment
on it is only ever completed: by this process, or by the next command when this one was killed. A
full disk or a conflict with the user's files is noticed before the journal is written, so that
nothing has changed then.

Nothing that was not committed is overwritten: a file in the way refuses the move, and one that the
user edited after an interruption stays as it is.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from scaffold.errors import MachineError, ProjectError
from scaffold.git.history import (
    commit_with_edits,
    conflict_error,
    conflicting_paths,
    find_branch,
    present_branch,
    project_repository,
)
from scaffold.git.index import LOCK_WAIT_S, NextIndex
from scaffold.git.move_journal import Journal, Merging, read_journal, write_journal
from scaffold.git.repository import Repository
from scaffold.git.worktree import (
    ABSENT,
    Sides,
    differences,
    entry_id,
    file_ids,
    move_into_place,
    paths_in_the_way,
    write_aside,
)
from scaffold.project.files import remove, write_text
from scaffold.project.lock import only_one
from scaffold.project.project import Project, remove_partial

_COMPLETED_LATER = "mend that; the next scaffold command completes it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What changes, all of it or nothing.

    Attributes:
        title: the command that moves, without `scaffold`.
        refs: new value of each full reference name; None deletes it.
        branch: short name of the branch that is checked out afterwards; None for the present one,
            or a detached HEAD.
        present: tree that the work tree holds where it differs from HEAD's; None where it does not:
            edits that one of the new commits has.
        files: tree that the work tree holds afterwards; None for that of the commit.
        merging: conflicts to leave for the user.
    """

    title: str
    refs: Mapping[str, str | None]
    branch: str | None = None
    present: str | None = None
    files: str | None = None
    merging: Merging | None = None


def commit_paths(project: Project, paths: Iterable[str], message: str, title: str) -> str | None:
    """Commit some files as they are, and nothing else; returns why not, or None.

    Args:
        project: whose files they are.
        paths: from its top.
        message: of the commit.
        title: the command that commits, without `scaffold`.
    """
    try:
        repository = project_repository(project.root)
        commit, present = commit_with_edits(repository, paths, message)
        if commit != repository.find_id("HEAD"):
            branch = present_branch(repository)
            move(project, Move(title=title, refs={f"refs/heads/{branch}": commit}, present=present))
    except (ProjectError, MachineError) as error:
        return f"{error.message} ({error.hint})" if error.hint else error.message
    return None


def move(project: Project, request: Move) -> None:
    """Carry out a move.

    Raises:
        ProjectError: files of the user are in the way, a reference was moved by someone else, or
            git is at work; nothing has changed.
        MachineError: the disk is full; nothing has changed, or the next command completes it.
    """
    repository = Repository(project.root)
    with only_one(project):
        remove(project.aside)
        remove_partial(project)
        journal = _resolved(repository, request)
        differing = differences(repository, journal.old_files, journal.new_files)
        index = NextIndex(repository)
        index.require_free()
        _refuse_in_the_way(repository, journal, differing)
        _prepare(project, repository, journal, differing, index)
        with _uninterrupted():
            write_journal(project, journal)
            _carry_out(project, repository, journal, differing, index)


def complete_interrupted(project: Project) -> str | None:
    """Complete the move that a killed command left.

    Returns:
        the title of the command that was completed; None where nothing was left.

    Raises:
        ProjectError: the journal is not this user's, someone moved a reference since, or what was
            completed is a merge with conflicts.
        MachineError: see `move`.
    """
    with only_one(project):
        journal = read_journal(project)
        remove(project.aside)
        remove_partial(project)
        if journal is None:
            return None
        repository = Repository(project.root)
        _clear_locks(repository, journal)
        differing = differences(repository, journal.old_files, journal.new_files)
        actual = file_ids(repository, differing)
        # What is neither the old nor the new content was edited since: it stays.
        differing = {
            path: sides for path, sides in differing.items() if actual[path] == entry_id(sides[0])
        }
        index = NextIndex(repository)
        _prepare(project, repository, journal, differing, index)
        with _uninterrupted():
            _carry_out(project, repository, journal, differing, index)
        if journal.merging:
            raise conflict_error(
                journal.merging.theirs[:12], conflicting_paths(journal.merging.stages)
            )
        return journal.title


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold back Ctrl-C and requests to end: what follows takes milliseconds."""
    before = signal.pthread_sigmask(
        signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    )
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# --- the journal --------------------------------------------------------------------------------


def _resolved(repository: Repository, request: Move) -> Journal:
    present = find_branch(repository)
    old_head = f"refs/heads/{present}" if present else "HEAD"
    branch = f"refs/heads/{request.branch}" if request.branch else old_head
    refs = {}
    for name, new in request.refs.items():
        old = repository.find_id(name) or ABSENT
        new_id = repository.call("rev-parse", new) if new else ABSENT
        if old != new_id:
            refs[name] = (old, new_id)
    commit = refs[branch][1] if branch in refs else repository.call("rev-parse", branch)
    old_tree = repository.call("rev-parse", "HEAD^{tree}")
    new_tree = repository.call("rev-parse", f"{commit}^{{tree}}")
    if request.merging and request.files:  # what merged cleanly is staged
        new_tree = request.files
    return Journal(
        title=request.title,
        refs=refs,
        head=branch,
        old_head=old_head,
        commits=(
            repository.call("rev-parse", "HEAD"),
            repository.find_id(branch) or commit,
            commit,
        ),
        old_tree=old_tree,
        new_tree=new_tree,
        old_files=request.present or old_tree,
        new_files=request.files or new_tree,
        merging=request.merging,
    )


# --- preparing: nothing of this is seen by anybody ----------------------------------------------


def _refuse_in_the_way(
    repository: Repository, journal: Journal, differing: Mapping[str, Sides]
) -> None:
    """Raise ProjectError if a file with edits, or one not tracked by git, would be overwritten."""
    in_the_way = {
        *paths_in_the_way(repository, differing),
        *_staged(repository, journal, differing),
    }
    if in_the_way:
        raise ProjectError(
            f"{', '.join(sorted(in_the_way)[:5])} would be overwritten, and has changes that are"
            " not committed",
            hint=(
                "commit or stash what is in the way (move it away if git does not track it), then"
                " repeat"
            ),
        )


def _staged(
    repository: Repository, journal: Journal, differing: Mapping[str, Sides]
) -> Iterator[str]:
    """Yield paths whose staged content is in none of the trees, so that it would be lost."""
    changing = differences(repository, journal.old_tree, journal.new_tree)
    listed = repository.call("ls-files", "--stage", "-z") if changing else ""
    for line in listed.split("\0"):
        head, _, path = line.partition("\t")
        if path in changing and path in differing:
            known = {entry_id(side) for side in (*changing[path], *differing[path])}
            if head.split(" ")[1] not in known:
                yield path
    tracked = {line.partition("\t")[2] for line in listed.split("\0")}
    yield from (
        path for path in changing if path in differing and changing[path][0] and path not in tracked
    )
    if journal.merging:  # `git merge --abort` would throw it away
        staged = repository.call(
            "diff-index", "--cached", "--name-only", "-z", journal.old_tree
        ).split("\0")
        taken = differences(repository, journal.old_tree, journal.old_files)
        yield from (path for path in staged if path and path not in taken)


def _prepare(
    project: Project,
    repository: Repository,
    journal: Journal,
    differing: Mapping[str, Sides],
    index: NextIndex,
) -> None:
    try:
        write_aside(repository, differing, project.aside)
        index.prepare(_index_entries(repository, journal), journal.old_tree)
    except (ProjectError, MachineError):
        remove(project.aside)
        raise


def _index_entries(repository: Repository, journal: Journal) -> list[str]:
    """Return what the move changes in the index, as `git update-index --index-info` reads it."""
    changing = differences(repository, journal.old_tree, journal.new_tree)
    stages = journal.merging.stages if journal.merging else ()
    conflicting = conflicting_paths(stages)
    lines = [
        f"{entry.mode} {entry.id}\t{path}" if entry else f"0 {ABSENT}\t{path}"
        for path, (_, entry) in changing.items()
        if path not in conflicting
    ]
    return [*lines, *(f"0 {ABSENT}\t{path}" for path in conflicting), *stages]


# --- moving: from here on it is only ever completed ---------------------------------------------


def _carry_out(
    project: Project,
    repository: Repository,
    journal: Journal,
    differing: Mapping[str, Sides],
    index: NextIndex,
) -> None:
    try:
        _refuse_moved(repository, journal)
    except ProjectError:
        _forget(project, index)
        raise
    try:
        _move_refs(repository, journal)
    except (ProjectError, MachineError) as error:
        if not _is_begun(repository, journal):
            _forget(project, index)
            raise
        raise MachineError(error.message, hint=_COMPLETED_LATER) from error
    try:
        if journal.head != "HEAD":
            repository.call("symbolic-ref", "-m", f"scaffold {journal.title}", "HEAD", journal.head)
        move_into_place(project.root, differing, project.aside)
        _leave_merge(repository, journal.merging)
        index.install(lambda: index.prepare(_index_entries(repository, journal), journal.old_tree))
        _delete_refs(repository, journal)
    except OSError as error:
        reason = error.strerror or str(error)
        raise MachineError(
            f"scaffold {journal.title} was cut off: {reason}", hint=_COMPLETED_LATER
        ) from error
    _forget(project, index)


def _forget(project: Project, index: NextIndex) -> None:
    """Remove what was prepared, and the journal last: whoever finds it looks after the rest."""
    index.discard()
    remove(project.aside)
    project.journal_of_move.unlink(missing_ok=True)


def _clear_locks(repository: Repository, journal: Journal) -> None:
    """Remove the reference locks that a killed git left; one in use ends by itself first."""
    names = ["HEAD", journal.head, "packed-refs", "reftable/tables.list", *journal.refs]
    placed = [repository.call("rev-parse", "--git-path", name) for name in dict.fromkeys(names)]
    paths = [(repository.folder / place).resolve() for place in placed]
    locks = [path.with_name(f"{path.name}.lock") for path in paths]
    end = time.monotonic() + LOCK_WAIT_S
    while any(lock.exists() for lock in locks) and time.monotonic() < end:
        time.sleep(0.02)
    for lock in locks:
        lock.unlink(missing_ok=True)


def _is_begun(repository: Repository, journal: Journal) -> bool:
    new_refs = {name: new for name, (_, new) in journal.refs.items() if new != ABSENT}
    return any(repository.find_id(name) == new for name, new in new_refs.items())


def _refuse_moved(repository: Repository, journal: Journal) -> None:
    """Raise ProjectError if a reference has neither its old nor its new value.

    Someone else moved it.
    """
    branch = find_branch(repository)
    head = f"refs/heads/{branch}" if branch else "HEAD"
    expected = {"HEAD": journal.commits, **journal.refs}
    for name, sides in expected.items():
        actual = repository.find_id(name) or ABSENT
        if actual not in sides or (name == "HEAD" and head not in (journal.old_head, journal.head)):
            raise ProjectError(
                f"{name} was moved to {actual[:12]} while scaffold {journal.title} was at work",
                hint="look at it: git log --all --oneline --graph; then repeat the command",
            )


def _move_refs(repository: Repository, journal: Journal) -> None:
    """Set all references in one git transaction; what is deleted stays until HEAD has left it."""
    lines = [
        f"update {name} {new} {old}\n"
        for name, (old, new) in journal.refs.items()
        if new not in (ABSENT, repository.find_id(name))
    ]
    if lines:
        message = f"commit: scaffold {journal.title}"
        repository.call("update-ref", "-m", message, "--stdin", stdin=os.fsencode("".join(lines)))


def _delete_refs(repository: Repository, journal: Journal) -> None:
    gone = [
        name
        for name, (_, new) in journal.refs.items()
        if new == ABSENT and repository.find_id(name)
    ]
    if gone:
        lines = "".join(f"delete {name} {journal.refs[name][0]}\n" for name in gone)
        repository.call("update-ref", "--stdin", stdin=os.fsencode(lines))


def _leave_merge(repository: Repository, merging: Merging | None) -> None:
    """Tell git that a merge is under way, so that `git merge --continue` and `--abort` work."""
    if merging is None:
        return
    texts = {
        "MERGE_MSG": merging.message,
        "MERGE_MODE": "no-ff",
        "MERGE_HEAD": f"{merging.theirs}\n",
    }
    for name, text in texts.items():
        write_text(repository.folder / repository.call("rev-parse", "--git-path", name), text)
