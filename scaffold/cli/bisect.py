"""`scaffold bisect`."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from scaffold.cli.command import EXIT_UNDECIDED, open_project
from scaffold.cli.command import command as make_command
from scaffold.cli.names import complete_metric
from scaffold.cli.run_options import RunFlags, run_options, run_session
from scaffold.cli.terminal import paint_for, print_json, width

if TYPE_CHECKING:
    from scaffold.tweak.bisect import Bisected


@make_command(
    "bisect",
    "Find the accepted step that lost METRIC: by the evidence that is there, and by runs of the"
    " states before and after where it is missing. Nothing is checked out.\n\nExit status 3 when a"
    " comparison stayed undecided.",
)
@click.argument("metric", shell_complete=complete_metric)
@click.option("--margin", type=float, help="The smallest loss that counts, in the metric's unit.")
@run_options
def command(
    *,
    metric: str,
    margin: float | None,
    flags: RunFlags,
) -> int:
    """Search, then say where the metric was lost."""
    from scaffold.errors import ProjectError, UsageError
    from scaffold.project.project import load_recipe, load_yaml
    from scaffold.records.system import System
    from scaffold.tweak.bisect import bisect_metric

    if margin is not None and not 0 < margin < float("inf"):
        raise UsageError(f"--margin {margin}: must be above 0, in the metric's unit")
    project = open_project("bisect")
    recipe = load_recipe(project)
    if not project.system.exists():
        raise ProjectError("there is no system yet: nothing was changed", hint="scaffold next")
    system = load_yaml(System, project.system)
    result = run_session(
        project, recipe, system, flags, lambda session: bisect_metric(session, metric, margin)
    )
    if flags.as_json:
        print_json("bisection", asdict(result))
    else:
        _print(result)
    return 0 if result.certain else EXIT_UNDECIDED


def _print(result: "Bisected") -> None:
    from scaffold.views.change import CHANGE_COLORS
    from scaffold.views.tables import plain, table, wrap

    paint = paint_for(sys.stdout)
    head = ("older", "newer", "pairs", "runs made", "effect", "verdict")
    rows = [
        (
            plain(c.older)[:40],
            plain(c.newer)[:40],
            str(c.pairs),
            str(c.runs_made),
            f"{c.effect:+.3g}",
            c.verdict.value,
        )
        for c in result.compared
    ]
    colors = [CHANGE_COLORS[compared.verdict] for compared in result.compared]
    click.echo("\n".join(table(head, rows, width(), lambda row, text: paint(text, colors[row]))))
    click.echo("")
    if result.step is None:
        click.echo(f"  {result.metric} was not lost: no loss of {result.margin:.3g} or more")
    else:
        last = result.compared[-1]
        headline = f"{result.metric} was lost by {plain(result.step)}: {last.effect:+.3g}"
        click.echo("\n".join(wrap(headline, width())))
        click.echo(
            "  Next      "
            f" {paint(f'git show -m --first-parent {(result.commit or str())[:10]}', 'cyan')}"
        )
    if result.note:
        click.echo(f"  {result.note}")
    if not result.certain:
        click.echo("  not every comparison on the way was decided: read the table")
