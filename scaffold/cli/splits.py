"""`scaffold splits`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scaffold.cli.command import command as make_command
from scaffold.cli.groups import CommandGroup
from scaffold.cli.terminal import paint_for, print_json, width

if TYPE_CHECKING:
    from scaffold.datasets.splits import Checked

_SHARES = "70,10,10,10"


@click.group(
    "splits", cls=CommandGroup, help="Divide examples into train, train-dev, validation and test."
)
def command() -> None:
    """Group of what is done with splits."""


def _role_options(function: Any) -> Any:
    for name, text in (
        ("time", "Column of times: training must be earlier than validation and test."),
        ("group", "Column whose rows of one value stay in one split: a patient, a customer."),
        ("label", "Column of labels; it is no feature. Splits have their share of each class."),
        ("id", "Column of ids; row numbers otherwise."),
    ):
        function = click.option(f"--{name}", metavar="COLUMN", help=text)(function)
    return function


@command.add_command
@make_command(
    "make",
    "Draw splits of DATA, write a list of ids for each, and check them.\n\nDATA is a table (CSV,"
    " TSV, JSON lines, Parquet), or a folder whose files are examples and whose subfolders are"
    " labels. train-dev is drawn from where train is, and never trained on. Rows with equal"
    " features stay in one split.",
)
@click.argument("data", type=click.Path(path_type=Path))
@_role_options
@click.option(
    "--shares",
    default=_SHARES,
    show_default=True,
    help="Percent of train, train-dev, validation and test.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Another draws others.")
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    help="Where the lists go: src/splits in a project with src/, else splits.",
)
def make(
    *, data: Path, shares: str, seed: int, folder: Path | None, as_json: bool, **columns: Any
) -> int:
    """Draw, write, check; exit 1 if something leaks."""
    from scaffold.datasets.examples import Roles
    from scaffold.datasets.splits import make_splits

    target = folder or _usual_folder()
    checked = make_splits(data, Roles(**columns), _shares(shares), seed, target)
    _print(checked, target, as_json=as_json)
    return int(checked.is_alarm)


def _shares(text: str) -> dict[str, float]:
    from scaffold.errors import UsageError
    from scaffold.rules.loop.gaps import SPLITS

    try:
        percents = [float(one) for one in text.split(",")]
    except ValueError:
        percents = []
    is_whole = abs(sum(percents) - 100) < 1e-6 and all(one >= 0 for one in percents)
    if len(percents) != len(SPLITS) or not is_whole or not percents[0]:
        raise UsageError(
            f"--shares {text}: must be percents of {', '.join(SPLITS)} that add up to 100",
            hint=f"such as {_SHARES}, or 80,0,10,10 without train-dev",
        )
    return {name: percent / 100 for name, percent in zip(SPLITS, percents, strict=True)}


def _usual_folder() -> Path:
    """Return src/splits of the project, or splits here."""
    from scaffold.errors import ProjectError
    from scaffold.project.project import find_project

    try:
        source = find_project(Path.cwd()).system_source.tree
    except ProjectError:
        return Path("splits")
    return source / "splits" if source.is_dir() else Path("splits")


@command.add_command
@make_command(
    "check",
    "Look for what leaks between splits: exact and near copies, shared groups, training that is"
    " later than validation or test, and single columns that give the label away.\n\nWithout"
    " arguments of the lists that `splits make` wrote. SOURCE is that folder of lists, or a table"
    " with a column of splits, or a file or folder each: train=TRAIN.csv test=TEST.csv.",
)
@click.argument("sources", nargs=-1, metavar="[SOURCE ...]")
@_role_options
@click.option("--split", metavar="COLUMN", help="Column of splits of a table; `split` unless said.")
def check(*, sources: tuple[str, ...], split: str | None, as_json: bool, **columns: Any) -> int:
    """Read, compare, show; exit 1 if something leaks."""
    from scaffold.datasets.examples import Roles
    from scaffold.datasets.splits import FILE, check_sources, check_splits
    from scaffold.errors import UsageError

    folder = Path(sources[0]) if len(sources) == 1 else _usual_folder()
    if not sources or (len(sources) == 1 and (folder / FILE).is_file()):
        if any(columns.values()) or split:
            raise UsageError(f"{folder / FILE} says which columns mean what: leave out the options")
        checked = check_splits(folder)
    else:
        named = _named_sources(sources)
        column = split or ("split" if "" in named else None)
        checked = check_sources(named, Roles(**columns, split=column))
    _print(checked, folder, as_json=as_json)
    return int(checked.is_alarm)


def _named_sources(sources: tuple[str, ...]) -> dict[str, Path]:
    from scaffold.errors import UsageError
    from scaffold.rules.loop.gaps import SPLITS
    from scaffold.rules.splits.names import split_named

    if len(sources) == 1 and "=" not in sources[0]:
        return {"": Path(sources[0])}
    named: dict[str, Path] = {}
    for text in sources:
        word, _, path = text.partition("=")
        name = split_named(word)
        if not path or name not in SPLITS or name in named:
            raise UsageError(
                f"{text!r} must be SPLIT=PATH, once for each of {', '.join(SPLITS)}",
                hint="scaffold splits check train=TRAIN.csv test=TEST.csv",
            )
        named[name] = Path(path)
    if len(named) < 2:
        raise UsageError(f"{sources[0]} is one split: nothing to compare it with")
    return named


@command.add_command
@make_command(
    "seal",
    "Take the test list out of src/, so that no run has it, and count who reads it.\n\n`scaffold"
    " ship` gives it to one run, and writes that down. Without FOLDER the lists of `splits make`.",
)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
def seal(*, folder: Path | None, as_json: bool) -> int:
    """Move the list, write the seal."""
    from scaffold.datasets.splits import read_splits, seal_folder, seal_test

    lists = folder or _usual_folder()
    sealed = seal_test(lists)
    n = read_splits(lists).splits["test"].n
    target = _shown(seal_folder(lists))
    if as_json:
        print_json("splits_sealed", {"folder": target, "n": n, "at": sealed.at})
    else:
        click.echo(f"  Sealed     test, {n:,} ids, lies in {target}/: no run has it; commit it")
        click.echo(
            "  Next       scaffold ship   # when the model is ready: reads test, and says so"
        )
    return 0


def _shown(path: Path) -> str:
    import os

    return os.path.relpath(path)


def _print(checked: "Checked", folder: Path, *, as_json: bool) -> None:
    from scaffold.datasets.splits import read_seal
    from scaffold.views.splits import checked_answer, format_checked

    seal = read_seal(folder) if checked.splits is not None else None
    if as_json:
        print_json("splits", checked_answer(checked, seal))
    else:
        place = _shown(folder) if checked.splits is not None else ""
        click.echo(format_checked(checked, seal, place, width(), paint_for(sys.stdout)))
