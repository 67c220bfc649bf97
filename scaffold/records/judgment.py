"""What a verdict says: words, findings, and the judgment they add up to.

Plain dataclasses without third-party imports, so that a stored judgment is shown again at no cost.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from scaffold.records.reason import Reason


class Verdict(str, Enum):
    """The answer to one question; see docs/verdicts.md."""

    REPRODUCED = "REPRODUCED"
    NOT_REPRODUCED = "NOT_REPRODUCED"
    INCONCLUSIVE = "INCONCLUSIVE"
    CONSISTENT = "CONSISTENT"
    INCONSISTENT = "INCONSISTENT"
    EXCEEDS = "EXCEEDS"
    UNTESTABLE = "UNTESTABLE"
    EXPECTED = "EXPECTED"
    UNEXPECTED = "UNEXPECTED"
    SEED_IGNORED = "SEED_IGNORED"
    NONDETERMINISTIC = "NONDETERMINISTIC"
    BETTER = "BETTER"
    WORSE = "WORSE"
    NO_DIFFERENCE = "NO_DIFFERENCE"
    CONCLUSIONS_HOLD = "CONCLUSIONS_HOLD"
    UNDECIDED = "UNDECIDED"
    EQUAL = "EQUAL"
    DIFFERS = "DIFFERS"
    LEFT_OUT = "LEFT_OUT"

    @property
    def overall(self) -> "Verdict":
        """Return what this answer alone allows the overall verdict to be."""
        if self in (Verdict.NOT_REPRODUCED, Verdict.INCONSISTENT):
            return Verdict.NOT_REPRODUCED
        if self in (
            Verdict.REPRODUCED,
            Verdict.CONSISTENT,
            Verdict.EXPECTED,
            Verdict.NONDETERMINISTIC,
        ):
            return Verdict.REPRODUCED
        return Verdict.INCONCLUSIVE


class Question(str, Enum):
    """What a finding answers."""

    REPRODUCTION = "reproduction"
    CLAIM = "claim"
    MONITORED = "monitored"
    SEEDS = "seeds"
    CHANGE = "change"
    COST = "cost"
    PROBE = "probe"
    BASELINE = "baseline"
    ABLATION = "ablation"
    DECLARATION = "declaration"
    PARITY = "parity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The answer to one question about one metric, with its numbers.

    Attributes:
        question: what it answers.
        metric: its name.
        published: the claim as printed by its source, for a claim.
        n: own runs used; `mean` and `sd` are theirs, in the metric's unit (sd is None for one run).
        interval: what the rule allows, [low, high] in the metric's unit; of a change, where its
            effect lies.
        before, correlation: of a change, the mean before it, and how alike runs of one seed are.
        rule: the test in words, with its error rates.
        more_seeds: further seeds expected until the question is decided; None when it is.
    """

    question: Question
    metric: str
    verdict: Verdict
    reason: str
    rule: str
    published: str | None = None
    published_value: float | None = None
    n: int = 0
    mean: float | None = None
    sd: float | None = None
    interval: tuple[float, float] | None = None
    more_seeds: int | None = None
    before: float | None = None
    correlation: float | None = None

    @property
    def effect(self) -> float | None:
        """Return the mean after a change minus the mean before it, in the metric's unit."""
        return (
            self.mean - self.before if self.mean is not None and self.before is not None else None
        )

    @property
    def has_moved(self) -> bool:
        """Return whether the effect's interval leaves out 0."""
        return self.interval is not None and not self.interval[0] <= 0.0 <= self.interval[1]

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> "Finding":
        """Read what `dataclasses.asdict` and JSON made of a finding."""
        interval = data["interval"]
        return cls(
            **{
                **data,
                "question": Question(data["question"]),
                "verdict": Verdict(data["verdict"]),
                "interval": tuple(interval) if interval else None,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgment:
    """All findings and the weakest verdict among them.

    Attributes:
        basis: `training` (trained here in full), `evaluation` (released weights, evaluated here) or
            `early training`.
        deviations: intended, recorded differences from what was published.
    """

    verdict: Verdict
    basis: str
    findings: tuple[Finding, ...] = field(repr=False)
    deviations: tuple[Reason, ...] = field(default=(), repr=False)

    @property
    def reason(self) -> str:
        """Return the reasons of the findings that determine the verdict."""
        weakest = [finding for finding in self.findings if finding.verdict.overall is self.verdict]
        return "; ".join(
            f"{finding.metric}: {finding.verdict.value}, {finding.reason}" for finding in weakest
        )

    def as_mapping(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> "Judgment":
        """Read what `as_mapping` and JSON made of a judgment."""
        return cls(
            verdict=Verdict(data["verdict"]),
            basis=data["basis"],
            findings=tuple(Finding.from_mapping(finding) for finding in data["findings"]),
            deviations=tuple(Reason(**deviation) for deviation in data["deviations"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeJudgment:
    """What the runs of two states say of the change between them.

    Attributes:
        verdict: BETTER, WORSE, NO_DIFFERENCE or UNDECIDED.
        refusal: why a change of its kind is not to be accepted with this; None when it is.
        remarks: what else is to be known.
        more_pairs: further pairs of runs expected until it is decided; None when it is, or when
            none would do.
    """

    verdict: Verdict
    kind: str
    refusal: str | None
    findings: tuple[Finding, ...] = field(repr=False)
    remarks: tuple[str, ...] = field(default=(), repr=False)
    more_pairs: int | None = None

    @property
    def reason(self) -> str:
        """Return what was found of the judged metric and of what else determines the verdict."""
        checks = [finding for finding in self.findings if finding.question is Question.PARITY]
        if self.kind == "rewrite" and self.verdict is Verdict.EQUAL:
            left_out = [finding.metric for finding in checks if finding.verdict is Verdict.LEFT_OUT]
            equal = (
                f"{sum(finding.verdict is Verdict.EQUAL for finding in checks)} checks are equal"
            )
            return equal + (f", left out: {', '.join(left_out)}" if left_out else "")
        if self.kind == "rewrite":
            return next(
                (f"{f.metric}: {f.reason}" for f in checks if f.verdict is Verdict.DIFFERS),
                self.refusal or "",
            )
        relevant = [
            f
            for f in self.findings
            if f.question is Question.CHANGE or f.verdict in (Verdict.UNEXPECTED, self.verdict)
        ]
        return "; ".join(
            dict.fromkeys(f"{f.metric}: {f.verdict.value}, {f.reason}" for f in relevant)
        )

    def as_mapping(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> "ChangeJudgment":
        """Read what `as_mapping` and JSON made of a judgment."""
        return cls(
            **{
                **data,
                "verdict": Verdict(data["verdict"]),
                "findings": tuple(Finding.from_mapping(finding) for finding in data["findings"]),
                "remarks": tuple(data["remarks"]),
            }
        )
