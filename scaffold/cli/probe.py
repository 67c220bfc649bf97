"""`scaffold probe`."""

from typing import TYPE_CHECKING

import click

from scaffold.cli.command import command as make_command
from scaffold.cli.command import open_project
from scaffold.cli.run_options import RunFlags, run_options, run_session
from scaffold.cli.terminal import print_json, width

if TYPE_CHECKING:
    from scaffold.probes.analysis import Probed
    from scaffold.running.session import Session


@make_command(
    "probe",
    "Run the program once in another way, and compare its errors with those of its own run.\n\nNAME"
    " is one of rate-10, rate-0.1, rate-100, rate-0.01, wider, no-regularization,"
    " more-regularization, rows-0.5, rows-0.25, rows-64; `analyze` runs those that it needs by"
    " itself.",
)
@click.argument("name")
@run_options
def command(*, name: str, flags: RunFlags) -> int:
    """Run, compare; exit 3 if the probe acted on nothing."""
    from scaffold.probes.analysis import probe_by_name
    from scaffold.probes.runs import Prober
    from scaffold.tweak.prepare import present_program, recipe_and_program
    from scaffold.views.analysis import format_probed, probed_answer

    project = open_project()

    def probe(session: "Session") -> "Probed":
        return probe_by_name(Prober(session, present_program(session)), name)

    probed = run_session(project, *recipe_and_program(project), flags, probe)
    if flags.as_json:
        print_json("probe", probed_answer(probed))
    else:
        click.echo(format_probed(probed, width()))
    return 3 if probed.problem else 0
