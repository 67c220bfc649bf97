"""Names that a shell completes: recipes, suggested tweaks, parts, metrics, engines, words.

Asked at every press of a key: they read files, run nothing, and say nothing of what is broken.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaffold.errors import ScaffoldError

if TYPE_CHECKING:
    from scaffold.project.project import Project

Complete = Callable[[Any, Any, str], list[str]]


def _completing(list_names: Callable[[], Iterable[str]]) -> Complete:
    """Make of a list of names what click asks for those that begin with a text."""

    def complete(context: Any, parameter: Any, incomplete: str) -> list[str]:
        del context, parameter
        try:
            return [name for name in list_names() if name.startswith(incomplete)]
        except (ScaffoldError, OSError):
            return []

    return complete


def _project() -> "Project":
    from scaffold.project.project import find_project

    return find_project(Path.cwd())


def _recipes() -> Iterable[str]:
    from scaffold.recipes.added import added_recipes
    from scaffold.recipes.catalogue import recipe_ids

    return sorted({*recipe_ids(), *added_recipes()})


def _suggested_tweaks() -> Iterable[str]:
    from scaffold.project.project import load_recipe

    return [tweak.name for tweak in load_recipe(_project()).adaptation.tweaks]


def _parts() -> Iterable[str]:
    from scaffold.project.project import load_recipe
    from scaffold.rewrite.start import list_parts

    project = _project()
    return [part.name for part in list_parts(project, load_recipe(project))]


def _rewrites() -> Iterable[str]:
    from scaffold.tweak.store import all_evidence

    judged = all_evidence(_project())
    return [one.tweak.name for one in judged if one.tweak.phase == "rewrite"]


def _metrics() -> Iterable[str]:
    from scaffold.project.project import load_recipe

    return [metric.name for metric in load_recipe(_project()).metrics]


def _engines() -> Iterable[str]:
    from scaffold.running.targets import known_targets

    return known_targets()


def _pages() -> Iterable[str]:
    from scaffold.recipes.catalogue import data_dir

    return [path.stem for path in data_dir("docs").glob("*.md")]


def _words() -> Iterable[str]:
    from scaffold.glossary import read_glossary

    return read_glossary()


complete_recipe = _completing(_recipes)
complete_suggested_tweak = _completing(_suggested_tweaks)
complete_part = _completing(_parts)
complete_rewrite = _completing(_rewrites)
complete_metric = _completing(_metrics)
complete_engine = _completing(_engines)
complete_word = _completing(_words)
complete_page = _completing(_pages)
