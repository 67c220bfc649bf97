"""Keep what belongs to the user, outside any project.

Approvals, locks, origins, the signing key.
"""

import contextlib
import functools
import hashlib
import hmac
import os
import re
from enum import Enum
from pathlib import Path

from platformdirs import user_state_path

_KEY_BYTES = 32


def state_dir() -> Path:
    """Return the folder for it; it need not exist."""
    return user_state_path("mlloop-new")


def sign(text: str) -> str:
    """Sign a text with the user's key, so that records from elsewhere are recognized.

    Where the key cannot be kept it lasts as long as this process.
    """
    return hmac.new(_key(), text.encode(), hashlib.sha256).hexdigest()


def remember_lock(text: str) -> None:
    """Remember that a lock was resolved here, from what its recipe asks for."""
    with contextlib.suppress(OSError):  # a home that cannot be written: asked next time
        place = _lock(text)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()


def made_lock(text: str) -> bool:
    """Return whether the lock was resolved here: one that came along may install anything."""
    return _lock(text).exists()


class Origin(str, Enum):
    """Who made evidence, as far as this user can know."""

    HERE = "here"
    CHECKED = "by others, agrees with a run made here"
    OTHERS = "by others, not checked here"


def remember_origin(checksum: str, origin: Origin) -> None:
    """Remember evidence by its signature: judged here, or confirmed by a run made here."""
    with contextlib.suppress(OSError):  # a home that cannot be written: it counts as that of others
        place = state_dir() / "evidence" / checksum
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(origin.name)


def origin_of(checksum: str) -> Origin:
    """Return who made evidence with this checksum.

    Nobody can bring along what is remembered here.
    """
    if not re.fullmatch("[0-9a-f]{64}", checksum):
        return Origin.OTHERS
    try:
        return Origin[(state_dir() / "evidence" / checksum).read_text()]
    except (OSError, KeyError, ValueError):
        return Origin.OTHERS


def _lock(text: str) -> Path:
    return state_dir() / "locks" / hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def _passing_key() -> bytes:
    return os.urandom(_KEY_BYTES)


def _key() -> bytes:
    path = state_dir() / "key"
    for _ in range(3):
        try:
            text = path.read_text(errors="replace")
            if re.fullmatch(f"[0-9a-f]{{{2 * _KEY_BYTES}}}", text):
                return bytes.fromhex(text)
            path.unlink()  # cut short; runs signed with it are made again
        except FileNotFoundError:
            pass
        except OSError:
            break
        with contextlib.suppress(OSError):  # another process was faster, or it cannot be kept
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(os.urandom(_KEY_BYTES).hex())
    return _passing_key()
