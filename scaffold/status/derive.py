"""Work out where a project stands, from its files and its git repository."""

from collections.abc import Sequence

from scaffold.git.repository import Repository
from scaffold.git.snapshots import snapshot_id, worktree_id
from scaffold.project.digests import file_digest, inputs_of
from scaffold.project.files import read_text
from scaffold.project.project import Project, load_recipe, load_yaml
from scaffold.records.judgment import ChangeJudgment, Judgment, Verdict
from scaffold.records.reason import Reason
from scaffold.records.recipe import Recipe, reference_name
from scaffold.records.tweak import ChangeEvidence
from scaffold.reproduce.duration import expected_verify_s
from scaffold.reproduce.evidence import read_evidence
from scaffold.reproduce.experiments import judged_experiments
from scaffold.reproduce.staleness import REFERENCE_EDITED, find_stale
from scaffold.reproduce.verify import find_unjudged
from scaffold.rules.milestones import Milestone, Milestones, derive_states
from scaffold.rules.reproduction.judge import is_decided
from scaffold.status.model import MilestoneStatus, NextAction, ProjectStatus, TweakStatus
from scaffold.status.next_action import ReproductionState, next_of_reproduction, next_of_tweak
from scaffold.tweak.base_branch import commit_before
from scaffold.tweak.staleness import find_stale_change
from scaffold.tweak.store import all_evidence, decided_names, find_tweak, read_change
from scaffold.user_state import Origin, origin_of


def derive_status(project: Project) -> ProjectStatus:
    """Work out where a project stands, from its files and its git repository."""
    recipe = load_recipe(project)
    milestones = load_yaml(Milestones, project.milestones).milestones
    evidence = read_evidence(project)
    stale = find_stale(project, recipe, evidence) if evidence else []
    judgment = Judgment.from_mapping(evidence.judgment) if evidence else None
    verdict = judgment.verdict if judgment else None
    seeds = len({run.seed for run in evidence.runs}) if evidence else 0
    origin = origin_of(evidence.checksum) if evidence else None
    is_trusted = origin is not Origin.OTHERS
    passed = {"reproduce"} if verdict is Verdict.REPRODUCED and not stale and is_trusted else set()
    tweak = _tweak_status(project)
    tried = all_evidence(project)
    milestones = _with_tweaks(milestones, tried, tweak)
    decided = {change.milestone: change.decision for change in tried if change.decision}
    passed |= {name for name, decision in decided.items() if decision == "accepted"}
    dropped = set(decided) | _dropped_unjudged(project, milestones)
    states = derive_states(milestones, passed, dropped - passed)
    unjudged = find_unjudged(project, recipe, evidence) if evidence and not stale else []
    can_change = (
        judgment is None or bool(stale or unjudged) or not is_decided(judgment, recipe, seeds)
    )
    uncommitted = (
        read_text(project.uncommitted) if judgment and project.uncommitted.exists() else None
    )
    runs = sum(1 for _ in project.runs.glob("seed-*"))
    is_edited = any(reason.code == REFERENCE_EDITED.code for reason in stale)
    action: NextAction
    if tweak is not None and not is_edited:
        action = next_of_tweak(tweak)
    else:
        runs_judged = evidence.runs if evidence else ()
        mean_s = (
            sum(run.wall_time_s for run in runs_judged) / len(runs_judged) if runs_judged else None
        )
        action = next_of_reproduction(
            project,
            recipe,
            ReproductionState(
                verdict=verdict,
                stale=tuple(stale),
                can_change=can_change,
                uncommitted=uncommitted,
                runs=_reference_runs(project, recipe) if evidence is None else runs,
                unjudged=len(unjudged),
                is_trusted=is_trusted,
                verify_s=expected_verify_s(recipe, mean_s),
                changed=_changed_recipe(project, recipe) if uncommitted else (),
            ),
        )
    under_way = f"{tweak.phase}-{tweak.name}" if tweak is not None else None
    return ProjectStatus(
        name=project.root.name,
        recipe=recipe.id,
        reference=reference_name(recipe),
        evidence=_evidence_state(evidence, stale),
        stale_reasons=tuple(stale),
        origin=origin.value if origin else None,
        uncommitted=uncommitted,
        deviations=judgment.deviations if judgment else tuple(recipe.deviations()),
        runs=runs,
        verdict=verdict.value if verdict else None,
        reason=judgment.reason if judgment else None,
        seeds=seeds,
        tweak=tweak,
        milestones=tuple(
            MilestoneStatus(
                id=step.id,
                phase=step.phase,
                state="under way" if step.id == under_way else states[step.id].value,
                title=step.title,
            )
            for step in milestones
        ),
        next=action,
        can_change=can_change,
        experiments={
            name: one.verdict.value if one else None
            for name, one in (judged_experiments(project, recipe) if recipe.experiments else ())
        },
    )


def _changed_recipe(project: Project, recipe: Recipe) -> tuple[str, ...]:
    """Return files of the recipe that differ from the last commit; none without a repository."""
    repository = Repository(project.root)
    if repository.find_top() != project.root:
        return ()
    return tuple(repository.changed_paths(["recipe.yaml", *recipe.recipe_files()]))


def _reference_runs(project: Project, recipe: Recipe) -> int:
    """Return how many runs of the reference lie here: those of src/ have other inputs."""
    if not project.lock.is_file():
        return 0
    lock = file_digest(project.lock)
    inputs = inputs_of(recipe, project.root, recipe.reference.tree, lock)
    return sum(1 for _ in project.runs.glob(f"seed-*-{inputs.digest[:12]}*"))


def _dropped_unjudged(project: Project, milestones: Sequence[Milestone]) -> set[str]:
    """Return milestones whose tweak was dropped before it was judged: git has a tag of it."""
    repository = Repository(project.root)
    names = decided_names(project, repository) if repository.find_id("HEAD") else set()
    return {step.id for step in milestones if step.id.partition("-")[2] in names}


def _evidence_state(evidence: object | None, stale: Sequence[Reason]) -> str:
    if evidence is None:
        return "none"
    return "stale" if stale else "current"


def _tweak_status(project: Project) -> TweakStatus | None:
    tweak = find_tweak(project)
    if tweak is None:
        return None
    repository = Repository(project.root)
    before = commit_before(project, repository, tweak)
    known = repository.find_id(f"{before}^{{commit}}") is not None
    evidence = read_change(project, tweak.name)
    stale = find_stale_change(project, tweak, evidence) if evidence else []
    judgment = evidence.judgment if evidence else {}
    reason = ChangeJudgment.from_mapping(judgment).reason if evidence else None
    return TweakStatus(
        name=tweak.name,
        phase=tweak.phase,
        kind=tweak.kind,
        expect=tweak.expect,
        changed=not known or snapshot_id(repository, before) != worktree_id(project),
        evidence=_evidence_state(evidence, stale),
        stale_reasons=tuple(stale),
        verdict=judgment.get("verdict"),
        reason=reason,
        refusal=judgment.get("refusal"),
        origin=origin_of(evidence.checksum).value if evidence else None,
    )


def _with_tweaks(
    milestones: tuple[Milestone, ...], tried: list[ChangeEvidence], tweak: TweakStatus | None
) -> tuple[Milestone, ...]:
    """Return the milestones of the file, then the tweaks that it does not name."""
    known = {step.id for step in milestones}
    expectations = {evidence.milestone: evidence.tweak.expect for evidence in tried}
    if tweak is not None:
        expectations.setdefault(f"{tweak.phase}-{tweak.name}", tweak.expect)
    additional = [
        Milestone.model_validate(
            {
                "id": name,
                "phase": name.partition("-")[0],
                "title": _title(name) + (f", expected: {expect}" if expect else ""),
                "after": ("reproduce",),
            }
        )
        for name, expect in expectations.items()
        if name not in known
    ]
    place = next(
        (index for index, step in enumerate(milestones) if step.phase == "rewrite"), len(milestones)
    )
    tweaks, rewrites = (
        [step for step in additional if step.phase == phase] for phase in ("tweak", "rewrite")
    )
    return (*milestones[:place], *tweaks, *milestones[place:], *rewrites)


def _title(milestone: str) -> str:
    return milestone.partition("-")[2].replace("-", " ")
