"""Format changes and tweaks."""

import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from scaffold.records.judgment import ChangeJudgment, Finding, Question, Verdict
from scaffold.user_state import Origin
from scaffold.views.tables import (
    Paint,
    number,
    plain,
    table,
    wrap,
)

if TYPE_CHECKING:
    from scaffold.records.tweak import Difference
    from scaffold.tweak.listing import Listed


_CHANGE_COLORS = {
    Verdict.BETTER: "green",
    Verdict.NO_DIFFERENCE: "cyan",
    Verdict.UNDECIDED: "yellow",
    Verdict.WORSE: "red",
    Verdict.EXPECTED: "bright_black",
    Verdict.UNEXPECTED: "yellow",
    Verdict.EQUAL: "green",
    Verdict.DIFFERS: "red",
    Verdict.LEFT_OUT: "yellow",
    Verdict.REPRODUCED: "green",
    Verdict.CONSISTENT: "green",
    Verdict.NOT_REPRODUCED: "red",
    Verdict.INCONSISTENT: "red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.EXCEEDS: "yellow",
    Verdict.UNTESTABLE: "yellow",
}


_CHANGE_COLUMNS: dict[str, Callable[[Finding], str]] = {
    "question": lambda finding: finding.question.value,
    "metric": lambda finding: plain(finding.metric),
    "pairs": lambda finding: str(finding.n or ""),
    "before": lambda finding: number(finding.before),
    "after": lambda finding: number(finding.mean),
    "effect": lambda finding: f"{finding.effect:+.3g}" if finding.effect is not None else "",
    "interval": lambda finding: (
        f"{finding.interval[0]:+.3g} .. {finding.interval[1]:+.3g}" if finding.interval else ""
    ),
    "r": lambda finding: f"{finding.correlation:.2f}" if finding.correlation is not None else "",
    "verdict": lambda finding: finding.verdict.value,
}


def format_change(
    differences: Sequence["Difference"], judgment: ChangeJudgment, width: int, paint: Paint
) -> str:
    """Format a change: differences, table, reasons and rules, verdict.

    Whether it can be accepted.
    """
    lines = ["  changed"]
    for difference in differences:
        lines += wrap(
            f"  {difference.aspect} {plain(difference.name)}: {plain(difference.text)}",
            width,
            hanging=6,
        )
    findings = judgment.findings
    rows = [[cell(finding) for cell in _CHANGE_COLUMNS.values()] for finding in findings]
    for row, finding in zip(rows, findings, strict=True):
        if finding.question is Question.MONITORED and judgment.kind != "neutral":
            # Whether it should have is not asked.
            row[-1] = "moved" if finding.has_moved else "no movement"
    colors = [_CHANGE_COLORS[finding.verdict] for finding in findings]
    lines += [
        "",
        *table(list(_CHANGE_COLUMNS), rows, width, lambda row, text: paint(text, colors[row])),
        "",
    ]
    for finding in findings:
        if finding.question is not Question.MONITORED or finding.verdict is Verdict.UNEXPECTED:
            lines += wrap(
                f"{finding.question.value} of {plain(finding.metric)}: {plain(finding.reason)}"
                f" ({finding.rule})",
                width,
            )
    for remark in judgment.remarks:
        lines += wrap(f"remark: {plain(remark)}", width)
    end = (
        f"not to be accepted: {judgment.refusal}"
        if judgment.refusal
        else f"as a tweak of kind {judgment.kind} must be"
    )
    lines += ["", f"  {paint(judgment.verdict.value, _CHANGE_COLORS[judgment.verdict])}  {end}"]
    return "\n".join(lines)


def change_color(verdict: Verdict) -> str:
    """Name of the color of a change's word."""
    return _CHANGE_COLORS[verdict]


_TWEAK_COLORS = {
    "accepted": "green",
    "dropped": "bright_black",
    "open": "yellow",
    "suggested": "cyan",
}


def format_tweaks(rows: Sequence["Listed"], width: int, paint: Paint) -> str:
    """Format all tweaks, one line each."""
    head = ("tweak", "kind", "verdict", "effect", "about", "state")
    room = max(width - 60, 20)
    cells = []
    for row in rows:
        note = f"({row.origin}) " if row.origin == Origin.OTHERS.value else ""
        about = textwrap.shorten(note + plain(row.about), room, placeholder=" ...")
        cells.append((row.name, row.kind, row.verdict, row.effect, about, row.state))
    return "\n".join(
        table(head, cells, width, lambda row, text: paint(text, _TWEAK_COLORS[rows[row].state]))
    )
