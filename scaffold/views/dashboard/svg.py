"""Draw charts as SVG: no script, colors of the page's style, texts escaped by ElementTree."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from scaffold.probes.sweep import Swept
from scaffold.rules.loop.gaps import Analysis, Gap
from scaffold.rules.loop.tally import TagShare
from scaffold.views.dashboard.facts import Change, Curves, Reproduction, Series

_WIDTH = 340.0
WIDE = 560.0
_LEFT, _RIGHT = 12.0, 12.0
_MOST_POINTS = 250
"""Of a line: more are no dot apart at this width. Of each stretch the lowest and highest stay."""

_LARGEST = 1e300
"""Of a value that is drawn: NaN and infinity are none, and a scale has room beyond its ends."""

_MOST_LINES = 20
"""Runs of a state that are drawn one by one; of more, the middle and the band of 90 %."""


@dataclass(frozen=True, slots=True)
class _Scale:
    """Maps values to places along a line."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        return self.start + (self.end - self.start) * (value - self.low) / (self.high - self.low)


def _scale(values: Sequence[float], start: float, end: float) -> _Scale:
    """Return a scale that holds all values, with a little room."""
    finite = [value for value in values if abs(value) < _LARGEST] or [0.0]
    low, high = min(finite), max(finite)
    room = 0.06 * (high - low) or abs(high) * 0.05 or 1.0
    return _Scale(low - room, high + room, start, end)


def _ticks(scale: _Scale) -> list[float]:
    """Return three to six round numbers on a scale."""
    rough = (scale.high - scale.low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = math.ceil(scale.low / step) * step
    return [
        first + step * index
        for index in range(12)
        if scale.low <= first + step * index <= scale.high
    ]


def _picture(height: float, width: float = _WIDTH) -> Element:
    return Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {width:g} {height:g}",
            "class": "chart",
            "style": f"max-width: {1.3 * width:g}px",
            "aria-hidden": "true",
        },
    )


def _add(parent: Element, tag: str, style: str, **places: float | str) -> Element:
    attributes = {
        name.replace("_", "-"): value if isinstance(value, str) else f"{value:.1f}"
        for name, value in places.items()
    }
    return SubElement(parent, tag, {"class": style, **attributes})


def _text(parent: Element, x: float, y: float, text: str, anchor: str = "start") -> None:
    _add(parent, "text", "label", x=x, y=y, text_anchor=anchor).text = text


def _axis(picture: Element, scale: _Scale, y: float) -> None:
    _add(picture, "line", "axis", x1=scale.start, y1=y, x2=scale.end, y2=y)
    for tick in _ticks(scale):
        _add(picture, "line", "axis", x1=scale.at(tick), y1=y, x2=scale.at(tick), y2=y + 4)
        _text(picture, scale.at(tick), y + 16, f"{tick:.4g}", "middle")


def _finished(picture: Element) -> str:
    return tostring(picture, encoding="unicode")


def draw_strip(reproduction: Reproduction) -> str:
    """Draw the calibration runs with their band of 95 %, the own runs with theirs, the claim."""
    own = [point.value for point in reproduction.own if abs(point.value) < _LARGEST]
    calibration = sorted(value for value in reproduction.calibration if abs(value) < _LARGEST)
    claim = [] if reproduction.published is None else [reproduction.published]
    scale = _scale(
        [*own, *calibration, *claim, *(reproduction.interval or ())], _LEFT, _WIDTH - _RIGHT
    )
    picture = _picture(130)
    if len(calibration) > 1:
        low, high = _quantile(calibration, 0.025), _quantile(calibration, 0.975)
        width = scale.at(high) - scale.at(low)
        _add(picture, "rect", "band", x=scale.at(low), y=18, width=width, height=76)
    for x, level in _stacked([scale.at(value) for value in calibration]):
        _add(picture, "circle", "calibration", cx=x, cy=64 - 7 * level, r=3)
    for value in own:
        x = scale.at(value)
        _add(picture, "path", "own", d=f"M{x:.1f} 72l5 6l-5 6l-5 -6z")
    if reproduction.interval is not None:
        low, high = reproduction.interval
        _add(picture, "path", "interval", d=f"M{scale.at(low):.1f} 90H{scale.at(high):.1f}")
    if claim:
        x = scale.at(claim[0])
        _add(picture, "line", "claim", x1=x, y1=14, x2=x, y2=98)
        _text(picture, min(max(x, 50), _WIDTH - 50), 10, f"published {claim[0]:g}", "middle")
    _axis(picture, scale, 98)
    return _finished(picture)


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


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def draw_effects(changes: Sequence[Change], width: float) -> str:
    """Draw the effect of each change with its interval over the margin that matters.

    All must be of one metric.
    """
    label, row = 0.28 * width, 26.0
    ends = [value for one in changes for value in _ends(one)]
    scale = _scale([*ends, 0.0], label, width - _RIGHT)
    picture = _picture(row * len(changes) + 34, width)
    for index, change in enumerate(changes):
        y = 16 + row * index
        low, high = scale.at(-change.margin), scale.at(change.margin)
        low, high = max(low, label), min(high, scale.end)
        _add(picture, "rect", "margin", x=low, y=y - 11, width=high - low, height=22)
        _text(picture, 0, y + 4, _short(change.name, 14))
        finding = change.finding
        if finding is None or finding.effect is None:
            _text(picture, label, y + 4, change.verdict)
            continue
        if finding.interval is not None:
            start, end = scale.at(finding.interval[0]), scale.at(finding.interval[1])
            _add(picture, "path", "interval", d=f"M{start:.1f} {y:.1f}H{end:.1f}")
        style = "effect" if change.decision == "accepted" else "effect open"
        _add(picture, "circle", style, cx=scale.at(finding.effect), cy=y, r=5)
    bottom = row * len(changes) + 8
    _add(picture, "line", "axis", x1=scale.at(0), y1=2, x2=scale.at(0), y2=bottom)
    _axis(picture, scale, bottom)
    return _finished(picture)


def _ends(change: Change) -> list[float]:
    finding = change.finding
    if finding is None or finding.effect is None:
        return []
    return [finding.effect, *(finding.interval or ()), -change.margin, change.margin]


def draw_shares(shares: Sequence[TagShare]) -> str:
    """Draw the share of the error that each tag has, with its interval."""
    label, row = 0.28 * WIDE, 24.0
    scale = _Scale(0.0, 1.0, label, WIDE - 2 * _RIGHT)
    picture = _picture(row * len(shares) + 34, WIDE)
    for index, share in enumerate(shares):
        y = 16 + row * index
        _text(picture, 0, y + 4, _short(share.tag, 22))
        start, end = map(scale.at, share.interval)
        _add(picture, "path", "interval", d=f"M{start:.1f} {y:.1f}H{end:.1f}")
        _add(picture, "circle", "effect", cx=scale.at(share.share), cy=y, r=5)
    bottom = row * len(shares) + 8
    _add(picture, "line", "axis", x1=label, y1=bottom, x2=scale.end, y2=bottom)
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        _text(picture, scale.at(tick), bottom + 16, f"{100 * tick:.0f} %", "middle")
    return _finished(picture)


_PANEL = 150.0
"""Height of a panel of a sweep."""


def draw_sweep(swept: Swept) -> str:
    """Draw the metric of each trial over each hyperparameter, a panel each.

    The program as it is has a ring.
    """
    names = list(swept.sweep.ranges)
    picture = _picture((_PANEL + 44) * len(names), WIDE)
    for index, name in enumerate(names):
        top = (_PANEL + 44) * index
        places, ticks = _places([trial.values[name] for trial in swept.ordered])
        across = _Scale(0.0, 1.0, 64, WIDE - 2 * _RIGHT)
        up = _scale([trial.mean or 0.0 for trial in swept.ordered], top + _PANEL, top + 16)
        _text(picture, 0, top + 10, _short(name, 60))
        for tick in _ticks(up):
            _add(picture, "line", "axis", x1=58, y1=up.at(tick), x2=64, y2=up.at(tick))
            _text(picture, 54, up.at(tick) + 4, f"{tick:.4g}", "end")
        for trial, place in zip(swept.ordered, places, strict=True):
            style = "effect open" if trial.values == swept.present.values else "effect"
            _add(picture, "circle", style, cx=across.at(place), cy=up.at(trial.mean or 0.0), r=4)
        bottom = top + _PANEL + 6
        _add(picture, "line", "axis", x1=64, y1=bottom, x2=across.end, y2=bottom)
        for place, text in ticks:
            _text(picture, across.at(place), bottom + 16, _short(text, 12), "middle")
    return _finished(picture)


def _places(values: Sequence[Any]) -> tuple[list[float], list[tuple[float, str]]]:
    """Return where values lie, from 0 to 1, and up to three marks; by logarithm over a decade."""
    if any(isinstance(value, (bool, str)) for value in values):
        known = sorted(set(map(str, values)))
        at = {text: (index + 0.5) / len(known) for index, text in enumerate(known)}
        return [at[str(value)] for value in values], [(place, text) for text, place in at.items()]
    numbers = [float(value) for value in values]
    low, high = min(numbers, default=0.0), max(numbers, default=0.0)
    is_log = low > 0 and high / low >= 10
    line = [math.log(value) for value in numbers] if is_log else numbers
    scale = _scale(line, 0.0, 1.0)
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
    row, scale = 24.0, _scale(ends, 122.0, _WIDTH - _RIGHT)
    picture = _picture(row * (len(gaps) + len(whole)) + 30)
    y = 14.0
    for gap, start in gaps:
        if gap.low_split == "bound":
            _whole_bar(picture, y, ("bound", start), scale, of_classes=of_classes)
            y += row
        _text(picture, 0, y + 4, gap.name)
        places = sorted((scale.at(start), scale.at(start + gap.value)))
        style, size = "gap counts" if gap.counts else "gap", max(places[1] - places[0], 1.5)
        _add(picture, "rect", style, x=places[0], y=y - 8, width=size, height=16)
        low, high = (scale.at(start + end) for end in gap.interval)
        _add(picture, "path", "interval", d=f"M{low:.1f} {y:.1f}H{high:.1f}")
        y += row
    _whole_bar(picture, y, ("validation", validation), scale, of_classes=of_classes)
    _axis(picture, scale, y + 16)
    return _finished(picture)


def _whole_bar(
    picture: Element, y: float, named: tuple[str, float], scale: _Scale, *, of_classes: bool
) -> None:
    name, error = named
    _text(picture, 0, y + 4, name)
    size = scale.at(error) - scale.at(0)
    _add(picture, "rect", "band", x=scale.at(0), y=y - 8, width=size, height=16)
    text = f"{100 * error:.1f} %" if of_classes else f"{error:.3g}"
    _text(picture, scale.at(0) + 4, y + 4, text)


def _start(gap: Gap, analysis: Analysis) -> float:
    """Return the error at which a gap opens."""
    after = analysis.errors.get(gap.high_split)
    return after.error - gap.value if after is not None else 0.0


def draw_pairs(change: Change) -> str:
    """Draw a line for each seed, from the run before to the run with the change."""
    values = [point.value for pair in change.pairs for point in (pair.before, pair.after)]
    scale = _scale(values, 150, 14)
    picture = _picture(178)
    start, end = 90.0, 250.0
    for tick in _ticks(scale):
        _add(picture, "line", "grid", x1=start, y1=scale.at(tick), x2=end, y2=scale.at(tick))
        _text(picture, start - 8, scale.at(tick) + 4, f"{tick:.4g}", "end")
    better = -1 if change.finding is not None and (change.finding.effect or 0) < 0 else 1
    for pair in change.pairs:
        if not all(abs(one.value) < _LARGEST for one in (pair.before, pair.after)):
            continue
        is_other = (pair.after.value - pair.before.value) * better < 0
        ends = {"y1": scale.at(pair.before.value), "y2": scale.at(pair.after.value)}
        _add(picture, "line", "pair other" if is_other else "pair", x1=start, x2=end, **ends)
    _text(picture, start, 170, "before", "middle")
    _text(picture, end, 170, "after", "middle")
    return _finished(picture)


def draw_curves(curves: Curves) -> str:
    """Draw a metric over the steps: each run, or of many the middle and the band of 90 %."""
    lines = [series for runs in curves.by_state.values() for _, series in runs]
    steps = [float(step) for series in lines for step, _ in series]
    across = _scale(steps, 56, WIDE - _RIGHT)
    up = _scale([value for series in lines for _, value in series], 200, 10)
    picture = _picture(236, WIDE)
    for tick in _ticks(up):
        _add(
            picture, "line", "grid", x1=across.start, y1=up.at(tick), x2=across.end, y2=up.at(tick)
        )
        _text(picture, across.start - 6, up.at(tick) + 4, f"{tick:.4g}", "end")
    for index, runs in enumerate(curves.by_state.values()):
        style = f"curve s{index % 5 + 1}"
        drawn = [series for _, series in runs]
        if len(drawn) > _MOST_LINES:
            low, middle, high = _band(drawn)
            outline = [*_thinned(low), *reversed(_thinned(high))]
            _add(picture, "path", f"area s{index % 5 + 1}", d=_path(outline, across, up) + "z")
            drawn = [middle]
        for series in drawn:
            _add(picture, "path", style, d=_path(_thinned(series), across, up))
    _axis(picture, across, 204)
    return _finished(picture)


def _band(lines: Sequence[Series]) -> tuple[Series, Series, Series]:
    """Return the 5, 50 and 95 % of several runs at each step that any of them has."""
    at: dict[int, list[float]] = {}
    for series in lines:
        for step, value in dict(series).items():  # of a step that is there twice the last
            if abs(value) < _LARGEST:
                at.setdefault(step, []).append(value)
    ordered = {step: sorted(values) for step, values in sorted(at.items())}
    low, middle, high = (
        tuple((step, _quantile(values, share)) for step, values in ordered.items())
        for share in (0.05, 0.5, 0.95)
    )
    return low, middle, high


def _thinned(series: Series) -> Series:
    """Return a line with few points; the lowest and highest of each stretch stay."""
    finite = [point for point in series if abs(point[1]) < _LARGEST]
    size = math.ceil(2 * len(finite) / _MOST_POINTS)
    if size <= 2:
        return tuple(finite)
    thinned: list[tuple[int, float]] = []
    for start in range(0, len(finite), size):
        stretch = finite[start : start + size]
        ends = {min(stretch, key=lambda p: p[1]), max(stretch, key=lambda p: p[1])}
        thinned += sorted(ends)
    return tuple(thinned)


def _path(points: Sequence[tuple[int, float]], across: _Scale, up: _Scale) -> str:
    places = (f"{across.at(step):.1f} {up.at(value):.1f}" for step, value in points)
    return "M" + "L".join(places)
