"""Format what a machine offers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scaffold.views.tables import (
    Paint,
    wrap,
)

if TYPE_CHECKING:
    from scaffold.doctor import Checked


_STATE_COLORS = {"ok": "green", "limited": "yellow", "missing": "red"}


def format_checked(checks: Sequence["Checked"], width: int, paint: Paint) -> str:
    """Format what a machine offers, one line each, with remedies for what is missing."""
    lines = []
    for checked in checks:
        first, *continuation = wrap(
            f"{checked.state:7}  {checked.name:14}{checked.detail}", width, hanging=25
        )
        lines += [
            first.replace(checked.state, paint(checked.state, _STATE_COLORS[checked.state]), 1),
            *continuation,
        ]
        if checked.remedy:
            lines += wrap(f"{'':23}{checked.remedy}", width, hanging=25)
    return "\n".join(lines)
