"""`scaffold analyze`."""

import sys
from pathlib import Path

import click

from scaffold.cli.terminal import command as make_command
from scaffold.cli.terminal import open_project, paint_for, print_json, width


@make_command(
    "analyze",
    "Say where the error opens: between the bound, the training data, and data not seen.\n\nFILE is"
    " a table of predictions, CSV or Parquet: id, split (train, train-dev, validation, test),"
    " label, and prediction or a column p_CLASS for each class. Default: predictions.csv of the"
    " newest run that wrote one.",
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
def command(*, file: Path | None, as_json: bool) -> int:
    """Read, compare; exit 3 if the numbers leave it open."""
    from dataclasses import asdict

    from scaffold.probes.analysis import analyze
    from scaffold.rules.loop.gaps import Answer
    from scaffold.views.analysis import format_analysis

    analyzed = analyze(open_project(), file)
    analysis = analyzed.analysis
    if as_json:
        print_json(
            "analysis",
            {
                "answers": [answer.value for answer in analysis.answers],
                "reason": analysis.reason,
                "of_classes": analyzed.of_classes,
                "predictions": str(analyzed.predictions),
                "errors": {
                    name: {"n": error.n, "error": error.error, "interval": list(error.interval)}
                    for name, error in analysis.errors.items()
                },
                "gaps": [{**asdict(gap), "interval": list(gap.interval)} for gap in analysis.gaps],
                "doubts": list(analysis.doubts),
                "probes": list(analysis.probes),
            },
        )
    else:
        click.echo(format_analysis(analyzed, width(), paint_for(sys.stdout)))
    return 3 if analysis.answers == (Answer.CANNOT_SAY,) else 0
