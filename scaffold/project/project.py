"""Where things lie in a project, and how they are read and written: whole, or not at all."""

import contextlib
import errno
import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from scaffold.errors import BrokenFileError, BusyError, MachineError, Problem, ProjectError

if TYPE_CHECKING:
    from scaffold.records.parsing import Record
    from scaffold.records.recipe import Recipe

    RecordT = TypeVar("RecordT", bound=Record)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a program lies.

    Attributes:
        folder: what its record names lies below it: patches, drivers, data.
        tree: copied for every run.
        lock: its resolved packages.
    """

    folder: Path
    tree: Path
    lock: Path


@dataclass(frozen=True, slots=True)
class Project:
    """The paths of one project; `root` is absolute."""

    root: Path

    @property
    def recipe(self) -> Path:
        """Return the recipe's file."""
        return self.root / "recipe.yaml"

    @property
    def calibration(self) -> Path:
        """Return the file of recorded runs that came with the recipe."""
        return self.root / "calibration.json"

    @property
    def milestones(self) -> Path:
        """Return the file of milestones from the reference to the user's own system."""
        return self.root / "milestones.yaml"

    @property
    def reference(self) -> Path:
        """Return the folder of the untouched reference."""
        return self.root / "reference"

    @property
    def lock(self) -> Path:
        """Return the file of resolved packages."""
        return self.root / "environment.lock"

    @property
    def reference_source(self) -> Source:
        """Return the reference as a program."""
        return Source(folder=self.root, tree=self.reference, lock=self.lock)

    @property
    def system_source(self) -> Source:
        """Return the user's own copy as a program."""
        return Source(folder=self.root, tree=self.root / "src", lock=self.root / "system.lock")

    @property
    def system(self) -> Path:
        """Return the file that says how `src/` runs; it exists from the first tweak on."""
        return self.root / "system.yaml"

    @property
    def tweaks(self) -> Path:
        """Return the folder of tweak declarations, one file each."""
        return self.root / "tweaks"

    @property
    def evidence(self) -> Path:
        """Return the folder of judged results, one file a milestone."""
        return self.root / "evidence"

    @property
    def journal(self) -> Path:
        """Return the folder of journal pages, one a tweak."""
        return self.root / "journal"

    @property
    def reproduction(self) -> Path:
        """Return the file with the judged evidence of the reproduction."""
        return self.root / "evidence" / "reproduce.json"

    @property
    def scaffold_dir(self) -> Path:
        """Return the folder of everything that is not for git."""
        return self.root / ".scaffold"

    @property
    def golden(self) -> Path:
        """Return the folder of golden traces that rewrites are compared with."""
        return self.root / "golden"

    @property
    def uncommitted(self) -> Path:
        """Return the file that says why the evidence could not be committed; there only then."""
        return self.scaffold_dir / "uncommitted"

    @property
    def cached_status(self) -> Path:
        """Return the file of the status as it was derived last."""
        return self.scaffold_dir / "status.json"

    @property
    def aside(self) -> Path:
        """Return the folder of files that are about to be moved into place."""
        return self.scaffold_dir / "aside"

    @property
    def journal_of_move(self) -> Path:
        """Return the journal of the change that `transaction` is making; there only meanwhile."""
        return self.scaffold_dir / "move.json"

    @property
    def runs(self) -> Path:
        """Return the folder with one folder per completed run."""
        return self.scaffold_dir / "runs"


def find_project(start: Path) -> Project:
    """Return the project that a folder belongs to.

    Raises:
        ProjectError: it lies in none.
    """
    for folder in (start.absolute(), *start.absolute().parents):
        there = [(folder / name).is_file() for name in ("recipe.yaml", "milestones.yaml")]
        if all(there) or Project(folder).journal_of_move.is_file():  # a change of it was cut off
            _refuse_links(folder)
            return Project(folder)
        if any(there) and (folder / "reference").is_dir() and (folder / ".git").exists():
            missing = "milestones.yaml" if there[0] else "recipe.yaml"
            raise ProjectError(f"{folder / missing} is missing", hint=f"git checkout -- {missing}")
        head = folder / ".git" / "HEAD"
        for branch in ("reference", "template"):
            if (
                head.is_file()
                and head.read_text(errors="replace").strip() == f"ref: refs/heads/{branch}"
            ):
                raise ProjectError(
                    f"{folder} is on the vendor branch {branch}", hint="git switch main"
                )
    raise ProjectError(
        f"{start} is not in a project: no folder above it has recipe.yaml and milestones.yaml",
        hint="cd into a project, or make one: mlloop-new my-project",
    )


def _refuse_links(folder: Path) -> None:
    """Raise ProjectError if files written into a project would land outside.

    It may be untrusted.
    """
    inside = (
        "runs",
        "lock",
        "status.json",
        "uncommitted",
        "states",
        "own",
        "golden",
        "traces",
        "construction",
        "aside",
        "move.json",
    )
    state = (".scaffold", *(f".scaffold/{name}" for name in inside))
    for name in (
        *state,
        "evidence",
        "reference",
        "drivers",
        "patches",
        "data",
        "src",
        "tweaks",
        "journal",
        "golden",
    ):
        if (folder / name).is_symlink():
            raise ProjectError(
                f"{folder / name} is a link to {(folder / name).readlink()}", hint=f"rm {name}"
            )


def load_recipe(project: Project) -> "Recipe":
    """Read and check `recipe.yaml`."""
    from scaffold.records.recipe import Recipe

    return load_yaml(Recipe, project.recipe)


def load_yaml(record: "type[RecordT]", path: Path) -> "RecordT":
    """Read and check a YAML file that came with the project.

    Raises:
        BrokenFileError: with all problems.
    """
    from scaffold.records.parsing import parse_record

    try:
        return parse_record(record, read_text(path), source=path.name)
    except BrokenFileError as error:
        shown = os.path.relpath(path)
        error.hint = (
            f"correct it, or restore what was committed: git checkout -- {shlex.quote(shown)}"
        )
        raise


_MOST_TEXT_BYTES = 32_000_000
"""Of a file that a user or the scaffold writes: evidence of a hundred runs has one."""

MOST_SERIES_BYTES = 500_000_000
"""Of all metric points of a run."""


def read_text(path: Path, most: int = _MOST_TEXT_BYTES) -> str:
    """Return a UTF-8 file's text, of at most so many bytes.

    Raises:
        ProjectError: it is not there, not text, no plain file, or too large: an untrusted may never
            end.
    """
    try:
        if path.exists() and not path.is_file():
            raise ProjectError(f"{path} is no file", hint="move it away")
        if path.stat().st_size > most:
            raise ProjectError(
                f"{path} has {path.stat().st_size:,} bytes, more than the {most:,} that are read",
                hint="move it away",
            )
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ProjectError(
            f"{path} is missing", hint=f"git checkout -- {shlex.quote(str(path))}"
        ) from error
    except UnicodeDecodeError as error:
        raise ProjectError(
            f"{path} is not UTF-8 text: {error.reason} at byte {error.start}"
        ) from error
    except OSError as error:
        raise MachineError(f"cannot read {path}: {error.strerror}") from error


def read_record(record: "type[RecordT]", path: Path) -> "RecordT":
    """Read a JSON file as a record.

    Raises:
        BrokenFileError: it is not JSON or not this record, with all problems.
        ProjectError: it is a link, or see `read_text`.
    """
    from pydantic import ValidationError

    if path.is_symlink():
        raise ProjectError(
            f"{path} is a link to {path.readlink()}", hint=f"rm {shlex.quote(str(path))}"
        )
    try:
        return record.model_validate_json(read_text(path))
    except ValidationError as error:
        problems = [
            Problem(
                source=path.name,
                line=1,
                where=".".join(map(str, detail["loc"])),
                message=detail["msg"],
            )
            for detail in error.errors(include_url=False)[:10]
        ]
        raise BrokenFileError(
            path.name, problems, hint=f"restore it: git checkout -- {shlex.quote(str(path))}"
        ) from error


def record_text(record: "Record") -> str:
    """Return a record as JSON."""
    return (
        json.dumps(record.model_dump(mode="json", by_alias=True), indent=1, allow_nan=False) + "\n"
    )


def write_record(record: "Record", path: Path) -> None:
    """Write a record as JSON, whole or not at all."""
    write_text(path, record_text(record))


def write_json(content: Any, path: Path) -> None:
    """Write plain data as JSON, whole or not at all."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file of text aside and rename it into place; see `write_bytes`."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file aside and rename it into place.

    Raises:
        MachineError: the disk is full or may not be written; what stood there before still stands.
    """
    aside = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_PARTIAL)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(aside).chmod(0o644)
        Path(aside).replace(path)
    except OSError as error:
        if aside:
            Path(aside).unlink(missing_ok=True)
        room = "; free some space and repeat" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise MachineError(
            f"could not write {path}: {error.strerror or error}", hint=f"nothing was changed{room}"
        ) from error


_PARTIAL = ".partial"
"""How the name of a file ends that is being written."""


def remove_partial(project: Project) -> None:
    """Remove files that a killed command was writing.

    Called under the project's lock, which all writers hold.
    """
    for folder in (
        project.root,
        project.evidence,
        project.tweaks,
        project.journal,
        project.scaffold_dir,
    ):
        for path in folder.glob(f".*.????????{_PARTIAL}"):  # as `mkstemp` names them
            if path.is_file():
                path.unlink(missing_ok=True)
    for path in (project.scaffold_dir / "states").glob(".extract-*"):
        remove(path)


def make_durable(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_ordinary(folder: Path) -> None:
    """Make what an untrusted program left readable, writable, and no longer set-user-id."""
    pending = [] if folder.is_symlink() else [folder]
    while pending:
        place = pending.pop()
        # Gone meanwhile, or another owner's: told by whoever reads it.
        with contextlib.suppress(OSError):
            place.chmod(0o700 | place.lstat().st_mode & 0o755)
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(Path(entry.path))
                    elif entry.is_file(follow_symlinks=False):
                        mode = entry.stat(follow_symlinks=False).st_mode & 0o7777
                        if mode != (ordinary := 0o600 | mode & 0o755):
                            Path(entry.path).chmod(ordinary)


def remove(folder: Path) -> None:
    """Remove a folder and all in it, whatever its modes and depth; links are not followed."""
    import shutil

    make_ordinary(folder)
    with contextlib.suppress(RecursionError):  # nested deeper than Python goes
        shutil.rmtree(folder, ignore_errors=True)
    if os.path.lexists(folder):
        subprocess.run(["rm", "-rf", "--", str(folder)], capture_output=True, check=False)


_LOCKED: set[Path] = set()
"""Projects whose lock this process holds."""


@contextlib.contextmanager
def only_one(project: Project) -> Iterator[None]:
    """Keep a second `scaffold` from writing to the same project at the same time.

    Within one process the lock may be taken again by what already runs under it.

    Raises:
        BusyError: another one is at work.
    """
    import fcntl

    if project.root in _LOCKED:
        yield
        return
    project.scaffold_dir.mkdir(exist_ok=True)
    handle = os.open(
        project.scaffold_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644
    )
    with os.fdopen(handle, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise BusyError(
                f"another scaffold (process {file.read().strip() or 'unknown'}) is at work in"
                f" {project.root}",
                hint="wait for it to end, or stop it",
            ) from error
        file.truncate(0)
        # A full disk: only the message of another one would name this process.
        with contextlib.suppress(OSError):
            file.write(str(os.getpid()))
            file.flush()
        _LOCKED.add(project.root)
        try:
            yield
        finally:
            _LOCKED.discard(project.root)
