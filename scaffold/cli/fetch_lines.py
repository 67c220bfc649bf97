"""Say how far a fetch from a git repository is, if it takes long."""

import time

import click

from scaffold.git.fetch_progress import FetchProgress
from scaffold.views.tables import format_duration, plain

_FIRST_S, _EVERY_S = 2.0, 5.0


class FetchLines:
    """A line on standard error after two seconds of a fetch, and every five from then on."""

    def __init__(self) -> None:
        self._url = self._phase = ""
        self._began = self._next = 0.0

    def show(self, progress: FetchProgress) -> None:
        """Print a line if it is time for one."""
        now = time.monotonic()
        if progress.url != self._url:
            self._url, self._next = progress.url, now + _FIRST_S
        if progress.phase != self._phase:
            self._phase, self._began = progress.phase, now
        if now < self._next:
            return
        self._next = now + _EVERY_S
        seconds_left = (now - self._began) * (100 - progress.percent) / max(progress.percent, 1)
        words = [f"{progress.percent} %", progress.amount]
        words += [f"about {format_duration(seconds_left)} left"] if progress.percent else []
        text = ", ".join(word for word in words if word)
        click.echo(f"  fetching {plain(progress.url)}: {progress.phase.lower()} {text}", err=True)
