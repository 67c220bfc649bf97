"""Write a draft down: recipe.yaml, its citations in sources.json, DRAFT.md for people."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scaffold.records.draft import Candidate, FieldStatus, Sources
from scaffold.records.program import NOT_MEASURED
from scaffold.records.yaml_text import dump_yaml

NO_LICENCE = "none stated"

_TRAIN_LIMIT_S, _SMOKE_LIMIT_S, _PREPARE_LIMIT_S = 86_400, 900, 3_600
"""Limits of ours, so that nothing runs for ever; the source says nothing of them."""

_ANY_PYTHON = ">=3"
"""What is written where the source states no version: whichever its packages have builds for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuestion:
    """What must be answered before a draft is a recipe.

    Attributes:
        key: the field's place in the recipe.
        why: what is missing.
        candidates: what it may be.
    """

    key: str
    why: str
    candidates: tuple[Candidate, ...]


_NEEDED: Sequence[tuple[str, str]] = (
    ("commands.train.run", "which command trains, and gives the number that is to be reproduced?"),
    ("metrics.0", "which number does the program report, and where is it read?"),
    ("datasets.0", "which data does the program read?"),
    ("seeds.how", "how does a seed reach the program?"),
)
"""Without these nothing can be run and measured, those that block most first."""


def open_questions(sources: Sources) -> list[OpenQuestion]:
    """Return what must be answered, what blocks most first.

    Without a command nothing else is asked: with it the rest is read.
    """
    answers = sources.answers
    questions = []
    for key, why in _NEEDED:
        answer = answers.get(key)
        if answer is None and key == "commands.train.run" and "commands.evaluate.run" in answers:
            continue
        answer = answer or answers.get(key.removesuffix(".0"))
        if answer is None or answer.status is FieldStatus.UNKNOWN:
            note = f" ({answer.note})" if answer and answer.note else ""
            candidates = answer.candidates if answer else ()
            questions.append(OpenQuestion(key=key, why=why + note, candidates=candidates))
            if key == "commands.train.run":
                break
    licence = answers["reference.license"]
    if licence.status is not FieldStatus.VALUE:
        open_lines = Candidate(value=NO_LICENCE)
        candidates = licence.candidates or (open_lines,)
        questions.append(
            OpenQuestion(key="reference.license", why=licence.note, candidates=candidates)
        )
    return questions


def recipe_text(sources: Sources) -> str:
    """Return recipe.yaml as far as it is known; what is open stands there as a comment."""
    document: dict[str, Any] = {"format": 1}
    for key, answer in sources.answers.items():
        if answer.status is FieldStatus.VALUE:
            _put(document, key, answer.value)
        elif answer.status is FieldStatus.CONTRADICTORY and answer.candidates:
            _put(document, key, answer.candidates[0].value)  # what the code does
    _add_limits(document)
    document = {key: document[key] for key in _ORDER if key in document}
    head = (
        f"# Drafted from {sources.source}. Where each value stands in the source: sources.json,\n"
        "# and DRAFT.md for people. Check it before you trust it.\n"
    )
    body = dump_yaml(document, width=110)
    open_lines = "".join(
        f"# open: {question.key}: {question.why}\n" for question in open_questions(sources)
    )
    return head + open_lines + body


_ORDER = (
    "format",
    "id",
    "title",
    "task",
    "reference",
    "datasets",
    "environment",
    "commands",
    "hyperparameters",
    "seeds",
    "metrics",
    "resources",
    "claims",
    "calibration",
)


def _put(document: dict[str, Any], key: str, value: Any) -> None:
    """Put a value at its place; `metrics.0` is the first of a list."""
    parts = key.split(".", 2) if key.startswith("hyperparameters.") else key.split(".")
    place: Any = document
    for part, following in zip(parts, [*parts[1:], ""], strict=True):
        last = following == ""
        if part.isdecimal():
            while len(place) <= int(part):
                place.append({})
            if last:
                place[int(part)] = value
            place = place[int(part)]
        elif last:
            place[part] = value
        else:
            place = place.setdefault(part, [] if following.isdecimal() else {})


def _add_limits(document: dict[str, Any]) -> None:
    """Add what a recipe needs and no source says: limits, and what was not measured yet."""
    document.setdefault("task", "not stated")
    environment = document.setdefault("environment", {})
    environment.setdefault("python", _ANY_PYTHON)
    limits = {"train": _TRAIN_LIMIT_S, "evaluate": _TRAIN_LIMIT_S, "smoke": _SMOKE_LIMIT_S}
    for name, command in document.get("commands", {}).items():
        command.setdefault("timeout_s", limits.get(name, _PREPARE_LIMIT_S))
    resources = document.setdefault("resources", {})
    resources.setdefault("device", "cpu")
    resources.setdefault("run_time_s", 3600)
    resources.setdefault("hardware", NOT_MEASURED)
    document.setdefault("claims", [])
    names = [data["name"] for data in document.get("datasets", ()) if "name" in data]
    for claim in document["claims"]:
        if names and claim.get("dataset") not in names:
            claim["dataset"] = names[0]


def draft_page(sources: Sources) -> str:
    """Return DRAFT.md: what is open, what contradicts, what was found and where."""
    lines = [f"# Draft of a recipe for {sources.source}", ""]
    questions = open_questions(sources)
    lines += ["## Open", ""]
    for question in questions:
        lines.append(f"- `{question.key}`: {question.why}")
        lines += [
            f"  - may be `{_short(c.value)}`{_places(c.citations)}" for c in question.candidates
        ]
    lines += ["Nothing."] if not questions else []
    lines += ["", "## To mind", ""]
    lines += [f"- {warning}" for warning in sources.warnings] or ["Nothing."]
    contradictions = {
        key: answer
        for key, answer in sources.answers.items()
        if answer.status is FieldStatus.CONTRADICTORY
    }
    for key, answer in contradictions.items():
        lines.append(f"- `{key}` is contradictory: {answer.note}")
        lines += [f"  - `{_short(c.value)}`{_places(c.citations)}" for c in answer.candidates]
    lines += ["", "## Found", "", "| field | answer | where | note |", "|---|---|---|---|"]
    for key, answer in sources.answers.items():
        value = answer.value if answer.status is FieldStatus.VALUE else answer.status.value
        lines.append(
            f"| `{key}` | {_cell(_short(value))} "
            f"| {_cell(_places(answer.citations).strip(' ()'))} |"
            f" {_cell(answer.note)} |"
        )
    if sources.fixed:
        lines += ["", "## Fixed in the code", "", "No option changes these.", ""]
        lines += [
            f"- `{k}` = {_short(a.value)}{_places(a.citations)}" for k, a in sources.fixed.items()
        ]
    return "\n".join(lines) + "\n"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


_MOST_SHOWN = 200


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


def _places(citations: Sequence[Any]) -> str:
    return f" ({', '.join(map(str, citations[:4]))})" if citations else ""
