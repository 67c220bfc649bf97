"""Folders of data outside the project: known by a manifest, never copied.

A manifest has the lines of `sha256sum`: each file's digest and path. Which folder of this machine
has these files is the user's to say, and is kept with the user: a project could name any folder.
"""

import concurrent.futures
import hashlib
import json
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from scaffold.errors import FetchError, UsageError
from scaffold.project.digests import file_digest
from scaffold.project.files import write_text
from scaffold.user_state import state_dir

OnBytes = Callable[[int, int], None]
"""Called with the bytes that were read, and how many there are in all."""


def make_manifest(folder: Path, manifest: Path, on_bytes: OnBytes | None = None) -> None:
    """Write the manifest of a folder, and remember that the folder has these files.

    Raises:
        UsageError: it is not a folder of plain files, or more than data, or the manifest would be
            in it.
    """
    _require_data(folder)
    if manifest.resolve().is_relative_to(folder.resolve()):
        raise UsageError(
            f"{manifest} would be one of the files of {folder}",
            hint="write it elsewhere, such as data/NAME.sha256 beside the recipe",
        )
    text, listing = _read(folder, on_bytes)
    write_text(manifest, text)
    _remember(manifest, folder, listing)


def locate(manifest: Path, folder: Path, on_bytes: OnBytes | None = None) -> None:
    """Remember that a folder has the files of a manifest.

    Raises:
        UsageError: it has not exactly these; says which differ.
    """
    expected = _read_manifest(manifest)
    present, listing = _read(folder, on_bytes)
    differences = _differences(_digests_of(manifest, expected), _digests_of(manifest, present))
    if differences:
        raise UsageError(
            f"{folder} has not the files of {manifest}:\n  " + "\n  ".join(differences),
            hint="get the data as the recipe's authors had them, or name another folder",
        )
    _remember(manifest, folder, listing)


def _read(folder: Path, on_bytes: OnBytes | None) -> tuple[str, str]:
    """Return the manifest of a folder, and the digest of its listing before it was read."""
    _require_data(folder)
    listing = _listing_digest(folder)
    files = dict(_files(folder))
    if not files:
        raise UsageError(f"{folder} has no files")
    digests = _digests(folder, files, on_bytes)
    return "".join(f"{sha256}  {path}\n" for path, sha256 in digests), listing


def _read_manifest(manifest: Path) -> str:
    try:
        return manifest.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(
            f"cannot read the manifest {manifest}: {reason}",
            hint="it lies in data/ of the recipe or project; scaffold data manifest makes one",
        ) from error


def _digests_of(manifest: Path, text: str) -> dict[str, str]:
    """Return each path's digest, of the lines that `sha256sum` writes."""
    digests = {}
    for number, line in enumerate(text.splitlines(), start=1):
        match = re.fullmatch(r"([0-9a-f]{64}) [ *](?:\./)?(.+)", line)
        if match is None:
            raise UsageError(
                f"{manifest}:{number}: {line[:80]!r} is not a line of sha256sum: DIGEST  PATH"
            )
        digests[match[2]] = match[1]
    return digests


def located_folder(name: str, manifest: Path, sha256: str, on_bytes: OnBytes | None = None) -> Path:
    """Return the folder of this machine that has the files of a manifest.

    The files are read again only if the size, time or inode of one changed.

    Raises:
        FetchError: nobody has said which, or its files are others now.
    """
    command = f"scaffold data locate {shlex.quote(str(manifest))} FOLDER"
    if file_digest(manifest) != sha256:
        raise FetchError(f"dataset {name}: {manifest} is not the manifest that the recipe pins")
    try:
        known = json.loads(_memory(sha256).read_text())
        folder, listing = Path(known["folder"]), known["listing"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FetchError(
            f"dataset {name} lies outside the project, and where is not known on this machine",
            hint=f"say where: {command}",
        ) from error
    try:
        _require_data(folder)
        if _listing_digest(folder) != listing:
            locate(manifest, folder, on_bytes)
    except UsageError as error:
        raise FetchError(
            f"dataset {name}: {error.message}", hint=f"say where: {command}"
        ) from error
    return folder


def _require_data(folder: Path) -> None:
    """Raise UsageError unless a run may be shown all that is in a folder."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder of this machine")
    for private, words in ((Path.home(), "your home"), (state_dir(), "the key of mlloop-new")):
        if private.resolve().is_relative_to(folder.resolve()):
            raise UsageError(
                f"{folder} has {words} in it, and a run reads all that is in the folder",
                hint="put the data into a folder of their own",
            )


def _files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield a folder's files, sorted: path below it, and status."""
    for place, folders, names in os.walk(folder, onerror=_raise):
        folders.sort()
        for name in sorted(names + [one for one in folders if (Path(place) / one).is_symlink()]):
            path = Path(place) / name
            below = path.relative_to(folder).as_posix()
            if path.is_symlink() or not path.is_file():
                raise UsageError(
                    f"{path} is a link or no plain file, and runs read only what is in {folder}",
                    hint="put the file itself there, or name the folder that the link leads to",
                )
            if not below.isprintable():
                raise UsageError(f"{below!r} has characters that no manifest can hold: rename it")
            yield below, path.stat()


def _raise(error: OSError) -> None:
    raise UsageError(f"cannot read {error.filename}: {error.strerror}")


def _digests(
    folder: Path, files: dict[str, os.stat_result], on_bytes: OnBytes | None
) -> Iterator[tuple[str, str]]:
    total_bytes = sum(status.st_size for status in files.values())
    read_bytes = 0
    with concurrent.futures.ThreadPoolExecutor() as pool:  # hashing lets other threads run
        digests = pool.map(lambda path: file_digest(folder / path), files)
        for (path, status), sha256 in zip(files.items(), digests, strict=True):
            if sha256 == "missing":
                raise UsageError(f"{folder / path} went away while it was read: try again")
            yield path, sha256
            read_bytes += status.st_size
            if on_bytes is not None:
                on_bytes(read_bytes, total_bytes)


def _listing_digest(folder: Path) -> str:
    """Return a digest that changes when a file comes, goes, or is written."""
    listing = hashlib.sha256()
    for path, status in _files(folder):
        # The time of change too: rsync and cp put the time of writing back.
        stamp = f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
        listing.update(f"{stamp} {path}\n".encode())
    return listing.hexdigest()


_MOST_SHOWN = 5


def _differences(expected: Mapping[str, str], present: Mapping[str, str]) -> list[str]:
    """Return in words how two folders' files differ, each path with its digest."""
    both = expected.keys() & present.keys()
    kinds = {
        "missing": expected.keys() - both,
        "not in the manifest": present.keys() - both,
        "with other content": {path for path in both if expected[path] != present[path]},
    }
    return [
        f"{len(paths):,} {kind}: {', '.join(sorted(paths)[:_MOST_SHOWN])}"
        + (", ..." if len(paths) > _MOST_SHOWN else "")
        for kind, paths in kinds.items()
        if paths
    ]


def _remember(manifest: Path, folder: Path, listing: str) -> None:
    place = _memory(file_digest(manifest))
    write_text(place, json.dumps({"folder": str(folder.resolve()), "listing": listing}))


def _memory(sha256: str) -> Path:
    return state_dir() / "data" / sha256
