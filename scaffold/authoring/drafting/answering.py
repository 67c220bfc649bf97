"""Write a person's answers, and accepted cures, into a draft."""

import math
import posixpath
import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from scaffold.authoring.drafting.folder import (
    draft_source,
    find_source,
    read_source,
    write_files,
)
from scaffold.authoring.drafting.kept_answers import read_sources
from scaffold.authoring.drafting.recipe_text import (
    NO_LICENCE,
    OpenQuestion,
    open_questions,
    recipe_text,
)
from scaffold.errors import BrokenFileError, UsageError
from scaffold.project.files import read_text
from scaffold.records.draft import Citation, FieldAnswer, FieldStatus, Sources
from scaffold.records.parsing import parse_record
from scaffold.records.recipe import Recipe
from scaffold.records.yaml_text import read_value
from scaffold.references import git

if TYPE_CHECKING:
    from scaffold.authoring.drafting.cures import Cure


def answer_question(folder: Path, key: str, value: Any, place: str | None) -> list[OpenQuestion]:
    """Write a person's answer into a draft, and return what is still open.

    Args:
        folder: of the draft.
        key: the field's place in the recipe.
        value: as YAML reads it.
        place: FILE:LINE of the source that says so; checked like a drafted one.

    Raises:
        UsageError: the place does not exist, or recipe.yaml was edited by hand.
    """
    sources = read_sources(folder)
    if not _KEY.fullmatch(key):
        raise UsageError(
            f"{key!r} is not a field of a recipe",
            hint="such as task, datasets.0, hyperparameters.lr or commands.train.run",
        )
    if read_text(folder / "recipe.yaml") != recipe_text(sources):
        raise UsageError(
            f"{folder / 'recipe.yaml'} was edited by hand, and an answer would undo that",
            hint=f"write {key} into it",
        )
    citations = (_cited(sources, place),) if place else ()
    _require_said(key, value, citations)
    answer = FieldAnswer(status=FieldStatus.VALUE, value=value, citations=citations, by="person")
    answers = _with_answer(sources.answers, key, answer)
    if key == "reference.exclude":
        answers["reference.tree"] = _tree_without(sources, value)
    if key == "commands.train.run" and isinstance(value, str):
        answers = _answers_of_command(sources, value, answers)
    renewed = sources.model_copy(update={"answers": answers})
    _require_fitting(sources, renewed, key, value)
    write_files(folder, renewed)
    return open_questions(renewed)


def _require_said(key: str, value: Any, citations: Sequence[Citation]) -> None:
    """Raise UsageError if the cited line of a number does not say it, nor as a percentage."""
    number = value.get("value") if isinstance(value, Mapping) else value
    if not citations or isinstance(number, bool) or not isinstance(number, (int, float)):
        return
    stated = [float(one.replace(",", "")) for one in _STATED.findall(citations[0].words)]
    factors = (1, 0.01, 100)
    if not any(math.isclose(abs(number), factor * one) for one in stated for factor in factors):
        raise UsageError(
            f"{citations[0]} does not say {number:g}: {citations[0].words[:80]!r}",
            hint=f"cite the line that gives {key}, or leave out --source",
        )


_STATED = re.compile(
    r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?"
)

_KEY = re.compile(
    r"(id|title|task|reference|datasets|environment|commands|hyperparameters|seeds|metrics|resources"
    r"|claims)(\.[A-Za-z_]\w*|\.\d{1,2})*"
)


def _require_fitting(before: Sources, after: Sources, key: str, value: Any) -> None:
    """Raise UsageError if an answer brings problems into the recipe that it had not before."""
    try:
        new = _problems(after) - _problems(before)
    except (AttributeError, TypeError, KeyError, IndexError, ValueError, RecursionError) as error:
        raise UsageError(f"{key} cannot be {str(value)[:80]!r}: {error}") from error
    part = key.split(".")[0]
    own = sorted(f"{where}: {message}" for where, message in new if where.startswith(part))
    if own:
        raise UsageError(f"{key} cannot be {str(value)[:80]!r}:\n  " + "\n  ".join(own[:5]))


def _problems(sources: Sources) -> set[tuple[str, str]]:
    """Return what is wrong with the recipe that a draft's answers make."""
    try:
        parse_record(Recipe, recipe_text(sources), source="recipe.yaml")
    except BrokenFileError as error:
        return {(problem.where, problem.message) for problem in error.problems}
    return set()


def accept_cure(folder: Path, cure: "Cure") -> None:
    """Write a cure into a draft, with what failed as its note.

    What cures the short command cures the whole one as well, and what evaluates beside it.
    """
    sources = read_sources(folder)
    answers = dict(sources.answers)
    for key, value in _changes_of(cure, sources.answers).items():
        answer = FieldAnswer(status=FieldStatus.VALUE, value=value, note=cure.why, by="try")
        answers = _with_answer(answers, key, answer)
    renewed = sources.model_copy(
        update={
            "answers": answers,
            "warnings": (*sources.warnings, f"tried: {cure.why}"),
        }
    )
    write_files(folder, renewed)


def _changes_of(cure: "Cure", answers: Mapping[str, FieldAnswer]) -> dict[str, Any]:
    """Return the fields that a cure changes: of one command those of its like, too."""
    parts = cure.key.split(".")
    if len(parts) != 3 or parts[0] != "commands" or parts[1] == "prepare":
        return {cure.key: cure.value}
    _, tried, part = parts

    def stated(step: str, name: str) -> Any:
        answer = answers.get(f"commands.{step}.{name}")
        return answer.value if answer is not None else ""

    changes = {cure.key: cure.value}
    for step in ("train", "smoke", "evaluate"):
        run, directory = stated(step, "run"), stated(step, "directory")
        if not isinstance(run, str) or not run or directory != stated(tried, "directory"):
            continue
        if part == "variables":
            changes[f"commands.{step}.variables"] = {**(stated(step, part) or {}), **cure.value}
        elif part == "directory":
            changes[f"commands.{step}.directory"] = cure.value
            changes[f"commands.{step}.run"] = _seen_from(run, directory, cure.value)
        elif part == "run" and _program_of(run) == _program_of(stated(tried, "run")):
            changes[f"commands.{step}.run"] = _without(run, stated(tried, "run"), cure.value)
    return changes


def _program_of(run: str) -> str:
    return next((word for word in run.split() if word.endswith(".py")), "")


def _without(run: str, before: str, after: str) -> str:
    """Return a command without the flag, and its value, that another one has lost.

    The value may be another one: the whole command trains for longer.
    """
    words, old, new = run.split(), before.split(), after.split()
    count = len(old) - len(new)
    place = next((n for n in range(len(old)) if [*old[:n], *old[n + count :]] == new), None)
    if count < 1 or place is None or old[place] not in words:
        return run
    at = words.index(old[place])
    return " ".join([*words[:at], *words[at + count :]])


def _seen_from(run: str, directory: str, folder: str) -> str:
    """Return a command with the path of its program as a folder sees it; `-m` has none."""
    words = run.split()
    if "-m" in words:
        return run
    for place, word in enumerate(words):
        if word.endswith(".py"):
            words[place] = posixpath.relpath(posixpath.join(directory, word), folder)
            break
    return " ".join(words)


def _with_answer(
    answers: Mapping[str, FieldAnswer], key: str, answer: FieldAnswer
) -> dict[str, FieldAnswer]:
    """Return answers with another one, which takes the place of all below it."""
    own_answers = {name: known for name, known in answers.items() if not name.startswith(f"{key}.")}
    return {**own_answers, key: answer}


def _cited(sources: Sources, place: str) -> Citation:
    path, _, line = place.rpartition(":")
    if not path or not line.isdecimal():
        raise UsageError(f"{place} is not a place", hint="--source FILE:LINE, such as README.md:31")
    files = read_source(find_source(sources.source))
    if path not in files.texts or not 1 <= int(line) <= len(files.lines(path)):
        raise UsageError(f"the source has no line {place}")
    return files.cite(path, int(line))


def _tree_without(sources: Sources, excluded: Any) -> FieldAnswer:
    """Return the id of the source's tree without some of its paths."""
    source = find_source(sources.source)
    if not isinstance(excluded, list) or source.url is None or source.revision is None:
        raise UsageError(
            "reference.exclude is a list of paths of a git repository",
            hint="such as '[data/large.bin]'",
        )
    tree = git.tree_without(source.url, source.revision, tuple(map(str, excluded)), offline=False)
    return FieldAnswer(status=FieldStatus.VALUE, value=tree, note="without what is excluded")


def _answers_of_command(
    sources: Sources, command: str, answers: dict[str, FieldAnswer]
) -> dict[str, FieldAnswer]:
    """Return the answers that follow from the command a person named, beside those of persons."""
    source = find_source(sources.source)
    files = read_source(source)
    path = command.rstrip("/")
    if any(name.startswith(f"{path}/") for name in files.paths):
        whole = shlex.quote(f"{sources.source}:{path}")
        raise UsageError(f"{path} is a folder", hint=f"scaffold recipes draft {whole}")
    try:
        drafted = draft_source(source, files, command)
    except ValueError as error:
        raise UsageError(f"{command}: {error}") from error
    own_answers = {
        key: answer
        for key, answer in answers.items()
        # What was tried cured the environment; what it made of the command is another's.
        if answer.by == "person"
        or (answer.by == "try" and (not key.startswith("commands.") or key.endswith(".variables")))
    }
    own_answers.pop("commands.train.run")
    return {**drafted.answers, **own_answers}


def accept_no_licence(folder: Path) -> None:
    """Answer the question about a missing licence, which `--accept-no-licence` does."""
    sources = read_sources(folder)
    if any(question.key == "reference.license" for question in open_questions(sources)):
        answer_question(folder, "reference.license", NO_LICENCE, None)


def parse_value(text: str) -> Any:
    """Return a value of a command line as YAML reads it; a date is its text.

    Raises:
        UsageError: it is no text, or its braces and brackets do not close.
    """
    try:
        text.encode()
        value = read_value(text)
    except (yaml.YAMLError, UnicodeError, RecursionError) as error:
        raise UsageError(
            f"{text[:80]!r} is no YAML value: {str(error).splitlines()[0]}",
            hint="put a text with special characters into quotes of its own",
        ) from error
    except ValueError:  # such as a thirteenth month
        return text
    return value.isoformat() if isinstance(value, date) else value
