"""Read the source distribution of a package, to draft from it."""

import tempfile
from dataclasses import replace
from pathlib import Path

from scaffold.authoring.drafting.draft import make_draft
from scaffold.authoring.drafting.reading import Draft
from scaffold.authoring.drafting.source_files import SourceFiles, read_folder
from scaffold.errors import FetchError
from scaffold.git.trees import content_id
from scaffold.records.draft import FieldAnswer, value_of
from scaffold.references import package

PREFIX = "pypi:"


def read_package(name: str, version: str | None, *, offline: bool = False) -> SourceFiles:
    """Read the texts of a release; nothing of it is built or run.

    Raises:
        FetchError: it cannot be had, its archive is refused, or the index may not be asked.
    """
    if offline:
        raise FetchError(
            f"the index is asked for the releases of {name}, and --offline forbids to ask it"
        )
    sdist = package.find_sdist(name, version)
    archive = package.archive_of(name, sdist.version, sdist.sha256, url=sdist.url, offline=False)
    with tempfile.TemporaryDirectory() as aside:
        root = package.unpacked(archive, f"{name}-{sdist.version}", Path(aside))
        files = read_folder(root, content_id(root))
    return replace(
        files,
        url=f"{PREFIX}{name}",
        revision=sdist.version,
        committed=sdist.uploaded[:10] if sdist.uploaded else None,
    )


def draft_package(files: SourceFiles, command_text: str = "") -> Draft:
    """Draft a recipe of a release; its pin is name, version and digest."""
    draft = make_draft(files, command_text)
    sdist = package.find_sdist(files.name, files.revision)
    pins = {
        "reference.package": value_of(sdist.name, note="as it was asked for"),
        "reference.version": value_of(sdist.version, note="as it was asked for"),
        "reference.sha256": value_of(sdist.sha256, note="as the index says"),
    }
    answers: dict[str, FieldAnswer] = {}
    for key, answer in draft.answers.items():
        answers |= pins if key == "reference.git" else {key: answer}
    del answers["reference.revision"]
    draft.answers = answers
    return draft
