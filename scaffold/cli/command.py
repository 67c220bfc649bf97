"""Make a command: its project, its errors, its exit status."""

import contextlib
import errno
import functools
import io
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from scaffold import __version__
from scaffold.cli.fetch_lines import FetchLines
from scaffold.cli.terminal import paint_for, print_json
from scaffold.errors import (
    BrokenFileError,
    BusyError,
    ConsentError,
    MachineError,
    ProjectError,
    ScaffoldError,
    UsageError,
)
from scaffold.git.fetch_progress import listener
from scaffold.records.judgment import Verdict

if TYPE_CHECKING:
    from scaffold.project.project import Project

EXIT_OF_VERDICT = {Verdict.REPRODUCED: 0, Verdict.NOT_REPRODUCED: 1, Verdict.INCONCLUSIVE: 3}
EXIT_UNDECIDED, EXIT_REFUSED = 3, 1
_EXIT_USAGE, EXIT_FAILED, _EXIT_INTERRUPTED = 2, 4, 130


class _Command(click.Command):
    """A command that answers wrong usage in JSON, too, where JSON was asked for."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        words = list(args)  # click takes them away
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if "--json" not in words:
                raise
            wrong = UsageError(error.format_message(), hint=f"{ctx.command_path} --help")
            _print_error(wrong, as_json=True)
            raise click.exceptions.Exit(_EXIT_USAGE) from error


def command(name: str, help_text: str) -> Callable[[Callable[..., int | None]], click.Command]:
    """Make a click command of a function; it returns its exit status. Adds --json and --debug."""

    def decorate(function: Callable[..., int | None]) -> click.Command:
        @functools.wraps(function)
        def guarded(*, as_json: bool, debug: bool, **arguments: Any) -> None:
            if not as_json:
                listener.set(FetchLines().show)
            sys.exit(
                _guard(lambda: function(as_json=as_json, **arguments), as_json=as_json, debug=debug)
            )

        option_decorator: Any = click.option(
            "--debug", is_flag=True, help="Show a traceback when something goes wrong."
        )(guarded)
        option_decorator = click.option(
            "--json", "as_json", is_flag=True, help="Print JSON, for programs."
        )(option_decorator)
        settings = {"help_option_names": ["-h", "--help"]}
        option_decorator = click.command(
            name, cls=_Command, help=help_text, context_settings=settings
        )(option_decorator)
        result: click.Command = option_decorator
        return result

    return decorate


def open_project(writes: str | None = None) -> "Project":
    """Return the project here, after completing a command that was killed while it changed files.

    Args:
        writes: the command that is about to change the project, without `scaffold`; it holds the
            project's lock until it ends. None for one that only reads.

    Raises:
        BusyError: another command is changing the project.
        click.exceptions.Exit: the killed command was this one: it is done.
    """
    from pathlib import Path

    from scaffold.project.lock import only_one
    from scaffold.project.project import find_project

    project = find_project(Path.cwd())
    context = click.get_current_context()
    if writes is not None:
        context.with_resource(only_one(project))
    if not os.path.lexists(project.journal_of_move):
        return project
    from scaffold.git.transaction import complete_interrupted

    with contextlib.nullcontext() if writes is not None else contextlib.suppress(BusyError):
        completed = complete_interrupted(project)
        if completed is not None:
            click.echo(f"Completed `scaffold {completed}`, which was cut off", err=True)
            # Which goes on: its exit status is that of the verdict.
            if completed == writes and writes != "verify":
                if context.params.get("as_json"):
                    print_json("completed", {"completed": completed})
                raise click.exceptions.Exit(0)
            return find_project(Path.cwd())
    return project


def _guard(call: Callable[[], int | None], *, as_json: bool, debug: bool) -> int:
    try:
        _prepare_process()
        return call() or 0
    except (KeyboardInterrupt, click.Abort):
        text = "Interrupted; what was complete is kept, nothing half-made is."
        if as_json:
            print_json("interrupted", {"error": text})
        click.echo(f"\n{text}", err=True)
        return _EXIT_INTERRUPTED
    except ScaffoldError as error:
        if debug:
            traceback.print_exc()
        _print_error(error, as_json=as_json)
        return (
            _EXIT_USAGE
            if isinstance(error, (UsageError, BrokenFileError, ProjectError))
            else EXIT_FAILED
        )
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (click.ClickException, click.exceptions.Exit):
        raise  # click's own: it prints them
    except Exception as error:
        if debug:
            traceback.print_exc()
        _print_error(_as_ours(error), as_json=as_json)
        return EXIT_FAILED


_OF_THE_MACHINE = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EMFILE,
    errno.ENFILE,
    errno.EIO,
    errno.ENOMEM,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
}
"""Reasons of the operating system that the user can mend; any other is a defect of ours."""


def _as_ours(error: Exception) -> ScaffoldError:
    """Return what to tell of an error that nobody expected."""
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        return MachineError(f"{error.filename or 'a file'}: {error.strerror or error}")
    return ScaffoldError(
        f"this is a defect of mlloop-new {__version__}, not yours: {type(error).__name__}: {error}",
        hint="please report it with what --debug prints",
    )


def _prepare_process() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Asked to end, it cleans up as after Ctrl-C.
        signal.signal(number, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that this terminal cannot write


def _print_error(error: ScaffoldError, *, as_json: bool) -> None:
    if as_json:
        extra = {"trust": error.digest} if isinstance(error, ConsentError) else {}
        print_json(
            "error",
            {"error": error.message, "hint": error.hint, "type": type(error).__name__, **extra},
        )
        return
    from scaffold.views.tables import plain

    head, *details = plain(error.message).split("\n")
    click.echo(paint_for(sys.stderr)("Error: ", "red") + head, err=True)
    for line in details:
        click.echo(line, err=True)
    if error.hint:
        click.echo(f"  {plain(error.hint)}", err=True)
