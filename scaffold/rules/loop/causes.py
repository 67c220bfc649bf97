"""Name what holds a model back, from gaps, what its training showed, and probes. Pure.

The order is that of treatment: a leak or a wrong metric, broken training, label noise, then what
the probes of the gaps that count gained most by. A word is only said once the probes that could
refute it have run; until then the answer is the probe that comes next (docs/loop.md).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scaffold.rules.loop.case import (
    FASTER,
    FEW,
    HALF,
    MUCH_FASTER,
    MUCH_SLOWER,
    QUARTER,
    REGULARIZED,
    SLOWER,
    UNREGULARIZED,
    WIDER,
    Bottleneck,
    Case,
    Diagnosis,
    Probe,
    ProbeKind,
    ProbeResult,
)
from scaffold.rules.loop.forecast import forecast_of_doubling
from scaffold.rules.loop.gaps import Answer, SplitError, difference

_SMALL_VALIDATION = 100
"""Examples of validation at which one may have been chosen by chance among many."""

_LEAST_COPIES = 0.02
"""Of validation rows: fewer may be equal by nature, as small integers are."""

_NEAR_CONSTANT = 0.9
"""Of the constant's error: from there on a model has learned next to nothing."""

_LEARNED_BY_HEART = 0.5
"""Of the constant's error on the few rows: below it they are being learned."""


def diagnose(case: Case) -> Diagnosis:
    """Name the bottleneck, or the probe that would tell more, or say that it cannot be said."""
    for look in (_chosen_by_chance, _believable, _broken, _flawed_labels, _by_gaps):
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
        if name in errors and _is_lower(validation, errors[name], case.matters)
    ]
    half = case.result(HALF)
    if half is not None and "held-out" in half.errors:
        held, seen = half.errors["held-out"], half.errors["validation"]
        if _is_lower(seen, held, case.matters):
            lower.append("training rows that were not trained on")
    if not lower:
        return None
    text = f"the error on validation is lower than on {' and '.join(lower)}"
    if test is not None and _is_lower(validation, test, case.matters):
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


def _is_lower(low: SplitError, high: SplitError, matters: float) -> bool:
    _, (least, _) = difference(low, high)
    return least > matters


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    bottleneck: Bottleneck
    gain: float
    text: str
    kind: ProbeKind | None = None
    interval: tuple[float, float] | None = None


def _by_gaps(case: Case) -> Diagnosis | None:
    answers = case.analysis.answers
    if answers == (Answer.HEALTHY,):
        return Diagnosis(
            bottleneck=Bottleneck.HEALTHY, reason=case.analysis.reason, next_probe=None
        )
    if answers == (Answer.CANNOT_SAY,):
        return None
    open_probe = None
    candidates: list[_Candidate] = []
    if Answer.BIAS in answers:
        open_probe = _next_of_bias(case)
        candidates += _of_bias(case)
    if Answer.VARIANCE in answers and open_probe is None:
        open_probe = case.first_open((HALF, REGULARIZED, QUARTER))
        if open_probe != HALF:
            learned_nothing = _learned_by_heart_alone(case)
            if learned_nothing:
                return learned_nothing
        candidates += _of_variance(case)
    for gap in case.analysis.gaps:
        if gap.counts and gap.name in (Answer.MISMATCH.value, Answer.OVERFIT_TO_VALIDATION.value):
            text = f"the error opens between {gap.low_split} and {gap.high_split}"
            candidates.append(
                _Candidate(bottleneck=Bottleneck(gap.name), gain=gap.value, text=text)
            )
    if open_probe is not None:
        where = " and ".join(answer.value for answer in answers)
        return Diagnosis(
            bottleneck=None,
            reason=f"{where}: what causes it is open until {open_probe.name} has run",
            evidence=tuple(one.text for one in candidates),
            next_probe=open_probe,
        )
    return _chosen(case, candidates)


def _chosen(case: Case, candidates: Sequence[_Candidate]) -> Diagnosis:
    if candidates:
        best = max(candidates, key=lambda one: one.gain)
        rivals = [*(one.text for one in candidates if one is not best), *_refuted(case, best)]
        return Diagnosis(
            bottleneck=best.bottleneck,
            reason=best.text,
            evidence=(best.text,),
            against=tuple(rivals),
            gain=best.gain,
            gain_interval=best.interval,
            decided_by=best.kind,
        )
    if Answer.BIAS in case.analysis.answers:
        few = case.result(FEW)
        if few is not None:
            return _without_gain(case, few)
    return Diagnosis(
        bottleneck=None,
        reason=(
            f"not enough instruments: no probe gains what matters, {case.amount(case.matters)}"
            if case.results
            else f"{case.analysis.reason}; why, no probe has told"
        ),
        against=tuple(_refuted(case, None)),
    )


def _refuted(case: Case, best: _Candidate | None) -> Iterator[str]:
    """Yield what each probe that did not gain speaks against."""
    names = {
        ProbeKind.RATE: "the optimizer",
        ProbeKind.WIDER: "too small a model",
        ProbeKind.NO_REGULARIZATION: "too much regularization",
        ProbeKind.MORE_REGULARIZATION: "overfitting",
        ProbeKind.ROWS: "too little data",
    }
    for result in case.results:
        split = _split_of(result.probe)
        gain = case.gain(result.probe, split)
        if gain is None or gain[1] or result.probe.kind is ProbeKind.ROWS:
            continue
        if best is None or result.probe.kind is not best.kind:
            gains = (
                f"gains {case.amount(gain[0])} on {split}, too little beside noise or what matters"
                if gain[0] > 0
                else f"gains nothing on {split}"
            )
            yield f"{names[result.probe.kind]}: {result.probe.name} {gains}"
    forecast = forecast_of_doubling(case)
    if forecast is not None and forecast[0] <= case.matters:
        amount = case.amount(max(forecast[0], 0.0))
        yield f"too little data: twice as much would gain about {amount}"


def _split_of(probe: Probe) -> str:
    kinds = (ProbeKind.MORE_REGULARIZATION, ProbeKind.ROWS)
    return "validation" if probe.kind in kinds else "train"


def _has_learned_nothing(case: Case, split: str) -> bool:
    constant, error = case.constants.get(split), case.analysis.errors.get(split)
    return constant is not None and error is not None and error.error >= _NEAR_CONSTANT * constant


def _is_learned(case: Case, few: ProbeResult) -> bool:
    """Return whether a few rows are learned by heart."""
    return few.errors["train"].error < _LEARNED_BY_HEART * case.constants.get("train", 1.0)


def _next_of_bias(case: Case) -> Probe | None:
    """Return the next probe of a high training error, cheapest and likeliest first.

    Where nothing was learned, far rates first: both are tried, since flat losses look alike.
    """
    if _has_learned_nothing(case, "train"):
        far = (MUCH_SLOWER, MUCH_FASTER) if case.facts.diverged else (MUCH_FASTER, MUCH_SLOWER)
        for probe in far:
            if case.first_open((probe,)):
                return probe
            gain = case.gain(probe, "train")
            if gain is not None and gain[1]:
                return None
        few = case.result(FEW)
        if few is None:
            return case.first_open((FEW,) if FEW in case.available else (WIDER, UNREGULARIZED))
        # Too narrow a network learns nothing by heart either.
        return None if _is_learned(case, few) else case.first_open((WIDER,))
    near = (SLOWER, FASTER) if case.facts.diverged else (FASTER, SLOWER)
    first = case.gain(near[0], "train")
    rates = near[:1] if first is not None and first[1] else near
    order = (*rates, WIDER, UNREGULARIZED)
    gains = [gain for probe in order if (gain := case.gain(probe, "train")) is not None]
    return case.first_open(order if any(beyond for _, beyond in gains) else (*order, FEW))


def _of_bias(case: Case) -> Iterator[_Candidate]:
    texts = {
        ProbeKind.RATE: (Bottleneck.OPTIMIZER, "a learning rate {0:g} times as high"),
        ProbeKind.WIDER: (Bottleneck.UNDERFITTING, "a network twice as wide"),
        ProbeKind.NO_REGULARIZATION: (Bottleneck.UNDERFITTING, "no regularization"),
    }
    for result in case.results:
        if result.probe.kind not in texts:
            continue
        gain = case.gain(result.probe, "train")
        if gain is None or not gain[1]:
            continue
        bottleneck, text = texts[result.probe.kind]
        named = text.format(result.probe.value)
        yield _Candidate(
            bottleneck=bottleneck,
            gain=gain[0],
            text=f"{named} lowers the training error by {case.amount(gain[0])}",
            kind=result.probe.kind,
        )


def _without_gain(case: Case, few: ProbeResult) -> Diagnosis:
    """Tell broken data from broken training: are a few rows learned by heart?"""
    is_learned = _is_learned(case, few)
    refuted = tuple(_refuted(case, None))
    if is_learned and _has_learned_nothing(case, "validation"):
        return Diagnosis(
            bottleneck=Bottleneck.BROKEN_DATA,
            reason=(
                f"{FEW.value:g} rows are learned by heart, and yet validation is no better than a"
                " constant: inputs do not tell these labels"
            ),
            against=refuted,
        )
    if not is_learned:
        return Diagnosis(
            bottleneck=Bottleneck.BROKEN_TRAINING,
            reason=f"not even {FEW.value:g} rows are learned by heart, and no rate or width helps",
            against=refuted,
        )
    return Diagnosis(
        bottleneck=None,
        reason="not enough instruments: flawed labels, or inputs that do not tell them",
        against=refuted,
    )


def _learned_by_heart_alone(case: Case) -> Diagnosis | None:
    if not _has_learned_nothing(case, "validation") or _has_learned_nothing(case, "train"):
        return None
    half = case.result(HALF)
    if half is not None:  # of too little data, half as much does worse
        whole = case.clipped("validation", case.analysis.errors["validation"])
        at_half = case.clipped("validation", half.errors["validation"])
        if _is_lower(whole, at_half, case.matters):
            return None
    text = (
        "training rows are learned by heart, and validation is no better than a constant: inputs do"
        " not tell these labels"
    )
    return Diagnosis(bottleneck=Bottleneck.BROKEN_DATA, reason=text, evidence=(text,))


def _of_variance(case: Case) -> Iterator[_Candidate]:
    regularized = case.gain(REGULARIZED, "validation")
    if regularized is not None and regularized[0] > case.matters:
        yield _Candidate(
            bottleneck=Bottleneck.OVERFITTING,
            gain=regularized[0],
            text="more regularization lowers the validation error by"
            f" {case.amount(regularized[0])}",
            kind=ProbeKind.MORE_REGULARIZATION,
        )
    forecast = forecast_of_doubling(case)
    if forecast is not None and forecast[0] > case.matters:
        gain, (low, high) = forecast
        yield _Candidate(
            bottleneck=Bottleneck.TOO_LITTLE_DATA,
            gain=gain,
            text=(
                "twice as much data would lower the validation error by about"
                f" {case.amount(gain)} ({case.amount(low)} to {case.amount(high)})"
            ),
            kind=ProbeKind.ROWS,
            interval=(low, high),
        )
