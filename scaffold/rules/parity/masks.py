"""Check the masks that are drawn. Pure."""

from collections.abc import Sequence
from typing import Any

from scaffold.rules.parity.checks import CheckResult, Trace, differs, equal
from scaffold.rules.parity.marks import EXACT
from scaffold.rules.parity.settings import settings_apart

OF_DROPOUT = ".p"
"""How a setting ends that is the probability of a dropout."""


_NOISE = ("randn", "randn_like", "normal", "normal_", "exponential_")
"""Draws of torch that no mask is made of."""


def compare_masks(golden: Trace, candidate: Trace) -> CheckResult:
    """Check dropout: masks per call, their sizes and probabilities.

    What keeps or drops by a mask that is no dropout of torch's own, only the outputs show. Noise
    that is no mask is a question of the check forward_train.
    """
    masks = [_masks_by_call(trace) for trace in (golden, candidate)]
    if not any(masks):
        return equal("dropout", 0)
    again = _seeded_again(golden, candidate)
    if again is not None:
        return again
    if not all(masks):
        seen = (
            "no mask is drawn in training"
            if masks[0]
            else "masks are drawn in training, and none in the reference"
        )
        return differs("dropout", seen)
    counts = [len(calls[0]) for calls in masks]
    if counts[0] != counts[1]:
        return differs("dropout", f"{counts[1]} masks a call instead of {counts[0]}")
    late = settings_apart(golden, candidate)
    if late is not None and late[2].endswith(OF_DROPOUT):
        return differs("dropout", late[0], late[1], late[2])
    apart = mask_apart(golden, candidate, is_noise=False)
    if apart is not None:
        return differs("dropout", *apart)
    return equal("dropout", sum(len(call) for call in masks[0]))


def _masks_by_call(trace: Trace) -> list[Any]:
    """Return the masks of each call of a network, in the order in which it is called."""
    import numpy as np

    masks = trace.arrays.get("series.masks")
    return [] if masks is None else np.split(masks, np.flatnonzero(masks[:, 1] == 0)[1:])


def mask_apart(golden: Trace, candidate: Trace, *, is_noise: bool) -> tuple[str, int, str] | None:
    """Return how a mask, or else noise, differs, from which step on, and in which module.

    Of a step in which networks are called more often, or less, the calls of both are compared.
    """
    steps = [_by_step(_masks_by_call(trace)) for trace in (golden, candidate)]
    pairs = [
        (mine, own)
        for step, calls in steps[0].items()
        for first, second in zip(calls, steps[1].get(step, ()), strict=False)
        for mine, own in zip(first, second, strict=False)
    ]
    for mine, own in pairs:
        step, index = int(mine[0]), int(mine[1])
        kind, _, module = golden.index["masks"].get(f"{step}.{index}", ("", [], ""))
        if (kind in _NOISE) != is_noise:
            continue
        subject = "noise" if is_noise else "mask"
        seen = ""
        if min(own[2], mine[2]) >= 0 and abs(own[2] - mine[2]) > EXACT:
            seen = f"mask {index + 1} drops {own[2]:g} of the elements instead of {mine[2]:g}"
        elif own[4] != mine[4]:
            seen = f"{subject} {index + 1} has {own[4]:.0f} elements instead of {mine[4]:.0f}"
        if seen:
            return f"{seen} at step {step + 1}", step, module
    return None


def _by_step(calls: Sequence[Any]) -> dict[int, list[Any]]:
    by_step: dict[int, list[Any]] = {}
    for call in calls:
        by_step.setdefault(int(call[0][0]), []).append(call)
    return by_step


def _seeded_again(golden: Trace, candidate: Trace) -> CheckResult | None:
    """Check whether a program seeds torch again with an earlier seed: its masks repeat."""
    first = [next(iter(trace.index.get("reseeded", [])), None) for trace in (golden, candidate)]
    if (first[0] is None) == (first[1] is None):
        return None
    step, seed = first[1] or first[0]  # type: ignore[misc]
    text = (
        f"torch is seeded with {seed} again before step {step + 1}: masks repeat those of an"
        " earlier step"
    )
    if first[1] is None:
        text = (
            f"masks do not repeat; the reference seeds torch with {seed} again before step"
            f" {step + 1}"
        )
    return differs("dropout", text, step)
