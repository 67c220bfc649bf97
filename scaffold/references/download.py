"""Files by their digest in the cache, and how they come over the web."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scaffold.cache import cache_dir
from scaffold.errors import FetchError, MachineError
from scaffold.machine import require_free
from scaffold.project.files import write_text

_CHUNK_BYTES = 1 << 20
_LOOK_EVERY_BYTES = 64 << 20


def cached_by_digest(name: str, sha256: str, write: Callable[[Path], None]) -> Path:
    """Return the cached file with a digest; one that is not there is written by a function first.

    Args:
        name: of what it is, for messages.
        sha256: of its bytes.
        write: writes it into a file.

    Raises:
        FetchError: what was written has another digest. Nothing of it is kept.
        MachineError: the disk is full.
    """
    cached = cache_dir("data") / sha256
    if _is_whole(cached):
        return cached
    require_free(cached.parent)
    handle, path = tempfile.mkstemp(dir=cached.parent, prefix=".fetch-")
    os.close(handle)
    aside = Path(path)
    try:
        write(aside)
        digest = _sha256(aside)
        if digest != sha256:
            raise FetchError(
                f"{name} has sha256 {digest}, but the recipe pins {sha256}",
                hint=(
                    "the file changed where it is published, or the pin is wrong; nothing was"
                    " placed"
                ),
            )
        aside.chmod(0o444)
        aside.replace(cached)
        _vouch(cached)
    except OSError as error:
        raise MachineError(f"cannot store {name}: {error.strerror or error}") from error
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


def download(
    name: str, url: str, aside: Path, on_bytes: Callable[[int, int | None], None] | None = None
) -> None:
    """Write what a URL gives into a file.

    Args:
        name: of what it is, for messages.
        url: https, or http on this machine.
        aside: the file.
        on_bytes: is told the bytes that are here, and how many there will be if known.

    Raises:
        FetchError: it cannot be had, or not whole, or leads elsewhere without https.
        MachineError: the disk is full.
    """
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
        with opener.open(url, timeout=60) as answer, aside.open("wb") as file:
            length = answer.headers.get("Content-Length")
            total, received = int(length) if length else None, 0
            while chunk := answer.read(_CHUNK_BYTES):
                file.write(chunk)
                received += len(chunk)
                if on_bytes is not None:
                    on_bytes(received, total)
                if received % _LOOK_EVERY_BYTES < _CHUNK_BYTES:
                    require_free(aside.parent)  # an answer may have no end
            if total is not None and received < total:
                raise FetchError(f"{name}: {url} ended after {received} of {total} bytes")
    except urllib.error.URLError as error:
        reason = (
            f"{error.code} {error.reason}"
            if isinstance(error, urllib.error.HTTPError)
            else error.reason
        )
        raise FetchError(f"{name}: {url}: {reason}") from error
    except (http.client.HTTPException, ValueError, TimeoutError, ConnectionError) as error:
        raise FetchError(f"{name}: {url}: {type(error).__name__}: {error}") from error
