"""Where an error opens: Ng's cases, intervals of published examples, and when nothing can be said."""

import pytest

from scaffold.rules.loop.gaps import Answer, SplitError, analyze_gaps


def analyzed(train, validation, train_dev=None, test=None, bound=0.0, n=10**6, matters=0.025):
    """The analysis of errors in percent, of so many examples each."""
    shares = {"train": train, "train-dev": train_dev, "validation": validation, "test": test}
    errors = {
        name: SplitError(n=n, error=error / 100)
        for name, error in shares.items()
        if error is not None
    }
    exact = None if bound is None else SplitError(n=0, error=bound / 100)
    return analyze_gaps(errors, exact, matters)


@pytest.mark.parametrize(
    ("bound", "train", "train_dev", "validation", "answers"),
    [
        (0, 0.5, None, 1, [Answer.HEALTHY]),
        (0, 1, None, 11, [Answer.VARIANCE]),
        (0, 15, None, 16, [Answer.BIAS]),
        (0, 15, None, 30, [Answer.BIAS, Answer.VARIANCE]),
        (14, 15, None, 30, [Answer.VARIANCE]),
        (14, 15, None, 16, [Answer.HEALTHY]),
        (0, 1, 1.5, 10, [Answer.MISMATCH]),
        (0, 1, 5, 5, [Answer.VARIANCE]),
        (0, 10, 11, 12, [Answer.BIAS]),
        (0, 10, 11, 20, [Answer.BIAS, Answer.MISMATCH]),
    ],
)
def test_the_cases_of_machine_learning_yearning(bound, train, train_dev, validation, answers):
    analysis = analyzed(train, validation, train_dev, bound=bound)
    assert list(analysis.answers) == answers
    assert bool(analysis.probes) == (answers != [Answer.HEALTHY])


def test_a_higher_bound_changes_the_answer_as_in_the_speech_example():
    assert analyzed(15, 16, bound=0).answers == (Answer.BIAS,)
    assert analyzed(15, 16, bound=14).answers == (Answer.HEALTHY,)


def test_intervals_are_those_of_the_literature():
    # Newcombe 1998, table II, (a): 56 of 70 against 48 of 80, method 10: 0.0524 to 0.3339.
    analysis = analyze_gaps(
        {"train": SplitError(n=80, error=48 / 80), "validation": SplitError(n=70, error=56 / 70)},
        None,
        0.01,
    )
    (gap,) = analysis.gaps
    assert gap.interval == pytest.approx((0.0524, 0.3339), abs=5e-5)
    # Wilson's interval of none of ten: 0 to z^2 / (n + z^2).
    assert SplitError(n=10, error=0.0).interval == pytest.approx((0, 0.27754), abs=1e-5)
    # A mean of 400 squared errors with the variance 4: t of 399 degrees (1.965927) times 0.1.
    low, high = SplitError(n=400, error=3.0, variance=4.0).interval
    assert (low, high) == pytest.approx((3 - 0.1965927, 3 + 0.1965927))


def test_few_examples_leave_it_open_and_say_how_many_would_tell():
    analysis = analyzed(5, 12, n=60)
    assert analysis.answers == (Answer.CANNOT_SAY,) and "leave open" in analysis.reason
    variance = next(gap for gap in analysis.gaps if gap.name == "variance")
    assert variance.counts is None and variance.enough > 120
    assert analyzed(5, 12, n=4 * variance.enough).answers != (Answer.CANNOT_SAY,)


def test_a_gap_just_at_what_matters_is_left_open_without_a_number():
    """Millions of examples would tell, which nobody collects."""
    bound = SplitError(n=0, error=0.0)
    errors = {"train": SplitError(n=1000, error=0.0), "validation": SplitError(n=450, error=0.0101)}
    analysis = analyze_gaps(errors, bound, 0.01)
    variance = next(gap for gap in analysis.gaps if gap.name == "variance")
    assert variance.counts is None and variance.enough is None


def test_without_a_bound_avoidable_bias_is_not_known():
    analysis = analyzed(15, 16, bound=None)
    assert analysis.answers == (Answer.CANNOT_SAY,) and "bound is unknown" in analysis.reason
    assert analyzed(1, 11, bound=None).answers == (Answer.VARIANCE,)


def test_gaps_that_count_only_together():
    analysis = analyzed(2, 6, 4, bound=0, matters=0.03)
    assert analysis.answers == (Answer.CANNOT_SAY,) and "together they do" in analysis.reason


def test_a_gap_that_counts_is_said_though_validation_is_at_the_bound():
    analysis = analyzed(5, 5, test=30, bound=4.9)
    assert analysis.answers == (Answer.OVERFIT_TO_VALIDATION,)


def test_a_validation_set_that_was_looked_at_too_often():
    analysis = analyzed(2, 3, test=9)
    assert analysis.answers == (Answer.OVERFIT_TO_VALIDATION,)


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        ({"train": 8, "validation": 1}, "the error on validation is lower than on train"),
        ({"train": 1, "train_dev": 9, "validation": 2}, "is lower than on train-dev"),
        ({"train": 11, "validation": 6, "bound": 10}, "on validation is lower than the bound"),
    ],
)
def test_errors_that_are_lower_than_they_can_be_are_doubted(errors, words):
    assert any(words in doubt for doubt in analyzed(**errors).doubts)


def test_small_differences_are_not_doubted():
    assert analyzed(5, 4.9, 5.1, bound=4.8).doubts == ()
