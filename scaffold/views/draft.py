"""Format a draft: what was found, what must be minded, what is open."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scaffold.views.tables import Paint, labelled, plain

if TYPE_CHECKING:
    from scaffold.authoring.drafting.recipe_text import OpenQuestion
    from scaffold.authoring.drafting.trying import Attempt
    from scaffold.records.draft import FieldAnswer, Sources

_SHOWN = {
    "reference.license": "Licence",
    "task": "Task",
    "commands.prepare.run": "Prepare",
    "commands.train.run": "Train",
    "commands.evaluate.run": "Evaluate",
    "seeds.how": "Seeds",
    "metrics.0": "Metric",
    "claims.0": "Claim",
    "claims": "Claim",
    "datasets.0": "Data",
    "resources.device": "Device",
    "environment.python": "Python",
    "environment.packages": "Packages",
}
"""Fields that a person looks at first, in this order."""


_MOST_CANDIDATES = 8


def format_draft(
    sources: "Sources",
    questions: "Sequence[OpenQuestion]",
    following: str,
    width: int,
    paint: Paint,
) -> str:
    """Format a draft.

    Args:
        sources: its answers.
        questions: what is open, what blocks most first.
        following: what to type next.
        width: columns of the terminal.
        paint: gives a text a color.
    """
    lines = []
    for key, label in _SHOWN.items():
        if key in sources.answers:
            lines += labelled(label, plain(_text(sources.answers[key])), width)
    count = sum(1 for key in sources.answers if key.startswith("hyperparameters."))
    if count:
        lines += labelled("Values", f"{count} hyperparameters, see recipe.yaml", width)
    for warning in sources.warnings:
        lines += labelled("Mind", plain(warning), width)
    for question in questions:
        lines += labelled("Open", plain(f"{question.key}: {question.why}"), width)
        for candidate in question.candidates[:_MOST_CANDIDATES]:
            places = ", ".join(map(str, candidate.citations[:2]))
            lines += labelled("", plain(f"may be {candidate.value}   {places}").rstrip(), width)
        others = len(question.candidates) - _MOST_CANDIDATES
        lines += labelled("", f"or one of {others} more: see DRAFT.md", width) if others > 0 else []
    lines.append(f"  Next       {paint(following, 'cyan')}")
    return "\n".join(lines)


def format_attempt(
    tried: "Attempt", folder: Path, width: int, paint: Paint, *, is_accepted: bool
) -> str:
    """Format what trying a draft showed: that it runs, or why not and what may cure it."""
    place = shlex.quote(str(folder))
    if tried.record is not None:
        values = ", ".join(f"{name} {one.value:.5g}" for name, one in tried.record.metrics.items())
        lines = labelled("Works", values or "it ran to its end", width)
        lines.append(
            f"  Next       {paint(f'scaffold recipes calibrate {place} --runs 20', 'cyan')}"
        )
        why = (
            "records how far seeds move each metric, without which most claims stay undecided; or"
            f" at once: mlloop-new my-project --from {place}"
        )
        return "\n".join([*lines, *labelled("", why, width)])
    reason, *details = plain(tried.reason).splitlines()
    lines = [*labelled("Failed", reason, width), *(f"  {line.rstrip()}" for line in details)]
    if tried.cure is None:
        lines += labelled("Cure?", "none is known: read its output above", width)
        return "\n".join(lines)
    lines += labelled("Cure?", plain(tried.cure.why), width)
    if is_accepted:
        lines += labelled("Changed", plain(f"{tried.cure.key}: {tried.cure.value}"), width)
        following = f"scaffold recipes try {place}"
    elif tried.cure.key:
        lines += labelled("Change", plain(f"{tried.cure.key}: {tried.cure.value}"), width)
        following = f"scaffold recipes try {place} --accept"
    else:
        return "\n".join(lines)
    return "\n".join([*lines, f"  Next       {paint(following, 'cyan')}"])


def _text(answer: "FieldAnswer") -> str:
    if answer.status.value != "value":
        return f"{answer.status.value}: {answer.note}"
    value = answer.value
    if isinstance(value, dict):
        value = ", ".join(f"{key} {item}" for key, item in value.items() if key in _NAMED)
    elif isinstance(value, list):
        value = ", ".join(map(str, value)) or "none"
    places = ", ".join(str(citation) for citation in answer.citations[:2])
    return f"{value}   {places}".rstrip()


_NAMED = (
    *("name", "value", "at_least", "at_most", "metric", "dataset", "unit", "inside", "generated"),
    *("bundled", "take"),
)
"""What is shown of an answer that has parts."""
