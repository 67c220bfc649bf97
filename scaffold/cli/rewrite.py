"""`scaffold rewrite`."""

import sys
from typing import TYPE_CHECKING

import click

from scaffold.cli.command import EXIT_REFUSED, EXIT_UNDECIDED, open_project
from scaffold.cli.command import command as make_command
from scaffold.cli.decided import accept_command, drop_command
from scaffold.cli.groups import CommandGroup
from scaffold.cli.names import complete_part, complete_rewrite
from scaffold.cli.run_options import RunFlags, run_options, run_session
from scaffold.cli.terminal import paint_for, print_json, width

if TYPE_CHECKING:
    from scaffold.rewrite.parts import Part
    from scaffold.rewrite.start import Opened


@click.group("rewrite", cls=CommandGroup, help="Replace a part by your own code, proven equal.")
def command() -> None:
    """Group of the five."""


@command.add_command
@make_command(
    "parts",
    "List what can be rewritten: classes and functions that the commands import, stages of the"
    " training.",
)
@click.option(
    "--traced",
    is_flag=True,
    help="Run the program under the tracer too, and list its network's modules.",
)
@run_options
def parts(
    *,
    traced: bool,
    flags: RunFlags,
) -> int:
    """List parts from the files; with `--traced` from one traced run too."""
    from dataclasses import asdict

    from scaffold.project.project import load_recipe
    from scaffold.rewrite.start import list_parts, traced_parts
    from scaffold.views.parity import format_parts

    project = open_project("rewrite parts" if traced else None)
    recipe = load_recipe(project)
    listed: list[Part] = (
        list_parts(project, recipe)
        if not traced
        else run_session(project, recipe, recipe, flags, traced_parts)
    )
    if flags.as_json:
        print_json("parts", {"parts": [asdict(part) for part in listed]})
    else:
        click.echo(format_parts(listed, width(), paint_for(sys.stdout)))
    return 0


@command.add_command
@make_command(
    "start",
    "Open a rewrite of PART on a branch rewrite/NAME, after recording what the snapshot before"
    " computes (golden/).\n\nPART is a module path, a class or function, or one of data, loss,"
    " optimizer, schedule, evaluation, program (scaffold rewrite parts). Then edit src/, and"
    " `scaffold verify`.",
)
@click.argument("part", shell_complete=complete_part)
@click.option(
    "--with",
    "own",
    metavar="PATH[:NAME]",
    help=(
        "Your file that defines the class or function: it is copied into src/, and imported where"
        " PART was defined."
    ),
)
@click.option("--name", help="What the rewrite is called. Default: after the part.")
@click.option("--expect", metavar="TEXT", default="", help="What you expect of it, for the record.")
@click.option(
    "--margin", type=float, help="The smallest difference of the judged metric that matters."
)
@click.option(
    "--reason",
    metavar="TEXT",
    default="",
    help="Start although nothing is reproduced yet; on record.",
)
@run_options
def start(
    *,
    part: str,
    own: str | None,
    name: str | None,
    expect: str,
    margin: float | None,
    reason: str,
    flags: RunFlags,
) -> int:
    """Record, open, say what to edit."""
    from scaffold.cli.arguments import require_one_line
    from scaffold.errors import UsageError
    from scaffold.project.project import load_recipe
    from scaffold.rewrite.parts import rewrite_name
    from scaffold.rewrite.start import RewriteWish, start_rewrite
    from scaffold.status.cache import require_reproduced

    if margin is not None and not 0 < margin < float("inf"):
        raise UsageError(f"--margin {margin}: must be above 0, in the metric's unit")
    for option, text in (("--expect", expect), ("--reason", reason)):
        require_one_line(option, text)
    project = open_project(f"rewrite start {name or rewrite_name(part)}")
    if not reason:
        require_reproduced(project)
    expectation = " ".join(
        [expect, f"(begun without a reproduction: {reason})" if reason else ""]
    ).strip()
    wish = RewriteWish(part=part, name=name, own=own, expect=expectation, margin=margin)
    recipe = load_recipe(project)
    opened: Opened = run_session(
        project, recipe, recipe, flags, lambda session: start_rewrite(session, wish)
    )
    if flags.as_json:
        print_json(
            "rewrite_started",
            {
                "rewrite": opened.tweak.model_dump(mode="json"),
                "made_src": opened.made_src,
                "replaced": list(opened.replaced),
                "carried": list(opened.carried),
                "left_out": list(opened.left_out),
                "next": "scaffold verify",
            },
        )
    else:
        _print_opened(opened)
    return 0


def _print_opened(opened: "Opened") -> None:
    from scaffold.views.tables import plain, wrap

    tweak, paint = opened.tweak, paint_for(sys.stdout)
    assert tweak.golden is not None, "a rewrite has one"
    lines = []
    if opened.made_src:
        lines.append(
            "Made       src/, a copy of the reference, and system.yaml, which says how it runs"
        )
    lines += [
        (
            f"Rewrite    {tweak.name} of {plain(tweak.part)} ({opened.part.kind},"
            f" {plain(opened.part.about)}), branch {tweak.branch}"
        ),
        (
            f"Golden     golden/{tweak.golden.name}/: what the snapshot before computes, and what"
            " it must equal"
        ),
    ]
    lines += [f"Left out   {plain(text)}" for text in opened.left_out]
    lines += [f"Replaced   {', '.join(opened.replaced)}"] if opened.replaced else []
    lines += [f"Carried    your edits of {', '.join(opened.carried[:5])}"] if opened.carried else []
    for line in lines:
        click.echo("\n".join(wrap(line, width(), hanging=13)))
    before = "" if opened.replaced else "edit src/, then "
    click.echo(f"  Next       {before}{paint('scaffold verify', 'cyan')}")


@command.add_command
@make_command(
    "check",
    "Compare src/ as it is now with the golden trace of an accepted rewrite, by default the last."
    " Writes nothing.\n\nIt needs no reference any more: parity stays testable after that is gone.",
)
@click.argument("name", required=False, shell_complete=complete_rewrite)
@run_options
def check(
    *,
    name: str | None,
    flags: RunFlags,
) -> int:
    """Run the parity checks again."""
    from scaffold.project.project import load_recipe, load_yaml
    from scaffold.records.system import System
    from scaffold.rewrite.start import recheck_parity
    from scaffold.rules.parity.checks import first_difference
    from scaffold.rules.parity.judge import refusal_of
    from scaffold.views.parity import format_checks

    project = open_project("rewrite check")
    evidence, checks = run_session(
        project,
        load_recipe(project),
        load_yaml(System, project.system),
        flags,
        lambda session: recheck_parity(session, name),
    )
    if flags.as_json:
        print_json("checks", {"checks": [check.as_mapping() for check in checks]})
    else:
        click.echo(format_checks(checks, width(), paint_for(sys.stdout)))
    if first_difference(checks) is None and refusal_of(checks, evidence.tweak.part):
        return EXIT_UNDECIDED
    return EXIT_REFUSED if first_difference(checks) else 0


command.add_command(accept_command("rewrite"))
command.add_command(drop_command("rewrite"))
