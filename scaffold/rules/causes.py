"""What a difference at a rung usually comes from. Pure.

Source: the faults of benchmarks/faults, and the lists of A. Karpathy (A Recipe for Training Neural Networks, 2019) and
of the issue trackers of reimplemented models.
"""

from scaffold.rules.tensors import Gap

_BY_RUNG = {
    "data": ("another split, or test examples among the training ones", "statistics of the whole set for scaling",
             "labels shifted or shuffled against the inputs", "scaled twice, or not at all"),
    "batches": ("not shuffled, or shuffled once instead of every epoch", "the last, smaller batch dropped or kept",
                "with replacement instead of without", "windows off by one"),
    "budget": ("one epoch, or one step an epoch, more or fewer", "evaluated more or less often",
               "several backward passes for one update"),
    "schedule": ("stepped once an epoch instead of once a step, or the other way round", "warm-up off by one step",
                 "stepped before instead of after the optimiser", "another number of steps to decay over"),
    "parameters": ("weight decay on norms and biases too", "a parameter that the optimiser does not get, or a frozen one",
                   "a missing bias", "tied weights untied"),
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
    "evaluation": ("missing eval(), so that dropout and batch statistics are on", "training augmentation on test data",
                   "other weights, such as an average, there"),
    "reporting": ("a mean of batch means over unequal batches", "the best instead of the last, or chosen on the test set",
                  "percent instead of fraction", "sums not set to zero each epoch"),
    "functions": ("another default, axis or ddof", "a sort or a seed", "fitted on other rows"),
    "replay": ("something that acts late: after an epoch, at the end, or by what was accumulated",),
}  # fmt: skip
_NORMS = ("Norm",)


def usual_causes(rung: str, kind: str, name: str, step: int, gap: Gap | None, reason: str) -> tuple[str, ...]:
    """Likeliest first.

    Args:
        rung: where it differs.
        kind: class of the module at the address, if it is one.
        name: of the module or parameter.
        step: at which it differs first.
        gap: by how much, if it is a tensor.
        reason: what was found.
    """
    found = []
    if gap is not None and gap.dtypes:
        found.append("a cast: autocast, half(), or an input of another type")
    if "training mode" in reason and rung == "evaluation":
        found.append("missing eval()")
    if gap is not None and gap.ratio is not None and gap.ratio > 0:
        if rung == "loss":
            found.append(f"a factor {gap.ratio:.4g}: another reduction, or a scale")
        elif rung in ("gradients", "optimiser"):
            found.append(f"a factor {gap.ratio:.4g}: a scale, an accumulation, or another learning rate")
    if rung.startswith("forward") and any(part in kind for part in _NORMS):
        found.append("eps, affine parameters or axes of the normalisation")
    if rung == "gradients" and "were left" in reason:
        return ("missing zero_grad, or called at another place",)
    if rung == "optimiser" and step == 0 and gap is not None:
        found.append("weight decay, eps or betas act from the first step on")
    if rung == "optimiser" and step == 3:  # noqa: PLR2004 - the step whose gradients are 100 times as large
        found.append("gradient clipping: the gradients of this step are 100 times as large")
    if step > 10:  # noqa: PLR2004 - not one of the first
        found.append(f"something that acts from step {step + 1} on only")
    return tuple(dict.fromkeys([*found, *_BY_RUNG.get(rung, ())]))[:5]
