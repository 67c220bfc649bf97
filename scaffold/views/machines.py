"""Format what machines do to metrics, beside what seeds do."""

from dataclasses import asdict
from typing import Any

from scaffold.authoring.merge import MergedCalibration
from scaffold.rules.reproduction.machines import Between
from scaffold.views.tables import labelled, number, plain, table, wrap


def merged_answer(merged: MergedCalibration) -> dict[str, Any]:
    """Return what `--json` prints of merged calibrations."""
    return {
        "path": str(merged.path),
        "runs": len(merged.calibration.runs),
        "spreads": [
            {
                "metric": spread.metric,
                "within": {
                    name: {"n": stats.n, "mean": stats.mean, "sd": stats.sd}
                    for name, stats in spread.within.items()
                },
                "between": [
                    {**asdict(one), "interval": list(one.interval) if one.interval else None}
                    for one in spread.between
                ],
            }
            for spread in merged.spreads
        ],
    }


def format_merged(merged: MergedCalibration, width: int) -> str:
    """Format merged calibrations: each metric on each machine, and how far the machines differ."""
    lines = [f"  {len(merged.calibration.runs)} seeds recorded in {merged.path}", ""]
    rows = [
        (plain(spread.metric), plain(hardware), str(stats.n), number(stats.mean), number(stats.sd))
        for spread in merged.spreads
        for hardware, stats in spread.within.items()
    ]
    if not rows:
        return "\n".join([*lines, *wrap("all runs are of one machine", width)])
    heads = ("metric", "machine", "runs", "mean", "sd over seeds")
    lines += [*table(heads, rows, width, lambda _, text: text), ""]
    for spread in merged.spreads:
        first = next(iter(spread.within))
        for one in spread.between:
            text = plain(f"{one.hardware} {_difference(one)} {first}")
            lines += labelled(plain(spread.metric), text, width)
    return "\n".join(lines)


def _difference(one: Between) -> str:
    if one.is_identical:
        return f"gives the same to the last digit on {one.seeds} seeds as"
    by = f"by {one.seeds} pairs" if one.seeds > 1 else "of different seeds"
    if one.interval is None:
        return f"does not count: too few runs tell whether it differs ({one.value:+.3g}) from"
    low, high = one.interval
    shown = "DIFFERS, and does not count," if one.is_shown else "is not shown to differ"
    return f"{shown} ({one.value:+.3g}, {low:+.3g} to {high:+.3g}, {by}) from"
