"""Check a short run in float64 in which only the first weights are given. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from scaffold.records.judgment import Verdict
from scaffold.rules.parity.checks import (
    CheckResult,
    Trace,
    differs,
    equal,
    left_out,
)
from scaffold.rules.parity.entries import compare_entries, describe_gap
from scaffold.rules.parity.marks import first_apart, first_shared
from scaffold.rules.parity.tensors import NOISE

_REPLAY = 1e-9
"""Of losses and weights of a run in float64: equal rewrites differ by at most 2e-13
(docs/verdicts.md). Where the reference differs from itself by more, once its first weights are off
by one last digit, ten times that."""


_REPORTED = 1e-4
"""Of reported metrics: they are made of hundreds of float32 steps whose rounding may differ."""


def compare_reporting(golden: Trace, candidate: Trace | None) -> CheckResult:
    """Check metrics made of the same made-up outputs; of functions, of the program's own."""
    if candidate is None:
        return left_out("reporting", "there is no trace")
    is_alike = bool(golden.index.get("hidden")) == bool(candidate.index.get("hidden"))
    metrics = golden.metrics if is_alike else golden.full_metrics
    if not metrics:
        return left_out("reporting", "the reference's metrics could not be read")
    step = int(golden.index.get("steps", 0))
    for name, value in metrics.items():
        if name not in candidate.metrics:
            return differs("reporting", f"{name} is not reported", step, name)
        other = candidate.metrics[name]
        is_same = other == value or abs(other - value) <= _REPORTED * max(abs(value), abs(other))
        if not is_same and not (value != value and other != other):
            return differs(
                "reporting",
                f"{name} is {other:.7g} instead of {value:.7g} of the same outputs",
                step,
                name,
            )
    return equal("reporting", len(metrics))


def compare_replay(golden: Trace | None, candidate: Trace | None) -> CheckResult:
    """Check the losses at every step of a replay, then the final weights."""
    if golden is None:
        return left_out("replay", "there is none of the reference: no smoke command, or no float64")
    if candidate is None:
        return left_out("replay", "it was not run: it differs already, or fails in float64")
    if "unmatched" in candidate.index:
        return left_out(
            "replay", "the declared `weights` do not fit the sizes of the smoke command"
        )
    is_cut = "done" in (golden.index.get("ended"), candidate.index.get("ended"))
    losses = _losses_apart(golden, candidate, is_cut)
    if losses.verdict is not Verdict.EQUAL:
        return losses
    compared = losses.compared
    for name in golden.arrays:
        if name.startswith("series.weights."):
            at = first_shared(golden, candidate, name, _allowed(golden, name))
            if at is not None:
                return differs(
                    "replay", f"the weights are others after step {at + 1}", at, compared=compared
                )
            compared += len(golden.arrays[name])
    weights = compare_entries("replay", golden, candidate)
    if weights.first is not None:
        entry, gap = weights.first
        return differs(
            "replay",
            f"the last weights: {describe_gap(entry, gap)}",
            entry["step"],
            entry["module"],
            compared,
        )
    return _replayed_metrics(
        golden, candidate, equal("replay", compared + weights.compared, worst=weights.worst), is_cut
    )


def _losses_apart(golden: Trace, candidate: Trace, is_cut: bool) -> CheckResult:
    """Compare the losses of all steps of a replay; of one that was cut, as many as both have."""
    losses = [trace.arrays.get("series.loss") for trace in (golden, candidate)]
    compared = 0 if losses[0] is None else len(losses[0])
    if is_cut and losses[0] is not None and losses[1] is not None:
        losses = [loss[: min(map(len, losses))] for loss in losses]  # type: ignore[index, arg-type]
    step = first_apart(losses[0], losses[1], _allowed(golden, "series.loss"))
    if step is None:
        return equal("replay", compared + 1)
    reason = "one run is longer than the other"
    if all(loss is not None and step < len(loss) for loss in losses):
        reason = f"the loss is {losses[1][step]:.12g} instead of {losses[0][step]:.12g}"  # type: ignore[index]
    return differs("replay", f"{reason} at step {step + 1}", step, compared=compared)


def _allowed(golden: Trace, name: str) -> float:
    """Return the allowed difference of two replay series: ten times the reference's own noise."""
    noise: Mapping[str, float] = golden.index.get("noise", {})
    return max(_REPLAY, NOISE * noise.get(name, 0.0))


def _replayed_metrics(
    golden: Trace, candidate: Trace, check: CheckResult, is_cut: bool
) -> CheckResult:
    """Compare what both programs reported at the end of a replay."""
    if is_cut or check.verdict is not Verdict.EQUAL:
        return check
    for name, value in golden.metrics.items():
        other = candidate.metrics.get(name)
        if other is None:
            return differs(
                "replay", f"{name} is not reported", module=name, compared=check.compared
            )
        if other != value and not abs(other - value) <= _REPORTED * max(abs(value), abs(other)):
            text = f"{name} is {other:.7g} instead of {value:.7g} at the end of a short run"
            return differs("replay", text, int(golden.index.get("steps", 0)), name, check.compared)
    return replace(
        check, compared=check.compared + len(golden.metrics), has_metrics=bool(golden.metrics)
    )
