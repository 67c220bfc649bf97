"""Describe a download before it starts (packages, megabytes, hosts) and report its progress."""

import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_CUDA = ("nvidia-", "cuda-", "triton")
"""How the names of packages begin that only a CUDA build of torch needs."""


_TEN_MB = 10**7


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """What is fetched, less what is in uv's cache already.

    Attributes:
        packages: how many.
        size: of all in bytes, where an index tells it.
        hosts: that they come from; `this machine` for files.
        cuda: names of packages that only a GPU needs.
    """

    packages: int
    size: int
    hosts: tuple[str, ...]
    cuda: tuple[str, ...]

    def describe(self, version: str) -> str:
        """Return one line for the user."""
        digits = 0 if self.size > _TEN_MB else 1
        size = f", up to {max(self.size / 1e6, 0.1):,.{digits}f} MB" if self.size else ""
        hosts = f" from {', '.join(self.hosts)}" if self.hosts else ""
        return f"environment: {self.packages} packages for Python {version}{size}{hosts}"


class DownloadProgress:
    """Follow a download by reading uv's lines.

    uv names only packages of a megabyte and more, each with its size.
    """

    def __init__(self, announce: Callable[[str], None]) -> None:
        self._announce = announce
        self._start = time.monotonic()
        self._sizes: dict[str, float] = {}
        self._here: set[str] = set()

    def read(self, line: str) -> None:
        """Read one line of uv's, and announce each complete package with the time left."""
        begun = re.match(r"\s*Downloading (\S+) \(([\d.]+)([KMG])iB\)", line)
        ended = re.match(r"\s*Downloaded (\S+)", line)
        if begun:
            self._sizes[begun[1]] = float(begun[2]) * _UNITS[begun[3]]
        elif ended and ended[1] in self._sizes:
            self._here.add(ended[1])
            received, total = (
                sum(self._sizes[name] for name in self._here),
                sum(self._sizes.values()),
            )
            left_s = (time.monotonic() - self._start) * (total - received) / received
            time_left = f", about {max(left_s, 1):.0f} s left" if received < total else ""
            self._announce(
                f"environment: {received / 1e6:,.0f} of {total / 1e6:,.0f} MB downloaded{time_left}"
            )


_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


def read_download(pylock: str) -> Download:
    """Read what `uv pip compile --format pylock.toml` resolved.

    Source: https://packaging.python.org/en/latest/specifications/pylock-toml
    """
    packages = tomllib.loads(pylock).get("packages", [])
    size, hosts = 0, []
    for package in packages:
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        if files:  # the first that fits is taken: a wheel where there is one
            size += files[0].get("size", 0)
            hosts.append(urlsplit(files[0].get("url", "")).hostname or "this machine")
    names = [package["name"] for package in packages]
    return Download(
        packages=len(packages),
        size=size,
        hosts=tuple(sorted(set(hosts))),
        cuda=tuple(name for name in names if name.startswith(_CUDA)),
    )
