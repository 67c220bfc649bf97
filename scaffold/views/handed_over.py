"""Format the runs that were handed to an engine."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from scaffold.running.handed_over import HandedOver
from scaffold.running.submissions import RunState
from scaffold.views.tables import Paint, plain, table

_COLORS = {RunState.ENDED: "green", RunState.GONE: "red"}
_OVER = (RunState.ENDED, RunState.GONE)
_MOST_ROWS = 20


def is_over(runs: Sequence[HandedOver]) -> bool:
    """Return whether none waits or runs."""
    return all(one.state in _OVER for one in runs)


def format_counts(runs: Sequence[HandedOver]) -> str:
    """Return how many there are of each state."""
    counts = Counter(one.state for one in runs)
    return ", ".join(f"{counts[state]} {state.value}" for state in RunState if counts[state])


def format_handed_over(runs: Sequence[HandedOver], width: int, paint: Paint) -> str:
    """Return a table of them, and what to type next."""
    if not runs:
        return "No runs are left to a cluster\n  Next       scaffold next"
    rows = [
        [
            plain(one.place.run.name),
            one.place.submission.target.kind,
            plain(one.place.task),
            one.place.submission.created,
            one.state.value,
        ]
        for one in runs[:_MOST_ROWS]
    ]
    lines = [
        f"{len(runs)} run{'s' * (len(runs) != 1)}: {format_counts(runs)}",
        *table(
            ("run", "engine", "job", "handed over", "state"),
            rows,
            width,
            lambda at, text: paint(text, _COLORS.get(runs[at].state, "bright_black")),
        ),
    ]
    if len(runs) > _MOST_ROWS:
        lines.append(f"  and {len(runs) - _MOST_ROWS} more: --json has all")
    if is_over(runs):
        lines.append(
            "  Next       the command that handed them over, which records them;"
            "\n             if it changed since: scaffold runs --cancel"
        )
    else:
        lines.append("  Next       scaffold runs --follow")
    return "\n".join(lines)


def handed_over_answer(runs: Sequence[HandedOver]) -> dict[str, Any]:
    """Return what `--json` prints."""
    return {
        "runs": [
            {
                "name": one.place.run.name,
                "seed": one.place.run.seed,
                "engine": one.place.submission.target.kind,
                "job": one.place.task,
                "created": one.place.submission.created,
                "folder": one.place.run.folder,
                "state": one.state.value,
            }
            for one in runs
        ]
    }
