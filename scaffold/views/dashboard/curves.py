"""Draw a metric over the steps, in each way that one may want to see it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scaffold.views.dashboard.canvas import (
    LARGEST,
    RIGHT,
    WIDE,
    Scale,
    add,
    add_axis,
    add_text,
    finished,
    picture_of,
    quantile,
    scale_of,
    ticks_of,
)
from scaffold.views.dashboard.facts import Curves, Series

_MOST_POINTS = 250
"""Of a line: more are no dot apart at this width. Of each stretch the lowest and highest stay."""

_MOST_LINES = 20
"""Runs of a state that are drawn one by one; of more, the middle and the band of 90 %."""

_SMOOTH_FROM = 20
"""Points of a line from which on smoothing is offered."""

_MEMORY = 0.8
"""Of the exponential mean: the weight of what came before; debiased, so that it starts at the
first value (Kingma and Ba, Adam, 2015, section 3)."""


@dataclass(frozen=True, slots=True)
class View:
    """One way to see a metric, with its picture."""

    name: str
    picture: str


def draw_views(curves: Curves) -> list[View]:
    """Return the metric as it was printed; by logarithm where it is positive; and smoothed."""
    lines = [series for runs in curves.by_state.values() for _, series in runs]
    values = [value for series in lines for _, value in series if abs(value) < LARGEST]
    ways = [("as printed", False, False)]
    if any(len(series) >= _SMOOTH_FROM for series in lines):
        ways.append(("smoothed", False, True))
    if values and min(values) > 0 and max(values) > 2 * min(values):
        ways += [(f"log, {name}", True, is_smooth) for name, _, is_smooth in tuple(ways)]
    return [
        View(name, _draw(curves, is_log=is_log, is_smooth=is_smooth))
        for name, is_log, is_smooth in ways
    ]


def _draw(curves: Curves, *, is_log: bool, is_smooth: bool) -> str:
    """Draw each run, or of many the middle and the band of 90 %; raw lines stay, paler."""
    by_state = [
        [_logarithms(series) if is_log else series for _, series in runs]
        for runs in curves.by_state.values()
    ]
    lines = [series for runs in by_state for series in runs]
    across = scale_of([float(step) for series in lines for step, _ in series], 56, WIDE - RIGHT)
    up = scale_of([value for series in lines for _, value in series], 200, 10)
    picture = picture_of(236, WIDE)
    for place, text in _log_ticks(up) if is_log else [(t, f"{t:.4g}") for t in ticks_of(up)]:
        y = up.at(place)
        add(picture, "line", "grid", x1=across.start, y1=y, x2=across.end, y2=y)
        add_text(picture, across.start - 6, y + 4, text, "end")
    for index, runs in enumerate(by_state):
        color, drawn = f"s{index % 5 + 1}", runs
        if len(drawn) > _MOST_LINES:
            low, middle, high = _band(drawn)
            outline = [*_thinned(low), *reversed(_thinned(high))]
            add(picture, "path", f"area {color}", d=_path(outline, across, up) + "z")
            drawn = [middle]
        for series in drawn:
            style = f"curve raw {color}" if is_smooth else f"curve {color}"
            add(picture, "path", style, d=_path(_thinned(series), across, up))
            if is_smooth:
                smooth = _thinned(smoothed(series))
                add(picture, "path", f"curve {color}", d=_path(smooth, across, up))
    add_axis(picture, across, 204)
    return finished(picture)


def _logarithms(series: Series) -> Series:
    return tuple((step, math.log10(value)) for step, value in series if 0 < value < LARGEST)


def _log_ticks(up: Scale) -> list[tuple[float, str]]:
    """Return powers of ten, with 2 and 5 between them where few would be left."""
    powers = range(math.floor(up.low), math.ceil(up.high) + 1)
    for factors in ((1,), (1, 2, 5)):
        ticks = [
            (power + math.log10(factor), f"{factor * 10.0**power:.4g}")
            for power in powers
            for factor in factors
            if up.low <= power + math.log10(factor) <= up.high
        ]
        if len(ticks) > 2:
            return ticks
    return ticks or [(place, f"{10**place:.3g}") for place in ticks_of(up)]


def smoothed(series: Series) -> Series:
    """Return the debiased exponential mean of a line; what is not a number is left out."""
    points: list[tuple[int, float]] = []
    total = weight = 0.0
    for step, value in series:
        if abs(value) < LARGEST:
            total = _MEMORY * total + (1 - _MEMORY) * value
            weight = _MEMORY * weight + (1 - _MEMORY)
            points.append((step, total / weight))
    return tuple(points)


def _band(lines: Sequence[Series]) -> tuple[Series, Series, Series]:
    """Return the 5, 50 and 95 % of several runs at each step that any of them has."""
    at: dict[int, list[float]] = {}
    for series in lines:
        for step, value in dict(series).items():  # of a step that is there twice the last
            if abs(value) < LARGEST:
                at.setdefault(step, []).append(value)
    ordered = {step: sorted(values) for step, values in sorted(at.items())}
    low, middle, high = (
        tuple((step, quantile(values, share)) for step, values in ordered.items())
        for share in (0.05, 0.5, 0.95)
    )
    return low, middle, high


def _thinned(series: Series) -> Series:
    """Return a line with few points; the lowest and highest of each stretch stay."""
    finite = [point for point in series if abs(point[1]) < LARGEST]
    size = math.ceil(2 * len(finite) / _MOST_POINTS)
    if size <= 2:
        return tuple(finite)
    thinned: list[tuple[int, float]] = []
    for start in range(0, len(finite), size):
        stretch = finite[start : start + size]
        ends = {min(stretch, key=lambda p: p[1]), max(stretch, key=lambda p: p[1])}
        thinned += sorted(ends)
    return tuple(thinned)


def _path(points: Sequence[tuple[int, float]], across: Scale, up: Scale) -> str:
    places = (f"{across.at(step):.1f} {up.at(value):.1f}" for step, value in points)
    return "M" + "L".join(places)
