"""`scaffold eject`."""

import sys

import click

from scaffold.cli.command import command as make_command
from scaffold.cli.command import open_project
from scaffold.cli.terminal import paint_for, print_json, width


@make_command(
    "eject",
    "Take the scaffold down, in one commit: tests become plain pytest with stored expectations,"
    " packages a requirements.txt; nothing needs mlloop-new any more. `git revert HEAD` puts it up"
    " again.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(*, yes: bool, as_json: bool) -> int:
    """Ask, take it down, say what stays."""
    from scaffold.errors import UsageError
    from scaffold.scaffolding.eject import eject_scaffold
    from scaffold.views.tables import wrap

    project = open_project("eject")
    if not yes and (as_json or not (sys.stdin.isatty() and sys.stderr.isatty())):
        raise UsageError(
            "not a terminal: nothing can be confirmed here", hint="scaffold eject --yes"
        )
    if not yes and not click.confirm(f"Take the scaffold of {project.root.name} down?", err=True):
        raise click.Abort
    ejected = eject_scaffold(project)
    if as_json:
        print_json(
            "ejected",
            {
                "removed": list(ejected.removed),
                "written": list(ejected.written),
                "commit": ejected.commit,
            },
        )
        return 0
    for line in (
        f"Removed    {', '.join(ejected.removed)}",
        f"Written    {', '.join(ejected.written)}",
    ):
        click.echo("\n".join(wrap(line, width(), hanging=13)))
    paint = paint_for(sys.stdout)
    click.echo(
        f"  Next       {paint('pytest', 'cyan')}   # rm -r .scaffold when its runs are no longer"
        " needed"
    )
    return 0
