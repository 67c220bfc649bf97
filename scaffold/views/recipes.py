"""Format lists of recipes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scaffold.records.recipe import Recipe, reference_name
from scaffold.views.tables import Paint, format_duration, labelled, plain, table, wrap

if TYPE_CHECKING:
    from scaffold.recipes.catalogue import FoundRecipe
    from scaffold.recipes.search import RankedRecipe
    from scaffold.references.hub import HubModel

_HEAD = ("recipe", "task", "reference", "published", "one run")
_MOST_SHOWN = 5
"""Recipes that are near to a task: more are no help to choose."""


def format_recipes(recipes: "Sequence[FoundRecipe]", width: int) -> str:
    """Format recipes as a table, one line each."""
    rows = [_row(source_recipe.recipe) for source_recipe in recipes]
    return "\n".join(table(_HEAD, rows, width, lambda _, text: text))


def format_ranked(
    tasks: Sequence[str], ranked: "Sequence[RankedRecipe]", width: int, paint: Paint
) -> str:
    """Format the nearest recipes, each with why it is near.

    Args:
        tasks: ids of the tasks that a person's description may mean, the likeliest first.
        ranked: the recipes, the nearest first.
        width: columns of the terminal.
        paint: gives a text a color.
    """
    lines = labelled("Task", ", ".join(tasks[:3]) or "not recognized by its words", width)
    for item in ranked[:_MOST_SHOWN]:
        recipe = item.source_recipe.recipe
        name, _, reference, published, run = _row(recipe)
        lines += wrap(f"{paint(name, 'bold')}  {plain(recipe.title)}", width)
        details = f"{reference} ({recipe.reference.license}), {published}, one run {run}"
        lines += ["  " + line for line in wrap(plain(details), width - 2)]
        lines += ["  " + line for line in wrap("; ".join(item.reasons), width - 2)]
    if not ranked or not ranked[0].is_same_task:
        lines += labelled(
            "Mind",
            "no recipe here has that task; of any repository one can be drafted",
            width,
        )
    return "\n".join(lines)


def format_models(models: "Sequence[HubModel]", task: str, width: int, paint: Paint) -> str:
    """Format models of the Hub for a task, each as what `--from` takes."""
    if not models:
        return "\n".join(labelled("Hub", f"no model of {task or 'that'} with results", width))
    lines = labelled("Hub", f"models of {task} whose cards publish results", width)
    for model in models:
        details = f"{model.license or 'no licence stated'}, {model.downloads:,} downloads"
        lines += wrap(f"{paint(f'hf:{plain(model.name)}', 'bold')}  {plain(details)}", width)
    return "\n".join(lines)


def _row(recipe: Recipe) -> tuple[str, ...]:
    claim = recipe.claims[0] if recipe.claims else None
    return (
        recipe.id,
        plain(recipe.task),
        plain(reference_name(recipe)),
        f"{claim.metric} {claim.text}" if claim else "nothing",
        f"{format_duration(recipe.resources.run_time_s)} on {recipe.resources.device}",
    )
