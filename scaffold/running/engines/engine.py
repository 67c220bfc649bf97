"""What every engine does: takes prepared runs, and says which have ended, and how."""

from collections.abc import Sequence
from typing import Protocol

from scaffold.records.engine import Execution
from scaffold.running.launcher import Running


class Engine(Protocol):
    """A place where runs are made. One object serves one set of runs."""

    def submit(self, runs: Sequence[Running]) -> None:
        """Have prepared runs executed as soon as there is room."""

    def wait(self, runs: Sequence[Running]) -> list[tuple[Running, Execution]]:
        """Wait a moment; return those of the submitted runs that have ended."""

    def elapsed_s(self, run: Running) -> float | None:
        """Return how long a run has been executed; None while it waits for its turn."""

    def stop(self, runs: Sequence[Running]) -> Sequence[Running]:
        """End runs with all their processes; return those whose folders are to be removed."""

    def message(self) -> str:
        """Return what a user should know of runs that wait; empty for nothing new."""
