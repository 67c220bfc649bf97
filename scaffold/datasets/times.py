"""Read a column of times: numbers, or dates in one of the usual ways to write them."""

import math
from collections.abc import Hashable, Sequence
from datetime import datetime, time, timezone

_MOST_PROBLEMS = 5

_DATES = ("%d.%m.%Y", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y")
"""Ways to write a day besides ISO 8601; a time of day may follow."""


def read_times(values: Sequence[Hashable]) -> tuple[list[float], list[tuple[int, str]]]:
    """Return what a column says as numbers to order by, or the places and reasons of what is none.

    One way to write times holds for the whole column: 03/04/2026 alone does not say its month, and
    13/04/2026 elsewhere in the column does.
    """
    texts = list(map(str, values))
    readings = []
    for read in (_number, _iso):
        reading = list(map(read, texts))
        if None not in reading:
            return [one for one in reading if one is not None], []
        readings.append(reading)
    dated = [[_dated(text, form) for text in texts] for form in _DATES]
    whole = [[one for one in reading if one is not None] for reading in dated]
    whole = [reading for reading in whole if len(reading) == len(texts)]
    if whole and all(reading == whole[0] for reading in whole):
        return whole[0], []
    if whole:
        place = next(
            place for place, ways in enumerate(zip(*whole, strict=True)) if len(set(ways)) > 1
        )
        reason = f"{texts[place]!r} may begin with the day or with the month: write 2026-01-31"
        return [], [(place, reason)]
    best = min([*readings, *dated], key=lambda reading: reading.count(None))
    places = [place for place, one in enumerate(best) if one is None]
    reason = "is not a number or a time like 2026-01-31"
    return [], [(place, f"{texts[place]!r} {reason}") for place in places[:_MOST_PROBLEMS]]


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _iso(text: str) -> float | None:
    try:
        return _seconds(datetime.fromisoformat(text.strip().replace("Z", "+00:00")))
    except (ValueError, OverflowError):
        return None


def _dated(text: str, form: str) -> float | None:
    day, _, clock = text.strip().partition(" ")
    try:
        clock = clock.strip()
        padded = f"0{clock}" if clock[1:2] == ":" else clock
        at = time.fromisoformat(padded) if clock else time()
        return _seconds(datetime.combine(datetime.strptime(day, form), at))
    except (ValueError, OverflowError):
        return None


def _seconds(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
