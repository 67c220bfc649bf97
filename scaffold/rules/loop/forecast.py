"""Forecast what more training data would gain, from a learning curve of three sizes. Pure."""

from scaffold.rules.loop.case import HALF, QUARTER, Case
from scaffold.rules.loop.gaps import difference

_USUAL_DECAY = 0.6
"""By how much the gain shrinks from one doubling to the next where only one is known: that of an
error that falls as n to the power of -0.7, between the usual -0.5 and -1."""


def forecast_of_doubling(case: Case) -> tuple[float, tuple[float, float]] | None:
    """Return how much twice as much training data would lower the validation error, about.

    From the error at half and a quarter of the data, as many steps each, with an interval of the
    difference between half and all. Gains shrink by a factor from doubling to doubling; and what
    is above the bound falls as a power of n (Hestness et al., Deep Learning Scaling is Predictable,
    2017). The smaller of the two: no forecast gains more than the headroom.
    """
    half, quarter = case.result(HALF), case.result(QUARTER)
    if half is None:
        return None
    whole = case.clipped("validation", case.analysis.errors["validation"])
    at_half = case.clipped("validation", half.errors["validation"])
    last, interval = difference(whole, at_half)
    decay = _USUAL_DECAY
    if quarter is not None:
        before = case.clipped("validation", quarter.errors["validation"]).error - at_half.error
        decay = min(max(last / before, 0.2), 1.0) if before > 0 else 1.0
    gaps = case.analysis.gaps
    headroom = next((gap.value for gap in gaps if gap.name == "headroom"), whole.error)

    def forecast(step: float) -> float:
        if step <= 0 or headroom <= 0:
            return 0.0
        return min(step * decay, headroom * step / (headroom + step))

    return forecast(last), (forecast(interval[0]), forecast(interval[1]))
