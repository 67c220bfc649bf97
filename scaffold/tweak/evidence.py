"""Make up the evidence of a change from its runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from scaffold.errors import BrokenFileError
from scaffold.git.history import ignored_paths
from scaffold.git.repository import Repository
from scaffold.git.snapshots import Snapshot, changed_files
from scaffold.project.files import read_text
from scaffold.project.project import Project
from scaffold.records.evidence import JudgedRun, Outcome
from scaffold.records.judgment import ChangeJudgment, Finding, Question, Verdict
from scaffold.records.metric import Metric
from scaffold.records.parsing import parse_record
from scaffold.records.tweak import ChangeEvidence, Difference, Side, Tweak
from scaffold.reproduce.deviations import hardware_remarks, run_remarks
from scaffold.rules.change.differences import compare_snapshots, describe_groups
from scaffold.rules.parity.checks import CheckResult
from scaffold.running.plan import Plan
from scaffold.running.seeds import runs_of
from scaffold.running.store import completed
from scaffold.tweak.prepare import Work, locked
from scaffold.tweak.store import write_change


def side_of(snapshot: Snapshot, plan: Plan, runs: Sequence[JudgedRun]) -> Side:
    """Return a snapshot with its runs, as evidence holds it."""
    return Side(
        snapshot=snapshot.id,
        inputs=plan.inputs,
        hyperparameters=plan.program.hyperparameters,
        runs=tuple(runs),
    )


def declared_otherwise(project: Project, tweak: Tweak) -> list[Finding]:
    """Return a finding if the declaration changed since the tweak was started."""
    repository = Repository(project.root)
    path = f"tweaks/{tweak.name}.yaml"
    added = repository.call("log", "--format=%H", "--diff-filter=A", "HEAD", "--", path).split()
    blob = repository.find_id(f"{added[-1]}:{path}") if added else None
    try:
        first = (
            parse_record(Tweak, repository.read_blob(blob).decode(), source=path) if blob else tweak
        )
    except (BrokenFileError, UnicodeDecodeError):
        return []
    # What tensors are made of is found out on the way; all else is fixed.
    fields = [
        name
        for name in Tweak.model_fields
        if name != "weights" and getattr(first, name) != getattr(tweak, name)
    ]
    if not fields:
        return []
    return [
        Finding(
            question=Question.DECLARATION,
            metric=", ".join(fields),
            verdict=Verdict.UNEXPECTED,
            rule="fixed when a tweak starts",
            reason="is not what the tweak was started with",
        )
    ]


def remarks_of(work: Work, differences: Sequence[Difference], plans: Sequence[Plan]) -> list[str]:
    """Return what else is to be known of the change and of its runs."""
    remarks = []
    several = describe_groups(differences)
    if several:
        remarks.append(several)
    if work.tweak.kind != "data" and any(difference.aspect == "data" for difference in differences):
        remarks.append(
            "the data differ: values can be compared only if both states are measured on the same"
            " examples"
        )
    ignored = ignored_paths(Repository(work.project.root), "src")
    if ignored:
        remarks.append(
            "ignored by git, so no difference of the change and of no run:"
            f" {', '.join(ignored[:5])}"
        )
    judged = []
    for plan in plans:
        records = runs_of(plan)
        judged += completed(records)
        unwell = [record for record in records if record.outcome is not Outcome.COMPLETED]
        remarks += [remark.text for remark in run_remarks(plan.program, completed(records), unwell)]
    remarks += [remark.text for remark in hardware_remarks(judged)]
    return list(dict.fromkeys(remarks))


def find_differences(work: Work, before: Snapshot, after: Snapshot) -> list[Difference]:
    """Return the differences between both snapshots."""
    locks = [snapshot.source.lock for snapshot in (before, after)]
    packages = [locked(read_text(lock)) if lock.exists() else [] for lock in locks]
    return compare_snapshots(
        before.system,
        after.system,
        changed_files(work.project, before, after),
        (packages[0], packages[1]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What was compared: how both sides differ, by which metrics, their runs and plans."""

    differences: Sequence[Difference]
    metrics: Sequence[Metric]
    sides: tuple[Side, Side]
    plans: Sequence[Plan]


def write_judged(
    work: Work,
    compared: Compared,
    judgment: ChangeJudgment,
    *,
    probes: Mapping[str, tuple[Side, Side]] | None = None,
    baselines: Mapping[str, Any] | None = None,
    checks: Sequence[CheckResult] = (),
) -> ChangeEvidence:
    """Write the evidence of the change that is under way."""
    evidence = ChangeEvidence(
        milestone=work.tweak.milestone,
        tweak=work.tweak,
        before=compared.sides[0],
        change=compared.sides[1],
        metrics=tuple(compared.metrics),
        device=compared.plans[-1].program.resources.device,
        differences=tuple(compared.differences),
        probes=probes or {},
        baselines=baselines or {},
        checks=tuple(check.as_mapping() for check in checks),
        judgment=judgment.as_mapping(),
        cost_s=round(
            sum(record.wall_time_s for plan in compared.plans for record in runs_of(plan)), 1
        ),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    ).with_checksum()
    write_change(work.project, evidence)
    return evidence
