"""Git, called with explicit arguments. The only module that imports GitPython.

A repository from elsewhere is an untrusted: of its git directory only what `gitdir` lets through is
read (no hooks, no filters, no programs), of the user's own configuration what `_ALLOWED_SETTINGS`
names, and only the transports in `_TRANSPORTS` are used. What objects hold is checked against their
names. User text is never an option: it stands behind `--` or was checked by `fields`.
"""

import atexit
import contextlib
import functools
import hashlib
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from scaffold.errors import FetchError, MachineError, ProjectError
from scaffold.git import gitdir
from scaffold.records.fields import check_relpath

_HARDENED = (
    "-c",
    "core.attributesFile=/dev/null",  # read where nothing names it, too
    "-c",
    "gc.auto=0",
    "-c",
    "safe.bareRepository=explicit",
)
_NETWORK = (
    "-c",
    "fetch.fsckObjects=true",
    "-c",
    "fetch.unpackLimit=1",
    # Harmless slips that old, well-known repositories carry; everything else fsck finds is refused.
    "-c",
    "fetch.fsck.zeroPaddedFilemode=ignore",
    "-c",
    "fetch.fsck.badTimezone=ignore",
    "-c",
    "fetch.fsck.missingSpaceBeforeDate=ignore",
)
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "LC_ALL": "C",
    "GIT_OPTIONAL_LOCKS": "0",
    # No object is fetched on the way to another: what is missing in the cache is asked for by
    # `fetch` alone.
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",  # no object stands for another
}
_TRANSPORTS = {"GIT_ALLOW_PROTOCOL": "https:ssh:file"}
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
_ALLOWED_SETTINGS = re.compile(
    r"url\..+\.insteadof|(credential|http|user|author|committer)\..+|safe\.directory|core\.(sshcommand|excludesfile|autocrlf|eol)|ssh\.variant",
    re.IGNORECASE | re.DOTALL,
)
"""Of the user's and the system's configuration: who they are, how to reach a server, where it is
mirrored, what they ignore, and their line ends. Filters, aliases, editors, diff and merge programs
are not needed, so they cannot be called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeEntry:
    """A file, link or submodule of a tree, with its path from the top."""

    mode: str
    id: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who a commit is by; `date` in any form that git reads."""

    name: str
    email: str
    date: str | None = None


def object_id(kind: str, content: bytes, length: int = 40) -> str:
    """Return the id that git gives an object: SHA-1, or SHA-256 where ids have 64 digits.

    Source: git's object format, https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
    """
    name = "sha256" if length == 64 else "sha1"
    return hashlib.new(
        name, f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False
    ).hexdigest()


def file_object_id(file: Path, length: int = 40) -> str:
    """Return the id that git gives a file's content, read in portions: it may be gigabytes."""
    with file.open("rb") as opened:
        hashed = _blob_hash(os.fstat(opened.fileno()).st_size, length)
        while portion := opened.read(_PORTION_BYTES):
            hashed.update(portion)
    return str(hashed.hexdigest())


_PORTION_BYTES = 1 << 20


def _blob_hash(size: int, length: int) -> Any:
    name = "sha256" if length == 64 else "sha1"
    return hashlib.new(name, f"blob {size}\0".encode(), usedforsecurity=False)


def tree_id(entries: Iterable[TreeEntry], length: int = 40) -> str:
    """Return the id of the tree with these entries, without calling git."""
    root: dict[str, Any] = {}
    for entry in entries:
        *folders, name = entry.path.split("/")
        place = root
        for folder in folders:
            place = place.setdefault(folder, {})
        place[name] = entry
    return _tree_id(root, length)


def _tree_id(place: Mapping[str, Any], length: int) -> str:
    lines = []
    for name, found in place.items():
        is_tree = isinstance(found, dict)
        mode, known = ("40000", _tree_id(found, length)) if is_tree else (found.mode, found.id)
        # Git sorts a tree's entries as if folders ended in a slash.
        lines.append(
            (
                os.fsencode(name) + b"/" * is_tree,
                mode.encode(),
                os.fsencode(name),
                bytes.fromhex(known),
            )
        )
    body = b"".join(mode + b" " + name + b"\0" + known for _, mode, name, known in sorted(lines))
    return object_id("tree", body, length)


_FORGED = (
    "is not what its name says: the repository is damaged, or someone has put other content there"
)
_FORGED_HINT = "see more: git fsck; take it from where it came from once more"


def _require_id(kind: str, content: bytes, wanted: str) -> None:
    if object_id(kind, content, len(wanted)) != wanted:
        raise ProjectError(f"{kind} {wanted[:12]} {_FORGED}", hint=_FORGED_HINT)


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
            _GitError: git says no.
            ProjectError: its git directory is not to be trusted.
        """
        place = (
            {"GIT_DIR": str(self.folder)}
            if self.is_bare
            else gitdir.variables(self.folder, _trusted_folders)
        )
        return _git(self.folder, command, place, env=env, **options)

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
            return self._execute(arguments, stdin, env, ())
        except _GitError as error:
            message = f"git {arguments[0]} failed in {self.folder}: {error}"
            if _DISK_FULL.search(str(error)):
                raise MachineError(message, hint="free some space and repeat") from error
            raise ProjectError(message, cause=str(error)) from error

    def _execute(
        self,
        arguments: Iterable[str],
        stdin: bytes | None,
        env: Mapping[str, str] | None,
        options: Iterable[str],
    ) -> str:
        command = [*_HARDENED, *options, *arguments]
        if stdin is None:
            return str(self.git(command, env=env))
        with _file_of(stdin) as file:
            return str(self.git(command, env=env, istream=file))

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
            return self._execute(
                ("rev-parse", "--verify", "--quiet", "--end-of-options", name), None, None, ()
            )
        except _GitError:
            return None

    def entries(self, tree: str) -> list[TreeEntry]:
        """Return all files, links and submodules below a tree.

        Raises:
            ProjectError: there is no such tree, or an object of it is not what its name says.
        """
        listed = self.call("ls-tree", "-r", "-z", "--full-tree", tree)
        found = []
        for line in listed.split("\0"):
            if line:
                head, path = line.split("\t", 1)
                mode, _, object_id = head.split(" ")
                found.append(TreeEntry(mode=mode, id=object_id, path=path))
        named = self.find_id(tree if ":" in tree else f"{tree}^{{tree}}") or ""
        if tree_id(found, len(named)) != named:
            # Old trees have modes that git shows otherwise than they are.
            self._require_trees(named)
        return found

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
        command = [*_HARDENED, "cat-file", "blob", object_id]
        try:
            content = bytes(
                self.git(command, stdout_as_string=False, strip_newline_in_stdout=False)
            )
        except _GitError as error:
            raise ProjectError(f"git cat-file failed in {self.folder}: {error}") from error
        _require_id("blob", content, self.find_id(object_id) or "")
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

    def import_tree(self, source: "Repository", tree: str) -> None:
        """Copy a tree and all below it from another repository, without touching a byte."""
        with _file_of(f"{tree}\n".encode()) as wanted:
            pack = [
                *_HARDENED,
                "pack-objects",
                "--revs",
                "--stdout",
                "--quiet",
                "--delta-base-offset",
            ]
            packer = source.git(pack, istream=wanted, as_process=True)
        try:
            self.git([*_HARDENED, "index-pack", "--stdin"], istream=packer.proc.stdout)
            packer.wait()
        except _GitError as error:
            raise FetchError(
                f"the reference could not be copied from {source.folder}: {error}"
            ) from error

    def link_packs(self, source: "Repository") -> None:
        """Take over all objects of a bare, fully packed repository, as links where the disk can."""
        packs = self.objects / "pack"
        packs.mkdir(parents=True, exist_ok=True)
        for stale in packs.glob(f"{_PACK_ASIDE}*"):
            stale.unlink()
        for name in ("*.pack", "*.idx"):  # the index last: git sees a pack by it
            for file in (source.folder / "objects" / "pack").glob(name):
                target = packs / file.name
                if target.exists() and target.stat().st_size == file.stat().st_size:
                    continue
                aside = packs / f"{_PACK_ASIDE}{file.name}"
                try:
                    os.link(file, aside)
                except OSError:  # another file system
                    _copy(file, aside)
                aside.replace(target)

    @property
    def objects(self) -> Path:
        """Return the folder of the objects."""
        git_dir = self.folder / ".git"
        return (git_dir if git_dir.is_dir() else self.folder) / "objects"

    def extract(self, tree: str, folder: Path, *, links: bool = False) -> None:
        """Write a tree's files below a folder, byte for byte, whole or not at all.

        Submodules are left out, and links unless they are wanted: then they must have been checked.
        """
        wanted = [
            e
            for e in self.entries(tree)
            if e.mode in ("100644", "100755") or (links and e.mode == "120000")
        ]
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".extract-"))
        try:
            with self._objects([entry.id for entry in wanted]) as objects:
                for entry, (name, size, stream) in zip(wanted, objects, strict=True):
                    check_relpath(entry.path)
                    file = aside / entry.path
                    file.parent.mkdir(parents=True, exist_ok=True)
                    if entry.mode == "120000":
                        content = stream.read(size)
                        _require_id("blob", content, name)
                        file.symlink_to(os.fsdecode(content))
                    else:
                        _write_blob(stream, size, name, file)
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
                _require_id(kind, content, name)
                yield content

    @contextlib.contextmanager
    def _objects(self, object_ids: Iterable[str]) -> Iterator[Iterator[tuple[str, int, BinaryIO]]]:
        """Yield each object's id, size in bytes.

        And a stream from which exactly these bytes must be read.
        """
        with _file_of("".join(f"{object_id}\n" for object_id in object_ids).encode()) as wanted:
            reader = self.git([*_HARDENED, "cat-file", "--batch"], istream=wanted, as_process=True)
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
                with contextlib.suppress(_GitError):
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
        command = [*_HARDENED, "merge-tree", "--write-tree", "--no-messages", "-z", ours, theirs]
        status, listed, reason = self.git(command, with_extended_output=True, with_exceptions=False)
        if status == _WRONG_USAGE:
            raise MachineError(
                f"git {git_version()} is too old to merge", hint="install git 2.38 or newer"
            )
        if status not in (0, 1):
            raise ProjectError(f"git merge-tree failed in {self.folder}: {reason}")
        return [word for word in listed.split("\0") if word]

    # --- network ---------------------------------------------------------------------------------

    def fetch(self, url: str, wanted: Iterable[str], *options: str) -> None:
        """Fetch objects by full id, no tags.

        Args:
            url: where from; must have passed `fields.check_git_url`.
            wanted: full ids.
            options: `--depth=1` for commits without history, `--filter=blob:none` without file
                contents.

        Raises:
            FetchError: with git's own reason.
        """
        self.call("config", "remote.origin.url", url)
        arguments = [
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
        ]
        arguments += ["--recurse-submodules=no", *options, "origin", "--stdin"]
        try:
            self._execute(
                arguments, "".join(f"{name}\n" for name in wanted).encode(), _TRANSPORTS, _NETWORK
            )
        except _GitError as error:
            hint = None
            if _OF_ANOTHER in str(error):
                place = str(error).partition("'")[2].partition("'")[0]
                hint = (
                    "if it is yours to trust: git config --global --add safe.directory"
                    f" {shlex.quote(place)}"
                )
            raise FetchError(
                f"could not fetch from {url}: {error}", hint=hint, cause=str(error)
            ) from error

    def remote_id(self, url: str, name: str) -> str | None:
        """Return the commit that a branch or tag of a remote names today.

        Raises:
            FetchError: the remote cannot be reached.
        """
        try:
            listed = self._execute(
                ("ls-remote", "--quiet", "--", url, name, f"refs/tags/{name}^{{}}"),
                None,
                _TRANSPORTS,
                _NETWORK,
            )
        except _GitError as error:
            raise FetchError(f"could not ask {url} for {name!r}: {error}") from error
        found = {
            line.split("\t")[1]: line.split("\t")[0] for line in listed.splitlines() if "\t" in line
        }
        for full in (f"refs/tags/{name}^{{}}", f"refs/tags/{name}", f"refs/heads/{name}", name):
            if full in found:
                return found[full]
        return None


def _answers(stream: BinaryIO) -> Iterator[tuple[str, int, BinaryIO]]:
    while head := stream.readline():
        name, _, size = head.decode().split()
        yield name, int(size), stream
        stream.read(1)


def _write_blob(stream: BinaryIO, size: int, name: str, file: Path) -> None:
    """Write a blob in portions.

    Raises:
        ProjectError: it is not what its name says.
    """
    hashed = _blob_hash(size, len(name))
    with file.open("wb") as opened:
        while size and (portion := stream.read(min(size, _PORTION_BYTES))):
            hashed.update(portion)
            opened.write(portion)
            size -= len(portion)
    if hashed.hexdigest() != name:
        raise ProjectError(f"blob {name[:12]} {_FORGED}", hint=_FORGED_HINT)


_PACK_ASIDE = "tmp_scaffold_"
"""What a pack is called until it is whole; git takes no notice of it, and `git gc` removes one that
was left."""


def _copy(file: Path, target: Path) -> None:
    """Copy a file to the disk, not only to memory.

    Raises:
        MachineError: the disk is full; nothing is left there.
    """
    try:
        with file.open("rb") as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
    except OSError as error:
        target.unlink(missing_ok=True)
        raise MachineError(
            f"could not write {target}: {error.strerror}", hint="nothing was changed"
        ) from error


def person(folder: Path) -> Author | None:
    """Return the name and address that git would commit under in a folder, if configured."""
    try:
        ident = Repository(folder).git(["var", "GIT_AUTHOR_IDENT"])
    except (_GitError, MachineError, ProjectError):
        return None
    match = re.fullmatch(r"(.*) <(.*)> \d+ [-+]\d+", str(ident))
    return Author(name=match[1], email=match[2]) if match else None


def git_version() -> str:
    """Return git's version; raise MachineError if it is not installed."""
    return str(_execute(Path.cwd(), ["--version"], env=_ENVIRONMENT)).removeprefix("git version ")


_DISK_FULL = re.compile("No space left on device|Disk quota exceeded|Out of diskspace|write error")

_WRONG_USAGE = 129
"""How git ends where it does not know an option."""

_OF_ANOTHER = "dubious ownership"
"""What git says of a repository whose folders belong to another user."""


class _GitError(Exception):
    """Git said no; the text is its own reason, without the command line and without credentials."""


def _git(
    folder: Path,
    command: Iterable[str],
    place: Mapping[str, str],
    *,
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> Any:
    """Run git through GitPython's runner; `place` says which repository it works in.

    Raises:
        _GitError: git says no.
        MachineError: there is no git.
    """
    variables = {
        **_ENVIRONMENT,
        **_persons_configuration(folder, tuple(place.items())),
        **place,
        **(env or {}),
    }
    return _execute(folder, command, env=variables, **options)


def _execute(folder: Path, command: Iterable[str], **options: Any) -> Any:
    # A missing git is told below, when it is needed.
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    import git  # 30 ms: only when git is needed

    try:
        return git.Git(str(folder)).execute(["git", *command], **options)
    except git.GitCommandNotFound as error:
        raise MachineError("git is not on PATH", hint="install git 2.34 or newer") from error
    except git.GitCommandError as error:
        text = str(error.stderr or error).replace("stderr:", "").strip().strip("'")
        lines = [
            re.sub(r"^(fatal|error|remote): ", "", line.strip())
            for line in text.splitlines()
            if line.strip()
        ]
        said = re.sub(r"://[^/@\s]+@", "://", "; ".join(lines[:3]))
        raise _GitError(said or f"exit status {error.status}") from error


@functools.cache
def _persons_configuration(folder: Path, place: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """Return variables that replace the user's configuration files.

    With only what `_ALLOWED_SETTINGS` allows.

    Asked in the folder, since includes may depend on it, and so may who commits there.
    """
    command = ["config", "--list", "--null", "--show-scope", "--includes"]
    words = str(_execute(folder, command, env={**_ENVIRONMENT, **dict(place)})).split("\0")
    settings = [
        (key, value)
        for scope, (key, _, value) in zip(
            words[::2], (word.partition("\n") for word in words[1::2]), strict=False
        )
        if scope in ("system", "global", "local", "command") and _ALLOWED_SETTINGS.fullmatch(key)
    ]
    trusted = tuple(value for key, value in settings if key.lower() == "safe.directory")
    given = {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": _file_of_trusted(trusted),
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for index, (key, value) in enumerate(settings):
        given |= {f"GIT_CONFIG_KEY_{index}": key, f"GIT_CONFIG_VALUE_{index}": value}
    return given


def _trusted_folders() -> tuple[str, ...]:
    """Return folders of other users that the user trusts, in the order of their configuration."""
    settings = _persons_configuration(Path("/"), (("GIT_CEILING_DIRECTORIES", "/"),))
    count = int(settings["GIT_CONFIG_COUNT"])
    pairs = (
        (settings[f"GIT_CONFIG_KEY_{at}"], settings[f"GIT_CONFIG_VALUE_{at}"])
        for at in range(count)
    )
    return tuple(value for key, value in pairs if key.lower() == "safe.directory")


@functools.cache
def _file_of_trusted(folders: tuple[str, ...]) -> str:
    """Return a configuration file with the folders that the user trusts.

    The program that serves a repository on this machine is started by git without the variables
    that say the same.
    """
    if not folders:
        return os.devnull
    place = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    file = Path(place) / "config"
    quoted = [folder.replace("\\", "\\\\").replace('"', '\\"') for folder in folders]
    file.write_text("[safe]\n" + "".join(f'\tdirectory = "{folder}"\n' for folder in quoted))
    return str(file)


def _file_of(content: bytes) -> Any:
    holder = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    holder.write(content)
    holder.seek(0)
    return holder
