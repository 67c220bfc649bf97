"""`scaffold dashboard`."""

from pathlib import Path

import click

from scaffold.cli.terminal import command as make_command
from scaffold.cli.terminal import open_project, print_json


@make_command(
    "dashboard",
    "Write a page that shows the project: does it reproduce, what holds it back, what is next;"
    " changes, pairs, curves, parity checks, every run.\n\nOne file without scripts: it opens from"
    " disk, offline.",
)
@click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The page. Default: .scaffold/dashboard.html, which git ignores.",
)
def command(*, path: Path | None, as_json: bool) -> int:
    """Gather, write, say where it is."""
    from scaffold.project.files import write_text
    from scaffold.views.dashboard.facts import gather
    from scaffold.views.dashboard.page import make_page

    project = open_project()
    facts = gather(project)
    page = make_page(facts)
    target = path or project.scaffold_dir / "dashboard.html"
    write_text(target, page)
    if as_json:
        print_json(
            "dashboard", {"path": str(target), "bytes": len(page.encode()), "runs": len(facts.runs)}
        )
    else:
        click.echo(f"  {target.absolute().as_uri()}")
    return 0
