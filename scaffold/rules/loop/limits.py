"""Say GO or NO-GO: every limit, and what must hold before a model leaves the house. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

LATENCY, MEMORY = "latency_ms", "memory_mb"
MEASURED = (LATENCY, MEMORY)
"""What is measured by running the model's own entry; other limits are of metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitResult:
    """A limit beside what was measured.

    Attributes:
        value: None where nothing was measured.
        interval: of 95 %, where there is one.
        passes: None where the interval leaves it open, or nothing was measured.
    """

    name: str
    at_most: float | None
    at_least: float | None
    value: float | None
    interval: tuple[float, float] | None
    passes: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A value with its interval of 95 %, None where it has none."""

    value: float
    interval: tuple[float, float] | None = None


def judge_limit(
    name: str, at_most: float | None, at_least: float | None, measured: Measured | None
) -> LimitResult:
    """Return whether a limit holds: with its whole interval, not the value alone."""
    passes, value, interval = None, None, None
    if measured is not None:
        value, interval = measured.value, measured.interval
        low, high = interval or (value, value)
        if at_most is not None:
            passes = True if high <= at_most else None
            passes = False if low > at_most else passes
        else:
            assert at_least is not None
            passes = True if low >= at_least else None
            passes = False if high < at_least else passes
    return LimitResult(
        name=name,
        at_most=at_most,
        at_least=at_least,
        value=value,
        interval=interval,
        passes=passes,
    )


def reasons_against(limits: Sequence[LimitResult], obstacles: Sequence[str]) -> list[str]:
    """Return why it is NO-GO; GO where there is none."""
    reasons = list(obstacles)
    if not limits:
        reasons.append("nothing says what is good enough: scaffold goal set --limit")
    for limit in limits:
        if limit.value is None:
            entry = (
                ": system.yaml names no entry (scaffold docs loop)"
                if limit.name in MEASURED
                else ""
            )
            reasons.append(f"{limit.name} was not measured{entry}")
        elif limit.passes is False:
            reasons.append(f"{limit.name} is {limit.value:.4g}, beyond its limit")
        elif limit.passes is None:
            reasons.append(
                f"{limit.name} is {limit.value:.4g}, and its interval reaches beyond the limit"
            )
    return reasons
