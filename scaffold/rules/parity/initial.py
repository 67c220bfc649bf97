"""Compare how the parameters of two networks begin, by their distribution. Pure."""

import math
from collections.abc import Mapping
from typing import Any

from scaffold.records.trace import paired_networks
from scaffold.rules.parity.checks import CheckResult, Trace, differs, equal

_Z = 5.0
"""Standard errors that a mean, a spread or a tenth may be off: of a thousand parameters one in a
thousand runs is."""

_LEAST = 16
"""Elements below which equal distributions look different too often: of 4 in 3 of 100, of 2 in 21
of 100 pairs."""

_SAME = 1e-6
"""Relative difference of values that were drawn alike."""


def compare_initial(golden: Trace, candidate: Trace) -> CheckResult:
    """Check initialization: equal values where both draw alike, else equal distributions.

    The squared cosine of two rows of independent numbers, times their length, is about chi-squared
    with one degree of freedom: the mean of n pairs is known to sqrt(2/n), a difference of two such
    to 2/sqrt(n). The spread of n values is known to 1/sqrt(2n) of itself, their mean to sd/sqrt(n),
    a tenth to about 1.3 sd/sqrt(n) to 1.7 sd/sqrt(n) (normal distribution, A. Stuart and K. Ord,
    Kendall's Advanced Theory of Statistics 1, 10.10-10.12).
    """
    compared = 0
    statistical = []
    copied = _copied(golden, candidate)
    if copied is not None:
        return differs("initialization", copied[1], module=copied[0])
    for mine, own in paired_networks(golden.index, candidate.index):
        for name, distribution in mine["begun"].items():
            other = own["begun"].get(name)
            if other is None:
                continue
            compared += 1
            if _is_same(distribution, other):
                continue
            note = (
                _apart(distribution, other)
                if distribution["size"] >= _LEAST
                or _is_constant(distribution)
                or _is_constant(other)
                else None
            )
            if note:
                return differs("initialization", f"{name}: {note}", module=name, compared=compared)
            statistical.append(name)
    note = (
        f"values of {len(statistical)} parameters: drawn otherwise, compared by their distribution"
    )
    return equal("initialization", compared, [note] if statistical else [])


def _copied(golden: Trace, candidate: Trace) -> tuple[str, str] | None:
    """Find a drawn tensor that begins as a copy of an earlier one in one program only."""
    copies = [_copies(trace) for trace in (golden, candidate)]
    for name in copies[0]:
        first, own = copies[0][name], copies[1].get(name)
        if own is None or first == own:
            continue
        if own != name:
            return name, f"{name} begins with the values of {own}, which the reference's does not"
        return name, f"{name} begins with values of its own, the reference's with those of {first}"
    return None


def _copies(trace: Trace) -> dict[str, str]:
    """Return for each drawn tensor the first one that has the same values."""
    firsts: dict[tuple[Any, ...], str] = {}
    copies: dict[str, str] = {}
    for network in trace.index["networks"]:
        for name, distribution in () if network.get("begun_at") else network["begun"].items():
            if distribution["sd"] and distribution["size"] >= _LEAST:
                key = (
                    distribution["size"],
                    distribution["mean"],
                    distribution["sd"],
                    *distribution["tenths"],
                )
                copies[name] = firsts.setdefault(key, name)
    return copies


def _is_constant(distribution: Mapping[str, Any]) -> bool:
    """Return whether a parameter begins as zeros or ones, which is not drawn."""
    return not distribution["sd"] and distribution["mean"] in (0.0, 1.0)


def _is_same(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    scale = max((abs(value) for value in a["tenths"]), default=0.0)
    return len(a["tenths"]) == len(b["tenths"]) and all(
        abs(x - y) <= _SAME * scale for x, y in zip(a["tenths"], b["tenths"], strict=True)
    )


def _apart(a: Mapping[str, Any], b: Mapping[str, Any]) -> str | None:
    if not a["sd"] or not b["sd"]:
        if a["sd"] == b["sd"]:
            return f"begins as {b['mean']:.6g} instead of {a['mean']:.6g}"
        return f"spread {b['sd']:.6g} instead of {a['sd']:.6g}"
    root = math.sqrt(a["size"])
    if abs(math.log(b["sd"] / a["sd"])) * root > _Z:
        return f"standard deviation {b['sd']:.6g} instead of {a['sd']:.6g}"
    if abs(b["mean"] - a["mean"]) / a["sd"] * root / math.sqrt(2) > _Z:
        return f"mean {b['mean']:.6g} instead of {a['mean']:.6g}"
    tenths = [
        [
            (value - distribution["mean"]) / distribution["sd"]
            for value in distribution["tenths"][1:-1]
        ]
        for distribution in (a, b)
    ]
    pairs = min(a.get("pairs", 0), b.get("pairs", 0))
    if pairs >= _LEAST and abs(a["cosine"] - b["cosine"]) * math.sqrt(pairs) / 2 > _Z * max(
        1.0, min(a["cosine"], b["cosine"])
    ):
        return (
            f"mean squared cosine of its rows {b['cosine']:.3g} of that of independent numbers,"
            f" instead of {a['cosine']:.3g}"
        )
    if max(abs(x - y) for x, y in zip(*tenths, strict=True)) * root > _Z * 1.7 * math.sqrt(2):
        return "another shape of its distribution, such as uniform instead of normal"
    return None
