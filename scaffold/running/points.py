"""Read printed numbers, with the half unit of their last digit."""

import codecs
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaffold.records.claim import printed_decimals
from scaffold.running.outputs import read_output

MAX_LINE_CHARACTERS = 65536
"""Longer lines are no metric lines: a pattern is not tried on them, so that it cannot hang on a
dump."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedNumber:
    """One number as it was printed.

    `half_digit` is half a unit of its last digit, 0.0 for full precision.
    """

    value: float
    half_digit: float = 0.0
    step: int | None = None
    phase: int = 1


def parse_number(text: str) -> PrintedNumber:
    """Return a printed number and half a unit of its last digit; raise ValueError if it is none."""
    plain = (
        text.strip().replace(",", "")
        if re.fullmatch(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?", text.strip())
        else text
    )
    value = float(plain)
    mantissa = plain.strip().lower().partition("e")[0]
    if not math.isfinite(value) or len(mantissa.replace(".", "").lstrip("+-0")) >= 12:
        # Twelve significant digits and more are full precision, not rounding.
        return PrintedNumber(value=value)
    half_digit = float(f"5e{-printed_decimals(plain) - 1}")
    if not math.isfinite(half_digit):
        raise ValueError(f"{plain[:40]!r} is written in no sensible way")
    return PrintedNumber(value=value, half_digit=half_digit)


def integer(text: Any) -> int | None:
    """Return a step as an integer; None if it is none."""
    try:
        return int(
            float(str(text.value if isinstance(text, PrintedNumber) else text).replace(",", ""))
        )
    except (ValueError, OverflowError):
        return None


def json_float(text: str) -> PrintedNumber:
    """Return a JSON number at full precision: a short one happens to be round."""
    return PrintedNumber(value=float(text))


def read_file_text(path: Path) -> str:
    """Return a file's text, whatever byte order mark it begins with."""
    content = read_output(path)
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    return content.decode(errors="replace")
