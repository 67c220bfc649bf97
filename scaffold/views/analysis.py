"""Format where an error opens."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from scaffold.probes.analysis import Probed
from scaffold.probes.analyzed import Analyzed
from scaffold.rules.loop.case import Bottleneck, Diagnosis, ProbeResult
from scaffold.rules.loop.gaps import Analysis, Answer, ErrorGap, SplitError
from scaffold.rules.loop.remedies import remedies
from scaffold.status.next_action import next_of_diagnosis
from scaffold.views.tables import Paint, headline, labelled, plain, table, wrap

_COUNTS = {True: "larger", False: "smaller", None: "open"}


def error_text(error: float, *, of_classes: bool) -> str:
    """Return an error: of classes in percent, else a number."""
    return f"{100 * error:.2f} %" if of_classes else f"{error:.4g}"


def constant_text(error: float | None, *, of_classes: bool) -> str:
    """Return the error of the best constant; empty where it is not known."""
    return "" if error is None else error_text(error, of_classes=of_classes)


def gap_text(gap: ErrorGap, *, of_classes: bool) -> str:
    """Return a gap with its interval."""
    low, high = (error_text(end, of_classes=of_classes) for end in gap.interval)
    return f"{error_text(gap.value, of_classes=of_classes)} ({low} to {high})"


def answer_text(analysis: Analysis, diagnosis: Diagnosis) -> str:
    """Return the answer in a few words: the bottleneck, else where the error opens."""
    if diagnosis.bottleneck is not None:
        return diagnosis.bottleneck.value
    if analysis.answers == (Answer.CANNOT_SAY,):
        return "cannot say"
    return f"{' and '.join(one.value for one in analysis.answers)}, cause open"


def analysis_answer(analyzed: Analyzed) -> dict[str, Any]:
    """Return what `--json` prints of an analysis."""
    analysis, diagnosis = analyzed.analysis, analyzed.diagnosis
    return {
        "bottleneck": diagnosis.bottleneck.value if diagnosis.bottleneck else None,
        "why": diagnosis.reason,
        "remedies": [asdict(one) for one in remedies(diagnosis)],
        "evidence": list(diagnosis.evidence),
        "against": list(diagnosis.against),
        "gain": diagnosis.gain,
        "gain_interval": list(diagnosis.gain_interval) if diagnosis.gain_interval else None,
        "next_probe": diagnosis.next_probe.name if diagnosis.next_probe else None,
        "runs": analyzed.runs,
        "answers": [answer.value for answer in analysis.answers],
        "reason": analysis.reason,
        "of_classes": analyzed.of_classes,
        "predictions": str(analyzed.predictions),
        "errors": {name: error_answer(error) for name, error in analysis.errors.items()},
        "constants": dict(analyzed.constants),
        "gaps": [gap_answer(gap) for gap in analysis.gaps],
        "doubts": list(analysis.doubts),
        "probed": [
            {
                "name": result.probe.name,
                "errors": {name: error_answer(error) for name, error in result.errors.items()},
                "problem": result.problem,
            }
            for result in analyzed.results
        ],
        "probes": list(analysis.probes),
    }


def gap_answer(gap: ErrorGap) -> dict[str, Any]:
    """Return what `--json` prints of a gap."""
    return {**asdict(gap), "interval": list(gap.interval)}


def error_answer(error: SplitError) -> dict[str, Any]:
    """Return what `--json` prints of the error of a split."""
    return {"n": error.n, "error": error.error, "interval": list(error.interval)}


def format_analysis(analyzed: Analyzed, width: int, paint: Paint, under_way: str = "") -> str:
    """Format an analysis: the answer, why, the gaps, what would name the cause.

    `under_way` is the tweak that is to be decided first.
    """
    analysis, of_classes, diagnosis = analyzed.analysis, analyzed.of_classes, analyzed.diagnosis
    name = answer_text(analysis, diagnosis)
    color = "green" if diagnosis.bottleneck is Bottleneck.HEALTHY else "yellow"
    reason = plain(diagnosis.reason)
    lines = [*headline(name.upper(), reason, width, lambda text: paint(text, color)), ""]
    for text in diagnosis.evidence:
        lines += labelled("Evidence", plain(text), width) if text != diagnosis.reason else []
    for text in diagnosis.against:
        lines += labelled("Against", plain(text), width)
    for doubt in analysis.doubts:
        lines += labelled("Doubt", plain(doubt), width)
    if analysis.reason not in diagnosis.reason:
        lines += labelled("Opens", analysis.reason, width)
    lines.append("")
    rows = [
        (
            name,
            *_error_cells(error, of_classes=of_classes),
            constant_text(analyzed.constants.get(name), of_classes=of_classes),
        )
        for name, error in analysis.errors.items()
    ]
    error = "error" if of_classes else "squared error"
    head = ("split", error, "95 %", "n", "best constant")
    lines += table(head, rows, width, _as_it_is)
    gaps = [gap_cells(gap, of_classes=of_classes) for gap in analysis.gaps]
    lines += [
        "",
        *table(("gap", "between", "by (95 %)", "than what matters"), gaps, width, _as_it_is),
    ]
    for result in analyzed.results:
        lines += labelled("Not probed", plain(result.problem), width) if result.problem else []
    probed = [_probe_cells(one, of_classes=of_classes) for one in analyzed.results if one.errors]
    if probed:
        heads = ("run (one seed)", "train error", "validation error")
        as_it_is = ("as it is", *_probed_errors(analysis.errors, of_classes=of_classes))
        lines += ["", *table(heads, [as_it_is, *probed], width, _as_it_is)]
    if diagnosis.bottleneck is None and not analyzed.runs and analysis.probes:
        lines += ["", *labelled("Cause", "not known from errors alone; what would tell:", width)]
        lines += [line for probe in analysis.probes for line in wrap(f"- {probe}", width)]
    options = remedies(diagnosis)
    if options:
        listed = [(one.id, one.cost, one.change, one.refuted_by) for one in options]
        titles = ("remedy, simplest first", "cost", "change", "refuted if")
        lines += ["", *table(titles, listed, width, _as_it_is)]
    return "\n".join([*lines, "", *_next_lines(analyzed, width, under_way)])


def _next_lines(analyzed: Analyzed, width: int, under_way: str) -> list[str]:
    probes = len(analyzed.results)
    action = next_of_diagnosis(analyzed.diagnosis, probes, under_way=under_way)
    command, why = action.command, action.why
    if analyzed.diagnosis.bottleneck is None and not analyzed.runs:
        command, why = "scaffold analyze", "errors alone do not name the cause: runs may"
    return [*labelled("Next", command, width), *labelled("", why, width)]


def _probe_cells(result: ProbeResult, *, of_classes: bool) -> tuple[str, ...]:
    return result.probe.name, *_probed_errors(result.errors, of_classes=of_classes)


def _probed_errors(errors: Mapping[str, SplitError], *, of_classes: bool) -> tuple[str, ...]:
    return tuple(
        error_text(errors[name].error, of_classes=of_classes) if name in errors else "-"
        for name in ("train", "validation")
    )


def probed_answer(probed: Probed) -> dict[str, Any]:
    """Return what `--json` prints of one probe."""
    return {
        "name": probed.probe.name,
        "before": {name: error_answer(error) for name, error in probed.before.items()},
        "after": {name: error_answer(error) for name, error in probed.after.items()},
        "problem": probed.problem,
    }


def format_probed(probed: Probed, width: int) -> str:
    """Format one probe: the errors of each split before and with it."""
    if probed.problem:
        return "\n".join(labelled("Not probed", plain(probed.problem), width))
    rows = [
        (
            name,
            error_text(error.error, of_classes=probed.of_classes),
            error_text(probed.after[name].error, of_classes=probed.of_classes),
        )
        for name, error in probed.before.items()
        if name in probed.after
    ]
    lines = table(("split", "as it is", probed.probe.name), rows, width, _as_it_is)
    return "\n".join([*lines, "", *labelled("Next", "scaffold analyze", width)])


def _as_it_is(_: int, text: str) -> str:
    return text


def _error_cells(error: SplitError, *, of_classes: bool) -> tuple[str, str, str]:
    low, high = (error_text(end, of_classes=of_classes) for end in error.interval)
    return error_text(error.error, of_classes=of_classes), f"{low} to {high}", f"{error.n:,}"


def gap_cells(gap: ErrorGap, *, of_classes: bool) -> tuple[str, str, str, str]:
    """Return a gap's name, where it opens, by how much, and what that is beside what matters."""
    counts = _COUNTS[gap.counts]
    if gap.enough:
        counts += f": about {gap.enough:,} examples of {gap.high_split} would tell"
    opens = f"{gap.low_split} to {gap.high_split}"
    return gap.name, opens, gap_text(gap, of_classes=of_classes), counts
