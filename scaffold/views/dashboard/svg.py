"""Draw charts as SVG: no script, colors of the page's style."""

import math
from collections.abc import Sequence
from typing import Any
from xml.etree.ElementTree import Element

from scaffold.probes.sweep import Swept
from scaffold.rules.loop.gaps import Analysis, ErrorGap
from scaffold.rules.loop.sweep import Range
from scaffold.rules.loop.tally import TagShare
from scaffold.views.dashboard.canvas import (
    LARGEST,
    LEFT,
    RIGHT,
    WIDE,
    WIDTH,
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
from scaffold.views.dashboard.facts import ChangeFacts, ReproductionFacts


def draw_strip(reproduction: ReproductionFacts) -> str:
    """Draw the calibration runs with their band of 95 %, the own runs with theirs, the claim."""
    own = [point.value for point in reproduction.own if abs(point.value) < LARGEST]
    calibration = sorted(value for value in reproduction.calibration if abs(value) < LARGEST)
    claim = [] if reproduction.published is None else [reproduction.published]
    scale = scale_of(
        [*own, *calibration, *claim, *(reproduction.interval or ())], LEFT, WIDTH - RIGHT
    )
    picture = picture_of(130)
    if len(calibration) > 1:
        low, high = quantile(calibration, 0.025), quantile(calibration, 0.975)
        width = scale.at(high) - scale.at(low)
        add(picture, "rect", "band", x=scale.at(low), y=18, width=width, height=76)
    for x, level in _stacked([scale.at(value) for value in calibration]):
        add(picture, "circle", "calibration", cx=x, cy=64 - 7 * level, r=3)
    for value in own:
        x = scale.at(value)
        add(picture, "path", "own", d=f"M{x:.1f} 72l5 6l-5 6l-5 -6z")
    if reproduction.interval is not None:
        low, high = reproduction.interval
        add(picture, "path", "interval", d=f"M{scale.at(low):.1f} 90H{scale.at(high):.1f}")
    if claim:
        x = scale.at(claim[0])
        add(picture, "line", "claim", x1=x, y1=14, x2=x, y2=98)
        add_text(picture, min(max(x, 50), WIDTH - 50), 10, f"published {claim[0]:g}", "middle")
    add_axis(picture, scale, 98)
    return finished(picture)


def _stacked(places: Sequence[float]) -> list[tuple[float, int]]:
    """Return dots that would lie on each other in stacks: place and level."""
    levels: dict[int, int] = {}
    dots = []
    for place in places:
        cell = round(place / 7)
        level = levels.get(cell, 0)
        levels[cell] = level + 1
        dots.append((cell * 7.0, min(level, 6)))
    return dots


def draw_effects(changes: Sequence[ChangeFacts], width: float) -> str:
    """Draw the effect of each change with its interval over the margin that matters.

    All must be of one metric.
    """
    label, row = 0.28 * width, 26.0
    ends = [value for one in changes for value in _ends(one)]
    scale = scale_of([*ends, 0.0], label, width - RIGHT)
    picture = picture_of(row * len(changes) + 34, width)
    for index, change in enumerate(changes):
        y = 16 + row * index
        low, high = scale.at(-change.margin), scale.at(change.margin)
        low, high = max(low, label), min(high, scale.end)
        add(picture, "rect", "margin", x=low, y=y - 11, width=high - low, height=22)
        add_text(picture, 0, y + 4, _short(change.name, 14))
        finding = change.finding
        if finding is None or finding.effect is None:
            add_text(picture, label, y + 4, change.verdict)
            continue
        if finding.interval is not None:
            start, end = scale.at(finding.interval[0]), scale.at(finding.interval[1])
            add(picture, "path", "interval", d=f"M{start:.1f} {y:.1f}H{end:.1f}")
        style = "effect" if change.decision == "accepted" else "effect open"
        add(picture, "circle", style, cx=scale.at(finding.effect), cy=y, r=5)
    bottom = row * len(changes) + 8
    add(picture, "line", "axis", x1=scale.at(0), y1=2, x2=scale.at(0), y2=bottom)
    add_axis(picture, scale, bottom)
    return finished(picture)


def _ends(change: ChangeFacts) -> list[float]:
    finding = change.finding
    if finding is None or finding.effect is None:
        return []
    return [finding.effect, *(finding.interval or ()), -change.margin, change.margin]


def draw_shares(shares: Sequence[TagShare]) -> str:
    """Draw the share of the error that each tag has, with its interval."""
    label, row = 0.28 * WIDE, 24.0
    scale = Scale(0.0, 1.0, label, WIDE - 2 * RIGHT)
    picture = picture_of(row * len(shares) + 34, WIDE)
    for index, share in enumerate(shares):
        y = 16 + row * index
        add_text(picture, 0, y + 4, _short(share.tag, 22))
        start, end = map(scale.at, share.interval)
        add(picture, "path", "interval", d=f"M{start:.1f} {y:.1f}H{end:.1f}")
        add(picture, "circle", "effect", cx=scale.at(share.share), cy=y, r=5)
    bottom = row * len(shares) + 8
    add(picture, "line", "axis", x1=label, y1=bottom, x2=scale.end, y2=bottom)
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        add_text(picture, scale.at(tick), bottom + 16, f"{100 * tick:.0f} %", "middle")
    return finished(picture)


_PANEL = 150.0
"""Height of a panel of a sweep."""


def draw_sweep(swept: Swept) -> str:
    """Draw the metric of each trial over each hyperparameter, a panel each.

    The program as it is has a ring.
    """
    names = list(swept.sweep.ranges)
    picture = picture_of((_PANEL + 44) * len(names), WIDE)
    for index, name in enumerate(names):
        top = (_PANEL + 44) * index
        places, ticks = _places([trial.values[name] for trial in swept.ordered])
        across = Scale(0.0, 1.0, 64, WIDE - 2 * RIGHT)
        up = scale_of([trial.mean or 0.0 for trial in swept.ordered], top + _PANEL, top + 16)
        add_text(picture, 0, top + 10, _short(name, 60))
        for tick in ticks_of(up):
            add(picture, "line", "axis", x1=58, y1=up.at(tick), x2=64, y2=up.at(tick))
            add_text(picture, 54, up.at(tick) + 4, f"{tick:.4g}", "end")
        for trial, place in zip(swept.ordered, places, strict=True):
            style = "effect open" if trial.values == swept.present.values else "effect"
            add(picture, "circle", style, cx=across.at(place), cy=up.at(trial.mean or 0.0), r=4)
        bottom = top + _PANEL + 6
        add(picture, "line", "axis", x1=64, y1=bottom, x2=across.end, y2=bottom)
        for place, text in ticks:
            add_text(picture, across.at(place), bottom + 16, _short(text, 12), "middle")
    return finished(picture)


def _places(values: Sequence[Any]) -> tuple[list[float], list[tuple[float, str]]]:
    """Return where values lie, from 0 to 1, and up to three marks; by logarithm over a decade."""
    if any(isinstance(value, (bool, str)) for value in values):
        known = sorted(set(map(str, values)))
        at = {text: (index + 0.5) / len(known) for index, text in enumerate(known)}
        return [at[str(value)] for value in values], [(place, text) for text, place in at.items()]
    numbers = [float(value) for value in values]
    low, high = min(numbers, default=0.0), max(numbers, default=0.0)
    is_log = Range(low, high, is_whole=False).is_log
    line = [math.log(value) for value in numbers] if is_log else numbers
    scale = scale_of(line, 0.0, 1.0)
    marks = [low, math.sqrt(low * high) if is_log else (low + high) / 2, high]
    ticks = [(scale.at(math.log(mark) if is_log else mark), f"{mark:.3g}") for mark in marks]
    return [scale.at(value) for value in line], ticks


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def draw_waterfall(analysis: Analysis, *, of_classes: bool) -> str:
    """Draw the error from the bound to the test split: each gap where it opens, with its interval.

    Gaps that count are drawn in orange.
    """
    gaps = [(gap, _start(gap, analysis)) for gap in analysis.gaps if gap.name != "headroom"]
    validation = analysis.errors["validation"].error
    whole = {"validation": validation}
    for gap, start in gaps:
        if gap.low_split == "bound":
            whole = {"bound": start, **whole}
    ends = [0.0, *whole.values()]
    ends += [start + end for gap, start in gaps for end in (*gap.interval, gap.value)]
    row, scale = 24.0, scale_of(ends, 122.0, WIDTH - 46)
    picture = picture_of(row * (len(gaps) + len(whole)) + 30)
    y = 14.0
    for gap, start in gaps:
        if gap.low_split == "bound":
            _whole_bar(picture, y, ("bound", start), scale, of_classes=of_classes)
            y += row
        add_text(picture, 0, y + 4, gap.name)
        places = sorted((scale.at(start), scale.at(start + gap.value)))
        style, size = "gap counts" if gap.counts else "gap", max(places[1] - places[0], 1.5)
        add(picture, "rect", style, x=places[0], y=y - 8, width=size, height=16)
        low, high = (scale.at(start + end) for end in gap.interval)
        add(picture, "path", "interval", d=f"M{low:.1f} {y:.1f}H{high:.1f}")
        end = max(places[1], high)
        add_text(picture, end + 4, y + 4, _error_text(gap.value, of_classes=of_classes))
        y += row
    _whole_bar(picture, y, ("validation", validation), scale, of_classes=of_classes)
    factor = 100 if of_classes else 1
    add_axis(picture, scale, y + 16, lambda tick: f"{factor * tick:.4g}" + " %" * of_classes)
    return finished(picture)


def _whole_bar(
    picture: Element, y: float, named: tuple[str, float], scale: Scale, *, of_classes: bool
) -> None:
    name, error = named
    add_text(picture, 0, y + 4, name)
    size = scale.at(error) - scale.at(0)
    add(picture, "rect", "band", x=scale.at(0), y=y - 8, width=size, height=16)
    add_text(picture, scale.at(0) + 4, y + 4, _error_text(error, of_classes=of_classes))


def _error_text(error: float, *, of_classes: bool) -> str:
    return f"{100 * error:.1f} %" if of_classes else f"{error:.3g}"


def _start(gap: ErrorGap, analysis: Analysis) -> float:
    """Return the error at which a gap opens."""
    after = analysis.errors.get(gap.high_split)
    return after.error - gap.value if after is not None else 0.0


def draw_pairs(change: ChangeFacts) -> str:
    """Draw a line for each seed, from the run before to the run with the change."""
    values = [point.value for pair in change.pairs for point in (pair.before, pair.after)]
    scale = scale_of(values, 150, 14)
    picture = picture_of(178)
    start, end = 90.0, 250.0
    for tick in ticks_of(scale):
        add(picture, "line", "grid", x1=start, y1=scale.at(tick), x2=end, y2=scale.at(tick))
        add_text(picture, start - 8, scale.at(tick) + 4, f"{tick:.4g}", "end")
    better = -1 if change.finding is not None and (change.finding.effect or 0) < 0 else 1
    for pair in change.pairs:
        if not all(abs(one.value) < LARGEST for one in (pair.before, pair.after)):
            continue
        is_other = (pair.after.value - pair.before.value) * better < 0
        ends = {"y1": scale.at(pair.before.value), "y2": scale.at(pair.after.value)}
        add(picture, "line", "pair other" if is_other else "pair", x1=start, x2=end, **ends)
    add_text(picture, start, 170, "before", "middle")
    add_text(picture, end, 170, "after", "middle")
    return finished(picture)
