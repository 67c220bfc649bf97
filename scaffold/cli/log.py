"""`scaffold log`."""

import click

from scaffold.cli.command import command as make_command
from scaffold.cli.command import open_project
from scaffold.cli.names import complete_metric
from scaffold.cli.terminal import print_json, width


@make_command(
    "log",
    "Show a metric from step to step: the reference, then every change that was judged, with its"
    " interval, effect and cost.\n\nWithout METRIC the one that the recipe's claim is about.",
)
@click.argument("metric", required=False, shell_complete=complete_metric)
def command(*, metric: str | None, as_json: bool) -> int:
    """Read the evidence, show it in order."""
    from dataclasses import asdict

    from scaffold.errors import UsageError
    from scaffold.project.project import load_recipe
    from scaffold.views.log import format_steps, read_steps

    project = open_project()
    recipe = load_recipe(project)
    names = [one.name for one in recipe.metrics]
    name = metric or recipe.judged_metrics[0]
    if name not in names:
        raise UsageError(f"there is no metric {name!r}", hint=f"there are: {', '.join(names)}")
    steps = read_steps(project, name)
    direction = recipe.metric(name).direction
    if as_json:
        listed = [
            {
                **asdict(step),
                "interval": list(step.interval) if step.interval else None,
                "effect_interval": list(step.effect_interval) if step.effect_interval else None,
            }
            for step in steps
        ]
        print_json("log", {"metric": name, "direction": direction, "steps": listed})
    elif not steps:
        click.echo("  nothing has been judged yet\n  Next       scaffold verify")
    else:
        click.echo(format_steps(name, direction, steps, width()))
    return 0
