"""`scaffold reference`."""

import sys
from typing import TYPE_CHECKING

import click

from scaffold.cli.command import command as make_command
from scaffold.cli.command import open_project
from scaffold.cli.groups import CommandGroup
from scaffold.cli.terminal import paint_for, print_json, width

if TYPE_CHECKING:
    from scaffold.scaffolding.update import Advanced


@click.group("reference", cls=CommandGroup, help="Bring in a newer revision of the reference.")
def command() -> None:
    """Group of one."""


@command.add_command
@make_command(
    "update",
    "Bring the reference at REVISION in (a full id, a branch or a tag), on the branch `reference`,"
    " and merge it.\n\nsrc/ stays as it is; the reproduction must be made again.",
)
@click.argument("revision")
@click.option("--offline", is_flag=True, help="Use only what is in the cache.")
def update(*, revision: str, offline: bool, as_json: bool) -> int:
    """Fetch, merge, say what it touches."""
    from scaffold.scaffolding.update import update_reference

    advanced = update_reference(
        open_project(f"reference update {revision}"), revision, offline=offline
    )
    if as_json:
        print_json(
            "reference_updated",
            {
                "old_revision": advanced.old_revision,
                "revision": advanced.revision,
                "changed": list(advanced.changed),
                "touching": list(advanced.touching),
                "next": "scaffold verify --reproduction",
            },
        )
    else:
        _print(advanced)
    return 0


def _print(advanced: "Advanced") -> None:
    from scaffold.views.tables import plain, wrap

    paint = paint_for(sys.stdout)
    lines = [
        f"Reference  {advanced.old_revision[:12]} -> {advanced.revision}, {len(advanced.changed)}"
        " files changed"
    ]
    lines += [f"Touches    {plain(path)}, which you changed in src/" for path in advanced.touching]
    for line in lines:
        click.echo("\n".join(wrap(line, width(), hanging=13)))
    older, newer = advanced.older[:10], advanced.newer[:10]
    click.echo(
        f"  Next       {paint('scaffold verify --reproduction', 'cyan')}   # the reproduction must"
        " be made again"
    )
    click.echo("             to have its changes in src/ too, as a tweak of their own:")
    click.echo(
        f"             git diff {older}:reference {newer}:reference | git apply --3way"
        " --directory=src"
    )
