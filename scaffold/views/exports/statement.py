"""State a reproduction as an in-toto attestation: what was judged, of which files, with what."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scaffold import __version__
from scaffold.project.digests import file_digest
from scaffold.project.project import Project
from scaffold.records.evidence import Evidence
from scaffold.records.judgment import Finding, Judgment, Question, Verdict
from scaffold.records.recipe import (
    GitReference,
    HubReference,
    PackageReference,
    Recipe,
)
from scaffold.reproduce.staleness import require_evidence

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
"""The standard predicate for "these tests gave this result"; ours is beside it, in
`reproduction`."""

_RESULTS = {
    Verdict.REPRODUCED: "PASSED",
    Verdict.INCONCLUSIVE: "WARNED",
    Verdict.NOT_REPRODUCED: "FAILED",
}


def make_statement(project: Project) -> dict[str, Any]:
    """Return the statement as plain data.

    Raises:
        ProjectError, BrokenFileError: see `reproduce.staleness.require_evidence`.
    """
    return describe(project, *require_evidence(project))


def describe(project: Project, recipe: Recipe, evidence: Evidence) -> dict[str, Any]:
    """Return what a project's files and runs say, whoever made them."""
    judgment = Judgment.from_mapping(evidence.judgment)
    tests: dict[str, list[str]] = {}
    for finding in judgment.findings:
        word = _RESULTS[finding.verdict.overall].lower()
        tests.setdefault(f"{word}Tests", []).append(f"{finding.question.value} {finding.metric}")
    return {
        "_type": STATEMENT_TYPE,
        "subject": [_descriptor(project.root, project.reproduction)],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": _RESULTS[judgment.verdict],
            "configuration": [
                _descriptor(project.root, path) for path in (project.recipe, project.lock)
            ],
            **tests,
            "reproduction": _reproduction(recipe, evidence, judgment),
        },
    }


def _descriptor(root: Path, path: Path) -> dict[str, Any]:
    return {
        "name": path.relative_to(root).as_posix(),
        "digest": {"sha256": file_digest(path)},
    }


def _reproduction(recipe: Recipe, evidence: Evidence, judgment: Judgment) -> dict[str, Any]:
    return {
        "format": 1,
        "recipe": recipe.id,
        "title": recipe.title,
        "reference": describe_reference(recipe),
        "verdict": judgment.verdict.value,
        "basis": judgment.basis,
        "reason": judgment.reason,
        "claims": [
            {
                "metric": claim.metric,
                "dataset": claim.dataset,
                "source": claim.source.url,
                "words": claim.source.words,
            }
            for claim in recipe.claims
        ],
        "findings": [_finding(finding) for finding in judgment.findings],
        "deviations": [asdict(reason) for reason in judgment.deviations],
        "seeds": [run.seed for run in evidence.runs],
        "failed_runs": evidence.failed_runs,
        "calibration": evidence.calibration,
        "inputs": evidence.inputs.model_dump(mode="json"),
        "hardware": sorted({run.machine.hardware for run in evidence.runs}),
        "sandboxes": sorted({run.confinement.sandbox for run in evidence.runs}),
        "python": sorted({run.environment.python for run in evidence.runs}),
        "evidence": evidence.checksum,
        "created": evidence.created,
        "tool": {"name": "mlloop-new", "version": __version__},
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "question": finding.question.value,
        "metric": finding.metric,
        "verdict": finding.verdict.value,
        "published": finding.published,
        "published_value": finding.published_value,
        "n": finding.n,
        "mean": finding.mean,
        "sd": finding.sd,
        "interval": list(finding.interval) if finding.interval else None,
        "reason": finding.reason,
        "rule": finding.rule,
    }


def describe_reference(recipe: Recipe) -> dict[str, str]:
    """Return what was run: where it is from, which revision, and the digest of its tree."""
    reference = recipe.reference
    origin = {}
    if isinstance(reference, GitReference):
        origin = {"git": reference.git, "revision": reference.revision}
    elif isinstance(reference, HubReference):
        origin = {"hub": reference.hub, "revision": reference.revision}
    elif isinstance(reference, PackageReference):
        origin = {"package": reference.package, "version": reference.version}
    return {**origin, "tree": reference.tree, "license": reference.license}


def claim_findings(reproduction: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the findings of a statement that are about published numbers."""
    return [one for one in reproduction["findings"] if one["question"] == Question.CLAIM.value]
