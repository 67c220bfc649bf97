"""The one next action: the command to paste, and why."""

import shlex
from collections.abc import Collection
from dataclasses import dataclass, replace

from scaffold.git.repository import Repository
from scaffold.git.snapshots import PATHS, snapshot_id, worktree_id
from scaffold.probes.analyzed import last_analysis
from scaffold.project.project import Project
from scaffold.records.judgment import Verdict
from scaffold.records.reason import Reason
from scaffold.records.recipe import Recipe
from scaffold.reproduce.staleness import REFERENCE_EDITED
from scaffold.rewrite.parts import rewrite_name
from scaffold.rules.loop.case import Bottleneck, Diagnosis
from scaffold.rules.loop.remedies import cheapest_untried
from scaffold.rules.milestones import next_suggestion
from scaffold.status.model import NextAction, Purpose, TweakStatus, is_by_others
from scaffold.tweak.base_branch import find_unjudged_edits
from scaffold.tweak.shipped import last_shipping
from scaffold.tweak.store import accepted, all_evidence, decided_names, tweak_branches

CALIBRATION_RUNS = 20
"""Runs that show a spread well enough (docs/verdicts.md)."""

_VERIFY = "scaffold verify"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproductionState:
    """What is known of the reproduction.

    Attributes:
        verdict: of the stored judgment; None without evidence.
        stale: why the evidence no longer holds.
        can_change: whether further seeds could change the verdict.
        uncommitted: why the evidence could not be committed.
        runs: completed runs of the reference, judged or not.
        unjudged: completed runs that the evidence does not hold.
        is_trusted: whether it was made or checked here.
        verify_s: seconds that a verification takes here, if a run was ever measured.
        changed: files of the recipe that differ from the last commit, where that keeps the evidence
            from being committed.
    """

    verdict: Verdict | None
    stale: tuple[Reason, ...]
    can_change: bool
    uncommitted: str | None
    runs: int
    unjudged: int
    is_trusted: bool
    verify_s: float | None
    changed: tuple[str, ...] = ()


def next_of_reproduction(project: Project, recipe: Recipe, known: ReproductionState) -> NextAction:
    """Return the next action while no tweak is under way."""
    if any(reason.code == REFERENCE_EDITED.code for reason in known.stale):
        return NextAction(
            purpose=Purpose.RESTORE,
            command="git checkout -- reference && git clean -fd reference",
            why="reference/ was edited, and nothing holds of it",
        )
    why = _why_verify(known, recipe.aim)
    if known.changed:
        paths = " ".join(map(shlex.quote, known.changed))
        return NextAction(
            purpose=Purpose.COMMIT,
            command=(
                f"git add -- {paths} && git commit -m 'Change the recipe' -- {paths} && {_VERIFY}"
            ),
            why=why,
        )
    if why:
        return NextAction(purpose=Purpose.VERIFY, command=_VERIFY, why=why, about_s=known.verify_s)
    if known.verdict is Verdict.REPRODUCED:
        return next_step(project, recipe)
    return _next_of_undecided(recipe, known.verdict)


def _why_verify(known: ReproductionState, aim: str) -> str:
    """Return why the reference is to be judged, or judged again; nothing where it need not be."""
    if known.verdict is None:
        if known.runs:
            are = "1 run is" if known.runs == 1 else f"{known.runs} runs are"
            return f"{are} there and not judged yet"
        return f"nothing has been judged yet: see whether the reference gives {aim} here"
    if known.stale:
        return f"the evidence is stale: {'; '.join(map(str, known.stale))}"
    if not known.is_trusted:
        return "the evidence was made by others: one of its seeds is run here to check it"
    if known.unjudged:
        return f"{known.unjudged} runs are newer than the evidence"
    if known.uncommitted:
        return f"the evidence could not be committed: {known.uncommitted}"
    if known.verdict is not Verdict.REPRODUCED and known.can_change:
        return "the seeds so far do not decide: run more"
    return ""


def _next_of_undecided(recipe: Recipe, verdict: Verdict | None) -> NextAction:
    """Return the next action where no further seed of this project can change the verdict."""
    if verdict is Verdict.NOT_REPRODUCED:
        return NextAction(
            purpose=Purpose.BUILD_ANYWAY,
            command=(
                'scaffold tweak start NAME --reason "the reference does not give its published'
                ' result here"'
            ),
            why=(
                "more seeds will not change that: read each finding's reason (scaffold verify),"
                " and, if you build on it all the same, say so on record"
            ),
        )
    if recipe.published:
        changed = ", ".join(recipe.published)
        return NextAction(
            purpose=Purpose.BUILD_ANYWAY,
            command=f'scaffold tweak start NAME --reason "with another {changed} than published"',
            why=(
                f"with another {changed} than published, neither the published number nor the"
                " calibration runs are of this program: no seed decides. A project without --set"
                " can be reproduced first, and the change be a tweak that is judged"
            ),
        )
    if not recipe.calibration:
        return NextAction(
            purpose=Purpose.CALIBRATE,
            command=f"scaffold recipes calibrate . --runs {CALIBRATION_RUNS}",
            why=(
                "more seeds here do not decide: what the published number may differ by over seeds"
                " is not known, and runs of the recipe say it"
            ),
        )
    return NextAction(
        purpose=Purpose.BUILD_ANYWAY,
        command=(
            'scaffold tweak start NAME --reason "it is undecided whether the reference gives its'
            ' published result"'
        ),
        why=(
            "the seeds that the rule allows do not decide: read each finding's reason (scaffold"
            " verify), and, if you build on it all the same, say so on record"
        ),
    )


def next_step(project: Project, recipe: Recipe) -> NextAction:
    """Return what is open elsewhere, edits that nobody judged, else the next small step."""
    repository = Repository(project.root)
    if repository.find_id("HEAD") is None:
        why = "the published result is reproduced; tweaks need a git repository"
        return NextAction(purpose=Purpose.NONE, command="pytest", why=why)
    under_way = tweak_branches(repository)
    if under_way:
        name = under_way[0]
        command, why = (
            f"git switch {shlex.quote(name)}",
            f"{name.replace('/', ' ')} is under way there",
        )
        return NextAction(purpose=Purpose.SWITCH, command=command, why=why)
    decided = decided_names(project, repository)
    judged = find_unjudged_edits(project, repository)
    if judged is not None:
        return _next_of_edits(project, repository, judged, decided)
    of_analysis = _next_of_analysis(project, decided)
    if of_analysis is not None:
        return of_analysis
    # What a recipe suggests was found on its own data: of other data it says nothing.
    has_other_data = any(change.tweak.kind == "data" for change in accepted(project))
    suggestion = next_suggestion(() if has_other_data else recipe.adaptation.tweaks, decided)
    open_parts = [
        rewrite.part
        for rewrite in recipe.adaptation.rewrites
        if rewrite_name(rewrite.part) not in decided
    ]
    if suggestion is None and open_parts:
        command = f"scaffold rewrite start {open_parts[0]}"
        why = "all suggested tweaks are decided: now a part in your own code"
        return NextAction(purpose=Purpose.START_REWRITE, command=command, why=why)
    if suggestion is None:
        why = "all suggested steps are decided: the next is yours to choose"
        return NextAction(purpose=Purpose.START_TWEAK, command="scaffold tweak start NAME", why=why)
    is_suggested = suggestion.name in [tweak.name for tweak in recipe.adaptation.tweaks]
    kind = "" if is_suggested else f" --kind {suggestion.kind}"
    bound = " --bound unknown" if suggestion.kind == "data" else ""
    command, why = (
        f"scaffold tweak start {suggestion.name}{kind}{bound}",
        f"the simplest next step: {suggestion.why}",
    )
    return NextAction(purpose=Purpose.START_TWEAK, command=command, why=why)


def _next_of_edits(
    project: Project, repository: Repository, judged: str, decided: Collection[str]
) -> NextAction:
    """Return what to do with a src/ that nobody judged, or that was judged and dropped."""
    present = worktree_id(project)
    dropped = [
        change.tweak.name
        for change in all_evidence(project)
        if change.decision == "dropped" and change.change.snapshot == present
    ]
    # Only what is committed: nothing is lost then, and nothing else is committed with it.
    staged = repository.call("diff", "--cached", "--name-only", "HEAD", "--", *PATHS)
    if dropped and not staged and snapshot_id(repository, "HEAD") == present:
        paths = " ".join(
            path
            for path in PATHS
            if repository.find_id(f"{judged}:{path}") or repository.find_id(f"HEAD:{path}")
        )
        return NextAction(
            purpose=Purpose.RESTORE,
            command=(
                f"git restore --source={judged[:12]} --staged --worktree -- {paths}"
                f" && git commit -m 'Take back {dropped[-1]}' -- {paths}"
            ),
            why=(
                f"src/ and system.yaml still are what tweak {dropped[-1]} made of them, which was"
                " judged and dropped: this takes them back"
            ),
        )
    name = next(name for number in range(1, 1000) if (name := f"edits-{number}") not in decided)
    gone = repository.call("diff", "--name-only", "--diff-filter=D", judged, "--", "src").split(
        "\n"
    )
    deleted = f" ({', '.join(gone[:3])} deleted)" if gone[0] else ""
    return NextAction(
        purpose=Purpose.START_TWEAK,
        command=f"scaffold tweak start {name}",
        why=f"src/ or system.yaml differ from all that was judged{deleted}: take them along",
    )


def _next_of_analysis(project: Project, decided: Collection[str]) -> NextAction | None:
    """Return what follows from the last analysis, where there is one."""
    last = last_analysis(project)
    if last is None:
        return None
    if not last.is_current:
        why = "src/ changed since the last analysis: the bottleneck may be another one now"
        return NextAction(purpose=Purpose.ANALYZE, command="scaffold analyze", why=why)
    action = next_of_diagnosis(last.diagnosis, len(last.results), decided)
    if action.purpose is Purpose.SHIP:
        reasons = last_shipping(project)
        if reasons == ():
            return None
        if reasons:
            others = f", and {len(reasons) - 1} more" if reasons[1:] else ""
            why = f"it was NO-GO: {reasons[0]}{others}. Mend that, and ask again"
            return replace(action, why=why)
    has_looked = action.purpose is Purpose.LOOK_AT_ERRORS and any(project.errors.glob("*.csv"))
    return None if has_looked else action


def next_of_diagnosis(
    diagnosis: Diagnosis, probes: int, decided: Collection[str] = (), under_way: str = ""
) -> NextAction:
    """Return what follows from an analysis.

    The cheapest remedy that was not tried, the probe that would tell more, what a healthy model is
    for, else a look at what the model gets wrong.

    Args:
        diagnosis: of the analysis.
        probes: how many it ran.
        decided: names of the tweaks that were.
        under_way: what is: it is decided before another one is begun.
    """
    name = diagnosis.bottleneck
    remedy = cheapest_untried(diagnosis, decided)
    if under_way and name is not None:
        then = f"; {name.value} would be treated next: {remedy.change}" if remedy else ""
        return NextAction(
            purpose=Purpose.VERIFY,
            command=_VERIFY,
            why=f"{under_way} is under way: judge it first, then accept or drop it{then}",
        )
    if name is not None and remedy is not None:
        return NextAction(
            purpose=Purpose.START_TWEAK,
            command=f"scaffold tweak start --remedy {remedy.id}",
            why=(
                f"{name.value} holds the model back; the simplest remedy that was not tried is to"
                f" {remedy.change}"
            ),
        )
    if diagnosis.next_probe is not None:
        return NextAction(
            purpose=Purpose.ANALYZE,
            command=f"scaffold analyze --budget {probes + 2}",
            why=f"{diagnosis.next_probe.name} would tell more; what ran is not run again",
        )
    if name is Bottleneck.HEALTHY:
        return NextAction(
            purpose=Purpose.SHIP,
            command="scaffold ship",
            why="nothing that matters holds the model back: see whether it keeps all limits",
        )
    return NextAction(
        purpose=Purpose.LOOK_AT_ERRORS,
        command="scaffold errors sheet",
        why="no run that is left would name the cause: see what the wrong examples have in common",
    )


def next_of_tweak(tweak: TweakStatus) -> NextAction:
    """Return the next action while a tweak or rewrite is under way."""
    which = f"{tweak.phase} {tweak.name}"
    if not tweak.changed:
        expectation = f": {tweak.expect}" if tweak.expect else ""
        why = f"{which} is under way, and nothing has changed yet{expectation}"
        return NextAction(purpose=Purpose.EDIT, command=_VERIFY, why=why)
    why = _why_verify_tweak(tweak, which)
    if why:
        return NextAction(purpose=Purpose.VERIFY, command=_VERIFY, why=why)
    if tweak.refusal is None:
        command = f"scaffold {tweak.phase} accept"
        why = f"{which} was judged {tweak.verdict}: it can be accepted (kind {tweak.kind})"
        return NextAction(purpose=Purpose.ACCEPT, command=command, why=why)
    if tweak.phase == "rewrite":
        why = f"{which} was refused: {tweak.refusal}. Or give it up: scaffold rewrite drop"
        return NextAction(purpose=Purpose.CORRECT, command=_VERIFY, why=why)
    why = f"{which} was judged {tweak.verdict}: {tweak.refusal}. Or change it, and verify again"
    return NextAction(purpose=Purpose.DROP, command="scaffold tweak drop", why=why)


def _why_verify_tweak(tweak: TweakStatus, which: str) -> str:
    if tweak.evidence == "none":
        return f"{which} was not judged yet"
    if tweak.evidence == "stale":
        return f"the evidence of {which} is stale: {'; '.join(map(str, tweak.stale_reasons))}"
    if is_by_others(tweak.origin):
        return f"{which} was judged by others: its runs are made here, too"
    return ""
