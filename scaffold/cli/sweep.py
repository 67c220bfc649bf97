"""`scaffold sweep`."""

import sys
from typing import TYPE_CHECKING

import click

from scaffold.cli.arguments import parse_settings
from scaffold.cli.command import command as make_command
from scaffold.cli.command import open_project
from scaffold.cli.run_options import RunFlags, run_options, run_session
from scaffold.cli.terminal import paint_for, print_json, width

if TYPE_CHECKING:
    from scaffold.probes.sweep import Swept
    from scaffold.running.session import Session


@make_command(
    "sweep",
    "Run the program with other hyperparameters, spread evenly over ranges, and show the best"
    " beside the present values.\n\nA RANGE is NAME=LOW..HIGH (by logarithm where its ends are ten"
    " times apart) or NAME=A,B,C. All trials have the same seeds, which no tweak is judged with."
    " Asked again with more trials, it goes on.",
)
@click.argument("ranges", nargs=-1, required=True, metavar="RANGE ...")
@click.option(
    "--trials",
    type=click.IntRange(1, 10_000),
    default=16,
    show_default=True,
    help="How many, besides the present values.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="Of each trial; from two on differences have intervals.",
)
@click.option("--metric", help="What is best. Default: what the recipe's claim is about.")
@run_options
def command(
    *, ranges: tuple[str, ...], trials: int, seeds: int, metric: str | None, flags: RunFlags
) -> int:
    """Run what is missing, write and show it; exit 1 if nothing gained."""
    from scaffold.probes.sweep import SweepRequest, parse_ranges, run_sweep
    from scaffold.tweak.prepare import present_program, recipe_and_program
    from scaffold.tweak.store import find_tweak
    from scaffold.views.sweep import format_swept, sweep_answer

    project = open_project()
    recipe, program = recipe_and_program(project)
    request = SweepRequest(
        ranges=parse_settings("RANGE", ranges),
        metric=metric or recipe.judged_metrics[0],
        trials=trials,
        seeds=seeds,
    )
    parse_ranges(program, request.ranges)

    def sweep(session: "Session") -> "Swept":
        return run_sweep(session, present_program(session), request)

    swept = run_session(project, recipe, program, flags, sweep)
    if flags.as_json:
        print_json("sweep", sweep_answer(swept))
    else:
        is_in_tweak = find_tweak(project) is not None
        click.echo(format_swept(swept, width(), paint_for(sys.stdout), is_in_tweak=is_in_tweak))
    is_gain = bool(swept.ordered) and swept.ordered[0].values != swept.present.values
    return 0 if is_gain else 1
