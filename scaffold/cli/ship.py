"""`scaffold ship`."""

import sys
from typing import TYPE_CHECKING

import click

from scaffold.cli.command import command as make_command
from scaffold.cli.command import open_project
from scaffold.cli.run_options import RunFlags, run_options, run_session
from scaffold.cli.terminal import paint_for, print_json, width

if TYPE_CHECKING:
    from scaffold.running.session import Session
    from scaffold.tweak.ship import Shipping


@make_command(
    "ship",
    "Say GO or NO-GO: every metric with its interval beside the state before and the reference,"
    " each limit of goal.yaml, and what the model's own entry takes.\n\nRuns the program once more;"
    " where test is sealed, that run has it, and sealed/seal.yaml says so.",
)
@run_options
def command(*, flags: RunFlags) -> int:
    """Measure, judge; exit 1 if it is NO-GO."""
    from scaffold.probes.runs import Prober
    from scaffold.tweak.prepare import present_program, recipe_and_program
    from scaffold.tweak.ship import ship
    from scaffold.views.ship import format_shipping, shipping_answer

    project = open_project()

    def measure(session: "Session") -> "Shipping":
        return ship(Prober(session, present_program(session)))

    shipping = run_session(project, *recipe_and_program(project), flags, measure)
    if flags.as_json:
        print_json("ship", shipping_answer(shipping))
    else:
        click.echo(format_shipping(shipping, width(), paint_for(sys.stdout)))
    return int(bool(shipping.reasons))
