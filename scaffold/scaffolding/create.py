"""Makes a new project from a recipe.

Runs none of the reference's code; leaves nothing behind when it fails.
"""

import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import scaffold
from scaffold.consent import approve
from scaffold.errors import BrokenFileError, MachineError, UsageError
from scaffold.git.gitdir import ATTRIBUTES
from scaffold.git.repository import Author, Repository, person
from scaffold.project.project import Project
from scaffold.project.schemas import PROJECT_SCHEMAS, SCHEMAS_DIR, editor_line
from scaffold.recipes.catalogue import FoundRecipe, choose_experiment, data_dir
from scaffold.records.parsing import parse_record
from scaffold.records.recipe import (
    PathReference,
    Recipe,
    reference_name,
    reference_url,
)
from scaffold.records.yaml_edit import remove_block, replace_scalar
from scaffold.records.yaml_text import Place
from scaffold.references import check_patched, fetch_reference
from scaffold.references.folder import find_lfs_pointers
from scaffold.rewrite.parts import rewrite_name
from scaffold.rules.milestones import Milestones
from scaffold.scaffolding.templates import render
from scaffold.scaffolding.vendor import vendor_author, vendor_message

_CHANGED_BY_SET = "# Changed by --set when this project was made; these are the published values."
FALLBACK_AUTHOR = Author(name="mlloop-new", email="mlloop-new@localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedProject:
    """What was put up.

    Attributes:
        project_dir: the project.
        recipe: it was made from.
        origin: of the recipe.
        tree: git id of the reference.
        is_ours: whether the recipe is one of ours.
        lfs_pointers: files of the reference that only stand for ones in Git LFS.
        has_identity: whether git knows who commits here.
        outer_repository: top of the repository that the project lies in, if it lies in one.
    """

    project_dir: Path
    recipe: Recipe
    origin: str
    tree: str
    is_ours: bool
    lfs_pointers: tuple[str, ...]
    has_identity: bool
    outer_repository: Path | None


def create_project(
    source_recipe: FoundRecipe,
    project_dir: Path,
    *,
    name: str,
    settings: Mapping[str, str],
    experiment: str | None = None,
    offline: bool = False,
) -> CreatedProject:
    """Put a project up.

    Args:
        source_recipe: the recipe.
        project_dir: must not exist, or be an empty folder.
        name: of the project, for its texts.
        settings: hyperparameters that shall differ from the published ones; each becomes a
            deviation.
        experiment: of a recipe with several, the one that the project builds on.
        offline: use only what is in the cache.

    Raises:
        UsageError: the folder is not empty, or a setting names no hyperparameter.
        FetchError: the reference cannot be had or is not the pinned one.
        MachineError: the folder cannot be written.
    """
    _check_target(project_dir, name)
    recipe, recipe_text = source_recipe.recipe, source_recipe.text
    if experiment is not None:
        recipe = choose_experiment(recipe, experiment)
        others = remove_block(recipe_text, "experiment").rstrip()
        recipe_text = f"{others}\nexperiment: {experiment}\n"
        source_recipe = replace(source_recipe, recipe=recipe, text=recipe_text)
    if settings:
        recipe_text = _with_settings(source_recipe, settings)
        recipe = parse_record(Recipe, recipe_text, source="recipe.yaml").of_experiment()
    source_recipe.calibration()  # a broken one is found before anything is made
    try:
        project_dir.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(project_dir)
        aside = Path(
            tempfile.mkdtemp(dir=project_dir.parent, prefix=f".{project_dir.name}.", suffix=_ASIDE)
        )
        lock = _lock_folder(aside)
    except OSError as error:
        raise MachineError(f"cannot write in {project_dir.parent}: {error.strerror}") from error
    try:
        aside.chmod(0o755)
        tree, has_identity = _fill(aside, source_recipe, recipe, recipe_text, name, offline)
        if source_recipe.is_ours:
            with contextlib.suppress(MachineError):  # found to be ours again when it runs
                approve(recipe, aside)
        if project_dir.exists():
            project_dir.rmdir()
        aside.replace(project_dir)
    except OSError as error:
        raise MachineError(f"could not make {project_dir}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        os.close(lock)
    return CreatedProject(
        project_dir=project_dir,
        recipe=recipe,
        origin=source_recipe.origin,
        tree=tree,
        is_ours=source_recipe.is_ours,
        lfs_pointers=tuple(find_lfs_pointers(Project(project_dir).reference)),
        has_identity=has_identity,
        outer_repository=_outer_repository(project_dir),
    )


_ASIDE = ".new"
"""How the name of a project ends that is not whole yet."""


def _lock_folder(folder: Path) -> int:
    """Lock a folder until the returned handle is closed; the lock ends with its process.

    Raises:
        OSError: another process holds it.
    """
    import fcntl

    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


def _remove_abandoned(project_dir: Path) -> None:
    """Remove what a killed process made of this project; one being made by another stays."""
    pattern = re.compile(rf"\.{re.escape(project_dir.name)}\.[a-z0-9_]{{8}}{re.escape(_ASIDE)}")
    for place in project_dir.parent.iterdir():
        if pattern.fullmatch(place.name):
            with contextlib.suppress(OSError):
                lock = _lock_folder(place)
                shutil.rmtree(place, ignore_errors=True)
                os.close(lock)


def _outer_repository(project_dir: Path) -> Path | None:
    return next(
        (folder for folder in project_dir.parents if os.path.lexists(folder / ".git")), None
    )


def _check_target(project_dir: Path, name: str) -> None:
    if not name.isprintable() or not 1 <= len(name) <= 100:
        raise UsageError(
            f"invalid project name {name!r}", hint="--name TEXT, 1 to 100 printable characters"
        )
    try:
        if project_dir.exists() and not project_dir.is_dir():
            raise UsageError(
                f"{project_dir} exists and is not a folder", hint="choose another name"
            )
        if project_dir.is_dir() and any(project_dir.iterdir()):
            raise UsageError(f"{project_dir} exists and is not empty", hint="choose another folder")
    except OSError as error:
        raise MachineError(
            f"{project_dir} cannot be made: {error.strerror}", hint="choose another folder"
        ) from error


def _with_settings(source_recipe: FoundRecipe, settings: Mapping[str, str]) -> str:
    """Return the recipe's text with changed hyperparameters, its comments kept."""
    recipe = source_recipe.recipe
    one = next((e for e in recipe.experiments if e.name == recipe.experiment), None)
    published = {**recipe.hyperparameters, **recipe.published}
    # What a recipe that was changed before keeps under `published` is written again below.
    text = remove_block(source_recipe.text, "published").replace(f"{_CHANGED_BY_SET}\n", "")
    changes: dict[str, object] = dict(source_recipe.recipe.published)
    for key, value in settings.items():
        if key not in source_recipe.recipe.hyperparameters:
            known = ", ".join(source_recipe.recipe.hyperparameters) or "none"
            raise UsageError(
                f"--set {key}: the recipe has no hyperparameter {key!r}", hint=f"it has: {known}"
            )
        place: Place = ("hyperparameters", key)
        if one is not None and key in one.hyperparameters:
            place = ("experiments", recipe.experiments.index(one), *place)
        is_text = isinstance(published[key], str)
        edited = replace_scalar(text, place, json.dumps(value) if is_text else value)
        if edited is None:
            raise UsageError(
                f"--set {key}: cannot be changed in the recipe's text; edit recipe.yaml instead"
            )
        text = edited
    try:
        changed = parse_record(Recipe, text, source="recipe.yaml")
        parsed = changed.of_experiment(recipe.experiment).hyperparameters
    except BrokenFileError as error:
        raise UsageError(f"--set: {error.message}") from error
    for key in settings:
        is_whole_float = type(published[key]) is float and type(parsed[key]) is int
        if type(parsed[key]) is not type(published[key]) and not is_whole_float:
            type_name = type(published[key]).__name__
            raise UsageError(
                f"--set {key}={settings[key]}: {key} is of type {type_name}, such as"
                f" {published[key]}"
            )
        changes.pop(key, None)
        if parsed[key] != published[key]:
            changes[key] = published[key]
    if changes:
        lines = "".join(f"  {key}: {json.dumps(value)}\n" for key, value in changes.items())
        text = f"{text.rstrip()}\n\n{_CHANGED_BY_SET}\npublished:\n{lines}"
    return text


def _fill(
    aside: Path,
    source_recipe: FoundRecipe,
    recipe: Recipe,
    recipe_text: str,
    name: str,
    offline: bool,
) -> tuple[str, bool]:
    """Fill a folder; returns the id of the reference's tree, and whether git knows who commits."""
    repository = Repository.create(aside)
    tree = fetch_reference(recipe, source_recipe.folder, repository, offline=offline)
    check_patched(recipe, source_recipe.folder, repository, tree)

    render_project(recipe, name, aside, is_ours=source_recipe.is_ours)
    line = editor_line("recipe")
    text = recipe_text if line in recipe_text else line + recipe_text
    (aside / "recipe.yaml").write_text(text, encoding="utf-8")
    for file in recipe.recipe_files():
        (aside / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source_recipe.folder / file, aside / file)
    parse_record(
        Milestones,
        (aside / "milestones.yaml").read_text(encoding="utf-8"),
        source="milestones.yaml",
    )
    author = person(repository.folder)
    _commit(repository, recipe, tree, name, author or FALLBACK_AUTHOR)
    return tree, author is not None


def _commit(repository: Repository, recipe: Recipe, tree: str, name: str, author: Author) -> None:
    """Commit the vendor branches `template` and `reference`, and main, which merges both."""
    git = repository.call
    info = repository.folder / ".git" / "info"
    info.mkdir(exist_ok=True)
    (info / "attributes").write_text(ATTRIBUTES)
    git("add", "--all", "--force", "--", ".")
    template_tree = git("write-tree")
    template = repository.commit_tree(template_tree, template_message(recipe, name), [], author)
    vendor = repository.commit_tree(
        repository.make_tree({"reference": tree}),
        vendor_message(recipe, tree),
        [],
        vendor_author(recipe, author),
    )
    git("read-tree", "--prefix=reference/", tree)
    main = repository.commit_tree(
        git("write-tree"),
        f"Start from {reference_name(recipe)}\n\nRecipe: {recipe.id}\n",
        [template, vendor],
        author,
    )
    refs = {"main": main, "template": template, "reference": vendor}
    git(
        "update-ref",
        "--stdin",
        stdin="".join(f"create refs/heads/{k} {v}\n" for k, v in refs.items()).encode(),
    )
    git("checkout-index", "--all", "--force", "--quiet", "-u")


def template_message(recipe: Recipe, name: str) -> str:
    """Return the message of a commit on `template`; it names the project, to render it again."""
    return (
        f"Template of mlloop-new {scaffold.__version__}, rendered for {recipe.id}\n\nProject:"
        f" {name}\n"
    )


def render_project(recipe: Recipe, name: str, into: Path, *, is_ours: bool) -> None:
    """Write the files of a project that do not come from its recipe."""
    data = template_data(recipe, name) | {"is_ours": is_ours}
    render(data_dir("templates") / "project", into, data)
    (into / SCHEMAS_DIR).mkdir()
    for schema in PROJECT_SCHEMAS:
        file = f"{schema}.schema.json"
        shutil.copyfile(data_dir("docs") / "schemas" / file, into / SCHEMAS_DIR / file)


def template_data(recipe: Recipe, name: str) -> dict[str, object]:
    """Return what the template shows.

    An untrusted text is escaped for where it is shown: Markdown, or a YAML string.
    """
    reference, title = recipe.reference, reference_name(recipe)
    return {
        "name": _markdown(name),
        "version": scaffold.__version__,
        "title": _markdown(recipe.title),
        "reference_name": _markdown(title),
        "reference_url": reference_url(reference),
        "revision": "" if isinstance(reference, PathReference) else reference.revision,
        "license": _markdown(reference.license),
        "python": _python_version(recipe),
        "has_smoke": recipe.commands.smoke is not None,
        "claims": [
            {
                "text": claim.text,
                "metric": claim.metric,
                "dataset": claim.dataset,
                "url": _markdown(claim.source.url),
                "line": claim.source.line,
            }
            for claim in recipe.claims
        ],
        "datasets": [
            {"name": dataset.name, "license": _markdown(dataset.license)}
            for dataset in recipe.datasets
        ],
        "deviations": [_markdown(deviation.text) for deviation in recipe.deviations()],
        "reproduce_title": _yaml(f"{title} gives {recipe.aim} here"),
        "aim": recipe.aim,
        "experiments": list(recipe.further_experiments),
        "tweaks": [
            {"name": tweak.name, "title": _yaml(f"{tweak.name.replace('-', ' ')}: {tweak.change}")}
            for tweak in recipe.adaptation.tweaks
        ],
        "rewrites": [
            {"name": rewrite_name(rewrite.part), "title": _yaml(f"your own {rewrite.part}")}
            for rewrite in recipe.adaptation.rewrites
        ],
    }


def _markdown(text: str) -> str:
    return re.sub(r"([\\`*\[\]<>|#!])", r"\\\1", text)


def _yaml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _python_version(recipe: Recipe) -> str:
    """Return the Python for the generated workflow: the running one if allowed, else the oldest."""
    from packaging.specifiers import SpecifierSet

    accepted = SpecifierSet(recipe.environment.python)
    running = f"3.{sys.version_info.minor}"
    return next(
        (v for v in (running, *(f"3.{m}" for m in range(10, 15))) if accepted.contains(f"{v}.99")),
        running,
    )
