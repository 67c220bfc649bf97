"""What a status says, as data. Imports nothing heavy: a stored status is shown again at no cost."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from scaffold.records.reason import Reason
from scaffold.user_state import Origin


class Purpose(str, Enum):
    """What the next action is for."""

    RESTORE = "restore"
    VERIFY = "verify"
    EDIT = "edit"
    CALIBRATE = "calibrate"
    COMMIT = "commit"
    BUILD_ANYWAY = "build_anyway"
    SWITCH = "switch"
    ANALYZE = "analyze"
    LOOK_AT_ERRORS = "look_at_errors"
    SHIP = "ship"
    START_TWEAK = "start_tweak"
    START_REWRITE = "start_rewrite"
    ACCEPT = "accept"
    DROP = "drop"
    CORRECT = "correct"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class NextAction:
    """The one next action.

    Attributes:
        purpose: what it is for.
        command: to paste into a shell; of EDIT and CORRECT once the files are edited.
        why: one sentence.
        about_s: seconds that it takes on this machine, if known.
    """

    purpose: Purpose
    command: str
    why: str
    about_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MilestoneStatus:
    """One milestone and its derived state."""

    id: str
    phase: str
    state: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TweakStatus:
    """The tweak that is under way.

    Attributes:
        phase: tweak, or rewrite.
        changed: whether anything differs from the snapshot before.
        evidence: `none`, `current` or `stale`; `stale_reasons` says why.
        verdict, reason, refusal: of its judgment, if there is one; `refusal` is why it is not to be
            accepted.
        origin: who judged it, as `user_state.Origin` says; None without evidence.
    """

    name: str
    phase: str
    kind: str
    expect: str
    changed: bool
    evidence: str
    stale_reasons: tuple[Reason, ...]
    verdict: str | None
    reason: str | None
    refusal: str | None
    origin: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectStatus:
    """Where a project stands.

    Attributes:
        evidence: `none`, `current` or `stale`; `stale_reasons` says why.
        origin: who judged it, as `user_state.Origin` says; None without evidence.
        uncommitted: why the evidence could not be committed, if that is so.
        verdict: of the stored judgment, if there is evidence; `seeds` are those it was made of.
        runs: completed full runs in `.scaffold/runs`, judged or not.
        tweak: the one that is under way here.
        next: the next thing to type, and why.
        experiments: of a recipe with several, the verdict of each by name; None where it is not
            judged yet, or not anew since something changed.
        can_change: whether another `scaffold verify` could change the verdict.
    """

    name: str
    recipe: str
    reference: str
    evidence: str
    origin: str | None
    stale_reasons: tuple[Reason, ...]
    uncommitted: str | None
    deviations: tuple[Reason, ...]
    verdict: str | None
    reason: str | None
    seeds: int
    runs: int
    milestones: tuple[MilestoneStatus, ...]
    tweak: TweakStatus | None
    next: NextAction
    can_change: bool
    experiments: Mapping[str, str | None]

    def as_mapping(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> "ProjectStatus":
        """Read what `as_mapping` and JSON made of a status."""
        tweak, action = data["tweak"], data["next"]
        if tweak is not None:
            tweak = TweakStatus(**{**tweak, "stale_reasons": _reasons(tweak["stale_reasons"])})
        return cls(
            **{
                **data,
                "milestones": tuple(
                    MilestoneStatus(**milestone) for milestone in data["milestones"]
                ),
                "tweak": tweak,
                "next": NextAction(**{**action, "purpose": Purpose(action["purpose"])}),
                "stale_reasons": _reasons(data["stale_reasons"]),
                "deviations": _reasons(data["deviations"]),
            }
        )


def _reasons(stored: Any) -> tuple[Reason, ...]:
    return tuple(Reason(**reason) for reason in stored)


def is_by_others(origin: str | None) -> bool:
    """Return whether others judged it, and nothing of it was checked here."""
    return origin == Origin.OTHERS.value
