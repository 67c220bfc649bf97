"""Terminal text of the parity checks and of rewrites. Builds text; prints nothing."""

from collections.abc import Sequence

from scaffold.records.judgment import ChangeJudgment, Question, Verdict
from scaffold.rewrite.parts import Part
from scaffold.rules.parity.checks import CheckResult
from scaffold.rules.parity.judge import address_text
from scaffold.rules.parity.picture import error_bar, error_text
from scaffold.views.change import change_color
from scaffold.views.tables import Paint, plain, table, wrap

_MOST_MODULES = 60
"""Modules that a user looks through."""

_CHECK_COLORS = {Verdict.EQUAL: "green", Verdict.DIFFERS: "red", Verdict.LEFT_OUT: "yellow"}


def format_checks(checks: Sequence[CheckResult], width: int, paint: Paint) -> str:
    """Format the parity checks: one line each, differences with causes, what was left out."""
    rows = [
        (check.name, str(check.compared or ""), _worst(check), check.verdict.value)
        for check in checks
    ]
    colors = [_CHECK_COLORS[check.verdict] for check in checks]
    head = ("check", "compared", "largest error / allowed", "verdict")
    lines = [*table(head, rows, width, lambda row, text: paint(text, colors[row])), ""]
    differing = [check for check in checks if check.verdict is Verdict.DIFFERS]
    for check in differing[:1]:
        lines += _picture(check, width, paint)
        lines += wrap(f"DIFFERS at {address_text(check)}", width)
        lines += wrap(f"  {plain(check.reason)}", width, hanging=6)
        lines += [
            line
            for cause in check.causes
            for line in wrap(f"  usual cause: {plain(cause)}", width, hanging=17)
        ]
        if check.suggestions:
            lines += wrap(
                "a guess, by shape and order; where it is right, put it into the rewrite's"
                " tweaks/*.yaml:",
                width,
            )
            lines += ["", "weights:", *(f"  {plain(line)}" for line in check.suggestions), ""]
    if not differing:
        lines += _picture(next((r for r in checks if r.along), None), width, paint)
    if len(differing) > 1:
        lines += wrap(
            f"and, which may follow from it, at {', '.join(check.name for check in differing[1:])}",
            width,
        )
    left_out: dict[str, list[str]] = {}
    for check in checks:
        for text in (
            *check.left_out,
            *([check.reason] if check.verdict is Verdict.LEFT_OUT else []),
        ):
            left_out.setdefault(text, []).append(check.name)
    for text, names in left_out.items():
        lines += wrap(f"left out of {', '.join(names)}: {plain(text)}", width)
    return "\n".join(lines)


def _worst(check: CheckResult) -> str:
    if not check.worst:
        return ""
    return f"{check.worst:.2g}" if check.worst < 1e99 else "all"


def _picture(check: CheckResult | None, width: int, paint: Paint) -> list[str]:
    if check is None or not check.along:
        return []
    room = min(max(len(name) for name, _ in check.along), max(width - 40, 16))
    lines = wrap(
        f"error along the network ({check.name}), in powers of ten; | is what is allowed", width
    )
    for name, error in check.along[:_MOST_MODULES]:
        color = "red" if error > 1 else "green"
        lines.append(
            f"    {plain(name)[-room:]:{room}}  {paint(error_bar(error), color)} "
            f" {error_text(error)}"
        )
    if len(check.along) > _MOST_MODULES:
        lines.append(f"    and {len(check.along) - _MOST_MODULES} more")
    return [*lines, ""]


def format_parts(parts: Sequence[Part], width: int, paint: Paint) -> str:
    """Format what can be rewritten, one line each."""
    head = ("part", "kind", "parameters", "what")
    rows = [
        (plain(part.name), part.kind, str(part.size or ""), plain(part.about)) for part in parts
    ]
    return "\n".join(table(head, rows, width, lambda _, text: paint(text, "bright_black")))


def format_rewrite(
    checks: Sequence[CheckResult], judgment: ChangeJudgment, width: int, paint: Paint
) -> str:
    """Format the parity checks, then the published result by the rewritten system.

    Then the verdict.
    """
    lines = [format_checks(checks, width, paint), ""]
    findings = [finding for finding in judgment.findings if finding.question is not Question.PARITY]
    for finding in findings:
        lines += wrap(
            f"{finding.question.value} of {plain(finding.metric)}: {finding.verdict.value},"
            f" {plain(finding.reason)}",
            width,
        )
    for remark in judgment.remarks:
        lines += wrap(f"remark: {plain(remark)}", width)
    end = (
        f"not to be accepted: {plain(judgment.refusal)}"
        if judgment.refusal
        else "as a rewrite must be"
    )
    lines += ["", *_last_word(judgment.verdict, end, width, paint)]
    return "\n".join(lines)


def _last_word(verdict: Verdict, end: str, width: int, paint: Paint) -> list[str]:
    first, *continuation = wrap(f"{verdict.value}  {end}", width)
    return [
        first.replace(verdict.value, paint(verdict.value, change_color(verdict)), 1),
        *continuation,
    ]
