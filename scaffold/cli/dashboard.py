"""`scaffold dashboard`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from scaffold.cli.command import command as make_command
from scaffold.cli.command import open_project
from scaffold.cli.terminal import print_json

if TYPE_CHECKING:
    from scaffold.project.project import Project


@make_command(
    "dashboard",
    "Write a page that shows the project: does it reproduce, what holds it back, what is next;"
    " changes, pairs, curves, parity checks, every run.\n\nOne file without scripts: it opens from"
    " disk, offline. With --serve it is shown while runs go on, and renews itself.",
)
@click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The page. Default: .scaffold/dashboard.html, which git ignores.",
)
@click.option("--serve", is_flag=True, help="Serve the page, live, until Ctrl-C.")
@click.option(
    "--host",
    help="With --serve: the address to listen on, 127.0.0.1 unless said; others need a token.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="With --serve, 8421 unless said; 0 takes a free one.",
)
def command(
    *, path: Path | None, serve: bool, host: str | None, port: int | None, as_json: bool
) -> int:
    """Gather, write, say where it is; or serve."""
    from scaffold.errors import UsageError
    from scaffold.project.outputs import write_output
    from scaffold.views.dashboard.facts import gather
    from scaffold.views.dashboard.page import make_page

    project = open_project()
    if serve:
        if path is not None or as_json:
            raise UsageError("--serve writes no file and prints no JSON: leave out -o and --json")
        return _serve(project, host or "127.0.0.1", 8421 if port is None else port)
    if host is not None or port is not None:
        raise UsageError("--host and --port are for --serve, which is not there")
    facts = gather(project)
    page = make_page(facts)
    target = path or project.scaffold_dir / "dashboard.html"
    write_output(project, target, page.encode())
    if as_json:
        print_json(
            "dashboard", {"path": str(target), "bytes": len(page.encode()), "runs": len(facts.runs)}
        )
    else:
        click.echo(f"  {target.absolute().as_uri()}")
    return 0


def _serve(project: "Project", host: str, port: int) -> int:
    from scaffold.views.dashboard.live import open_server

    server, address = open_server(project, host, port)
    click.echo(f"  {address}   # until Ctrl-C")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return 0
    finally:
        server.server_close()
    return 0
