"""Call uv with pip's settings, out of reach of untrusted files."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from scaffold.cache import cache_dir
from scaffold.environments.pip_config import read_pip_settings, translate
from scaffold.environments.requirements import renamed_hint
from scaffold.errors import MachineError, PackagesError

TORCH = re.compile(r"^(torch|torchvision|torchaudio)==([^\s+]+)", re.MULTILINE)
"""Packages that have a CPU build of their own (https://pytorch.org/get-started/locally)."""


def torch_is_from_default_index(compiled: str) -> bool:
    """Return whether torch would come from PyPI, whose Linux build has CUDA.

    An index that the user configured is the user's choice.
    """
    return bool(TORCH.search(compiled)) and not _has_own_index()


def _has_own_index() -> bool:
    places = ("index-url", "extra-index-url", "find-links", "no-index")
    return any(name in read_pip_settings() for name in places)


CPU_TORCH = ("--torch-backend", "cpu")


def uv_version() -> str:
    """Return the version of uv; raise MachineError if it is not installed."""
    return run_uv(["--version"], True).strip().removeprefix("uv ")


def torch_options(lock_text: str) -> tuple[str, ...]:
    """Return where a lock with CPU builds of torch is installed from."""
    is_cpu_build = re.search(r"^torch==\S+\+cpu", lock_text, re.MULTILINE)
    return CPU_TORCH if is_cpu_build and not _has_own_index() else ()


def build_options(may_build: Sequence[str]) -> list[str]:
    """Return options that allow wheels only.

    A source package runs its own code when it is built, outside the sandbox.
    """
    if not may_build:
        return ["--no-build"]
    # uv takes --no-build and --no-binary for a contradiction; of these two the one with a name
    # wins.
    return [
        "--only-binary",
        ":all:",
        *(word for name in may_build for word in ("--no-binary", name)),
    ]


def index_options(*, constrained: bool = True) -> list[str]:
    """Return where pip is configured to look, and what it is constrained to.

    A lock with hashes was resolved under the constraints, and uv refuses constraints without hashes
    beside it.
    """
    configured = translate(read_pip_settings())
    return [*configured.options, *(configured.constraints if constrained else ())]


def run_uv(
    arguments: list[str],
    offline: bool,
    stdin: str | None = None,
    on_line: Callable[[str], None] = lambda _: None,
) -> str:
    """Run uv and return its output; call `on_line` with each line of its messages."""
    environment = {
        **os.environ,
        **translate(read_pip_settings()).environment,
        "NO_COLOR": "1",
        "PATH": _search_path(),
    }
    if offline:
        environment |= {"UV_OFFLINE": "1", "UV_PYTHON_DOWNLOADS": "never"}
    with tempfile.TemporaryFile("w+") as input_file, tempfile.TemporaryFile("w+") as printed:
        input_file.write(stdin or "")
        input_file.seek(0)
        messages = []
        # Not where an untrusted uv.toml, pyproject.toml or .venv would be obeyed.
        with subprocess.Popen(
            [_uv_program(), *arguments],
            stdin=input_file,
            stdout=printed,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=cache_dir("environments"),
        ) as process:
            for line in process.stderr or ():
                on_line(line)
                messages.append(line.rstrip())
        printed.seek(0)
        output = printed.read()
    if process.returncode != 0:
        reason = "\n  ".join("\n".join(messages).strip().splitlines()[-12:])
        verb = " ".join(arguments[:2])
        raise PackagesError(
            f"the environment could not be made (uv {verb}):\n  {reason}",
            hint=(
                f"{renamed_hint(reason)}change environment.packages or environment.as_of in"
                " recipe.yaml (of src/: in system.yaml); a package that there is only from source"
                " must be named in environment.build, since its build runs its own code"
            ),
        )
    return output


def _search_path() -> str:
    """Return PATH and pyenv's interpreters; its shims on PATH answer only for enabled versions."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders = sorted(str(folder) for folder in pyenv.glob("versions/*/bin"))
    return os.pathsep.join([os.environ.get("PATH", os.defpath), *folders])


def _uv_program() -> str:
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        program = shutil.which("uv")
        if program is None:
            raise MachineError("uv is not installed", hint="pip install uv") from None
        return program
