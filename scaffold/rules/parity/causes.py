"""What a difference at a check usually comes from. Pure.

Source: the faults of benchmarks/faults, and the lists of A. Karpathy (A Recipe for Training Neural
Networks, 2019) and of the issue trackers of reimplemented models.
"""

from dataclasses import dataclass

from scaffold.rules.parity.checks import CheckResult
from scaffold.rules.parity.followed import GRADIENTS_LEFT, LEFT_IN_EVALUATION, TRAINING_MODE


@dataclass(frozen=True, slots=True)
class Cause:
    """A usual cause, and what a network must have, in the name of a class, for it to fit."""

    text: str
    needs: tuple[tuple[str, ...], ...] = ()

    def fits(self, classes: str) -> bool:
        """Return whether this can be the cause in a network of these classes, in lower case."""
        return not classes or all(any(kind in classes for kind in kinds) for kinds in self.needs)


_ATTENTION = ("attention", "transformer", "attn")
_OF_NORMS = "eps, affine parameters, or the axes of a normalization"
_NORM = ("norm",)
_BATCH_NORM = ("batchnorm",)
_DROPOUT = ("dropout",)
_EMBEDDING = ("embedding",)
_SEQUENCE = ("embedding", "lstm", "gru", "rnn")

_BY_CHECK = {
    "data": (
        Cause("another split, or test examples among the training ones"),
        Cause("statistics of the whole set for scaling"),
        Cause("labels shifted or shuffled against the inputs"),
        Cause("scaled twice, or not at all"),
    ),
    "batches": (
        Cause("not shuffled, or shuffled once instead of every epoch"),
        Cause("the last, smaller batch dropped or kept"),
        Cause("with replacement instead of without"),
        Cause("windows off by one", (_EMBEDDING,)),
    ),
    "budget": (
        Cause("one epoch, or one step an epoch, more or fewer"),
        Cause("evaluated more or less often"),
        Cause("several backward passes for one update"),
    ),
    "schedule": (
        Cause("stepped once an epoch instead of once a step, or the other way round"),
        Cause("warm-up off by one step"),
        Cause("stepped before instead of after the optimizer"),
        Cause("another number of steps to decay over"),
    ),
    "parameters": (
        Cause("weight decay on norms and biases too", (_NORM,)),
        Cause("a parameter that the optimizer does not get"),
        Cause("a frozen parameter"),
        Cause("a missing bias"),
        Cause("tied weights untied", (_EMBEDDING,)),
    ),
    "initialization": (
        Cause("the library's default instead of the reference's distribution"),
        Cause("a gain or fan in other than there"),
        Cause("scaled by depth there"),
    ),
    "dropout": (
        Cause("dropout missing, or in another place", (_DROPOUT,)),
        Cause("probability of keeping instead of dropping"),
        Cause("switched off by eval()"),
    ),
    "forward_eval": (
        Cause(_OF_NORMS, (_NORM,)),
        Cause("a missing or another activation"),
        Cause("scale of attention", (_ATTENTION,)),
        Cause("a mask off by one", (_ATTENTION,)),
        Cause("order of norm and residual", (_NORM,)),
        Cause("a transposed or reshaped tensor"),
    ),
    "forward_train": (
        Cause("masks that scale by p instead of 1 / (1 - p)", (_DROPOUT,)),
        Cause("dropout at another place", (_DROPOUT,)),
        Cause("batch statistics in one mode and running ones in the other", (_BATCH_NORM,)),
        Cause("not in training mode"),
    ),
    "buffers": (
        Cause("momentum of the running statistics", (_BATCH_NORM,)),
        Cause("biased instead of unbiased variance"),
    ),
    "loss": (
        Cause("sum instead of mean, or a mean of means over unequal batches"),
        Cause("a softmax too many"),
        Cause("label smoothing or weights"),
        Cause("padding that counts", (_SEQUENCE,)),
    ),
    "gradients": (
        Cause("missing zero_grad: those of the step before are added"),
        Cause("a detach, or a no_grad, in the graph"),
        Cause("gradients scaled or accumulated otherwise"),
    ),
    "optimizer": (
        Cause("eps, betas or momentum"),
        Cause("weight decay coupled instead of decoupled, or the other way round"),
        Cause("missing bias correction"),
        Cause("clipped by value instead of norm, after the step, or not at all"),
    ),
    "loop": (
        Cause("something carried from step to step"),
        Cause("order of step, schedule and zero_grad"),
    ),
    "evaluation": (
        Cause("missing eval(), so that dropout is on", (_DROPOUT,)),
        Cause("training augmentation on test data"),
        Cause("other weights, such as an average, there"),
    ),
    "reporting": (
        Cause("a mean of batch means over unequal batches"),
        Cause("the best instead of the last"),
        Cause("percent instead of fraction"),
        Cause("sums not set to zero each epoch"),
    ),
    "functions": (
        Cause("another default, axis or ddof"),
        Cause("a sort or a seed"),
        Cause("fitted on other rows"),
    ),
    "replay": (
        Cause("something that acts late: after an epoch, at the end, or by what was accumulated"),
    ),
}

_LATE = 10
"""From this step on a difference was not there at first."""


_MOST = 2
"""Causes that are told: a longer list is no help."""


def usual_causes(
    check: CheckResult, kind: str, classes: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """Return the usual causes of a difference, likeliest first.

    Args:
        check: where it differs.
        kind: class of the module at the address, if it is one.
        classes: of all modules of the reference's networks.
    """
    step = check.address.step if check.address else 0
    gap = check.address.gap if check.address else None
    causes = [text for holds, text in _by_what_was_seen(check, kind, step) if holds]
    if gap is not None and gap.dtypes:
        causes.insert(
            0,
            f"another precision, {gap.dtypes[1]} instead of {gap.dtypes[0]}: autocast, half() or a"
            " cast",
        )
    if gap is not None and gap.ratio is not None and gap.ratio > 0 and check.name in _FACTORS:
        causes.insert(0, f"a factor {gap.ratio:.4g}: {_FACTORS[check.name]}")
    names = " ".join(classes).lower()
    usual = [cause.text for cause in _BY_CHECK.get(check.name, ()) if cause.fits(names)]
    return tuple(dict.fromkeys([*causes, *usual]))[:_MOST]


_FACTORS = {
    "loss": "another reduction, or a scale",
    "gradients": "a scale, or an accumulation",
    "optimizer": "a scale, an accumulation, or another learning rate",
}


def _by_what_was_seen(check: CheckResult, kind: str, step: int) -> list[tuple[bool, str]]:
    """Return causes that follow from what was seen, each with whether it applies."""
    name = check.name
    return [
        (name == "evaluation" and check.code == TRAINING_MODE, "missing eval()"),
        (check.code == LEFT_IN_EVALUATION, "missing train() after an evaluation"),
        (check.code == GRADIENTS_LEFT, "missing zero_grad, or called at another place"),
        (name.startswith("forward") and "Norm" in kind, _OF_NORMS),
        (
            name == "optimizer" and step in (0, 3),
            "gradient clipping: these gradients are 100 times as large",
        ),
        (step > _LATE, f"something that acts from step {step + 1} on only"),
    ]
