"""Build an environment from its lock, once, in the cache."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from scaffold.cache import cache_dir, exclusive
from scaffold.environments.resolve import Fetching
from scaffold.environments.uv import (
    build_options,
    index_options,
    run_uv,
    torch_options,
)
from scaffold.errors import FetchError


def build(
    lock_text: str,
    version: str,
    lock: str,
    may_build: Sequence[str],
    fetching: Fetching,
) -> Path:
    """Return the interpreter of a lock's environment, building it if it is not in the cache."""
    folder = cache_dir("environments") / f"{lock[:24]}-{version}"
    python, marker = folder / "bin" / "python", folder / "complete"
    if marker.exists() and python.exists():
        return python
    with exclusive(folder):
        if not (marker.exists() and python.exists()):
            _announce_download(lock_text, version, may_build, fetching)
            try:
                _fill(folder, version, lock_text, may_build, fetching)
                marker.touch()
            finally:
                if not marker.exists():
                    shutil.rmtree(folder, ignore_errors=True)
    return python


def _announce_download(
    lock_text: str,
    version: str,
    may_build: Sequence[str],
    fetching: Fetching,
) -> None:
    """Announce what the build downloads.

    Nothing where the index does not say: the build itself reports errors better.
    """
    from scaffold.environments.downloads import read_download

    options = ["--format", "pylock.toml", "--no-deps", "--no-header", "--python-version", version]
    options += [
        *build_options(may_build),
        *index_options(constrained=False),
        *torch_options(lock_text),
    ]
    try:
        download = read_download(
            run_uv(["pip", "compile", "-", *options], fetching.offline, stdin=lock_text)
        )
    except FetchError:
        return
    fetching.announce(download.describe(version))
    if fetching.device == "cpu" and download.cuda:
        fetching.announce(
            f"{len(download.cuda)} of them are for GPUs, which this recipe does not use. Smaller is"
            " a CPU build: pip config set global.extra-index-url"
            " https://download.pytorch.org/whl/cpu, then delete environment.lock"
        )


def _fill(
    folder: Path, version: str, lock_text: str, may_build: Sequence[str], fetching: Fetching
) -> None:
    from scaffold.environments.downloads import DownloadProgress

    python = folder / "bin" / "python"
    shutil.rmtree(folder, ignore_errors=True)  # begun by a scaffold that was killed
    run_uv(["venv", "--quiet", "--python", version, str(folder)], fetching.offline)
    requirements = folder / "environment.lock"
    requirements.write_text(lock_text)
    hashes = ["--require-hashes"] if "--hash=" in lock_text else []
    run_uv(
        [
            "pip",
            "install",
            "--no-deps",
            "--python",
            str(python),
            *hashes,
            *build_options(may_build),
            *index_options(constrained=not hashes),
            *torch_options(lock_text),
            "-r",
            str(requirements),
        ],
        fetching.offline,
        on_line=DownloadProgress(fetching.announce).read,
    )
    _compile_bytecode(folder, python)


def _compile_bytecode(folder: Path, python: Path) -> None:
    """Compile the environment once with the interpreter it was made from; no run may write to it.

    Not by the environment's own: that would run what its packages bring for every start (.pth
    files), unconfined.
    """
    command = [
        str(python.resolve()),
        "-I",
        "-S",
        "-m",
        "compileall",
        "-q",
        "-j",
        "0",
        str(folder / "lib"),
    ]
    # What does not compile is told when it runs.
    subprocess.run(command, capture_output=True, check=False, cwd=folder)
