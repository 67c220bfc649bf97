"""Add a catalogue of others: pin it, read every recipe in it, remember where each lies."""

from dataclasses import dataclass

from scaffold.errors import BrokenFileError, FetchError, UsageError
from scaffold.recipes.added import AddedCatalogue, remember
from scaffold.recipes.catalogue import FoundRecipe, find_recipe, pin_git_source
from scaffold.references import git

_MOST_RECIPES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A catalogue that was added, its recipes, and what is wrong with those that were left out."""

    catalogue: AddedCatalogue
    recipes: tuple[FoundRecipe, ...]
    problems: tuple[str, ...]


def add_catalogue(source: str, *, offline: bool = False) -> Added:
    """Add the recipes of URL[@REVISION[:PATH]]. Nothing of them is run.

    Raises:
        UsageError: it has no recipe that can be read.
        FetchError: it cannot be had.
    """
    url, revision, folder = pin_git_source(source)
    cache = git.cached_commit(url, revision, offline=offline)
    prefix = f"{folder}/" if folder else ""
    paths = [
        entry.path.removesuffix("recipe.yaml").rstrip("/")
        for entry in cache.entries(f"{revision}^{{tree}}")
        if entry.path.startswith(prefix)
        and (entry.path == "recipe.yaml" or entry.path.endswith("/recipe.yaml"))
    ]
    recipes: dict[str, FoundRecipe] = {}
    problems = []
    for path in paths[:_MOST_RECIPES]:
        try:
            recipe = find_recipe(f"{url}@{revision}" + (f":{path}" if path else ""), offline=True)
        except (BrokenFileError, FetchError, UsageError) as error:
            problems.append(f"{path or 'recipe.yaml'}: {error.message}")
            continue
        if recipe.recipe.id in recipes:
            problems.append(
                f"{path}: {recipe.recipe.id} is taken by {recipes[recipe.recipe.id].origin}"
            )
        else:
            recipes[recipe.recipe.id] = recipe
    if not recipes:
        raise UsageError(
            f"{url} at {revision} has no recipe that can be read",
            hint=problems[0] if problems else "a recipe is a folder with a recipe.yaml",
        )
    catalogue = AddedCatalogue(
        url=url, revision=revision, recipes={key: item.origin for key, item in recipes.items()}
    )
    remember(catalogue)
    return Added(catalogue=catalogue, recipes=tuple(recipes.values()), problems=tuple(problems))
