"""Where runs may be made: `engines.yaml` in the user's own configuration, and never a project."""

import difflib
from pathlib import Path

from platformdirs import user_config_path

from scaffold.errors import BrokenFileError, UsageError
from scaffold.project.project import load_yaml
from scaffold.records.engine import (
    Engines,
    EngineTarget,
    LocalTarget,
    RayTarget,
    SlurmTarget,
)


def engines_file() -> Path:
    """Return where it lies; it need not be there."""
    return user_config_path("mlloop-new") / "engines.yaml"


def find_target(name: str | None) -> EngineTarget:
    """Return a target by its name, or the user's default one.

    `local`, `slurm` and `ray` need no entry.

    Raises:
        UsageError: there is none of this name.
        BrokenFileError: the file has problems.
    """
    path = engines_file()
    engines = _read(path)
    targets = _targets(engines)
    chosen = name or engines.default or "local"
    if chosen not in targets:
        close = difflib.get_close_matches(chosen, targets, n=1)
        raise UsageError(
            f"there is no engine {chosen!r}" + (f"; did you mean {close[0]}?" if close else ""),
            hint=f"there are {', '.join(targets)}; name others in {path}",
        )
    return targets[chosen]


def known_targets() -> dict[str, EngineTarget]:
    """Return all targets by name.

    Raises:
        BrokenFileError: the file has problems.
    """
    return _targets(_read(engines_file()))


def _targets(engines: Engines) -> dict[str, EngineTarget]:
    return {
        "local": LocalTarget(),
        "slurm": SlurmTarget(),
        "ray": RayTarget(),
        **engines.engines,
    }


def _read(path: Path) -> Engines:
    if not path.exists():
        return Engines(engines={})
    try:
        return load_yaml(Engines, path)
    except BrokenFileError as error:
        error.hint = f"correct {path}; `scaffold docs engines` shows one"
        raise
