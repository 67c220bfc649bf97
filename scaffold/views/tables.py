"""Lay out text and tables for a terminal."""

import textwrap
from collections.abc import Callable, Sequence

from scaffold.records.judgment import Finding

Paint = Callable[[str, str], str]
"""Gives a text a color by name, or leaves it as it is."""


def plain(text: str) -> str:
    """Return an untrusted text without characters that move the cursor or hide words."""
    return "".join(
        character if character.isprintable() or character in "\n\t" else "?" for character in text
    )


def wrap(text: str, width: int, *, first: int = 2, hanging: int = 4) -> list[str]:
    """Return lines of at most `width` columns: the first indented by `first`, others `hanging`."""
    return textwrap.wrap(
        text.strip(),
        width - 2,
        initial_indent=" " * first,
        subsequent_indent=" " * hanging,
        break_on_hyphens=False,
        drop_whitespace=True,
        replace_whitespace=False,
    )


def table_width(rows: Sequence[Sequence[str]]) -> int:
    """Return the columns that rows take."""
    return sum(max(map(len, column)) + 2 for column in zip(*rows, strict=True))


def format_duration(seconds: float) -> str:
    """Return a length of time in words."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    color_last: Callable[[int, str], str],
) -> list[str]:
    """Format aligned columns; where they do not fit, one block per row with a line per column."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    if table_width([head, *rows]) > width:
        label = max(map(len, head))
        return [
            line
            for index, row in enumerate(rows)
            for line in [
                *([""] if index else []),
                *(
                    f"  {name:{label}}  {value}"
                    for name, value in zip(head[:-1], row[:-1], strict=True)
                    if value
                ),
                f"  {head[-1]:{label}}  {color_last(index, row[-1])}",
            ]
        ]
    lines = [
        "  " + "  ".join(f"{name:{size}}" for name, size in zip(head, widths, strict=True)).rstrip()
    ]
    for index, row in enumerate(rows):
        cells = "  ".join(
            f"{value:{size}}" for value, size in zip(row[:-1], widths[:-1], strict=True)
        )
        lines.append(f"  {cells}  {color_last(index, row[-1])}")
    return lines


def number(value: float | None) -> str:
    """Return a number with four significant digits; empty for None."""
    return "" if value is None else f"{value:.4g}"


def interval_text(finding: Finding) -> str:
    """Return a finding's interval; empty without one."""
    return f"{finding.interval[0]:.4g} .. {finding.interval[1]:.4g}" if finding.interval else ""


_LABEL = 11
"""Columns of a label before its text."""


def labelled(label: str, text: str, width: int) -> list[str]:
    """Return a text with its label in front, wrapped below itself; without one, as if below it."""
    if not label:
        return wrap(text, width, first=_LABEL + 2, hanging=_LABEL + 2)
    return wrap(f"{label:{_LABEL}}{text}", width, hanging=_LABEL + 2)


def headline(verdict: str, text: str, width: int, paint: Callable[[str], str]) -> list[str]:
    """Return the verdict, painted, and what it means in a sentence."""
    first, *continuation = wrap(f"{verdict}  {text}", width, hanging=_LABEL + 2)
    return [first.replace(verdict, paint(verdict), 1), *continuation]
