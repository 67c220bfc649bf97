"""Write a tweak's page of the journal."""

from scaffold.records.judgment import ChangeJudgment
from scaffold.records.tweak import ChangeEvidence, Tweak
from scaffold.rules.parity.checks import CHECKS, CheckResult
from scaffold.rules.parity.picture import error_page


def page_of(tweak: Tweak, evidence: ChangeEvidence | None) -> str:
    """Return a journal page: what was tried, and what it showed.

    A file a tweak, so that clones never conflict.
    """
    lines = [
        f"# {tweak.name}",
        "",
        f"- kind: {tweak.kind}",
        f"- expected: {tweak.expect or 'nothing was said'}",
    ]
    if tweak.bottleneck:
        lines += [f"- bottleneck: {tweak.bottleneck}", f"- refuted by: {tweak.refuted_by}"]
    if evidence is None:
        lines.append("- dropped before it was judged")
    else:
        judgment = ChangeJudgment.from_mapping(evidence.judgment)
        lines += [
            f"- changed: {difference.aspect} {difference.name}: {difference.text}"
            for difference in evidence.differences
        ]
        lines += [f"- verdict: **{judgment.verdict.value}**", f"- measured: {judgment.reason}"]
        lines += [f"- remark: {remark}" for remark in judgment.remarks]
        lines += [f"- rewritten: {tweak.part}"] if tweak.part else []
        lines += [
            f"- cost: {evidence.cost_s:.0f} s, all runs that it rests on together",
            f"- decision: {evidence.decision} ({evidence.created[:10]})",
        ]
        if evidence.reason:
            lines.append(f"- reason: {evidence.reason}")
        lines += _page_of_checks([CheckResult.from_mapping(check) for check in evidence.checks])
    return "\n".join(lines) + "\n"


def _page_of_checks(checks: list[CheckResult]) -> list[str]:
    """Return the parity checks as a table, and the error along the network."""
    if not checks:
        return []
    rows = [
        f"| {check.name} | {CHECKS[check.name]} | {check.compared} | {check.verdict.value} |"
        for check in checks
    ]
    lines = ["", "| check | what | compared | verdict |", "|---|---|---|---|", *rows]
    left_out = {text: check.name for check in checks for text in check.left_out}
    lines += (
        ["", *(f"- left out of {name}: {text}" for text, name in left_out.items())]
        if left_out
        else []
    )
    shown = next((check for check in checks if check.along), None)
    if shown:
        lines += [
            "",
            f"Error along the network ({shown.name}), a sign for each power of ten; right of | is"
            " more than allowed:",
            "",
            "```",
        ]
        lines += [*error_page(shown.along), "```"]
    return lines
