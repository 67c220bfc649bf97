"""`scaffold runs`."""

import sys
import time
from typing import TYPE_CHECKING

import click

from scaffold.cli.command import command as make_command
from scaffold.cli.command import open_project
from scaffold.cli.terminal import paint_for, print_json, width
from scaffold.errors import UsageError

if TYPE_CHECKING:
    from scaffold.project.project import Project

_LOOK_EVERY_S = 5.0


@make_command(
    "runs",
    "Show the runs that were handed to a cluster and are not recorded yet.\n\nThe command that"
    " handed them over records them, once they have ended, when it is typed again.",
)
@click.option("--follow", is_flag=True, help="Go on until all have ended.")
@click.option("--cancel", is_flag=True, help="End all of them; nothing is left of them.")
def command(*, follow: bool, cancel: bool, as_json: bool) -> int:
    """Show them, wait for them, or end them."""
    from scaffold.running.handed_over import cancel_all, handed_over
    from scaffold.views.handed_over import format_handed_over, handed_over_answer

    if follow and cancel:
        raise UsageError("--follow and --cancel exclude each other")
    project = open_project()
    if cancel:
        count = cancel_all(project)
        if as_json:
            print_json("runs_cancelled", {"cancelled": count})
        else:
            click.echo(f"Ended {count} run{'s' * (count != 1)}")
        return 0
    if follow:
        _follow(project, quiet=as_json)
    runs = handed_over(project)
    if as_json:
        print_json("handed_over", handed_over_answer(runs))
    else:
        click.echo(format_handed_over(runs, width(), paint_for(sys.stdout)))
    return 0


def _follow(project: "Project", *, quiet: bool) -> None:
    """Wait until nothing waits or runs; say what changes."""
    from scaffold.running.handed_over import handed_over
    from scaffold.views.handed_over import format_counts, is_over

    before = ""
    while True:
        runs = handed_over(project)
        if is_over(runs):
            return
        counts = format_counts(runs)
        if counts != before and not quiet:
            click.echo(f"  {time.strftime('%H:%M:%S')}  {counts}", err=True)
        before = counts
        time.sleep(_LOOK_EVERY_S)
