"""`scaffold update`."""

import click

from scaffold.cli.command import command as make_command
from scaffold.cli.command import open_project
from scaffold.cli.terminal import print_json


@make_command(
    "update",
    "Merge what this mlloop-new renders for a project (tests, workflow, AGENTS.md, README.md) into"
    " yours: a three-way merge over the branch `template`. Conflicts are ordinary git conflicts.",
)
def command(*, as_json: bool) -> int:
    """Render, merge, say what changed."""
    from scaffold.scaffolding.update import update_template

    updated = update_template(open_project("update"))
    if as_json:
        print_json("updated", {"version": updated.version, "changed": list(updated.changed)})
    elif updated.changed:
        click.echo(
            f"  Merged     the template of mlloop-new {updated.version}:"
            f" {', '.join(updated.changed)}"
        )
    else:
        click.echo(f"  The template of mlloop-new {updated.version} is what this project has")
    return 0
