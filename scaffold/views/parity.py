"""Terminal text of the parity checks and of rewrites. Builds text; prints nothing."""

from collections.abc import Sequence

from scaffold.records.judgment import ChangeJudgment, Verdict
from scaffold.rewrite.parts import Part
from scaffold.rules.parity.checks import CheckResult
from scaffold.rules.parity.judge import address_text
from scaffold.rules.parity.picture import error_bar, error_text
from scaffold.views.change import change_headline, finding_details, finding_lines
from scaffold.views.tables import Paint, labelled, plain, table, wrap

_MOST_MODULES = 60
"""Modules that a user looks through."""

_COUNTED = {
    Verdict.EQUAL: "equal",
    Verdict.DIFFERS: "different",
    Verdict.LEFT_OUT: "left out",
}
_CHECK_COLORS = {Verdict.EQUAL: "green", Verdict.DIFFERS: "red", Verdict.LEFT_OUT: "yellow"}


def format_checks(checks: Sequence[CheckResult], width: int, paint: Paint) -> str:
    """Format the parity checks: one line each, differences with causes, what was left out."""
    rows = [
        (check.name, str(check.compared or ""), _worst(check), check.verdict.value)
        for check in checks
    ]
    colors = [_CHECK_COLORS[check.verdict] for check in checks]
    head = ("check", "compared", "largest error / allowed", "verdict")
    lines = table(head, rows, width, lambda row, text: paint(text, colors[row]))
    return "\n".join([*lines, "", *_differing(checks, width, paint), *_left_out(checks, width)])


def _differing(checks: Sequence[CheckResult], width: int, paint: Paint) -> list[str]:
    """Return where the first difference is, why that may be, and what may follow from it."""
    differing = [check for check in checks if check.verdict is Verdict.DIFFERS]
    if not differing:
        return _picture(next((check for check in checks if check.along), None), width, paint)
    check = differing[0]
    lines = _picture(check, width, paint)
    lines += labelled("Differs", f"at {address_text(check)}: {plain(check.reason)}", width)
    for cause in check.causes:
        lines += labelled("Cause?", plain(cause), width)
    if check.suggestions:
        lines += wrap(
            "a guess, by shape and order; where it is right, put it into the rewrite's"
            " tweaks/*.yaml:",
            width,
        )
        lines += ["", "weights:", *(f"  {plain(line)}" for line in check.suggestions), ""]
    if len(differing) > 1:
        others = ", ".join(check.name for check in differing[1:])
        lines += labelled("Also", f"{others} differ, which may follow from it", width)
    return lines


def _left_out(checks: Sequence[CheckResult], width: int) -> list[str]:
    """Return what could not be compared, each reason once."""
    names_by_reason: dict[str, list[str]] = {}
    for check in checks:
        reasons = [check.reason] if check.verdict is Verdict.LEFT_OUT else []
        for text in (*check.left_out, *reasons):
            names_by_reason.setdefault(text, []).append(check.name)
    return [
        line
        for text, names in names_by_reason.items()
        for line in labelled("Left out", f"{', '.join(names)}: {plain(text)}", width)
    ]


def _worst(check: CheckResult) -> str:
    if not check.compared and not check.worst:
        return ""
    return f"{check.worst:.2g}" if check.worst < 1e99 else "no such values"


def _picture(check: CheckResult | None, width: int, paint: Paint) -> list[str]:
    if check is None or not check.along:
        return []
    name_width = min(max(len(name) for name, _ in check.along), max(width - 40, 16))
    lines = wrap(
        f"error along the network ({check.name}), a sign for each power of ten; right of | is more"
        " than allowed; behind it error / allowed",
        width,
    )
    for name, error in check.along[:_MOST_MODULES]:
        color = "red" if error > 1 else "green"
        lines.append(
            f"    {plain(name)[-name_width:]:{name_width}}  {paint(error_bar(error), color)} "
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
    checks: Sequence[CheckResult],
    judgment: ChangeJudgment,
    width: int,
    paint: Paint,
    *,
    verbose: bool = False,
) -> str:
    """Format a rewrite: the verdict, the first difference if there is one, the published result.

    Args:
        checks: the parity checks.
        judgment: what they and the runs add up to.
        width: columns of the terminal.
        paint: gives a text a color.
        verbose: list every check, and what was left out of it.
    """
    lines = [*change_headline(judgment, width, paint), ""]
    if verbose:
        lines += [format_checks(checks, width, paint), ""]
    else:
        counts = [
            f"{sum(check.verdict is verdict for check in checks)} {text}"
            for verdict, text in _COUNTED.items()
        ]
        lines += labelled("Checks", ", ".join(counts), width)
        if any(check.verdict is Verdict.DIFFERS for check in checks):
            lines += _differing(checks, width, paint)
        lines += _left_out(checks, width)
    lines += finding_lines(judgment, width)
    for remark in judgment.remarks:
        lines += labelled("Remark", plain(remark), width)
    if verbose:
        lines += finding_details(judgment, width, paint)
    return "\n".join(lines)
