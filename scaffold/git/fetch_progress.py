"""What git says of a fetch while it goes on, for whoever shows it."""

import re
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import IO

_LINE = re.compile(
    r"(?P<phase>Receiving objects|Resolving deltas|Updating files):\s+(?P<percent>\d+)%"
    r" \(\d+/\d+\)(?:, (?P<amount>[\d.]+ \w+(?: \| [\d.]+ \w+/s)?))?"
)
_NOISE = re.compile(r"(remote: )?[A-Z][a-z]+ing\b[\w ]*:\s")


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchProgress:
    """How far a fetch is.

    Attributes:
        url: where from.
        phase: in git's words.
        percent: of this phase.
        amount: bytes so far and their rate, in git's words; empty where it says none.
    """

    url: str
    phase: str
    percent: int
    amount: str


listener: ContextVar[Callable[[FetchProgress], None] | None] = ContextVar("listener", default=None)
"""Is told how far each fetch is. Without one git keeps quiet."""


def read_progress(url: str, stream: IO[bytes], listen: Callable[[FetchProgress], None]) -> str:
    """Tell what git writes of a fetch until it ends; return what else it wrote."""
    others: list[str] = []
    line = bytearray()
    while byte := stream.read(1):
        if byte not in b"\r\n":
            line += byte
            continue
        _read_line(url, line.decode(errors="replace"), listen, others)
        line.clear()
    _read_line(url, line.decode(errors="replace"), listen, others)
    return "\n".join(others)


def _read_line(
    url: str, line: str, listen: Callable[[FetchProgress], None], others: list[str]
) -> None:
    match = _LINE.search(line)
    if match:
        progress = FetchProgress(
            url=url,
            phase=match["phase"],
            percent=int(match["percent"]),
            amount=(match["amount"] or "").replace(" | ", ", "),
        )
        listen(progress)
    elif line.strip() and not _NOISE.match(line):
        others.append(line)
