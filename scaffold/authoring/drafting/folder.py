"""Make, read and change the folder of a draft."""

import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from scaffold.authoring.drafting.draft import make_draft
from scaffold.authoring.drafting.hub_source import draft_hub, read_hub
from scaffold.authoring.drafting.kept_answers import SOURCES
from scaffold.authoring.drafting.package_source import draft_package, read_package
from scaffold.authoring.drafting.reading import Draft
from scaffold.authoring.drafting.recipe_text import (
    draft_page,
    recipe_text,
)
from scaffold.authoring.drafting.source_files import (
    SourceFiles,
    edited_texts,
    read_folder,
    read_git,
)
from scaffold.errors import MachineError, UsageError
from scaffold.git.repository import Repository
from scaffold.git.trees import content_id, list_files
from scaffold.project.files import write_record, write_text
from scaffold.recipes.catalogue import data_dir, pin_git_source
from scaffold.records.draft import Citation, Sources
from scaffold.references import git

PAGE = "DRAFT.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftSource:
    """What is drafted from: a commit of a git repository, or a plain folder.

    Attributes:
        url: of the repository; None for a plain folder.
        revision: full id.
        path: below which everything is looked for; empty for all.
        folder: a plain folder.
        hub: `ORG/NAME` of a model on the Hugging Face Hub.
        package: name of a package; `revision` is then its version.
    """

    url: str | None = None
    revision: str | None = None
    path: str = ""
    folder: Path | None = None
    hub: str | None = None
    package: str | None = None


_HUB = re.compile(
    r"(?:hf:|https://(?:huggingface\.co|hf\.co)/)(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?/?"
)


_PACKAGE = re.compile(r"pypi:(?P<name>[A-Za-z0-9][\w.-]*)(?:==(?P<version>[\w.!+-]+))?")


def find_source(text: str) -> DraftSource:
    """Return what a text names.

    URL, URL@revision, URL@revision:path, a page of a forge, a folder, hf:ORG/NAME[@revision],
    pypi:NAME[==VERSION].

    Raises:
        UsageError: it names none of them.
        FetchError: the remote has no such revision.
    """
    if not text.strip():
        raise UsageError("the source has no name", hint="a git URL, or a folder")
    model = _HUB.fullmatch(text)
    if model:
        return DraftSource(hub=model["name"], revision=model["revision"])
    if text.startswith("hf:"):
        raise UsageError(f"{text} names no model", hint="hf:ORG/NAME, or hf:ORG/NAME@REVISION")
    release = _PACKAGE.fullmatch(text)
    if release:
        return DraftSource(package=release["name"], revision=release["version"])
    if text.startswith("pypi:"):
        raise UsageError(f"{text} names no package", hint="pypi:NAME, or pypi:NAME==VERSION")
    if "://" not in text:
        return _local(Path(text))
    url, revision, path = pin_git_source(text)
    return DraftSource(url=url, revision=revision, path=path)


def _local(folder: Path) -> DraftSource:
    if re.fullmatch(r"[\w.-]+@[\w.-]+:\S+", str(folder)):
        host, _, path = str(folder).partition(":")
        raise UsageError(f"{folder} is no URL", hint=f"write ssh://{host}/{path}")
    if not folder.is_dir():
        kind = "a file, not a folder" if folder.exists() else "neither a URL nor a folder"
        hint = "a revision is for a git URL: file:///PATH@REVISION" if "@" in str(folder) else None
        raise UsageError(f"{folder} is {kind}", hint=hint or "scaffold recipes list")
    folder = folder.resolve()  # `..` is in no URL that a recipe may have
    if (folder / ".git").exists():
        head = Repository(folder).find_id("HEAD^{commit}")
        if head:
            return DraftSource(url=f"file://{folder}", revision=head)
    return DraftSource(folder=folder)


def default_folder(source: DraftSource) -> str:
    """Return a name for a draft's folder."""
    name = source.path or source.hub or source.package or (source.url or str(source.folder))
    return f"{PurePosixPath(name.removesuffix('.git').rstrip('/')).name}-recipe"


def has_recipe(source: DraftSource, *, offline: bool = False) -> bool:
    """Return whether a source has a recipe.yaml at its place."""
    if source.folder is not None:
        return (source.folder / "recipe.yaml").is_file()
    if source.hub is not None or source.package is not None:
        return False
    assert source.url and source.revision
    cache = git.cached_commit(source.url, source.revision, offline=offline, blobless=True)
    place = f"{source.path}/" if source.path else ""
    return cache.find_id(f"{source.revision}:{place}recipe.yaml") is not None


def exact_name(source: DraftSource) -> str:
    """Return URL@revision:path of a source, as `--from` takes it."""
    if source.folder is not None:
        return str(source.folder)
    if source.hub is not None:
        return f"hf:{source.hub}" + (f"@{source.revision}" if source.revision else "")
    if source.package is not None:
        return f"pypi:{source.package}" + (f"=={source.revision}" if source.revision else "")
    return f"{source.url}@{source.revision}" + (f":{source.path}" if source.path else "")


def read_source(source: DraftSource, *, offline: bool = False) -> SourceFiles:
    """Read the texts of a source. Nothing of it is run.

    Raises:
        FetchError: it cannot be had.
        UsageError: it has nothing that could be read, or not the folder that is named.
    """
    if source.hub is not None:
        return read_hub(source.hub, source.revision, offline=offline)
    if source.package is not None:
        return read_package(source.package, source.revision, offline=offline)
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


def draft_source(
    source: DraftSource, files: SourceFiles, command_text: str = "", *, offline: bool = False
) -> Draft:
    """Draft a recipe of a source that was read; see `make_draft`."""
    if source.hub is not None and not command_text:
        return draft_hub(files, offline=offline)
    if source.package is not None:
        return draft_package(files, command_text)
    return make_draft(files, command_text)


def write_draft(source: DraftSource, folder: Path, *, offline: bool = False) -> Sources:
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
    draft = draft_source(source, files, offline=offline)
    edited = edited_texts(files)
    if edited:
        others = f" and {len(edited) - 1} more" if edited[1:] else ""
        draft.warnings.append(
            f"{edited[0]}{others} differ from the last commit, which the draft is of: commit first"
            " what belongs to it"
        )
    sources = _sources_of(draft, exact_name(replace(source, revision=files.revision)))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise MachineError(f"cannot write in {folder.parent}: {error.strerror}") from error
    try:
        aside.chmod(0o755)
        if source.folder is not None:
            _copy_reference(source.folder, aside / "reference")
        _copy_drivers(sources, aside)
        write_files(aside, sources)
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


def _copy_drivers(sources: Sources, folder: Path) -> None:
    """Copy our programs that a draft's commands name."""
    answer = sources.answers.get("reference.drivers")
    for name in answer.value if answer else ():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(data_dir("templates") / name, place)


def _copy_reference(source: Path, target: Path) -> None:
    """Copy what git would keep of a folder: no links, no leftovers."""
    for path in list_files(source):
        if path.is_symlink() or not path.is_file():
            continue
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, place)


def write_files(folder: Path, sources: Sources) -> None:
    """Write the three files of a draft."""
    write_text(folder / "recipe.yaml", recipe_text(sources))
    write_record(sources, folder / SOURCES)
    write_text(folder / PAGE, draft_page(sources))


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
