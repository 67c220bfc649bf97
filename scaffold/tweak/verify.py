"""Judge the open change: run both snapshots in pairs until decided, and write the evidence."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from scaffold.errors import ProjectError, UsageError
from scaffold.git.snapshots import Snapshot
from scaffold.records.fields import Scalar
from scaffold.records.judgment import ChangeJudgment, Finding, Verdict
from scaffold.records.metric import Metric
from scaffold.records.system import System
from scaffold.records.tweak import ChangeEvidence, Side, Tweak
from scaffold.reproduce.deviations import mostly_failed
from scaffold.rules.change.judge import (
    ChangeTerms,
    is_decided,
    judge_ablation,
    judge_change,
    judge_probe,
)
from scaffold.rules.change.paired import Pair, next_look, pair
from scaffold.rules.parity.checks import CheckResult
from scaffold.rules.parity.judge import findings_of_checks
from scaffold.rules.reproduction.finding import failed_finding
from scaffold.running.plan import Plan
from scaffold.running.seeds import runs_of
from scaffold.running.session import Session
from scaffold.running.store import completed
from scaffold.tweak.evidence import (
    Compared,
    declared_otherwise,
    find_differences,
    remarks_of,
    side_of,
    write_judged,
)
from scaffold.tweak.prepare import Work, ablation_values, open_change
from scaffold.tweak.verify_data import judge_new_data


def verify_change(
    session: Session, tweak: Tweak, ablated: Mapping[str, str] | None = None
) -> ChangeEvidence:
    """Run pairs of seeds of both snapshots until they decide, then write the tweak's evidence.

    Args:
        session: of the project with the change in its work tree, committed or not.
        tweak: what the change is to do.
        ablated: hyperparameters that ablate the change; with them the snapshot before must
            be given again.

    Raises:
        ProjectError: nothing has changed, or the snapshot before is gone.
        UsageError: the two states do not measure the same.
        ConsentError: a third party's snapshot would run.
        RunError: runs failed; what went well is kept.
    """
    work, before, after = open_change(session, tweak)
    off = ablation_values(after.system, ablated or {})
    if tweak.kind == "data":
        return judge_new_data(work, before, after)
    return judge_pairs(work, before, after, off)


def judge_pairs(
    work: Work,
    before: Snapshot,
    after: Snapshot,
    off: Mapping[str, Scalar],
    checks: Sequence[CheckResult] = (),
) -> ChangeEvidence:
    """Run pairs of seeds of both states until they decide; write the evidence.

    Args:
        work: what is judged.
        before: the snapshot before.
        after: the change.
        off: hyperparameters that switch the change off.
        checks: of a rewrite, what comparing the computations themselves has shown.
    """
    tweak, rule = work.tweak, work.tweak.rule
    metrics = _shared_metrics(before.system, after.system, rule.metric)
    old = work.plan(before, before.system, "the snapshot before")
    new = work.plan(after, after.system, f"{tweak.phase} {tweak.name}")
    deterministic = after.system.seeds.how == "none"
    device = after.system.resources.device

    terms = ChangeTerms(rule=rule, deterministic=deterministic, device=device)

    def judge(pairs: Sequence[Pair]) -> ChangeJudgment:
        return judge_change(tweak.kind_of_pairs, metrics, pairs, terms)

    def undecided(pairs: Sequence[Pair]) -> str:
        judgment = judge(pairs)
        if is_decided(judgment, len(pairs), rule, has_probes=bool(tweak.probes)):
            return ""
        names = [f.metric for f in judgment.findings if f.verdict is Verdict.UNDECIDED]
        return ", ".join(names) or rule.metric

    pairs = _pairs_until(work, old, new, undecided)
    probes, probe_findings, count = _probe_runs(
        work, before, after, metrics, len(pairs), judge(pairs)
    )
    if count > len(pairs):
        pairs = pair(work.runs(old, count), work.runs(new, count))
    if off:
        plan = work.plan(
            after, after.system.with_values(off), f"{tweak.phase} {tweak.name}, switched off"
        )
        probe_findings.append(_ablated(work, metrics, old, plan, off))
    differences = find_differences(work, before, after)
    further = [
        *probe_findings,
        *declared_otherwise(work.project, tweak),
        *_chosen_runs((old, new)),
        *findings_of_checks(checks),
    ]
    terms = replace(terms, additional=further, remarks=remarks_of(work, differences, (old, new)))
    judgment = judge_change(tweak.kind_of_pairs, metrics, pairs, terms)
    sides = (
        side_of(before, old, [a for a, _ in pairs]),
        side_of(after, new, [b for _, b in pairs]),
    )
    compared = Compared(differences=differences, metrics=metrics, sides=sides, plans=(old, new))
    return write_judged(work, compared, judgment, probes=probes, checks=checks)


def _chosen_runs(plans: Sequence[Plan]) -> list[Finding]:
    """Return a finding for each state of which more runs failed than ended well."""
    findings = []
    for plan in plans:
        records = runs_of(plan)
        ended = completed(records)
        text = mostly_failed(
            plan.program, ended, [record for record in records if record not in ended]
        )
        if text:
            reason = f"{plan.title}: {text}"
            findings.append(failed_finding(Verdict.UNDECIDED, reason, len(ended)))
    return findings


def _ablated(
    work: Work,
    metrics: Sequence[Metric],
    old: Plan,
    plan: Plan,
    off: Mapping[str, Scalar],
) -> Finding:
    """Judge whether the changed program with these values gives the snapshot before."""
    title = ", ".join(f"{name}={value}" for name, value in off.items())
    deterministic = old.program.seeds.how == "none"

    def judge(pairs: Sequence[Pair]) -> Finding:
        return judge_ablation(metrics, pairs, work.tweak.rule, title, deterministic=deterministic)

    def undecided(pairs: Sequence[Pair]) -> str:
        return title if judge(pairs).verdict is Verdict.UNDECIDED else ""

    return judge(_pairs_until(work, old, plan, undecided))


def _pairs_until(
    work: Work,
    old: Plan,
    new: Plan,
    undecided: Callable[[Sequence[Pair]], str],
) -> list[Pair]:
    """Run pairs until nothing is undecided any more, or the rule allows no further one.

    Args:
        work: what is judged.
        old: the snapshot before.
        new: the change.
        undecided: names what some pairs leave undecided; empty if that is nothing.
    """
    rule = work.tweak.rule
    completed_pairs = min(
        len({record.seed for record in completed(runs_of(plan))}) for plan in (old, new)
    )
    # Two pairs show whether anything differs at all; from then on only looks are worth their runs.
    count = 1 if old.program.seeds.how == "none" else max(2, min(completed_pairs, rule.max_pairs))
    while True:
        pairs = pair(work.runs(old, count), work.runs(new, count))
        if not pairs:
            raise ProjectError(
                "no seed ended well on both sides", hint="see the runs in .scaffold/runs"
            )
        if old.program.seeds.how == "none" or count >= rule.max_pairs:
            return pairs
        names = undecided(pairs)
        if not names:
            return pairs
        _tell_what_is_left(work, names, pairs, rule.max_pairs - count, new.slots)
        count = next_look(count, rule.max_pairs)


def _tell_what_is_left(
    work: Work, names: str, pairs: Sequence[Pair], left_pairs: int, slots: int
) -> None:
    """Say how long it takes if all pairs are needed that the rule allows."""
    pair_s = statistics.mean(before.wall_time_s + after.wall_time_s for before, after in pairs)
    minutes = left_pairs * pair_s / slots / 60
    if minutes >= 1:
        pairs_text = f"undecided after {len(pairs)} pairs: at most {left_pairs} more"
        work.session.listener.message(f"{names}: {pairs_text}, {minutes:.0f} min")


def _shared_metrics(before: System, after: System, judged: str) -> list[Metric]:
    """Return metrics that both snapshots measure alike; the judged one must be among them."""
    after_metrics = {metric.name: metric for metric in after.metrics}
    shared = [
        m
        for m in before.metrics
        if m.name in after_metrics and (m.unit, m.direction) == _kind_of(after_metrics[m.name])
    ]
    same = [m.name for m in shared if _reading_of(m) == _reading_of(after_metrics[m.name])]
    if judged in [metric.name for metric in shared] and judged not in same:
        raise UsageError(
            f"{judged} is read in another way than in the snapshot before, so that its values"
            " cannot be compared",
            hint=(
                "let the program write it where it did; a new metric is a tweak of its own, judged"
                " by the old one"
            ),
        )
    if judged not in [metric.name for metric in shared]:
        raise UsageError(
            f"{judged} is not measured in the same unit and direction by both states",
            hint=(
                "let system.yaml measure it as before; a new metric is a tweak of its own, judged"
                " by the old one"
            ),
        )
    return shared


def _reading_of(metric: Metric) -> tuple[Any, ...]:
    return metric.read, metric.take, metric.printed_in


def _kind_of(metric: Metric) -> tuple[str, str]:
    return metric.unit, metric.direction


def _probe_runs(
    work: Work,
    before: Snapshot,
    after: Snapshot,
    metrics: Sequence[Metric],
    count: int,
    judgment: ChangeJudgment,
) -> tuple[dict[str, tuple[Side, Side]], list[Finding], int]:
    """Run each probe in both modes, where the metric alone does not decide.

    Only a change of kind cheaper has that.

    Returns:
        the runs with each probe, what they say, and the most pairs that a probe took.
    """
    tweak = work.tweak
    if tweak.kind != "cheaper" or not tweak.probes or judgment.refusal is None:
        return {}, [], count
    metric = next(metric for metric in metrics if metric.name == tweak.rule.metric)
    sides: dict[str, tuple[Side, Side]] = {}
    findings = []
    deterministic = after.system.seeds.how == "none"
    for name, value in tweak.probes.items():
        title = f"{name}={value}"
        while True:
            pairs, stored_pairs = [], []
            for snapshot, mode in ((before, "the full mode"), (after, "the cheaper mode")):
                plain = work.plan(snapshot, snapshot.system, mode)
                probe = work.plan(
                    snapshot, snapshot.system.with_values({name: value}), f"{title} in {mode}"
                )
                pairs.append(pair(work.runs(plain, count), work.runs(probe, count)))
                stored_pairs.append(side_of(snapshot, probe, [run for _, run in pairs[-1]]))
            finding = judge_probe(
                title, (metric, pairs[0]), pairs[1], tweak.rule, deterministic=deterministic
            )
            if (
                finding.verdict is not Verdict.UNDECIDED
                or deterministic
                or count >= tweak.rule.max_pairs
            ):
                break
            count = next_look(count, tweak.rule.max_pairs)
        sides[title] = (stored_pairs[0], stored_pairs[1])
        findings.append(finding)
    return sides, findings, count
