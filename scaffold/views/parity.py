"""Terminal text of the ladder and of rewrites. Builds text; prints nothing."""

from collections.abc import Sequence

from scaffold.records.judgement import ChangeJudgement, Question, Word
from scaffold.rewrite.parts import Part
from scaffold.rules.parity.checks import Rung
from scaffold.rules.parity.judge import address_text
from scaffold.rules.parity.picture import error_bar, error_text
from scaffold.views.report import Paint, change_colour, plain, table, wrap

_MOST_MODULES = 60
"""Modules that a person looks through."""

_RUNG_COLOURS = {Word.EQUAL: "green", Word.DIFFERS: "red", Word.LEFT_OUT: "yellow"}


def format_rungs(rungs: Sequence[Rung], width: int, paint: Paint) -> str:
    """Format the parity checks: one line each, differences with causes, what was left out."""
    rows = [(rung.name, str(rung.compared or ""), _worst(rung), rung.word.value) for rung in rungs]
    colours = [_RUNG_COLOURS[rung.word] for rung in rungs]
    head = ("rung", "compared", "largest error / allowed", "verdict")
    lines = [*table(head, rows, width, lambda row, text: paint(text, colours[row])), ""]
    differing = [rung for rung in rungs if rung.word is Word.DIFFERS]
    for rung in differing[:1]:
        lines += _picture(rung, width, paint)
        lines += wrap(f"DIFFERS at {address_text(rung)}", width)
        lines += wrap(f"  {plain(rung.reason)}", width, hanging=6)
        lines += [
            line
            for cause in rung.causes
            for line in wrap(f"  usual cause: {plain(cause)}", width, hanging=17)
        ]
        if rung.suggestions:
            lines += wrap(
                "a guess, by shape and order; where it is right, put it into the rewrite's"
                " tweaks/*.yaml:",
                width,
            )
            lines += ["", "weights:", *(f"  {plain(line)}" for line in rung.suggestions), ""]
    if not differing:
        lines += _picture(next((r for r in rungs if r.along), None), width, paint)
    if len(differing) > 1:
        lines += wrap(
            f"and, which may follow from it, at {', '.join(rung.name for rung in differing[1:])}",
            width,
        )
    left_out: dict[str, list[str]] = {}
    for rung in rungs:
        for text in (*rung.left_out, *([rung.reason] if rung.word is Word.LEFT_OUT else [])):
            left_out.setdefault(text, []).append(rung.name)
    for text, names in left_out.items():
        lines += wrap(f"left out of {', '.join(names)}: {plain(text)}", width)
    return "\n".join(lines)


def _worst(rung: Rung) -> str:
    return "" if not rung.worst else f"{rung.worst:.2g}" if rung.worst < 1e99 else "all"


def _picture(rung: Rung | None, width: int, paint: Paint) -> list[str]:
    if rung is None or not rung.along:
        return []
    room = min(max(len(name) for name, _ in rung.along), max(width - 40, 16))
    lines = wrap(
        f"error along the network ({rung.name}), in powers of ten; | is what is allowed", width
    )
    for name, error in rung.along[:_MOST_MODULES]:
        colour = "red" if error > 1 else "green"
        lines.append(
            f"    {plain(name)[-room:]:{room}}  {paint(error_bar(error), colour)} "
            f" {error_text(error)}"
        )
    if len(rung.along) > _MOST_MODULES:
        lines.append(f"    and {len(rung.along) - _MOST_MODULES} more")
    return [*lines, ""]


def format_parts(parts: Sequence[Part], width: int, paint: Paint) -> str:
    """Format what can be rewritten, one line each."""
    head = ("part", "kind", "parameters", "what")
    rows = [
        (plain(part.name), part.kind, str(part.size or ""), plain(part.about)) for part in parts
    ]
    return "\n".join(table(head, rows, width, lambda _, text: paint(text, "bright_black")))


def format_rewrite(
    rungs: Sequence[Rung], judgement: ChangeJudgement, width: int, paint: Paint
) -> str:
    """Format the parity checks, then the published result by the rewritten system.

    Then the verdict.
    """
    lines = [format_rungs(rungs, width, paint), ""]
    findings = [
        finding for finding in judgement.findings if finding.question is not Question.PARITY
    ]
    for finding in findings:
        lines += wrap(
            f"{finding.question.value} of {plain(finding.metric)}: {finding.word.value},"
            f" {plain(finding.reason)}",
            width,
        )
    for remark in judgement.remarks:
        lines += wrap(f"remark: {plain(remark)}", width)
    end = (
        f"not to be accepted: {plain(judgement.refusal)}"
        if judgement.refusal
        else "as a rewrite must be"
    )
    lines += ["", *_last_word(judgement.word, end, width, paint)]
    return "\n".join(lines)


def _last_word(word: Word, end: str, width: int, paint: Paint) -> list[str]:
    first, *rest = wrap(f"{word.value}  {end}", width)
    return [first.replace(word.value, paint(word.value, change_colour(word)), 1), *rest]
