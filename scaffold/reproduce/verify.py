"""Judge a project's reference: make missing runs, judge all, write the evidence."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone

import scaffold
from scaffold.consent import is_ours
from scaffold.environments.environment import ReadyEnvironment, lock_fits
from scaffold.errors import BrokenFileError, MachineError, Problem, ProjectError, RunError
from scaffold.git.history import find_branch, make_commit, project_repository, tree_with_edits
from scaffold.git.repository import Repository
from scaffold.git.transaction import Move, move
from scaffold.machine import describe_machine
from scaffold.project.digests import data_digests, file_digest, program_digest
from scaffold.project.project import (
    Project,
    read_record,
    read_text,
    remove,
    write_record,
    write_text,
)
from scaffold.recipes.catalogue import find_recipe, recipe_ids
from scaffold.records.evidence import (
    Calibration,
    Evidence,
    JudgedRun,
    MetricValue,
    Outcome,
    RunRecord,
)
from scaffold.records.judgment import Judgment, Verdict
from scaffold.records.program import Program
from scaffold.records.reason import Reason
from scaffold.records.recipe import Recipe
from scaffold.references import find_edits
from scaffold.rules.parity.checks import CheckResult, first_difference
from scaffold.rules.parity.judge import refusal_of
from scaffold.rules.reproduction.judge import is_decided, judge, needs_series
from scaffold.running.engines.local import ProgressListener
from scaffold.running.plan import Plan
from scaffold.running.preparation import RunOptions, prepare
from scaffold.running.seeds import make_runs, planned_seeds, runs_of, used_seeds
from scaffold.running.store import completed, find_runs, judged_runs
from scaffold.tracing.compare import Rewritten, climb
from scaffold.tracing.golden import Asked, Mode, read_golden, traced
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


def verify_reproduction(
    project: Project,
    recipe: Recipe,
    listener: ProgressListener,
    options: RunOptions,
) -> Verified:
    """Run seeds until the test decides or the rule allows no more, then write the evidence.

    Raises:
        ProjectError: `reference/` was edited, or another scaffold is at work here.
        RunError: runs failed; what went well is kept.
        FetchError, MachineError: see `prepare`.
    """
    calibration = load_calibration(project, recipe)
    plan, room = prepare(project, recipe, options)
    deviations = find_deviations(project, recipe, calibration, plan.environment)
    deviations += _changed_rule(project, recipe)
    deviations += _other_construction(project, recipe, plan, options, listener)
    checked = _checked_evidence(project, recipe, plan, room, deviations, listener)
    if checked is not None:
        return checked
    judgment, runs = run_until_decided(
        project, recipe, plan, room, calibration, deviations, listener
    )
    noise: dict[str, float] = {}
    if recipe.seeds.how == "none" and any(
        finding.verdict in _APART for finding in judgment.findings
    ):
        noise = _measured_noise(project, plan, runs, listener)
        judgment = judge(recipe, runs, calibration, judgment.deviations, noise)
    unwell = [record for record in runs_of(plan) if record.outcome is not Outcome.COMPLETED]
    evidence = Evidence(
        milestone="reproduce",
        inputs=plan.inputs,
        rule=recipe.rule_digest(),
        calibration=file_digest(project.calibration) if recipe.calibration else None,
        hyperparameters=recipe.hyperparameters,
        runs=tuple(runs),
        failed_runs=len(unwell),
        noise=noise,
        judgment=judgment.as_mapping(),
        made=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    ).with_checksum()
    remember_origin(evidence.checksum, Origin.HERE)
    write_record(evidence, project.reproduction)
    project.uncommitted.unlink(missing_ok=True)
    not_committed = _commit(project, recipe, judgment)
    if not_committed:
        write_text(project.uncommitted, not_committed)
    return Verified(judgment=judgment, evidence=evidence, not_committed=not_committed)


def _checked_evidence(
    project: Project,
    recipe: Recipe,
    plan: Plan,
    room: int,
    deviations: Sequence[Reason],
    listener: ProgressListener,
) -> Verified | None:
    """Check evidence that others made by one run, of a seed that they could not foresee.

    Returns:
        the evidence, if that run gives the same numbers and nothing else in it need be believed;
            None where it must be
        made here.
    """
    try:
        evidence = read_evidence(project)
    except BrokenFileError:
        return None  # it is about to be replaced
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
    listener.said(
        f"{project.reproduction.name} was made by others: seed {theirs.seed} of it is run here to"
        " check it"
    )
    mine = make_runs(project, plan, [theirs.seed], room, listener)[0]
    apart = [
        name
        for name, expected in theirs.metrics.items()
        if not _agrees(mine.metrics.get(name), expected)
    ]
    if mine.seed != theirs.seed or apart or set(mine.metrics) != set(theirs.metrics):
        listener.said(
            f"it does not agree here ({', '.join(apart) or 'other metrics'}): the evidence is made"
            " here"
        )
        return None
    remember_origin(evidence.checksum, Origin.CHECKED)
    project.cached_status.unlink(missing_ok=True)
    return Verified(judgment=judgment, evidence=evidence, not_committed=None, is_by_others=True)


def _agrees(actual: MetricValue | None, expected: MetricValue) -> bool:
    """Return whether two runs of one seed printed the same number.

    How exact it is says the run made here.
    """
    return (
        actual is not None
        and actual.half_digit == expected.half_digit
        and abs(actual.value - expected.value) <= actual.half_digit
    )


_APART = (Verdict.NOT_REPRODUCED, Verdict.INCONSISTENT, Verdict.EXCEEDS)
"""Words of a deterministic program that may be due to rounding on another machine."""


def _measured_noise(
    project: Project, plan: Plan, runs: Sequence[JudgedRun], listener: ProgressListener
) -> dict[str, float]:
    """Return how far a deterministic program differs from itself, by metric.

    One more run, with another number of threads, and each number that a function of the program
    gives off by one last digit: that is what another machine, or another version of a library, does
    to it.
    """
    listener.said(
        "it is not the published number: one more run, rounded otherwise, to see how exact this"
        " program is"
    )
    other = replace(plan, threads=1 if plan.threads > 1 else 2)
    place = project.scaffold_dir / "traces" / ".noise"
    try:
        _, metrics = traced(
            project, other, place, None, listener, Asked(disturb=True), Mode(functions=True)
        )
    except RunError as error:
        listener.said(f"its noise could not be measured: {error.message}")
        return {}
    finally:
        remove(place)
    first = runs[0].metrics
    return {
        name: abs(value - first[name].value) for name, value in metrics.items() if name in first
    }


def _other_construction(
    project: Project, recipe: Recipe, plan: Plan, options: RunOptions, listener: ProgressListener
) -> list[Reason]:
    """Return how the reference's computation here differs from the recipe's golden trace.

    Before the first long run.

    Other versions, data or hardware show in seconds what whole runs may never show.
    """
    if recipe.golden is None:
        return []
    kept = (
        project.scaffold_dir
        / "construction"
        / f"{plan.inputs.digest[:24]}-{recipe.golden.sha256[:12]}"
    )
    if not kept.exists():
        golden = read_golden(project.golden / recipe.golden.name, recipe.golden)
        smoke = prepare(project, recipe, options, smoke=True)[0] if recipe.commands.smoke else None
        try:
            told = _told_of(climb(project, golden, plan, smoke, Rewritten(), listener))
        except RunError as error:
            told = (
                "what the reference computes here could not be compared with what the recipe"
                f" recorded: {error.message}"
            )
        if not told:
            listener.said(
                "what the reference computes here is what the recipe recorded: all checks are equal"
            )
        write_text(kept, told)
    told = read_text(kept)
    return [Reason("computes_otherwise", " ".join(told.split()))] if told else []


def _told_of(checks: Sequence[CheckResult]) -> str:
    """Return how a reference computes other than its recipe recorded; empty if it does not."""
    refusal, first = refusal_of(checks), first_difference(checks)
    reason = f": {first.reason}" if first else ""
    return (
        f"what the reference computes here is not what the recipe recorded: {refusal}{reason}"
        if refusal
        else ""
    )


def run_until_decided(
    project: Project,
    recipe: Recipe,
    plan: Plan,
    room: int,
    calibration: Calibration | None,
    deviations: Sequence[Reason],
    listener: ProgressListener,
) -> tuple[Judgment, list[JudgedRun]]:
    """Run seeds of a plan until the recipe's tests decide or its rule allows no more."""
    count = min(max(room, usable_runs(recipe, runs_of(plan))), recipe.rule.max_seeds)
    while True:
        records = make_runs(project, plan, planned_seeds(recipe, count), room, listener)
        runs = judged_runs(records, plan.runs_dir, needs_series(recipe))
        unwell = [record for record in runs_of(plan) if record.outcome is not Outcome.COMPLETED]
        judgment = judge(
            recipe, runs, calibration, [*deviations, *run_remarks(recipe, records, unwell)]
        )
        distinct = len({run.seed for run in runs})
        if is_decided(judgment, recipe, distinct):
            return judgment, runs
        # As many as run at once, but no more than are expected to be needed.
        expected = max((finding.more_seeds or 1 for finding in judgment.findings), default=1)
        count = min(recipe.rule.max_seeds, distinct + min(room, expected))


def usable_runs(recipe: Recipe, records: Sequence[RunRecord]) -> int:
    """Return how many of the seeds, from the first on, have a completed run: all of them count."""
    there = {record.seed for record in completed(records)}
    used = used_seeds(recipe, records, planned_seeds(recipe, recipe.rule.max_seeds))
    return next((count for count, seed in enumerate(used) if seed not in there), len(used))


def find_unjudged(project: Project, recipe: Recipe, evidence: Evidence) -> list[RunRecord]:
    """Return completed runs that a verification would judge and that the evidence does not hold."""
    records = find_runs(project.runs, evidence.inputs, recipe)
    used = used_seeds(recipe, records, planned_seeds(recipe, usable_runs(recipe, records)))
    judged = [(run.id, dict(run.metrics)) for run in evidence.runs]
    return [
        r for r in completed(records) if r.seed in used and (r.id, dict(r.metrics)) not in judged
    ]


def run_remarks(
    program: Program, records: Sequence[RunRecord], unwell: Sequence[RunRecord]
) -> list[Reason]:
    """Return what the runs themselves show to be other than it should be."""
    found: list[Reason] = []

    def add(code: str, text: str) -> None:
        found.append(Reason(code, text))

    if unwell:
        kinds = ", ".join(f"seed {record.seed} {record.outcome.value}" for record in unwell)
        add("failed_runs", f"runs that did not end well, and are not among those judged: {kinds}")
    unconfined = [str(record.seed) for record in records if record.confinement.sandbox == "none"]
    if unconfined:
        add("no_sandbox", f"run without a sandbox: seed {', '.join(unconfined)}")
    denied = list(dict.fromkeys(what for record in records for what in record.confinement.denied))
    if denied:
        more = f" and {len(denied) - _MOST_DENIED} more" if len(denied) > _MOST_DENIED else ""
        add("denied", f"tried, and denied by the sandbox: {'; '.join(denied[:_MOST_DENIED])}{more}")
    cores = program.resources.cores
    other = sorted({record.threads for record in records} - {cores})
    if other and program.resources.device == "cpu":
        add(
            "threads",
            f"run with {' and '.join(map(str, other))} threads, the recipe's runs have {cores}:"
            " that moves the last digits, and the time",
        )
    if program.seeds.draws_data and len({record.seed for record in records}) > 1:
        add(
            "seed_draws_data",
            "a seed draws the data too: each of these runs is measured on another test set",
        )
    missed = list(dict.fromkeys(text for record in records for text in record.seeding.missed))
    if missed:
        add("unseeded", f"seeds that were not reached: {'; '.join(missed[:_MOST_DENIED])}")
    seeded = any(record.seeding.calls for record in records)
    if program.seeds.how in ("argument", "variable") and not seeded:
        add(
            "no_seeding_call",
            "no seeding call of random, numpy or torch was seen: one seed may give several results",
        )
    return found


_MOST_DENIED = 10
"""Attempts that are shown with a judgment; the evidence has all that were noted."""

REFERENCE_EDITED = Reason("reference_edited", "reference/ changed")
"""Among the reasons for stale evidence: the one that running again cannot mend."""

_RULE_CHANGED = Reason(
    "rule_changed", "metrics, claims or rule were changed after results were seen"
)


def _changed_rule(project: Project, recipe: Recipe) -> list[Reason]:
    """Return a deviation if the rule changed after results were seen; it stays one."""
    try:
        before = read_evidence(project)
    except BrokenFileError:
        return []  # it is about to be replaced
    if before is None:
        return []
    deviations = Judgment.from_mapping(before.judgment).deviations
    was_changed = any(deviation.code == _RULE_CHANGED.code for deviation in deviations)
    return [_RULE_CHANGED] if was_changed or before.rule != recipe.rule_digest() else []


def load_calibration(project: Project, recipe: Recipe) -> Calibration | None:
    """Return the calibration runs that came with the recipe."""
    return read_record(Calibration, project.calibration) if recipe.calibration else None


def find_deviations(
    project: Project, recipe: Recipe, calibration: Calibration | None, environment: ReadyEnvironment
) -> list[Reason]:
    """Return differences from what was published, and from how the calibration runs were made."""
    found = recipe.deviations() + _other_than_bundled(project, recipe)
    if recipe.resources.device == "cuda" and describe_machine().accelerator is None:
        found.append(Reason("device", "the recipe's device is cuda, and this machine has none"))
    if calibration is None:
        return found
    if calibration.reference != recipe.reference.tree:
        text = (
            f"the calibration runs were made with the reference tree {calibration.reference[:12]}"
        )
        found.append(Reason("calibration_reference", text))
    if calibration.program != program_digest(recipe, project.root):
        text = "the calibration runs were made with other commands or hyperparameters"
        found.append(Reason("calibration_program", text))
    if dict(calibration.data) != data_digests(recipe):
        found.append(Reason("calibration_data", "the calibration runs were made with other data"))
    if calibration.reading != recipe.reading_digest():
        found.append(
            Reason(
                "calibration_reading",
                "the metrics of the calibration runs were read in another way",
            )
        )
    named = {_name(line) for line in recipe.environment.packages}
    shipped = dict(line.split("==", 1) for line in calibration.packages if "==" in line)
    for line in environment.packages:
        name, _, version = line.partition("==")
        if name in named and name in shipped and _public(shipped[name]) != _public(version):
            found.append(
                Reason(
                    "package_version",
                    f"{name} is {version}, in the calibration runs {shipped[name]}",
                )
            )
    return found


def _other_than_bundled(project: Project, recipe: Recipe) -> list[Reason]:
    """Return how a project of one of our recipes is judged otherwise than that recipe says.

    What it runs is ours to the last byte, or there is consent to something else; this is by what it
    is judged.
    """
    if recipe.id not in recipe_ids() or not is_ours(recipe, project.root):
        return []
    bundled = find_recipe(recipe.id)
    found = []
    expected = (
        file_digest(bundled.folder / "calibration.json") if bundled.recipe.calibration else None
    )
    if (file_digest(project.calibration) if recipe.calibration else None) != expected:
        text = (
            f"calibration.json is not the one of the recipe {recipe.id} in mlloop-new"
            f" {scaffold.__version__}"
        )
        found.append(Reason("bundled_calibration", text))
    if bundled.recipe.rule_digest() != recipe.rule_digest():
        text = (
            f"metrics, claims or rule are not those of {recipe.id} in mlloop-new"
            f" {scaffold.__version__}"
        )
        found.append(Reason("bundled_rule", text))
    return found


def find_stale(project: Project, recipe: Recipe, evidence: Evidence) -> list[Reason]:
    """Return why evidence no longer speaks of the project as it is; nothing when it does."""
    stale = []
    if evidence.checksum != evidence.expected_checksum():
        stale.append(
            Reason("evidence_edited", "evidence/reproduce.json was edited after it was written")
        )
    edited = bool(find_edits(project.root, project.reference, recipe.reference.tree))
    if edited:
        stale.append(REFERENCE_EDITED)
    if evidence.inputs.reference != recipe.reference.tree:
        stale.append(Reason("reference_pin", "the recipe pins another reference"))
    if evidence.inputs.program != program_digest(recipe, project.root):
        text = "the recipe's commands, hyperparameters, seeding, patches or drivers changed"
        stale.append(Reason("program", text))
    if evidence.inputs.lock != file_digest(project.lock):
        stale.append(Reason("lock", "environment.lock changed"))
    if not edited and not lock_fits(project.reference_source, recipe.environment):
        stale.append(Reason("environment", "the recipe's environment changed"))
    if dict(evidence.inputs.data) != data_digests(recipe):
        stale.append(Reason("data", "the datasets changed"))
    if evidence.rule != recipe.rule_digest():
        text = "the recipe's metrics, claims or rule changed after results were seen"
        stale.append(Reason("rule", text))
    if evidence.calibration != (file_digest(project.calibration) if recipe.calibration else None):
        stale.append(Reason("calibration", "calibration.json changed"))
    return stale


def read_evidence(project: Project) -> Evidence | None:
    """Return the reproduction's evidence, if there is any.

    Raises:
        BrokenFileError: it is not evidence.
    """
    if not project.reproduction.exists():
        return None
    evidence = read_record(Evidence, project.reproduction)
    try:
        Judgment.from_mapping(evidence.judgment)
    except (ValueError, KeyError, TypeError) as error:
        name = project.reproduction.name
        problem = Problem(source=name, line=1, where="judgment", message=f"is none: {error}")
        raise BrokenFileError(
            name, [problem], hint=f"restore it: git checkout -- evidence/{name}"
        ) from error
    return evidence


def judge_again(project: Project, recipe: Recipe, evidence: Evidence) -> Judgment:
    """Return the judgment that the runs in the evidence lead to, which must be the stored one.

    Raises:
        BrokenFileError: the stored word does not follow from the stored runs.
    """
    stored = Judgment.from_mapping(evidence.judgment)
    runs: tuple[JudgedRun, ...] = evidence.runs
    fresh = judge(
        recipe, runs, load_calibration(project, recipe), stored.deviations, evidence.noise
    )
    if fresh.verdict is not stored.verdict:
        message = f"says {stored.verdict.value}, but its runs say {fresh.verdict.value}"
        problem = Problem(
            source="evidence/reproduce.json", line=1, where="judgment", message=message
        )
        raise BrokenFileError("evidence/reproduce.json", [problem], hint="scaffold verify")
    return stored


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
        f"Verify: {judgment.verdict.value}\n\n"
        + "\n".join([*lines, *map(str, judgment.deviations)])
        + "\n"
    )
    try:
        project_repository(project.root)
        present = tree_with_edits(repository, ("environment.lock", "evidence/reproduce.json"))
        branch = find_branch(repository)
        if present == repository.find_id("HEAD^{tree}"):
            commit = repository.call("rev-parse", "HEAD")
        else:
            commit = make_commit(repository, present, message, ["HEAD"])
        tag = commit if judgment.verdict is Verdict.REPRODUCED else None
        refs = {
            f"refs/heads/{branch}" if branch else "HEAD": commit,
            "refs/tags/milestone/reproduce": tag,
        }
        move(project, Move(title="verify", refs=refs, present=present))
    except (ProjectError, MachineError) as error:
        return error.message
    return None


def _public(version: str) -> str:
    """Return a version without its local part: 2.13.0+cpu is a build of 2.13.0."""
    return version.partition("+")[0]


def _name(requirement: str) -> str:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    return canonicalize_name(Requirement(requirement).name)
