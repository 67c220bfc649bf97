"""`scaffold doctor`."""

import sys
from pathlib import Path

import click

from scaffold.cli.command import EXIT_FAILED
from scaffold.cli.command import command as make_command
from scaffold.cli.terminal import paint_for, print_json, width


@make_command(
    "doctor",
    "Show what this machine offers to runs, and what it lacks: sandbox, git, uv, interpreters,"
    " devices, disk.\n\nExit status 4 when something is missing that runs need.",
)
def command(*, as_json: bool) -> int:
    """Look at all, print it, say what is missing."""
    from dataclasses import asdict

    from scaffold.doctor import examine
    from scaffold.views.doctor import format_checked

    checks = examine(Path.cwd())
    if as_json:
        print_json("doctor", {"checks": [asdict(checked) for checked in checks]})
    else:
        click.echo(format_checked(checks, width(), paint_for(sys.stdout)))
    return EXIT_FAILED if any(checked.state == "missing" for checked in checks) else 0
