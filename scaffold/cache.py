"""The cache shared by all projects: repositories, datasets by digest, environments by lock. Safe to delete."""

from pathlib import Path

from platformdirs import user_cache_path

from scaffold.errors import MachineError


def cache_dir(name: str) -> Path:
    """A room of the cache, made if needed.

    Raises:
        MachineError: it cannot be made.
    """
    folder = user_cache_path("mlloop-new") / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(f"cannot make the cache {folder}: {error.strerror}", hint="set XDG_CACHE_HOME") from error
    return folder
