"""`scaffold recipes`."""

import click

from scaffold.cli.terminal import RunFlags, print_json, run_options, run_with_progress, width
from scaffold.cli.terminal import command as make_command


@click.group("recipes", help="List, show, check and calibrate recipes.")
def command() -> None:
    """Group of the four."""


@command.add_command
@make_command("list", "List the recipes that come with mlloop-new.")
def list_recipes(*, as_json: bool) -> int:
    """List recipes, one line each."""
    from scaffold.recipes.catalogue import find_recipe, recipe_ids
    from scaffold.records.recipe import reference_name
    from scaffold.rules.reproduction.claims import claim_text
    from scaffold.views.tables import format_duration, table

    recipes = [find_recipe(key).recipe for key in recipe_ids()]
    if as_json:
        listed = [
            {
                "id": recipe.id,
                "title": recipe.title,
                "task": recipe.task,
                "reference": reference_name(recipe),
                "published": {claim.metric: claim_text(claim) for claim in recipe.claims},
                "run_time_s": recipe.resources.run_time_s,
                "device": recipe.resources.device,
            }
            for recipe in recipes
        ]
        print_json("recipes", {"recipes": listed})
        return 0
    rows = [
        (
            recipe.id,
            recipe.task,
            reference_name(recipe),
            f"{recipe.claims[0].metric} {claim_text(recipe.claims[0])}",
            f"{format_duration(recipe.resources.run_time_s)} on {recipe.resources.device}",
        )
        for recipe in recipes
    ]
    head = ("recipe", "task", "reference", "published", "one run")
    click.echo("\n".join(table(head, rows, width(), lambda _, text: text)))
    return 0


@command.add_command
@make_command("show", "Show one recipe as it is written.")
@click.argument("source", metavar="RECIPE")
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


@command.add_command
@make_command(
    "check",
    "Check a recipe: its text, that its reference is what it pins, that its patches apply, that its"
    " calibration is its own. Runs nothing.",
)
@click.argument("source", metavar="PATH")
@click.option("--offline", is_flag=True, help="Use only what is in the cache.")
def check(*, source: str, offline: bool, as_json: bool) -> int:
    """Raise at the first part that does not hold; the text's problems come all at once."""
    from scaffold.authoring.check import check_recipe
    from scaffold.recipes.catalogue import find_recipe

    notes = check_recipe(find_recipe(source, offline=offline), offline=offline)
    if as_json:
        print_json("recipe_checked", {"ok": True, "notes": notes})
    else:
        click.echo("\n".join(f"  {note}" for note in notes))
    return 0


@command.add_command
@make_command(
    "calibrate",
    "Run a recipe many times and write calibration.json beside it: every value, with the"
    " hardware.\n\nAn interrupted calibration goes on where it stopped.",
)
@click.argument("source", metavar="RECIPE")
@click.option(
    "--runs",
    type=click.IntRange(2, 1000),
    default=30,
    show_default=True,
    help="How many runs to record.",
)
@run_options
def calibrate(
    *,
    source: str,
    runs: int,
    flags: RunFlags,
) -> int:
    """Run, record, say where."""
    from scaffold.authoring import calibrate as calibration
    from scaffold.machine import runs_at_once
    from scaffold.recipes.catalogue import without_calibration
    from scaffold.views.tables import format_duration

    source_recipe = without_calibration(source)
    needed = source_recipe.recipe.resources
    about = format_duration(runs * needed.run_time_s / (flags.jobs or runs_at_once(needed)))
    if not flags.as_json:
        click.echo(
            f"  {runs} runs, about {about} in all; interrupted, it goes on where it stopped",
            err=True,
        )

    done = run_with_progress(
        source_recipe.recipe,
        flags,
        lambda progress, options: calibration.calibrate(source_recipe, runs, progress, options),
    )
    if flags.as_json:
        print_json(
            "recipe_calibrated", {"path": str(done.path), "runs": len(done.calibration.runs)}
        )
    else:
        click.echo(f"  {len(done.calibration.runs)} runs recorded in {done.path}")
        if (
            source_recipe.recipe.calibration is None
            and "calibration:" not in (source_recipe.folder / "recipe.yaml").read_text()
        ):
            click.echo("  Next       add `calibration: calibration.json` to recipe.yaml")
    return 0


@command.add_command
@make_command(
    "trace",
    "Record what a recipe's reference computes, check by check, into golden/ beside it.\n\n"
    "Projects of the recipe then compare theirs before the first long run.",
)
@click.argument("source", metavar="RECIPE")
@run_options
def trace(
    *,
    source: str,
    flags: RunFlags,
) -> int:
    """Record, say what to add to recipe.yaml."""
    from scaffold.authoring.calibrate import record_trace
    from scaffold.recipes.catalogue import find_recipe

    source_recipe = find_recipe(source, offline=flags.offline)
    shipped = run_with_progress(
        source_recipe.recipe,
        flags,
        lambda progress, options: record_trace(source_recipe, progress, options),
    )
    if flags.as_json:
        print_json("recipe_traced", {"golden": shipped.model_dump(mode="json")})
        return 0
    click.echo(f"  recorded in {source_recipe.folder / 'golden' / shipped.name}")
    click.echo("  Next       put this into recipe.yaml, in place of an earlier one:\n")
    click.echo(f'golden:\n  name: "{shipped.name}"\n  sha256: {shipped.sha256}\n  files:')
    click.echo("".join(f"    - {file}\n" for file in shipped.files))
    return 0
