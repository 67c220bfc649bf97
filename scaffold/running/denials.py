"""Read what a run's Python programs reported: seeding calls, and what the sandbox denied.

The shim writes it down from inside the run, so that it is not to be trusted: read with care, and
never a guard. The sandbox denies whether or not anybody watches.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaffold.errors import RunError
from scaffold.records.evidence import Seeding
from scaffold.running.outputs import read_output

_MOST_REPORTS, _MOST_BYTES, _MOST_ENTRIES, _MOST_CHARACTERS = 1000, 1 << 20, 50, 200
_MOST_ACCELERATOR_BYTES = 1 << 50


@dataclass(frozen=True, slots=True)
class Attempt:
    """One thing that the sandbox denies.

    Attributes:
        kind: `read`, `write` or `network`.
        target: a path, or an address.
    """

    kind: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Seeding, variables that were asked for and not there, attempts that the sandbox denies.

    `accelerator_bytes` is the most memory of GPUs that one process has held; None where none has.
    """

    seeding: Seeding
    missing_variables: tuple[str, ...]
    attempts: tuple[Attempt, ...]
    accelerator_bytes: int | None


def read_reports(folder: Path) -> Seen:
    """Return what all processes of a run reported; unreadable reports are ignored."""
    calls: dict[str, list[str]] = {}
    missed: list[str] = []
    streams: list[str] = []
    missing: list[str] = []
    attempts: dict[str, list[str]] = {}
    accelerator_bytes = 0
    for path in sorted(folder.glob("*.json"))[:_MOST_REPORTS]:
        try:
            report = json.loads(read_output(path, _MOST_BYTES))
        except (RunError, ValueError, RecursionError):
            continue
        if not isinstance(report, dict):
            continue
        _add_all(calls, report.get("calls"))
        _add(missed, report.get("missed"))
        _add(streams, report.get("streams"))
        _add(missing, report.get("variables"))
        _add_all(attempts, report.get("attempts"))
        held = report.get("accelerator_bytes")
        if isinstance(held, int) and held < _MOST_ACCELERATOR_BYTES:
            accelerator_bytes = max(accelerator_bytes, held)
    return Seen(
        seeding=Seeding(
            calls={
                library: tuple(seeding_calls)
                for library, seeding_calls in list(calls.items())[:_MOST_ENTRIES]
                if seeding_calls
            },
            missed=tuple(missed),
            streams=tuple(streams),
        ),
        missing_variables=tuple(missing),
        attempts=tuple(
            Attempt(kind, target) for kind, targets in attempts.items() for target in targets
        ),
        accelerator_bytes=accelerator_bytes or None,
    )


def _add_all(collected: dict[str, list[str]], entries: Any) -> None:
    for name, texts in entries.items() if isinstance(entries, dict) else ():
        if len(collected) < _MOST_ENTRIES:
            _add(collected.setdefault(_plain(name), []), texts)


def _add(collected: list[str], entries: Any) -> None:
    for entry in entries[:_MOST_ENTRIES] if isinstance(entries, list) else ():
        if (
            len(collected) < _MOST_ENTRIES
            and isinstance(entry, str)
            and _plain(entry) not in collected
        ):
            collected.append(_plain(entry))


def _plain(text: str) -> str:
    return text[:_MOST_CHARACTERS].encode("unicode_escape").decode()[:_MOST_CHARACTERS]
