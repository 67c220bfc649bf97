"""Format where a project stands."""

from scaffold.status.model import ProjectStatus, Purpose
from scaffold.user_state import Origin
from scaffold.views.tables import (
    Paint,
    format_duration,
    labelled,
    plain,
    wrap,
)

_EDITS = {
    Purpose.EDIT: "edit src/ or system.yaml, then ",
    Purpose.CORRECT: "correct src/, then ",
}
_STATES = {
    "passed": "green",
    "under way": "cyan",
    "open": "yellow",
    "locked": "bright_black",
    "dropped": "bright_black",
}


def format_status(status: ProjectStatus, width: int, paint: Paint) -> str:
    """Format where a project stands, and the next command."""
    lines = [
        f"  {plain(status.name)}  reproduces {plain(status.reference)} (recipe {status.recipe})",
        "",
    ]
    for step in status.milestones:
        lines.append(
            f"  {paint(f'{step.state:10}', _STATES[step.state])}{step.phase:11}{plain(step.title)}"[
                : width + 20
            ]
        )
    evidence = {
        "none": "none yet",
        "current": (
            f"{status.verdict} from {status.seeds}"
            f" seed{'s' * (status.seeds != 1)}{_judged_by(status.origin)}"
        ),
        "stale": "stale",
    }
    lines += ["", f"  Evidence   {evidence[status.evidence]}"]
    notes = [*map(str, status.stale_reasons), *(f"deviation: {text}" for text in status.deviations)]
    lines += [
        line for note in notes for line in wrap(f"           {plain(note)}", width, hanging=13)
    ]
    for name, one in status.experiments.items():
        lines.append(f"  Experiment {plain(name)}: {one or 'not judged yet'}")
    if status.tweak is not None:
        tweak = status.tweak
        verdict = f"{tweak.verdict}{_judged_by(tweak.origin)}"
        evidence_text = {
            "none": "not judged yet",
            "current": verdict,
            "stale": f"{verdict}, but stale",
        }
        lines += wrap(
            f"{tweak.phase.capitalize():10} {tweak.name} ({tweak.kind}):"
            f" {evidence_text[tweak.evidence]}",
            width,
            hanging=13,
        )
    return "\n".join([*lines, format_next(status, width, paint)])


def _judged_by(origin: str | None) -> str:
    return f" ({origin})" if origin and origin != Origin.HERE.value else ""


def format_next(status: ProjectStatus, width: int, paint: Paint) -> str:
    """Format the one next action: the command, how long it takes, why."""
    action = status.next
    about = f"   about {format_duration(action.about_s)} on this machine" if action.about_s else ""
    why = labelled("", plain(action.why), width)
    edit = _EDITS.get(action.purpose, "")
    return "\n".join([f"  Next       {edit}{paint(action.command, 'cyan')}{about}", *why])
