"""Compares the trace of a program with that of its reference, check by check. Pure.

Every check was fed the reference's values, so that one difference neither hides nor fakes another:
the first check that differs, and on it the first module in the order of computation whose inputs
are equal, is the address of the fault.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from scaffold.records.judgment import Verdict
from scaffold.rules.parity import series
from scaffold.rules.parity.batches import compare_batches, first_apart, first_shared
from scaffold.rules.parity.causes import usual_causes
from scaffold.rules.parity.checks import (
    CALLS,
    CHECKS,
    OPTIONS,
    PORTIONS,
    Address,
    CheckResult,
    Trace,
    differs,
    equal,
    left_out,
)
from scaffold.rules.parity.entries import compare_check, compare_entries, told
from scaffold.rules.parity.functions import compare_functions
from scaffold.rules.parity.initial import compare_initial
from scaffold.rules.parity.tensors import NOISE

_TENSORS = (
    "forward_eval",
    "forward_train",
    "buffers",
    "loss",
    "gradients",
    "optimizer",
    "loop",
    "evaluation",
)
"""Rungs whose tensors are compared one by one."""

_MODES_FIRST = ("evaluation", "forward_train", "gradients")
"""Rungs on which what was followed over the whole run says more than which tensor differs."""

_MADE_OF_BATCHES = ("forward_train", "loss", "gradients", "optimizer", "loop", "reporting")
"""Rungs that other batches show on as well."""

_AFTER_LOOP = ("batches", "budget", "schedule", "forward_train", "loss", "gradients", "optimizer")
"""Rungs that differ as well where a program does something else between two updates."""

_REPLAY = 1e-9
"""Of losses and weights of a run in float64: equal rewrites differ by at most 2e-13
(docs/verdicts.md). Where the reference differs from itself by more, once its first weights are off
by one last digit, ten times that."""

_BY_REPLAY = (
    "data",
    "batches",
    "budget",
    "forward_eval",
    "forward_train",
    "buffers",
    "loss",
    "gradients",
    "optimizer",
    "loop",
)
"""Rungs of what is trained: where a whole run is the same after each update, calls in other
portions are no fault."""

_BY_METRICS = ("evaluation", "reporting")
"""The same of what is reported, where that run ended by itself and reported the same."""

_REPORTED = 1e-4
"""Of reported metrics: they are made of hundreds of float32 steps whose rounding may differ."""

_OPTIONS_OF_HOW = {
    "lr",
    "initial_lr",
    "foreach",
    "fused",
    "capturable",
    "differentiable",
    "decoupled_weight_decay",
}
"""Options of an optimizer that say how it computes, not what; rates are another check's
question."""


def climb_steps(
    golden: Mapping[str, Mapping[str, Trace]],
    found: Mapping[str, Mapping[str, Trace]],
    part: str = "",
) -> tuple[CheckResult, ...]:
    """Run all checks of a program of several commands.

    Its traces are given by kind and command.

    A check differs where it does in one of the commands. `part` is what was rewritten.
    """
    merged: dict[str, CheckResult] = {}
    for step in golden["own"]:
        for check in climb(_of_step(golden, step), _of_step(found, step), part):
            known = merged.get(check.name)
            merged[check.name] = check if known is None else _merged(known, check)
    return tuple(merged[name] for name in CHECKS if name in merged)


def _merged(known: CheckResult, check: CheckResult) -> CheckResult:
    """Merge two commands' results of one check: the worse verdict, all that was compared."""
    order = (Verdict.DIFFERS, Verdict.EQUAL, Verdict.LEFT_OUT)
    kept = min(known, check, key=lambda one: order.index(one.verdict))
    reasons = [
        one.reason
        for one in (known, check)
        if one.verdict is Verdict.LEFT_OUT and kept.verdict is not Verdict.LEFT_OUT
    ]
    return replace(
        kept,
        compared=known.compared + check.compared,
        worst=max(known.worst, check.worst),
        left_out=tuple(dict.fromkeys([*known.left_out, *check.left_out, *reasons])),
    )


def _of_step(traces: Mapping[str, Mapping[str, Trace]], step: str) -> dict[str, Trace]:
    """Return the traces of one command; the replayed smoke command is added."""
    kinds = {kind: steps[step] for kind, steps in traces.items() if step in steps}
    replay = next(iter(traces.get("replay", {}).values()), None)
    return {**kinds, **({"replay": replay} if replay is not None else {})}


def climb(
    golden: Mapping[str, Trace], found: Mapping[str, Trace], part: str = ""
) -> tuple[CheckResult, ...]:
    """Run all checks, in order.

    Args:
        golden: traces of the reference by kind: `own` (in its own dtype), `float64`, `replay`; what
            is missing of them is left out by name. Entries of `own` may have `noise`, the
            reference's difference from itself.
        found: those of the other program.
        part: what was rewritten.
    """
    reference, own = golden["own"], found.get("own")
    if reference.index.get("kind") == "functions":
        return tuple(
            _with_causes(check, reference) for check in _by_functions(reference, own, part)
        )
    if own is None:
        return (differs("data", "no network was called: nothing of it can be compared"),)
    if "unmatched" in own.index:
        return (_unmatched(own),)
    data, batches, others_from = compare_batches(reference, own)
    checks = {check.name: check for check in (data, batches, *_followed(reference, own))}
    wide = (
        [("float64", golden["float64"], found["float64"])]
        if "float64" in golden and "float64" in found
        else []
    )
    missing = [] if wide else ["float64: it cannot be had of this program"]
    for name in _TENSORS:
        pairs = wide if name == "loop" else [*wide, ("own dtype", reference, own)]
        checks[name] = compare_check(name, pairs, left_out=missing)
        apart = None if name == "loop" else series.compare_followed(name, reference, own)
        checks[name] = series.with_evaluated(checks[name], reference)
        if apart is not None and (
            checks[name].verdict is not Verdict.DIFFERS or name in _MODES_FIRST
        ):
            address = Address(module="", step=apart.step)
            checks[name] = replace(
                checks[name],
                verdict=Verdict.DIFFERS,
                reason=apart.text,
                code=apart.code,
                address=address,
                worst=float("inf"),
                structural="",
            )
    checks["reporting"] = _reporting(reference, own)
    _blame_loop(checks, reference, own)
    if others_from is not None:
        checks |= {name: _without(checks[name], others_from) for name in _MADE_OF_BATCHES}
    checks["replay"] = _replay(golden.get("replay"), found.get("replay"))
    _relax(checks, golden, reference, own)
    return tuple(_with_causes(checks[name], reference) for name in CHECKS if name in checks)


def _without(check: CheckResult, step: int) -> CheckResult:
    """Leave out a difference that starts at a step or later."""
    if check.verdict is not Verdict.DIFFERS or check.address is None or check.address.step < step:
        return check
    reason = f"it follows the batches, which are others from step {step + 1} on"
    return replace(check, verdict=Verdict.LEFT_OUT, reason=reason, address=None)


def _blame_loop(checks: dict[str, CheckResult], reference: Trace, own: Trace) -> None:
    """Move differences to the loop that come from what the program does between two updates."""
    between = series.between_updates(reference, own)
    if between is None:
        return
    reason, step, is_enough = between
    after = [
        name
        for name in _AFTER_LOOP
        if checks[name].verdict is Verdict.DIFFERS
        and (address := checks[name].address)
        and address.step >= step - 1
    ]
    checks |= {
        name: left_out(name, f"it follows from the loop: {checks[name].reason}") for name in after
    }
    if after or is_enough:
        checks["loop"] = differs("loop", reason, step)


def _by_functions(
    reference: Trace, own: Trace | None, part: str
) -> tuple[CheckResult, CheckResult]:
    """Run the checks of a program without torch.

    That a function is called less often is no difference where all outputs that are there, and all
    that is reported, are the same: someone has regrouped what calls it. Of the part itself it
    stays one.
    """
    functions, reporting = compare_functions(reference, own, part), _reporting(reference, own)
    if (
        functions.structural == CALLS
        and reporting.verdict is Verdict.EQUAL
        and functions.address is not None
    ):
        name = functions.address.module
        if not part or not (name == part or name.startswith(f"{part}.")):
            left = (*functions.left_out, functions.reason)
            verdict = Verdict.EQUAL if functions.compared else Verdict.LEFT_OUT
            functions = replace(
                functions, verdict=verdict, reason="", address=None, structural="", left_out=left
            )
    return functions, reporting


def _relax(
    checks: dict[str, CheckResult], golden: Mapping[str, Trace], reference: Trace, own: Trace
) -> None:
    """Drop differences only in how networks are called, where a whole run is the same."""
    if any(_speaks(check) for check in checks.values()):
        for name in ("batches", "budget"):
            if checks[name].structural == CALLS:
                checks[name] = left_out(
                    name, f"{checks[name].reason}: follows from how the network is called"
                )
    if _enters_otherwise(reference, own):
        checks |= {
            name: _as_calls(checks[name]) for name in (*_BY_REPLAY, *_BY_METRICS) if name in checks
        }
    if checks["replay"].verdict is not Verdict.EQUAL:
        return
    if checks["replay"].has_metrics or checks["forward_eval"].verdict is Verdict.EQUAL:
        checks |= {name: _unlike(checks[name]) for name in _BY_METRICS}
    checks |= {
        name: _portioned(checks[name], golden["replay"]) for name in _BY_REPLAY if name in checks
    }
    if checks["parameters"].structural == OPTIONS and checks["optimizer"].verdict is Verdict.EQUAL:
        reason = (
            f"{checks['parameters'].reason}, and the optimizer makes the same of the same gradients"
        )
        checks["parameters"] = left_out("parameters", reason)


def _unlike(check: CheckResult) -> CheckResult:
    """Leave out a check of evaluation in which other modules are called."""
    if check.verdict is not Verdict.DIFFERS or not check.structural:
        return check
    return replace(
        check,
        verdict=Verdict.LEFT_OUT,
        reason=f"other modules are called: {check.reason}",
        address=None,
        worst=0.0,
    )


def _enters_otherwise(golden: Trace, found: Trace) -> bool:
    """Return whether the programs call other modules of one network.

    `net(x)`, and parts of it one after the other.
    """
    networks = [
        {network["name"] for network in trace.index["networks"]} for trace in (golden, found)
    ]
    called = [
        {
            name
            for name in trace.index.get("numbers", ())
            if name.partition(".")[0] in networks[0] & networks[1]
        }
        for trace in (golden, found)
    ]
    return called[0] != called[1]


def _as_calls(check: CheckResult) -> CheckResult:
    """Mark a difference of programs that call other modules: their inputs prove nothing."""
    return replace(check, structural=CALLS) if check.verdict is Verdict.DIFFERS else check


def _speaks(check: CheckResult) -> bool:
    """Return whether a check of what is trained differs in its values."""
    return (
        check.verdict is Verdict.DIFFERS
        and not check.structural
        and check.name in (*_BY_REPLAY, "evaluation", "parameters")
    )


def _portioned(check: CheckResult, replay: Trace) -> CheckResult:
    """Leave out a difference only in how many calls something is computed.

    Within the replayed steps.
    """
    steps = int(replay.index.get("steps", 0))
    if (
        check.verdict is not Verdict.DIFFERS
        or not check.structural
        or check.address is None
        or check.address.step >= steps
    ):
        return check
    reason = (
        f"in other calls or portions ({check.reason}), and the same after each of {steps} updates"
        " in float64"
    )
    return replace(check, verdict=Verdict.LEFT_OUT, reason=reason, address=None, worst=0.0)


def _followed(golden: Trace, found: Trace) -> Iterator[CheckResult]:
    """Run the checks of what is followed over the whole run, and of the networks."""
    yield series.compare_budget(golden, found)
    yield series.compare_schedule(golden, found)
    yield _parameters(golden, found)
    yield compare_initial(golden, found)
    yield series.compare_masks(golden, found)


def _unmatched(found: Trace) -> CheckResult:
    """Report tensors of the network that match nothing: no other check can run."""
    unmatched = found.index["unmatched"]
    text = []
    if unmatched["missing"]:
        text.append(f"the reference's {', '.join(unmatched['missing'][:6])} have no place")
    if unmatched["extra"]:
        text.append(f"{', '.join(unmatched['extra'][:6])} are made of nothing")
    module = (unmatched["missing"] or unmatched["extra"] or [unmatched["network"]])[0].rpartition(
        "."
    )[0]
    causes = (
        "parameters have other names or shapes: say under `weights` what they are made of",
        "a bias or a whole layer is missing, or too many",
    )
    reason = "; ".join([*text, *unmatched["problems"][:6]])
    return replace(differs("parameters", reason, module=module), causes=causes)


def _parameters(golden: Trace, found: Trace) -> CheckResult:
    """Check which parameters are trained, and how the optimizer treats each."""
    compared, missing = 0, []
    counts = [series.networks_trained(trace) for trace in (golden, found)]
    if counts[0] != counts[1]:
        return differs(
            "parameters",
            f"{counts[1]} networks are trained instead of {counts[0]}",
            structural=PORTIONS,
        )
    for mine, theirs in zip(golden.index["networks"], found.index["networks"], strict=False):
        reference = {entry["name"]: entry for entry in mine["parameters"]}
        has_groups = any(entry["group"] for entry in theirs["parameters"])
        if not has_groups and any(entry["group"] for entry in mine["parameters"]):
            missing.append(
                "the optimizer's groups: it is no torch optimizer; what it does is compared all the"
                " same"
            )
        for entry in theirs["parameters"]:
            for name in theirs["sources"].get(entry["name"], ()):
                compared += 1
                apart = _treated_otherwise(reference[name], entry, has_groups=has_groups)
                if apart is not None:
                    return differs(
                        "parameters", apart[0], module=name, compared=compared, structural=apart[1]
                    )
    late = series.settings_apart(golden, found)
    if late is not None and not late[2].endswith(series.OF_DROPOUT):
        return differs("parameters", late[0], late[1], late[2], compared)
    return equal("parameters", compared, missing)


def _treated_otherwise(
    wanted: Mapping[str, Any], entry: Mapping[str, Any], *, has_groups: bool
) -> tuple[str, str] | None:
    """Return how a parameter is treated other than the reference's, and of which kind that is."""
    if wanted["requires_grad"] != entry["requires_grad"]:
        is_trained = "is trained" if entry["requires_grad"] else "is not trained"
        return f"{entry['name']} {is_trained}, the reference's {wanted['name']} otherwise", ""
    if not has_groups or not wanted["group"]:
        return None
    if not entry["group"]:
        return f"{entry['name']} is not given to the optimizer", ""
    for key in sorted(wanted["group"].keys() & entry["group"].keys() - _OPTIONS_OF_HOW):
        if not _same_option(wanted["group"][key], entry["group"][key]):
            text = (
                f"{key} of {entry['name']} is {entry['group'][key]} instead of"
                f" {wanted['group'][key]}"
            )
            return text, OPTIONS
    return None


def _same_option(a: Any, b: Any) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_same_option(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return abs(a - b) <= 1e-9 * max(abs(a), abs(b))
    return bool(a == b)


def _reporting(golden: Trace, found: Trace | None) -> CheckResult:
    """Check metrics made of the same made-up outputs; of functions, of the program's own."""
    if found is None:
        return left_out("reporting", "there is no trace")
    is_alike = bool(golden.index.get("hidden")) == bool(found.index.get("hidden"))
    metrics = golden.metrics if is_alike else golden.full_metrics
    if not metrics:
        return left_out("reporting", "the reference's metrics could not be read")
    step = int(golden.index.get("steps", 0))
    for name, value in metrics.items():
        if name not in found.metrics:
            return differs("reporting", f"{name} is not reported", step, name)
        other = found.metrics[name]
        is_same = other == value or abs(other - value) <= _REPORTED * max(abs(value), abs(other))
        if not is_same and not (value != value and other != other):
            return differs(
                "reporting",
                f"{name} is {other:.7g} instead of {value:.7g} of the same outputs",
                step,
                name,
            )
    return equal("reporting", len(metrics))


def _replay(golden: Trace | None, found: Trace | None) -> CheckResult:
    """Check the losses at every step of a replay, then the final weights."""
    if golden is None:
        return left_out("replay", "there is none of the reference: no smoke command, or no float64")
    if found is None:
        return left_out("replay", "it was not run: it differs already, or fails in float64")
    if "unmatched" in found.index:
        return left_out(
            "replay", "the declared `weights` do not fit the sizes of the smoke command"
        )
    is_cut = "done" in (golden.index.get("ended"), found.index.get("ended"))
    losses = _losses_apart(golden, found, is_cut)
    if losses.verdict is not Verdict.EQUAL:
        return losses
    compared = losses.compared
    for name in golden.arrays:
        if name.startswith("series.weights."):
            at = first_shared(golden, found, name, _allowed(golden, name))
            if at is not None:
                return differs(
                    "replay", f"the weights are others after step {at + 1}", at, compared=compared
                )
            compared += len(golden.arrays[name])
    weights = compare_entries("replay", golden, found)
    if weights.first is not None:
        entry, gap = weights.first
        return differs(
            "replay",
            f"the last weights: {told(entry, gap)}",
            entry["step"],
            entry["module"],
            compared,
        )
    return _replayed_metrics(
        golden, found, equal("replay", compared + weights.compared, worst=weights.worst), is_cut
    )


def _losses_apart(golden: Trace, found: Trace, is_cut: bool) -> CheckResult:
    """Compare the losses of all steps of a replay; of one that was cut, as many as both have."""
    losses = [trace.arrays.get("series.loss") for trace in (golden, found)]
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


def _replayed_metrics(golden: Trace, found: Trace, check: CheckResult, is_cut: bool) -> CheckResult:
    """Compare what both programs reported at the end of a replay."""
    if is_cut or check.verdict is not Verdict.EQUAL:
        return check
    for name, value in golden.metrics.items():
        other = found.metrics.get(name)
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


def _with_causes(check: CheckResult, golden: Trace) -> CheckResult:
    if check.verdict is not Verdict.DIFFERS or check.causes or check.address is None:
        return check
    classes = {
        module["path"]: module["class"]
        for net in golden.index["networks"]
        for module in net["modules"]
    }
    return replace(
        check,
        causes=usual_causes(
            check, classes.get(check.address.module, ""), frozenset(classes.values())
        ),
    )
