"""`scaffold tweak`."""

import sys
from typing import TYPE_CHECKING, Any

import click

from scaffold.cli.command import command as make_command
from scaffold.cli.command import open_project
from scaffold.cli.decided import accept_command, drop_command
from scaffold.cli.groups import CommandGroup
from scaffold.cli.names import complete_suggested_tweak
from scaffold.cli.terminal import paint_for, print_json, width

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scaffold.records.tweak import Bound
    from scaffold.tweak.start import Started


@click.group(
    "tweak", cls=CommandGroup, help="Take one small step away from the reference, and judge it."
)
def command() -> None:
    """Group of the four."""


@command.add_command
@make_command(
    "start",
    "Open a tweak on a branch tweak/NAME; edits that are not committed yet come along.\n\nThe first"
    " one makes src/, a copy of the reference, and system.yaml, which says how it runs. Edit them,"
    " then `scaffold verify`. NAME may be one that the recipe suggests (scaffold tweak list).",
)
@click.argument("name", required=False, shell_complete=complete_suggested_tweak)
@click.option(
    "--remedy",
    metavar="ID",
    help="Take up a remedy that `analyze` proposes; NAME is then its ID, if none is said.",
)
@click.option(
    "--sweep",
    "by_sweep",
    is_flag=True,
    help="Take up the best values of the last `scaffold sweep`.",
)
@click.option(
    "--kind",
    type=click.Choice(["neutral", "improve", "cheaper", "data"]),
    help=(
        "neutral: must change nothing. improve: must be better, or as good and cheaper. cheaper: a"
        " short mode whose conclusions hold. data: a new dataset. Default: what the recipe"
        " suggests, else improve."
    ),
)
@click.option("--expect", metavar="TEXT", default="", help="What you expect of it, for the record.")
@click.option("--metric", help="The metric it is judged by. Default: that of the step before.")
@click.option(
    "--margin",
    type=float,
    help="The smallest difference that matters. Default: half a seed deviation.",
)
@click.option(
    "--pairs", type=click.IntRange(4, 100), help="How many pairs of runs it may take. Default: 28."
)
@click.option("--bound", metavar="VALUE", help="Kind data: the best value to hope for, or unknown.")
@click.option("--bound-source", metavar="TEXT", default="", help="Where that bound is from.")
@click.option(
    "--probe",
    "probes",
    metavar="KEY=VALUE",
    multiple=True,
    help="Kind cheaper: a hyperparameter whose effect must be the same in the cheaper mode.",
)
@click.option(
    "--reason",
    metavar="TEXT",
    default="",
    help="Start although nothing is reproduced yet; on record.",
)
def start(
    *,
    name: str | None,
    remedy: str | None,
    by_sweep: bool,
    kind: Any,
    expect: str,
    metric: str | None,
    margin: float | None,
    pairs: int | None,
    bound: str | None,
    bound_source: str,
    probes: tuple[str, ...],
    reason: str,
    as_json: bool,
) -> int:
    """Open it, say what to edit."""
    from scaffold.cli.arguments import parse_settings, require_one_line
    from scaffold.errors import UsageError
    from scaffold.probes.remedies import plan_best_of_sweep, plan_remedy
    from scaffold.status.cache import require_reproduced
    from scaffold.tweak.start import Wish, start_tweak

    if remedy and by_sweep:
        raise UsageError("--remedy and --sweep are two changes: start one")
    name = name or remedy
    if name is None and not by_sweep:
        raise UsageError("say the tweak's NAME", hint="scaffold tweak start NAME, or --remedy ID")
    if margin is not None and not 0 < margin < float("inf"):
        raise UsageError(f"--margin {margin}: must be above 0, in the metric's unit")
    for option, text in (
        ("--expect", expect),
        ("--reason", reason),
        ("--bound-source", bound_source),
    ):
        require_one_line(option, text)
    project = open_project(f"tweak start {name or '--sweep'}")
    if not reason:
        require_reproduced(project)
    if (
        kind == "data"
        and bound is None
        and not as_json
        and sys.stdin.isatty()
        and sys.stderr.isatty()
    ):
        bound = click.prompt(
            "The best value of the metric that one can hope for on this data, or unknown", err=True
        )
        bound_source = bound_source or click.prompt(
            "Where is that from", err=True, default="nobody knows yet"
        )
    planned = plan_remedy(project, remedy) if remedy else None
    if by_sweep:
        planned = plan_best_of_sweep(project)
        name = name or planned.remedy.id
    assert name is not None
    wish = Wish(
        kind=kind,
        remedy=planned,
        expect=" ".join(
            [
                expect or (planned.expect if planned else ""),
                f"(begun without a reproduction: {reason})" if reason else "",
            ]
        ).strip(),
        metric=metric,
        margin=margin,
        pairs=pairs,
        bound=_bound(bound, bound_source),
        probes=parse_settings("--probe", probes),
    )
    started = start_tweak(project, name, wish)
    if as_json:
        print_json(
            "tweak_started",
            {
                "tweak": started.tweak.model_dump(mode="json"),
                "made_src": started.made_src,
                "carried": list(started.carried),
                "next": "scaffold verify",
            },
        )
    else:
        _print_started(started, planned.values if planned else {})
    return 0


def _bound(value: str | None, source: str) -> "Bound | None":
    from scaffold.errors import UsageError
    from scaffold.records.tweak import Bound

    if value is None:
        return None
    if value == "unknown":
        return Bound(value="unknown", source=source or "nobody knows yet")
    if not source:
        raise UsageError("--bound needs --bound-source: a number that nobody can check is no bound")
    try:
        return Bound(value=float(value), source=source)
    except ValueError as error:
        raise UsageError(f"--bound {value}: must be a number, or unknown") from error


def _print_started(started: "Started", edited: "Mapping[str, Any]") -> None:
    from scaffold.views.tables import plain, wrap

    tweak, paint = started.tweak, paint_for(sys.stdout)
    lines = []
    if started.made_src:
        lines.append(
            "Made       src/, a copy of the reference, and system.yaml, which says how it runs"
        )
        suggestion = (
            "runs of src/ give each kind of random draw a stream of its own: other numbers at one"
            " seed than reference/, the same distribution"
        )
        lines.append(f"Streams    {suggestion}")
    rule = tweak.rule
    lines += [
        (
            f"Tweak      {tweak.name} ({tweak.kind}), branch tweak/{tweak.name}, from"
            f" {tweak.before[:7]} of {tweak.base_branch}"
        ),
        (
            f"Judged by  {rule.metric}, margin {rule.margin:.3g} ({rule.margin_reason}), at most"
            f" {rule.max_pairs} pairs"
        ),
    ]
    if started.suggestion:
        lines.append(f"Change     {plain(started.suggestion.change)}")
    if tweak.probes:
        lines.append(
            f"Probes     {', '.join(f'{name}={value}' for name, value in tweak.probes.items())}"
        )
    if tweak.kind == "data":
        lines.append(
            "Baselines  system.yaml must say under `baselines:` how the simplest models are"
            " measured"
        )
    if edited:
        lines.append(f"Edited     system.yaml: {', '.join(f'{k} {v}' for k, v in edited.items())}")
    if started.carried:
        lines.append(f"Carried    your edits of {', '.join(started.carried[:5])}")
    for line in lines:
        click.echo("\n".join(wrap(line, width(), hanging=13)))
    first = "" if edited else "edit src/ or system.yaml, then "
    click.echo(f"  Next       {first}{paint('scaffold verify', 'cyan')}")


command.add_command(accept_command("tweak"))
command.add_command(drop_command("tweak"))


@command.add_command
@make_command(
    "list", "List all tweaks: accepted, dropped, under way, and those that the recipe suggests."
)
def list_all(*, as_json: bool) -> int:
    """List tweaks, one line each."""
    from dataclasses import asdict

    from scaffold.tweak.listing import list_tweaks
    from scaffold.views.change import format_tweaks

    rows = list_tweaks(open_project())
    if as_json:
        print_json("tweaks", {"tweaks": [asdict(row) for row in rows]})
    else:
        click.echo(format_tweaks(rows, width(), paint_for(sys.stdout)))
    return 0
