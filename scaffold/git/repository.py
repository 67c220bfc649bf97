"""Ask and change a repository by git, called with explicit arguments.

A repository from elsewhere is untrusted: of its git directory only what `gitdir` lets through is
read (no hooks, no filters, no programs), of the user's own configuration what `_ALLOWED_SETTINGS`
names, and only the transports in `remote` are used. What objects hold is checked against their
names. User text is never an option: it stands behind `--` or was checked by `fields`.
"""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

from scaffold.errors import FetchError, MachineError, ProjectError
from scaffold.git import gitdir
from scaffold.git.execute import GitError, git_version, run_git, trusted_folders
from scaffold.git.objects import TreeEntry, require_id, tree_id, write_blob
from scaffold.records.fields import check_relpath

HARDENED = (
    "-c",
    "core.attributesFile=/dev/null",  # read where nothing names it, too
    "-c",
    "gc.auto=0",
    "-c",
    "safe.bareRepository=explicit",
)
_CLEARED = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_EXTERNAL_DIFF",
    "GIT_TEMPLATE_DIR",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who a commit is by; `date` in any form that git reads."""

    name: str
    email: str
    date: str | None = None


class Repository:
    """A git directory: the one of a work tree, or a bare one, which is always ours."""

    def __init__(self, folder: Path, *, bare: bool = False) -> None:
        self.folder = folder
        self.is_bare = bare
        for name in _CLEARED:
            os.environ.pop(name, None)

    def git(
        self, command: Iterable[str], *, env: Mapping[str, str] | None = None, **options: Any
    ) -> Any:
        """Run git with nothing but a command line; for what `call` cannot give.

        Raises:
            GitError: git says no.
            ProjectError: its git directory is not to be trusted.
        """
        place = (
            {"GIT_DIR": str(self.folder)}
            if self.is_bare
            else gitdir.variables(self.folder, trusted_folders)
        )
        return run_git(self.folder, command, place, env=env, **options)

    @classmethod
    def create(cls, folder: Path, *, bare: bool = False) -> "Repository":
        """Make an empty repository with branch main and none of the user's template hooks."""
        folder.mkdir(parents=True, exist_ok=True)
        repository = cls(folder, bare=bare)
        repository.call(
            "init", "--quiet", "--template=", "--initial-branch=main", *(["--bare"] if bare else [])
        )
        return repository

    def call(
        self, *arguments: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> str:
        """Run one git command and return what it prints, without the last newline.

        Raises:
            ProjectError: git says no; the message is its own.
            MachineError: the disk is full.
        """
        try:
            return self.execute(arguments, stdin, env, ())
        except GitError as error:
            message = f"git {arguments[0]} failed in {self.folder}: {error}"
            if _DISK_FULL.search(str(error)):
                raise MachineError(message, hint="free some space and repeat") from error
            raise ProjectError(message, cause=str(error)) from error

    def execute(
        self,
        arguments: Iterable[str],
        stdin: bytes | None,
        env: Mapping[str, str] | None,
        options: Iterable[str],
        read_errors: Callable[[IO[bytes]], str] | None = None,
    ) -> str:
        """Run one git command with hardened settings; raises GitError."""
        command = [*HARDENED, *options, *arguments]
        if stdin is None:
            return str(self.git(command, env=env, read_errors=read_errors))
        with file_of(stdin) as file:
            return str(self.git(command, env=env, read_errors=read_errors, istream=file))

    # --- reading ---------------------------------------------------------------------------------

    def missing_below(self, revision: str) -> set[str]:
        """Return ids that a commit needs and the repository lacks, without asking a remote."""
        listed = self.call(
            "rev-list",
            "--objects",
            "--missing=print",
            "--no-object-names",
            "--max-count=1",
            revision,
        )
        return {line[1:] for line in listed.splitlines() if line.startswith("?")}

    def find_id(self, name: str) -> str | None:
        """Return the full id of a revision expression, if it names any."""
        try:
            return self.execute(
                ("rev-parse", "--verify", "--quiet", "--end-of-options", name), None, None, ()
            )
        except GitError:
            return None

    def entries(self, tree: str) -> list[TreeEntry]:
        """Return all files, links and submodules below a tree.

        Raises:
            ProjectError: there is no such tree, or an object of it is not what its name says.
        """
        listed = self.call("ls-tree", "-r", "-z", "--full-tree", tree)
        entries = []
        for line in listed.split("\0"):
            if line:
                head, path = line.split("\t", 1)
                mode, _, object_id = head.split(" ")
                entries.append(TreeEntry(mode=mode, id=object_id, path=path))
        named = self.find_id(tree if ":" in tree else f"{tree}^{{tree}}") or ""
        if tree_id(entries, len(named)) != named:
            # Old trees have modes that git shows otherwise than they are.
            self._require_trees(named)
        return entries

    def _require_trees(self, tree: str) -> None:
        """Raise ProjectError if a tree, or one below it, is not what its name says."""
        listed = self.call("ls-tree", "-r", "-d", "-z", "--full-tree", tree)
        below = [line.split("\t")[0].split(" ") for line in listed.split("\0") if line]
        for _ in self._read_objects(
            "tree", [tree, *(name for _, kind, name in below if kind == "tree")]
        ):
            pass

    def read_blob(self, object_id: str) -> bytes:
        """Return the bytes of one blob."""
        command = [*HARDENED, "cat-file", "blob", object_id]
        try:
            content = bytes(
                self.git(command, stdout_as_string=False, strip_newline_in_stdout=False)
            )
        except GitError as error:
            raise ProjectError(f"git cat-file failed in {self.folder}: {error}") from error
        require_id("blob", content, self.find_id(object_id) or "")
        return content

    def commit_date(self, revision: str) -> str:
        """Return the committer date of a commit, ISO 8601."""
        return self.call("show", "--no-patch", "--format=%cI", revision)

    # --- writing ---------------------------------------------------------------------------------

    def write_tree(self, entries: Iterable[TreeEntry]) -> str:
        """Return the id of a tree with these entries, whether or not their blobs are present."""
        listed = "".join(f"{entry.mode} {entry.id}\t{entry.path}\0" for entry in entries)
        with tempfile.TemporaryDirectory() as folder:
            env = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            self.call("update-index", "-z", "--index-info", stdin=os.fsencode(listed), env=env)
            return self.call("write-tree", "--missing-ok", env=env)

    def write_blobs(self, files: Iterable[Path]) -> list[str]:
        """Store files as they are, byte for byte, and return their ids in order."""
        listed = b"".join(os.fsencode(file) + b"\n" for file in files)
        return self.call("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=listed).split()

    def hash_files(self, files: Iterable[str]) -> list[str]:
        """Return the blob ids that files have as they are, in order; nothing is stored."""
        listed = b"".join(os.fsencode(file) + b"\n" for file in files)
        env = {"GIT_DEFAULT_HASH": "sha1"}
        return self.call(
            "hash-object", "--no-filters", "--stdin-paths", stdin=listed, env=env
        ).split()

    def make_tree(self, folders: Mapping[str, str]) -> str:
        """Return a tree whose only entries are these subtrees by name."""
        listed = "".join(f"040000 tree {tree}\t{name}\0" for name, tree in sorted(folders.items()))
        return self.call("mktree", "-z", stdin=listed.encode())

    def commit_tree(
        self, tree: str, message: str, parents: Iterable[str], author: Author | None = None
    ) -> str:
        """Return a new commit of a tree on no branch.

        Git says by whom, unless an author is given.
        """
        options = [word for parent in parents for word in ("-p", parent)]
        arguments = ("commit-tree", tree, *options, "-F", "-")
        if author is None:
            return self.call(*arguments, stdin=message.encode())
        dates = (
            {"GIT_AUTHOR_DATE": author.date, "GIT_COMMITTER_DATE": author.date}
            if author.date
            else {}
        )
        env = {
            "GIT_AUTHOR_NAME": author.name,
            "GIT_AUTHOR_EMAIL": author.email,
            "GIT_COMMITTER_NAME": author.name,
            "GIT_COMMITTER_EMAIL": author.email,
            **dates,
        }
        return self.call(*arguments, stdin=message.encode(), env=env)

    @property
    def objects(self) -> Path:
        """Return the folder of the objects."""
        git_dir = self.folder / ".git"
        return (git_dir if git_dir.is_dir() else self.folder) / "objects"

    def extract(self, tree: str, folder: Path, *, links: bool = False) -> None:
        """Write a tree's files below a folder, byte for byte, whole or not at all.

        Submodules are left out, and links unless they are wanted: then they must have been checked.
        """
        selected = [
            e
            for e in self.entries(tree)
            if e.mode in ("100644", "100755") or (links and e.mode == "120000")
        ]
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".extract-"))
        try:
            with self._objects([entry.id for entry in selected]) as objects:
                for entry, (name, size, stream) in zip(selected, objects, strict=True):
                    check_relpath(entry.path)
                    file = aside / entry.path
                    file.parent.mkdir(parents=True, exist_ok=True)
                    if entry.mode == "120000":
                        content = stream.read(size)
                        require_id("blob", content, name)
                        file.symlink_to(os.fsdecode(content))
                    else:
                        write_blob(stream, size, name, file)
                        file.chmod(int(entry.mode[-3:], 8))
            aside.replace(folder)
        except ValueError as error:
            raise FetchError(f"{entry.path!r} in {self.folder}: {error}") from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def read_blobs(self, object_ids: Iterable[str]) -> Iterator[bytes]:
        """Yield the bytes of many blobs, in order, by one call of git.

        Raises:
            ProjectError: one is not what its name says.
        """
        return self._read_objects("blob", object_ids)

    def _read_objects(self, kind: str, object_ids: Iterable[str]) -> Iterator[bytes]:
        with self._objects(object_ids) as objects:
            for name, size, stream in objects:
                content = stream.read(size)
                require_id(kind, content, name)
                yield content

    @contextlib.contextmanager
    def _objects(self, object_ids: Iterable[str]) -> Iterator[Iterator[tuple[str, int, BinaryIO]]]:
        """Yield each object's id, its size in bytes, and a stream to read so many bytes from."""
        with file_of("".join(f"{object_id}\n" for object_id in object_ids).encode()) as names_file:
            reader = self.git(
                [*HARDENED, "cat-file", "--batch"], istream=names_file, as_process=True
            )
            with contextlib.closing(reader.proc.stdout) as answers:
                yield _answers(answers)
            reader.wait()

    def find_top(self) -> Path | None:
        """Return the top folder of the work tree that this folder lies in, if it lies in one.

        Raises:
            ProjectError: its git directory is not to be trusted.
        """
        for place in (self.folder, *self.folder.parents):
            if os.path.lexists(place / ".git"):
                with contextlib.suppress(GitError):
                    Repository(place).git(["rev-parse", "--git-dir"])
                    return place
        return None

    def changed_paths(self, paths: Iterable[str]) -> list[str]:
        """Return which of these paths differ from the last commit."""
        listed = self.call("status", "--porcelain", "-z", "--no-renames", "--", *paths)
        return [line[3:] for line in listed.split("\0") if line]

    def merge_tree(self, ours: str, theirs: str) -> list[str]:
        """Merge two commits without touching a file or a reference.

        Returns:
            the merged tree's id; after it the index entries of conflicting paths, as `git ls-files
                --stage` has them.

        Raises:
            ProjectError: they cannot be merged.
            MachineError: git is older than 2.38.
        """
        command = [*HARDENED, "merge-tree", "--write-tree", "--no-messages", "-z", ours, theirs]
        status, listed, reason = self.git(command, with_extended_output=True, with_exceptions=False)
        if status == _WRONG_USAGE:
            raise MachineError(
                f"git {git_version()} is too old to merge", hint="install git 2.38 or newer"
            )
        if status not in (0, 1):
            raise ProjectError(f"git merge-tree failed in {self.folder}: {reason}")
        return [word for word in listed.split("\0") if word]


def _answers(stream: BinaryIO) -> Iterator[tuple[str, int, BinaryIO]]:
    while head := stream.readline():
        name, _, size = head.decode().split()
        yield name, int(size), stream
        stream.read(1)


def person(folder: Path) -> Author | None:
    """Return the name and address that git would commit under in a folder, if configured."""
    try:
        ident = Repository(folder).git(["var", "GIT_AUTHOR_IDENT"])
    except (GitError, MachineError, ProjectError):
        return None
    match = re.fullmatch(r"(.*) <(.*)> \d+ [-+]\d+", str(ident))
    return Author(name=match[1], email=match[2]) if match else None


_DISK_FULL = re.compile("No space left on device|Disk quota exceeded|Out of diskspace|write error")

_WRONG_USAGE = 129
"""How git ends where it does not know an option."""


def file_of(content: bytes) -> Any:
    """Return an open temporary file with this content; the caller closes it."""
    holder = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    holder.write(content)
    holder.seek(0)
    return holder
