"""`scaffold analyze`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scaffold.cli.command import command as make_command
from scaffold.cli.command import open_project
from scaffold.cli.run_options import RunFlags, run_options, run_session
from scaffold.cli.terminal import paint_for, print_json, width

if TYPE_CHECKING:
    from scaffold.probes.analyzed import Analyzed
    from scaffold.running.session import Session


@make_command(
    "analyze",
    "Say what holds the model back: run the program once, watched, compare the errors of its"
    " splits, then run it in other ways until they tell.\n\nFILE is a table of predictions, CSV"
    " or Parquet: id, split (train, train-dev, validation, test), label, and prediction or a column"
    " p_CLASS for each class; nothing is run for it.",
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option(
    "--budget",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="Probes at most, each as dear as a run; 0 reads the newest run's predictions.csv.",
)
@run_options
def command(*, file: Path | None, budget: int, flags: RunFlags) -> int:
    """Run, compare, probe; exit 3 if it stays open."""
    from scaffold.probes.analysis import analyze, analyze_by_probes
    from scaffold.probes.runs import Prober
    from scaffold.tweak.prepare import present_program, recipe_and_program
    from scaffold.tweak.store import find_tweak
    from scaffold.views.analysis import analysis_answer, format_analysis

    project = open_project()

    def probe(session: "Session") -> "Analyzed":
        return analyze_by_probes(Prober(session, present_program(session)), budget)

    if file is not None or not budget:
        analyzed = analyze(project, file)
    else:
        analyzed = run_session(project, *recipe_and_program(project), flags, probe)
    if flags.as_json:
        print_json("analysis", analysis_answer(analyzed))
    else:
        tweak = find_tweak(project)
        under_way = f"{tweak.phase} {tweak.name}" if tweak else ""
        click.echo(format_analysis(analyzed, width(), paint_for(sys.stdout), under_way))
    return 3 if analyzed.diagnosis.bottleneck is None else 0
