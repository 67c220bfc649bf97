"""Judge the open rewrite.

Compare its computation with the golden trace, then the published result.
"""

from collections.abc import Sequence

from scaffold.git.snapshots import Snapshot, snapshot_of_worktree
from scaffold.project.project import Project
from scaffold.records.evidence import JudgedRun
from scaffold.records.judgment import Judgment
from scaffold.records.tweak import ChangeEvidence, Tweak
from scaffold.reproduce.evidence import load_calibration
from scaffold.reproduce.verify import run_until_decided
from scaffold.rules.parity.checks import CheckResult
from scaffold.rules.parity.judge import judge_rewrite, refusal_of
from scaffold.running.plan import Plan
from scaffold.running.preparation import prepare_program
from scaffold.running.session import Session
from scaffold.tracing.compare import Rewritten, compare_with_golden
from scaffold.tracing.golden import require_golden
from scaffold.tweak.evidence import (
    Compared,
    declared_otherwise,
    find_differences,
    remarks_of,
    side_of,
    write_judged,
)
from scaffold.tweak.prepare import Work, open_change, snapshot_files
from scaffold.tweak.store import accepted
from scaffold.tweak.verify import judge_pairs


def verify_rewrite(session: Session, tweak: Tweak) -> ChangeEvidence:
    """Run the parity checks; if all are equal, check the published result; write the evidence.

    Where accepted tweaks stand between the reference and the snapshot before, its published result
    says nothing of the system any more: then pairs of runs with the snapshot before must show no
    difference.

    Raises:
        ProjectError: nothing has changed, or the golden trace is gone or was edited.
        UsageError: the declared `weights` are broken.
        RunError: the program failed.
        ConsentError: a third party's snapshot would run.
    """
    project, recipe, listener = session.project, session.recipe, session.listener
    work, before, after = open_change(session, tweak)
    golden = require_golden(project, tweak)
    plan = work.plan(after, after.system, f"rewrite {tweak.name}")
    smoke = (
        work.plan(after, after.system, f"rewrite {tweak.name}", smoke=True)
        if _has_smoke(after)
        else None
    )
    rewritten = rewritten_of(project, tweak)
    checks = compare_with_golden(project, golden, plan, smoke, rewritten, listener)
    is_equal = refusal_of(checks, tweak.part) is None
    tweaked = any(evidence.tweak.kind != "rewrite" for evidence in accepted(project))
    if is_equal and tweaked:
        return judge_pairs(work, before, after, {}, checks)
    runs: list[JudgedRun] = []
    reproduction: Judgment | None = None
    if is_equal:
        listener.message(
            "all checks are equal: a few seeds, to see that the published result holds"
        )
        calibration = load_calibration(project, recipe)
        reproduction, runs = run_until_decided(session, plan, calibration, ())
    return _write(work, (before, after), plan, checks, (reproduction, runs))


def rewritten_of(project: Project, tweak: Tweak) -> Rewritten:
    """Return what a rewrite declares of itself, and what those before it made of their parts."""
    done = [evidence.tweak for evidence in accepted(project) if evidence.tweak.becomes]
    return Rewritten(
        part=tweak.part,
        renamed={one.becomes: one.part for one in [*done, tweak] if one.becomes},
        weights=tweak.weights,
    )


def _has_smoke(snapshot: Snapshot) -> bool:
    return snapshot.system.commands.smoke is not None


def _write(
    work: Work,
    snapshots: tuple[Snapshot, Snapshot],
    plan: Plan,
    checks: Sequence[CheckResult],
    reproduced: tuple[Judgment | None, Sequence[JudgedRun]],
) -> ChangeEvidence:
    before, after = snapshots
    reproduction, runs = reproduced
    differences = find_differences(work, before, after)
    declaration = declared_otherwise(work.project, work.tweak)
    remarks = remarks_of(work, differences, (plan,) if runs else ())
    judgment = judge_rewrite(work.tweak.part, checks, reproduction, remarks, declaration)
    sides = side_of(before, plan, ()), side_of(after, plan, runs)
    compared = Compared(
        differences=differences, metrics=after.system.metrics, sides=sides, plans=(plan,)
    )
    return write_judged(work, compared, judgment, checks=checks)


def check_parity(session: Session, evidence: ChangeEvidence) -> tuple[CheckResult, ...]:
    """Compare `src/` as it is now with the golden trace of an accepted rewrite; nothing is written.

    Raises:
        ProjectError, RunError: see `verify_rewrite`.
    """
    golden = require_golden(session.project, evidence.tweak)
    snapshot = snapshot_of_worktree(session.project)
    files = snapshot_files(snapshot, f"src/ against golden/{golden.folder.name}")
    return compare_with_golden(
        session.project,
        golden,
        prepare_program(session, files),
        prepare_program(session, files, smoke=True) if _has_smoke(snapshot) else None,
        rewritten_of(session.project, evidence.tweak),
        session.listener,
    )
