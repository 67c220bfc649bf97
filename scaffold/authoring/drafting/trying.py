"""Try a draft: run its short form in the sandbox, and propose what cures a failure."""

import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

from scaffold.authoring.drafting.cures import (
    Cure,
    Failed,
    find_build_cure,
    find_cure,
    find_environment_cure,
)
from scaffold.authoring.drafting.folder import find_source, read_source
from scaffold.authoring.drafting.kept_answers import answer_command, read_sources
from scaffold.authoring.drafting.recipe_text import open_questions
from scaffold.cache import cache_dir
from scaffold.environments.resolve import installed_pythons
from scaffold.errors import FetchError, PackagesError, RunError, UsageError
from scaffold.project.files import read_text
from scaffold.project.project import Project
from scaffold.recipes.catalogue import find_recipe
from scaffold.records.evidence import RunRecord
from scaffold.records.yaml_text import read_value
from scaffold.references.package import has_wheel
from scaffold.running.batch import ProgressListener
from scaffold.running.preparation import prepare_smoke
from scaffold.running.seeds import make_runs
from scaffold.running.session import RunOptions, Session
from scaffold.scaffolding.create import create_project

_MOST_OUTPUT = 20_000
"""Characters of a failed run that are looked through: its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What trying a draft showed.

    Attributes:
        record: of the run that ended well; None of one that failed.
        reason: why it failed.
        output: the end of what it printed.
        cure: what may help; None where nothing known does.
    """

    record: RunRecord | None
    reason: str = ""
    output: str = ""
    cure: Cure | None = None


def try_draft(folder: Path, listener: ProgressListener, options: RunOptions) -> Attempt:
    """Run a draft's smoke command once, in a project that is thrown away.

    Raises:
        UsageError: questions are open, or the recipe has no smoke command.
        ConsentError: it runs what was not approved yet.
    """
    sources = read_sources(folder)
    questions = open_questions(sources)
    if questions:
        raise UsageError(
            f"open: {', '.join(question.key for question in questions)}",
            hint=answer_command(folder, questions[0]),
        )
    recipe_source = find_recipe(str(folder))
    if recipe_source.recipe.commands.smoke is None:
        raise UsageError(
            "no option of the program shortens a run, so there is no commands.smoke to try",
            hint=f"scaffold recipes answer {folder} commands.smoke.run COMMAND",
        )
    place = cache_dir("tries")
    place.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=place))
    try:
        project = Project(aside / "try")
        create_project(
            recipe_source, project.root, name="try", settings={}, offline=options.offline
        )
        document = read_value(read_text(folder / "recipe.yaml"))
        try:
            plan = prepare_smoke(Session(project, recipe_source.recipe, listener, options))
            assert plan is not None
            runs = make_runs(project, plan, [recipe_source.recipe.seeds.first], listener)
            return Attempt(record=runs[0])
        except PackagesError as error:
            committed = read_source(find_source(sources.source), offline=options.offline).committed
            cure = _find_build_cure(document, error, options) or find_environment_cure(
                document,
                date.fromisoformat(committed[:10]) if committed else None,
                datetime.now(timezone.utc).date(),
                installed_pythons(),
            )
            return Attempt(record=None, reason=error.message, cure=cure)
        except RunError as error:
            output = _output(project)
            files = read_source(find_source(sources.source), offline=options.offline)
            failed = Failed(output=output, document=document, paths=files.paths)
            return Attempt(record=None, reason=error.message, output=output, cure=find_cure(failed))
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _find_build_cure(
    document: Mapping[str, Any], error: PackagesError, options: RunOptions
) -> Cure | None:
    if options.offline:
        return None
    try:
        return find_build_cure(document, error.message, has_wheel)
    except FetchError:
        return None  # no index tells: another cure may help


def _output(project: Project) -> str:
    """Return the end of what the last run printed, whatever bytes that were."""
    logs = [path for path in project.runs.glob("*/logs/*") if path.is_file()]
    text = "\n".join(_end_of(path) for path in sorted(logs, key=lambda path: path.stat().st_mtime))
    return re.sub(r"\r", "\n", text)[-_MOST_OUTPUT:]


def _end_of(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - _MOST_OUTPUT, 0))
        return file.read(_MOST_OUTPUT).decode("utf-8", errors="replace")
