"""`scaffold errors`."""

import sys
from pathlib import Path

import click

from scaffold.cli.command import command as make_command
from scaffold.cli.command import open_project
from scaffold.cli.groups import CommandGroup
from scaffold.cli.terminal import paint_for, print_json, width

_SHEET = 100


@click.group(
    "errors",
    cls=CommandGroup,
    help="Look at wrong examples, tag them, and see what each kind costs.",
)
def command() -> None:
    """Group of what is done with wrong examples."""


@command.add_command
@make_command(
    "sheet",
    "Write about 100 wrong examples of a split, and those whose label the model doubts, into"
    " errors/SPLIT.csv, to be tagged in any spreadsheet.\n\nFILE is a table of predictions as"
    " `analyze` reads it; without it, that of the last analysis. Suspicious labels need columns"
    " p_CLASS, and pip install 'mlloop-new[errors]'.",
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--split", default="validation", show_default=True, help="Whose examples.")
@click.option(
    "-n", "n", type=click.IntRange(1, 10_000), default=_SHEET, show_default=True, help="How many."
)
@click.option("-o", "--output", "folder", type=click.Path(path_type=Path), help="Folder of sheets.")
def sheet(*, file: Path | None, split: str, n: int, folder: Path | None, as_json: bool) -> int:
    """Draw and write."""
    from scaffold.errors import UsageError
    from scaffold.probes.analysis import newest_predictions
    from scaffold.probes.analyzed import last_analysis
    from scaffold.probes.error_sheet import write_sheet
    from scaffold.rules.loop.gaps import SPLITS
    from scaffold.rules.splits.names import split_named
    from scaffold.views.errors import format_written, written_answer

    name = split_named(split)
    if name is None:
        raise UsageError(f"--split {split}: there are {', '.join(SPLITS)}")
    predictions = file
    if predictions is None:
        project = open_project()
        last = last_analysis(project)
        is_there = last is not None and Path(last.predictions).is_file()
        predictions = Path(last.predictions) if last and is_there else newest_predictions(project)
    written = write_sheet(predictions, name, n, folder or _usual_folder())
    if as_json:
        print_json("errors_sheet", written_answer(written))
    else:
        click.echo(format_written(written, str(folder or ""), width()))
    return 0


def _usual_folder() -> Path:
    """Return errors/ of the project, or here."""
    from scaffold.errors import ProjectError
    from scaffold.project.project import find_project

    try:
        return find_project(Path.cwd()).errors
    except ProjectError:
        return Path("errors")


@command.add_command
@make_command(
    "tally",
    "Say how much of the error each tag has, and how much mending it can gain at most.\n\nWithout"
    " FOLDER of the sheets in errors/. Rows with tags or a corrected label count as looked at.",
)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
def tally(*, folder: Path | None, as_json: bool) -> int:
    """Read and count; exit 3 if nothing has been looked at."""
    from scaffold.probes.error_sheet import read_sheets
    from scaffold.views.errors import format_tally, tally_answer

    sheets = read_sheets(folder or _usual_folder())
    if as_json:
        print_json("errors_tally", tally_answer(sheets))
    else:
        click.echo(
            format_tally(sheets, _matters(), str(folder or ""), width(), paint_for(sys.stdout))
        )
    return 0 if any(one.reviewed for one in sheets) else 3


def _matters() -> float | None:
    """Return what difference in the error matters, where a project says it."""
    from scaffold.errors import ProjectError
    from scaffold.project.goal import read_goal
    from scaffold.project.project import find_project

    try:
        return read_goal(find_project(Path.cwd())).matters
    except ProjectError:
        return None


@command.add_command
@make_command(
    "correct",
    "Write a copy of DATA with the labels that were corrected in the sheets.\n\nDATA is CSV, TSV or"
    " JSON lines; every corrected example must be in it with the label that its sheet shows."
    " Without FOLDER of the sheets in errors/.",
)
@click.argument("data", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--id", "id_column", metavar="COLUMN", help="Column of ids; row numbers otherwise.")
@click.option("--label", metavar="COLUMN", default="label", show_default=True)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The copy.")
def correct(
    *,
    data: Path,
    folder: Path | None,
    id_column: str | None,
    label: str,
    output: Path,
    as_json: bool,
) -> int:
    """Read, compare, write."""
    from scaffold.datasets.corrections import write_corrected
    from scaffold.datasets.examples import Roles
    from scaffold.errors import UsageError
    from scaffold.probes.error_sheet import corrections_of, read_sheets

    source = folder or _usual_folder()
    sheets = read_sheets(source)
    corrections = corrections_of(sheets)
    if not corrections:
        raise UsageError(
            f"no row of {source} has another label in correct_label: nothing to correct"
        )
    n = write_corrected(data, Roles(id=id_column, label=label), corrections, output)
    splits = [one.sheet.split for one in sheets if one.corrections]
    if as_json:
        print_json("errors_corrected", {"output": str(output), "n": n, "splits": splits})
        return 0
    click.echo(f"  Corrected  {n:,} labels of {', '.join(splits)}: {output}")
    if "validation" in splits and "test" not in splits:
        click.echo(
            "  But        test was labeled as validation was: correct it by the same rule, or the"
            " two\n             measure different things"
        )
    return 0
