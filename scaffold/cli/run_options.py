"""Options of commands that run something of a recipe, and how such a command goes on."""

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

import click

from scaffold.cli.command import EXIT_UNDECIDED
from scaffold.cli.names import complete_engine
from scaffold.cli.terminal import print_json
from scaffold.errors import ConsentError, Detached, UsageError

if TYPE_CHECKING:
    from scaffold.cli.progress import RunProgress
    from scaffold.project.project import Project
    from scaffold.records.program import Program
    from scaffold.records.recipe import Recipe
    from scaffold.running.session import RunOptions, Session

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFlags:
    """Options of all commands that run something of a recipe."""

    jobs: int | None
    engine: str | None
    detach: bool
    offline: bool
    no_sandbox: bool
    trust: str | None
    as_json: bool


def run_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of all commands that run something; they arrive as `flags`."""

    @functools.wraps(function)
    def with_flags(**options: Any) -> Any:
        flags = RunFlags(**{field.name: options.pop(field.name) for field in fields(RunFlags)})
        return function(flags=flags, **options)

    decorated: Callable[..., Any] = with_flags
    for option in (
        click.option(
            "--trust",
            metavar="DIGEST",
            help="Approve what a recipe runs, by the digest that was shown.",
        ),
        click.option(
            "--no-sandbox",
            is_flag=True,
            help="Run what you trust unconfined; the evidence says so.",
        ),
        click.option("--offline", is_flag=True, help="Use only what is in the cache."),
        click.option(
            "--jobs",
            type=click.IntRange(1),
            help="Runs at once. Default: as many as there are cores for.",
        ),
        click.option(
            "--detach",
            is_flag=True,
            help="Leave the runs to a cluster; the same command records them later.",
        ),
        click.option(
            "--engine",
            metavar="NAME",
            shell_complete=complete_engine,
            help="Where runs are made: local, slurm, ray, or a name in your engines.yaml.",
        ),
    ):
        decorated = option(decorated)
    return decorated


def run_session(
    project: "Project",
    recipe: "Recipe",
    program: "Program",
    flags: RunFlags,
    call: Callable[["Session"], Result],
) -> Result:
    """Call a function that runs something of a project; see `run_with_progress`."""
    from scaffold.running.session import Session

    return run_with_progress(
        program,
        flags,
        lambda progress, options: call(Session(project, recipe, progress, options)),
    )


def run_with_progress(
    program: "Program", flags: RunFlags, call: Callable[["RunProgress", "RunOptions"], Result]
) -> Result:
    """Call a function that runs something, with its progress shown.

    Where consent is missing and a user is there, show what would run, ask, and call again.
    """
    from scaffold.cli.progress import RunProgress
    from scaffold.running.session import RunOptions
    from scaffold.running.targets import find_target

    target = find_target(flags.engine)
    if flags.detach and target.kind != "slurm":
        raise UsageError(
            f"runs of {target.kind} end with the command that started them",
            hint="leave out --detach, or choose a Slurm cluster with --engine",
        )

    def attempt(trusted: str | None) -> Result:
        with RunProgress(program, quiet=flags.as_json) as progress:
            options = RunOptions(
                slots=flags.jobs,
                engine=target,
                detach=flags.detach,
                offline=flags.offline,
                sandboxed=not flags.no_sandbox,
                trust=trusted,
                on_bytes=progress.fetched,
                announce=progress.message,
            )
            return call(progress, options)

    trust = flags.trust
    while True:
        try:
            return attempt(trust)
        except Detached as detached:
            hint = "scaffold runs shows them; the same command records them when they have ended"
            if flags.as_json:
                print_json("detached", {"text": str(detached), "hint": hint})
            else:
                click.echo(f"{detached}\n  {hint}")
            raise click.exceptions.Exit(EXIT_UNDECIDED) from None
        except ConsentError as error:
            if flags.as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
                raise
            from scaffold.views.tables import plain

            click.echo(plain(error.message), err=True)
            if not click.confirm("Run this?", err=True):
                raise click.Abort from None
            # What was approved is remembered; a change may need it for both of its snapshots.
            trust = error.digest
