"""Where a project stands, and the one next action.

What was worked out is kept in `.scaffold/status.json` beside the size and time of every file it depends on, so that
asking again costs a few file look-ups and imports nothing heavy.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import scaffold
from scaffold.errors import BrokenFileError, MachineError
from scaffold.project import Project, write_json
from scaffold.records.judgement import Judgement, Word

if TYPE_CHECKING:
    from scaffold.records.recipe import Recipe


EXPECTED_SEEDS = 4
"""Seeds that the sequential test takes on average of a sound reference (docs/verdicts.md: 3.4 to 4.7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One milestone and its derived state."""

    id: str
    phase: str
    state: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Where a project stands.

    Attributes:
        evidence: `none`, `current` or `stale`; `stale_because` says why.
        uncommitted: why the evidence could not be committed, if that is so.
        word: of the stored judgement, if there is evidence; `seeds` are those it was made of.
        runs: completed full runs in `.scaffold/runs`, judged or not.
        command: the next thing to type; `why` says why, `about_s` how long it takes on this machine if known.
        can_change: whether another `scaffold verify` could change the word.
    """

    name: str
    recipe: str
    reference: str
    evidence: str
    stale_because: tuple[str, ...]
    uncommitted: str | None
    deviations: tuple[str, ...]
    word: str | None
    reason: str | None
    seeds: int
    runs: int
    milestones: tuple[Step, ...]
    command: str
    why: str
    about_s: float | None
    can_change: bool

    def as_mapping(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> "Status":
        """Read what `as_mapping` and JSON made of a status."""
        steps = tuple(Step(**step) for step in data["milestones"])
        return cls(
            **{
                **data,
                "milestones": steps,
                "stale_because": tuple(data["stale_because"]),
                "deviations": tuple(data["deviations"]),
            }
        )


def load_status(project: Project) -> Status:
    """Where the project stands now; from the cache if no file that matters has changed.

    Raises:
        BrokenFileError, ProjectError: recipe.yaml, milestones.yaml or the evidence cannot be read.
    """
    fingerprint = _fingerprint(project)
    cache = project.state / "status.json"
    try:
        stored = json.loads(cache.read_text() if cache.is_file() else "")
        if stored["fingerprint"] == fingerprint:
            return Status.from_mapping(stored["status"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass  # not there or not ours: work it out
    status = _work_out(project)
    with contextlib.suppress(MachineError):  # a read-only project can be looked at all the same
        write_json({"fingerprint": fingerprint, "status": status.as_mapping()}, cache)
    return status


def current_judgement(project: Project) -> Judgement | None:
    """The stored judgement if it still speaks of the project and nothing further would be run."""
    try:
        status = load_status(project)
    except BrokenFileError:
        return None  # broken evidence is about to be replaced; a broken recipe is told by whoever reads it next
    if status.evidence != "current" or status.can_change or status.uncommitted:
        return None
    return Judgement.from_mapping(json.loads(project.reproduction.read_text())["judgement"])


def _fingerprint(project: Project) -> list[Any]:
    """Changes when a file that the status depends on changes (size, time, inode)."""
    stamps: list[Any] = [scaffold.__version__]
    single = (
        project.recipe,
        project.milestones,
        project.calibration,
        project.lock,
        project.reproduction,
        project.runs,
        project.uncommitted,
    )
    for path in single:
        stamps.append(_stamp(path))
    pending = [str(project.root / name) for name in ("reference", "drivers", "patches", "data")]
    while pending:
        try:
            entries = sorted(os.scandir(pending.pop()), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)
            status = entry.stat(follow_symlinks=False)
            stamps.append([entry.name, status.st_size, status.st_mtime_ns, status.st_ino, status.st_mode])
    return stamps


def _stamp(path: Path) -> list[int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def _work_out(project: Project) -> Status:
    from scaffold.project import load_recipe, load_yaml
    from scaffold.records.recipe import reference_name
    from scaffold.rules.milestone import Milestones, derive_states
    from scaffold.rules.verdict import is_decided
    from scaffold.verify import find_stale, find_unjudged, read_evidence

    recipe = load_recipe(project)
    milestones = load_yaml(Milestones, project.milestones).milestones
    evidence = read_evidence(project)
    stale = find_stale(project, recipe, evidence) if evidence else []
    judgement = Judgement.from_mapping(evidence.judgement) if evidence else None
    word = judgement.word if judgement else None
    seeds = len({run.seed for run in evidence.runs}) if evidence else 0
    passed = {"reproduce"} if word is Word.REPRODUCED and not stale else set()
    states = derive_states(milestones, passed)
    unjudged = find_unjudged(project, recipe, evidence) if evidence and not stale else []
    can_change = judgement is None or bool(stale or unjudged) or not is_decided(judgement, recipe, seeds)
    uncommitted = project.uncommitted.read_text() if judgement and project.uncommitted.exists() else None
    runs = sum(1 for _ in project.runs.glob("seed-*"))
    command, why = _next(word, stale, can_change, uncommitted, runs, len(unjudged))
    mean_s = sum(run.wall_time_s for run in evidence.runs) / len(evidence.runs) if evidence else None
    return Status(
        name=project.root.name, recipe=recipe.id, reference=reference_name(recipe),
        evidence="none" if evidence is None else "stale" if stale else "current", stale_because=tuple(stale),
        uncommitted=uncommitted,
        deviations=judgement.deviations if judgement else tuple(recipe.deviations()), runs=runs,
        word=word.value if word else None, reason=judgement.reason if judgement else None, seeds=seeds,
        milestones=tuple(
            Step(id=step.id, phase=step.phase, state=states[step.id].value, title=step.title) for step in milestones
        ),
        command=command, why=why, can_change=can_change,
        about_s=expected_verify_s(recipe, mean_s) if command == "scaffold verify" else None,
    )  # fmt: skip


def expected_verify_s(recipe: "Recipe", mean_run_s: float | None = None) -> float:
    """How long `scaffold verify` takes here, from the mean time of runs here or else of the recipe's hardware."""
    from scaffold.resources import runs_at_once

    seeds = 1 if recipe.seeds.how == "none" else EXPECTED_SEEDS
    return (mean_run_s or recipe.resources.run_time_s) * -(-seeds // runs_at_once(recipe.resources))


def _next(
    word: Word | None, stale: list[str], can_change: bool, uncommitted: str | None, runs: int, unjudged: int
) -> tuple[str, str]:
    from scaffold.verify import REFERENCE_EDITED

    if REFERENCE_EDITED in stale:
        return "git checkout -- reference && git clean -fd reference", "reference/ was edited, and nothing holds of it"
    if word is None:
        if runs:
            return "scaffold verify", f"{runs} runs are there and not judged yet"
        return "scaffold verify", "nothing has been run yet: see whether the reference gives its published result here"
    if stale:
        return "scaffold verify", f"the evidence is stale: {'; '.join(stale)}"
    if unjudged:
        return "scaffold verify", f"{unjudged} runs are newer than the evidence"
    if uncommitted:
        return "scaffold verify", f"the evidence could not be committed: {uncommitted}"
    if word is Word.REPRODUCED:
        return (
            "pytest",
            "the published result is reproduced; this version does not guide tweak and rewrite yet",
        )
    if can_change:
        return "scaffold verify", "the seeds so far do not decide: run more"
    what = "is not reproduced" if word is Word.NOT_REPRODUCED else "cannot be decided by more seeds"
    return "scaffold verify", f"the published result {what}: read each finding's reason before you build on it"
