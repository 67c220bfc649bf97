"""Values of one metric over several runs, and the few statistics that the verdicts share. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """What is known of a metric over seeds: n values, their mean and sample standard deviation.

    `half_digit` is half a unit of the last digit the program printed (0.0 when it wrote full precision).
    """

    n: int
    mean: float
    sd: float
    half_digit: float = 0.0

    @classmethod
    def of(cls, values: Sequence[float], *, half_digit: float = 0.0) -> "Law":
        """The law of at least one value; the sd of one value is 0."""
        mean = math.fsum(values) / len(values)
        squares = math.fsum((value - mean) ** 2 for value in values)
        sd = math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else 0.0
        return cls(n=len(values), mean=mean, sd=sd, half_digit=half_digit)

    @property
    def has_spread(self) -> bool:
        """Whether the values differ by more than the arithmetic of their mean."""
        return self.sd > 1e-12 * max(abs(self.mean), 1e-300)


def pooled_sd(first: Law, second: Law) -> tuple[float, int]:
    """Pooled standard deviation and its degrees of freedom."""
    df = first.n + second.n - 2
    squares = (first.n - 1) * first.sd**2 + (second.n - 1) * second.sd**2
    return (math.sqrt(squares / df) if df > 0 else 0.0), df


def t_quantile(probability: float, df: int) -> float:
    """Quantile of Student's t."""
    from scipy.special import stdtrit  # 0.2 s to import: only when there is something to judge

    return float(stdtrit(df, probability))


def t_two_sided_p(t: float, df: int) -> float:
    """P(|T| >= |t|) for Student's t."""
    from scipy.special import stdtr

    return 2.0 * float(stdtr(df, -abs(t)))


def equality_tolerance(first: Law, second: Law) -> float:
    """How far apart two results of one deterministic program may lie.

    The printed rounding of both, or 1.13e-5 of the value, since the last digits of a float differ between machines:
    what torch.testing.assert_close allows float32 at values of order one (rtol 1.3e-6 and atol 1e-5), made relative so
    that it means the same for small metrics.

    Source: https://docs.pytorch.org/docs/stable/testing.html
    """
    return max(first.half_digit + second.half_digit, 1.13e-5 * abs(second.mean)) * (1 + 1e-9)
