"""What a difference at a rung usually comes from. Pure.

Source: the faults of benchmarks/faults, and the lists of A. Karpathy (A Recipe for Training Neural Networks, 2019) and
of the issue trackers of reimplemented models.
"""

from scaffold.rules.rung import Rung

_BY_RUNG = {
    "data": ("another split, or test examples among the training ones", "statistics of the whole set for scaling",
             "labels shifted or shuffled against the inputs", "scaled twice, or not at all"),
    "batches": ("not shuffled, or shuffled once instead of every epoch", "the last, smaller batch dropped or kept",
                "with replacement instead of without", "windows off by one"),
    "budget": ("one epoch, or one step an epoch, more or fewer", "evaluated more or less often",
               "several backward passes for one update"),
    "schedule": ("stepped once an epoch instead of once a step, or the other way round", "warm-up off by one step",
                 "stepped before instead of after the optimiser", "another number of steps to decay over"),
    "parameters": ("weight decay on norms and biases too", "a parameter that the optimiser does not get",
                   "a frozen parameter", "a missing bias", "tied weights untied"),
    "initialisation": ("the library's default instead of the reference's law", "a gain or fan in other than there",
                       "scaled by depth there"),
    "dropout": ("dropout missing, or in another place", "probability of keeping instead of dropping",
                "switched off by eval()"),
    "forward_eval": ("eps, or the axis of a normalisation", "a missing or another activation", "scale of attention",
                     "a mask off by one", "order of norm and residual", "a transposed or reshaped tensor"),
    "forward_train": ("masks that scale by p instead of 1 / (1 - p)", "dropout at another place",
                      "batch statistics in one mode and running ones in the other", "not in training mode"),
    "buffers": ("momentum of the running statistics", "biased instead of unbiased variance"),
    "loss": ("sum instead of mean, or a mean of means over unequal batches", "a softmax too many",
             "label smoothing or weights", "padding that counts"),
    "gradients": ("missing zero_grad: those of the step before are added", "a detach, or a no_grad, in the graph",
                  "gradients scaled or accumulated otherwise"),
    "optimiser": ("eps, betas or momentum", "weight decay coupled instead of decoupled, or the other way round",
                  "missing bias correction", "clipped by value instead of norm, after the step, or not at all"),
    "loop": ("something carried from step to step", "order of step, schedule and zero_grad"),
    "evaluation": ("missing eval(), so that dropout is on", "training augmentation on test data",
                   "other weights, such as an average, there"),
    "reporting": ("a mean of batch means over unequal batches", "the best instead of the last",
                  "percent instead of fraction", "sums not set to zero each epoch"),
    "functions": ("another default, axis or ddof", "a sort or a seed", "fitted on other rows"),
    "replay": ("something that acts late: after an epoch, at the end, or by what was accumulated",),
}  # fmt: skip
_LATE = 10
"""From this step on a difference was not there at first."""


_MOST = 2
"""Causes that are told: a longer list is no help."""

_NEEDS = {
    "attention": ("attention", "transformer", "attn"), "a mask off by one": ("attention", "transformer", "attn"),
    "order of norm": ("norm",), "eps, or the axis of a normalisation": ("norm",), "norms and biases": ("norm",),
    "batch statistics": ("batchnorm",), "running statistics": ("batchnorm",), "dropout is on": ("dropout",),
    "masks that scale": ("dropout",), "dropout": ("dropout",), "tied weights": ("embedding",),
    "padding that counts": ("embedding", "lstm", "gru", "rnn"), "windows off by one": ("embedding",),
}  # fmt: skip
"""What a network must have, in the name of a class, for a cause to fit."""


def _fits(cause: str, classes: frozenset[str]) -> bool:
    """Whether a cause can be: what it speaks of is there."""
    names = " ".join(classes).lower()
    needs = [kinds for words, kinds in _NEEDS.items() if words in cause]
    return not names or all(any(kind in names for kind in kinds) for kinds in needs)


def usual_causes(rung: Rung, kind: str, classes: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Likeliest first.

    Args:
        rung: where it differs.
        kind: class of the module at the address, if it is one.
        classes: of all modules of the reference's networks.
    """
    step = rung.address.step if rung.address else 0
    gap = rung.address.gap if rung.address else None
    found = [text for holds, text in _by_what_was_seen(rung, kind, step) if holds]
    if gap is not None and gap.dtypes:
        found.insert(0, f"another precision, {gap.dtypes[1]} instead of {gap.dtypes[0]}: autocast, half() or a cast")
    if gap is not None and gap.ratio is not None and gap.ratio > 0 and rung.name in _FACTORS:
        found.insert(0, f"a factor {gap.ratio:.4g}: {_FACTORS[rung.name]}")
    usual = [cause for cause in _BY_RUNG.get(rung.name, ()) if _fits(cause, classes)]
    return tuple(dict.fromkeys([*found, *usual]))[:_MOST]


_FACTORS = {
    "loss": "another reduction, or a scale",
    "gradients": "a scale, or an accumulation",
    "optimiser": "a scale, an accumulation, or another learning rate",
}


def _by_what_was_seen(rung: Rung, kind: str, step: int) -> list[tuple[bool, str]]:
    """What narrows the list down."""
    name, reason = rung.name, rung.reason
    return [
        (name == "evaluation" and "training mode" in reason, "missing eval()"),
        (name == "evaluation" and "left in evaluation mode" in reason, "missing train() after an evaluation"),
        (name == "gradients" and "were left" in reason, "missing zero_grad, or called at another place"),
        (name.startswith("forward") and "Norm" in kind, "eps, affine parameters or axes of the normalisation"),
        (name == "optimiser" and step in (0, 3), "gradient clipping: these gradients are 100 times as large"),
        (step > _LATE, f"something that acts from step {step + 1} on only"),
    ]
