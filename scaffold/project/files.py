"""Read and write files of a project: limited, plain, never half-written."""

import contextlib
import errno
import json
import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from scaffold.errors import BrokenFileError, MachineError, Problem, ProjectError

if TYPE_CHECKING:
    from scaffold.records.parsing import Record

    RecordT = TypeVar("RecordT", bound=Record)

_MOST_TEXT_BYTES = 32_000_000
"""Of a file that a user or the scaffold writes: evidence of a hundred runs has one."""


MOST_SERIES_BYTES = 500_000_000
"""Of all metric points of a run."""


def read_text(path: Path, most: int = _MOST_TEXT_BYTES) -> str:
    """Return a UTF-8 file's text, of at most so many bytes.

    Raises:
        ProjectError: it is not there, not text, no plain file, or too large: an untrusted one may
            never end.
    """
    try:
        if path.exists() and not path.is_file():
            raise ProjectError(f"{path} is not a file", hint="move it away")
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
        handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(aside).chmod(0o644)
        Path(aside).replace(path)
    except OSError as error:
        if aside:
            Path(aside).unlink(missing_ok=True)
        advice = (
            "; free some space and repeat" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        )
        raise MachineError(
            f"could not write {path}: {error.strerror or error}",
            hint=f"nothing was changed{advice}",
        ) from error


PARTIAL = ".partial"
"""How the name of a file ends that is being written."""


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
