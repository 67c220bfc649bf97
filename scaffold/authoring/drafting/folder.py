"""Make, read and change the folder of a draft."""

import shlex
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

from scaffold.authoring.drafting.draft import make_draft
from scaffold.authoring.drafting.reading import Draft
from scaffold.authoring.drafting.recipe_text import (
    NO_LICENCE,
    OpenQuestion,
    draft_page,
    open_questions,
    recipe_text,
)
from scaffold.authoring.drafting.source_files import SourceFiles, read_folder, read_git
from scaffold.errors import UsageError
from scaffold.git.repository import Repository
from scaffold.git.trees import content_id, list_files
from scaffold.project.files import read_record, read_text, write_record, write_text
from scaffold.recipes.catalogue import pin_git_source
from scaffold.records.draft import Answer, Citation, Sources, Status
from scaffold.references import git

if TYPE_CHECKING:
    from scaffold.authoring.drafting.cures import Cure

SOURCES, PAGE = "sources.json", "DRAFT.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is drafted from: a commit of a git repository, or a plain folder.

    Attributes:
        url: of the repository; None for a plain folder.
        revision: full id.
        path: below which everything is looked for; empty for all.
        folder: a plain folder.
    """

    url: str | None = None
    revision: str | None = None
    path: str = ""
    folder: Path | None = None


def find_source(text: str) -> Source:
    """Return what a text names: URL, URL@revision, URL@revision:path, a page of a forge, a folder.

    Raises:
        UsageError: it names none of them.
        FetchError: the remote has no such revision.
    """
    if "://" not in text:
        return _local(Path(text))
    url, revision, path = pin_git_source(text)
    return Source(url=url, revision=revision, path=path)


def _local(folder: Path) -> Source:
    if not folder.is_dir():
        raise UsageError(f"{folder} is neither a URL nor a folder", hint="scaffold recipes list")
    folder = folder.absolute()
    if (folder / ".git").exists():
        head = Repository(folder).find_id("HEAD^{commit}")
        if head:
            return Source(url=f"file://{folder}", revision=head)
    return Source(folder=folder)


def default_folder(source: Source) -> str:
    """Return a name for a draft's folder."""
    name = source.path or (source.url or str(source.folder))
    return f"{PurePosixPath(name.removesuffix('.git').rstrip('/')).name}-recipe"


def has_recipe(source: Source, *, offline: bool = False) -> bool:
    """Return whether a source has a recipe.yaml at its place."""
    if source.folder is not None:
        return (source.folder / "recipe.yaml").is_file()
    assert source.url and source.revision
    cache = git.cached_commit(source.url, source.revision, offline=offline, blobless=True)
    place = f"{source.path}/" if source.path else ""
    return cache.find_id(f"{source.revision}:{place}recipe.yaml") is not None


def exact_name(source: Source) -> str:
    """Return URL@revision:path of a source, as `--from` takes it."""
    if source.folder is not None:
        return str(source.folder)
    return f"{source.url}@{source.revision}" + (f":{source.path}" if source.path else "")


def read_source(source: Source, *, offline: bool = False) -> SourceFiles:
    """Read the texts of a source. Nothing of it is run.

    Raises:
        FetchError: it cannot be had.
        UsageError: it has nothing that could be read, or not the folder that is named.
    """
    if source.folder is not None:
        files = read_folder(source.folder, content_id(source.folder))
    else:
        assert source.url and source.revision
        files = read_git(source.url, source.revision, offline=offline)
    if not files.paths:
        raise UsageError("the source is empty")
    if source.path:
        files = files.within(source.path)
    if not any(path.endswith((".py", ".ipynb")) for path in files.texts):
        raise UsageError(
            f"there is no Python program in it ({len(files.paths)} files)",
            hint="name a repository that trains or evaluates a model in Python",
        )
    return files


def write_draft(source: Source, folder: Path, *, offline: bool = False) -> Sources:
    """Draft a recipe into a folder that does not exist yet, or is empty; all of it or nothing.

    Args:
        source: what is drafted from.
        folder: of the draft.
        offline: use only what is in the cache.

    Raises:
        UsageError: the folder is in the way, or the source is none.
        FetchError: the source cannot be had.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not empty", hint="choose another folder: -o DIR")
    files = read_source(source, offline=offline)
    draft = make_draft(files)
    sources = _sources_of(draft, exact_name(source))
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        aside.chmod(0o755)
        if source.folder is not None:
            _copy_reference(source.folder, aside / "reference")
        _write(aside, sources)
        if folder.exists():
            folder.rmdir()
        aside.replace(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return sources


def _sources_of(draft: Draft, text: str) -> Sources:
    return Sources(
        format=1,
        source=text,
        revision=draft.files.revision,
        answers=draft.answers,
        fixed=draft.fixed,
        warnings=tuple(draft.warnings),
    )


def _copy_reference(source: Path, target: Path) -> None:
    """Copy what git would keep of a folder: no links, no leftovers."""
    for path in list_files(source):
        if path.is_symlink() or not path.is_file():
            continue
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, place)


def _write(folder: Path, sources: Sources) -> None:
    write_text(folder / "recipe.yaml", recipe_text(sources))
    write_record(sources, folder / SOURCES)
    write_text(folder / PAGE, draft_page(sources))


def read_sources(folder: Path) -> Sources:
    """Read a draft's answers.

    Raises:
        UsageError: the folder has none.
        BrokenFileError: they are damaged.
    """
    if not (folder / SOURCES).is_file():
        raise UsageError(
            f"{folder} is no draft: it has no {SOURCES}", hint="scaffold recipes draft"
        )
    return read_record(Sources, folder / SOURCES)


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
    if read_text(folder / "recipe.yaml") != recipe_text(sources):
        raise UsageError(
            f"{folder / 'recipe.yaml'} was edited by hand, and an answer would undo that",
            hint=f"write {key} into it",
        )
    citations = (_cited(sources, place),) if place else ()
    answer = Answer(status=Status.VALUE, value=value, citations=citations, by="person")
    answers = _with_answer(sources.answers, key, answer)
    if key == "reference.exclude":
        answers["reference.tree"] = _tree_without(sources, value)
    if key == "commands.train.run" and isinstance(value, str):
        answers = _answers_of_command(sources, value, answers)
    renewed = sources.model_copy(update={"answers": answers})
    _write(folder, renewed)
    return open_questions(renewed)


def accept_cure(folder: Path, cure: "Cure") -> None:
    """Write a cure into a draft, with what failed as its note."""
    sources = read_sources(folder)
    answer = Answer(status=Status.VALUE, value=cure.value, note=cure.why, by="try")
    renewed = sources.model_copy(
        update={
            "answers": _with_answer(sources.answers, cure.key, answer),
            "warnings": (*sources.warnings, f"tried: {cure.why}"),
        }
    )
    _write(folder, renewed)


def _with_answer(answers: Mapping[str, Answer], key: str, answer: Answer) -> dict[str, Answer]:
    """Return answers with another one, which takes the place of all below it."""
    own_answers = {name: known for name, known in answers.items() if not name.startswith(f"{key}.")}
    return {**own_answers, key: answer}


def _cited(sources: Sources, place: str) -> Citation:
    path, _, line = place.rpartition(":")
    if not path or not line.isdecimal():
        raise UsageError(f"{place} is no place", hint="--source FILE:LINE, such as README.md:31")
    files = read_source(find_source(sources.source))
    if path not in files.texts or not 1 <= int(line) <= len(files.lines(path)):
        raise UsageError(f"the source has no line {place}")
    return files.cite(path, int(line))


def _tree_without(sources: Sources, excluded: Any) -> Answer:
    """Return the id of the source's tree without some of its paths."""
    source = find_source(sources.source)
    if not isinstance(excluded, list) or source.url is None or source.revision is None:
        raise UsageError(
            "reference.exclude is a list of paths of a git repository",
            hint="such as '[data/large.bin]'",
        )
    tree = git.tree_without(source.url, source.revision, tuple(map(str, excluded)), offline=False)
    return Answer(status=Status.VALUE, value=tree, note="without what is excluded")


def _answers_of_command(
    sources: Sources, command: str, answers: dict[str, Answer]
) -> dict[str, Answer]:
    """Return the answers that follow from the command a person named, beside those of persons."""
    files = read_source(find_source(sources.source))
    path = command.rstrip("/")
    if any(name.startswith(f"{path}/") for name in files.paths):
        source = shlex.quote(f"{sources.source}:{path}")
        raise UsageError(f"{path} is a folder", hint=f"scaffold recipes draft {source}")
    try:
        drafted = make_draft(files, command)
    except ValueError as error:
        raise UsageError(f"{command}: {error}") from error
    own_answers = {key: answer for key, answer in answers.items() if answer.by == "person"}
    own_answers.pop("commands.train.run")
    return {**drafted.answers, **own_answers}


def wrong_citations(sources: Sources, files: SourceFiles) -> list[str]:
    """Return citations whose words do not stand where they are said to, one line each."""
    wrong = []
    for key, answer in sources.answers.items():
        cited = [*answer.citations, *(c for one in answer.candidates for c in one.citations)]
        for citation in cited:
            if not _stands(files, citation):
                wrong.append(f"{key}: {citation} does not say {citation.words!r}")
    return wrong


def _stands(files: SourceFiles, citation: Citation) -> bool:
    if citation.path not in files.texts:
        return False
    if citation.cell is not None:
        return citation.words.replace('"', '\\"') in files.texts[citation.path]
    lines = files.lines(citation.path)
    return citation.line <= len(lines) and lines[citation.line - 1].strip() == citation.words


def accept_no_licence(folder: Path) -> None:
    """Answer the question about a missing licence, which `--accept-no-licence` does."""
    sources = read_sources(folder)
    if any(question.key == "reference.license" for question in open_questions(sources)):
        answer_question(folder, "reference.license", NO_LICENCE, None)


def parse_value(text: str) -> Any:
    """Return a value of a command line as YAML reads it."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def next_command(folder: Path, questions: list[OpenQuestion]) -> str:
    """Return what to type next."""
    place = shlex.quote(str(folder))
    if not questions:
        return f"mlloop-new my-project --from {place}"
    first = questions[0]
    if first.candidates and str(first.candidates[0].value).endswith("/"):
        path = str(first.candidates[0].value).rstrip("/")
        return f"scaffold recipes draft {shlex.quote(f'{read_sources(folder).source}:{path}')}"
    value = shlex.quote(str(first.candidates[0].value)) if first.candidates else "VALUE"
    return f"scaffold recipes answer {place} {first.key} {value}"
