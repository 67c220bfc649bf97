"""Values of one metric over several runs, and the few statistics that the verdicts share. Pure."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

NORMAL_QUANTILE = 1.959964
"""Of the standard normal distribution at 0.975."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleStats:
    """What is known of a metric over seeds: n values, their mean and sample standard deviation.

    Attributes:
        half_digit: half a unit of the last digit the program printed (0.0 when it wrote full
            precision).
        values: in the order of their runs; empty where only mean and spread are known.
    """

    n: int
    mean: float
    sd: float
    half_digit: float = 0.0
    values: tuple[float, ...] = ()

    @classmethod
    def of(cls, values: Sequence[float], *, half_digit: float = 0.0) -> "SampleStats":
        """Return the statistics of at least one value; the sd of one value is 0.

        Raises:
            ValueError: a value is not a finite number: tests answer NaN as if nothing differed.
        """
        if not all(map(math.isfinite, values)):
            raise ValueError(f"not all of {list(values)} are finite numbers")
        mean = math.fsum(values) / len(values)
        squares = math.fsum((value - mean) ** 2 for value in values)
        sd = math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else 0.0
        return cls(n=len(values), mean=mean, sd=sd, half_digit=half_digit, values=tuple(values))

    @property
    def has_spread(self) -> bool:
        """Return whether the values differ by more than the arithmetic of their mean."""
        return self.sd > 1e-12 * max(abs(self.mean), 1e-300)


def pooled_sd(first: SampleStats, second: SampleStats) -> tuple[float, int]:
    """Return the pooled standard deviation and its degrees of freedom."""
    df = first.n + second.n - 2
    squares = (first.n - 1) * first.sd**2 + (second.n - 1) * second.sd**2
    return (math.sqrt(squares / df) if df > 0 else 0.0), df


def t_quantile(probability: float, df: float) -> float:
    """Return a quantile of Student's t."""
    from scipy.special import stdtrit  # 0.2 s to import: only when there is something to judge

    return float(stdtrit(df, probability))


@functools.cache
def best_of_quantile(probability: float, k: int, n: int, df: int) -> float:
    """Return a quantile of how far the best of k further runs lies above the mean of n, in sds.

    The standard deviation is estimated with `df` degrees of freedom, and runs are normal: the best
    is max(Z_1..Z_k), the mean W/sqrt(n), the estimate S = sqrt(chi2_df/df), and (max - W/sqrt(n))/S
    is below t with probability E[Phi(t S + W/sqrt(n))^k]. The expectation is taken by Gauss
    quadrature over W and over the quantiles of S.
    """
    import numpy as np
    from scipy.optimize import brentq
    from scipy.special import chdtri, ndtr

    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    means, mean_weights = nodes / math.sqrt(n), weights / weights.sum()
    nodes, weights = np.polynomial.legendre.leggauss(161)
    deviations = np.sqrt(chdtri(df, (1 - nodes) / 2) / df)

    def excess(t: float) -> float:
        below = ndtr(t * deviations[:, None] + means[None, :]) ** k
        return float(weights / 2 @ below @ mean_weights) - probability

    far = 10 * (1 + abs(t_quantile(min(probability, 1 - probability) / k, df)))
    return float(brentq(excess, -far, far, xtol=1e-6))


def mean_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float] | None:
    """Return the interval of a mean by Student's t, of 95 % unless another level is asked for.

    Fewer than two values, or one that is not a finite number, have none.
    """
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return None
    stats = SampleStats.of(values)
    half = t_quantile((1 + level) / 2, stats.n - 1) * stats.sd / math.sqrt(stats.n)
    return stats.mean - half, stats.mean + half


def t_two_sided_p(t: float, df: int) -> float:
    """Return P(|T| >= |t|) for Student's t."""
    from scipy.special import stdtr

    return 2.0 * float(stdtr(df, -abs(t)))


def equality_tolerance(first: SampleStats, second: SampleStats) -> float:
    """Return how far apart two results of one deterministic program may be.

    The last digits of a float differ between machines, and may turn the last digit that is
    printed: one unit of it is allowed, unless it is coarse (0.8 is not 0.9). The same program
    prints both, so that the finer rounding is its own: `1.0` beside `0.951` is no rounded number.
    """
    half = min(first.half_digit, second.half_digit)
    is_coarse = 2 * half > _COARSE * abs(second.mean)
    unit = half if is_coarse else 2 * half
    return max(unit, _MACHINES * abs(second.mean)) * (1 + 1e-9)


_MACHINES = 1.13e-5
"""Of a value: what torch.testing.assert_close allows float32 at values of order one (rtol 1.3e-6
and atol 1e-5), relative so that it means the same for small metrics.

Source: https://docs.pytorch.org/docs/stable/testing.html
"""

_COARSE = 4e-3
"""Of a value: machines were seen to part by no more (docs/verdicts.md)."""


def published_tolerance(published: SampleStats, own_half: float) -> tuple[float, float]:
    """Return how far from a published number an own one is equal, and may be equal.

    A number of more digits is equal if it rounds to the published one; one of as many may differ as
    two numbers of one program do. Of fewer digits it is equal as it stands; whether it was rounded
    cannot be seen (Python prints a half as `0.5`), so that further off, up to half its own last
    digit, nothing can be told.

    Args:
        published: the number, with half a unit of its last digit.
        own_half: of the last digit that the program prints.
    """
    is_alike = math.isclose(own_half, published.half_digit)
    same_program = equality_tolerance(published, published) if is_alike else 0.0
    equal = max(published.half_digit, _MACHINES * abs(published.mean)) * (1 + 1e-9)
    equal = max(equal, same_program)
    return equal, max(equal, own_half * (1 + 1e-9))


def coarse_reason(own: float, published: float) -> str:
    """Return why a number of fewer digits than were published is neither equal nor different."""
    return (
        f"{own:g} has fewer digits than the published {published:g}: whether it was rounded cannot"
        " be seen, so let the program print more of them"
    )


def rank_p(first: Sequence[float], second: Sequence[float], *, larger_only: bool = False) -> float:
    """Return the exact p of a permutation test on the first sample's sum of ranks.

    Whatever the distribution is, a sound sample is refused as often as alpha says, no more: one
    value against ten can never be. Two-sided; with `larger_only` the p of the first being larger.
    Equal values share their mean rank, and all divisions of the values at hand are counted.

    Source: F. Wilcoxon, Biometrics Bulletin 1 (1945); for ties E. Lehmann, Nonparametrics (1975),
    section 1.4.
    """
    ranks = _doubled_ranks([*first, *second])
    counts: list[dict[int, int]] = [{0: 1}, *({} for _ in first)]
    for rank in ranks:
        for size in range(len(first) - 1, -1, -1):
            for total, count in counts[size].items():
                counts[size + 1][total + rank] = counts[size + 1].get(total + rank, 0) + count
    divisions = counts[len(first)]
    observed, whole = sum(ranks[: len(first)]), sum(divisions.values())
    above = sum(count for total, count in divisions.items() if total >= observed) / whole
    below = sum(count for total, count in divisions.items() if total <= observed) / whole
    return above if larger_only else min(2.0 * min(above, below), 1.0)


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Return twice the rank of each value, so that the mean rank of ties is whole."""
    ordered = sorted(values)
    first = {value: place for place, value in reversed(list(enumerate(ordered)))}
    last = dict(zip(ordered, range(len(ordered)), strict=True))
    return [first[value] + last[value] + 2 for value in values]
