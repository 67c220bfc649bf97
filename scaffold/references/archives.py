"""Unpack untrusted archives: plain files and folders inside one folder, completely or not at all.

Members are read one by one and written here; no library's own extraction decides where a file goes.
"""

import lzma
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

from scaffold.errors import FetchError, MachineError
from scaffold.machine import require_free
from scaffold.records.fields import check_relpath

ArchiveKind = Literal["zip", "tar"]

_CHUNK_BYTES = 1 << 20
_LOOK_EVERY_BYTES = 64 << 20


def unpack(archive: Path, kind: ArchiveKind, into: Path) -> None:
    """Write an archive's files below `into`, which must not exist.

    Raises:
        FetchError: it is damaged, or a member is not a plain file or leads out of its folder.
        MachineError: the disk is full.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=into.parent, prefix=".unpack-"))
    seen: dict[str, str] = {}
    written = 0
    try:
        for name, file in (_zip_members if kind == "zip" else _tar_members)(archive):
            _refuse(archive, name, seen)
            target = aside / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as out:
                while chunk := file.read(_CHUNK_BYTES):
                    out.write(chunk)
                    written += len(chunk)
                    if written % _LOOK_EVERY_BYTES < _CHUNK_BYTES:
                        require_free(aside)  # a small archive may hold a large file
        aside.chmod(0o755)
        aside.replace(into)
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        NotImplementedError,
    ) as error:
        raise FetchError(f"corrupt or truncated {kind} archive {archive.name}: {error}") from error
    except FileExistsError as error:
        raise FetchError(
            f"{archive.name} has a file and a folder of one name: {error.filename}"
        ) from error
    except OSError as error:
        raise MachineError(f"cannot unpack {archive.name}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _refuse(archive: Path, name: str, seen: dict[str, str]) -> None:
    try:
        check_relpath(name)
    except ValueError as error:
        raise FetchError(f"{archive.name} has the member {name!r}, which {error}") from error
    other = seen.setdefault(name.casefold(), name)
    if other != name:
        raise FetchError(f"{archive.name} has {other!r} and {name!r}, one name on many disks")


def _zip_members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise FetchError(
                    f"{archive.name} has {member.filename!r}, which is not a plain file"
                )
            if member.flag_bits & 1:
                raise FetchError(f"{archive.name} is encrypted")
            if not member.is_dir():
                with opened.open(member) as file:
                    yield member.filename, file


def _tar_members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(archive) as opened:
        for member in opened:
            if member.isdir():
                continue
            file = opened.extractfile(member) if member.isreg() else None
            if file is None:
                raise FetchError(f"{archive.name} has {member.name!r}, which is not a plain file")
            yield member.name.removeprefix("./"), file
