"""Make the parts of a chart: scales, axes, shapes, texts; all escaped by ElementTree."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

WIDTH = 340.0
WIDE = 560.0
LEFT, RIGHT = 12.0, 12.0

LARGEST = 1e300
"""Of a value that is drawn: NaN and infinity are none, and a scale has room beyond its ends."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values to places along a line."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the place of a value."""
        return self.start + (self.end - self.start) * (value - self.low) / (self.high - self.low)


def scale_of(values: Sequence[float], start: float, end: float) -> Scale:
    """Return a scale that holds all values, with a little room."""
    finite = [value for value in values if abs(value) < LARGEST] or [0.0]
    low, high = min(finite), max(finite)
    room = 0.06 * (high - low) or abs(high) * 0.05 or 1.0
    return Scale(low - room, high + room, start, end)


def ticks_of(scale: Scale) -> list[float]:
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


def picture_of(height: float, width: float = WIDTH) -> Element:
    """Return an empty picture; what it shows is said in words beside it."""
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


def add(parent: Element, tag: str, style: str, **places: float | str) -> Element:
    """Add a shape; an underscore in the name of a place stands for a hyphen."""
    attributes = {
        name.replace("_", "-"): value if isinstance(value, str) else f"{value:.1f}"
        for name, value in places.items()
    }
    return SubElement(parent, tag, {"class": style, **attributes})


def add_text(parent: Element, x: float, y: float, text: str, anchor: str = "start") -> None:
    """Write a text at a place."""
    add(parent, "text", "label", x=x, y=y, text_anchor=anchor).text = text


def add_axis(
    picture: Element, scale: Scale, y: float, text_of: Callable[[float], str] = "{:.4g}".format
) -> None:
    """Draw the axis of a scale, with its ticks."""
    add(picture, "line", "axis", x1=scale.start, y1=y, x2=scale.end, y2=y)
    for tick in ticks_of(scale):
        add(picture, "line", "axis", x1=scale.at(tick), y1=y, x2=scale.at(tick), y2=y + 4)
        add_text(picture, scale.at(tick), y + 16, text_of(tick), "middle")


def finished(picture: Element) -> str:
    """Return the picture as text."""
    return tostring(picture, encoding="unicode")


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return a quantile of ordered values, between the two nearest."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
