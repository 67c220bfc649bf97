"""Format reproductions, from the same objects that JSON is made of. Imports nothing heavy."""

import re
from collections.abc import Callable, Sequence

from scaffold.records.judgment import Finding, Judgment, Question, Verdict
from scaffold.views.tables import (
    Paint,
    headline,
    interval_text,
    labelled,
    number,
    plain,
    table,
    table_width,
    wrap,
)

_COLORS = {
    Verdict.REPRODUCED: "green",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.NOT_REPRODUCED: "red",
}
_MEANINGS = {
    Verdict.REPRODUCED: "the reference gives its published result here",
    Verdict.INCONCLUSIVE: "the runs so far neither show nor refute the published result",
    Verdict.NOT_REPRODUCED: "the reference does not give its published result here",
}
_UNPUBLISHED = {
    Verdict.REPRODUCED: "the reference gives here what its calibration runs gave",
    Verdict.INCONCLUSIVE: "the runs so far neither show nor refute what calibration runs gave",
    Verdict.NOT_REPRODUCED: "the reference does not give here what its calibration runs gave",
}
"""Where nothing is published."""

_BASES = {
    "training": "trained here in full",
    "evaluation": "released weights, evaluated here",
    "early training": "only the first part was trained here",
}
_COLUMNS: dict[str, Callable[[Finding], str]] = {
    "question": lambda finding: finding.question.value,
    "metric": lambda finding: plain(finding.metric),
    "published": lambda finding: finding.published or "",
    "n": lambda finding: str(finding.n or ""),
    "mean": lambda finding: number(finding.mean),
    "sd": lambda finding: number(finding.sd),
    "allowed": lambda finding: interval_text(finding),
    "verdict": lambda finding: finding.verdict.value,
}
_SPARED_FIRST = ("allowed", "published")
"""Columns that go into the text below the table when a terminal is too narrow for them."""


def format_judgment(judgment: Judgment, width: int, paint: Paint, *, verbose: bool = False) -> str:
    """Format a reproduction: the verdict, the claim, why, what else was noticed.

    Args:
        judgment: what to format.
        width: columns of the terminal.
        paint: gives a text a color.
        verbose: add every finding with its numbers and its rule.
    """
    verdict = judgment.verdict
    has_claim = any(finding.question is Question.CLAIM for finding in judgment.findings)
    meanings = _MEANINGS if has_claim else _UNPUBLISHED
    lines = headline(
        verdict.value,
        f"{meanings[verdict]} ({_BASES[judgment.basis]})",
        width,
        lambda text: paint(text, _COLORS[verdict]),
    )
    lines.append("")
    if not has_claim:
        lines += labelled("Claim", "none: the source publishes no figure of quality", width)
    for finding in judgment.findings:
        if finding.question is Question.CLAIM:
            lines += labelled("Claim", _claim(finding), width)
    deciding = _deciding(judgment)
    for finding in deciding:
        is_good = verdict is Verdict.REPRODUCED
        reason = f"{plain(finding.metric)}: {plain(finding.reason)}"
        lines += labelled("Why", reason if is_good else _with_verdict(finding), width)
    for finding in judgment.findings:
        if finding not in deciding and _is_noticed(finding, verdict):
            lines += labelled("Noticed", _with_verdict(finding), width)
    for deviation in judgment.deviations:
        lines += labelled("Deviation", plain(deviation.text), width)
    if verbose:
        lines += ["", *_details(judgment, width, paint)]
    return "\n".join(lines)


def format_experiments(
    judged: Sequence[tuple[str, Judgment | None]], overall: Verdict, width: int, paint: Paint
) -> str:
    """Format several experiments as a table, and the worst of them."""
    rows = [
        (name, one.findings[0].metric if one and one.findings else "", _verdict_of(one))
        for name, one in judged
    ]
    lines = table(("experiment", "metric", "verdict"), rows, width, lambda _, text: text)
    text = "the worst of them" if overall is not Verdict.REPRODUCED else "each of them"
    return "\n".join(
        [*lines, *headline(overall.value, text, width, lambda t: paint(t, _COLORS[overall]))]
    )


def _deciding(judgment: Judgment) -> list[Finding]:
    """Return the findings that make the verdict what it is; claims have a line of their own."""
    if judgment.verdict is Verdict.REPRODUCED:
        return [f for f in judgment.findings if f.question is Question.REPRODUCTION]
    return [
        finding
        for finding in judgment.findings
        if finding.question is not Question.CLAIM and finding.verdict.overall is judgment.verdict
    ]


def _with_verdict(finding: Finding) -> str:
    return f"{plain(finding.metric)}: {finding.verdict.value}, {plain(finding.reason)}"


def _verdict_of(judgment: Judgment | None) -> str:
    return judgment.verdict.value if judgment else "not judged yet"


def _claim(finding: Finding) -> str:
    seeds = f"{finding.n} seed{'' if finding.n == 1 else 's'}"
    spread = f"sd {number(finding.sd)}, " if finding.sd is not None else ""
    return (
        f"{plain(finding.metric)}: published {finding.published}, here {_as_published(finding)}"
        f" ({spread}{seeds}): {finding.verdict.value}, {plain(finding.reason)}"
    )


def _as_published(finding: Finding) -> str:
    """Return the mean with four significant digits, or with the decimals of what is published."""
    text = number(finding.mean)
    decimals = re.search(r"\.(\d+)", finding.published or "")
    if finding.mean is None or not decimals or "e" in text:
        return text
    exact = f"{finding.mean:.{len(decimals[1])}f}"
    return max(text, exact, key=len)


def _is_noticed(finding: Finding, verdict: Verdict) -> bool:
    """Return whether a finding is to be read beside the result itself."""
    if finding.question is Question.REPRODUCTION:
        return verdict is not Verdict.REPRODUCED
    is_usual = finding.verdict in (Verdict.CONSISTENT, Verdict.EXPECTED)
    return not is_usual


def _details(judgment: Judgment, width: int, paint: Paint) -> list[str]:
    """Return the table of all findings, then each rule."""
    findings = judgment.findings
    colors = [_COLORS[finding.verdict.overall] for finding in findings]
    columns = dict(_COLUMNS)
    rows = [[cell(finding) for cell in columns.values()] for finding in findings]
    for spared in _SPARED_FIRST:
        if table_width([list(columns), *rows]) > width:
            del columns[spared]
            rows = [[cell(finding) for cell in columns.values()] for finding in findings]
    lines = table(list(columns), rows, width, lambda row, text: paint(text, colors[row]))
    lines.append("")
    for finding in findings:
        left_out = [
            (name, _COLUMNS[name](finding)) for name in _SPARED_FIRST if name not in columns
        ]
        numbers = [f"{name} {text}" for name, text in left_out if text]
        details = "; ".join([finding.rule, *numbers])
        lines += wrap(
            f"{plain(finding.metric)} ({finding.question.value}): {plain(finding.reason)}"
            f" ({details})",
            width,
        )
    return lines
