"""Where an error opens: between the bound, the training data, and data not seen. Pure.

Ng's arithmetic (Machine Learning Yearning, chapters 20 to 42) with intervals: a gap counts when its
interval excludes what matters, and is no gap when its interval lies below. It says where the error
opens, never why: four causes of a high training error give the same numbers, and probes tell them
apart.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from scaffold.rules.stats import NORMAL_QUANTILE as _Z
from scaffold.rules.stats import t_quantile

SPLITS = ("train", "train-dev", "validation", "test")
"""train-dev is drawn from where the training data come from, and never trained on."""


_AT_HAND = 100
"""Times the present examples: nobody collects more to decide about one gap."""


class Answer(str, Enum):
    """What the gaps say."""

    HEALTHY = "healthy"
    BIAS = "bias"
    VARIANCE = "variance"
    MISMATCH = "mismatch"
    OVERFIT_TO_VALIDATION = "overfit to validation"
    CANNOT_SAY = "cannot say"


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitError:
    """The error of one split: the mean of its examples' errors.

    Attributes:
        n: examples; 0 for a number whose n nobody stated, which is taken as exact.
        error: their mean: a share of wrong ones, or a mean squared error.
        variance: of the examples' errors, over n - 1; None where each is right or wrong.
    """

    n: int
    error: float
    variance: float | None = None

    @property
    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval: Wilson's for a share, else Student's t."""
        if self.n == 0:
            return self.error, self.error
        if self.variance is not None:
            half = t_quantile(0.975, self.n - 1) * math.sqrt(self.variance / self.n)
            return max(self.error - half, 0.0), self.error + half
        center = (self.error + _Z**2 / (2 * self.n)) / (1 + _Z**2 / self.n)
        spread = self.error * (1 - self.error) / self.n + (_Z / (2 * self.n)) ** 2
        half = _Z * math.sqrt(spread) / (1 + _Z**2 / self.n)
        return max(center - half, 0.0), min(center + half, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorGap:
    """How much larger one error is than another.

    Attributes:
        name: avoidable bias, variance, mismatch, overfit to validation, or headroom.
        counts: whether it is larger than what matters; None where the interval leaves it open.
        enough: examples of `high_split` that would decide it, about; None if decided, or where no
            number at hand would.
    """

    name: str
    low_split: str
    high_split: str
    value: float
    interval: tuple[float, float]
    counts: bool | None
    enough: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """Where the error opens.

    Attributes:
        answers: what counts, in the order of treatment; HEALTHY or CANNOT_SAY alone.
        reason: one sentence.
        doubts: why the numbers may not be believed.
        below_bound: splits whose error is lower than the bound, beyond noise.
        probes: what must run before a cause is named.
    """

    answers: tuple[Answer, ...]
    reason: str
    errors: Mapping[str, SplitError]
    gaps: tuple[ErrorGap, ...]
    doubts: tuple[str, ...]
    probes: tuple[str, ...]
    below_bound: tuple[str, ...] = ()


_PROBES = {
    Answer.BIAS: (
        "the loss at the start against chance, and whether every parameter moves: broken training",
        "the learning rate, lower and higher: the optimizer, only if the training error falls too",
        "a larger model, and one without regularization, as many steps each: underfitting",
        "one batch learned by heart, and zeroed inputs on validation: broken data or labels",
    ),
    Answer.VARIANCE: (
        "the error at four to six sizes of the training data, as many steps each: too little data",
        "one run with more regularization: overfitting",
    ),
    Answer.MISMATCH: (
        "a classifier that tells train-dev from validation, and the error by slice: what differs",
    ),
    Answer.OVERFIT_TO_VALIDATION: (
        "how often validation was looked at, against its size: a fresh or larger one",
    ),
}


def analyze_gaps(
    errors: Mapping[str, SplitError], bound: SplitError | None, matters: float
) -> Analysis:
    """Say where the error opens.

    Args:
        errors: of splits, by names of SPLITS; train and validation at least.
        bound: the lowest error that one can believe in; None if unknown.
        matters: the smallest difference that matters, in the unit of the errors.
    """
    known = {**({"bound": bound} if bound is not None else {}), **errors}
    gaps = tuple(_gaps(known, matters))
    below = tuple(_below_bound(known))
    doubts = (*map(_doubt_of_bound, below), *_doubts(known, matters))
    headroom = next((gap for gap in gaps if gap.name == "headroom"), None)
    parts = [gap for gap in gaps if gap.name != "headroom"]
    is_at_bound = headroom is not None and not headroom.counts and headroom.value <= matters
    if is_at_bound:  # whatever lies below validation: it cannot gain what matters
        parts = [gap for gap in parts if gap.low_split == "validation"]
    counting = tuple(_NAMES[gap.name] for gap in parts if gap.counts)
    if is_at_bound and not counting:
        certain = headroom is not None and headroom.counts is False
        reason = (
            "validation is no further from the bound than what matters"
            + ("" if certain else f", as far as {errors['validation'].n:,} examples tell")
            + "; if a larger model gains nothing either, this is the best that one can hope for"
        )
        return _answered((Answer.HEALTHY,), reason, errors, gaps, doubts, below)
    if counting:
        largest = max((gap for gap in parts if gap.counts), key=lambda gap: gap.value)
        reason = f"the error opens most between {largest.low_split} and {largest.high_split}"
        return _answered(counting, reason, errors, gaps, doubts, below)
    why = _why_not(gaps, bound)
    return _answered((Answer.CANNOT_SAY,), why, errors, gaps, doubts, below)


_NAMES = {
    "avoidable bias": Answer.BIAS,
    "variance": Answer.VARIANCE,
    "mismatch": Answer.MISMATCH,
    "overfit to validation": Answer.OVERFIT_TO_VALIDATION,
}


def _answered(
    answers: tuple[Answer, ...],
    reason: str,
    errors: Mapping[str, SplitError],
    gaps: tuple[ErrorGap, ...],
    doubts: tuple[str, ...],
    below_bound: tuple[str, ...],
) -> Analysis:
    probes = tuple(probe for answer in answers for probe in _PROBES.get(answer, ()))
    return Analysis(
        answers=answers,
        reason=reason,
        errors=errors,
        gaps=gaps,
        doubts=doubts,
        probes=probes,
        below_bound=below_bound,
    )


def _why_not(gaps: tuple[ErrorGap, ...], bound: SplitError | None) -> str:
    if any(gap.counts is None for gap in gaps):
        return "the intervals leave open which gap counts: more examples would tell"
    if bound is None:
        return "the bound is unknown, and so is how much of the training error can be avoided"
    return "no gap counts alone, though together they do"


def _gaps(known: Mapping[str, SplitError], matters: float) -> Iterator[ErrorGap]:
    """Yield the gaps between the splits that are there, headroom first."""
    unseen = "train-dev" if "train-dev" in known else "validation"
    pairs = [("headroom", "bound", "validation"), ("avoidable bias", "bound", "train")]
    pairs.append(("variance", "train", unseen))
    if "train-dev" in known:
        pairs.append(("mismatch", "train-dev", "validation"))
    pairs.append(("overfit to validation", "validation", "test"))
    for name, low, high in pairs:
        if low in known and high in known:
            yield _gap(name, low, high, known, matters)


def difference(low: SplitError, high: SplitError) -> tuple[float, tuple[float, float]]:
    """Return how much higher one error is, with the 95 % interval of two independent means.

    It follows from the two intervals by Newcombe's method (Statistics in Medicine 17, 1998, method
    10).
    """
    value = high.error - low.error
    below = math.hypot(high.error - high.interval[0], low.interval[1] - low.error)
    above = math.hypot(high.interval[1] - high.error, low.error - low.interval[0])
    return value, (value - below, value + above)


def _gap(
    name: str, low: str, high: str, known: Mapping[str, SplitError], matters: float
) -> ErrorGap:
    first, second = known[low], known[high]
    value, interval = difference(first, second)
    counts = True if interval[0] > matters else None
    counts = False if interval[1] <= matters else counts
    return ErrorGap(
        name=name,
        low_split=low,
        high_split=high,
        value=value,
        interval=interval,
        counts=counts,
        enough=_enough(first, second, abs(value - matters)) if counts is None else None,
    )


def _enough(low: SplitError, high: SplitError, away: float) -> int | None:
    """Return how many examples of the higher split would move the interval's end by so much.

    The other split keeps its interval; its own may be too wide already.
    """
    sides = (
        (high.error - high.interval[0], low.interval[1] - low.error),
        (high.interval[1] - high.error, low.error - low.interval[0]),
    )
    own, other = max(sides, key=lambda side: math.hypot(*side))
    room = away**2 - other**2
    larger = own**2 / room if room > 0 else math.inf
    return math.ceil(high.n * larger) if larger <= _AT_HAND else None


def _below_bound(known: Mapping[str, SplitError]) -> Iterator[str]:
    # Not train, whose rows can be learned by heart; nor train-dev, which may be easier data than
    # those that the bound is of.
    for name in ("validation", "test"):
        if "bound" in known and name in known:
            _, interval = difference(known["bound"], known[name])
            if interval[1] < 0:
                yield name


def _doubt_of_bound(name: str) -> str:
    return f"the error on {name} is lower than the bound: a leak, or the bound is not the lowest"


def _doubts(known: Mapping[str, SplitError], matters: float) -> Iterator[str]:
    """Yield what is not as it must be: an error that is lower than it can be."""
    for low, high in (("train", "train-dev"), ("train", "validation"), ("train-dev", "validation")):
        if low in known and high in known:
            gap = _gap("", low, high, known, 0.0)
            if gap.interval[1] < -matters:
                yield (
                    f"the error on {high} is lower than on {low} by more than what matters: wrong"
                    " labels in training, copies between the splits, or too many looks"
                )
