"""Draw the learning curve: the error at a quarter, half and all of the data, and at twice it."""

import math
from collections.abc import Mapping
from xml.etree.ElementTree import Element

from scaffold.probes.analyzed import LastAnalysis
from scaffold.rules.loop.case import HALF, QUARTER, Case
from scaffold.rules.loop.forecast import forecast_of_doubling
from scaffold.rules.loop.gaps import SplitError
from scaffold.views.dashboard.canvas import (
    Scale,
    add,
    add_text,
    finished,
    picture_of,
    scale_of,
    ticks_of,
)

_TOP, _BOTTOM, _HEIGHT = 14.0, 150.0, 184.0
_START, _END = 70.0, 300.0
_NAMES = {0.25: "a quarter", 0.5: "half", 1.0: "all", 2.0: "twice"}


def draw_learning_curve(last: LastAnalysis) -> str:
    """Draw it with intervals of 95 %; empty where no run had fewer rows."""
    case = Case(analysis=last.analysis, matters=0.0, constants=last.constants, results=last.results)
    fewer = {
        probe.value: result.errors for probe in (QUARTER, HALF) if (result := case.result(probe))
    }
    if not fewer:
        return ""
    measured = {**fewer, 1.0: last.analysis.errors}
    lines = {
        split: {share: errors[split] for share, errors in measured.items() if split in errors}
        for split in ("train", "validation")
    }
    expected = _expected(case)
    ends = [end for line in lines.values() for error in line.values() for end in error.interval]
    scale = scale_of([*ends, *expected], _BOTTOM, _TOP)
    picture = picture_of(_HEIGHT)
    _add_grid(picture, scale, of_classes=last.of_classes)
    for share in (*measured, *([2.0] if expected else [])):
        add_text(picture, _at(share), _HEIGHT - 14, _NAMES[share], "middle")
    for split, line in lines.items():
        _add_line(picture, scale, split, line)
    if expected:
        value, low, high = map(scale.at, expected)
        present = scale.at(last.analysis.errors["validation"].error)
        path = f"M{_at(1):.1f} {present:.1f}L{_END} {value:.1f}"
        add(picture, "path", "learned forecast", d=path)
        add(picture, "path", "interval", d=f"M{_END} {low:.1f}V{high:.1f}")
    return finished(picture)


def _expected(case: Case) -> tuple[float, ...]:
    """Return the forecast of the validation error with twice the data, and its interval, if any."""
    forecast = forecast_of_doubling(case)
    if forecast is None:
        return ()
    present, (gain, (low, high)) = case.analysis.errors["validation"].error, forecast
    return present - gain, max(present - high, 0.0), present - low


def _add_grid(picture: Element, scale: Scale, *, of_classes: bool) -> None:
    factor, unit = (100, " %") if of_classes else (1, "")
    for tick in ticks_of(scale):
        y = scale.at(tick)
        add(picture, "line", "grid", x1=_START, y1=y, x2=_END, y2=y)
        add_text(picture, _START - 8, y + 4, f"{factor * tick:.4g}{unit}", "end")


def _add_line(picture: Element, scale: Scale, split: str, line: Mapping[float, SplitError]) -> None:
    places = [(_at(share), scale.at(error.error)) for share, error in line.items()]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    add(picture, "path", f"learned {split}", d=f"M{path}")
    for share, error in line.items():
        low, high = map(scale.at, error.interval)
        add(picture, "path", "interval", d=f"M{_at(share):.1f} {low:.1f}V{high:.1f}")
    add_text(picture, places[0][0] + 6, places[0][1] - 6, split)


def _at(share: float) -> float:
    """Return where a share of the data lies: each doubling is a third of the way."""
    return _START + (_END - _START) * (math.log2(share) + 2) / 3
