"""What `scaffold ship` said last, kept for the commands after it."""

from collections.abc import Sequence

from scaffold.probes.analyzed import present_state
from scaffold.project.goal import read_goal
from scaffold.project.project import Project
from scaffold.project.signed import read_signed, write_signed

_TITLE = "shipping"


def remember_shipping(project: Project, reasons: Sequence[str]) -> None:
    """Keep why the present program is NO-GO by the present goal, signed; empty for GO."""
    content = {**_present(project), "reasons": list(reasons)}
    write_signed(project.last_shipping, project, _TITLE, content)


def last_shipping(project: Project) -> tuple[str, ...] | None:
    """Return why the present program was NO-GO by the present goal; empty where it was GO.

    None where `scaffold ship` was not asked about them.
    """
    content = read_signed(project.last_shipping, project, _TITLE)
    if content is None or any(content.get(key) != one for key, one in _present(project).items()):
        return None
    return tuple(map(str, content["reasons"]))


def _present(project: Project) -> dict[str, object]:
    return {
        "state": present_state(project),
        "goal": read_goal(project).model_dump(mode="json"),
    }
