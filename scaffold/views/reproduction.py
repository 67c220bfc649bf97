"""Terminal text from the same objects that JSON is made of.

Builds text; prints nothing; imports nothing heavy.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from scaffold.records.judgment import Finding, Judgment, Question, Verdict
from scaffold.views.tables import (
    Paint,
    interval_text,
    number,
    plain,
    table,
    table_width,
    wrap,
)

if TYPE_CHECKING:
    pass


_COLORS = {
    Verdict.REPRODUCED: "green",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.NOT_REPRODUCED: "red",
}


_COLUMNS: dict[str, Callable[[Finding], str]] = {
    "question": lambda finding: finding.question.value,
    "metric": lambda finding: plain(finding.metric),
    "claim": lambda finding: finding.published or "",
    "n": lambda finding: str(finding.n or ""),
    "mean": lambda finding: number(finding.mean),
    "sd": lambda finding: number(finding.sd),
    "interval": lambda finding: interval_text(finding),
    "verdict": lambda finding: finding.verdict.value,
}
_SPARED_FIRST = ("interval", "claim")
"""Columns that go into the text below the table when a terminal is too narrow for them."""


def format_judgment(judgment: Judgment, width: int, paint: Paint) -> str:
    """Format a reproduction.

    Table, reasons and rules, then the verdict, its basis and deviations.
    """
    findings = judgment.findings
    colors = [_COLORS[finding.verdict.overall] for finding in findings]
    columns = dict(_COLUMNS)
    rows = [[cell(finding) for cell in columns.values()] for finding in findings]
    for spared in _SPARED_FIRST:
        if table_width([list(columns), *rows]) > width:
            del columns[spared]
            rows = [[cell(finding) for cell in columns.values()] for finding in findings]
    lines = [*table(list(columns), rows, width, lambda row, text: paint(text, colors[row])), ""]
    for finding in findings:
        if (
            finding.question in (Question.REPRODUCTION, Question.CLAIM)
            or finding.verdict.overall is not Verdict.REPRODUCED
        ):
            left_out = [
                (name, _COLUMNS[name](finding)) for name in _SPARED_FIRST if name not in columns
            ]
            details = "; ".join(
                [finding.rule, *(f"{name} {text}" for name, text in left_out if text)]
            )
            lines += wrap(
                f"{finding.question.value} of {plain(finding.metric)}: {plain(finding.reason)}"
                f" ({details})",
                width,
            )
    monitored = sorted(
        {finding.rule for finding in findings if finding.question is Question.MONITORED}
    )
    if monitored:
        lines += wrap(f"monitored by: {'; '.join(monitored)}", width)
    for deviation in judgment.deviations:
        lines += wrap(f"deviation: {plain(deviation.text)}", width)
    lines += [
        "",
        f"  {paint(judgment.verdict.value, _COLORS[judgment.verdict])}  basis {judgment.basis}",
    ]
    return "\n".join(lines)
