"""Compares the tensors that two traces captured, one by one. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from scaffold.records.judgment import Verdict
from scaffold.rules.parity.checks import NOT_SEEN, PORTIONS, Address, CheckResult, Trace
from scaffold.rules.parity.tensors import NOISE, TensorGap, compare

Entry = Mapping[str, Any]
"""One tensor of a trace: check, module, call, step, what, and the summary of its elements."""

SLACK = {"gradients": 200.0}
"""In the program's own dtype: a rectifier or a pooling whose input is within rounding of its
threshold may turn the other way, which moved a gradient of the digits CNN by 5e-4 of its largest
element. float64 allows none of it."""

_UNSTEADY = 0.1
"""Share of a tensor's largest element that the reference may differ from itself, before nothing can
be compared."""

_MOST_NAMED = 6
"""Modules that are named; there may be hundreds."""

_NOISY = ("series.loss", "series.weights.", "series.later.", "series.moved.")
"""Series that rounding moves."""

_FORWARD = ("forward_eval", "forward_train")

_DRAWN = ("forward_train", "buffers", "gradients", "optimizer", "loop")
"""Checks that follow from what is drawn inside a network in training."""

_PORTIONED = ("forward_eval", "forward_train", "loss", "buffers")
"""Checks whose tensors are those of calls: another number of calls is no other computation by
itself."""


@dataclass(slots=True)
class Found:
    """What comparing the tensors of one check has shown.

    Attributes:
        first: the tensor that is the address, and how it differs.
        compared, worst: how many, and the largest error in units of what is allowed.
        left_out: what could not be compared.
        along: error of each module, in the order of computation.
    """

    first: tuple[Entry, TensorGap] | None = None
    compared: int = 0
    worst: float = 0.0
    left_out: list[str] = field(default_factory=list)
    along: dict[str, float] = field(default_factory=dict)


def key_of(entry: Entry) -> tuple[str, int, int, str]:
    """Return a key that names the same tensor in both traces."""
    return entry["module"], entry["call"], entry["step"], entry["aspect"]


def compare_entries(name: str, golden: Trace, candidate: Trace) -> Found:
    """Compare all tensors of a check in the order of computation.

    A difference inside a network counts only if the network's own output differs too: a rewrite may
    move a step of the computation from one module to the next. The address is then the first module
    that differs, or, where its inputs differ already, the one around it.
    """
    theirs = {
        key_of(entry): entry for entry in candidate.index["entries"] if entry["check"] == name
    }
    mine = [entry for entry in golden.index["entries"] if entry["check"] == name]
    outputs = [entry for entry in mine if not entry["aspect"].startswith("input")]
    inputs = [entry for entry in mine if entry["aspect"].startswith("input")]
    other_inputs = {
        key_of(entry)[:3] for entry in inputs if _is_other_input(entry, theirs.get(key_of(entry)))
    }
    scale = _scales(outputs)
    inner: dict[tuple[str, int], tuple[Entry, TensorGap]] = {}
    entered = golden.index.get("entered", ())
    answer = _missing(name, outputs, theirs, entered)
    for entry in outputs:
        other = theirs.get(key_of(entry))
        if other is None or _is_unsteady(entry):
            continue
        gap = compare(
            entry,
            other,
            (golden.arrays, candidate.arrays),
            scale=scale[_kind(entry)],
            noise=entry.get("noise", 0.0),
            slack=1.0 if entry["dtype"] == "float64" else SLACK.get(name, 1.0),
        )
        answer.compared += 1
        if name in _FORWARD:
            answer.along[entry["module"]] = max(answer.along.get(entry["module"], 0.0), gap.excess)
        if _is_inner(name, entry, entered):
            if not gap.is_equal:
                place = entry["module"].split(".")[0], entry["step"]
                inner.setdefault(place, (_located(entry, other_inputs), gap))
            continue
        answer.worst = max(answer.worst, gap.excess)
        if not gap.is_equal:
            answer.first = (
                answer.first or inner.get((entry["module"], entry["step"])) or (entry, gap)
            )
    if answer.first is None and inner:
        names = _listed(entry["module"] for entry, _ in inner.values())
        answer.left_out.append(f"other outputs, though those of the network are equal: {names}")
    return answer


def _missing(
    name: str,
    outputs: Sequence[Entry],
    theirs: Mapping[tuple[str, int, int, str], Entry],
    entered: Sequence[str],
) -> Found:
    """Return what cannot be compared: modules may go, a network's outputs may not."""
    answer = Found()
    last_step = max((entry["step"] for entry in theirs.values()), default=-1)
    gone = [entry for entry in outputs if key_of(entry) not in theirs]
    # A gradient that does not arrive at an output is missing at the parameters behind it, and
    # counts there.
    must_be = [
        e
        for e in gone
        if not _is_inner(name, e, entered)
        and e["step"] <= last_step
        and name != "evaluation"
        and e["aspect"] != "gradient at the outputs"
    ]
    if must_be:
        answer.first = must_be[0], TensorGap(error=float("inf"), allowed=0.0)
        answer.worst = float("inf")
    if gone:
        names = _listed(entry["module"] or entry["aspect"] for entry in gone)
        answer.left_out.append(f"not there any more, and compared by what comes after: {names}")
    unsteady = [entry for entry in outputs if _is_unsteady(entry)]
    if unsteady:
        names = _listed(entry["module"] or entry["aspect"] for entry in unsteady)
        answer.left_out.append(f"the reference differs from itself: {names}")
    return answer


def _listed(names: Iterable[str]) -> str:
    distinct = list(dict.fromkeys(names))
    suffix = f" and {len(distinct) - _MOST_NAMED} more" if len(distinct) > _MOST_NAMED else ""
    return f"{', '.join(distinct[:_MOST_NAMED])}{suffix}"


def _is_inner(name: str, entry: Entry, entered: Sequence[str]) -> bool:
    """Return whether it is the output of a module that the program does not call itself."""
    return name in _FORWARD and "." in entry["module"] and entry["module"] not in entered


def _is_unsteady(entry: Entry) -> bool:
    return bool(NOISE * entry.get("noise", 0.0) > _UNSTEADY * entry["largest"] > 0)


def _is_other_input(entry: Entry, other: Entry | None) -> bool:
    return (
        other is None or not compare(entry, other, ({}, {}), noise=entry.get("noise", 0.0)).is_equal
    )


def _scales(entries: Sequence[Entry]) -> dict[str, float]:
    """Return the largest element of all tensors of a kind: far below it all is rounding."""
    scales: dict[str, float] = {}
    for entry in entries:
        largest = entry["largest"] if entry["largest"] < float("inf") else 0.0
        scales[_kind(entry)] = max(scales.get(_kind(entry), 0.0), largest)
    return scales


def _kind(entry: Entry) -> str:
    return str(entry["aspect"].split("[")[0])


def _located(entry: Entry, other_inputs: set[tuple[str, int, int]]) -> Entry:
    """Return the address of a module's outputs; the code around it if its inputs differ already."""
    if key_of(entry)[:3] not in other_inputs:
        return entry
    around, _, name = entry["module"].rpartition(".")
    return {**entry, "module": around, "aspect": f"{entry['aspect']} of its {name}"}


def compare_check(
    name: str, pairs: Sequence[tuple[str, Trace, Trace]], *, left_out: Sequence[str] = ()
) -> CheckResult:
    """Run one tensor check in both dtypes.

    Float64 decides first, since rounding hides nothing there.
    """
    answer = CheckResult(
        name=name,
        verdict=Verdict.LEFT_OUT,
        reason="not seen",
        code=NOT_SEEN,
        left_out=tuple(left_out),
    )
    for dtype, golden, candidate in pairs:
        notes = [
            n["text"]
            for trace in (golden, candidate)
            for n in trace.index["notes"]
            if n["check"] == name
        ]
        one = compare_entries(name, golden, candidate)
        random = (
            _other_draws(golden, candidate) if name in _DRAWN and one.first is not None else None
        )
        answer = replace(
            answer,
            compared=answer.compared + one.compared,
            worst=max(answer.worst, one.worst),
            left_out=tuple(
                dict.fromkeys(
                    [*answer.left_out, *notes, *one.left_out, *([random] if random else [])]
                )
            ),
            along=answer.along or tuple(one.along.items()),
        )
        if random is not None and answer.verdict is not Verdict.DIFFERS:
            answer = replace(answer, verdict=Verdict.LEFT_OUT, reason=random, code="")
        elif one.first is not None and answer.verdict is not Verdict.DIFFERS:
            entry, gap = one.first
            address = Address(
                module=entry["module"],
                call=entry["call"],
                step=entry["step"],
                tensor=entry["aspect"],
                dtype=dtype,
                gap=gap,
            )
            along = tuple(one.along.items())
            answer = replace(
                answer,
                verdict=Verdict.DIFFERS,
                reason=describe_gap(entry, gap),
                code="",
                address=address,
                along=along,
                structural=PORTIONS if name in _PORTIONED and _is_portion(gap) else "",
            )
        elif answer.code == NOT_SEEN and one.compared:
            answer = replace(answer, verdict=Verdict.EQUAL, reason="", code="")
    return answer


def _is_portion(gap: TensorGap) -> bool:
    """Return whether a tensor is missing, or has more or fewer examples."""
    if gap.shapes is not None:
        return (
            gap.shapes[0][1:] == gap.shapes[1][1:] and len(gap.shapes[0]) == len(gap.shapes[1]) > 0
        )
    return gap.allowed == 0.0 and gap.error == float("inf") and gap.dtypes is None


def _other_draws(golden: Trace, candidate: Trace) -> str | None:
    """Describe draws inside the networks that cannot be given to both programs alike."""
    drawn = sorted(
        {tuple(draw) for trace in (golden, candidate) for draw in trace.index.get("drawn", [])}
    )
    masks = [
        [mask[1] for mask in trace.index.get("masks", {}).values()] for trace in (golden, candidate)
    ]
    if drawn:
        return (
            "randomness that cannot be given to both:"
            f" {', '.join(f'{kind} in {path}' for kind, path in drawn)}"
        )
    if masks[0] and masks[1] and masks[0] != masks[1]:
        return (
            "randomness that cannot be given to both: masks of another shape, or in another order"
        )
    return None


def describe_gap(entry: Entry, gap: TensorGap) -> str:
    """Describe how a tensor differs."""
    title = f"{entry['aspect']} of {entry['module']}" if entry["module"] else str(entry["aspect"])
    if gap.shapes:
        return f"{title} has shape {list(gap.shapes[1])} instead of {list(gap.shapes[0])}"
    if gap.dtypes:
        return f"{title} is {gap.dtypes[1]} instead of {gap.dtypes[0]}"
    if gap.allowed == 0.0 and gap.error == float("inf"):
        return f"there is no {title}"
    text = f"{title} is off by up to {gap.error:.3g}, allowed are {gap.allowed:.2g}"
    if gap.index is not None:
        where = f"first at element {list(gap.index)}: " if gap.index else ""
        text += f"; {where}{gap.actual:.9g} instead of {gap.expected:.9g} before"
    if gap.ratio is not None:
        text += f"; all of it is {gap.ratio:.6g} times the reference's"
    return text


def noise_of(trace: Trace, again: Trace) -> list[dict[str, Any]]:
    """Return the entries of a trace, each with its noise where that is finite.

    Noise is how far a second trace of the same program differed.

    Of calls that the other trace does not have, as much as of the same tensor elsewhere, relative
    to its largest one.
    """
    theirs = {(entry["check"], *key_of(entry)): entry for entry in again.index["entries"]}
    relative: dict[tuple[str, str, str], float] = {}
    for entry in trace.index["entries"]:
        other = theirs.get((entry["check"], *key_of(entry)))
        gap = compare(entry, other, (trace.arrays, again.arrays)) if other else None
        if gap is not None and 0.0 < gap.error < float("inf") and entry["largest"] > 0:
            tensor = entry["check"], entry["module"], entry["aspect"]
            relative[tensor] = max(relative.get(tensor, 0.0), gap.error / entry["largest"])
    entries = []
    for entry in trace.index["entries"]:
        noise = (
            relative.get((entry["check"], entry["module"], entry["aspect"]), 0.0) * entry["largest"]
        )
        entries.append({**entry, **({"noise": noise} if noise else {})})
    return entries


def noise_of_series(trace: Trace, again: Trace) -> dict[str, float]:
    """Return the largest relative difference of losses and weights of a program from itself."""
    import numpy as np

    noise = {}
    for name, values in trace.arrays.items():
        other = again.arrays.get(name)
        if not name.startswith(_NOISY) or other is None or not len(values):
            continue
        shared = min(len(values), len(other))
        a, b = (np.atleast_1d(one[:shared]).astype(np.float64) for one in (values, other))
        scale = np.maximum(np.abs(a).max(axis=0), 1e-300)
        largest = float(np.nanmax(np.abs(a - b) / scale)) if shared else 0.0
        noise[name] = largest if largest < float("inf") else 1.0
    return noise
