"""Files by their digest in the cache, and how they come over the web."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from scaffold.cache import cache_dir, exclusive
from scaffold.errors import FetchError, MachineError
from scaffold.machine import require_free
from scaffold.project.digests import file_digest
from scaffold.project.files import write_text

_CHUNK_BYTES = 1 << 20
_LOOK_EVERY_BYTES = 64 << 20


def cached_by_digest(name: str, sha256: str, write: Callable[[Path], None]) -> Path:
    """Return the cached file with a digest; one that is not there is written by a function first.

    Args:
        name: of what it is, for messages.
        sha256: of its bytes.
        write: writes it into a file; one that broke off may be there, and is given again.

    Raises:
        FetchError: what was written has another digest. Nothing of it is kept.
        MachineError: the disk is full.
    """
    cached = cache_dir("data") / sha256
    if _is_whole(cached):
        return cached
    require_free(cached.parent)
    part = cached.with_name(f"{sha256}.part")
    with exclusive(cached):
        if _is_whole(cached):
            return cached
        try:
            was_begun = part.exists()
            write(part)
            if was_begun and file_digest(part) != sha256:  # begun as another file
                part.unlink()
                write(part)
            digest = file_digest(part)
            if digest != sha256:
                part.unlink()
                raise FetchError(
                    f"{name} has sha256 {digest}, but the recipe pins {sha256}",
                    hint=(
                        "the file changed where it is published, or the pin is wrong; nothing was"
                        " placed"
                    ),
                )
            part.chmod(0o444)
            part.replace(cached)
            _vouch(cached)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise MachineError(f"cannot store {name}: {error.strerror or error}") from error
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
    if file_digest(cached) != cached.name:
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


def download(
    name: str, url: str, aside: Path, on_bytes: Callable[[int, int | None], None] | None = None
) -> None:
    """Write what a URL gives into a file; a download that broke off goes on where it did.

    Args:
        name: of what it is, for messages.
        url: https, or http on this machine.
        aside: the file. What is in it is the beginning; it stays if the server can go on from it.
        on_bytes: is told the bytes that are here, and how many there will be if known.

    Raises:
        FetchError: it cannot be had, or not whole, or leads elsewhere without https.
        MachineError: the disk is full.
    """
    import http.client
    import urllib.error  # 20 ms with the servers' protocol below it: only when something is fetched

    begun = aside.stat().st_size if aside.exists() else 0
    opener = safe_opener()
    opener.addheaders += [("Range", f"bytes={begun}-")] if begun else []
    try:
        with opener.open(url, timeout=60) as answer:
            received, total = _receive(answer, aside, begun, on_bytes)
        if total is not None and received < total:
            raise FetchError(f"{name}: {url} ended after {received} of {total} bytes")
    except urllib.error.HTTPError as error:
        if error.code == _NOTHING_LEFT and begun:
            aside.unlink()  # it is longer than what is there now
            return download(name, url, aside, on_bytes)
        raise FetchError(f"{name}: {url}: {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise FetchError(f"{name}: {url}: {error.reason}") from error
    except (http.client.HTTPException, ValueError, TimeoutError, ConnectionError) as error:
        raise FetchError(f"{name}: {url}: {type(error).__name__}: {error}") from error


_CONTINUED, _NOTHING_LEFT = 206, 416
"""Statuses of an answer to a request for a range (RFC 9110)."""


def _receive(
    answer: Any, aside: Path, begun: int, on_bytes: Callable[[int, int | None], None] | None
) -> tuple[int, int | None]:
    """Write an answer into a file, or behind its beginning; return bytes here, and of the whole.

    What breaks off is kept if the server can go on from it.
    """
    is_continued = answer.status == _CONTINUED
    goes_on = is_continued or answer.headers.get("Accept-Ranges") == "bytes"
    is_whole = False
    try:
        length = answer.headers.get("Content-Length")
        received = begun if is_continued else 0
        total = received + int(length) if length else None
        with aside.open("ab" if is_continued else "wb") as file:
            while chunk := answer.read(_CHUNK_BYTES):
                file.write(chunk)
                received += len(chunk)
                if on_bytes is not None:
                    on_bytes(received, total)
                if received % _LOOK_EVERY_BYTES < _CHUNK_BYTES:
                    require_free(aside.parent)  # an answer may have no end
        is_whole = total is None or received >= total
        return received, total
    finally:
        if not is_whole and not goes_on:
            aside.unlink(missing_ok=True)


def safe_opener() -> Any:
    """Return an opener that follows a redirect only to https, within this machine also to http."""
    import urllib.parse
    import urllib.request

    class SameSafety(urllib.request.HTTPRedirectHandler):
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

    return urllib.request.build_opener(SameSafety)
