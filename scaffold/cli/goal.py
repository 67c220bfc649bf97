"""`scaffold goal`."""

from typing import TYPE_CHECKING

import click

from scaffold.cli.terminal import command as make_command
from scaffold.cli.terminal import open_project, print_json

if TYPE_CHECKING:
    from scaffold.records.goal import Goal


@click.group("goal", help="Say what difference in the error matters.")
def command() -> None:
    """Group of what is said of the goal."""


@command.add_command
@make_command(
    "set",
    "Say what difference in the error matters: a share of wrong examples, or of numbers a mean"
    " squared error.",
)
@click.option("--matters", type=float, required=True, help="Such as 0.005: half a percent.")
@click.option("--why", metavar="TEXT", required=True, help="Why so much matters.")
def set_matters(*, matters: float, why: str, as_json: bool) -> int:
    """Write it into goal.yaml."""
    from scaffold.probes.analysis import change_goal

    goal = change_goal(open_project(), matters=matters, matters_reason=why)
    print_goal(goal, as_json=as_json)
    return 0


def print_goal(goal: "Goal", *, as_json: bool) -> None:
    """Print what goal.yaml says now."""
    if as_json:
        print_json("goal", {"goal": goal.model_dump(mode="json")})
        return
    bound, matters = goal.bound, "nothing said"
    if goal.matters is not None:
        matters = f"{goal.matters:g} ({goal.matters_reason})"
    text = "nothing said" if bound is None else f"{bound.value} ({bound.kind}, {bound.source})"
    click.echo(f"  Matters    {matters}\n  Bound      {text}\n  Next       scaffold analyze")
