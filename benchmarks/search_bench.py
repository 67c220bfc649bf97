"""Score `scaffold recipes find` on descriptions written by someone who had not seen how it works.

    python benchmarks/search_bench.py [-v]

Prints for how many the right recipe is first, and among the first three.
"""

import sys
from pathlib import Path

import yaml

from scaffold.recipes.catalogue import FoundRecipe, find_recipe, recipe_ids
from scaffold.recipes.search import rank_recipes

DESCRIPTIONS = Path(__file__).parent / "descriptions.yaml"


def score(text: str, recipes: list[FoundRecipe], right: list[str]) -> tuple[bool, bool, list[str]]:
    """Return whether a right recipe is first, whether among the first three, and those three."""
    names = [item.source_recipe.recipe.id for item in rank_recipes(text, recipes)[:3]]
    return bool(names) and names[0] in right, any(name in right for name in names), names


def main() -> None:
    """Print the score, and with -v what was wrong."""
    recipes = [find_recipe(name) for name in recipe_ids()]
    descriptions = yaml.safe_load(DESCRIPTIONS.read_text())
    first = among_three = 0
    for description in descriptions:
        is_first, is_among, names = score(description["task"], recipes, description["right"])
        first += is_first
        among_three += is_among
        if not is_among and "-v" in sys.argv[1:]:
            print(f"{description['task']}\n    {', '.join(names)}; right: {description['right']}")
    print(f"{len(descriptions)} descriptions: {first} first, {among_three} among the first three")


if __name__ == "__main__":
    main()
