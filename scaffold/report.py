"""Terminal text from the same objects that JSON is made of. Builds text; prints nothing; imports nothing heavy."""

import re
import textwrap
from collections.abc import Callable, Sequence

from scaffold.judgement import Finding, Judgement, Word
from scaffold.status import Status

Paint = Callable[[str, str], str]
"""Gives a text a colour by name, or leaves it as it is."""

_COLOURS = {Word.REPRODUCED: "green", Word.INCONCLUSIVE: "yellow", Word.NOT_REPRODUCED: "red"}
_STATES = {"passed": "green", "open": "yellow", "locked": "bright_black", "dropped": "bright_black"}


def plain(text: str) -> str:
    """A stranger's text without control characters, which could move the cursor or hide words."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "?", text)


def format_judgement(judgement: Judgement, width: int, paint: Paint) -> str:
    """The verdict's table, then the overall word with its depth and deviations."""
    rows = [
        (
            finding.question, plain(finding.metric), finding.published or "", str(finding.n or ""),
            _number(finding.mean), _number(finding.sd), _interval(finding), finding.word.value,
        )
        for finding in judgement.findings
    ]  # fmt: skip
    head = ("question", "metric", "claim", "n", "mean", "sd", "interval", "verdict")
    colours = [_COLOURS[finding.word.overall] for finding in judgement.findings]
    lines = table(head, rows, width, lambda row, text: paint(text, colours[row]))
    lines.append("")
    for finding in judgement.findings:
        if finding.question in ("reproduction", "claim") or finding.word.overall is not Word.REPRODUCED:
            text = f"{finding.question} of {plain(finding.metric)}: {plain(finding.reason)} [{finding.rule}]"
            lines += textwrap.wrap(text, width - 2, initial_indent="  ", subsequent_indent="    ")
    for deviation in judgement.deviations:
        lines += textwrap.wrap(
            f"deviation: {plain(deviation)}", width - 2, initial_indent="  ", subsequent_indent="    "
        )
    lines += ["", f"  {paint(judgement.word.value, _COLOURS[judgement.word])}  depth {judgement.depth}"]
    return "\n".join(lines)


def format_status(status: Status, width: int, paint: Paint) -> str:
    """Where a project stands, and the next command."""
    lines = [f"  {plain(status.name)}  reproduces {plain(status.reference)} (recipe {status.recipe})", ""]
    for step in status.milestones:
        lines.append(
            f"  {paint(f'{step.state:8}', _STATES[step.state])}{step.phase:11}{plain(step.title)}"[: width + 20]
        )
    evidence = {"none": "none yet", "current": f"{status.word} from {status.seeds} seeds", "stale": "stale"}
    lines += ["", f"  Evidence   {evidence[status.evidence]}"]
    lines += [f"             {reason}" for reason in status.stale_because]
    return "\n".join([*lines, format_next(status, width, paint)])


def format_next(status: Status, width: int, paint: Paint) -> str:
    """The one next action: the command, how long it takes, why."""
    about = f"   about {format_duration(status.about_s)} on this machine" if status.about_s else ""
    why = textwrap.wrap(plain(status.why), width - 2, initial_indent=" " * 13, subsequent_indent=" " * 13)
    return "\n".join([f"  Next       {paint(status.command, 'cyan')}{about}", *why])


def format_duration(seconds: float) -> str:
    """A length of time as a person would say it."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], width: int, colour_last: Callable[[int, str], str]
) -> list[str]:
    """Aligned columns; where they do not fit, one block a row with a line a column."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    if sum(widths) + 2 * len(widths) > width:
        label = max(map(len, head))
        return [
            line
            for index, row in enumerate(rows)
            for line in [
                *([""] if index else []),
                *(f"  {name:{label}}  {value}" for name, value in zip(head[:-1], row[:-1], strict=True) if value),
                f"  {head[-1]:{label}}  {colour_last(index, row[-1])}",
            ]
        ]
    lines = ["  " + "  ".join(f"{name:{size}}" for name, size in zip(head, widths, strict=True)).rstrip()]
    for index, row in enumerate(rows):
        cells = "  ".join(f"{value:{size}}" for value, size in zip(row[:-1], widths[:-1], strict=True))
        lines.append(f"  {cells}  {colour_last(index, row[-1])}")
    return lines


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


def _interval(finding: Finding) -> str:
    return f"{finding.interval[0]:.5g} .. {finding.interval[1]:.5g}" if finding.interval else ""
