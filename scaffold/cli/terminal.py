"""What is printed: JSON, colors, and how wide the terminal is."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from typing import Any

import click


def print_json(kind: str, content: Mapping[str, Any]) -> None:
    """Print one answer of `views.kinds`."""
    from scaffold.views.kinds import answer

    click.echo(json.dumps(answer(kind, content), indent=1, allow_nan=False))


def width() -> int:
    """Return the columns of the terminal, or plenty where there is none."""
    return min(max(shutil.get_terminal_size((140, 24)).columns, 40), 140)


def paint_for(stream: Any) -> Callable[[str, str], str]:
    """Return colors for a terminal; none for a pipe, with NO_COLOR, or on a dumb terminal."""
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return lambda text, _: text
    return lambda text, color: click.style(text, fg=color, bold=color != "bright_black")
