"""Check the budget: steps, calls, evaluations. Pure."""

from scaffold.rules.parity.batches import calls_apart, trains_in_evaluation
from scaffold.rules.parity.checks import CheckResult, Trace, differs, equal
from scaffold.rules.parity.marks import EVALUATED


def compare_budget(golden: Trace, candidate: Trace) -> CheckResult:
    """Check the budget: updates, calls of a network in a step, evaluations and their sizes."""
    if trains_in_evaluation(golden, candidate):
        return equal("budget", 0, ["what was trained in evaluation mode"])
    expected_count, got = golden.index["steps"], candidate.index["steps"]
    if expected_count != got:
        return differs(
            "budget", f"{got} steps instead of {expected_count}", min(expected_count, got)
        )
    calls = calls_apart(golden, candidate)
    if calls is not None:
        return differs("budget", calls.text, calls.step, structural=calls.structural)
    expected_count, got = golden.index["bursts"], candidate.index["bursts"]
    if expected_count != got and _examples_evaluated(golden) != _examples_evaluated(candidate):
        return differs(
            "budget", f"{got} evaluations instead of {expected_count}", min(expected_count, got)
        )
    return equal("budget", 3)


def _examples_evaluated(trace: Trace) -> int:
    """Return how many examples all evaluations had together."""
    counts = trace.arrays.get(EVALUATED)
    return 0 if counts is None else int(counts[:, 1].sum())


def evaluated_at(trace: Trace) -> set[int]:
    """Return the steps after which a program evaluates."""
    counts = trace.arrays.get("series.evaluation.count")
    return set() if counts is None else {int(step) for step in counts[:, 0]}


def networks_trained(trace: Trace) -> int:
    """Return how many networks are called in training; all, where a trace does not say."""
    names = {network["name"] for network in trace.index["networks"]}
    entered = {name.partition(".")[0] for name in trace.index.get("entered", names)}
    return len(names & entered)
