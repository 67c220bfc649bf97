"""What can go wrong, as data; `cli` turns it into text and an exit code.

A verdict that turns out badly is never an exception. Nothing here prints.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class ScaffoldError(Exception):
    """A user's or a machine's mistake that has a clear message.

    Args:
        message: what is wrong, with the actual value.
        hint: what to type or change next.
        cause: the reason alone, as another program gave it; the whole message where there is no
            other.
    """

    def __init__(self, message: str, *, hint: str | None = None, cause: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.cause = cause or message


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong in one file: `source:line: where: message`."""

    source: str
    line: int
    where: str
    message: str

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        return f"{self.source}:{self.line}: {where}{self.message}"


class BrokenFileError(ScaffoldError):
    """A file that the user wrote or edited is invalid; lists every problem at once."""

    def __init__(self, title: str, problems: Sequence[Problem], *, hint: str | None = None) -> None:
        count = len(problems)
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"{title} has {count} problem{'s' * (count != 1)}{lines}", hint=hint)
        self.problems = tuple(problems)


class UsageError(ScaffoldError):
    """What was asked for does not exist or cannot be combined: the command line must change."""


class ConsentError(UsageError):
    """Nobody has approved what would run; `digest` stands for it."""

    def __init__(self, message: str, *, hint: str, digest: str) -> None:
        super().__init__(message, hint=hint)
        self.digest = digest


class ProjectError(ScaffoldError):
    """The project is not in a state in which this can be done."""


class FetchError(ScaffoldError):
    """A pinned thing could not be had, or is not what its pin says."""


class PackagesError(FetchError):
    """No environment can be made of the packages that are asked for."""


class RunError(ScaffoldError):
    """A run could not be started or read."""


class BusyError(ProjectError):
    """Another scaffold command is at work in the project."""


class MachineError(ScaffoldError):
    """This machine lacks something: disk, permission, a program."""


class Detached(Exception):  # noqa: N818 - nothing went wrong
    """Runs were handed to an engine, and a later command records them."""


class InstallationError(ScaffoldError):
    """This installation of mlloop-new is not whole."""
