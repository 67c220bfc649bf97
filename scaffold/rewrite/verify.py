"""Judge the open rewrite.

Compare its computation with the golden trace, then the published result.
"""

from collections.abc import Sequence

from scaffold.git.snapshots import State, state_of_worktree
from scaffold.project.project import Project
from scaffold.records.evidence import JudgedRun
from scaffold.records.judgement import Judgement
from scaffold.records.recipe import Recipe
from scaffold.records.tweak import ChangeEvidence, Tweak
from scaffold.reproduce.verify import load_calibration, run_until_decided
from scaffold.rules.parity.checks import Rung
from scaffold.rules.parity.judge import judge_rewrite, refusal_of
from scaffold.running.engines.local import Watcher
from scaffold.running.plan import Plan
from scaffold.running.preparation import RunOptions, prepare_program
from scaffold.tracing.compare import Rewritten, climb
from scaffold.tracing.golden import require_golden
from scaffold.tweak.store import accepted
from scaffold.tweak.verify import (
    Work,
    declared_otherwise,
    judge_pairs,
    open_change,
    parts_of,
    remarks_of,
    side_of,
    write_judged,
)


def verify_rewrite(
    project: Project, recipe: Recipe, tweak: Tweak, watcher: Watcher, options: RunOptions
) -> ChangeEvidence:
    """Run the parity checks; if all are equal, check the published result; write the evidence.

    Where accepted tweaks stand between the reference and the state before, its published result
    says nothing of the system any more: then pairs of runs with the state before must show no
    difference.

    Raises:
        ProjectError: nothing has changed, or the golden trace is gone or was edited.
        UsageError: the declared `weights` are broken.
        RunError: the program failed.
        ConsentError: somebody else's state would run.
    """
    work, before, after = open_change(project, recipe, tweak, watcher, options)
    golden = require_golden(project, tweak)
    plan, room = work.plan(after, after.system, f"rewrite {tweak.name}")
    smoke = (
        work.plan(after, after.system, f"rewrite {tweak.name}", smoke=True)[0]
        if _has_smoke(after)
        else None
    )
    rungs = climb(project, golden, plan, smoke, rewritten_of(tweak), watcher)
    is_equal = refusal_of(rungs, tweak.part) is None
    tweaked = any(evidence.tweak.kind != "rewrite" for evidence in accepted(project))
    if is_equal and tweaked:
        return judge_pairs(work, before, after, {}, rungs)
    runs: list[JudgedRun] = []
    reproduction: Judgement | None = None
    if is_equal:
        watcher.said("all rungs are equal: a few seeds, to see that the published result holds")
        calibration = load_calibration(project, recipe)
        reproduction, runs = run_until_decided(
            project, recipe, plan, room, calibration, (), watcher
        )
    return _write(work, before, after, plan, rungs, reproduction, runs)


def rewritten_of(tweak: Tweak) -> Rewritten:
    """Return what a rewrite declares of itself."""
    return Rewritten(part=tweak.part, becomes=tweak.becomes, weights=tweak.weights)


def _has_smoke(state: State) -> bool:
    return state.system.commands.smoke is not None


def _write(
    work: Work,
    before: State,
    after: State,
    plan: Plan,
    rungs: Sequence[Rung],
    reproduction: Judgement | None,
    runs: Sequence[JudgedRun],
) -> ChangeEvidence:
    parts = parts_of(work, before, after)
    more = declared_otherwise(work.project, work.tweak)
    remarks = remarks_of(work, parts, (plan,) if runs else ())
    judgement = judge_rewrite(work.tweak.part, rungs, reproduction, remarks, more)
    sides = side_of(before, plan, ()), side_of(after, plan, runs)
    return write_judged(work, parts, after.system.metrics, sides, (plan,), judgement, rungs=rungs)


def check_parity(
    project: Project,
    recipe: Recipe,
    evidence: ChangeEvidence,
    watcher: Watcher,
    options: RunOptions,
) -> tuple[Rung, ...]:
    """Compare `src/` as it is now with the golden trace of an accepted rewrite; nothing is written.

    Raises:
        ProjectError, RunError: see `verify_rewrite`.
    """
    golden = require_golden(project, evidence.tweak)
    state = state_of_worktree(project)
    title = f"src/ against golden/{golden.folder.name}"

    def plan(smoke: bool) -> Plan:
        return prepare_program(
            project,
            recipe,
            state.system,
            state.source,
            state.tree,
            options,
            title=title,
            smoke=smoke,
        )[0]

    return climb(
        project,
        golden,
        plan(False),
        plan(True) if _has_smoke(state) else None,
        rewritten_of(evidence.tweak),
        watcher,
    )
