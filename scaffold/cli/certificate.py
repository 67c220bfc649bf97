"""`scaffold certificate`."""

import sys
from pathlib import Path

import click

from scaffold.cli.command import EXIT_REFUSED, EXIT_UNDECIDED, open_project
from scaffold.cli.command import command as make_command
from scaffold.cli.groups import CommandGroup
from scaffold.cli.terminal import paint_for, print_json

_WORDS = {True: ("holds", "green"), False: ("does not hold", "red"), None: ("open", "yellow")}


@click.group(
    "certificate",
    cls=CommandGroup,
    help="A reproduction on one page that can be linked and checked.",
)
def command() -> None:
    """Group of what is done with certificates."""


@command.add_command
@make_command(
    "write",
    "Write the claim, the verdict and its numbers, what it does not prove, and how to check it, as"
    " one page of Markdown.",
)
@click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Default: CERTIFICATE.md in the project.",
)
def write(*, path: Path | None, as_json: bool) -> int:
    """Write the page, say where it is."""
    from scaffold.project.outputs import write_output
    from scaffold.views.certificate import make_certificate
    from scaffold.views.exports.statement import make_statement

    project = open_project()
    target = path or project.root / "CERTIFICATE.md"
    write_output(project, target, make_certificate(make_statement(project)).encode())
    if as_json:
        print_json("exported", {"format_name": "certificate", "path": str(target), "runs": None})
    else:
        click.echo(f"  {target}\n  Next       git add it, and link to it")
    return 0


@command.add_command
@make_command(
    "check",
    "Check a certificate: whether the page was edited, whether its files are those of the project"
    " here, and whether its verdict follows from their runs.\n\nExit status 3 where nothing speaks"
    " against it and something could not be checked.",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
def check(*, file: Path, as_json: bool) -> int:
    """Check, and say what holds."""
    from scaffold.errors import ProjectError
    from scaffold.project.project import find_project
    from scaffold.views.certificate import check_certificate, read_certificate
    from scaffold.views.tables import plain

    text, statement = read_certificate(file)
    try:
        project = find_project(Path.cwd())
    except ProjectError:
        project = None
    checks = check_certificate(text, statement, project)
    is_refuted = any(one.holds is False for one in checks)
    is_open = any(one.holds is None for one in checks)
    if as_json:
        rows = [{"name": one.name, "holds": one.holds, "text": one.text} for one in checks]
        print_json("certificate_checked", {"checks": rows})
    else:
        paint = paint_for(sys.stdout)
        for one in checks:
            word, color = _WORDS[one.holds]
            click.echo(f"  {paint(f'{word:13}', color)}  {plain(f'{one.name}: {one.text}')}")
    if is_refuted:
        return EXIT_REFUSED
    return EXIT_UNDECIDED if is_open else 0
