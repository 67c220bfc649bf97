"""Format where an error opens."""

from scaffold.probes.analysis import Analyzed
from scaffold.rules.loop.gaps import Answer, Gap, SplitError
from scaffold.views.tables import Paint, headline, labelled, plain, table, wrap

_COUNTS = {True: "counts", False: "no gap", None: "open"}


def error_text(error: float, *, of_classes: bool) -> str:
    """Return an error: of classes in percent, else a number."""
    return f"{100 * error:.2f} %" if of_classes else f"{error:.4g}"


def gap_text(gap: Gap, *, of_classes: bool) -> str:
    """Return a gap with its interval."""
    low, high = (error_text(end, of_classes=of_classes) for end in gap.interval)
    return f"{error_text(gap.value, of_classes=of_classes)} ({low} to {high})"


def format_analysis(analyzed: Analyzed, width: int, paint: Paint) -> str:
    """Format an analysis: the answer, why, the gaps, what would name the cause."""
    analysis, of_classes = analyzed.analysis, analyzed.of_classes
    answer = " and ".join(one.value for one in analysis.answers).upper()
    color = "green" if analysis.answers == (Answer.HEALTHY,) else "yellow"
    lines = [*headline(answer, analysis.reason, width, lambda text: paint(text, color)), ""]
    for doubt in analysis.doubts:
        lines += labelled("Doubt", plain(doubt), width)
    rows = [
        (name, *_error_cells(error, of_classes=of_classes))
        for name, error in analysis.errors.items()
    ]
    lines += table(("split", "error", "95 %", "n"), rows, width, _as_it_is)
    gaps = [gap_cells(gap, of_classes=of_classes) for gap in analysis.gaps]
    lines += [
        "",
        *table(("gap", "opens", "by (95 %)", "beside what matters"), gaps, width, _as_it_is),
    ]
    if analysis.probes:
        lines += ["", *labelled("Cause", "not known from errors alone; what would tell:", width)]
        lines += [line for probe in analysis.probes for line in wrap(f"- {probe}", width)]
    return "\n".join(lines)


def _as_it_is(_: int, text: str) -> str:
    return text


def _error_cells(error: SplitError, *, of_classes: bool) -> tuple[str, str, str]:
    low, high = (error_text(end, of_classes=of_classes) for end in error.interval)
    return error_text(error.error, of_classes=of_classes), f"{low} to {high}", f"{error.n:,}"


def gap_cells(gap: Gap, *, of_classes: bool) -> tuple[str, str, str, str]:
    """Return a gap's name, where it opens, by how much, and what that is beside what matters."""
    counts = _COUNTS[gap.counts]
    if gap.enough:
        counts += f": about {gap.enough:,} examples would tell"
    opens = f"{gap.low_split} to {gap.high_split}"
    return gap.name, opens, gap_text(gap, of_classes=of_classes), counts
