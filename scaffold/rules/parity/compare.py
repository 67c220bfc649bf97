"""Compares the trace of a program with that of its reference, check by check. Pure.

Every check was fed the reference's values, so that one difference neither hides nor fakes another:
the first check that differs, and on it the first module in the order of computation whose inputs
are equal, is the address of the fault.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from scaffold.records.judgment import Verdict
from scaffold.rules.parity.batches import compare_batches
from scaffold.rules.parity.budget import compare_budget
from scaffold.rules.parity.causes import usual_causes
from scaffold.rules.parity.checks import (
    CALLS,
    CHECKS,
    OPTIONS,
    STAGES,
    Address,
    CheckResult,
    Trace,
    differs,
    left_out,
)
from scaffold.rules.parity.entries import compare_check
from scaffold.rules.parity.followed import between_updates, compare_followed, with_evaluated
from scaffold.rules.parity.functions import compare_functions, compare_part
from scaffold.rules.parity.initial import compare_initial
from scaffold.rules.parity.masks import compare_masks
from scaffold.rules.parity.parameters import compare_parameters, report_unmatched
from scaffold.rules.parity.replay import compare_replay, compare_reporting
from scaffold.rules.parity.schedule import compare_schedule

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
"""Checks whose tensors are compared one by one."""

_MODES_FIRST = ("evaluation", "forward_train", "gradients")
"""Checks on which what was followed over the whole run says more than which tensor differs."""

_MADE_OF_BATCHES = ("forward_train", "loss", "gradients", "optimizer", "loop", "reporting")
"""Checks that other batches show on as well."""

_AFTER_LOOP = ("batches", "budget", "schedule", "forward_train", "loss", "gradients", "optimizer")
"""Checks that differ as well where a program does something else between two updates."""


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
"""Checks of what is trained: where a whole run is the same after each update, calls in other
portions are no fault."""

_BY_METRICS = ("evaluation", "reporting")
"""The same of what is reported, where that run ended by itself and reported the same."""


def compare_traces(
    golden: Mapping[str, Mapping[str, Trace]],
    candidate: Mapping[str, Mapping[str, Trace]],
    part: str = "",
) -> tuple[CheckResult, ...]:
    """Run all checks of a program of several commands; its traces are by kind and command.

    A check differs where it does in one of the commands. `part` is what was rewritten.
    """
    merged: dict[str, CheckResult] = {}
    for step in golden["own"]:
        for check in compare_command(_of_step(golden, step), _of_step(candidate, step), part):
            known = merged.get(check.name)
            merged[check.name] = check if known is None else _merged(known, check)
    return tuple(merged[name] for name in CHECKS if name in merged)


def _merged(known: CheckResult, check: CheckResult) -> CheckResult:
    """Merge two commands' results of one check: the worse verdict, all that was compared."""
    order = (Verdict.DIFFERS, Verdict.EQUAL, Verdict.LEFT_OUT)
    result = min(known, check, key=lambda one: order.index(one.verdict))
    reasons = [
        one.reason
        for one in (known, check)
        if one.verdict is Verdict.LEFT_OUT and result.verdict is not Verdict.LEFT_OUT
    ]
    return replace(
        result,
        compared=known.compared + check.compared,
        worst=max(known.worst, check.worst),
        left_out=tuple(dict.fromkeys([*known.left_out, *check.left_out, *reasons])),
    )


_OF_SMOKE = ("replay", "functions")
"""Kinds of traces that are made by the smoke command."""


def _of_step(traces: Mapping[str, Mapping[str, Trace]], step: str) -> dict[str, Trace]:
    """Return the traces of one command; those of the smoke command are added."""
    kinds = {kind: steps[step] for kind, steps in traces.items() if step in steps}
    short = {kind: next(iter(traces.get(kind, {}).values()), None) for kind in _OF_SMOKE}
    return {**kinds, **{kind: trace for kind, trace in short.items() if trace is not None}}


def compare_command(
    golden: Mapping[str, Trace], candidate: Mapping[str, Trace], part: str = ""
) -> tuple[CheckResult, ...]:
    """Run all checks, in order.

    Args:
        golden: traces of the reference by kind: `own` (in its own dtype), `float64`, `replay`; what
            is missing of them is left out by name. Entries of `own` may have `noise`, the
            reference's difference from itself.
        candidate: those of the other program.
        part: what was rewritten.
    """
    reference, own = golden["own"], candidate.get("own")
    if reference.index.get("kind") == "functions":
        return tuple(
            _with_causes(check, reference) for check in _by_functions(reference, own, part)
        )
    if own is None:
        return (differs("data", "no network was called: nothing of it can be compared"),)
    if "unmatched" in own.index:
        return (report_unmatched(own),)
    data, batches, others_from = compare_batches(reference, own)
    checks = {check.name: check for check in (data, batches, *_followed(reference, own))}
    wide = (
        [("float64", golden["float64"], candidate["float64"])]
        if "float64" in golden and "float64" in candidate
        else []
    )
    missing = [] if wide else ["float64: it cannot be had of this program"]
    for name in _TENSORS:
        pairs = wide if name == "loop" else [*wide, ("own dtype", reference, own)]
        checks[name] = compare_check(name, pairs, left_out=missing)
        apart = None if name == "loop" else compare_followed(name, reference, own)
        checks[name] = with_evaluated(checks[name], reference)
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
    checks["reporting"] = compare_reporting(reference, own)
    _blame_loop(checks, reference, own)
    if others_from is not None:
        checks |= {name: without(checks[name], others_from) for name in _MADE_OF_BATCHES}
    checks["replay"] = compare_replay(golden.get("replay"), candidate.get("replay"))
    _relax(checks, golden, reference, own)
    if part and part not in STAGES and not is_network(reference, part):
        checks["functions"] = _by_part(golden, candidate, part, checks["batches"])
    return tuple(_with_causes(checks[name], reference) for name in CHECKS if name in checks)


def is_network(trace: Trace, part: str) -> bool:
    """Return whether a part is the class of a network or of one of its modules."""
    module, _, name = part.rpartition(".")
    return any(
        one["class_name"] == name and one["code"] in (module, "__main__")
        for network in trace.index["networks"]
        for one in network["modules"]
    )


def _by_part(
    golden: Mapping[str, Trace], candidate: Mapping[str, Trace], part: str, batches: CheckResult
) -> CheckResult:
    """Compare a part that no network is; one that yields the batches is compared by them."""
    if "functions" not in golden:
        reason = f"{part} was not compared: the golden trace has no run by its functions"
        return replace(left_out("functions", reason), uncompared=reason)
    check = compare_part(golden["functions"], candidate.get("functions"), part)
    yields = part in golden["functions"].index.get("generators", ())
    is_compared = yields and batches.verdict is Verdict.EQUAL
    return replace(check, uncompared="") if is_compared else check


def without(check: CheckResult, step: int) -> CheckResult:
    """Leave out a difference that starts at a step or later."""
    if check.verdict is not Verdict.DIFFERS or check.address is None or check.address.step < step:
        return check
    reason = f"it follows the batches, which are others from step {step + 1} on"
    return replace(check, verdict=Verdict.LEFT_OUT, reason=reason, address=None)


def _blame_loop(checks: dict[str, CheckResult], reference: Trace, own: Trace) -> None:
    """Move differences to the loop that come from what the program does between two updates."""
    between = between_updates(reference, own)
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
    functions, reporting = (
        compare_functions(reference, own, part),
        compare_reporting(reference, own),
    )
    if (
        functions.structural == CALLS
        and reporting.verdict is Verdict.EQUAL
        and functions.address is not None
    ):
        name = functions.address.module
        if not part or not (name == part or name.startswith(f"{part}.")):
            left_out = (*functions.left_out, functions.reason)
            verdict = Verdict.EQUAL if functions.compared else Verdict.LEFT_OUT
            functions = replace(
                functions,
                verdict=verdict,
                reason="",
                address=None,
                structural="",
                left_out=left_out,
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


def _enters_otherwise(golden: Trace, candidate: Trace) -> bool:
    """Return whether the programs call other modules of one network.

    One calls `net(x)`, say, and the other its parts one after the other.
    """
    networks = [
        {network["name"] for network in trace.index["networks"]} for trace in (golden, candidate)
    ]
    called = [
        {
            name
            for name in trace.index.get("numbers", ())
            if name.partition(".")[0] in networks[0] & networks[1]
        }
        for trace in (golden, candidate)
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
    """Leave out a difference only in how many calls a replayed step takes to compute something."""
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


def _followed(golden: Trace, candidate: Trace) -> Iterator[CheckResult]:
    """Run the checks of what is followed over the whole run, and of the networks."""
    yield compare_budget(golden, candidate)
    yield compare_schedule(golden, candidate)
    yield compare_parameters(golden, candidate)
    yield compare_initial(golden, candidate)
    yield compare_masks(golden, candidate)


def _with_causes(check: CheckResult, golden: Trace) -> CheckResult:
    if check.verdict is not Verdict.DIFFERS or check.causes or check.address is None:
        return check
    classes = {
        module["path"]: module["class_name"]
        for net in golden.index["networks"]
        for module in net["modules"]
    }
    return replace(
        check,
        causes=usual_causes(
            check, classes.get(check.address.module, ""), frozenset(classes.values())
        ),
    )
