"""What is kept with the person, outside of any project: approvals, and the key that their own runs are signed with."""

import contextlib
import hashlib
import hmac
import os
from pathlib import Path

from platformdirs import user_state_path

from scaffold.errors import MachineError
from scaffold.project import write_text


def state_dir() -> Path:
    """Where it is kept; need not exist."""
    return user_state_path("mlloop-new")


def sign(text: str) -> str:
    """What only this person can say of a text: records of runs that came with somebody's project are none of theirs.

    Where the key cannot be kept it lasts as long as this process.
    """
    return hmac.new(_key(), text.encode(), hashlib.sha256).hexdigest()


_passing_key: list[bytes] = []


def _key() -> bytes:
    path = state_dir() / "key"
    with contextlib.suppress(OSError, ValueError):
        return bytes.fromhex(path.read_text())
    if not _passing_key:
        _passing_key.append(os.urandom(32))
        with contextlib.suppress(MachineError):
            write_text(path, _passing_key[0].hex())
            path.chmod(0o600)
    return _passing_key[0]
