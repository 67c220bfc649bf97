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
from scaffold.errors import BrokenFileError, MachineError, ProjectError, ScaffoldError
from scaffold.person import Origin, origin_of, sign
from scaffold.project import Project, read_text, write_json
from scaffold.records.judgement import ChangeJudgement, Judgement, Word

if TYPE_CHECKING:
    from scaffold.records.recipe import Recipe
    from scaffold.records.tweak import ChangeEvidence, Tweak
    from scaffold.rules.milestone import Milestone


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
class TweakStatus:
    """The tweak that is under way.

    Attributes:
        phase: tweak, or rewrite.
        changed: whether anything differs from the state before.
        evidence: `none`, `current` or `stale`; `stale_because` says why.
        word, reason, refusal: of its judgement, if there is one; `refusal` is why it is not to be accepted.
        origin: who judged it, as `person.Origin` says; None without evidence.
    """

    name: str
    phase: str
    kind: str
    expect: str
    changed: bool
    evidence: str
    stale_because: tuple[str, ...]
    word: str | None
    reason: str | None
    refusal: str | None
    origin: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Where a project stands.

    Attributes:
        evidence: `none`, `current` or `stale`; `stale_because` says why.
        origin: who judged it, as `person.Origin` says; None without evidence.
        uncommitted: why the evidence could not be committed, if that is so.
        word: of the stored judgement, if there is evidence; `seeds` are those it was made of.
        runs: completed full runs in `.scaffold/runs`, judged or not.
        tweak: the one that is under way here.
        command: the next thing to type; `why` says why, `about_s` how long it takes on this machine if known.
        can_change: whether another `scaffold verify` could change the word.
    """

    name: str
    recipe: str
    reference: str
    evidence: str
    origin: str | None
    stale_because: tuple[str, ...]
    uncommitted: str | None
    deviations: tuple[str, ...]
    word: str | None
    reason: str | None
    seeds: int
    runs: int
    milestones: tuple[Step, ...]
    tweak: TweakStatus | None
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
        tweak = data["tweak"]
        if tweak is not None:
            tweak = TweakStatus(**{**tweak, "stale_because": tuple(tweak["stale_because"])})
        return cls(
            **{
                **data,
                "milestones": steps,
                "tweak": tweak,
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
    cache = project.cached_status
    try:
        stored = json.loads(read_text(cache) if cache.is_file() else "")
        signature = stored.pop("signature")
        if stored["fingerprint"] == fingerprint and signature == _signature(project, stored):
            return Status.from_mapping(stored["status"])
    except (ScaffoldError, OSError, ValueError, KeyError, TypeError, RecursionError):
        pass  # not there or not ours: work it out
    status = _work_out(project)
    with contextlib.suppress(MachineError):  # a read-only project can be looked at all the same
        kept = {"fingerprint": fingerprint, "status": status.as_mapping()}
        write_json({**kept, "signature": _signature(project, kept)}, cache)
        for partial in cache.parent.glob(f".{cache.name}.*"):  # of a killed one; of one at work, which tries again
            partial.unlink(missing_ok=True)
    return status


def _signature(project: Project, kept: Mapping[str, Any]) -> str:
    """Return what shows that this user worked a status out: one that came with a project may say anything."""
    return sign(f"status of {project.root}: {json.dumps(kept, sort_keys=True)}")


def current_judgement(project: Project) -> Judgement | None:
    """The stored judgement if it still speaks of the project and nothing further would be run."""
    try:
        status = load_status(project)
    except BrokenFileError:
        return None  # broken evidence is about to be replaced; a broken recipe is told by whoever reads it next
    if status.evidence != "current" or status.can_change or status.uncommitted or _is_by_others(status.origin):
        return None
    return Judgement.from_mapping(json.loads(read_text(project.reproduction))["judgement"])


def _is_by_others(origin: str | None) -> bool:
    return origin == Origin.OTHERS.value


def is_tweak_under_way(project: Project) -> bool:
    """Whether `scaffold verify` is about a tweak; from the cache where that is possible."""
    try:
        return load_status(project).tweak is not None
    except BrokenFileError:  # such as evidence that is about to be replaced
        from scaffold.ledger import find_tweak

        return find_tweak(project) is not None


def current_change(project: Project, tweak: "Tweak") -> "ChangeEvidence | None":
    """The stored evidence of a tweak if it still speaks of what lies in the work tree."""
    from scaffold.ledger import read_change
    from scaffold.recheck import find_stale_change

    try:
        evidence = read_change(project, tweak.name)
    except BrokenFileError:
        return None  # it is about to be replaced
    if evidence is None or find_stale_change(project, tweak, evidence) or origin_of(evidence.seal) is Origin.OTHERS:
        return None
    return evidence


def require_reproduced(project: Project) -> None:
    """Raise ProjectError unless the reference's published result was reproduced here, by evidence that still holds."""
    status = load_status(project)
    if status.word != Word.REPRODUCED.value or status.evidence != "current" or _is_by_others(status.origin):
        found = status.word or "nothing yet"
        found += f", {status.origin}" if _is_by_others(status.origin) else ""
        stale = f", and stale: {'; '.join(status.stale_because)}" if status.stale_because else ""
        raise ProjectError(
            f"tweaks are locked until the reference gives its published result here; the evidence says {found}{stale}",
            hint='scaffold verify --reproduction; or begin all the same, on record: --because "..."',
        )


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
        project.system,
        project.system_source.lock,
    )
    for path in single:
        stamps.append(_stamp(path))
    git_dir = _git_dir(project)
    stamps += [_stamp(git_dir / name) for name in ("HEAD", "index", "packed-refs", "MERGE_HEAD")]
    watched = ("reference", "drivers", "patches", "data", "src", "tweaks", "evidence")
    pending = [*(str(project.root / name) for name in watched), str(git_dir / "refs")]
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


def _git_dir(project: Project) -> Path:
    """Where git keeps its state; of a linked work tree what is shared is not looked at."""
    place = project.root / ".git"
    if place.is_file():
        with contextlib.suppress(OSError, ValueError):
            return Path(place.read_text().partition("gitdir: ")[2].strip())
    return place


def _stamp(path: Path) -> list[int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def _work_out(project: Project) -> Status:
    from scaffold.guide import next_of_reproduction, next_rung_of
    from scaffold.ledger import all_evidence
    from scaffold.project import load_recipe, load_yaml
    from scaffold.records.recipe import reference_name
    from scaffold.rules.milestone import Milestones, derive_states
    from scaffold.rules.verdict import is_decided
    from scaffold.verify import REFERENCE_EDITED, find_stale, find_unjudged, read_evidence

    recipe = load_recipe(project)
    milestones = load_yaml(Milestones, project.milestones).milestones
    evidence = read_evidence(project)
    stale = find_stale(project, recipe, evidence) if evidence else []
    judgement = Judgement.from_mapping(evidence.judgement) if evidence else None
    word = judgement.word if judgement else None
    seeds = len({run.seed for run in evidence.runs}) if evidence else 0
    origin = origin_of(evidence.seal) if evidence else None
    is_trusted = origin is not Origin.OTHERS
    passed = {"reproduce"} if word is Word.REPRODUCED and not stale and is_trusted else set()
    tweak = _tweak_status(project)
    tried = all_evidence(project)
    milestones = _with_tweaks(milestones, tried, tweak)
    decided = {change.milestone: change.decision for change in tried if change.decision}
    passed |= {name for name, decision in decided.items() if decision == "accepted"}
    states = derive_states(milestones, passed, {name for name in decided if name not in passed})
    unjudged = find_unjudged(project, recipe, evidence) if evidence and not stale else []
    can_change = judgement is None or bool(stale or unjudged) or not is_decided(judgement, recipe, seeds)
    uncommitted = read_text(project.uncommitted) if judgement and project.uncommitted.exists() else None
    runs = sum(1 for _ in project.runs.glob("seed-*"))
    command, why = next_of_reproduction(
        word, stale, can_change, uncommitted, runs, len(unjudged), bool(recipe.calibration)
    )
    if evidence is not None and not stale and not is_trusted:
        command, why = "scaffold verify", "the evidence was made by others: one of its seeds is run here to check it"
    if tweak is not None and REFERENCE_EDITED not in stale:
        command, why = _next_of_tweak(tweak)
    elif command == "pytest":
        command, why = next_rung_of(project, recipe)
    runs_judged = evidence.runs if evidence else ()
    mean_s = sum(run.wall_time_s for run in runs_judged) / len(runs_judged) if runs_judged else None
    return Status(
        name=project.root.name, recipe=recipe.id, reference=reference_name(recipe),
        evidence="none" if evidence is None else "stale" if stale else "current", stale_because=tuple(stale),
        origin=origin.value if origin else None,
        uncommitted=uncommitted,
        deviations=judgement.deviations if judgement else tuple(recipe.deviations()), runs=runs,
        word=word.value if word else None, reason=judgement.reason if judgement else None, seeds=seeds,
        tweak=tweak,
        milestones=tuple(
            Step(id=step.id, phase=step.phase, state=states[step.id].value, title=step.title) for step in milestones
        ),
        command=command, why=why, can_change=can_change,
        about_s=expected_verify_s(recipe, mean_s) if command == "scaffold verify" and tweak is None else None,
    )  # fmt: skip


def expected_verify_s(recipe: "Recipe", mean_run_s: float | None = None) -> float:
    """How long `scaffold verify` takes here, from the mean time of runs here or else of the recipe's hardware."""
    from scaffold.resources import runs_at_once

    seeds = 1 if recipe.seeds.how == "none" else EXPECTED_SEEDS
    return (mean_run_s or recipe.resources.run_time_s) * -(-seeds // runs_at_once(recipe.resources))


def _tweak_status(project: Project) -> TweakStatus | None:
    from scaffold.ledger import find_tweak, read_change, state_before
    from scaffold.recheck import find_stale_change
    from scaffold.repository import Repository
    from scaffold.states import state_id, worktree_id

    tweak = find_tweak(project)
    if tweak is None:
        return None
    repository = Repository(project.root)
    before = state_before(project, repository, tweak)
    known = repository.find_id(f"{before}^{{commit}}") is not None
    evidence = read_change(project, tweak.name)
    stale = find_stale_change(project, tweak, evidence) if evidence else []
    judgement = evidence.judgement if evidence else {}
    reason = ChangeJudgement.from_mapping(judgement).reason if evidence else None
    return TweakStatus(
        name=tweak.name, phase=tweak.phase, kind=tweak.kind, expect=tweak.expect,
        changed=not known or state_id(repository, before) != worktree_id(project),
        evidence="none" if evidence is None else "stale" if stale else "current", stale_because=tuple(stale),
        word=judgement.get("word"), reason=reason, refusal=judgement.get("refusal"),
        origin=origin_of(evidence.seal).value if evidence else None,
    )  # fmt: skip


def _with_tweaks(
    milestones: "tuple[Milestone, ...]", tried: "list[ChangeEvidence]", tweak: TweakStatus | None
) -> "tuple[Milestone, ...]":
    """The milestones of the file, then the tweaks that it does not name."""
    from scaffold.rules.milestone import Milestone

    known = {step.id for step in milestones}
    found = {evidence.milestone: evidence.tweak.expect for evidence in tried}
    if tweak is not None:
        found.setdefault(f"{tweak.phase}-{tweak.name}", tweak.expect)
    more = [
        Milestone.model_validate(
            {"id": name, "phase": name.partition("-")[0], "title": ": ".join(filter(None, [_title(name), expect])),
             "after": ("reproduce",)}
        )
        for name, expect in found.items()
        if name not in known
    ]  # fmt: skip
    place = next((index for index, step in enumerate(milestones) if step.phase == "rewrite"), len(milestones))
    tweaks, rewrites = ([step for step in more if step.phase == phase] for phase in ("tweak", "rewrite"))
    return (*milestones[:place], *tweaks, *milestones[place:], *rewrites)


def _next_of_tweak(tweak: TweakStatus) -> tuple[str, str]:
    which = f"{tweak.phase} {tweak.name}"
    if not tweak.changed:
        what = f": {tweak.expect}" if tweak.expect else ""
        return "scaffold verify", f"{which} is open, nothing has changed yet: edit src/ or system.yaml{what}"
    if tweak.evidence == "none":
        return "scaffold verify", f"{which} was not judged yet"
    if tweak.evidence == "stale":
        return "scaffold verify", f"the evidence of {which} is stale: {'; '.join(tweak.stale_because)}"
    if _is_by_others(tweak.origin):
        return "scaffold verify", f"{which} was judged by others: its runs are made here, too"
    if tweak.refusal is None:
        must = "as a rewrite must be" if tweak.phase == "rewrite" else f"as a tweak of kind {tweak.kind} must be"
        return f"scaffold {tweak.phase} accept", f"{which} is {tweak.word}, {must}"
    if tweak.phase == "rewrite":
        return "scaffold verify", f"{which}: {tweak.refusal}; correct src/ and verify again, or scaffold rewrite drop"
    return "scaffold tweak drop", f"{which} is {tweak.word}: {tweak.refusal}; or change it and verify again"


def _title(milestone: str) -> str:
    return milestone.partition("-")[2].replace("-", " ")
