"""Find out whether a tweak's evidence still holds.

And whether its verdict follows from its runs.
"""

import shlex
from collections.abc import Sequence

from scaffold.errors import BrokenFileError, Problem
from scaffold.git.snapshots import changed_paths, worktree_id
from scaffold.project.project import Project
from scaffold.records.evidence import JudgedRun
from scaffold.records.judgment import ChangeJudgment, Finding, Judgment, Question, Verdict
from scaffold.records.metric import Metric
from scaffold.records.reason import Reason
from scaffold.records.system import Baselines
from scaffold.records.tweak import ChangeEvidence, Tweak
from scaffold.rules.change.baselines import BaselineRuns, judge_data
from scaffold.rules.change.judge import ChangeTerms, judge_change, judge_probe
from scaffold.rules.change.paired import pair
from scaffold.rules.parity.checks import CheckResult
from scaffold.rules.parity.judge import findings_of_checks, judge_rewrite


def find_stale_change(project: Project, tweak: Tweak, evidence: ChangeEvidence) -> list[Reason]:
    """Return why a tweak's evidence no longer describes the work tree; nothing when it does."""
    stale = []
    if evidence.checksum != evidence.expected_checksum():
        stale.append(
            Reason(
                "evidence_edited",
                f"evidence/{evidence.milestone}.json was edited after it was written",
            )
        )
    if evidence.tweak != tweak:
        stale.append(
            Reason("declaration", f"tweaks/{tweak.name}.yaml changed after results were seen")
        )
    present = worktree_id(project)
    if evidence.change.snapshot != present:
        paths = changed_paths(project, evidence.change.snapshot, present)
        others = f" and {len(paths) - 1} more" if paths[1:] else ""
        changed = f"{paths[0]}{others}" if paths else "src/ or system.yaml"
        stale.append(Reason("program", f"{changed} changed"))
    return stale


def judge_change_again(evidence: ChangeEvidence) -> ChangeJudgment:
    """Return the judgment that the stored pairs lead to, which must be the stored one.

    Raises:
        BrokenFileError: the stored word does not follow from the stored runs.
    """
    stored = ChangeJudgment.from_mapping(evidence.judgment)
    source = f"evidence/{evidence.milestone}.json"
    if evidence.checksum != evidence.expected_checksum():
        problem = Problem(
            source=source, line=1, where="checksum", message="it was edited after it was written"
        )
        raise BrokenFileError(
            source,
            [problem],
            hint=f"scaffold verify; or, once accepted, git checkout -- {shlex.quote(source)}",
        )
    fresh = _judge_stored(evidence, stored)
    if (fresh.verdict, fresh.refusal is None) != (stored.verdict, stored.refusal is None):
        refusal = f" ({fresh.refusal})" if fresh.refusal else ""
        message = f"says {stored.verdict.value}, but its runs say {fresh.verdict.value}{refusal}"
        problem = Problem(source=source, line=1, where="judgment", message=message)
        raise BrokenFileError(source, [problem], hint="scaffold verify")
    return stored


def _weakest(findings: Sequence[Finding]) -> Verdict:
    """Return what the findings of a reproduction allow its overall verdict to be."""
    verdicts = {finding.verdict.overall for finding in findings}
    order = (Verdict.NOT_REPRODUCED, Verdict.INCONCLUSIVE, Verdict.REPRODUCED)
    return next(verdict for verdict in order if verdict in verdicts)


def _judge_stored(evidence: ChangeEvidence, stored: ChangeJudgment) -> ChangeJudgment:
    rule = evidence.tweak.rule
    checks = [CheckResult.from_mapping(check) for check in evidence.checks]
    if evidence.tweak.kind == "rewrite" and not (evidence.before.runs and checks):
        findings = stored.findings if evidence.change.runs else ()
        stored_findings = [
            finding
            for finding in findings
            if finding.question not in (Question.PARITY, Question.DECLARATION)
        ]
        reproduction = (
            Judgment(
                verdict=_weakest(stored_findings), basis="training", findings=tuple(stored_findings)
            )
            if stored_findings
            else None
        )
        further = [
            finding for finding in stored.findings if finding.question is Question.DECLARATION
        ]
        return judge_rewrite(evidence.tweak.part, checks, reproduction, stored.remarks, further)
    metric = next(metric for metric in evidence.metrics if metric.name == rule.metric)
    before, after = evidence.before.runs, evidence.change.runs
    if evidence.tweak.kind == "data":
        return _judge_data_again(evidence, stored, metric)
    further = [
        finding
        for finding in stored.findings
        if finding.question in (Question.ABLATION, Question.DECLARATION)
        or (finding.question is Question.SEEDS and finding.verdict is Verdict.UNDECIDED)
    ]
    further += findings_of_checks(checks)
    for title, (full, short) in evidence.probes.items():
        pairs = (metric, pair(before, full.runs))
        further.append(
            judge_probe(title, pairs, pair(after, short.runs), rule, deterministic=len(before) == 1)
        )
    terms = ChangeTerms(
        rule=rule,
        deterministic=len(before) == 1,
        device=evidence.device,
        additional=further,
    )
    return judge_change(evidence.tweak.kind_of_pairs, evidence.metrics, pair(before, after), terms)


def _judge_data_again(
    evidence: ChangeEvidence, stored: ChangeJudgment, metric: Metric
) -> ChangeJudgment:
    recorded, runs = evidence.baselines, evidence.change.runs
    overfit = JudgedRun.model_validate(recorded["overfit_one_batch"])
    compared = BaselineRuns(
        zeroed=[JudgedRun.model_validate(run) for run in recorded["zeroed"]],
        simple=recorded["simple"],
        overfit_one_batch=overfit.metrics[metric.name].value,
        settings=Baselines.model_validate(recorded["settings"]),
        bound=evidence.tweak.bound,
    )
    declared = [f for f in stored.findings if f.question is Question.DECLARATION]
    terms = ChangeTerms(rule=evidence.tweak.rule, deterministic=len(runs) == 1, additional=declared)
    return judge_data(metric, runs, compared, terms)
