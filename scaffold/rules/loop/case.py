"""What a diagnosis is made from, and what it is: bottlenecks, probes, their results. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from scaffold.rules.loop.gaps import Analysis, SplitError, difference


class Bottleneck(str, Enum):
    """What holds a model back."""

    HEALTHY = "healthy"
    LEAK = "leak"
    WRONG_METRIC = "wrong metric"
    BROKEN_TRAINING = "broken training"
    BROKEN_DATA = "broken data"
    OPTIMIZER = "optimizer"
    LABEL_NOISE = "label noise"
    UNDERFITTING = "underfitting"
    TOO_LITTLE_DATA = "too little data"
    OVERFITTING = "overfitting"
    MISMATCH = "mismatch"
    OVERFIT_TO_VALIDATION = "overfit to validation"


class ProbeKind(str, Enum):
    """How a program is run in another way."""

    RATE = "rate"
    NO_REGULARIZATION = "no-regularization"
    MORE_REGULARIZATION = "more-regularization"
    WIDER = "wider"
    ROWS = "rows"


@dataclass(frozen=True, slots=True)
class Probe:
    """One run in another way: a rate times `value`, or `value` as the share of training rows."""

    kind: ProbeKind
    value: float = 1.0

    @property
    def name(self) -> str:
        """Return the name that a command takes."""
        has_value = self.kind in (ProbeKind.RATE, ProbeKind.ROWS)
        return f"{self.kind.value}-{self.value:g}" if has_value else self.kind.value


FASTER, SLOWER = Probe(ProbeKind.RATE, 10), Probe(ProbeKind.RATE, 0.1)
MUCH_FASTER, MUCH_SLOWER = Probe(ProbeKind.RATE, 100), Probe(ProbeKind.RATE, 0.01)
WIDER = Probe(ProbeKind.WIDER)
UNREGULARIZED = Probe(ProbeKind.NO_REGULARIZATION)
REGULARIZED = Probe(ProbeKind.MORE_REGULARIZATION)
HALF, QUARTER = Probe(ProbeKind.ROWS, 0.5), Probe(ProbeKind.ROWS, 0.25)
FEW = Probe(ProbeKind.ROWS, 64)
"""So many rows, not a share: what any working training learns by heart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What a probe gave; without errors it acted on nothing, or failed: it is no result."""

    probe: Probe
    errors: Mapping[str, SplitError] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFacts:
    """What a run shows by itself.

    Attributes:
        never_moved: parameters that training never changed, with the reason of each.
        parameters: how many there are.
        starts_at_zero: all that never moved is 0: weights that start so get no gradient.
        is_sign_flipped: what `backward` gets is minus the loss.
        diverged: the loss became no number.
        evaluation_differs: how far evaluation differs from itself, in its mean output, and how it
            was seen; empty if it does not.
        copies: validation rows that also went into training, and all of them.
        is_augmented: training rows are changed at random as they are drawn, which makes them harder
            than those of validation.
    """

    never_moved: Sequence[str] = ()
    parameters: int = 0
    starts_at_zero: bool = False
    is_sign_flipped: bool = False
    diverged: bool = False
    evaluation_differs: str = ""
    copies: tuple[int, int] = (0, 0)
    is_augmented: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What holds the model back.

    Attributes:
        bottleneck: None where that cannot be said.
        reason: one sentence.
        evidence: what speaks for it.
        against: what speaks against each rival.
        next_probe: the run that would tell more; None where none would.
        gain: of the error, as the probe that decided it gave or forecast.
        gain_interval: of 95 %, of a forecast.
        decided_by: the kind of that probe.
        first_remedy: what treats it where something else than a probe told; empty if nothing did.
    """

    bottleneck: Bottleneck | None
    reason: str
    evidence: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    next_probe: Probe | None = None
    gain: float | None = None
    gain_interval: tuple[float, float] | None = None
    decided_by: ProbeKind | None = None
    first_remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that a diagnosis is made from.

    Attributes:
        analysis: the gaps.
        matters: the smallest difference that matters.
        constants: by split, the error of the best constant of the training labels.
        facts: of the program's own run.
        results: of the probes that ran.
        available: probes that can run on this program.
        reported_otherwise: where the program reports a metric that its predictions do not give.
    """

    analysis: Analysis
    matters: float
    constants: Mapping[str, float]
    facts: TrainingFacts = TrainingFacts()
    results: Sequence[ProbeResult] = ()
    available: Sequence[Probe] = ()
    reported_otherwise: Sequence[str] = ()

    def amount(self, error: float) -> str:
        """Return an error in words: of classes in percent, else a number."""
        of_classes = all(one.variance is None for one in self.analysis.errors.values())
        return f"{100 * error:.2g} %" if of_classes else f"{error:.3g}"

    def result(self, probe: Probe) -> ProbeResult | None:
        """Return what a probe gave, if it ran and acted."""
        return next((one for one in self.results if one.probe == probe and one.errors), None)

    def first_open(self, probes: Sequence[Probe]) -> Probe | None:
        """Return the first of some probes that can run and did not yet."""
        done = [one.probe for one in self.results]
        return next((p for p in probes if p in self.available and p not in done), None)

    def clipped(self, split: str, error: SplitError) -> SplitError:
        """Return an error; one that is worse than the constant's counts as that."""
        constant = self.constants.get(split)
        if constant is None or not error.error > constant:
            return error
        return SplitError(n=error.n, error=constant, variance=error.variance)

    def gain(self, probe: Probe, split: str) -> tuple[float, bool] | None:
        """Return how much smaller a probe makes an error, and whether that is beyond noise."""
        result = self.result(probe)
        if result is None or split not in result.errors:
            return None
        before = self.clipped(split, self.analysis.errors[split])
        after = self.clipped(split, result.errors[split])
        value, (low, _) = difference(after, before)
        return value, low > 0 and value > self.matters
