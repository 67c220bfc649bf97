"""Read the answers that a draft's folder has, and say what is still open."""

import shlex
from pathlib import Path

from scaffold.authoring.drafting.recipe_text import OpenQuestion, open_questions, recipe_text
from scaffold.errors import UsageError
from scaffold.project.files import read_record, read_text
from scaffold.records.draft import Sources
from scaffold.records.yaml_text import dump_yaml

SOURCES = "sources.json"


def read_sources(folder: Path) -> Sources:
    """Read a draft's answers.

    Raises:
        UsageError: the folder has none.
        BrokenFileError: they are damaged.
    """
    if not (folder / SOURCES).is_file():
        raise UsageError(
            f"{folder} is not a draft: it has no {SOURCES}", hint="scaffold recipes draft"
        )
    return read_record(Sources, folder / SOURCES)


def require_answered(folder: Path) -> None:
    """Raise UsageError if a folder is a draft with open questions; another folder passes."""
    if not (folder / SOURCES).is_file():
        return
    questions = open_questions(read_sources(folder))
    if questions and read_text(folder / "recipe.yaml") == recipe_text(read_sources(folder)):
        count = len(questions)
        raise UsageError(
            f"the draft {folder} has {count} open question{'s' * (count != 1)}:"
            f" {', '.join(question.key for question in questions)}",
            hint=next_command(folder, questions),
        )


def next_command(folder: Path, questions: list[OpenQuestion]) -> str:
    """Return what to type next."""
    place = shlex.quote(str(folder))
    if not questions and "commands.smoke.run" in read_sources(folder).answers:
        return f"scaffold recipes try {place}"
    if not questions:
        return f"mlloop-new my-project --from {place}"
    first = questions[0]
    if first.candidates and str(first.candidates[0].value).endswith("/"):
        path = str(first.candidates[0].value).rstrip("/")
        return f"scaffold recipes draft {shlex.quote(f'{read_sources(folder).source}:{path}')}"
    return answer_command(folder, first)


_FORMS = {
    "metrics": (
        "{name: test_accuracy, split: test, direction: higher, unit: fraction,"
        ' read: {stdout: "accuracy (?P<value>[0-9.]+)"}}'
    ),
    "datasets": "{name: data, inside: data/FILE.csv, license: none stated}",
    "claims": (
        "{metric: test_accuracy, dataset: data, basis: training, value: 0.91,"
        " source: {url: README.md, words: accuracy 0.91}}"
    ),
}
"""What an answer looks like that is no one word."""


def answer_command(folder: Path, question: OpenQuestion) -> str:
    """Return the command that answers a question: with its first candidate, else with a form."""
    command = f"scaffold recipes answer {shlex.quote(str(folder))} {question.key}"
    if question.candidates:
        return f"{command} {shlex.quote(dump_yaml(question.candidates[0].value, flow=True))}"
    form = _FORMS.get(question.key.split(".")[0], "") if question.key.count(".") == 1 else ""
    return f"{command} VALUE" + (f"   # such as {shlex.quote(form)}" if form else "")
