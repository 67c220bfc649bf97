"""Compares the trace of a program with that of its reference, rung by rung. Pure.

Every rung was fed the reference's values, so that one difference neither hides nor fakes another: the first rung that
differs, and on it the first module in the order of computation whose inputs are equal, is the address of the fault.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from scaffold.records.judgement import Word
from scaffold.rules import series
from scaffold.rules.causes import usual_causes
from scaffold.rules.initial import compare_initial
from scaffold.rules.tensors import Gap, compare

RUNGS: Mapping[str, str] = {
    "data": "examples, labels, values after preprocessing",
    "batches": "size and order of the batches",
    "budget": "steps and evaluations",
    "schedule": "learning rate at every step",
    "parameters": "names, shapes, which are trained, the optimiser's groups",
    "initialisation": "how each parameter begins",
    "dropout": "share and number of masks",
    "forward_eval": "each module's outputs, evaluation mode",
    "forward_train": "each module's outputs, training mode, the reference's masks",
    "buffers": "statistics after a step",
    "loss": "its value, and its gradient at the outputs",
    "gradients": "of every parameter, from the reference's gradient at the outputs",
    "optimiser": "what a step makes of the reference's gradients, one of them 100 times as large",
    "loop": "six real steps in float64",
    "evaluation": "mode, inputs and outputs of the first evaluation",
    "reporting": "what the program reports of made-up outputs",
    "functions": "outputs of every function whose inputs are equal",
    "replay": "a shortened whole run in float64",
}
"""All rungs, in the order in which the first that differs is the address; what each compares."""

_ENTRIES = ("forward_eval", "forward_train", "buffers", "loss", "gradients", "optimiser", "loop", "evaluation")
"""Rungs whose tensors are compared one by one."""

_SLACK = {"gradients": 200.0}
"""In the program's own dtype: a rectifier or a pooling whose input is within rounding of its threshold may turn the
other way, which moved a gradient of the digits CNN by 5e-4 of its largest element. float64 allows none of it."""

REPLAY_RELATIVE = 1e-9
"""Of losses and weights of a run in float64: equal rewrites differ by at most 2e-13 (docs/verdicts.md)."""

REPORT_RELATIVE = 1e-4
"""Of reported metrics: they are made of hundreds of float32 steps whose rounding may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What was captured of one run: index, arrays by name, metrics that the program reported."""

    index: Mapping[str, Any]
    arrays: Mapping[str, Any]
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where two traces part: which tensor of which call of which module at which step, and by how much."""

    module: str
    call: int
    step: int
    what: str
    dtype: str
    gap: Gap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """The answer of one rung.

    Attributes:
        word: EQUAL, DIFFERS, or LEFT_OUT where nothing could be compared.
        compared: tensors, or values of series.
        worst: largest error in units of what is allowed.
        causes: what such a difference usually comes from, likeliest first.
        left_out: what could not be compared, by name.
        along: of a forward rung, the error of each module in the order of computation, in units of what is allowed.
    """

    name: str
    word: Word
    reason: str = ""
    address: Address | None = None
    compared: int = 0
    worst: float = 0.0
    causes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    along: tuple[tuple[str, float], ...] = ()


def climb(golden: Mapping[str, Trace], found: Mapping[str, Trace]) -> tuple[Rung, ...]:
    """All rungs, in order.

    Args:
        golden: traces of the reference by kind: `own` (in its own dtype), `float64`, `replay`; what is missing of them
            is left out by name. Entries of `own` may have `noise`, the reference's difference from itself.
        found: those of the other program.
    """
    if golden["own"].index.get("kind") == "functions":
        return (_functions(golden["own"], found.get("own")), _reporting(golden["own"], found.get("own")))
    rungs: dict[str, Rung] = {}
    if "own" not in found:
        return (Rung(name="data", word=Word.DIFFERS, reason="no network was called: nothing of it can be compared"),)
    own = golden["own"], found["own"]
    if "unmatched" in own[1].index:
        return (_unmatched(own[1]),)
    for answer in (
        *series.compare_batches(*own), series.compare_budget(*own), series.compare_schedule(*own),
        _parameters(*own), compare_initial(*own), series.compare_masks(*own),
    ):  # fmt: skip
        rungs[answer[0]] = _answered(*answer)
    wide = "float64" in golden and "float64" in found
    for name in _ENTRIES:
        pairs = [("float64", golden["float64"], found["float64"])] if wide else []
        pairs += [("own dtype", *own)] if name != "loop" else []
        rungs[name] = _entries(name, pairs, wide)
    rungs["reporting"] = _reporting(*own)
    rungs["replay"] = _replay(golden.get("replay"), found.get("replay"))
    return tuple(_with_causes(rungs[name], golden["own"]) for name in RUNGS if name in rungs)


def first_difference(rungs: Sequence[Rung]) -> Rung | None:
    """The rung that has the address."""
    return next((rung for rung in rungs if rung.word is Word.DIFFERS), None)


def _answered(
    name: str, reason: str | None, step: int | None = None, compared: int = 0, module: str = "",
    left_out: Sequence[str] = (),
) -> Rung:  # fmt: skip
    if reason is None:
        word = Word.EQUAL if compared else Word.LEFT_OUT
        return Rung(
            name=name, word=word, compared=compared, left_out=tuple(left_out), reason="" if compared else "not seen"
        )
    address = Address(module=module, call=0, step=step or 0, what="", dtype="")
    return Rung(name=name, word=Word.DIFFERS, reason=reason, address=address, compared=compared, worst=float("inf"))


def _unmatched(found: Trace) -> Rung:
    unmatched = found.index["unmatched"]
    told = []
    if unmatched["missing"]:
        told.append(f"the reference's {', '.join(unmatched['missing'][:6])} have no place")
    if unmatched["extra"]:
        told.append(f"{', '.join(unmatched['extra'][:6])} are made of nothing")
    told += unmatched["problems"][:6]
    module = (unmatched["missing"] or unmatched["extra"] or [unmatched["network"]])[0].rpartition(".")[0]
    address = Address(module=module, call=0, step=0, what="", dtype="")
    return Rung(name="parameters", word=Word.DIFFERS, reason="; ".join(told), address=address, worst=float("inf"),
                causes=("parameters have other names or shapes: say under `weights` what they are made of",
                        "a bias or a whole layer is missing, or too many"))  # fmt: skip


def _key(entry: Mapping[str, Any]) -> tuple[str, int, int, str]:
    return entry["module"], entry["call"], entry["step"], entry["what"]


def _entries(name: str, pairs: Sequence[tuple[str, Trace, Trace]], has_wide: bool) -> Rung:
    """All tensors of a rung; float64 speaks first, since rounding hides nothing there."""
    compared, worst, left_out = 0, 0.0, [] if has_wide else ["float64: it cannot be had of this program"]
    found: Rung | None = None
    along: dict[str, float] = {}
    for dtype, golden, own in pairs:
        left_out += [
            f"{note['text']}" for trace in (golden, own) for note in trace.index["said"] if note["rung"] == name
        ]
        first, count, excess, missing = _first_apart(name, golden, own, along)
        compared, worst = compared + count, max(worst, excess)
        left_out += missing
        if first is None or found is not None:
            continue
        entry, gap = first
        drawn = sorted({tuple(draw) for trace in (golden, own) for draw in trace.index.get("drawn", [])})
        masks = [trace.index.get("masks", {}) for trace in (golden, own)]
        if name == "forward_train" and (drawn or _differ_in_shape(*masks)):
            told = [f"{what} in {path}" for what, path in drawn] or ["masks of another shape or order"]
            left_out.append(f"randomness that cannot be given to both: {', '.join(told)}")
            continue
        address = Address(
            module=entry["module"], call=entry["call"], step=entry["step"], what=entry["what"], dtype=dtype, gap=gap
        )
        found = Rung(name=name, word=Word.DIFFERS, reason=_told(entry, gap), address=address)
    followed = series.compare_followed(name, *pairs[-1][1:]) if name != "loop" else None
    if followed is not None and (found is None or name in ("evaluation", "forward_train", "gradients")):
        found = _answered(name, *followed)
    known = {"compared": compared, "worst": worst, "left_out": tuple(dict.fromkeys(left_out))}
    path = tuple(along.items())
    if found is None:
        is_seen = compared and not any(text.startswith("randomness") for text in left_out)
        word = Word.EQUAL if is_seen else Word.LEFT_OUT
        reason = "" if is_seen else "; ".join(text for text in left_out if text.startswith("randomness")) or "not seen"
        return Rung(name=name, word=word, reason=reason, along=path, **known)
    return Rung(name=name, word=found.word, reason=found.reason, address=found.address, along=path, **known)


def _differ_in_shape(golden: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether masks were drawn in other shapes whose elements do not follow each other in the same order."""
    return bool(golden) and bool(found) and [mask[:2] for mask in golden.values()] != [mask[:2] for mask in found.values()]


def _first_apart(
    name: str, golden: Trace, found: Trace, along: dict[str, float]
) -> tuple[tuple[Mapping[str, Any], Gap] | None, int, float, list[str]]:
    """The first tensor that differs, how many were compared, the largest excess, what one of both does not have."""
    theirs = {_key(entry): entry for entry in found.index["entries"] if entry["rung"] == name}
    mine = [entry for entry in golden.index["entries"] if entry["rung"] == name]
    scale: dict[str, float] = {}
    for entry in mine:
        kind = entry["what"].split("[")[0]
        largest = entry["largest"] if entry["largest"] < float("inf") else 0.0
        scale[kind] = max(scale.get(kind, 0.0), largest)
    first, compared, worst, missing = None, 0, 0.0, []
    inner: dict[tuple[str, int], tuple[Mapping[str, Any], Gap]] = {}
    ended = max((entry["step"] for entry in theirs.values()), default=-1)
    for entry in mine:
        if entry["what"].startswith("input"):
            continue
        other = theirs.get(_key(entry))
        if other is None:
            where = entry["module"]
            is_whole = name not in ("forward_eval", "forward_train") or "." not in where
            if is_whole and entry["step"] <= ended and name != "evaluation":
                gap = Gap(error=float("inf"), allowed=0.0)
                first = first or (entry, gap)
                worst = float("inf")
            missing.append(f"{where} is not there any more: what it gave is compared where it goes on")
            continue
        gap = compare(
            entry, other, (golden.arrays, found.arrays), scale=scale[entry["what"].split("[")[0]],
            noise=entry.get("noise", 0.0), slack=1.0 if entry["dtype"] == "float64" else _SLACK.get(name, 1.0),
        )  # fmt: skip
        compared += 1
        worst = max(worst, gap.excess if "." not in entry["module"] or not name.startswith("forward") else 0.0)
        if name.startswith("forward"):
            along[entry["module"]] = max(along.get(entry["module"], 0.0), gap.excess)
        if not gap.is_equal and "." in entry["module"] and name.startswith("forward"):
            # Counts only if the whole network differs too: a rewrite may move a step from one module to the next.
            inner.setdefault((entry["module"].split(".")[0], entry["step"]), (entry, gap))
        elif not gap.is_equal:
            first = first or inner.get((entry["module"], entry["step"])) or (entry, gap)
    if first is None and inner:
        names = dict.fromkeys(entry["module"] for entry, _ in inner.values())
        missing.append(f"{', '.join(names)}: other outputs, though those of the network are equal")
    return first, compared, worst, list(dict.fromkeys(missing))


def _told(entry: Mapping[str, Any], gap: Gap) -> str:
    what = f"{entry['what']} of {entry['module']}" if entry["module"] else entry["what"]
    if gap.shapes:
        return f"{what} has shape {list(gap.shapes[1])} instead of {list(gap.shapes[0])}"
    if gap.dtypes:
        return f"{what} is {gap.dtypes[1]} instead of {gap.dtypes[0]}"
    if gap.allowed == 0.0 and gap.error == float("inf"):
        return f"there is no {what}"
    told = f"{what} is off by {gap.error:.3g}, allowed are {gap.allowed:.2g}"
    if gap.index is not None:
        told += f"; first at {list(gap.index)}: {gap.found:.9g} instead of {gap.expected:.9g}"
    if gap.ratio is not None:
        told += f"; all of it is {gap.ratio:.6g} times the reference's"
    return told


def _parameters(golden: Trace, found: Trace) -> tuple[Any, ...]:
    """Which are trained, and how the optimiser treats each."""
    compared, left_out = 0, []
    # Rates are another rung's question, and so is a schedule; the rest is how it is computed, not what.
    ignored = {"lr", "initial_lr", "foreach", "fused", "capturable", "differentiable", "decoupled_weight_decay"}
    for theirs, mine in zip(found.index["networks"], golden.index["networks"], strict=False):
        reference = {entry["name"]: entry for entry in mine["parameters"]}
        grouped = any(entry["group"] for entry in theirs["parameters"])
        if not grouped and any(entry["group"] for entry in mine["parameters"]):
            left_out.append("the optimiser's groups: it is no torch optimiser; what it does is compared all the same")
        for entry in theirs["parameters"]:
            for name in theirs["sources"].get(entry["name"], ()):
                compared += 1
                wanted = reference[name]
                if wanted["requires_grad"] != entry["requires_grad"]:
                    told = "is trained" if entry["requires_grad"] else "is not trained"
                    return "parameters", f"{entry['name']} {told}, the reference's {name} otherwise", 0, compared, name
                if not grouped or not wanted["group"]:
                    continue
                if not entry["group"]:
                    return "parameters", f"{entry['name']} is not given to the optimiser", 0, compared, name
                for key in wanted["group"].keys() & entry["group"].keys() - ignored:
                    if not _same_option(wanted["group"][key], entry["group"][key]):
                        told = f"{key} of {entry['name']} is {entry['group'][key]} instead of {wanted['group'][key]}"
                        return "parameters", told, 0, compared, name
    if len(found.index["networks"]) != len(golden.index["networks"]):
        counts = len(found.index["networks"]), len(golden.index["networks"])
        return "parameters", f"{counts[0]} networks are called instead of {counts[1]}", 0, compared
    return "parameters", None, 0, compared, "", left_out


def _same_option(a: Any, b: Any) -> bool:
    numbers = [value for value in (a, b) if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if len(numbers) == 2:  # noqa: PLR2004 - both
        return bool(abs(a - b) <= 1e-9 * max(abs(a), abs(b)))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_same_option(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def _reporting(golden: Trace, found: Trace | None) -> Rung:
    """Metrics that both programs made of the same made-up outputs."""
    if found is None:
        return Rung(name="reporting", word=Word.LEFT_OUT, reason="there is no trace")
    if not golden.metrics:
        return Rung(name="reporting", word=Word.LEFT_OUT, reason="the reference's metrics could not be read")
    for name, value in golden.metrics.items():
        if name not in found.metrics:
            return _answered("reporting", f"{name} is not reported", 0, 1, name)
        other = found.metrics[name]
        if not abs(other - value) <= REPORT_RELATIVE * max(abs(value), abs(other)) and not other == value:
            told = f"{name} is {other:.7g} instead of {value:.7g} of the same outputs"
            return _answered("reporting", told, int(golden.index.get("steps", 0)), len(golden.metrics), name)
    return Rung(name="reporting", word=Word.EQUAL, compared=len(golden.metrics))


def _replay(golden: Trace | None, found: Trace | None) -> Rung:
    """Losses at every step, then the weights at the end."""
    if golden is None:
        return Rung(name="replay", word=Word.LEFT_OUT, reason="the recipe has no smoke command, or no float64")
    if found is None:
        return Rung(name="replay", word=Word.LEFT_OUT, reason="it could not be run")
    step = series.first_apart(golden.arrays.get("series.loss"), found.arrays.get("series.loss"), REPLAY_RELATIVE)
    compared = len(golden.arrays.get("series.loss", ()))
    if step is not None:
        values = [trace.arrays["series.loss"] for trace in (golden, found)]
        told = "one run is longer than the other"
        if step < min(len(value) for value in values):
            told = f"the loss is {values[1][step]:.12g} instead of {values[0][step]:.12g}"
        return _answered("replay", f"{told} at step {step + 1}", step, compared)
    first, count, _, _ = _first_apart("replay", golden, found, {})
    if first is not None:
        return _answered("replay", f"the last weights: {_told(*first)}", first[0]["step"], count, first[0]["module"])
    return Rung(name="replay", word=Word.EQUAL, compared=compared + count)


def _functions(golden: Trace, found: Trace | None) -> Rung:
    """The first function whose inputs are equal and whose outputs are not; else one that gets other inputs."""
    if found is None:
        return Rung(name="functions", word=Word.DIFFERS, reason="no function of the reference's was called")
    theirs = {_key(entry): entry for entry in found.index["entries"]}
    compared, worst, missing = 0, 0.0, []
    other_inputs: dict[tuple[str, int], tuple[Mapping[str, Any], Gap]] = {}
    first = None
    for entry in golden.index["entries"]:
        call = entry["module"], entry["call"]
        other = theirs.get(_key(entry))
        if other is None:
            missing.append(f"{entry['module']}: {entry['what']} is not there any more")
            continue
        gap = compare(entry, other, (golden.arrays, found.arrays), noise=entry.get("noise", 0.0))
        compared += 1
        if entry["what"].startswith("input"):
            if not gap.is_equal:
                other_inputs.setdefault(call, (entry, gap))
        elif call not in other_inputs:
            worst = max(worst, gap.excess)
            if not gap.is_equal:
                first = (entry, gap)
                break
    said = [note["text"] for trace in (golden, found) for note in trace.index["said"]]
    known = {"compared": compared, "worst": worst, "left_out": tuple(dict.fromkeys([*missing, *said]))}
    first = first or next(iter(other_inputs.values()), None)
    if first is None:
        return Rung(name="functions", word=Word.EQUAL if compared else Word.LEFT_OUT, **known)
    entry, gap = first
    address = Address(
        module=entry["module"], call=entry["call"], step=0, what=entry["what"], dtype=entry["dtype"], gap=gap
    )
    return Rung(name="functions", word=Word.DIFFERS, reason=_told(entry, gap), address=address, **known)


def _with_causes(rung: Rung, golden: Trace) -> Rung:
    if rung.word is not Word.DIFFERS or rung.causes:
        return rung
    module = rung.address.module if rung.address else ""
    classes = {
        entry["path"]: entry["class"] for network in golden.index["networks"] for entry in network["modules"]
    }
    gap = rung.address.gap if rung.address else None
    step = rung.address.step if rung.address else 0
    return replace(rung, causes=usual_causes(rung.name, classes.get(module, ""), module, step, gap, rung.reason))
