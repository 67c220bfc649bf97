"""The parity checks, what a trace of a program holds.

And what comparing two of them answers.

Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from scaffold.records.judgment import Verdict
from scaffold.records.trace import TraceIndex
from scaffold.rules.parity.tensors import TensorGap

CHECKS: Mapping[str, str] = {
    "data": "examples, labels, values after preprocessing",
    "batches": "size, order and values of the batches",
    "budget": "steps and evaluations",
    "schedule": "learning rate at every step",
    "parameters": "names, shapes, which are trained, the optimizer's groups",
    "initialization": "how each parameter begins",
    "dropout": "share and number of masks",
    "forward_eval": "each module's outputs, evaluation mode",
    "forward_train": "each module's outputs, training mode, the reference's masks",
    "buffers": "statistics after a step",
    "loss": "its value, and its gradient at the outputs",
    "gradients": "of every parameter, from the reference's gradient at the outputs",
    "optimizer": "what a step makes of the reference's gradients, some of them 100 times as large",
    "loop": "six real steps in float64",
    "evaluation": "mode, inputs and outputs of the first evaluation",
    "functions": "outputs of every function whose inputs are equal",
    "reporting": "what the program reports, of made-up outputs where it has networks",
    "replay": "a shortened whole run in float64",
}
"""All checks, in the order in which the first that differs is the address; what each compares."""


STAGES: Mapping[str, str] = {
    "data": "what is loaded, prepared and batched",
    "loss": "what is made of outputs and targets",
    "optimizer": "what is made of gradients",
    "schedule": "learning rates over the steps",
    "evaluation": "what is measured, and how",
    "program": "the whole training program",
}
"""Parts that every training program has, whatever its functions are called."""

CALLS, PORTIONS, OPTIONS = "calls", "portions", "options"
"""What a difference may be that is none of values: other calls of as many examples each, or of
other numbers; options of an optimizer, of which only what it makes of gradients counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What was captured of one run: index, arrays by name, metrics that the program reported.

    `full_metrics` are those that it reported when every step updated all weights; torch's own
    optimizers are otherwise kept from updating what nobody looks at.
    """

    index: TraceIndex
    arrays: Mapping[str, Any]
    metrics: Mapping[str, float] = field(default_factory=dict)
    full_metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where two traces differ: tensor, call, module and step, and by how much.

    `call` and `step` count from 0; `dtype` is `float64` or `own dtype` where it is a tensor.
    """

    module: str
    call: int = 0
    step: int = 0
    tensor: str = ""
    dtype: str = ""
    gap: TensorGap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The answer of one check.

    Attributes:
        verdict: EQUAL, DIFFERS, or LEFT_OUT where nothing could be compared.
        code: of a difference from which a cause follows; empty for others.
        compared: tensors, or values of series.
        worst: largest error in units of what is allowed.
        causes: what such a difference usually comes from, likeliest first.
        left_out: what could not be compared, by name.
        suggestions: lines for `weights:`, where tensors have other names or shapes.
        along: of a forward check, the error of each module in the order of computation, in units of
            what is allowed.
        structural: `calls` or `portions` where what differs is in how many of those something is
            computed, `options` where it is what an optimizer was told: where a whole run is the
            same after each update, that is none.
        has_metrics: of the replay, whether what it reported in the end was compared too.
        uncompared: what of the rewritten part nothing was compared with, in words.
    """

    name: str
    verdict: Verdict
    reason: str = ""
    code: str = ""
    address: Address | None = None
    compared: int = 0
    worst: float = 0.0
    causes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    along: tuple[tuple[str, float], ...] = ()
    structural: str = ""
    uncompared: str = ""
    has_metrics: bool = False

    def as_mapping(self) -> dict[str, Any]:
        """Return plain data for JSON, in which infinity has no place."""
        mapping: dict[str, Any] = _finite(asdict(self))
        return mapping

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> "CheckResult":
        """Read what `as_mapping` and JSON made of a check; its gap stays with its reason."""
        address = data["address"]
        return cls(
            **{
                **data,
                "verdict": Verdict(data["verdict"]),
                "causes": tuple(data["causes"]),
                "left_out": tuple(data["left_out"]),
                "suggestions": tuple(data["suggestions"]),
                "along": tuple((name, error) for name, error in data["along"]),
                "address": Address(**{**address, "gap": None}) if address else None,
            }
        )


NOT_SEEN = "not_seen"
"""Code of a check of which a program shows nothing."""

HUGE = 1e300
"""Stands for infinity in JSON."""


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return min(max(value, -HUGE), HUGE) if value == value else HUGE
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def equal(
    name: str, compared: int, left_out: Sequence[str] = (), worst: float = 0.0
) -> CheckResult:
    """Return EQUAL; LEFT_OUT where nothing was compared."""
    if not compared:
        return CheckResult(
            name=name,
            verdict=Verdict.LEFT_OUT,
            reason="not seen",
            code=NOT_SEEN,
            left_out=tuple(left_out),
            worst=worst,
        )
    return CheckResult(
        name=name, verdict=Verdict.EQUAL, compared=compared, left_out=tuple(left_out), worst=worst
    )


def differs(
    name: str,
    reason: str,
    step: int = 0,
    module: str = "",
    compared: int = 0,
    *,
    structural: str = "",
) -> CheckResult:
    """Return DIFFERS, from a step on."""
    return CheckResult(
        name=name,
        verdict=Verdict.DIFFERS,
        reason=reason,
        address=Address(module=module, step=step),
        compared=compared,
        worst=float("inf"),
        structural=structural,
    )


def left_out(name: str, reason: str) -> CheckResult:
    """Return LEFT_OUT: nothing could be compared."""
    return CheckResult(name=name, verdict=Verdict.LEFT_OUT, reason=reason)


def first_difference(checks: Sequence[CheckResult]) -> CheckResult | None:
    """Return the first check that differs."""
    return next((check for check in checks if check.verdict is Verdict.DIFFERS), None)
