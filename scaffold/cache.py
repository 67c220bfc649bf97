"""The cache shared by all projects: repositories, datasets by digest, environments by lock.

Safe to delete.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from platformdirs import user_cache_path

from scaffold.errors import MachineError


def cache_dir(name: str) -> Path:
    """Return a folder of the cache, made if needed.

    Raises:
        MachineError: it cannot be made.
    """
    folder = user_cache_path("mlloop-new") / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(
            f"cannot make the cache {folder}: {error.strerror}", hint="set XDG_CACHE_HOME"
        ) from error
    return folder


@contextlib.contextmanager
def exclusive(entry: Path) -> Iterator[None]:
    """Let one process at a time make an entry of the cache; the others wait for it."""
    import fcntl

    with (cache_dir("locks") / f"{entry.name}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
