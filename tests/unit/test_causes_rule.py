"""What holds a model back, from made-up errors: each word needs its probes, and rivals refute it."""

from dataclasses import replace

import pytest

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
    ProbeResult,
    TrainingFacts,
)
from scaffold.rules.loop.causes import diagnose
from scaffold.rules.loop.forecast import forecast_of_doubling
from scaffold.rules.loop.gaps import SplitError, analyze_gaps
from scaffold.rules.loop.remedies import COSTS, cheapest_untried, remedies

ALL = (
    *(FASTER, SLOWER, MUCH_FASTER, MUCH_SLOWER),
    *(WIDER, UNREGULARIZED, REGULARIZED, HALF, QUARTER, FEW),
)
CONSTANT = 0.9


def error(share: float, n: int = 10_000) -> SplitError:
    return SplitError(n=n, error=share)


def case(results=None, facts=None, *, bound=0.0, available=ALL, reported=(), **errors) -> Case:
    """A case of ten classes; `results` are (train, validation) by probe."""
    splits = {name.replace("_", "-"): error(share) for name, share in errors.items()}
    limit = None if bound is None else SplitError(n=0, error=bound)
    return Case(
        analysis=analyze_gaps(splits, limit, 0.01),
        matters=0.01,
        constants=dict.fromkeys([*splits], CONSTANT),
        facts=facts or TrainingFacts(),
        results=[
            ProbeResult(probe=probe, errors={"train": error(pair[0]), "validation": error(pair[1])})
            for probe, pair in (results or {}).items()
        ],
        available=available,
        reported_otherwise=reported,
    )


def named(bottleneck: Bottleneck | None) -> Diagnosis:
    return Diagnosis(bottleneck=bottleneck, reason="a test")


def word(*args, **kwargs) -> Bottleneck | None:
    return diagnose(case(*args, **kwargs)).bottleneck


def test_at_the_bound_nothing_holds_it_back_whatever_training_says():
    assert word(train=0.0, validation=0.145, bound=0.14) is Bottleneck.HEALTHY


def test_a_leak_is_named_before_any_gap():
    copied = TrainingFacts(copies=(30, 1000))
    assert word(facts=copied, train=0.0, validation=0.3) is Bottleneck.LEAK
    assert word(train=0.1, validation=0.05, bound=0.14) is Bottleneck.LEAK


def test_few_equal_rows_are_no_leak():
    few = TrainingFacts(copies=(9, 1000))
    assert word(facts=few, train=0.0, validation=0.005) is Bottleneck.HEALTHY


def test_a_metric_that_cannot_be_believed_is_named_before_any_gap():
    differs = TrainingFacts(evaluation_differs="it differs")
    assert word(facts=differs, train=0.3, validation=0.3) is Bottleneck.WRONG_METRIC
    assert word(reported=("0.97, not 0.6",), train=0.3, validation=0.3) is Bottleneck.WRONG_METRIC


def test_frozen_parameters_are_named_though_a_larger_model_gains():
    frozen = TrainingFacts(never_moved=("block1: requires_grad is False",), parameters=8)
    gained = {WIDER: (0.05, 0.05)}
    assert word(gained, frozen, train=0.1, validation=0.1) is Bottleneck.BROKEN_TRAINING


def test_weights_that_start_at_zero_and_stay_are_an_initialization():
    zeros = TrainingFacts(never_moved=("hidden: no gradient",), parameters=4, starts_at_zero=True)
    assert word(facts=zeros, train=0.9, validation=0.9) is Bottleneck.OPTIMIZER


def test_frozen_parameters_of_a_model_at_the_bound_are_its_design():
    frozen = TrainingFacts(never_moved=("backbone: requires_grad is False",), parameters=8)
    assert word(facts=frozen, train=0.0, validation=0.005) is Bottleneck.HEALTHY


def test_a_sign_error_is_named_at_once():
    flipped = TrainingFacts(is_sign_flipped=True)
    assert word(facts=flipped, train=0.9, validation=0.9) is Bottleneck.BROKEN_TRAINING


def test_no_cause_of_bias_is_named_before_its_probes():
    open_case = diagnose(case(train=0.2, validation=0.2))
    assert (open_case.bottleneck, open_case.next_probe) == (None, FASTER)
    gained = diagnose(case({FASTER: (0.05, 0.05)}, train=0.2, validation=0.2))
    assert (gained.bottleneck, gained.next_probe) == (None, WIDER)


BIAS = {FASTER: (0.2, 0.2), SLOWER: (0.2, 0.2), WIDER: (0.2, 0.2), UNREGULARIZED: (0.2, 0.2)}


@pytest.mark.parametrize(
    ("probe", "answer"),
    [
        (FASTER, Bottleneck.OPTIMIZER),
        (SLOWER, Bottleneck.OPTIMIZER),
        (WIDER, Bottleneck.UNDERFITTING),
        (UNREGULARIZED, Bottleneck.UNDERFITTING),
    ],
)
def test_the_probe_that_lowers_the_training_error_most_names_the_cause(probe, answer):
    results = {**BIAS, UNREGULARIZED: (0.17, 0.17), WIDER: (0.16, 0.16), probe: (0.05, 0.05)}
    diagnosis = diagnose(case(results, train=0.2, validation=0.2))
    assert diagnosis.bottleneck is answer
    assert diagnosis.gain == pytest.approx(0.15)


def test_a_rate_that_only_helps_validation_is_no_remedy_of_the_optimizer():
    results = {**BIAS, SLOWER: (0.25, 0.1)}
    assert diagnose(case(results, train=0.2, validation=0.2)).next_probe == FEW


def test_a_model_worse_than_the_constant_counts_as_the_constant():
    results = {MUCH_FASTER: (0.95, 0.95), MUCH_SLOWER: (0.899, 0.9)}
    diagnosis = diagnose(case(results, train=0.99, validation=0.99))
    assert diagnosis.next_probe == FEW


def test_where_nothing_is_learned_far_rates_come_first():
    flat = diagnose(case(train=0.89, validation=0.9))
    assert flat.next_probe == MUCH_FASTER
    diverged = diagnose(case(facts=TrainingFacts(diverged=True), train=0.89, validation=0.9))
    assert diverged.next_probe == MUCH_SLOWER
    healed = diagnose(case({MUCH_FASTER: (0.05, 0.05)}, train=0.89, validation=0.9))
    assert healed.bottleneck is Bottleneck.OPTIMIZER


FLAT = {MUCH_FASTER: (0.9, 0.9), MUCH_SLOWER: (0.9, 0.9)}


def test_shuffled_labels_are_told_from_broken_training_by_a_few_rows():
    shuffled = word({**FLAT, FEW: (0.0, 0.9)}, train=0.89, validation=0.9)
    stuck = {**FLAT, FEW: (0.85, 0.9)}
    assert diagnose(case(stuck, train=0.89, validation=0.9)).next_probe == WIDER
    broken = word({**stuck, WIDER: (0.89, 0.9)}, train=0.89, validation=0.9)
    assert (shuffled, broken) == (Bottleneck.BROKEN_DATA, Bottleneck.BROKEN_TRAINING)
    narrow = word({**stuck, WIDER: (0.6, 0.6)}, train=0.89, validation=0.9)
    assert narrow is Bottleneck.UNDERFITTING


def test_labels_learned_by_heart_that_say_nothing_of_new_rows_are_broken_data():
    assert word({HALF: (0.0, 0.9)}, train=0.0, validation=0.9) is Bottleneck.BROKEN_DATA
    assert word(available=(), train=0.0, validation=0.9) is Bottleneck.BROKEN_DATA
    little = diagnose(case({HALF: (0.0, 0.9)}, train=0.0, validation=0.82))
    assert little.bottleneck is None


def test_validation_below_train_dev_is_label_noise_unless_test_says_too_many_looks():
    noisy = {"train": 0.25, "train_dev": 0.25, "validation": 0.05}
    assert word(**noisy, test=0.05) is Bottleneck.LABEL_NOISE
    assert word(**noisy, test=0.25) is Bottleneck.OVERFIT_TO_VALIDATION


def test_errors_worse_than_a_constant_say_nothing_of_labels():
    assert word(train=0.99, train_dev=0.99, validation=0.91) is not Bottleneck.LABEL_NOISE


def test_a_small_validation_set_below_train_dev_and_test_was_looked_at_too_often():
    few = {"train": error(0.1), "validation": SplitError(n=30, error=0.03)}
    several = {**few, "train-dev": error(0.15), "test": error(0.15)}
    known = case(train=0.1, validation=0.03)
    tiny = replace(known, analysis=analyze_gaps(several, SplitError(n=0, error=0.05), 0.01))
    assert diagnose(tiny).bottleneck is Bottleneck.OVERFIT_TO_VALIDATION


def test_training_rows_that_were_not_trained_on_show_label_noise():
    half = ProbeResult(
        probe=HALF,
        errors={"train": error(0.0), "validation": error(0.1), "held-out": error(0.3)},
    )
    noisy = replace(case(train=0.0, validation=0.08), results=[half])
    assert diagnose(noisy).bottleneck is Bottleneck.LABEL_NOISE


def test_variance_asks_for_the_learning_curve_and_regularization_first():
    diagnosis = diagnose(case(train=0.0, validation=0.11))
    assert (diagnosis.bottleneck, diagnosis.next_probe) == (None, HALF)


@pytest.mark.parametrize(
    ("regularized", "half", "quarter", "answer"),
    [
        (0.11, 0.2, 0.35, Bottleneck.TOO_LITTLE_DATA),
        (0.02, 0.12, 0.13, Bottleneck.OVERFITTING),
        (0.11, 0.112, 0.114, None),
    ],
)
def test_data_and_regularization_are_told_apart_by_what_they_gain(
    regularized, half, quarter, answer
):
    results = {REGULARIZED: (0.0, regularized), HALF: (0.0, half), QUARTER: (0.0, quarter)}
    diagnosis = diagnose(case(results, train=0.0, validation=0.11))
    assert diagnosis.bottleneck is answer


def test_a_forecast_gains_less_than_the_headroom_and_lies_in_its_interval():
    known = case({HALF: (0.0, 0.8), QUARTER: (0.0, 0.85)}, train=0.0, validation=0.1, bound=0.06)
    gain, (low, high) = forecast_of_doubling(known)
    assert low <= gain <= high < 0.04
    # An error that falls as 1 / n: 0.4, 0.2, 0.1, and then 0.05.
    falling = case({HALF: (0.0, 0.2), QUARTER: (0.0, 0.4)}, train=0.0, validation=0.1)
    assert forecast_of_doubling(falling)[0] == pytest.approx(0.05)


def test_a_forecast_reaches_down_to_a_curve_that_flattens():
    """40 of digits-cnn's images: doubled, they gained 0.021 (0.000 to 0.042) over 12 pairs."""
    errors = {HALF: (0.0, 0.3356), QUARTER: (0.0, 0.4756)}
    known = case(errors, train=0.0, validation=0.1178, bound=0.015)
    gain, (low, high) = forecast_of_doubling(known)
    assert low < 0.021 < gain < high


def test_mismatch_and_looks_need_no_probe():
    mismatch = {"train": 0.01, "train_dev": 0.015, "validation": 0.1}
    assert word(**mismatch) is Bottleneck.MISMATCH
    looks = {"train": 0.005, "validation": 0.006, "test": 0.1}
    assert word(**looks) is Bottleneck.OVERFIT_TO_VALIDATION


def test_without_instruments_nothing_is_named():
    diagnosis = diagnose(case(available=(), train=0.2, validation=0.2))
    assert (diagnosis.bottleneck, diagnosis.next_probe) == (None, None)
    assert "no probe has told" in diagnosis.reason


def test_a_probe_that_acted_on_nothing_is_no_result_and_is_not_asked_for_again():
    nothing = [ProbeResult(probe=FASTER, problem="rate-10 acted on nothing")]
    diagnosis = diagnose(replace(case(train=0.2, validation=0.2), results=nothing))
    assert diagnosis.next_probe == SLOWER


def test_each_bottleneck_but_health_has_remedies_simplest_first():
    for one in Bottleneck:
        costs = [COSTS.index(remedy.cost) for remedy in remedies(named(one))]
        assert costs == sorted(costs)
        assert bool(costs) is (one is not Bottleneck.HEALTHY)
    assert remedies(named(None)) == ()


def test_a_remedy_that_was_tried_is_not_proposed_again():
    underfitting = named(Bottleneck.UNDERFITTING)
    first, second = remedies(underfitting)[:2]
    assert cheapest_untried(underfitting, ()) == first
    assert cheapest_untried(underfitting, {first.id}) == second


def test_of_two_remedies_as_simple_the_one_whose_probe_gained_goes_first():
    results = dict.fromkeys((FASTER, SLOWER, UNREGULARIZED, FEW), (0.2, 0.2))
    diagnosis = diagnose(case({**results, WIDER: (0.1, 0.1)}, train=0.2, validation=0.2))
    assert diagnosis.bottleneck is Bottleneck.UNDERFITTING
    assert remedies(diagnosis)[0].id == "larger-model"


def test_names_of_probes_say_their_factor():
    assert [Probe(FASTER.kind, 10).name, WIDER.name, HALF.name] == ["rate-10", "wider", "rows-0.5"]


def with_held_out(validation, held, whole=0.2):
    results = {HALF: (0.0, validation), REGULARIZED: (0.0, whole), QUARTER: (0.0, validation)}
    made = case(results, train=0.0, validation=whole)
    half = made.results[0]
    errors = {**half.errors, "held-out": error(held, 2_000)}
    return replace(made, results=[replace(half, errors=errors), *made.results[1:]])


def test_rows_that_were_not_trained_on_tell_a_mismatch():
    diagnosis = diagnose(with_held_out(validation=0.25, held=0.1))
    assert diagnosis.bottleneck is Bottleneck.MISMATCH and "prepared" in diagnosis.reason
    assert diagnose(with_held_out(validation=0.2, held=0.195)).bottleneck is None
    near_constant = diagnose(with_held_out(validation=0.9, held=0.1, whole=0.89))
    assert near_constant.bottleneck is Bottleneck.BROKEN_DATA
    assert "columns, scales or labels" in near_constant.reason


def test_of_variance_other_rates_and_widths_are_tried_where_nothing_else_gained():
    flat = {HALF: (0.0, 0.2), REGULARIZED: (0.0, 0.2), QUARTER: (0.0, 0.2)}
    assert diagnose(case(flat, train=0.0, validation=0.2)).next_probe == FASTER
    gained = diagnose(case({**flat, FASTER: (0.0, 0.1)}, train=0.0, validation=0.2))
    assert gained.bottleneck is Bottleneck.OPTIMIZER and "validation error" in gained.reason
    wider = {**flat, FASTER: (0.0, 0.2), WIDER: (0.0, 0.1)}
    assert word(wider, train=0.0, validation=0.2) is Bottleneck.UNDERFITTING


def test_what_could_not_be_tried_is_said():
    only = (FASTER, SLOWER, HALF, REGULARIZED, QUARTER, FEW)
    flat = dict.fromkeys((HALF, REGULARIZED, QUARTER, FASTER, SLOWER), (0.0, 0.2))
    open_ = diagnose(case(flat, available=only, train=0.0, validation=0.2))
    assert "train-dev" in open_.reason and "capacity" in open_.reason
    assert "train_ids" not in open_.reason
    few = {FASTER: (0.5, 0.5), SLOWER: (0.5, 0.5), FEW: (0.9, 0.9)}
    broken = diagnose(case(few, available=only, train=0.5, validation=0.5))
    assert broken.bottleneck is Bottleneck.BROKEN_TRAINING
    assert broken.reason.endswith("no other rate helps") and "width" not in broken.reason
    assert any("capacity" in one for one in broken.against)
    learned = diagnose(case({**few, FEW: (0.0, 0.6)}, available=only, train=0.5, validation=0.5))
    assert "too small a model, which could not be tried" in learned.reason


def test_training_rows_that_are_augmented_are_harder_and_not_mislabelled():
    errors = {"train": 0.3, "validation": 0.1}
    assert word(**errors) is Bottleneck.LABEL_NOISE
    augmented = TrainingFacts(is_augmented=True)
    assert word(facts=augmented, **errors) is not Bottleneck.LABEL_NOISE
    assert word(facts=augmented, train_dev=0.3, **errors) is Bottleneck.LABEL_NOISE
