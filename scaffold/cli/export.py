"""`scaffold export`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scaffold.cli.command import command as make_command
from scaffold.cli.command import open_project
from scaffold.cli.terminal import print_json

if TYPE_CHECKING:
    from scaffold.project.project import Project

_OUTPUTS: Mapping[str, str] = {
    "in-toto": "reproduction.intoto.json",
    "ro-crate": "ro-crate",
    "model-card": "MODEL_CARD.md",
    "csv": "runs.csv",
    "parquet": "runs.parquet",
    "mlflow": "mlruns",
    "tensorboard": "tensorboard",
    "wandb": "wandb",
}
"""Each format, and what it writes where no -o says otherwise."""


@make_command(
    "export",
    "Give evidence and runs to other tools.\n\nEvidence: in-toto (a test result that your own key"
    " can sign), ro-crate (a Process Run Crate), model-card (of the Hugging Face Hub). Runs, with"
    " their curves: csv, parquet, mlflow, tensorboard, wandb (offline, for `wandb sync`). Most need"
    " pip install 'mlloop-new[exports]'.",
)
@click.argument("format_name", metavar="FORMAT", type=click.Choice(list(_OUTPUTS)))
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="File or folder; of mlflow also the URI of a tracking server. Default: named after the"
    " format, here.",
)
def command(*, format_name: str, output: str | None, as_json: bool) -> int:
    """Write one export, say where it is and how many runs it has."""
    from scaffold.project.outputs import refuse_output

    project = open_project()
    place = output or _OUTPUTS[format_name]
    refuse_output(project, Path(place))
    runs = _EXPORTS[format_name](project, place)
    if as_json:
        print_json("exported", {"format_name": format_name, "path": place, "runs": runs})
    else:
        click.echo(f"  {place}" + ("" if runs is None else f"  {runs} run{'s' * (runs != 1)}"))
    return 0


def _statement(project: "Project", place: str) -> None:
    import json

    from scaffold.project.outputs import write_output
    from scaffold.views.exports.statement import make_statement

    text = json.dumps(make_statement(project), indent=1) + "\n"
    write_output(project, Path(place), text.encode())


def _crate(project: "Project", place: str) -> None:
    from scaffold.views.exports.crate import write_crate

    write_crate(project, Path(place))


def _model_card(project: "Project", place: str) -> None:
    from scaffold.project.outputs import write_output
    from scaffold.views.exports.model_card import make_model_card

    write_output(project, Path(place), make_model_card(project).encode())


def _table(project: "Project", place: str, *, is_parquet: bool) -> int:
    from scaffold.errors import ProjectError
    from scaffold.project.outputs import write_output
    from scaffold.views.exports.table import make_csv, make_parquet, rows_of

    rows = rows_of(project)
    if not rows:
        raise ProjectError("no run lies in this project", hint="scaffold verify")
    write_output(project, Path(place), make_parquet(rows) if is_parquet else make_csv(rows))
    return len(rows)


def _mlflow(project: "Project", place: str) -> int:
    from scaffold.views.exports.trackers import to_mlflow

    return to_mlflow(project, place)


def _tensorboard(project: "Project", place: str) -> int:
    from scaffold.views.exports.trackers import to_tensorboard

    return to_tensorboard(project, Path(place))


def _wandb(project: "Project", place: str) -> int:
    from scaffold.views.exports.trackers import to_wandb

    return to_wandb(project, Path(place))


_EXPORTS: Mapping[str, Callable[["Project", str], int | None]] = {
    "in-toto": _statement,
    "ro-crate": _crate,
    "model-card": _model_card,
    "csv": lambda project, place: _table(project, place, is_parquet=False),
    "parquet": lambda project, place: _table(project, place, is_parquet=True),
    "mlflow": _mlflow,
    "tensorboard": _tensorboard,
    "wandb": _wandb,
}
