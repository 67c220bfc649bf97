"""`scaffold data`."""

import contextlib
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scaffold.cli.command import command as make_command
from scaffold.cli.groups import CommandGroup
from scaffold.cli.terminal import print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scaffold.datasets.outside import OnBytes


@click.group("data", cls=CommandGroup, help="Name folders of data that stay outside the project.")
def command() -> None:
    """Group of what is done with data outside."""


@command.add_command
@make_command(
    "manifest",
    "Write the manifest of a folder: a line of sha256sum for each file.\n\nA recipe names a large"
    " dataset by it, and its runs read the folder where it lies, without a copy.",
)
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "manifest",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path),
    help="The manifest: data/NAME.sha256 beside the recipe.",
)
def make(*, folder: Path, manifest: Path, as_json: bool) -> int:
    """Read every file, write, say what the recipe needs."""
    from scaffold.datasets.outside import make_manifest

    with _progress(as_json=as_json) as on_bytes:
        make_manifest(folder, manifest, on_bytes)
    sha256 = _print_located(folder, manifest, as_json=as_json)
    if not as_json:
        click.echo("  recipe.yaml, under datasets:")
        click.echo("  - name: NAME")
        click.echo(f"    manifest: data/{manifest.name}")
        click.echo(f"    sha256: {sha256}")
        click.echo("    place: PATH    # where the reference expects the folder")
        click.echo("    license: WHICH")
    return 0


@command.add_command
@make_command(
    "locate",
    "Say which folder of this machine has the files of a manifest.\n\nEach file is compared with"
    " its digest. What you say is kept with you, not in the project.",
)
@click.argument("manifest", metavar="MANIFEST", type=click.Path(path_type=Path))
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
def locate(*, manifest: Path, folder: Path, as_json: bool) -> int:
    """Compare, remember."""
    from scaffold.datasets import outside

    with _progress(as_json=as_json) as on_bytes:
        outside.locate(manifest, folder, on_bytes)
    _print_located(folder, manifest, as_json=as_json)
    return 0


def _print_located(folder: Path, manifest: Path, *, as_json: bool) -> str:
    from scaffold.project.digests import file_digest

    sha256 = file_digest(manifest)
    if as_json:
        print_json(
            "data_located",
            {"manifest": str(manifest), "sha256": sha256, "folder": str(folder.resolve())},
        )
    else:
        count = len(manifest.read_text(encoding="utf-8").splitlines())
        name = shlex.quote(str(manifest))
        click.echo(f"  {folder} has the {count:,} files of {name}; runs read them there")
    return sha256


@contextlib.contextmanager
def _progress(*, as_json: bool) -> "Iterator[OnBytes]":
    """Show how much has been read, with the time left."""
    is_hidden = as_json or not sys.stderr.isatty()
    with click.progressbar(
        length=100, label="  reading", file=sys.stderr, hidden=is_hidden
    ) as progress:
        yield lambda read_bytes, total_bytes: progress.update(
            100 * read_bytes // max(total_bytes, 1) - progress.pos
        )
