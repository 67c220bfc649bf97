"""Judge a project's reference: make missing runs, judge all, write the evidence."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from scaffold.errors import BrokenFileError, MachineError, ProjectError, RunError
from scaffold.git.history import commit_with_edits, find_branch, project_repository
from scaffold.git.repository import Repository
from scaffold.git.transaction import Move, move
from scaffold.project.files import remove, write_record, write_text
from scaffold.project.project import Project
from scaffold.project.signed import read_signed, write_signed
from scaffold.records.engine import LocalTarget
from scaffold.records.evidence import (
    Calibration,
    Evidence,
    JudgedRun,
    MetricValue,
    Outcome,
    RunRecord,
)
from scaffold.records.judgment import Judgment, Verdict
from scaffold.records.reason import Reason
from scaffold.records.recipe import Recipe
from scaffold.reproduce.deviations import (
    changed_after_results,
    find_deviations,
    hardware_remarks,
    run_remarks,
)
from scaffold.reproduce.duration import expected_seeds
from scaffold.reproduce.evidence import calibration_digest, load_calibration, read_evidence
from scaffold.reproduce.staleness import find_stale
from scaffold.rules.parity.checks import CheckResult, first_difference
from scaffold.rules.parity.judge import refusal_of
from scaffold.rules.reproduction.judge import is_decided, judge, needs_series
from scaffold.running.plan import Plan
from scaffold.running.preparation import prepare, prepare_smoke
from scaffold.running.seeds import make_runs, planned_seeds, runs_of, used_seeds
from scaffold.running.session import Session
from scaffold.running.store import completed, find_runs, judged_runs
from scaffold.tracing.compare import Rewritten, compare_with_golden
from scaffold.tracing.golden import read_golden
from scaffold.tracing.record import Mode, TraceRequest, traced
from scaffold.user_state import Origin, origin_of, remember_origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A judgment and what became of it.

    Attributes:
        judgment: what the runs say.
        evidence: that it was made of.
        not_committed: git's reason when the evidence could not be committed.
        is_by_others: whether the evidence came with the project, and agrees with a run made here.
    """

    judgment: Judgment
    evidence: Evidence
    not_committed: str | None
    is_by_others: bool = False


def verify_reproduction(session: Session) -> Verified:
    """Run seeds until the test decides or the rule allows no more, then write the evidence.

    Raises:
        ProjectError: `reference/` was edited, or another scaffold is at work here.
        RunError: runs failed; what went well is kept.
        FetchError, MachineError: see `prepare`.
    """
    project, recipe = session.project, session.recipe
    calibration = load_calibration(project, recipe)
    plan = prepare(session)
    deviations = find_deviations(project, recipe, calibration, plan.environment)
    deviations += changed_after_results(project, recipe)
    deviations += _trace_differences(session, plan)
    checked = _checked_evidence(session, plan, deviations)
    if checked is not None:
        return checked
    judgment, runs = run_until_decided(session, plan, calibration, deviations)
    noise: dict[str, float] = {}
    if recipe.seeds.how == "none" and any(
        finding.verdict in _APART for finding in judgment.findings
    ):
        runs += _run_again(session, plan, runs[0].seed)
        if any(runs[-1].metrics[name] == runs[0].metrics[name] for name in recipe.judged_metrics):
            noise = _measured_noise(session, plan, runs)
        judgment = judge(recipe, runs, calibration, judgment.deviations, noise)
    unwell = [record for record in runs_of(plan) if record.outcome is not Outcome.COMPLETED]
    evidence = Evidence(
        milestone="reproduce",
        inputs=plan.inputs,
        rule=recipe.rule_digest(),
        calibration=calibration_digest(project.root, recipe),
        hyperparameters=recipe.hyperparameters,
        runs=tuple(runs),
        failed_runs=len(unwell),
        noise=noise,
        judgment=judgment.as_mapping(),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    ).with_checksum()
    remember_origin(evidence.checksum, Origin.HERE)
    write_record(evidence, project.reproduction)
    project.uncommitted.unlink(missing_ok=True)
    not_committed = _commit(project, recipe, judgment)
    if not_committed:
        write_text(project.uncommitted, not_committed)
    return Verified(judgment=judgment, evidence=evidence, not_committed=not_committed)


def _checked_evidence(
    session: Session, plan: Plan, deviations: Sequence[Reason]
) -> Verified | None:
    """Check evidence that others made by one run, of a seed that they could not foresee.

    Returns:
        the evidence, if that run gives the same numbers and nothing else in it need be believed;
            None where it must be made here.
    """
    try:
        evidence = read_evidence(session.project)
    except BrokenFileError:
        return None  # it is about to be replaced
    project, recipe, listener = session.project, session.recipe, session.listener
    if (
        evidence is None
        or origin_of(evidence.checksum) is not Origin.OTHERS
        or find_stale(project, recipe, evidence)
    ):
        return None
    # Its runs, of the first seeds, must lead to its word under the deviations that are found here;
    # what was measured there only (how far a program differs from itself) would have to be
    # believed.
    seeds = [run.seed for run in evidence.runs]
    judgment = (
        judge(recipe, evidence.runs, load_calibration(project, recipe), deviations)
        if seeds
        else None
    )
    stored = Judgment.from_mapping(evidence.judgment)
    if (
        judgment is None
        or evidence.noise
        or seeds != planned_seeds(recipe, len(seeds))
        or judgment.verdict is not stored.verdict
    ):
        return None
    theirs = secrets.choice(evidence.runs)
    listener.message(
        f"{project.reproduction.name} was made by others: seed {theirs.seed} of it is run here to"
        " check it"
    )
    mine = make_runs(project, plan, [theirs.seed], listener)[0]
    apart = [
        name
        for name, expected in theirs.metrics.items()
        if not _agrees(mine.metrics.get(name), expected)
    ]
    if mine.seed != theirs.seed or apart or set(mine.metrics) != set(theirs.metrics):
        listener.message(
            f"it does not agree here ({', '.join(apart) or 'other metrics'}): the evidence is made"
            " here"
        )
        return None
    remember_origin(evidence.checksum, Origin.CHECKED)
    project.cached_status.unlink(missing_ok=True)
    return Verified(judgment=judgment, evidence=evidence, not_committed=None, is_by_others=True)


def _agrees(actual: MetricValue | None, expected: MetricValue) -> bool:
    """Return whether two runs of one seed printed the same number.

    How exact the number is, the run made here says.
    """
    return (
        actual is not None
        and actual.half_digit == expected.half_digit
        and abs(actual.value - expected.value) <= actual.half_digit
    )


_APART = (Verdict.NOT_REPRODUCED, Verdict.INCONSISTENT, Verdict.EXCEEDS)
"""Words of a deterministic program that may be due to rounding on another machine."""


def _run_again(session: Session, plan: Plan, seed: int) -> list[JudgedRun]:
    """Return a second run of a program that its recipe says is deterministic."""
    records = [record for record in completed(runs_of(plan)) if record.seed == seed]
    if len(records) < 2:
        session.listener.message(
            "it is not the published number: the same run once more, to see whether it gives its"
            " own number again"
        )
        records += make_runs(session.project, plan, [seed], session.listener, rerun=True)
    return judged_runs(records[-1:], plan.runs_dir, needs_series(session.recipe))


def _measured_noise(session: Session, plan: Plan, runs: Sequence[JudgedRun]) -> dict[str, float]:
    """Return how far a deterministic program differs from itself, by metric.

    One more run, with another number of threads, and each number that a function of the program
    gives off by one last digit: that is what another machine, or another version of a library, does
    to it.
    """
    project, listener = session.project, session.listener
    listener.message(
        "the same run gives its number again: one more, rounded otherwise, to see how exact that is"
    )
    other = replace(plan, threads=1 if plan.threads > 1 else 2)
    place = project.scaffold_dir / "traces" / ".noise"
    try:
        _, metrics = traced(
            project, other, place, listener, TraceRequest(disturb=True), Mode(functions=True)
        )
    except RunError as error:
        listener.message(f"its noise could not be measured: {error.message}")
        return {}
    finally:
        remove(place)
    first = runs[0].metrics
    return {
        name: abs(value - first[name].value) for name, value in metrics.items() if name in first
    }


def _trace_differences(session: Session, plan: Plan) -> list[Reason]:
    """Return how the reference's computation here differs from the golden trace of the recipe.

    Other versions, data or hardware show in seconds what whole runs may never show.
    """
    project, recipe, listener = session.project, session.recipe, session.listener
    if recipe.golden is None:
        return []
    name = f"{plan.inputs.digest[:24]}-{recipe.golden.sha256[:12]}"
    path = project.scaffold_dir / "parity" / name
    result = read_signed(path, project, f"trace comparison {name}")
    if result is None:
        golden = read_golden(project.golden / recipe.golden.name, recipe.golden)
        smoke = prepare_smoke(session)
        try:
            checks = compare_with_golden(project, golden, plan, smoke, Rewritten(), listener)
        except RunError as error:  # it may pass: nothing is stored
            text = (
                "what the reference computes here could not be compared with what the recipe"
                f" recorded: {error.message}"
            )
            return [Reason("computes_otherwise", " ".join(text.split()))]
        result = {"differences": " ".join(_differences_text(checks).split())}
        if not result["differences"]:
            listener.message(
                "what the reference computes here is what the recipe recorded: all checks are equal"
            )
        write_signed(path, project, f"trace comparison {name}", result)
    text = result["differences"]
    return [Reason("computes_otherwise", text)] if text else []


def _differences_text(checks: Sequence[CheckResult]) -> str:
    """Return how a reference computes other than its recipe recorded; empty if it does not."""
    refusal, first = refusal_of(checks), first_difference(checks)
    reason = f": {first.reason}" if first else ""
    return (
        f"what the reference computes here is not what the recipe recorded: {refusal}{reason}"
        if refusal
        else ""
    )


def run_until_decided(
    session: Session,
    plan: Plan,
    calibration: Calibration | None,
    deviations: Sequence[Reason],
) -> tuple[Judgment, list[JudgedRun]]:
    """Run seeds of a plan until the recipe's tests decide or its rule allows no more."""
    recipe = session.recipe
    known = runs_of(plan)
    # Idle cores of this machine cost nothing; a cluster is asked for no more than it takes.
    is_here = isinstance(plan.engine, LocalTarget)
    first = plan.slots if is_here else min(plan.slots, expected_seeds(recipe))
    count = min(max(first, usable_runs(recipe, known)), recipe.rule.max_seeds)
    needed = max(count, expected_seeds(recipe))
    while True:
        _announce_runs(session, plan, known, min(needed, recipe.rule.max_seeds))
        records = make_runs(session.project, plan, planned_seeds(recipe, count), session.listener)
        runs = judged_runs(records, plan.runs_dir, needs_series(recipe))
        known = runs_of(plan)
        unwell = [record for record in known if record.outcome is not Outcome.COMPLETED]
        judgment = judge(
            recipe,
            runs,
            calibration,
            [*deviations, *run_remarks(recipe, records, unwell), *hardware_remarks(records)],
        )
        distinct = len({run.seed for run in runs})
        if is_decided(judgment, recipe, distinct):
            return judgment, runs
        # As many as run at once, but no more than are expected to be needed.
        expected = max((finding.more_seeds or 1 for finding in judgment.findings), default=1)
        needed = distinct + expected
        count = min(recipe.rule.max_seeds, distinct + min(plan.slots, expected))


def _announce_runs(session: Session, plan: Plan, known: Sequence[RunRecord], needed: int) -> None:
    """Say how long the runs that are still expected take: as long as those made here, if any."""
    missing = len(planned_seeds(session.recipe, needed)) - usable_runs(session.recipe, known)
    times = [record.wall_time_s for record in completed(known)]
    if missing > 0 and (times or session.recipe.resources.is_measured):
        run_s = sum(times) / len(times) if times else session.recipe.resources.run_time_s
        session.listener.planned(missing, plan.slots, run_s)


def usable_runs(recipe: Recipe, records: Sequence[RunRecord]) -> int:
    """Return how many of the seeds, from the first on, have a completed run: all of them count."""
    completed_seeds = {record.seed for record in completed(records)}
    used = used_seeds(recipe, records, planned_seeds(recipe, recipe.rule.max_seeds))
    return next(
        (count for count, seed in enumerate(used) if seed not in completed_seeds), len(used)
    )


def find_unjudged(project: Project, recipe: Recipe, evidence: Evidence) -> list[RunRecord]:
    """Return completed runs that a verification would judge and that the evidence does not hold."""
    records = find_runs(project.runs, evidence.inputs, recipe)
    used = used_seeds(recipe, records, planned_seeds(recipe, usable_runs(recipe, records)))
    judged = [(run.id, dict(run.metrics)) for run in evidence.runs]
    return [
        r for r in completed(records) if r.seed in used and (r.id, dict(r.metrics)) not in judged
    ]


def _commit(project: Project, recipe: Recipe, judgment: Judgment) -> str | None:
    """Commit the evidence and the lock; tag the commit when the milestone has passed.

    Returns why not, or None.
    """
    repository = Repository(project.root)
    if repository.find_top() != project.root:
        return "the project is not a git repository of its own (git init && git add --all)"
    changed = repository.changed_paths(["recipe.yaml", *recipe.recipe_files()])
    if changed:
        return (
            f"{' and '.join(changed)} changed since the last commit: commit that first, then"
            " scaffold verify"
        )
    lines = [
        f"{finding.metric}: {finding.verdict.value}, {finding.reason}"
        for finding in judgment.findings
    ]
    message = (
        f"Verify{f' {project.experiment}' if project.experiment else ''}:"
        f" {judgment.verdict.value}\n\n"
        + "\n".join([*lines, *map(str, judgment.deviations)])
        + "\n"
    )
    try:
        project_repository(project.root)
        paths = ("environment.lock", f"evidence/{project.reproduction.name}")
        commit, present = commit_with_edits(repository, paths, message)
        branch = find_branch(repository)
        refs: dict[str, str | None] = {f"refs/heads/{branch}" if branch else "HEAD": commit}
        if not project.experiment:  # the milestone is the one that the project builds on
            passed = commit if judgment.verdict is Verdict.REPRODUCED else None
            refs["refs/tags/milestone/reproduce"] = passed
        move(project, Move(title="verify", refs=refs, present=present))
    except (ProjectError, MachineError) as error:
        return error.message
    return None
