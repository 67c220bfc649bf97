"""Say what the seeds at hand cannot show: they may be few, or no draws at all. Pure."""

import math
from collections.abc import Sequence

from scaffold.records.evidence import MetricValue
from scaffold.records.judgment import Finding, Question, Verdict
from scaffold.records.metric import Metric
from scaffold.rules.change.paired import COARSE, LOOKS, Pair, count, paired_values

_DIGITS, _FEW_DIGITS = 6, 4
"""Digits that no two draws share by chance, and that no four do: a count, a 0 or a reward at its
end has fewer."""


def _digits(value: MetricValue) -> float:
    """Return how many digits a number was printed with, or needs."""
    if value.half_digit:
        return math.log10(abs(value.value) / (2 * value.half_digit) + 1)
    return len(f"{abs(value.value):.12g}".partition("e")[0].replace(".", "").strip("0"))


def ignored_seeds(metrics: Sequence[Metric], pairs: Sequence[Pair]) -> list[Finding]:
    """Return a finding for each side whose runs of different seeds mostly are the same run.

    They are equal to the last digit in a metric that seeds tell apart, so that many pairs are few.
    """
    findings = []
    for side, title in ((0, "before"), (1, "with the change")):
        runs = [both[side].metrics for both in pairs]
        results = {tuple(run[metric.name].value for metric in metrics) for run in runs}
        is_one = len(results) == 1 and len(runs) >= LOOKS[0]
        least = _FEW_DIGITS if is_one else _DIGITS
        fine = [
            m.name
            for m in metrics
            if m.unit not in COARSE and all(_digits(run[m.name]) >= least for run in runs)
        ]
        if fine and len(runs) > 1 and 2 * len(results) <= len(runs):
            findings.append(
                Finding(
                    question=Question.SEEDS,
                    metric="all",
                    verdict=Verdict.SEED_IGNORED,
                    n=len(runs),
                    rule="equality",
                    reason=(
                        f"{len(runs)} seeds {title} gave {count(len(results), 'result')} to the"
                        " last digit: seeds do not reach the program, and pairs of them are no"
                        " draws"
                    ),
                )
            )
    return findings


_MISSED = 0.05
"""Chance that something goes unseen which happens on the share of seeds that a remark names."""


def remarks_of_few(
    metric: Metric, pairs: Sequence[Pair], change: Finding, verdict: Verdict
) -> list[str]:
    """Return what so few seeds cannot show, and whether a metric became a constant."""
    remarks = []
    if verdict in (Verdict.BETTER, Verdict.NO_DIFFERENCE):
        share = 1 - _MISSED ** (1 / change.n)
        remarks.append(
            f"{count(change.n, 'pair')}: what goes otherwise on fewer than {share:.0%} of seeds may"
            " not have shown"
        )
    before, after = (set(values) for values in paired_values(metric, pairs))
    if len(pairs) >= LOOKS[0] and len(after) == 1 and 2 * len(before) > len(pairs):
        remarks.append(
            f"{metric.name} is {after.pop():.6g} in all {len(pairs)} runs of the change, and"
            " differed before: see that it is still computed"
        )
    return remarks
