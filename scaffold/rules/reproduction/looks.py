"""Say at which level one may look after every run, so that all looks together hold alpha. Pure."""

import bisect
import functools
import math

from scaffold.records.claim import Rule


def look_alpha(n: int, rule: Rule) -> float:
    """Return the level of a look at n runs; 0 before the first look.

    One looks after each run from the third on, and a look may decide. Each spends of alpha in
    proportion to the runs that are new, so that by Bonferroni all looks together stay below it.
    """
    first = min(_FIRST_LOOK, rule.max_seeds)
    new = first if n == first else 1
    return rule.alpha * new / rule.max_seeds if n >= first else 0.0


_FIRST_LOOK = 3


@functools.cache
def binomial_tail(successes: int, n: int) -> float:
    """Return P(at least so many successes of n) when success has probability one half."""
    return sum(math.comb(n, k) for k in range(successes, n + 1)) / 2.0**n


def binomial_level(rule: Rule) -> float:
    """Return the level of each look at which looks after every run have an error of at most alpha.

    The probability that any look up to the last has a tail as small is counted exactly.
    """
    tails = {
        binomial_tail(successes, n)
        for n in range(1, rule.max_seeds + 1)
        for successes in range(n + 1)
    }
    levels = sorted(tails)
    allowed = bisect.bisect_right(
        levels, rule.alpha, key=lambda level: _ever_below(level, rule.max_seeds)
    )
    return levels[allowed - 1] if allowed else 0.0


def _ever_below(level: float, looks: int) -> float:
    """Return P(the tail of some look is at most this level) when success has one half."""
    undecided, decided = {0: 1.0}, 0.0
    for n in range(1, looks + 1):
        following: dict[int, float] = {}
        for successes, probability in undecided.items():
            for total in (successes, successes + 1):
                following[total] = following.get(total, 0.0) + probability / 2
        ended = {total for total in following if binomial_tail(total, n) <= level}
        decided += sum(following.pop(total) for total in ended)
        undecided = following
    return decided
