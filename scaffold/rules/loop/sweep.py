"""Spread trials over ranges of hyperparameters, and say what their results show. Pure.

Quasi-random first (Google, Deep Learning Tuning Playbook, 2023): each trial is a point of Halton's
sequence, so that any number of them covers the ranges evenly, and more go on where these end.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

Value = bool | int | float | str

_LOG_FROM = 10.0
"""A range of positive numbers whose ends are so many times apart is swept by its logarithm."""

_EDGE = 1 / 6
"""Of a range at either end: two best trials there by chance alone in 1 of 18 sweeps."""

_TRIES = 20
"""Points looked at for each trial: whole numbers and words come more than once."""

_LEAST_POINTS = 8
"""Of a curve, to say whether it still improves: two quarters of two points."""


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers that a hyperparameter takes, from low to high."""

    low: float
    high: float
    is_whole: bool

    @property
    def is_log(self) -> bool:
        """Return whether it is swept by its logarithm."""
        return self.low > 0 and self.high / self.low >= _LOG_FROM * (1 - 1e-9)

    def value(self, share: float) -> Value:
        """Return the value at a share of the way from low to high."""
        if self.is_log:
            number = self.low * (self.high / self.low) ** share
        else:
            number = self.low + share * (self.high - self.low)
        if self.is_whole:
            return int(min(max(round(number), math.ceil(self.low)), math.floor(self.high)))
        # Three digits of the range's width: of 0.99 to 0.9999 five of the number.
        largest = max(abs(self.low), abs(self.high))
        digits = 3 + max(0, math.ceil(math.log10(largest / (self.high - self.low))))
        return min(max(float(f"{number:.{digits}g}"), self.low), self.high)

    def share(self, value: float) -> float:
        """Return how far a value is from low to high."""
        if self.is_log:
            if value <= 0:
                return -math.inf
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Choices:
    """The values that a hyperparameter takes, without an order."""

    values: tuple[Value, ...]

    def value(self, share: float) -> Value:
        """Return the value of a share of their number."""
        return self.values[min(int(share * len(self.values)), len(self.values) - 1)]


Dimension = Range | Choices


def trial_values(
    dimensions: Mapping[str, Dimension], present: Mapping[str, Value], n: int
) -> list[dict[str, Value]]:
    """Return the present values, then n others that differ from each other; fewer if there are.

    The first of n + m are those of n: a longer sweep goes on.
    """
    trials = [{name: present[name] for name in dimensions}]
    points = _halton(len(dimensions), n * _TRIES)
    while len(trials) <= n:
        point = next(points, None)
        if point is None:
            break
        values = {
            name: dimension.value(share)
            for (name, dimension), share in zip(dimensions.items(), point, strict=True)
        }
        if values not in trials:
            trials.append(values)
    return trials


def _halton(dimensions: int, n: int) -> Iterator[Sequence[float]]:
    from scipy.stats.qmc import Halton  # 0.4 s to import: only when there is something to sweep

    yield from Halton(dimensions, seed=0).random(n).tolist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a trial gave: the metric by seed, nothing where it diverged or failed."""

    values: Mapping[str, Value]
    by_seed: Mapping[int, float]

    @property
    def mean(self) -> float | None:
        """Return the mean over the seeds; None without any."""
        return math.fsum(self.by_seed.values()) / len(self.by_seed) if self.by_seed else None


def best_first(trials: Sequence[Trial], direction: str) -> list[Trial]:
    """Return the trials that gave the metric for every seed, the best first."""
    most = max((len(trial.by_seed) for trial in trials), default=0)
    whole = [trial for trial in trials if trial.by_seed and len(trial.by_seed) == most]
    sign = -1 if direction == "higher" else 1
    return sorted(whole, key=lambda trial: sign * (trial.mean or 0.0))


class Edge(str, Enum):
    """At which end of a range the best trials lie."""

    LOW = "low"
    HIGH = "high"


def edges(dimensions: Mapping[str, Dimension], ordered: Sequence[Trial]) -> dict[str, Edge]:
    """Return ranges whose two best trials both lie in the outer sixth of one end.

    What is better still may lie outside. Nothing is said where the third is as good as they are,
    nor of a trial outside of the range, which the present values may be.
    """
    reached: dict[str, Edge] = {}
    for name, dimension in dimensions.items():
        if isinstance(dimension, Choices):
            continue
        inside = [
            (trial.mean, share)
            for trial in ordered
            for share in [dimension.share(float(trial.values[name]))]
            if 0 <= share <= 1
        ]
        if len(inside) < 3 or inside[1][0] == inside[2][0]:
            continue
        shares = [share for _, share in inside[:2]]
        if max(shares) <= _EDGE:
            reached[name] = Edge.LOW
        elif min(shares) >= 1 - _EDGE:
            reached[name] = Edge.HIGH
    return reached


def still_improves(curve: Sequence[float], direction: str) -> bool | None:
    """Return whether the last quarter of a curve is better than the quarter before, beyond noise.

    Two standard errors of the difference of their means; None of fewer than 8 points.
    """
    if len(curve) < _LEAST_POINTS:
        return None
    quarter = len(curve) // 4
    last, before = curve[-quarter:], curve[-2 * quarter : -quarter]
    gain = _mean(last) - _mean(before)
    noise = math.sqrt((_variance(last) + _variance(before)) / quarter)
    return (gain if direction == "higher" else -gain) > 2 * noise


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _variance(values: Sequence[float]) -> float:
    """Return the variance around the straight line through the ends: a trend is no noise."""
    n = len(values)
    slope = (values[-1] - values[0]) / max(n - 1, 1)
    residuals = [value - values[0] - slope * index for index, value in enumerate(values)]
    mean = _mean(residuals)
    return math.fsum((one - mean) ** 2 for one in residuals) / max(n - 1, 1)
