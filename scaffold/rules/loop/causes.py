"""Name what holds a model back, from gaps, what its training showed, and probes. Pure.

The order is that of treatment: a leak or a wrong metric, broken training, label noise, then what
the probes of the gaps that count gained most by. A word is only said once the probes that could
refute it have run; until then the answer is the probe that comes next (docs/loop.md).
"""

from scaffold.rules.loop.case import (
    HALF,
    Bottleneck,
    Case,
    Diagnosis,
)
from scaffold.rules.loop.gap_causes import by_gaps, is_lower
from scaffold.rules.loop.gaps import Answer

_SMALL_VALIDATION = 100
"""Examples of validation at which one may have been chosen by chance among many."""

_LEAST_COPIES = 0.02
"""Of validation rows: fewer may be equal by nature, as small integers are."""


def diagnose(case: Case) -> Diagnosis:
    """Name the bottleneck, or the probe that would tell more, or say that it cannot be said."""
    for look in (_chosen_by_chance, _believable, _broken, _flawed_labels, by_gaps):
        diagnosis = look(case)
        if diagnosis is not None:
            return diagnosis
    return Diagnosis(bottleneck=None, reason=case.analysis.reason)


def _chosen_by_chance(case: Case) -> Diagnosis | None:
    """Name too many looks at a validation set so small that no interval shows them."""
    errors = case.analysis.errors
    validation = errors["validation"]
    others = [errors[name] for name in ("train-dev", "test") if name in errors]
    is_lower = [one.error - validation.error > case.matters for one in others]
    if validation.n >= _SMALL_VALIDATION or len(is_lower) < 2 or not all(is_lower):
        return None
    text = (
        f"validation has {validation.n} examples, and its error is lower than that of train-dev and"
        " of test, which nobody chose by"
    )
    return Diagnosis(
        bottleneck=Bottleneck.OVERFIT_TO_VALIDATION,
        reason=text,
        against=("a leak: test would be as low", "label noise: test would be as low"),
    )


def _believable(case: Case) -> Diagnosis | None:
    copies, rows = case.facts.copies
    if rows and copies / rows >= max(_LEAST_COPIES, case.matters):
        text = f"{copies} of {rows} rows of validation also went into training"
        return Diagnosis(bottleneck=Bottleneck.LEAK, reason=text, evidence=(text,))
    wrong = [*case.reported_otherwise]
    if case.facts.evaluation_differs:
        wrong.append(case.facts.evaluation_differs)
    if wrong:
        return Diagnosis(bottleneck=Bottleneck.WRONG_METRIC, reason=wrong[0], evidence=tuple(wrong))
    if case.analysis.below_bound:
        doubts = case.analysis.doubts
        return Diagnosis(bottleneck=Bottleneck.LEAK, reason=doubts[0], evidence=doubts)
    return None


def _broken(case: Case) -> Diagnosis | None:
    if case.facts.is_sign_flipped:
        text = "backward gets minus the loss: training makes it larger"
        return Diagnosis(bottleneck=Bottleneck.BROKEN_TRAINING, reason=text, evidence=(text,))
    has_headroom = Answer.HEALTHY not in case.analysis.answers
    if case.facts.never_moved and has_headroom:
        frozen = case.facts.never_moved
        if case.facts.starts_at_zero:
            text = f"{len(frozen)} of {case.facts.parameters} parameters start at 0 and never move"
            reason = f"{text}: initialization"
            return Diagnosis(
                bottleneck=Bottleneck.OPTIMIZER,
                reason=reason,
                evidence=tuple(frozen[:5]),
                first_remedy="initialization",
            )
        text = f"{len(frozen)} of {case.facts.parameters} parameters never moved"
        return Diagnosis(
            bottleneck=Bottleneck.BROKEN_TRAINING,
            reason=text,
            evidence=(text, *frozen[:5]),
            against=(
                "a larger model or less regularization may gain as well: they make up for what is"
                " frozen",
            ),
        )
    return None


def _flawed_labels(case: Case) -> Diagnosis | None:
    """Tell wrong labels in training from too many looks, where validation is better."""
    # What is worse than a constant has learned nothing, and says nothing of labels.
    errors = {name: case.clipped(name, one) for name, one in case.analysis.errors.items()}
    validation, test = errors["validation"], errors.get("test")
    lower: list[str] = [
        name
        for name in ("train", "train-dev")
        if not (name == "train" and case.facts.is_augmented)
        and name in errors
        and is_lower(validation, errors[name], case.matters)
    ]
    half = case.result(HALF)
    if half is not None and "held-out" in half.errors:
        held, seen = half.errors["held-out"], half.errors["validation"]
        if is_lower(seen, held, case.matters):
            lower.append("training rows that were not trained on")
    if not lower:
        return None
    text = f"the error on validation is lower than on {' and '.join(lower)}"
    if test is not None and is_lower(validation, test, case.matters):
        against = ("label noise in training: the error on test would be low as well",)
        return Diagnosis(
            bottleneck=Bottleneck.OVERFIT_TO_VALIDATION,
            reason=f"{text}, and than on test",
            evidence=(text,),
            against=against,
        )
    if test is None and validation.n < _SMALL_VALIDATION:
        return Diagnosis(
            bottleneck=Bottleneck.OVERFIT_TO_VALIDATION,
            reason=f"{text}, and validation has only {validation.n} examples",
            evidence=(text,),
        )
    against = (
        "overfit to validation: the error on test is as low"
        if test is not None
        else "overfit to validation: that would need fewer examples",
    )
    return Diagnosis(
        bottleneck=Bottleneck.LABEL_NOISE,
        reason=f"{text}: labels or columns of training are flawed",
        evidence=(text,),
        against=against,
    )
