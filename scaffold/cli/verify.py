"""`scaffold verify`."""

import sys
from pathlib import Path

import click

from scaffold.cli.terminal import EXIT_OF_WORD, paint_for, print_json, run_options, run_watched, width
from scaffold.cli.terminal import command as make_command
from scaffold.project import Project, find_project
from scaffold.records.judgement import Judgement
from scaffold.status import current_judgement, load_status


@make_command(
    "verify",
    "Say whether the reference gives its published result here: run the seeds that are missing until the test "
    "decides, judge them, write evidence/reproduce.json and commit it.",
)
@run_options
def command(*, jobs: int | None, offline: bool, no_sandbox: bool, trust: str | None, as_json: bool) -> int:
    """Show the stored judgement if it still holds, else make a new one."""
    project = find_project(Path.cwd())
    judgement = current_judgement(project)
    if judgement is not None:
        _print(project, judgement, as_json, "evidence/reproduce.json is current: nothing was run")
        return EXIT_OF_WORD[judgement.word]

    from scaffold.project import load_recipe
    from scaffold.verify import verify_reproduction

    recipe = load_recipe(project)
    verified = run_watched(
        recipe, lambda progress, options: verify_reproduction(project, recipe, progress, options),
        jobs=jobs, offline=offline, no_sandbox=no_sandbox, trust=trust, as_json=as_json,
    )  # fmt: skip
    note = "evidence/reproduce.json and environment.lock are committed"
    if verified.not_committed:
        note = f"written to evidence/reproduce.json, but not committed: {verified.not_committed}"
    _print(project, verified.judgement, as_json, note)
    return EXIT_OF_WORD[verified.judgement.word]


def _print(project: Project, judgement: Judgement, as_json: bool, note: str) -> None:
    if as_json:
        print_json({**judgement.as_mapping(), "reason": judgement.reason, "note": note})
        return
    from scaffold.report import format_judgement, format_next

    paint = paint_for(sys.stdout)
    click.echo(format_judgement(judgement, width(), paint))
    click.echo(f"  {note}\n{format_next(load_status(project), width(), paint)}")
