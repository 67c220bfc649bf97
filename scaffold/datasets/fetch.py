"""Fetch datasets by digest into the cache, check them.

And place them where the reference expects them.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scaffold.cache import cache_dir
from scaffold.datasets.archives import unpack
from scaffold.errors import FetchError, MachineError, RunError
from scaffold.machine import require_free
from scaffold.project.files import write_text
from scaffold.records.program import (
    FileDataset,
    GitDataset,
    HubDataset,
    PlacedDataset,
    Program,
    UrlDataset,
)
from scaffold.references import hub

OnBytes = Callable[[str, int, int | None], None]
"""Called with a dataset's name, the bytes that are here, and how many there will be if known."""

_CHUNK_BYTES = 1 << 20
_LOOK_EVERY_BYTES = 64 << 20


def fetch_datasets(
    program: Program, folder: Path, *, offline: bool = False, on_bytes: OnBytes | None = None
) -> dict[str, Path]:
    """Bring every placed dataset into the cache and return its file by name.

    Raises:
        FetchError: one cannot be had, or its bytes are not the pinned ones.
    """
    return {
        dataset.name: _fetch(dataset, folder, offline, on_bytes or (lambda *_: None))
        for dataset in program.placed_datasets()
    }


def _fetch(dataset: PlacedDataset, folder: Path, offline: bool, on_bytes: OnBytes) -> Path:
    cached = cache_dir("data") / dataset.sha256
    if _is_whole(cached):
        return cached
    require_free(cached.parent)
    handle, name = tempfile.mkstemp(dir=cached.parent, prefix=".fetch-")
    os.close(handle)
    aside = Path(name)
    try:
        _copy_into(aside, dataset, folder, offline, on_bytes)
        digest = _sha256(aside)
        if digest != dataset.sha256:
            raise FetchError(
                f"dataset {dataset.name} has sha256 {digest}, but the recipe pins {dataset.sha256}",
                hint=(
                    "the file changed where it is published, or the pin is wrong; nothing was"
                    " placed"
                ),
            )
        aside.chmod(0o444)
        aside.replace(cached)
        _vouch(cached)
    except OSError as error:
        raise MachineError(
            f"cannot store dataset {dataset.name}: {error.strerror or error}"
        ) from error
    finally:
        aside.unlink(missing_ok=True)
    return cached


def _is_whole(cached: Path) -> bool:
    """Return whether a cached file still has its digest.

    It is read again only if size, time or inode changed.
    """
    try:
        stamp = _stamp(cached)
    except FileNotFoundError:
        return False
    if _voucher(cached).exists() and _voucher(cached).read_text(errors="replace") == stamp:
        return True
    if _sha256(cached) != cached.name:
        return False  # cut short by a power cut, or written to: fetched anew
    _vouch(cached)
    return True


def _vouch(cached: Path) -> None:
    write_text(_voucher(cached), _stamp(cached))


def _voucher(cached: Path) -> Path:
    return cached.with_name(f"{cached.name}.checked")


def _stamp(cached: Path) -> str:
    status = cached.stat()
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _copy_into(
    aside: Path, dataset: PlacedDataset, folder: Path, offline: bool, on_bytes: OnBytes
) -> None:
    if isinstance(dataset, FileDataset):
        shutil.copyfile(folder / dataset.file, aside)
    elif isinstance(dataset, GitDataset):
        from scaffold.references.git import cached_file

        aside.write_bytes(cached_file(dataset.git, dataset.revision, dataset.path, offline=offline))
    elif offline:
        raise FetchError(
            f"dataset {dataset.name} is not in the cache, and --offline forbids to fetch it"
        )
    elif isinstance(dataset, HubDataset):
        _from_hub(aside, dataset)
    else:
        _download(aside, dataset, on_bytes)


def _download(aside: Path, dataset: UrlDataset, on_bytes: OnBytes) -> None:
    import http.client
    import urllib.error  # 20 ms with the servers' protocol below it: only when something is fetched
    import urllib.parse
    import urllib.request

    class SameSafety(urllib.request.HTTPRedirectHandler):
        """Follow a redirect only to https; within this machine also from http to http."""

        def redirect_request(
            self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
        ) -> Any:
            before, after = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
            stays_here = (
                before.scheme == after.scheme == "http" and after.hostname == before.hostname
            )
            if after.scheme != "https" and not stays_here:
                raise FetchError(f"{req.full_url} redirects to {newurl}, which is not https")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    opener = urllib.request.build_opener(SameSafety)
    try:
        with opener.open(dataset.url, timeout=60) as answer, aside.open("wb") as file:
            length = answer.headers.get("Content-Length")
            total, received = int(length) if length else None, 0
            while chunk := answer.read(_CHUNK_BYTES):
                file.write(chunk)
                received += len(chunk)
                on_bytes(dataset.name, received, total)
                if received % _LOOK_EVERY_BYTES < _CHUNK_BYTES:
                    require_free(aside.parent)  # an answer may have no end
            if total is not None and received < total:
                raise FetchError(
                    f"dataset {dataset.name}: {dataset.url} ended after {received} of {total} bytes"
                )
    except urllib.error.URLError as error:
        reason = (
            f"{error.code} {error.reason}"
            if isinstance(error, urllib.error.HTTPError)
            else error.reason
        )
        raise FetchError(f"dataset {dataset.name}: {dataset.url}: {reason}") from error
    except (http.client.HTTPException, ValueError, TimeoutError, ConnectionError) as error:
        raise FetchError(
            f"dataset {dataset.name}: {dataset.url}: {type(error).__name__}: {error}"
        ) from error


def _from_hub(aside: Path, dataset: HubDataset) -> None:
    path = hub.download("dataset", dataset.hub, dataset.revision, dataset.path)
    shutil.copyfile(path, aside)


def place(dataset: PlacedDataset, file: Path, tree: Path) -> None:
    """Put a read-only copy of a dataset's file, or its unpacked content.

    Where the reference expects it.

    A copy, not a link: whatever a run does to it, the cached one stays what its digest says.

    Raises:
        FetchError: it is an archive with members that are refused.
        RunError: the reference has a file of its own there, or a link that leads out of it.
    """
    target = tree / dataset.place
    if not target.parent.resolve().is_relative_to(tree.resolve()):
        raise RunError(f"dataset {dataset.name}: {dataset.place} leads out of the reference")
    if target.exists() or target.is_symlink():
        raise RunError(f"dataset {dataset.name}: the reference already has {dataset.place}")
    target.parent.mkdir(parents=True, exist_ok=True)
    if dataset.unpack:
        unpack(file, dataset.unpack, target)
        return
    shutil.copyfile(file, target)
    target.chmod(0o444)
