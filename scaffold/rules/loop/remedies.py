"""What treats a bottleneck, simplest and fastest first. Pure.

Sources: Ameisen and Coates, How to deliver on Machine Learning projects; Ng, Machine Learning
Yearning (2018); Google, Deep Learning Tuning Playbook (2023).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from scaffold.rules.loop.case import Bottleneck, Diagnosis, ProbeKind


@dataclass(frozen=True, slots=True)
class Remedy:
    """One thing to try.

    Attributes:
        id: the name that a tweak of it gets.
        change: what to do.
        cost: free, one flag, short sweep, long sweep, code, data or people.
        refuted_by: what would show that it is not the remedy.
        probe: the kind of probe that tries it once, if there is one.
    """

    id: str
    change: str
    cost: str
    refuted_by: str
    probe: ProbeKind | None = None


COSTS = ("free", "one flag", "short sweep", "long sweep", "code", "data", "people")
"""The cheapest first."""

_SAME_ERROR = "the error stays"
_REMEDIES: Mapping[Bottleneck, tuple[Remedy, ...]] = {
    Bottleneck.LEAK: (
        Remedy(
            "remove-leak",
            "take rows, groups and columns that give the label away out of training",
            "data",
            "the reported error stays: it must get worse, and honest",
        ),
    ),
    Bottleneck.WRONG_METRIC: (
        Remedy(
            "honest-metric",
            "evaluate in evaluation mode, over all examples at once",
            "code",
            "the reported metric and that of the predictions still differ",
        ),
    ),
    Bottleneck.BROKEN_TRAINING: (
        Remedy(
            "mend-training",
            "let every parameter get a gradient and lie in an optimizer; check the loss's sign",
            "code",
            "parameters still do not move, or 64 rows are still not learned by heart",
        ),
    ),
    Bottleneck.BROKEN_DATA: (
        Remedy(
            "align-labels",
            "look at 20 rows of each split with their labels as the network gets them, align them",
            "code",
            "validation stays no better than a constant",
        ),
    ),
    Bottleneck.OPTIMIZER: (
        Remedy(
            "learning-rate",
            "set the learning rate to the one whose probe gained",
            "one flag",
            "the training error does not fall",
            ProbeKind.RATE,
        ),
        Remedy("initialization", "draw initial weights at the usual scale", "code", _SAME_ERROR),
        Remedy("schedule", "warm the rate up, then let it fall", "one flag", _SAME_ERROR),
        Remedy("other-optimizer", "take another optimizer", "code", _SAME_ERROR),
    ),
    Bottleneck.LABEL_NOISE: (
        Remedy(
            "fix-labels",
            "look at the 100 most suspicious rows (scaffold errors sheet), and mend their labels",
            "people",
            "fewer than a tenth of them are wrong",
        ),
    ),
    Bottleneck.UNDERFITTING: (
        Remedy(
            "less-regularization",
            "turn weight decay and dropout down",
            "one flag",
            "the training error stays",
            ProbeKind.NO_REGULARIZATION,
        ),
        Remedy(
            "larger-model",
            "double the width",
            "one flag",
            "the training error stays",
            ProbeKind.WIDER,
        ),
        Remedy("longer-training", "train twice as long", "one flag", "the training loss is flat"),
        Remedy("features", "give it inputs that tell the label", "code", _SAME_ERROR),
    ),
    Bottleneck.TOO_LITTLE_DATA: (
        Remedy("augmentation", "augment the training data", "code", _SAME_ERROR),
        Remedy(
            "more-data",
            "collect as much again",
            "data",
            "the learning curve is flat from half to all of the data",
            ProbeKind.ROWS,
        ),
    ),
    Bottleneck.OVERFITTING: (
        Remedy(
            "more-regularization",
            "turn weight decay or dropout up",
            "one flag",
            "the validation error stays",
            ProbeKind.MORE_REGULARIZATION,
        ),
        Remedy("stop-earlier", "keep the state of the best validation", "one flag", _SAME_ERROR),
        Remedy("smaller-model", "halve the width", "one flag", _SAME_ERROR),
    ),
    Bottleneck.MISMATCH: (
        Remedy(
            "look-at-errors",
            "compare 100 errors of train-dev and of validation (scaffold errors sheet)",
            "people",
            "they are of the same kinds, as often",
        ),
        Remedy("matching-data", "collect or make data such as validation has", "data", _SAME_ERROR),
    ),
    Bottleneck.OVERFIT_TO_VALIDATION: (
        Remedy(
            "fresh-validation",
            "draw a fresh or larger validation set, and look at it less often",
            "data",
            "the gap to test stays",
        ),
    ),
}


def remedies(diagnosis: Diagnosis) -> tuple[Remedy, ...]:
    """Return what treats a bottleneck, simplest first; nothing where it is healthy or open.

    Of two as simple, the one that the deciding probe tried goes first; before all, the one that
    treats what was seen.
    """
    known = _REMEDIES.get(diagnosis.bottleneck, ()) if diagnosis.bottleneck is not None else ()

    def rank(remedy: Remedy) -> tuple[bool, int, bool]:
        is_shown = remedy.probe is not None and remedy.probe is diagnosis.decided_by
        return remedy.id != diagnosis.first_remedy, COSTS.index(remedy.cost), not is_shown

    return tuple(sorted(known, key=rank))


def cheapest_untried(diagnosis: Diagnosis, tried: Collection[str]) -> Remedy | None:
    """Return the simplest remedy that no tweak has tried."""
    return next((one for one in remedies(diagnosis) if one.id not in tried), None)
