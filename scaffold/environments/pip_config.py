"""What pip is configured to use on this machine, as options for uv, which reads none of it.

Source: https://pip.pypa.io/en/stable/topics/configuration (files and precedence) and
https://docs.astral.sh/uv/pip/compatibility (what uv calls the same thing).
"""

import configparser
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class UvConfiguration:
    """Options for `uv pip compile` and `uv pip install`, constraints, and variables to set."""

    options: tuple[str, ...]
    constraints: tuple[str, ...]
    environment: Mapping[str, str]


def read_pip_settings(variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return pip's settings by long option name.

    Later sources win: global, user, environment's, PIP_* variables.
    """
    settings: dict[str, str] = {}
    for path in _files(variables):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except configparser.Error:
            continue  # pip itself refuses to start with it; nothing to translate
        for section in ("global", "install"):
            if parser.has_section(section):
                settings.update(
                    {key.replace("_", "-"): value for key, value in parser.items(section)}
                )
    for name, value in variables.items():
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE":
            settings[name[4:].lower().replace("_", "-")] = value
    return settings


def translate(settings: Mapping[str, str]) -> UvConfiguration:
    """Translate pip's settings into uv's options."""
    options: list[str] = []
    environment: dict[str, str] = {}
    if "index-url" in settings:
        options += ["--default-index", settings["index-url"]]
    extra = settings.get("extra-index-url", "").split()
    options += [word for url in extra for word in ("--index", url)]
    if extra:
        # pip takes the best version of all its indexes; uv by default only asks the first that has
        # the package.
        options += ["--index-strategy", "unsafe-best-match"]
    options += [
        word for place in settings.get("find-links", "").split() for word in ("--find-links", place)
    ]
    constraints = [
        word for path in settings.get("constraint", "").split() for word in ("--constraints", path)
    ]
    options += [
        word
        for host in settings.get("trusted-host", "").split()
        for word in ("--allow-insecure-host", host)
    ]
    if settings.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        options.append("--no-index")
    if "cert" in settings:
        environment["SSL_CERT_FILE"] = settings["cert"]
    if "timeout" in settings or "default-timeout" in settings:
        environment["UV_HTTP_TIMEOUT"] = settings.get(
            "timeout", settings.get("default-timeout", "")
        )
    return UvConfiguration(
        options=tuple(options), constraints=tuple(constraints), environment=environment
    )


def _files(variables: Mapping[str, str]) -> list[Path]:
    special = variables.get("PIP_CONFIG_FILE")
    if special == os.devnull:
        return []
    home = Path(variables.get("HOME", "~")).expanduser()
    config = Path(variables.get("XDG_CONFIG_HOME") or home / ".config")
    folders = [
        Path(folder) for folder in variables.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":") if folder
    ]
    files = [folder / "pip" / "pip.conf" for folder in folders] + [Path("/etc/pip.conf")]
    if sys.platform == "darwin":
        files += [
            Path("/Library/Application Support/pip/pip.conf"),
            home / "Library/Application Support/pip/pip.conf",
        ]
    files += [
        home / ".pip" / "pip.conf",
        config / "pip" / "pip.conf",
        Path(sys.prefix) / "pip.conf",
    ]
    return files + ([Path(special)] if special else [])
