"""Write findings, and numbers, that several judgments share. Pure."""

from scaffold.records.claim import Claim, ValueClaim
from scaffold.records.judgment import Finding, Question, Verdict
from scaffold.rules.stats import SampleStats


def claim_finding(
    claim: Claim, own: SampleStats, verdict: Verdict, reason: str, rule: str, **numbers: object
) -> Finding:
    """Return a finding with the claim's words and the statistics of the runs."""
    return Finding(
        question=Question.CLAIM,
        metric=claim.metric,
        verdict=verdict,
        reason=reason,
        rule=rule,
        published=claim.text,
        published_value=claim.value if isinstance(claim, ValueClaim) else None,
        n=own.n,
        mean=own.mean,
        sd=own.sd if own.n > 1 else None,
        **numbers,  # type: ignore[arg-type]
    )


def is_better(first: float, second: float, direction: str) -> bool:
    """Return whether one value is better than another; `direction` is `lower` or `higher`."""
    return first < second if direction == "lower" else first > second


def failed_finding(verdict: Verdict, reason: str, n: int) -> Finding:
    """Return the finding that more runs failed than ended well; `n` ended well."""
    return Finding(
        question=Question.SEEDS,
        metric="all",
        verdict=verdict,
        reason=reason,
        rule="more runs end well than fail",
        n=n,
    )


def published_stats(claim: ValueClaim) -> SampleStats:
    """Return a published value as the statistics of one run."""
    return SampleStats(n=1, mean=claim.value, sd=0.0, half_digit=claim.half_digit)
