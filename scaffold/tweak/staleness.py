"""Find out whether a tweak's evidence still holds.

And whether its verdict follows from its runs.
"""

import shlex
from collections.abc import Sequence

from scaffold.errors import BrokenFileError, Problem
from scaffold.git.snapshots import worktree_id
from scaffold.project.project import Project
from scaffold.records.evidence import JudgedRun
from scaffold.records.judgement import ChangeJudgement, Finding, Judgement, Question, Word
from scaffold.records.reason import Reason
from scaffold.records.system import Gates
from scaffold.records.tweak import ChangeEvidence, Tweak
from scaffold.rules.change.baselines import judge_data
from scaffold.rules.change.judge import judge_change, judge_probe, pair
from scaffold.rules.parity.checks import Rung
from scaffold.rules.parity.judge import construction_findings, judge_rewrite


def find_stale_change(project: Project, tweak: Tweak, evidence: ChangeEvidence) -> list[Reason]:
    """Return why a tweak's evidence no longer describes the work tree; nothing when it does."""
    stale = []
    if evidence.seal != evidence.expected_seal():
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
    if evidence.change.state != worktree_id(project):
        stale.append(Reason("program", "src/ or system.yaml changed"))
    return stale


def judge_change_again(evidence: ChangeEvidence) -> ChangeJudgement:
    """Return the judgement that the stored pairs lead to, which must be the stored one.

    Raises:
        BrokenFileError: the stored word does not follow from the stored runs.
    """
    stored = ChangeJudgement.from_mapping(evidence.judgement)
    source = f"evidence/{evidence.milestone}.json"
    if evidence.seal != evidence.expected_seal():
        problem = Problem(
            source=source, line=1, where="seal", message="it was edited after it was written"
        )
        raise BrokenFileError(
            source,
            [problem],
            hint=f"scaffold verify; or, once accepted, git checkout -- {shlex.quote(source)}",
        )
    fresh = _judge_stored(evidence, stored)
    if (fresh.word, fresh.refusal is None) != (stored.word, stored.refusal is None):
        refusal = f" ({fresh.refusal})" if fresh.refusal else ""
        message = f"says {stored.word.value}, but its runs say {fresh.word.value}{refusal}"
        problem = Problem(source=source, line=1, where="judgement", message=message)
        raise BrokenFileError(source, [problem], hint="scaffold verify")
    return stored


def _weakest(findings: Sequence[Finding]) -> Word:
    """Return what the findings of a reproduction allow its overall verdict to be."""
    words = {finding.word.overall for finding in findings}
    order = (Word.NOT_REPRODUCED, Word.INCONCLUSIVE, Word.REPRODUCED)
    return next(word for word in order if word in words)


def _judge_stored(evidence: ChangeEvidence, stored: ChangeJudgement) -> ChangeJudgement:
    rule = evidence.tweak.rule
    rungs = [Rung.from_mapping(rung) for rung in evidence.rungs]
    if evidence.tweak.kind == "rewrite" and not (evidence.before.runs and rungs):
        findings = stored.findings if evidence.change.runs else ()
        kept = [
            finding
            for finding in findings
            if finding.question not in (Question.PARITY, Question.DECLARATION)
        ]
        reproduction = (
            Judgement(word=_weakest(kept), depth="full", findings=tuple(kept)) if kept else None
        )
        more = [finding for finding in stored.findings if finding.question is Question.DECLARATION]
        return judge_rewrite(evidence.tweak.part, rungs, reproduction, stored.remarks, more)
    metric = next(metric for metric in evidence.metrics if metric.name == rule.metric)
    before, after = evidence.before.runs, evidence.change.runs
    if evidence.tweak.kind == "data":
        zeroed = [JudgedRun.model_validate(run) for run in evidence.gates["zeroed"]]
        memorised = JudgedRun.model_validate(evidence.gates["memorised"]).metrics[metric.name].value
        gates = Gates.model_validate(evidence.gates["asked"])
        more = [finding for finding in stored.findings if finding.question is Question.DECLARATION]
        return judge_data(
            rule,
            metric,
            after,
            zeroed,
            evidence.gates["simple"],
            memorised,
            gates,
            evidence.tweak.bound,
            more=more,
            deterministic=len(after) == 1,
        )
    more = [
        finding
        for finding in stored.findings
        if finding.question in (Question.ABLATION, Question.DECLARATION)
    ]
    more += construction_findings(rungs)
    for title, (full, short) in evidence.probes.items():
        pairs = (metric, pair(before, full.runs))
        more.append(
            judge_probe(title, pairs, pair(after, short.runs), rule, deterministic=len(before) == 1)
        )
    return judge_change(
        evidence.tweak.kind_of_pairs,
        rule,
        evidence.metrics,
        pair(before, after),
        deterministic=len(before) == 1,
        device=evidence.device,
        more=more,
    )
