"""`scaffold status`."""

import sys

import click

from scaffold.cli.command import command as make_command
from scaffold.cli.command import open_project
from scaffold.cli.terminal import paint_for, print_json, width
from scaffold.status.cache import load_status


@make_command(
    "status", "Show where the project stands: its milestones, its evidence, the next action."
)
def command(*, as_json: bool) -> int:
    """Show the status."""
    status = load_status(open_project())
    if as_json:
        print_json("status", status.as_mapping())
    else:
        from scaffold.views.status import format_status

        click.echo(format_status(status, width(), paint_for(sys.stdout)))
    return 0
