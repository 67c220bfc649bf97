"""`scaffold goal`."""

import math
import re
from typing import TYPE_CHECKING, Any

import click

from scaffold.cli.arguments import parse_number
from scaffold.cli.command import command as make_command
from scaffold.cli.command import open_project
from scaffold.cli.groups import CommandGroup
from scaffold.cli.terminal import print_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scaffold.project.project import Project
    from scaffold.records.goal import Goal


@click.group(
    "goal",
    cls=CommandGroup,
    help="Say what difference in the error matters, and what is good enough.",
)
def command() -> None:
    """Group of what is said of the goal."""


@command.add_command
@make_command(
    "set",
    "Say what difference in the error matters (a share of wrong examples, or of numbers a mean"
    " squared error), and what is good enough.\n\nA limit is METRIC>=NUMBER or METRIC<=NUMBER of a"
    " metric of the recipe, or of latency_ms or memory_mb, which `scaffold ship` measures. A"
    " limit replaces one of the same metric and end; take one out of goal.yaml by hand.",
)
@click.option("--matters", metavar="NUMBER", help="Such as 0.005, or 0.5%.")
@click.option("--why", metavar="TEXT", help="Why so much matters.")
@click.option("--limit", "limits", metavar="LIMIT", multiple=True, help="Such as 'latency_ms<=20'.")
def set_goal(
    *, matters: str | None, why: str | None, limits: tuple[str, ...], as_json: bool
) -> int:
    """Write it into goal.yaml."""
    from scaffold.errors import UsageError
    from scaffold.project.goal import read_goal
    from scaffold.tweak.goal import save_goal

    if (matters is None) != (why is None) or (matters is None and not limits):
        raise UsageError("--matters goes with --why", hint="or --limit 'METRIC>=NUMBER' alone")
    project = open_project("goal set")
    changes: dict[str, Any] = {}
    if matters is not None:
        number = parse_number(matters)
        if number is None:
            raise UsageError(f"--matters {matters!r} is no number", hint="such as 0.005, or 0.5%")
        changes |= {"matters": number, "matters_reason": why}
    if limits:
        limited = [_limit(text, project) for text in limits]
        changes["limits"] = [*_others(read_goal(project), limited), *limited]
    print_goal(*save_goal(project, "goal set", **changes), as_json=as_json)
    return 0


def _others(goal: "Goal", limited: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the limits of a goal that no new one of the same metric and end replaces."""
    ends = {(one["name"], frozenset(one)) for one in limited}
    stated = [limit.model_dump(mode="json", exclude_none=True) for limit in goal.limits]
    return [one for one in stated if (one["name"], frozenset(one)) not in ends]


def _limit(text: str, project: "Project") -> dict[str, Any]:
    from scaffold.errors import UsageError
    from scaffold.rules.loop.limits import MEASURED
    from scaffold.tweak.prepare import recipe_and_program

    match = re.fullmatch(r"\s*([^<>=\s]+)\s*(<=|>=)\s*(\S+)\s*", text)
    metrics = {metric.name: metric.unit for metric in recipe_and_program(project)[1].metrics}
    known = [*metrics, *MEASURED]
    number = parse_number(match[3]) if match else None
    if match is None or number is None or not math.isfinite(number):
        raise UsageError(
            f"--limit {text!r} is not a limit", hint="such as --limit 'accuracy>=0.95'"
        )
    if match[1] not in known:
        raise UsageError(
            f"--limit: there is no metric {match[1]!r}", hint=f"there are: {', '.join(known)}"
        )
    if "%" in match[3]:
        number = _as_unit(match[1], number, text, metrics)
    return {"name": match[1], "at_most" if match[2] == "<=" else "at_least": number}


def _as_unit(name: str, share: float, text: str, units: "Mapping[str, str]") -> float:
    """Return a percentage in the unit of its metric."""
    from scaffold.errors import UsageError

    unit = units.get(name, "")
    if unit not in ("fraction", "percent"):
        raise UsageError(f"--limit {text!r}: {name} is no share", hint="write it without %")
    return share * 100 if unit == "percent" else share


def print_goal(goal: "Goal", not_committed: str | None, *, as_json: bool) -> None:
    """Print what goal.yaml says now, and why it could not be committed, if so."""
    from scaffold.views.ship import end_text

    if as_json:
        document = goal.model_dump(mode="json")
        print_json("goal", {"goal": document, "not_committed": not_committed})
        return
    bound, matters = goal.bound, "nothing said"
    if goal.matters is not None:
        matters = f"{goal.matters:g} ({goal.matters_reason})"
    text = "nothing said" if bound is None else f"{bound.value} ({bound.kind}, {bound.source})"
    limits = ", ".join(f"{one.name} {end_text(one)}" for one in goal.limits) or "none"
    click.echo(f"  Matters    {matters}\n  Bound      {text}\n  Limits     {limits}")
    if not_committed:
        click.echo(f"  goal.yaml is written, and not committed: {not_committed}")
    else:
        click.echo("  goal.yaml is committed")
    click.echo("  Next       scaffold analyze")
