"""Draw examples in proportion to their errors, and say what fixing a kind of them can gain. Pure.

Ng, Machine Learning Yearning (2018), chapters 13 to 17: look at about 100 errors, and count kinds.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from scaffold.rules.loop.gaps import SplitError

WRONG_LABEL = "wrong label"
"""The tag of an example whose label was corrected."""


def draw_by_error(errors: Iterable[float], total: float, n: int, start: float) -> Iterator[int]:
    """Yield how often each example is drawn: n draws, in proportion to the errors.

    Systematic sampling (Madow 1949): every total/n-th unit of the error, in the order of the file,
    so that the expected draws of an example are n times its share of the total. An example whose
    share is larger than 1/n is drawn more than once.

    Args:
        errors: not negative.
        total: their sum.
        n: draws.
        start: at least 0 and less than 1, drawn by the caller.
    """
    step = total / n
    done, summed = 0, 0.0
    for error in errors:
        summed += error
        before = done
        while error and done < n and (start + done) * step < summed:
            done += 1
        yield done - before


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """One example that a person looked at: how often it was drawn, and its tags."""

    draws: int
    tags: Collection[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TagShare:
    """How much of the error a tag has.

    Attributes:
        draws: of its examples, of those looked at.
        share: of the error, with its interval of 95 %.
        ceiling: the most that mending all such examples can gain, with the interval.
    """

    tag: str
    draws: int
    share: float
    interval: tuple[float, float]
    ceiling: float
    ceiling_interval: tuple[float, float]


def tally(examples: Collection[Reviewed], error: float) -> tuple[TagShare, ...]:
    """Return the share of each tag in an error, the largest first.

    Since draws are in proportion to errors, a tag's share of the draws estimates its share of the
    error. Several tags of one example count each: shares may add up to more than 1.

    Args:
        examples: looked at, in an order that does not depend on what they show.
        error: the mean error of the split.
    """
    of = sum(example.draws for example in examples)
    counted: Counter[str] = Counter()
    for example in examples:
        for tag in set(example.tags):
            counted[tag] += example.draws
    return tuple(
        _share(tag, draws, of, error)
        for tag, draws in sorted(counted.items(), key=lambda one: (-one[1], one[0]))
        if draws
    )


def _share(tag: str, draws: int, of: int, error: float) -> TagShare:
    share = SplitError(n=of, error=draws / of)
    low, high = share.interval
    return TagShare(
        tag=tag,
        draws=draws,
        share=share.error,
        interval=(low, high),
        ceiling=share.error * error,
        ceiling_interval=(low * error, high * error),
    )
