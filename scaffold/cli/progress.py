"""Show long work on standard error: a bar per run in a terminal, a line per event elsewhere."""

import functools
import math
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import click

from scaffold.records.evidence import Outcome, RunRecord
from scaffold.records.program import Program
from scaffold.views.tables import format_duration, plain


class RunProgress:
    """A `local.ProgressListener`, and what datasets call while they are fetched.

    Use as a context manager.
    """

    def __init__(self, program: Program, *, quiet: bool = False) -> None:
        self._total = program.progress.total if program.progress else None
        self._expected_s = program.resources.run_time_s
        self._quiet = quiet
        self._rows: dict[str, Any] = {}
        self._first_steps: dict[str, tuple[int, float]] = {}
        self._downloads: dict[str, Any] = {}
        self._live: Any = None
        self._note: Callable[[str], None] = self._echo
        if sys.stderr.isatty() and not quiet:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            self._live = Progress(
                TextColumn("  {task.description:10}"),
                BarColumn(bar_width=30),
                TextColumn("{task.fields[state]}"),
                console=Console(stderr=True),
                transient=True,
            )
            # An untrusted text is shown as it is: no markup, no control characters.
            self._note = functools.partial(self._live.console.print, markup=False, highlight=False)

    def __enter__(self) -> "RunProgress":
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()

    def _echo(self, text: str) -> None:
        if not self._quiet:
            click.echo(text, err=True)

    def planned(self, runs: int, at_once: int, run_s: float) -> None:
        """Say how long the runs that are expected to follow take in all."""
        all_s = math.ceil(runs / at_once) * run_s
        together = min(runs, at_once)
        self._note(
            f"  about {runs} more run{'s' if runs > 1 else ''} of {format_duration(run_s)}"
            f"{f', {together} at once' if together > 1 else ''}: about {format_duration(all_s)}"
        )

    def started(self, name: str) -> None:
        """Show that a run started."""
        self._first_steps.pop(name, None)
        if self._live:
            total = self._total or self._expected_s
            self._rows[name] = self._live.add_task(name, total=total, state="")
        else:
            self._note(f"  {name} started at {time.strftime('%H:%M:%S')}")

    def advanced(self, name: str, step: int, elapsed_s: float) -> None:
        """Move the bar, and say how long it will still take."""
        if not self._live or name not in self._rows:
            return
        if self._total and not step:
            self._live.update(
                self._rows[name], state=f"starting, {format_duration(elapsed_s)} so far"
            )
        elif self._total:
            # What a program does before its first step says nothing of how long steps take.
            first, began_s = self._first_steps.setdefault(name, (step, elapsed_s))
            state = f"step {step} of {self._total}"
            if step > first:
                left_s = (elapsed_s - began_s) / (step - first) * max(self._total - step, 0)
                state += f", {format_duration(left_s)} left"
            self._live.update(self._rows[name], completed=min(step, self._total), state=state)
        else:
            left_s = self._expected_s - elapsed_s
            state = (
                f"about {format_duration(left_s)} left"
                if left_s > 0
                else f"{format_duration(elapsed_s)} so far"
            )
            self._live.update(
                self._rows[name], completed=min(elapsed_s, 0.99 * self._expected_s), state=state
            )

    def ended(self, name: str, record: RunRecord) -> None:
        """Replace the bar of a finished run by a line with its result."""
        if self._live and name in self._rows:
            self._live.remove_task(self._rows.pop(name))
        values = ", ".join(f"{key} {value.value:.5g}" for key, value in record.metrics.items())
        result = (
            values
            if record.outcome is Outcome.COMPLETED
            else f"{record.outcome.value}: {record.reason}"
        )
        self._note(f"  {name}  {format_duration(record.wall_time_s)}  {plain(result)}")
        if record.confinement.denied:
            self._note(f"    the sandbox denied: {plain('; '.join(record.confinement.denied[:5]))}")

    def message(self, text: str) -> None:
        """Show what the next runs are for, or what they have shown so far."""
        self._note(f"  {plain(text)}")

    def fetched(self, name: str, here_bytes: int, total_bytes: int | None) -> None:
        """Show how much of a dataset has been downloaded."""
        if not self._live:
            return
        if name not in self._downloads:
            self._downloads[name] = self._live.add_task(name, total=total_bytes, state="")
        of = f" of {total_bytes / 1e6:.1f}" if total_bytes else ""
        self._live.update(
            self._downloads[name], completed=here_bytes, state=f"{here_bytes / 1e6:.1f}{of} MB"
        )
        if here_bytes == total_bytes:
            self._live.remove_task(self._downloads.pop(name))
