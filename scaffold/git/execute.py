"""Run git without an untrusted configuration. The only module that imports GitPython."""

import atexit
import functools
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from scaffold.errors import MachineError

_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "LC_ALL": "C",
    "GIT_OPTIONAL_LOCKS": "0",
    # No object is fetched on the way to another: what is missing in the cache is asked for by
    # `fetch` alone.
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",  # no object stands for another
}


_ALLOWED_SETTINGS = re.compile(
    r"url\..+\.insteadof|(credential|http|user|author|committer)\..+|safe\.directory|core\.(sshcommand|excludesfile|autocrlf|eol)|ssh\.variant",
    re.IGNORECASE | re.DOTALL,
)
"""Of the user's and the system's configuration: who they are, how to reach a server, where it is
mirrored, what they ignore, and their line ends. Filters, aliases, editors, diff and merge programs
are not needed, so they cannot be called."""


def git_version() -> str:
    """Return git's version; raise MachineError if it is not installed."""
    return str(_execute(Path.cwd(), ["--version"], env=_ENVIRONMENT)).removeprefix("git version ")


class GitError(Exception):
    """Git said no; the text is its own reason, without the command line and without credentials."""


def run_git(
    folder: Path,
    command: Iterable[str],
    place: Mapping[str, str],
    *,
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> Any:
    """Run git through GitPython's runner; `place` says which repository it works in.

    Raises:
        GitError: git says no.
        MachineError: there is no git.
    """
    variables = {
        **_ENVIRONMENT,
        **_user_settings(folder, tuple(place.items())),
        **place,
        **(env or {}),
    }
    return _execute(folder, command, env=variables, **options)


def _execute(
    folder: Path,
    command: Iterable[str],
    read_errors: Callable[[IO[bytes]], str] | None = None,
    **options: Any,
) -> Any:
    """Run git; `read_errors` reads what it writes while it goes on, and returns its complaints."""
    # A missing git is told below, when it is needed.
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    import git  # 30 ms: only when git is needed

    try:
        runner = git.Git(str(folder))
        if read_errors is None:
            return runner.execute(["git", *command], **options)
        process = runner.execute(["git", *command], as_process=True, **options)
        text = read_errors(process.stderr)
        process.wait(stderr=text)
        return ""
    except git.GitCommandNotFound as error:
        raise MachineError("git is not on PATH", hint="install git 2.38 or newer") from error
    except git.GitCommandError as error:
        text = str(error.stderr or error).replace("stderr:", "").strip().strip("'")
        lines = [
            re.sub(r"^(fatal|error|remote): ", "", line.strip())
            for line in text.splitlines()
            if line.strip()
        ]
        reason = re.sub(r"://[^/@\s]+@", "://", "; ".join(lines[:3]))
        raise GitError(reason or f"exit status {error.status}") from error


@functools.cache
def _user_settings(folder: Path, place: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """Return variables that replace the user's configuration files.

    They hold those of its settings that `_ALLOWED_SETTINGS` names.

    Asked in the folder, since includes may depend on it, and so may who commits there.
    """
    command = ["config", "--list", "--null", "--show-scope", "--includes"]
    words = str(_execute(folder, command, env={**_ENVIRONMENT, **dict(place)})).split("\0")
    settings = [
        (key, value)
        for scope, (key, _, value) in zip(
            words[::2], (word.partition("\n") for word in words[1::2]), strict=False
        )
        if scope in ("system", "global", "local", "command") and _ALLOWED_SETTINGS.fullmatch(key)
    ]
    trusted = tuple(value for key, value in settings if key.lower() == "safe.directory")
    variables = {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": _file_of_trusted(trusted),
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for index, (key, value) in enumerate(settings):
        variables |= {f"GIT_CONFIG_KEY_{index}": key, f"GIT_CONFIG_VALUE_{index}": value}
    return variables


def trusted_folders() -> tuple[str, ...]:
    """Return folders of other users that the user trusts, in the order of their configuration."""
    settings = _user_settings(Path("/"), (("GIT_CEILING_DIRECTORIES", "/"),))
    count = int(settings["GIT_CONFIG_COUNT"])
    pairs = (
        (settings[f"GIT_CONFIG_KEY_{at}"], settings[f"GIT_CONFIG_VALUE_{at}"])
        for at in range(count)
    )
    return tuple(value for key, value in pairs if key.lower() == "safe.directory")


@functools.cache
def _file_of_trusted(folders: tuple[str, ...]) -> str:
    """Return a configuration file with the folders that the user trusts.

    The program that serves a repository on this machine is started by git without the variables
    that say the same.
    """
    if not folders:
        return os.devnull
    place = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    file = Path(place) / "config"
    quoted = [folder.replace("\\", "\\\\").replace('"', '\\"') for folder in folders]
    file.write_text("[safe]\n" + "".join(f'\tdirectory = "{folder}"\n' for folder in quoted))
    return str(file)
