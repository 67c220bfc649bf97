"""How far a metric moves between machines, beside how far seeds move it on one. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scaffold.rules.stats import SampleStats, mean_interval, t_quantile


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """How much higher a metric is on a machine than on the first one.

    Attributes:
        hardware: of that machine.
        seeds: how many seeds ran on both; with two or more the difference is that of pairs.
        value: the difference of the means, in the metric's unit.
        interval: of the difference; None where too few runs tell.
        is_identical: the same seeds gave the same values to the last digit.
    """

    hardware: str
    seeds: int
    value: float
    interval: tuple[float, float] | None
    is_identical: bool

    @property
    def is_shown(self) -> bool:
        """Return whether the machines are shown to differ."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]

    @property
    def is_open(self) -> bool:
        """Return whether too few runs were made to say anything."""
        return self.interval is None and not self.is_identical


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSpread:
    """A metric on several machines: what seeds do on each, and how each lies to the first."""

    metric: str
    within: Mapping[str, SampleStats]
    between: tuple[Between, ...]


def spread_over_machines(
    metric: str, values: Mapping[str, Mapping[int, float]], comparisons: int
) -> MachineSpread | None:
    """Return what machines do to a metric; None where it was measured on one.

    Args:
        metric: its name.
        values: by hardware, then by seed; the first hardware is what the others are compared with.
        comparisons: of all metrics and machines: all their intervals together hold 95 %
            (Bonferroni).
    """
    level = 1 - 0.05 / comparisons
    measured = {hardware: runs for hardware, runs in values.items() if runs}
    if len(measured) < 2:
        return None
    (_, first), *others = measured.items()
    return MachineSpread(
        metric=metric,
        within={name: SampleStats.of(list(runs.values())) for name, runs in measured.items()},
        between=tuple(_between(first, name, runs, level) for name, runs in others),
    )


def _between(
    first: Mapping[int, float], hardware: str, other: Mapping[int, float], level: float
) -> Between:
    seeds = sorted(first.keys() & other.keys())
    differences = [other[seed] - first[seed] for seed in seeds]
    if len(seeds) > 1:
        value, interval = math.fsum(differences) / len(seeds), mean_interval(differences, level)
    else:
        value, interval = _welch(list(first.values()), list(other.values()), level)
    return Between(
        hardware=hardware,
        seeds=len(seeds),
        value=value,
        interval=interval,
        is_identical=bool(seeds) and not any(differences),
    )


def _welch(
    first: Sequence[float], other: Sequence[float], level: float
) -> tuple[float, tuple[float, float] | None]:
    """Return the difference of two means of independent runs, and Welch's interval.

    Welch, Biometrika 34 (1947), with Satterthwaite's degrees of freedom. A single run is compared
    by the prediction interval of the others.
    """
    before, after = SampleStats.of(first), SampleStats.of(other)
    value = after.mean - before.mean
    if before.n == after.n == 1:
        return value, None
    if min(before.n, after.n) == 1:
        many = max(before, after, key=lambda stats: stats.n)
        error = many.sd * math.sqrt(1 + 1 / many.n)
        half = t_quantile((1 + level) / 2, many.n - 1) * error
        return value, (value - half, value + half)
    shares = (before.sd**2 / before.n, after.sd**2 / after.n)
    total = sum(shares)
    if total == 0:
        return value, (value, value)
    freedom = total**2 / (shares[0] ** 2 / (before.n - 1) + shares[1] ** 2 / (after.n - 1))
    half = t_quantile((1 + level) / 2, freedom) * math.sqrt(total)
    return value, (value - half, value + half)
