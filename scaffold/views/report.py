"""Terminal text from the same objects that JSON is made of.

Builds text; prints nothing; imports nothing heavy.
"""

import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from scaffold.records.judgment import ChangeJudgment, Finding, Judgment, Question, Verdict
from scaffold.status.model import Status
from scaffold.user_state import Origin

if TYPE_CHECKING:
    from scaffold.doctor import Checked
    from scaffold.records.tweak import Part
    from scaffold.tweak.store import Listed

Paint = Callable[[str, str], str]
"""Gives a text a color by name, or leaves it as it is."""

_COLORS = {
    Verdict.REPRODUCED: "green",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.NOT_REPRODUCED: "red",
}
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
_STATES = {"passed": "green", "open": "yellow", "locked": "bright_black", "dropped": "bright_black"}


def plain(text: str) -> str:
    """Return an untrusted text without characters that move the cursor or hide words."""
    return "".join(
        character if character.isprintable() or character in "\n\t" else "?" for character in text
    )


_COLUMNS: dict[str, Callable[[Finding], str]] = {
    "question": lambda finding: finding.question.value,
    "metric": lambda finding: plain(finding.metric),
    "claim": lambda finding: finding.published or "",
    "n": lambda finding: str(finding.n or ""),
    "mean": lambda finding: _number(finding.mean),
    "sd": lambda finding: _number(finding.sd),
    "interval": lambda finding: _interval(finding),
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
        if _table_width([list(columns), *rows]) > width:
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


_CHANGE_COLUMNS: dict[str, Callable[[Finding], str]] = {
    "question": lambda finding: finding.question.value,
    "metric": lambda finding: plain(finding.metric),
    "pairs": lambda finding: str(finding.n or ""),
    "before": lambda finding: _number(finding.before),
    "after": lambda finding: _number(finding.mean),
    "effect": lambda finding: f"{finding.effect:+.3g}" if finding.effect is not None else "",
    "interval": lambda finding: (
        f"{finding.interval[0]:+.3g} .. {finding.interval[1]:+.3g}" if finding.interval else ""
    ),
    "r": lambda finding: f"{finding.correlation:.2f}" if finding.correlation is not None else "",
    "verdict": lambda finding: finding.verdict.value,
}


def format_change(
    parts: Sequence["Part"], judgment: ChangeJudgment, width: int, paint: Paint
) -> str:
    """Format a change: differences, table, reasons and rules, verdict.

    Whether it can be accepted.
    """
    lines = ["  changed"]
    for part in parts:
        lines += wrap(f"  {part.what} {plain(part.name)}: {plain(part.text)}", width, hanging=6)
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


def wrap(text: str, width: int, *, hanging: int = 4) -> list[str]:
    """Return lines of at most `width` columns, indented by two and, after the first.

    By `hanging`.
    """
    return textwrap.wrap(
        text.strip(),
        width - 2,
        initial_indent="  ",
        subsequent_indent=" " * hanging,
        break_on_hyphens=False,
        drop_whitespace=True,
        replace_whitespace=False,
    )


def _table_width(rows: Sequence[Sequence[str]]) -> int:
    return sum(max(map(len, column)) + 2 for column in zip(*rows, strict=True))


def format_status(status: Status, width: int, paint: Paint) -> str:
    """Format where a project stands, and the next command."""
    lines = [
        f"  {plain(status.name)}  reproduces {plain(status.reference)} (recipe {status.recipe})",
        "",
    ]
    for step in status.milestones:
        lines.append(
            f"  {paint(f'{step.state:8}', _STATES[step.state])}{step.phase:11}{plain(step.title)}"[
                : width + 20
            ]
        )
    evidence = {
        "none": "none yet",
        "current": (
            f"{status.verdict} from {status.seeds}"
            f" seed{'s' * (status.seeds != 1)}{_judged_by(status.origin)}"
        ),
        "stale": "stale",
    }
    lines += ["", f"  Evidence   {evidence[status.evidence]}"]
    notes = [*map(str, status.stale_reasons), *(f"deviation: {text}" for text in status.deviations)]
    lines += [
        line for note in notes for line in wrap(f"           {plain(note)}", width, hanging=13)
    ]
    if status.tweak is not None:
        tweak = status.tweak
        verdict = f"{tweak.verdict}{_judged_by(tweak.origin)}"
        found = {"none": "not judged yet", "current": verdict, "stale": f"{verdict}, but stale"}
        lines += wrap(
            f"Tweak      {tweak.name} ({tweak.kind}): {found[tweak.evidence]}", width, hanging=13
        )
    return "\n".join([*lines, format_next(status, width, paint)])


def _judged_by(origin: str | None) -> str:
    return f" ({origin})" if origin and origin != Origin.HERE.value else ""


def format_next(status: Status, width: int, paint: Paint) -> str:
    """Format the one next action: the command, how long it takes, why."""
    action = status.next
    about = f"   about {format_duration(action.about_s)} on this machine" if action.about_s else ""
    why = wrap(plain(action.why), width, hanging=13)
    why[0] = " " * 11 + why[0]
    return "\n".join([f"  Next       {paint(action.command, 'cyan')}{about}", *why])


_STATE_COLORS = {"ok": "green", "limited": "yellow", "missing": "red"}


def format_checked(found: Sequence["Checked"], width: int, paint: Paint) -> str:
    """Format what a machine offers, one line each, with remedies for what is missing."""
    lines = []
    for checked in found:
        first, *rest = wrap(
            f"{checked.state:7}  {checked.name:14}{checked.what}", width, hanging=25
        )
        lines += [
            first.replace(checked.state, paint(checked.state, _STATE_COLORS[checked.state]), 1),
            *rest,
        ]
        if checked.remedy:
            lines += wrap(f"{'':23}{checked.remedy}", width, hanging=25)
    return "\n".join(lines)


def format_duration(seconds: float) -> str:
    """Return a length of time in words."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    color_last: Callable[[int, str], str],
) -> list[str]:
    """Format aligned columns; where they do not fit, one block per row with a line per column."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    if _table_width([head, *rows]) > width:
        label = max(map(len, head))
        return [
            line
            for index, row in enumerate(rows)
            for line in [
                *([""] if index else []),
                *(
                    f"  {name:{label}}  {value}"
                    for name, value in zip(head[:-1], row[:-1], strict=True)
                    if value
                ),
                f"  {head[-1]:{label}}  {color_last(index, row[-1])}",
            ]
        ]
    lines = [
        "  " + "  ".join(f"{name:{size}}" for name, size in zip(head, widths, strict=True)).rstrip()
    ]
    for index, row in enumerate(rows):
        cells = "  ".join(
            f"{value:{size}}" for value, size in zip(row[:-1], widths[:-1], strict=True)
        )
        lines.append(f"  {cells}  {color_last(index, row[-1])}")
    return lines


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _interval(finding: Finding) -> str:
    return f"{finding.interval[0]:.4g} .. {finding.interval[1]:.4g}" if finding.interval else ""
