"""Format changes and tweaks."""

import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from scaffold.records.judgment import ChangeJudgment, Finding, Question, Verdict
from scaffold.user_state import Origin
from scaffold.views.tables import (
    Paint,
    headline,
    labelled,
    number,
    plain,
    table,
    wrap,
)

if TYPE_CHECKING:
    from scaffold.records.tweak import Difference
    from scaffold.tweak.listing import Listed


CHANGE_COLORS = {
    Verdict.BETTER: "green",
    Verdict.NO_DIFFERENCE: "cyan",
    Verdict.CONCLUSIONS_HOLD: "green",
    Verdict.SEED_IGNORED: "yellow",
    Verdict.NONDETERMINISTIC: "yellow",
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


_LABELS = {
    Question.CHANGE: "Effect",
    Question.COST: "Cost",
    Question.PROBE: "Probe",
    Question.BASELINE: "Baseline",
    Question.ABLATION: "Ablated",
    Question.DECLARATION: "Declared",
    Question.MONITORED: "Moved",
    Question.REPRODUCTION: "Result",
    Question.CLAIM: "Claim",
    Question.SEEDS: "Seeds",
}


def format_change(
    differences: Sequence["Difference"],
    judgment: ChangeJudgment,
    width: int,
    paint: Paint,
    *,
    verbose: bool = False,
) -> str:
    """Format a change: the verdict and whether it can be accepted, what changed, what it did.

    Args:
        differences: between before and after.
        judgment: what to format.
        width: columns of the terminal.
        paint: gives a text a color.
        verbose: add every finding with its numbers and its rule.
    """
    lines = [*change_headline(judgment, width, paint), ""]
    for difference in differences:
        text = f"{difference.aspect} {plain(difference.name)}: {plain(difference.text)}"
        lines += labelled("Changed", text, width)
    lines += finding_lines(judgment, width)
    for remark in judgment.remarks:
        lines += labelled("Remark", plain(remark), width)
    if verbose:
        lines += finding_details(judgment, width, paint)
    return "\n".join(lines)


def change_headline(judgment: ChangeJudgment, width: int, paint: Paint) -> list[str]:
    """Return the verdict and whether the change can be accepted."""
    is_rewrite = any(finding.question is Question.PARITY for finding in judgment.findings)
    can = f"can be accepted (kind {'rewrite' if is_rewrite else judgment.kind})"
    if is_rewrite and judgment.verdict is Verdict.NO_DIFFERENCE:
        can += ": all checks are EQUAL, and runs with the snapshot before show no difference"
    if judgment.refusal:
        can = f"cannot be accepted: {plain(judgment.refusal)}"
    color = CHANGE_COLORS[judgment.verdict]
    return headline(judgment.verdict.value, can, width, lambda text: paint(text, color))


def finding_lines(judgment: ChangeJudgment, width: int) -> list[str]:
    """Return one line per finding that is to be read: all but metrics that did not move."""
    lines = []
    for finding in judgment.findings:
        is_quiet = finding.question is Question.MONITORED and not finding.has_moved
        if finding.question is Question.PARITY or is_quiet:
            continue
        text = f"{plain(finding.metric)}: {_verdict_of(finding)}{plain(finding.reason)}"
        lines += labelled(_LABELS[finding.question], text, width)
    return lines


def _verdict_of(finding: Finding) -> str:
    if finding.question is Question.MONITORED and finding.verdict is Verdict.EXPECTED:
        return ""  # whether it should have moved is not asked
    return f"{finding.verdict.value}, "


def finding_details(judgment: ChangeJudgment, width: int, paint: Paint) -> list[str]:
    """Return the table of all findings but parity checks, then each rule; nothing of none."""
    findings = [item for item in judgment.findings if item.question is not Question.PARITY]
    if not findings:
        return []
    rows = [[cell(finding) for cell in _CHANGE_COLUMNS.values()] for finding in findings]
    for row, finding in zip(rows, findings, strict=True):
        if finding.question is Question.MONITORED and judgment.kind != "neutral":
            # Whether it should have is not asked.
            row[-1] = "moved" if finding.has_moved else "not shown to move"
    colors = [CHANGE_COLORS[finding.verdict] for finding in findings]
    head = list(_CHANGE_COLUMNS)
    lines = ["", *table(head, rows, width, lambda row, text: paint(text, colors[row])), ""]
    for finding in findings:
        lines += wrap(
            f"{plain(finding.metric)} ({finding.question.value}): {plain(finding.reason)}"
            f" ({finding.rule})",
            width,
        )
    return lines


_TWEAK_COLORS = {
    "accepted": "green",
    "dropped": "bright_black",
    "open": "yellow",
    "suggested": "cyan",
}


def format_tweaks(rows: Sequence["Listed"], width: int, paint: Paint) -> str:
    """Format all tweaks, one line each."""
    head = ("tweak", "kind", "verdict", "effect", "about", "state")
    about_width = max(width - 60, 20)
    cells = []
    for row in rows:
        note = f"({row.origin}) " if row.origin == Origin.OTHERS.value else ""
        about = textwrap.shorten(note + plain(row.about), about_width, placeholder=" ...")
        cells.append((row.name, row.kind, row.verdict, row.effect, about, row.state))
    return "\n".join(
        table(head, cells, width, lambda row, text: paint(text, _TWEAK_COLORS[rows[row].state]))
    )
