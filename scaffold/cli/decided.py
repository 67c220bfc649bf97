"""`accept` and `drop`, which end a tweak and a rewrite alike."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scaffold.cli.command import command as make_command
from scaffold.cli.command import open_project
from scaffold.cli.terminal import paint_for, print_json, width

if TYPE_CHECKING:
    from scaffold.tweak.decide import Decided


_include_large = click.option(
    "--include-large",
    is_flag=True,
    help="Commit new files also where they are binary, or above 50 MB together.",
)


def accept_command(phase: str) -> click.Command:
    """Build `scaffold tweak accept` or `scaffold rewrite accept`."""

    @make_command(
        "accept",
        f"Merge the {phase} into the branch that it came from, with its evidence and a page of the"
        " journal, and tag it.\n\nRefused when the evidence is stale or does not show what it"
        " must, unless you say --reason.",
    )
    @click.option(
        "--reason", metavar="TEXT", default="", help="Why it is accepted all the same; on record."
    )
    @_include_large
    def accept(*, reason: str, include_large: bool, as_json: bool) -> int:
        """Merge, tag, write the record."""
        from scaffold.cli.arguments import require_one_line
        from scaffold.tweak.decide import accept_tweak

        project = open_project(f"{phase} accept")
        reason = require_one_line("--reason", reason)
        decided = accept_tweak(project, reason, phase, include_large=include_large)
        _print_decided(decided, "accepted", as_json)
        return 0

    return accept


def drop_command(phase: str) -> click.Command:
    """Build `scaffold tweak drop` or `scaffold rewrite drop`."""

    @make_command(
        "drop",
        f"End the {phase} without merging it. The branch that it came from gets the record of what"
        " it showed, a tag dropped/NAME keeps the code. New files of data/ stay where they are.",
    )
    @_include_large
    def drop(*, include_large: bool, as_json: bool) -> int:
        """Keep the record, leave the rest as it was."""
        from scaffold.tweak.decide import drop_tweak

        project = open_project(f"{phase} drop")
        _print_decided(drop_tweak(project, phase, include_large=include_large), "dropped", as_json)
        return 0

    return drop


def _print_decided(decided: "Decided", phase: str, as_json: bool) -> None:
    from scaffold.project.project import find_project
    from scaffold.records.judgment import ChangeJudgment
    from scaffold.status.cache import load_status
    from scaffold.tweak.new_files import describe_files
    from scaffold.views.status import format_next
    from scaffold.views.tables import plain, wrap

    evidence = decided.evidence
    judgment = ChangeJudgment.from_mapping(evidence.judgment) if evidence else None
    if as_json:
        print_json(
            "decision",
            {
                "tweak": decided.tweak.name,
                "decision": phase,
                "base_branch": decided.base_branch,
                "commit": decided.commit,
                "verdict": judgment.verdict.value if judgment else None,
                "reason": evidence.reason if evidence else "",
                "committed": [file.path for file in decided.committed],
                "untracked": [file.path for file in decided.untracked],
            },
        )
        return
    verdict = judgment.verdict.value if judgment else "before it was judged"
    where = f"merged into {decided.base_branch}, tag milestone/{decided.tweak.milestone}"
    if phase == "dropped":
        where = f"{decided.base_branch} has the record, tag dropped/{decided.tweak.name} the code"
    lines = [f"{phase.capitalize():9}  {decided.tweak.name}: {verdict}; {where}"]
    if judgment:
        lines.append(f"Showed     {plain(judgment.reason)}")
    if evidence and evidence.reason:
        lines.append(f"Because    {plain(evidence.reason)}")
    if decided.committed:
        lines.append(
            f"Committed  files that git did not track: {plain(describe_files(decided.committed))}"
        )
    if decided.untracked:
        lines.append(
            f"Left       where it is, not in git: {plain(describe_files(decided.untracked))}"
        )
    for line in lines:
        click.echo("\n".join(wrap(line, width(), hanging=13)))
    click.echo(format_next(load_status(find_project(Path.cwd())), width(), paint_for(sys.stdout)))
