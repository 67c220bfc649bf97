"""Tell what opens the gaps that count, from what probes of them gained. Pure."""

from collections.abc import Iterator, Mapping, Sequence
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

_NEAR_CONSTANT = 0.9
"""Of the constant's error: from there on a model has learned next to nothing."""

_LEARNED_BY_HEART = 0.5
"""Of the constant's error on the few rows: below it they are being learned."""


def is_lower(low: SplitError, high: SplitError, matters: float) -> bool:
    """Return whether an error is surely lower than another, by more than what matters."""
    _, (least, _) = difference(low, high)
    return least > matters


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    bottleneck: Bottleneck
    gain: float
    text: str
    kind: ProbeKind | None = None
    interval: tuple[float, float] | None = None


def by_gaps(case: Case) -> Diagnosis | None:
    """Name what opens the gaps that count, or the probe that would tell; None of no gap at all."""
    answers = case.analysis.answers
    if answers == (Answer.HEALTHY,):
        return Diagnosis(bottleneck=Bottleneck.HEALTHY, reason=case.analysis.reason)
    if answers == (Answer.CANNOT_SAY,):
        return None
    open_probe = None
    candidates: list[_Candidate] = []
    if Answer.BIAS in answers:
        open_probe = _next_of_bias(case)
        candidates += _gained(case, "train", _OF_BIAS)
    if Answer.VARIANCE in answers and open_probe is None:
        learned_nothing = _learned_alone(case)
        if learned_nothing:
            return learned_nothing
        open_probe = case.first_open((HALF, REGULARIZED, QUARTER))
        candidates += [*_of_held_out(case), *_of_variance(case)]
        if Answer.BIAS not in answers and open_probe is None:
            candidates += _gained(case, "validation", _OF_VARIANCE)
            if not candidates:
                open_probe = case.first_open((FASTER, WIDER, SLOWER, MUCH_FASTER))
    candidates += _of_further_splits(case)
    if open_probe is not None:
        where = " and ".join(answer.value for answer in answers)
        return Diagnosis(
            bottleneck=None,
            reason=f"{where}: what causes it is open until {open_probe.name} has run",
            evidence=tuple(one.text for one in candidates),
            next_probe=open_probe,
        )
    return _chosen(case, candidates)


def _of_further_splits(case: Case) -> Iterator[_Candidate]:
    for gap in case.analysis.gaps:
        if gap.counts and gap.name in (Answer.MISMATCH.value, Answer.OVERFIT_TO_VALIDATION.value):
            text = f"the error opens between {gap.low_split} and {gap.high_split}"
            yield _Candidate(bottleneck=Bottleneck(gap.name), gain=gap.value, text=text)


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
    reason = f"{case.analysis.reason}; why, no probe has told"
    if case.results:
        reason = f"not enough instruments: no probe gains what matters, {case.amount(case.matters)}"
    missing = "; ".join(_missing(case))
    return Diagnosis(
        bottleneck=None,
        reason=f"{reason}; could not be tried: {missing}" if missing else reason,
        against=tuple(_refuted(case, None)),
    )


def _missing(case: Case) -> Iterator[str]:
    """Yield what could not be tried on this program, and what would let it."""
    half = case.result(HALF)
    is_told_apart = half is not None and "held-out" in half.errors
    if "train-dev" not in case.analysis.errors and not is_told_apart:
        yield "mismatch (a train-dev split tells it, or training rows written as held-out)"
    if WIDER not in case.available:
        yield _NO_WIDTH
    if HALF not in case.available:
        yield "less data (name the knob train_ids in system.yaml)"


_NO_WIDTH = "a larger model (no width can be doubled from outside: name the knob capacity)"


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


_RATE = (Bottleneck.OPTIMIZER, "a learning rate {0:g} times as high")
_OF_BIAS = {
    ProbeKind.RATE: _RATE,
    ProbeKind.WIDER: (Bottleneck.UNDERFITTING, "a network twice as wide"),
    ProbeKind.NO_REGULARIZATION: (Bottleneck.UNDERFITTING, "no regularization"),
}
"""What each probe that lowers the training error names, and how it is called."""

_OF_VARIANCE = {
    ProbeKind.RATE: _RATE,
    ProbeKind.WIDER: (Bottleneck.UNDERFITTING, "a model of twice the capacity"),
}
"""The same of the validation error, where nothing else gained."""


def _gained(
    case: Case, split: str, named_by: Mapping[ProbeKind, tuple[Bottleneck, str]]
) -> Iterator[_Candidate]:
    """Yield what each probe of these kinds gained on a split, beyond noise and what matters."""
    split_name = {"train": "training"}.get(split, split)
    for result in case.results:
        gain = case.gain(result.probe, split) if result.probe.kind in named_by else None
        if gain is not None and gain[1]:
            bottleneck, text = named_by[result.probe.kind]
            change = text.format(result.probe.value)
            yield _Candidate(
                bottleneck=bottleneck,
                gain=gain[0],
                text=f"{change} lowers the {split_name} error by {case.amount(gain[0])}",
                kind=result.probe.kind,
            )


def _without_gain(case: Case, few: ProbeResult) -> Diagnosis:
    """Tell broken data from broken training: are a few rows learned by heart?"""
    is_learned = _is_learned(case, few)
    untried = () if WIDER in case.available else (f"could not be tried: {_NO_WIDTH}",)
    refuted = (*_refuted(case, None), *untried)
    if is_learned and _has_learned_nothing(case, "validation"):
        return Diagnosis(
            bottleneck=Bottleneck.BROKEN_DATA,
            reason=(
                f"{FEW.value:g} rows are learned by heart, and yet validation is not better than a"
                " constant: inputs do not tell these labels"
            ),
            against=refuted,
        )
    if not is_learned:
        return Diagnosis(
            bottleneck=Bottleneck.BROKEN_TRAINING,
            reason=f"not even {FEW.value:g} rows are learned by heart{_tried_in_vain(case)}",
            against=refuted,
        )
    return Diagnosis(
        bottleneck=None,
        reason=(
            "not enough instruments: flawed labels, or inputs that do not tell them"
            + (", or too small a model, which could not be tried" if untried else "")
        ),
        against=refuted,
    )


def _tried_in_vain(case: Case) -> str:
    """Return which of rate and width were tried, and did not help."""
    kinds = [result.probe.kind for result in case.results if result.errors]
    words = {ProbeKind.RATE: "rate", ProbeKind.WIDER: "width"}
    tried = " or ".join(word for kind, word in words.items() if kind in kinds)
    return f", and no other {tried} helps" if tried else ""


def _learned_alone(case: Case) -> Diagnosis | None:
    """Tell inputs that do not tell their labels: only training rows are learned."""
    if not _has_learned_nothing(case, "validation") or _has_learned_nothing(case, "train"):
        return None
    if case.first_open((HALF,)):
        return None
    if any(_of_held_out(case)):
        text = (
            "the model predicts training rows that it was not trained on, and validation no better"
            " than a constant: its columns, scales or labels differ from those of training"
        )
        return Diagnosis(bottleneck=Bottleneck.BROKEN_DATA, reason=text, evidence=(text,))
    half = case.result(HALF)
    if half is not None:  # of too little data, half as much does worse
        whole = case.clipped("validation", case.analysis.errors["validation"])
        at_half = case.clipped("validation", half.errors["validation"])
        if is_lower(whole, at_half, case.matters):
            return None
    text = (
        "training rows are learned, and validation is not better than a constant: inputs do not"
        " tell these labels"
    )
    return Diagnosis(bottleneck=Bottleneck.BROKEN_DATA, reason=text, evidence=(text,))


def _of_held_out(case: Case) -> Iterator[_Candidate]:
    """Tell a mismatch by training rows that a run with half of them did not train on.

    They are to validation what a train-dev split is.
    """
    half = case.result(HALF)
    if half is None or "held-out" not in half.errors or "train-dev" in case.analysis.errors:
        return
    held = case.clipped("train", half.errors["held-out"])
    seen = case.clipped("validation", half.errors["validation"])
    value, (low, _) = difference(held, seen)
    if low > 0 and value > case.matters:
        text = (
            f"the error on validation is {case.amount(value)} above that on training rows that were"
            " not trained on: validation is of other examples, or prepared in another way"
        )
        yield _Candidate(bottleneck=Bottleneck.MISMATCH, gain=value, text=text, kind=ProbeKind.ROWS)


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
