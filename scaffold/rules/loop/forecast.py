"""Forecast what more training data would gain, from a learning curve of three sizes. Pure."""

import itertools
import math

from scaffold.rules.loop.case import HALF, QUARTER, Case
from scaffold.rules.loop.gaps import difference

_USUAL_DECAY = 0.6
"""By how much the gain shrinks from one doubling to the next where only one is known: that of an
error that falls as n to the power of -0.7, between the usual -0.5 and -1."""


def forecast_of_doubling(case: Case) -> tuple[float, tuple[float, float]] | None:
    """Return how much twice as much training data would lower the validation error, about.

    The error was measured at half and a quarter of the data, as many steps each. Two laws go on
    from there: gains shrink by a factor from doubling to doubling, and what is above the bound
    falls as a power of n (Hestness et al., Deep Learning Scaling is Predictable, 2017). The smaller
    gain is taken: no forecast gains more than the headroom.

    The interval reaches up to what the interval of the difference between half and all gives, and
    down to half of the flattest power that was seen, from the low end of the headroom: curves
    flatten, and a size was run once, with one draw of its rows.
    """
    half, quarter = case.result(HALF), case.result(QUARTER)
    if half is None:
        return None
    whole = case.clipped("validation", case.analysis.errors["validation"])
    at_half = case.clipped("validation", half.errors["validation"])
    last, interval = difference(whole, at_half)
    decay = _USUAL_DECAY
    if quarter is not None:
        at_quarter = case.clipped("validation", quarter.errors["validation"])
        before = at_quarter.error - at_half.error
        decay = min(max(last / before, 0.2), 1.0) if before > 0 else 1.0
    gap = next((gap for gap in case.analysis.gaps if gap.name == "headroom"), None)
    headroom = gap.value if gap is not None else whole.error
    least = gap.interval[0] if gap is not None else whole.interval[0]

    def forecast(step: float) -> float:
        if step <= 0 or headroom <= 0:
            return 0.0
        return min(step * decay, headroom * step / (headroom + step))

    gain = forecast(last)
    above = [headroom, headroom + last]
    if quarter is not None:
        above.append(headroom + at_quarter.error - whole.error)
    low = 0.0
    if gain > 0:
        ratios = [max(higher / lower, 1.0) for lower, higher in itertools.pairwise(above)]
        power = min(1.0, *map(math.log2, ratios)) / 2
        low = max(least, 0.0) * (1 - 2**-power)
    return gain, (min(low, forecast(interval[0])), forecast(interval[1]))
