"""`scaffold docs`, and what the generated pages of the documentation are filled with."""

import difflib
import re
from collections.abc import Iterator
from pathlib import Path

import click

from scaffold.cli.command import command as make_command
from scaffold.cli.names import complete_page
from scaffold.cli.terminal import print_json


@make_command(
    "docs",
    "Read the documentation, without a network.\n\nWithout PAGE all pages are listed. Into a pipe"
    " goes Markdown.",
)
@click.argument("page", metavar="[PAGE]", required=False, shell_complete=complete_page)
def command(*, page: str | None, as_json: bool) -> int:
    """Print a page, or their titles."""
    from scaffold.errors import UsageError
    from scaffold.recipes.catalogue import data_dir

    pages = {path.stem: path for path in sorted(data_dir("docs").glob("*.md"))}
    if page is None:
        titles = {name: _title(path) for name, path in pages.items()}
        if as_json:
            print_json("documentation", {"pages": titles})
        else:
            for name, title in titles.items():
                click.echo(f"{name:12} {title}")
        return 0
    name = page.removesuffix(".md")
    if name not in pages:
        near = difflib.get_close_matches(name, pages, n=1)
        hint = f"did you mean {near[0]}?" if near else "all pages: scaffold docs"
        raise UsageError(f"the documentation has no page {page!r}", hint=hint)
    text = fill_in(pages[name].read_text(encoding="utf-8"))
    if as_json:
        print_json("documentation", {"pages": {name: text}})
    else:
        _show(text)
    return 0


def fill_in(text: str) -> str:
    """Replace each line `::: commands`, `::: files` or `::: answers` by the reference."""
    from scaffold.views.reference import answers_reference, files_reference

    make = {
        "commands": _commands_reference,
        "files": files_reference,
        "answers": answers_reference,
    }
    return re.sub(
        rf"^::: ({'|'.join(make)})$", lambda line: make[line[1]](), text, flags=re.MULTILINE
    )


def _title(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.readline().removeprefix("# ").strip()


def _show(text: str) -> None:
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        click.echo(text)
        return
    from rich.markdown import Markdown

    text = re.sub(r"\[([^\]]+)\]\(#[^)]*\)", r"\1", text)  # links that lead nowhere here
    with console.capture() as page:
        console.print(Markdown(text, hyperlinks=False))
    click.echo_via_pager(page.get())


def _commands_reference() -> str:
    """Return the help of every command."""
    from scaffold.cli import main
    from scaffold.cli.new import command as new

    sections = []
    for words, one in [*_commands("mlloop-new", new), *_commands("scaffold", main)]:
        context = one.make_context(words, [], resilient_parsing=True, terminal_width=100)
        sections.append(f"## {words}\n\n```text\n{one.get_help(context)}\n```\n")
    return "\n".join(sections)


def _commands(words: str, one: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield words, one
    if isinstance(one, click.Group):
        context = click.Context(one)
        for name in one.list_commands(context):
            below = one.get_command(context, name)
            if below is not None:
                yield from _commands(f"{words} {name}", below)
