"""The sequential paired test: its words, its errors, and what each kind of tweak demands of it."""

import itertools
import math

import numpy
import pytest
from scipy import stats

from scaffold.records.evidence import EnvironmentUsed, JudgedRun, Machine, MetricValue
from scaffold.records.judgment import ChangeJudgment, Verdict
from scaffold.records.metric import Metric
from scaffold.records.tweak import ChangeRule
from scaffold.rules.change.judge import (
    ChangeTerms,
    is_decided,
    judge_ablation,
    judge_change,
    judge_probe,
)
from scaffold.rules.change.paired import PairedTest, judge_differences, looks, next_look, pair

MACHINE = Machine(processor="any", cores=1, memory_gb=1, accelerator=None, system="any")
USED = EnvironmentUsed(python="3.11", lock="0", reused=True)
RULE = ChangeRule(metric="accuracy", margin=0.5, margin_reason="for this test")
ACCURACY = Metric(
    name="accuracy",
    split="test",
    direction="higher",
    unit="points",
    read={"json": "m.json", "key": "a"},
)
NORM = Metric(
    name="norm", split="train", direction="lower", unit="norm", read={"json": "m.json", "key": "n"}
)


def run(seed, accuracy, cpu_s=10.0, norm=None, half_digit=0.0):
    metrics = {"accuracy": MetricValue(value=accuracy, half_digit=half_digit)}
    if norm is not None:
        metrics["norm"] = MetricValue(value=norm)
    return JudgedRun(
        id=f"seed-{seed}",
        seed=seed,
        metrics=metrics,
        wall_time_s=cpu_s,
        cpu_time_s=cpu_s,
        machine=MACHINE,
        environment=USED,
    )


def runs(values, **more):
    return [run(seed, value, **more) for seed, value in enumerate(values)]


def judge(kind, before, after, metrics=(ACCURACY,), rule=RULE, **more):
    return judge_change(kind, metrics, pair(before, after), ChangeTerms(rule=rule, **more))


NOISE = [0.3, -0.2, 0.1, -0.4, 0.25, -0.05, 0.0, 0.15, -0.1, 0.2, -0.3, 0.05]
BASE = [90 + 2 * math.sin(seed) for seed in range(12)]


@pytest.mark.parametrize("shift, verdict", [(3, "BETTER"), (-3, "WORSE"), (0.0, "NO_DIFFERENCE")])
def test_words_of_clear_cases(shift, verdict):
    after = [base + shift + 0.3 * noise for base, noise in zip(BASE, NOISE, strict=True)]
    assert judge("improve", runs(BASE), runs(after)).verdict.value == verdict


def test_better_by_less_than_what_matters_says_so():
    after = [base + 3 + noise for base, noise in zip(BASE, NOISE, strict=True)]
    coarse = RULE.model_copy(update={"margin": 3.1, "margin_reason": "users notice"})
    judgment = judge("improve", runs(BASE), runs(after), rule=coarse)
    assert judgment.verdict is Verdict.BETTER
    assert "better, but by less than the margin (3.1: users notice)" in judgment.remarks
    assert not any("margin" in one for one in judge("improve", runs(BASE), runs(after)).remarks)


def test_direction_turns_the_word():
    lower = ACCURACY.model_copy(update={"direction": "lower"})
    after = [base + 3 + noise for base, noise in zip(BASE, NOISE, strict=True)]
    assert judge("improve", runs(BASE), runs(after), (lower,)).verdict is Verdict.WORSE


def test_too_few_pairs_say_nothing():
    found = judge("improve", runs([1.0, 2.0, 3.0]), runs([11.0, 12.1, 12.9]))
    assert found.verdict is Verdict.UNDECIDED
    assert found.more_pairs == 1
    assert not is_decided(found, 3, RULE)


def test_pairs_are_of_one_seed_and_each_seed_counts_once():
    before = [run(3, 1.0), run(1, 2.0), run(1, 9.0), run(7, 3.0)]
    after = [run(1, 5.0), run(3, 6.0), run(1, 8.0)]
    assert [
        (a.seed, a.metrics["accuracy"].value, b.metrics["accuracy"].value)
        for a, b in pair(before, after)
    ] == [
        (3, 1.0, 6.0),
        (1, 2.0, 5.0),
    ]


def test_first_decision_stands():
    """A later look at more pairs cannot take back what an earlier one said."""
    differences = [3.0, 3.1, 2.9, 3.0, -30, -30, -30]
    before = [90.0 + index for index in range(7)]
    after = [base + difference for base, difference in zip(before, differences, strict=True)]
    found = judge("improve", runs(before), runs(after))
    assert (found.verdict, found.findings[0].n) == (Verdict.BETTER, 4)


def test_looks_end_at_the_pairs_that_are_allowed():
    assert looks(28) == (4, 7, 12, 19, 28)
    assert looks(10) == (4, 7, 10)
    assert looks(4) == (4,)
    assert [next_look(pairs, 10) for pairs in (0, 4, 9, 10)] == [4, 7, 10, 10]


def test_one_look_is_the_t_test():
    """With all errors spent at one look, the bounds are those of scipy's paired t tests."""
    generator = numpy.random.default_rng(0)
    for _ in range(300):
        before = generator.normal(0, 1, 4)
        after = before + generator.normal(0.5, 0.6, 4)
        margin = 1.2
        result = judge_differences(
            list(before),
            list(after),
            PairedTest(higher_is_better=True, margin=margin, alpha=0.05, beta=0.05, max_pairs=4),
        )
        lower = stats.ttest_1samp(after - before, -margin, alternative="greater").pvalue
        upper = stats.ttest_1samp(after - before, margin, alternative="less").pvalue
        expected = Verdict.NO_DIFFERENCE if max(lower, upper) < 0.05 else Verdict.UNDECIDED
        if expected is Verdict.UNDECIDED and stats.ttest_rel(after, before).pvalue < 0.05:
            expected = Verdict.BETTER if after.mean() > before.mean() else Verdict.WORSE
        assert result.verdict is expected
        assert result.interval == pytest.approx(
            tuple(stats.ttest_1samp(after - before, 0).confidence_interval(0.95))
        )


def simulate(shift_sd, correlation, reps=1500):
    generator = numpy.random.default_rng(1)
    verdicts = []
    for _ in range(reps):
        before = generator.normal(0, 1, 28)
        after = (
            correlation * before
            + math.sqrt(1 - correlation**2) * generator.normal(0, 1, 28)
            + shift_sd
        )
        verdicts.append(
            judge_differences(
                list(before),
                list(after),
                PairedTest(higher_is_better=True, margin=0.5, alpha=0.05, beta=0.05, max_pairs=28),
            ).verdict
        )
    return {verdict: verdicts.count(verdict) / reps for verdict in Verdict}


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.9])
def test_errors_stay_below_what_the_rule_allows(correlation):
    """However often one looks; 3 standard errors of 1500 simulations at 5 % are 0.017."""
    at_margin = simulate(-0.5, correlation)
    assert at_margin[Verdict.NO_DIFFERENCE] <= 0.05 + 0.017
    assert at_margin[Verdict.BETTER] <= 0.025 + 0.012
    neither = simulate(0.0, correlation)
    assert neither[Verdict.BETTER] + neither[Verdict.WORSE] <= 0.05 + 0.017


def test_ties_of_a_coarse_metric_are_not_taken_for_no_spread():
    """A metric in steps of one seed deviation ties often.

    Four ties prove no equality within half of that.
    """
    before = [0.90, 0.91, 0.92, 0.91]
    test = PairedTest(higher_is_better=True, margin=0.005, alpha=0.05, beta=0.05, max_pairs=28)
    assert judge_differences(before, before, test).verdict is Verdict.UNDECIDED
    # The last digit of one value makes no finer grid.
    assert judge_differences(before, [*before[:3], 0.91 + 1.2e-16], test).verdict is (
        Verdict.UNDECIDED
    )


def test_pairs_that_come_later_change_no_decision():
    before, after = [0.0, 0.1, 0.2, 0.3], [10.0, 10.1, 10.25, 10.3]
    test = PairedTest(higher_is_better=True, margin=0.5, alpha=0.05, beta=0.05, max_pairs=28)
    first = judge_differences(before, after, test)
    later = judge_differences([*before, 100.0], [*after, -5.0], test)
    assert first.verdict is Verdict.BETTER and later == first
    assert (later.pairs, later.effect.n) == (4, 4)


def test_equal_to_the_last_digit_needs_two_pairs_whose_seeds_differ():
    same = runs([90.0, 91.0])
    found = judge("neutral", same, same)
    assert found.verdict is Verdict.NO_DIFFERENCE
    assert "equal to the last digit in 2 pairs" in found.reason
    assert judge("neutral", same[:1], same[:1]).verdict is Verdict.UNDECIDED
    constant = runs([90.0, 90.0])
    assert judge("neutral", constant, constant).verdict is Verdict.UNDECIDED


def test_all_metrics_must_be_equal():
    before = [run(seed, 90.0 + seed, norm=1.0 + seed) for seed in range(3)]
    after = [run(seed, 90.0 + seed, norm=1.1 + seed) for seed in range(3)]
    assert judge("neutral", before, after, (ACCURACY, NORM)).verdict is Verdict.UNDECIDED


def test_a_program_without_chance_needs_one_pair():
    rule = RULE.model_copy(update={"margin": 1e-12})
    assert (
        judge("improve", runs([90.0]), runs([90.5]), rule=rule, deterministic=True).verdict
        is Verdict.BETTER
    )
    assert (
        judge("improve", runs([90.0]), runs([89.5]), rule=rule, deterministic=True).verdict
        is Verdict.WORSE
    )
    within = judge("neutral", runs([90.0]), runs([90.0001]), rule=rule, deterministic=True)
    assert within.verdict is Verdict.NO_DIFFERENCE


def test_another_metric_that_moved_makes_a_neutral_change_undecided():
    tiny = [0.01 * noise for noise in NOISE]
    before = [run(seed, base, norm=5 + 0.01 * seed) for seed, base in enumerate(BASE)]
    after = [
        run(seed, b + t, norm=6 + 0.011 * seed)
        for (seed, b), t in zip(enumerate(BASE), tiny, strict=True)
    ]
    found = judge("neutral", before, after, (ACCURACY, NORM))
    assert found.verdict is Verdict.UNDECIDED
    assert "norm moved" in found.refusal
    assert is_decided(found, len(before), RULE), "more pairs would only make it clearer"
    assert judge("improve", before, after, (ACCURACY, NORM)).verdict is Verdict.NO_DIFFERENCE


def same_but(cpu_s):
    tiny = [base + 0.01 * noise for base, noise in zip(BASE, NOISE, strict=True)]
    return [run(seed, value, cpu_s=cpu_s + 0.001 * seed) for seed, value in enumerate(tiny)]


@pytest.mark.parametrize(
    "kind, shift, cpu_s, is_met",
    [
        ("neutral", 0, 10, True),
        ("neutral", 3, 10, False),
        ("neutral", -3, 10, False),
        ("improve", 3, 10, True),
        ("improve", 0, 10, False),
        ("improve", 0, 8, True),
        ("improve", -3, 5, False),
        ("cheaper", 0, 8, True),
        ("cheaper", 0, 10, False),
        ("cheaper", 3, 8, True),
        ("cheaper", -3, 5, False),
    ],
)
def test_what_each_kind_demands(kind, shift, cpu_s, is_met):
    after = [
        run(r.seed, r.metrics["accuracy"].value + shift, cpu_s=r.cpu_time_s)
        for r in same_but(cpu_s)
    ]
    before = [
        run(r.seed, base, cpu_s=10 + 0.001 * r.seed)
        for r, base in zip(same_but(10), BASE, strict=True)
    ]
    assert (judge(kind, before, after).refusal is None) is is_met


def test_time_on_the_clock_counts_on_an_accelerator():
    before, after = runs(BASE, cpu_s=10.0), runs(BASE, cpu_s=10.0)
    slow = [r.model_copy(update={"wall_time_s": 20.0 + 0.001 * r.seed}) for r in before]
    for device, verdict in (("cpu", Verdict.NO_DIFFERENCE), ("cuda", Verdict.BETTER)):
        cost = next(
            f for f in judge("neutral", slow, after, device=device).findings if f.question == "cost"
        )
        assert cost.verdict is verdict, device


def test_probes_must_lead_to_the_same_word():
    clear = [(a, run(a.seed, a.metrics["accuracy"].value - 5 - 0.1 * a.seed)) for a in runs(BASE)]
    small = [(a, run(a.seed, a.metrics["accuracy"].value + 0.01 * a.seed)) for a in runs(BASE)]
    metric = (ACCURACY, clear)
    assert judge_probe("width=2", metric, clear, RULE).verdict is Verdict.NO_DIFFERENCE
    assert judge_probe("width=2", metric, small, RULE).verdict is Verdict.WORSE
    assert judge_probe("width=2", metric, small[:2], RULE).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(
    "probe, is_met", [("NO_DIFFERENCE", True), ("WORSE", False), ("UNDECIDED", False)]
)
def test_a_cheaper_mode_that_is_worse_rests_on_its_probes(probe, is_met):
    clear = [(a, run(a.seed, a.metrics["accuracy"].value - 5 - 0.1 * a.seed)) for a in runs(BASE)]
    other = {
        "NO_DIFFERENCE": clear,
        "UNDECIDED": clear[:2],
        "WORSE": [
            (a, run(a.seed, a.metrics["accuracy"].value + 0.01 * a.seed)) for a in runs(BASE)
        ],
    }
    more = [judge_probe("width=2", (ACCURACY, clear), other[probe], RULE)]
    after = [run(r.seed, r.metrics["accuracy"].value - 3, cpu_s=r.cpu_time_s) for r in same_but(4)]
    before = [
        run(r.seed, base, cpu_s=10 + 0.001 * r.seed)
        for r, base in zip(same_but(10), BASE, strict=True)
    ]
    found = judge("cheaper", before, after, additional=more)
    assert (found.refusal is None) is is_met


def test_switched_off_must_be_the_state_before():
    before, other = runs(BASE), runs([base - 4 for base in BASE])
    better = runs([base + 3 + noise for base, noise in zip(BASE, NOISE, strict=True)])
    for off, is_met in ((before, True), (other, False)):
        more = [judge_ablation((ACCURACY,), pair(before, off), RULE, "residual=false")]
        assert (judge("improve", before, better, additional=more).refusal is None) is is_met


def test_a_judgment_survives_json():
    import json

    found = judge("improve", runs(BASE), same_but(9), remarks=["two changes"])
    again = ChangeJudgment.from_mapping(json.loads(json.dumps(found.as_mapping())))
    assert again == found
    assert again.reason == found.reason


def test_more_pairs_are_told_where_they_would_do():
    before = [90 + 0.1 * seed for seed in range(7)]
    after = [value + 0.4 + 0.6 * (-1) ** seed for seed, value in enumerate(before)]
    found = judge("improve", runs(before), runs(after))
    assert found.verdict is Verdict.UNDECIDED
    expected = found.more_pairs
    repeated = list(itertools.islice(itertools.cycle(zip(before, after, strict=True)), 28))
    if expected is not None:
        pairs = repeated[: 7 + expected]
        assert (
            judge(
                "improve",
                runs([a + 1e-9 * index for index, (a, _) in enumerate(pairs)]),
                runs([b + 1e-9 * index for index, (_, b) in enumerate(pairs)]),
            ).verdict
            is not Verdict.UNDECIDED
        )


def test_times_on_different_hardware_are_not_compared():
    other = MACHINE.model_copy(update={"processor": "another"})
    before = runs(BASE, cpu_s=10.0)
    after = [run.model_copy(update={"machine": other}) for run in runs(BASE, cpu_s=1.0)]
    (cost,) = [
        finding
        for finding in judge("cheaper", before, after).findings
        if finding.question.value == "cost"
    ]
    assert cost.verdict is Verdict.UNDECIDED and "different hardware" in cost.reason


def test_seeds_that_do_not_reach_the_program_make_no_pairs():
    three = [base + 0.123456 for base in BASE[:3] for _ in range(4)]
    better = [value + 3 for value in three]
    found = judge("improve", runs(three), runs(better))
    assert found.verdict is Verdict.UNDECIDED and found.refusal and found.more_pairs is None
    ignored = [one for one in found.findings if one.verdict is Verdict.SEED_IGNORED]
    assert len(ignored) == 2 and "12 seeds before gave 3 results" in ignored[0].reason
    assert is_decided(found, 12, RULE), "further seeds would change nothing"
    apart = [value + index / 1e6 for index, value in enumerate(three)]
    assert judge("improve", runs(apart), runs([one + 3 for one in apart])).verdict is Verdict.BETTER


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([90, 91] * 6, [99, 100] * 6),  # counts
        ([180, 220, 301, 250, 199, 233, 270], [500] * 7),  # a reward at its end
        ([1.234, 1.235] * 6, [2.234, 2.235] * 6),
    ],
)
def test_results_of_few_digits_agree_by_chance(before, after):
    assert judge("improve", runs(before), runs(after)).verdict is Verdict.BETTER


def test_what_so_few_seeds_cannot_show_is_said():
    after = [base + 3 + noise for base, noise in zip(BASE, NOISE, strict=True)]
    found = judge("improve", runs(BASE[:4]), runs(after[:4]))
    assert "4 pairs: what goes otherwise on fewer than 53% of seeds may not have shown" in (
        found.remarks
    )
    constant = judge("improve", runs(BASE[:4]), runs([99.0] * 4), (ACCURACY,))
    assert any("is 99 in all 4 runs of the change" in one for one in constant.remarks)


def test_a_probe_without_effect_lets_nothing_be_concluded():
    same = pair(runs(BASE), same_but(len(BASE)))
    idle = judge_probe("width=2", (ACCURACY, same), same, RULE)
    assert idle.verdict is Verdict.EXPECTED and "no effect" in idle.reason
    cheap = runs([base - 4 for base in BASE])
    found = judge("cheaper", runs(BASE), cheap, additional=[idle])
    assert found.verdict is Verdict.UNDECIDED
    clear = pair(runs(BASE), runs([b + 3 + n for b, n in zip(BASE, NOISE, strict=True)]))
    telling = judge_probe("depth=2", (ACCURACY, clear), clear, RULE)
    both = judge("cheaper", runs(BASE), cheap, additional=[idle, telling])
    assert both.verdict is Verdict.CONCLUSIONS_HOLD


def test_one_result_of_four_digits_in_four_runs_is_no_coincidence():
    def of(value, n, half_digit=5e-5):
        return runs([value] * n, half_digit=half_digit)

    assert judge("improve", of(2.3026, 4), of(2.8026, 4)).verdict is Verdict.UNDECIDED
    coarse = judge("improve", of(2.3, 4, half_digit=0.05), of(2.8, 4, half_digit=0.05))
    assert not any(one.verdict is Verdict.SEED_IGNORED for one in coarse.findings)
