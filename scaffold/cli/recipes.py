"""`scaffold recipes`."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from scaffold.cli import authoring
from scaffold.cli.command import command as make_command
from scaffold.cli.groups import CommandGroup
from scaffold.cli.names import complete_recipe
from scaffold.cli.terminal import paint_for, print_json, width

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scaffold.recipes.catalogue import FoundRecipe
    from scaffold.references.hub import HubModel


@click.group(
    "recipes", cls=CommandGroup, help="List, find, show, draft, check and calibrate recipes."
)
def command() -> None:
    """Group of all that is done with recipes."""


for _command in (
    authoring.check,
    authoring.draft,
    authoring.answer,
    authoring.try_draft,
    authoring.calibrate,
    authoring.merge,
    authoring.trace,
    authoring.publish,
):
    command.add_command(_command)


@command.add_command
@make_command(
    "list", "List the recipes that come with mlloop-new, and those of catalogues that were added."
)
def list_recipes(*, as_json: bool) -> int:
    """List recipes, one line each."""
    from scaffold.recipes.catalogue import known_recipes
    from scaffold.views.recipes import format_recipes

    recipes = known_recipes()
    if as_json:
        print_json("recipes", {"recipes": [_listed(source_recipe) for source_recipe in recipes]})
    else:
        click.echo(format_recipes(recipes, width()))
    return 0


def _listed(source_recipe: "FoundRecipe") -> dict[str, object]:
    """Return what JSON says of one recipe."""
    from scaffold.records.recipe import reference_name

    recipe = source_recipe.recipe
    return {
        "id": recipe.id,
        "title": recipe.title,
        "task": recipe.task,
        "reference": reference_name(recipe),
        "license": recipe.reference.license,
        "published": {claim.metric: claim.text for claim in recipe.claims},
        "run_time_s": recipe.resources.run_time_s,
        "device": recipe.resources.device,
        "origin": source_recipe.origin,
    }


@command.add_command
@make_command(
    "find",
    "Find the recipes nearest to a task, described in your own words. Offline: the text is looked"
    " up among the recipes that `scaffold recipes list` lists.",
)
@click.argument("text", nargs=-1, required=True)
@click.option(
    "--hub",
    "asks_hub",
    is_flag=True,
    help="Ask the Hugging Face Hub, too; it is sent the likeliest task, not your text.",
)
def find(*, text: tuple[str, ...], asks_hub: bool, as_json: bool) -> int:
    """Rank, say why; exit 1 if none is near."""
    from scaffold.recipes.catalogue import known_recipes
    from scaffold.recipes.search import find_tasks, rank_recipes
    from scaffold.views.recipes import format_models, format_ranked

    words = " ".join(text)
    tasks = find_tasks(words)
    ranked = rank_recipes(words, known_recipes())
    models = _models_of(tasks) if asks_hub else []
    if as_json:
        listed = [
            {
                **_listed(item.source_recipe),
                "score": round(item.score, 3),
                "is_same_task": item.is_same_task,
                "reasons": list(item.reasons),
            }
            for item in ranked
        ]
        print_json(
            "recipes_found",
            {"tasks": list(tasks), "recipes": listed, "models": [asdict(one) for one in models]},
        )
    else:
        paint = paint_for(sys.stdout)
        click.echo(format_ranked(list(tasks), ranked, width(), paint))
        if asks_hub:
            click.echo(format_models(models, next(iter(tasks), ""), width(), paint))
        nearest = ranked[0].source_recipe.recipe.id if ranked and ranked[0].is_same_task else "URL"
        click.echo(f"  Next       {paint(f'mlloop-new my-project --from {nearest}', 'cyan')}")
    return 0 if ranked or models else 1


def _models_of(tasks: "Iterable[str]") -> "list[HubModel]":
    """Return what the Hub has for the likeliest task; nothing where none was recognized."""
    from scaffold.references.hub import find_models

    likeliest = next(iter(tasks), None)
    return find_models(likeliest, _MOST_MODELS) if likeliest else []


_MOST_MODELS = 5


@command.add_command
@make_command(
    "add",
    "Add the recipes of a git repository, URL[@REVISION[:PATH]], to those that are listed and"
    " found.\n\nIt is pinned at the revision of today; add it again to renew it. Nothing of it is"
    " run, and a project of it asks for consent before its first run.",
)
@click.argument("source", metavar="URL")
@click.option("--offline", is_flag=True, help="Use only what is in the cache.")
def add(*, source: str, offline: bool, as_json: bool) -> int:
    """Pin, read, remember."""
    from scaffold.recipes.adding import add_catalogue
    from scaffold.views.recipes import format_recipes
    from scaffold.views.tables import labelled, plain

    added = add_catalogue(source, offline=offline)
    if as_json:
        print_json(
            "catalogue_added",
            {
                "url": added.catalogue.url,
                "revision": added.catalogue.revision,
                "recipes": [_listed(source_recipe) for source_recipe in added.recipes],
                "problems": list(added.problems),
            },
        )
        return 0
    click.echo(format_recipes(added.recipes, width()))
    lines = labelled("Pinned", f"{added.catalogue.url} at {added.catalogue.revision}", width())
    for problem in added.problems:
        lines += labelled("Left out", plain(problem), width())
    click.echo("\n".join(lines))
    return 0


@command.add_command
@make_command("remove", "Forget a catalogue that was added. Projects made of it stay as they are.")
@click.argument("url", metavar="URL")
def remove(*, url: str, as_json: bool) -> int:
    """Forget it, or say which there are."""
    from scaffold.errors import UsageError
    from scaffold.recipes.added import added_catalogues, forget

    if not forget(url):
        known = ", ".join(item.url for item in added_catalogues())
        raise UsageError(f"no catalogue {url} was added", hint=f"added: {known}" if known else None)
    if as_json:
        print_json("catalogue_removed", {"url": url})
    else:
        click.echo(f"  Removed    {url}")
    return 0


@command.add_command
@make_command("show", "Show one recipe as it is written.")
@click.argument("source", metavar="RECIPE", shell_complete=complete_recipe)
def show(*, source: str, as_json: bool) -> int:
    """Show the file of a recipe, or its content as JSON."""
    from scaffold.recipes.catalogue import find_recipe

    source_recipe = find_recipe(source)
    if as_json:
        document = source_recipe.recipe.model_dump(mode="json", by_alias=True)
        print_json("recipe", {"recipe": document})
    else:
        click.echo(source_recipe.text.rstrip())
    return 0
