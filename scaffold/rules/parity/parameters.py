"""Check which parameters there are, which are trained, and how. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scaffold.records.trace import paired_networks
from scaffold.rules.parity.budget import networks_trained
from scaffold.rules.parity.checks import (
    OPTIONS,
    PORTIONS,
    CheckResult,
    Trace,
    differs,
    equal,
)
from scaffold.rules.parity.masks import OF_DROPOUT
from scaffold.rules.parity.settings import settings_apart

_OPTIONS_OF_HOW = {
    "lr",
    "initial_lr",
    "foreach",
    "fused",
    "capturable",
    "differentiable",
    "decoupled_weight_decay",
}
"""Options of an optimizer that say how it computes, not what; rates are another check's
question."""


def report_unmatched(candidate: Trace) -> CheckResult:
    """Report tensors of the network that match nothing: no other check can run."""
    unmatched = candidate.index["unmatched"]
    text = []
    if unmatched["missing"]:
        text.append(f"the reference's {', '.join(unmatched['missing'][:6])} have no place")
    if unmatched["extra"]:
        text.append(f"{', '.join(unmatched['extra'][:6])} are made of nothing")
    module = (unmatched["missing"] or unmatched["extra"] or [unmatched["network"]])[0].rpartition(
        "."
    )[0]
    causes = (
        "parameters have other names or shapes: say under `weights` what they are made of",
        "a bias or a whole layer is missing, or too many",
    )
    reason = "; ".join([*text, *unmatched["problems"][:6]])
    return replace(differs("parameters", reason, module=module), causes=causes)


def compare_parameters(golden: Trace, candidate: Trace) -> CheckResult:
    """Check which parameters are trained, and how the optimizer treats each."""
    compared, missing = 0, []
    counts = [networks_trained(trace) for trace in (golden, candidate)]
    if counts[0] != counts[1]:
        return differs(
            "parameters",
            f"{counts[1]} networks are trained instead of {counts[0]}",
            structural=PORTIONS,
        )
    for mine, theirs in paired_networks(golden.index, candidate.index):
        reference = {entry["name"]: entry for entry in mine["parameters"]}
        has_groups = any(entry["group"] for entry in theirs["parameters"])
        if not has_groups and any(entry["group"] for entry in mine["parameters"]):
            missing.append(
                "the optimizer's groups: it is not a torch optimizer; what it does is compared"
                " nonetheless"
            )
        for entry in theirs["parameters"]:
            for name in theirs["sources"].get(entry["name"], ()):
                compared += 1
                apart = _treated_otherwise(reference[name], entry, has_groups=has_groups)
                if apart is not None:
                    return differs(
                        "parameters", apart[0], module=name, compared=compared, structural=apart[1]
                    )
    late = settings_apart(golden, candidate)
    if late is not None and not late[2].endswith(OF_DROPOUT):
        return differs("parameters", late[0], late[1], late[2], compared)
    return equal("parameters", compared, missing)


def _treated_otherwise(
    expected: Mapping[str, Any], entry: Mapping[str, Any], *, has_groups: bool
) -> tuple[str, str] | None:
    """Return how a parameter is treated other than the reference's, and of which kind that is."""
    if expected["requires_grad"] != entry["requires_grad"]:
        is_trained = "is trained" if entry["requires_grad"] else "is not trained"
        return f"{entry['name']} {is_trained}, the reference's {expected['name']} otherwise", ""
    if not has_groups or not expected["group"]:
        return None
    if not entry["group"]:
        return f"{entry['name']} is not given to the optimizer", ""
    for key in sorted(expected["group"].keys() & entry["group"].keys() - _OPTIONS_OF_HOW):
        if not _same_option(expected["group"][key], entry["group"][key]):
            text = (
                f"{key} of {entry['name']} is {entry['group'][key]} instead of"
                f" {expected['group'][key]}"
            )
            return text, OPTIONS
    return None


def _same_option(a: Any, b: Any) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_same_option(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return abs(a - b) <= 1e-9 * max(abs(a), abs(b))
    return bool(a == b)
