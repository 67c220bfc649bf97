"""`scaffold next`."""

import sys
from dataclasses import asdict

import click

from scaffold.cli.command import command as make_command
from scaffold.cli.command import open_project
from scaffold.cli.terminal import paint_for, print_json, width
from scaffold.status.cache import load_status


@make_command(
    "next", "Show the one next action and why: the command to paste, and what to edit before it."
)
def command(*, as_json: bool) -> int:
    """Show the next action."""
    status = load_status(open_project())
    if as_json:
        print_json("next", asdict(status.next))
    else:
        from scaffold.views.status import format_next

        click.echo(format_next(status, width(), paint_for(sys.stdout)))
    return 0
