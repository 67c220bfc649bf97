"""`scaffold bound`."""

import click

from scaffold.cli.arguments import parse_number
from scaffold.cli.command import command as make_command
from scaffold.cli.command import open_project
from scaffold.cli.goal import print_goal
from scaffold.cli.groups import CommandGroup


@click.group("bound", cls=CommandGroup, help="Say the lowest error that one can believe in.")
def command() -> None:
    """Group of what is said of the bound."""


@command.add_command
@make_command(
    "set",
    "Say the lowest error that one can believe in, VALUE or `unknown`: what people, a competitor or"
    " a paper reached.",
)
@click.argument("value")
@click.option("--source", metavar="TEXT", required=True, help="Where it is from.")
@click.option("--kind", type=click.Choice(("human", "competitor", "published")), default="human")
@click.option("--n", type=click.IntRange(min=1), help="Examples that it was measured on.")
def set_bound(*, value: str, source: str, kind: str, n: int | None, as_json: bool) -> int:
    """Write it into goal.yaml."""
    from scaffold.errors import UsageError
    from scaffold.tweak.goal import save_goal

    number = value if value == "unknown" else parse_number(value)
    if number is None:
        raise UsageError(f"{value!r} is no error", hint="such as 0.05, 5% or unknown")
    bound = {"value": number, "kind": kind, "source": source}
    project = open_project("bound set")
    whole = bound if n is None else {**bound, "n": n}
    print_goal(*save_goal(project, "bound set", bound=whole), as_json=as_json)
    return 0
