"""`scaffold bound`."""

import click

from scaffold.cli.goal import print_goal
from scaffold.cli.terminal import command as make_command
from scaffold.cli.terminal import open_project


@click.group("bound", help="Say the lowest error that one can believe in.")
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
    from scaffold.probes.analysis import read_goal, write_goal
    from scaffold.records.goal import ErrorBound

    try:
        number = None if value == "unknown" else float(value)
    except ValueError:
        number = -1.0
    if number is not None and not 0 <= number < float("inf"):
        raise UsageError(f"{value!r} is no error", hint="a number from 0 on, or unknown")
    project = open_project()
    bound = ErrorBound.model_validate(
        {"value": "unknown" if number is None else number, "kind": kind, "n": n, "source": source}
    )
    goal = read_goal(project).model_copy(update={"bound": bound})
    write_goal(project, goal)
    print_goal(goal, as_json=as_json)
    return 0
