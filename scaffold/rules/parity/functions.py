"""Compares the functions of two programs that are not torch, call by call. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scaffold.records.judgment import Verdict
from scaffold.rules.parity.checks import (
    CALLS,
    STAGES,
    Address,
    CheckResult,
    Trace,
    differs,
    equal,
    left_out,
)
from scaffold.rules.parity.entries import Entry, Found, describe_gap, key_of
from scaffold.rules.parity.marks import first_apart
from scaffold.rules.parity.tensors import TensorGap, compare

_LATER = 1e-5
"""Of one number for all that a call gives, relative to the largest: what may have been computed in
float32."""

_TEXT = "~text"
"""How the tracer names an array in which texts stand for themselves by a number."""

_SAME = 1e-9
"""The same of what a call is given, where other numbers of it are to be the call's own."""


def compare_functions(golden: Trace, candidate: Trace | None, part: str = "") -> CheckResult:
    """Compare the outputs of every function of the reference.

    The address is the first function whose inputs are equal and whose outputs are not, or one that
    it calls and that gives other outputs of equal inputs later on; else one that gets other inputs;
    else one that is called less often. A function that is gone is compared by the outputs of those
    that called it; so is one that is called less often.

    Args:
        golden: the reference's trace.
        candidate: the other program's.
        part: the function that was rewritten: what of it was not compared is named first.
    """
    if candidate is None:
        return differs("functions", "no function of the reference's was called")
    answer, other_inputs = _compared(golden, candidate)
    uncovered = _uncovered(golden, candidate)
    notes = [note["text"] for trace in (golden, candidate) for note in trace.index["notes"]]
    check = equal(
        "functions", answer.compared, tuple(dict.fromkeys([*answer.left_out, *notes])), answer.worst
    )
    if answer.first is None and uncovered["fewer"]:
        name, counts = next(iter(uncovered["fewer"].items()))
        text = f"{name} is called {counts[1]} times instead of {counts[0]}"
        return replace(
            check,
            verdict=Verdict.DIFFERS,
            reason=text,
            address=Address(module=name, call=counts[1]),
            structural=CALLS,
            uncompared=_uncompared(golden, candidate, part, uncovered),
        )
    if answer.first is None:
        other_inputs = _not_regrouped(golden, candidate, part, other_inputs)
    answer.first = answer.first or next(iter(other_inputs.values()), None)
    late = _late(golden, candidate, answer.first[0]["module"] if answer.first else "")
    if late is not None:
        name, call = late
        text = f"{name} gives other numbers from call {call + 1} on"
        return replace(
            check, verdict=Verdict.DIFFERS, reason=text, address=Address(module=name, call=call)
        )
    if answer.first is None:
        return replace(check, uncompared=_uncompared(golden, candidate, part, uncovered))
    return _differing(check, *answer.first)


def _differing(check: CheckResult, entry: Entry, gap: TensorGap) -> CheckResult:
    address = Address(
        module=entry["module"],
        call=entry["call"],
        tensor=entry["aspect"],
        dtype=entry["dtype"],
        gap=gap,
    )
    return replace(check, verdict=Verdict.DIFFERS, reason=describe_gap(entry, gap), address=address)


def compare_part(golden: Trace, candidate: Trace | None, part: str) -> CheckResult:
    """Compare what a part gives in a short run of a program with networks.

    Only calls whose inputs are equal count, and of other functions nothing is said: after the first
    update rounding moves all that follows.

    Args:
        golden: the reference's trace by functions.
        candidate: the other program's.
        part: the function or class that was rewritten.
    """
    if candidate is None:
        reason = f"{part} was not compared: its functions were not followed"
        return replace(left_out("functions", reason), uncompared=reason)
    before, after = _of_part(golden, part), _of_part(candidate, part)
    answer, other_inputs = _compared(before, after)
    check = equal("functions", answer.compared, (), answer.worst)
    if answer.first is not None:
        return _differing(check, *answer.first)
    late = next(iter(_late_calls(before, after)[0].items()), None)
    if late is not None:
        text = f"{late[0]} gives other numbers from call {late[1] + 1} on"
        address = Address(module=late[0], call=late[1])
        return replace(check, verdict=Verdict.DIFFERS, reason=text, address=address)
    uncompared = _uncompared(golden, candidate, part, _uncovered(golden, candidate))
    if not uncompared and other_inputs and not answer.compared:
        uncompared = f"{part} was not compared: no call of it has the inputs of before"
    return replace(check, uncompared=uncompared)


def _of_part(trace: Trace, part: str) -> Trace:
    """Return a trace with nothing but a part's functions."""
    entries: list[Any] = [
        # What a network gives is of float32, also where it was made a number of Python's.
        {**entry, "dtype": "float32"}
        if entry["dtype"] == "float64" and not entry["aspect"].endswith(_TEXT)
        else entry
        for entry in trace.index["entries"]
        if _is_below(entry["module"], part)
    ]
    counts = {n: count for n, count in trace.index.get("counts", {}).items() if _is_below(n, part)}
    later = "series.later."
    arrays = {
        key: values
        for key, values in trace.arrays.items()
        if not key.startswith(later) or _is_below(key.removeprefix(later), part)
    }
    of_part: Any = {**trace.index, "entries": entries, "counts": counts}
    return replace(trace, index=of_part, arrays=arrays)


def _compared(
    golden: Trace, candidate: Trace
) -> tuple[Found, dict[tuple[str, int], tuple[Entry, TensorGap]]]:
    """Compare all outputs, up to the first that differs though its inputs are equal."""
    theirs = {key_of(entry): entry for entry in candidate.index["entries"]}
    present = {name for name, _ in _calls(candidate)}
    answer = Found()
    other_inputs: dict[tuple[str, int], tuple[Entry, TensorGap]] = {}
    for entry in golden.index["entries"]:
        call = entry["module"], entry["call"]
        other = theirs.get(key_of(entry))
        if other is None:
            if entry["module"] not in present:
                answer.left_out.append(f"{entry['module']} is not there any more")
            elif not entry["aspect"].startswith("input"):
                answer.left_out.append(
                    f"{entry['module']}: {entry['aspect']} is not there any more"
                )
            continue
        if entry["aspect"].endswith(_TEXT) and entry.get("noise"):
            answer.left_out.append(f"{entry['module']}: {entry['aspect']} is another each time")
            continue
        gap = compare(
            entry, other, (golden.arrays, candidate.arrays), noise=entry.get("noise", 0.0)
        )
        if entry["aspect"].startswith("input"):
            if not gap.is_equal:
                other_inputs.setdefault(call, (entry, gap))
            continue
        if call not in other_inputs:
            answer.compared += 1
            answer.worst = max(answer.worst, gap.excess)
            if not gap.is_equal:
                answer.first = (entry, gap)
                break
    return answer, other_inputs


def _not_regrouped(
    golden: Trace,
    candidate: Trace,
    part: str,
    other_inputs: Mapping[tuple[str, int], tuple[Entry, TensorGap]],
) -> dict[tuple[str, int], tuple[Entry, TensorGap]]:
    """Return calls with other inputs, but for those that the part makes in another order or number.

    What all that calls them gives is the same.
    """
    answered = _answered(golden, candidate)
    names = [name for name in golden.index.get("counts", {}) if _is_below(name, part)]

    def is_regrouped(name: str) -> bool:
        is_inside = name in names or any(_calls_below(golden, one, name) for one in names)
        return is_inside and _is_covered(golden, name, answered - {name})

    return {call: apart for call, apart in other_inputs.items() if not is_regrouped(call[0])}


def _is_below(name: str, part: str) -> bool:
    return bool(part) and (name == part or name.startswith(f"{part}."))


def _late(golden: Trace, candidate: Trace, caller: str) -> tuple[str, int] | None:
    """Return the function and call whose later outputs differ.

    Tensors are kept of the first calls only.

    One whose later inputs are equal comes first, and of two of those the inner one. Where a
    function differs already (`caller`), only what it calls and what has equal inputs says more.
    """
    own, others = _late_calls(golden, candidate)
    below = [name for name in own if not caller or _calls_below(golden, caller, name)]
    inner = [
        name
        for name in below
        if not any(_calls_below(golden, name, other) for other in below if other != name)
    ]
    chosen = next(iter(inner or below), None)
    if chosen is not None:
        return chosen, own[chosen]
    return None if caller else next(iter(others.items()), None)


def _late_calls(golden: Trace, candidate: Trace) -> tuple[dict[str, int], dict[str, int]]:
    """Return the first later call of each function that differs, of equal and of other inputs."""
    own: dict[str, int] = {}
    others: dict[str, int] = {}
    for key, values in golden.arrays.items():
        if not key.startswith("series.later.") or key not in candidate.arrays:
            continue
        shared = min(len(values), len(candidate.arrays[key]))
        mine, theirs = values[:shared], candidate.arrays[key][:shared]
        at = first_apart(mine[:, -1], theirs[:, -1], _LATER)
        if at is None:
            continue
        name, call = key.removeprefix("series.later."), int(values[at][0])
        inputs = first_apart(mine[: at + 1, :-1], theirs[: at + 1, :-1], _SAME)
        (others if inputs is not None else own)[name] = call
    return own, others


def _calls_below(trace: Trace, caller: str, name: str) -> bool:
    """Return whether one function calls another, itself or by others."""
    callers: Mapping[str, list[str]] = trace.index.get("callers", {})
    waiting, seen = [name], {name}
    while waiting:
        for above in callers.get(waiting.pop(), []):
            if above == caller:
                return True
            if above not in seen:
                seen.add(above)
                waiting.append(above)
    return False


def _calls(trace: Trace) -> list[tuple[str, int]]:
    counts: Mapping[str, int] = trace.index.get("counts", {})
    if not counts:
        return [(entry["module"], entry["call"]) for entry in trace.index["entries"]]
    return [(name, number) for name, number in counts.items()]


def _uncovered(golden: Trace, candidate: Trace) -> dict[str, dict[str, tuple[int, int]]]:
    """Return functions called less often or no more, that no compared caller covers."""
    before, after = (dict(trace.index.get("counts", {})) for trace in (golden, candidate))
    answered = _answered(golden, candidate)
    result: dict[str, dict[str, tuple[int, int]]] = {"fewer": {}, "gone": {}}
    for name, count in before.items():
        now = after.get(name, 0)
        if now < count and not _is_covered(golden, name, answered):
            result["gone" if now == 0 else "fewer"][name] = (count, now)
    return result


def _answered(golden: Trace, candidate: Trace) -> set[str]:
    """Return functions all of whose outputs are compared: there, read, and the same each time."""
    theirs = {key_of(entry) for entry in candidate.index["entries"]}
    whole: dict[str, bool] = {}
    for entry in golden.index["entries"]:
        if not entry["aspect"].startswith("input"):
            is_there = key_of(entry) in theirs
            is_steady = not (entry["aspect"].endswith(_TEXT) and entry.get("noise"))
            whole[entry["module"]] = whole.get(entry["module"], True) and is_there and is_steady
    unread = {name for trace in (golden, candidate) for name in trace.index.get("unread", {})}
    return {name for name, is_whole in whole.items() if is_whole} - unread


def _is_covered(golden: Trace, name: str, answered: set[str]) -> bool:
    """Return whether all that called a function is compared itself, or by its own callers."""
    callers: Mapping[str, list[str]] = golden.index.get("callers", {})
    waiting, seen = [name], {name}
    while waiting:
        above = callers.get(waiting.pop(), [])
        if not above or "" in above:
            return False
        for caller in above:
            if caller not in answered and caller not in seen:
                seen.add(caller)
                waiting.append(caller)
    return True


def _uncompared(
    golden: Trace,
    candidate: Trace,
    part: str,
    uncovered: Mapping[str, Mapping[str, tuple[int, int]]],
) -> str:
    """Say what of the rewritten function was not compared; empty if all of it was."""
    if not part:
        return ""
    called: Mapping[str, int] = golden.index.get("counts", {})
    names = [name for name in called if _is_below(name, part)]
    if part in STAGES:
        return ""  # a stage is whatever functions it has; all of them are compared
    if not names and part in golden.index.get("generators", ()):
        return f"{part} was not compared: it yields its values"
    if not names:
        return f"{part} was not compared: the reference does not call it"
    answered = _answered(golden, candidate)
    steering = golden.index.get("steering", ())  # all checks of networks speak for these themselves
    missing = [
        name
        for name in names
        if name not in (*answered, *steering) and not _is_covered(golden, name, answered)
    ]
    if not missing:
        return ""
    if missing[0] in uncovered["gone"]:
        return (
            f"{missing[0]} was not compared: it is not called any more, and not all that called it"
            " is compared"
        )
    if missing[0] in uncovered["fewer"]:
        count, present = uncovered["fewer"][missing[0]]
        return f"{missing[0]} was not compared: it is called {present} times instead of {count}"
    return f"{missing[0]} was not compared: it gives nothing that can be read, or not what it gave"
