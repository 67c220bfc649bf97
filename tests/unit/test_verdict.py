"""The findings together: the weakest word wins, monitored metrics, seeds, basis."""

import pytest
from helpers import TOY_RECIPE, merged

from scaffold.records.evidence import Calibration, EnvironmentUsed, JudgedRun, Machine
from scaffold.records.judgment import Judgment, Verdict
from scaffold.records.reason import Reason
from scaffold.records.recipe import Recipe
from scaffold.rules.reproduction.judge import MOSTLY_FAILED, is_decided, judge

MACHINE = Machine(processor="p", cores=1, memory_gb=1, accelerator=None, system="s")
ENVIRONMENT = EnvironmentUsed(python="3.11.7", lock="0", reused=True)
SPREAD = [0.001 * (i % 7 - 3) for i in range(21)]


def recipe(**changes):
    return Recipe.model_validate(merged(TOY_RECIPE, {"reference": {"tree": "0" * 40}, **changes}))


def run(seed, accuracy, loss=0.7, **more):
    metrics = {"accuracy": {"value": accuracy}, "loss": {"value": loss}}
    return JudgedRun(
        id=f"r{seed}",
        seed=seed,
        metrics=metrics,
        wall_time_s=1,
        machine=MACHINE,
        environment=ENVIRONMENT,
        **more,
    )


def calibration(accuracies=None, losses=None):
    accuracies = accuracies or [0.9 + offset for offset in SPREAD]
    losses = losses or [0.7 + offset for offset in reversed(SPREAD)]
    return Calibration(
        recipe="toy",
        reference="0" * 40,
        program="0",
        data={},
        reading="0",
        created="2026-01-01",
        machine=MACHINE,
        threads=1,
        packages=(),
        runs=[
            {
                "seed": 1000 + i,
                "metrics": {"accuracy": {"value": a}, "loss": {"value": loss}},
                "wall_time_s": 1,
            }
            for i, (a, loss) in enumerate(zip(accuracies, losses, strict=True))
        ],
    )


GOOD = [run(0, 0.9, 0.7), run(1, 0.9005, 0.701), run(2, 0.8995, 0.699), run(3, 0.9002, 0.7)]


def verdicts(judgment, question):
    return [finding.verdict for finding in judgment.findings if finding.question == question]


def test_all_good():
    judgment = judge(recipe(), GOOD, calibration())
    assert (judgment.verdict, judgment.basis) == (Verdict.REPRODUCED, "training")
    assert verdicts(judgment, "monitored") == [Verdict.EXPECTED, Verdict.EXPECTED]
    assert Judgment.from_mapping(judgment.as_mapping()) == judgment


def test_claim_contradicted_by_sound_runs_is_not_reproduced():
    # 68 claimed, 65.1 stored, 64 measured: the program is the same, the published number is not
    # its.
    claim = {**TOY_RECIPE["claims"][0], "value": 0.95}
    judgment = judge(recipe(claims=[claim]), GOOD, calibration())
    assert verdicts(judgment, "reproduction") == [Verdict.REPRODUCED]
    assert verdicts(judgment, "claim") == [Verdict.INCONSISTENT]
    assert judgment.verdict is Verdict.NOT_REPRODUCED and "INCONSISTENT" in judgment.reason


def test_watched_metric_names_itself():
    moved = [run(r.seed, r.metrics["accuracy"].value, 0.8) for r in GOOD]
    judgment = judge(recipe(), moved, calibration())
    assert judgment.verdict is Verdict.INCONCLUSIVE and "loss: UNEXPECTED" in judgment.reason


def test_larger_spread_than_calibration_is_unexpected():
    wild = [run(seed, 0.9 + (-1) ** seed * 0.0045) for seed in range(6)]
    judgment = judge(recipe(), wild, calibration())
    assert verdicts(judgment, "monitored") == [Verdict.EXPECTED, Verdict.UNEXPECTED]
    assert "sd of accuracy: UNEXPECTED" in judgment.reason


def test_watching_needs_calibration_runs():
    few = calibration([0.9, 0.901, 0.899], [0.7, 0.701, 0.699])
    judgment = judge(recipe(), GOOD, few)
    assert verdicts(judgment, "monitored") == [] and judgment.verdict is Verdict.INCONCLUSIVE


def test_early_depth_refutes_but_never_confirms():
    claim = {**TOY_RECIPE["claims"][0], "basis": "early training"}
    assert judge(recipe(claims=[claim]), GOOD, calibration()).verdict is Verdict.INCONCLUSIVE
    bad = [run(seed, 0.8 + seed / 1000) for seed in range(3)]
    assert judge(recipe(claims=[claim]), bad, calibration()).verdict is Verdict.NOT_REPRODUCED


def test_published_law_serves_where_nothing_else_is():
    claim = {**TOY_RECIPE["claims"][0], "sd": 0.002, "n": 30}
    assert judge(recipe(claims=[claim]), GOOD, None).verdict is Verdict.REPRODUCED
    few = {**claim, "n": 5}
    assert judge(recipe(claims=[few]), GOOD, None).verdict is Verdict.INCONCLUSIVE


def test_exceeding_is_a_warning():
    claim = {**TOY_RECIPE["claims"][0], "value": 0.85}
    judgment = judge(recipe(claims=[claim]), GOOD, calibration())
    assert (
        verdicts(judgment, "claim") == [Verdict.EXCEEDS]
        and judgment.verdict is Verdict.INCONCLUSIVE
    )


@pytest.mark.parametrize(("how", "verdict"), [("argument", Verdict.SEED_IGNORED), ("none", None)])
def test_ignored_seed(how, verdict):
    same = [run(seed, 0.9) for seed in range(3)]
    commands = {
        "train": {"run": "python train.py" + " {seed}" * (how == "argument")},
        "smoke": None,
    }
    found = verdicts(
        judge(recipe(seeds={"how": how}, commands=commands), same, calibration()), "seeds"
    )
    assert found == ([verdict] if verdict else [])


def test_two_results_of_one_seed():
    twice = [*GOOD, run(0, 0.9007, 0.7)]
    judgment = judge(recipe(), twice, calibration())
    assert (
        verdicts(judgment, "seeds") == [Verdict.NONDETERMINISTIC]
        and judgment.verdict is Verdict.REPRODUCED
    )


def test_surplus_runs_do_not_reopen_the_decision_but_are_not_hidden():
    surplus = [*GOOD, run(8, 0.5), run(9, 0.5)]
    decided, more = (judge(recipe(), runs, calibration()) for runs in (GOOD, surplus))
    assert more.findings[0] == decided.findings[0]
    assert more.verdict is not Verdict.REPRODUCED


def test_only_the_sequential_test_may_stop_early_with_a_bad_word():
    # A fixed-level test of the claim, looked at after each seed, would refuse one sound reference
    # in seven.
    claim = {**TOY_RECIPE["claims"][0], "value": 0.95}
    early = judge(recipe(claims=[claim]), GOOD[:1], calibration())
    assert early.verdict is Verdict.NOT_REPRODUCED and not is_decided(early, recipe(), 1)
    bad = judge(recipe(), [run(seed, 0.8 + seed / 1000) for seed in range(2)], calibration())
    assert is_decided(bad, recipe(), 2)


def test_discrete_metric_that_never_varies_is_no_ignored_seed():
    constant = calibration([1.0] * 20, [0.5] * 20)
    assert (
        verdicts(judge(recipe(), [run(seed, 1.0, 0.5) for seed in range(3)], constant), "seeds")
        == []
    )


def test_watched_metric_without_spread_is_compared_by_equality():
    stats = calibration([0.9 + offset for offset in SPREAD], [0.7] * 21)
    same = [run(r.seed, r.metrics["accuracy"].value, 0.7 + 1e-7) for r in GOOD]
    assert judge(recipe(), same, stats).verdict is Verdict.REPRODUCED
    moved = [run(r.seed, r.metrics["accuracy"].value, 0.7001) for r in GOOD]
    assert judge(recipe(), moved, stats).verdict is Verdict.INCONCLUSIVE


def test_when_to_stop():
    assert is_decided(judge(recipe(), GOOD, calibration()), recipe(), 4)
    undecided = judge(recipe(), GOOD[:1], calibration())
    assert not is_decided(undecided, recipe(), 1)
    assert is_decided(undecided, recipe(), 10)
    alone = recipe(
        seeds={"how": "none"}, commands={"train": {"run": "python train.py"}, "smoke": None}
    )
    assert is_decided(undecided, alone, 1)


def test_reached_steps_come_from_the_series():
    claim = {**TOY_RECIPE["claims"][0], "reaches": {"threshold": 0.5, "within_steps": 10}}
    del claim["value"], claim["selection"]
    runs = [run(s, 0.9 + s / 1e4, series={"accuracy": ((5, 0.4), (9, 0.6))}) for s in range(6)]
    assert Verdict.CONSISTENT in verdicts(
        judge(recipe(claims=[claim]), runs, calibration()), "claim"
    )


def test_a_skewed_loss_is_flagged_only_where_ranks_flag_it_too():
    losses = [0.7 + 0.01 * 1.3**i for i in range(21)]  # a long tail upwards
    inside = [run(seed, 0.9, 0.7 + 0.01 * 1.3**19) for seed in range(3)]
    assert (
        verdicts(judge(recipe(), inside, calibration(losses=losses)), "monitored")[0]
        is Verdict.EXPECTED
    )
    beyond = [run(seed, 0.9, 9.0 + 0.1 * seed) for seed in range(3)]
    assert (
        verdicts(judge(recipe(), beyond, calibration(losses=losses)), "monitored")[0]
        is Verdict.UNEXPECTED
    )


def test_too_few_seeds_to_flag_a_metric_ask_for_more():
    judgment = judge(recipe(), [run(0, 0.9, 5.0)], calibration())
    finding = next(
        one for one in judgment.findings if one.question == "monitored" and one.metric == "loss"
    )
    assert finding.verdict is Verdict.INCONCLUSIVE and finding.more_seeds == 1
    assert not is_decided(judgment, recipe(), 1)


def test_noise_of_a_deterministic_program_is_no_refusal():
    claim = {**TOY_RECIPE["claims"][0], "decimals": 4}
    program = recipe(
        seeds={"how": "none"},
        commands={"train": {"run": "python t.py"}, "smoke": None},
        claims=[claim],
    )
    published = [run(0, 0.8995)]
    assert judge(program, published, None).verdict is Verdict.NOT_REPRODUCED
    assert judge(program, published, None, (), {"accuracy": 1e-4}).verdict is Verdict.REPRODUCED


def alone(value=0.9):
    claim = {**TOY_RECIPE["claims"][0], "value": value, "decimals": 4}
    commands = {"train": {"run": "python t.py"}, "smoke": None}
    return recipe(seeds={"how": "none"}, commands=commands, claims=[claim])


@pytest.mark.parametrize("published", [0.9, 0.85, 0.2])
def test_a_program_said_to_be_deterministic_that_is_not_reproduces_nothing(published):
    twice = [run(0, 0.8995), run(0, 0.8931)]
    judgment = judge(alone(published), twice, None)
    assert judgment.verdict is Verdict.INCONCLUSIVE
    assert verdicts(judgment, "claim") == [Verdict.UNTESTABLE]
    reason = judgment.findings[0].reason
    assert "0.8995 and 0.8931" in reason and "seeds.how: none" in reason
    unequal = calibration([0.9, 0.91], [0.7, 0.7])
    assert (
        "2 calibration runs differ"
        in judge(alone(published), twice[:1], unequal).findings[0].reason
    )
    equal = calibration([0.9, 0.9], [0.7, 0.7])
    assert judge(alone(published), twice, equal).verdict is Verdict.INCONCLUSIVE


def test_what_machines_part_by_is_no_draw():
    nearly = calibration([0.9 + 1e-12 * n for n in range(12)], [0.7] * 12)
    assert judge(alone(0.9), [run(0, 0.9)], nearly).verdict is Verdict.REPRODUCED


def test_only_the_metric_that_differs_is_not_judged():
    twice = [run(0, 0.8999, 0.7), run(0, 0.8999, 0.8)]
    judgment = judge(alone(0.9), twice, None, (), {"accuracy": 2e-5})
    assert verdicts(judgment, "reproduction") == [Verdict.REPRODUCED]


@pytest.mark.parametrize(("noise", "verdict"), [(9e-4, "REPRODUCED"), (1.1e-3, "INCONCLUSIVE")])
def test_more_noise_than_machines_part_by_excuses_nothing(noise, verdict):
    judgment = judge(alone(), [run(0, 0.8951)], None, (), {"accuracy": noise})
    assert judgment.verdict.value == verdict


def test_without_a_claim_the_first_metric_is_judged_by_its_calibration_runs_and_nothing_else():
    unclaimed = recipe(claims=[])
    judgment = judge(unclaimed, GOOD, calibration())
    assert judgment.verdict is Verdict.REPRODUCED
    judged = [f.metric for f in judgment.findings if f.question.value == "reproduction"]
    assert judged == ["accuracy"]
    assert verdicts(judgment, "claim") == []
    assert judge(unclaimed, GOOD, None).verdict is Verdict.INCONCLUSIVE
    worse = [run(seed, 0.8 + seed / 1000) for seed in range(4)]
    assert judge(unclaimed, worse, calibration()).verdict is Verdict.NOT_REPRODUCED


def test_seeds_that_do_not_reach_the_program_are_one_draw():
    off = [run(seed, 0.9045) for seed in range(6)]
    judgment = judge(recipe(), off, calibration())
    assert judgment.verdict is Verdict.INCONCLUSIVE
    assert verdicts(judgment, "seeds") == [Verdict.SEED_IGNORED]
    (reproduction,) = [one for one in judgment.findings if one.question == "reproduction"]
    assert reproduction.n == 1
    apart = [run(seed, 0.9045 + seed / 1e5) for seed in range(6)]
    assert judge(recipe(), apart, calibration()).verdict is Verdict.NOT_REPRODUCED


def test_a_run_that_ended_before_the_calibration_runs_did_is_no_whole_training():
    def at(step, judged):
        metrics = {
            name: value.model_copy(update={"step": step}) for name, value in judged.metrics.items()
        }
        return judged.model_copy(update={"metrics": metrics})

    shipped = calibration()
    whole = shipped.model_copy(update={"runs": tuple(at(20, one) for one in shipped.runs)})
    assert judge(recipe(), [at(20, one) for one in GOOD], whole).verdict is Verdict.REPRODUCED
    ended = [*(at(20, one) for one in GOOD[:3]), at(1, GOOD[3])]
    judgment = judge(recipe(), ended, whole)
    assert judgment.verdict is Verdict.INCONCLUSIVE
    assert "the value of seed 3 is of step 1" in judgment.reason
    assert "of step 20: another length of training" in judgment.reason
    early = shipped.model_copy(
        update={"runs": tuple(at(15 + i % 5, one) for i, one in enumerate(shipped.runs))}
    )
    assert judge(recipe(), ended, early).verdict is Verdict.REPRODUCED, "it ends when it likes"


def test_runs_that_mostly_failed_confirm_nothing():
    failed = Reason(MOSTLY_FAILED, "35 of 41 runs failed")
    judgment = judge(recipe(), GOOD, calibration(), [failed])
    assert judgment.verdict is Verdict.INCONCLUSIVE and "35 of 41" in judgment.reason


def test_an_interval_that_holds_every_share_is_no_test():
    claim = {**TOY_RECIPE["claims"][0], "standard_error": 1.2}
    judgment = judge(recipe(claims=[claim]), GOOD, calibration())
    assert verdicts(judgment, "claim") == [Verdict.UNTESTABLE]
    assert "any value from 0 to 1 would have been consistent" in judgment.reason
    narrow = {**claim, "standard_error": 0.2}
    assert verdicts(judge(recipe(claims=[narrow]), GOOD, calibration()), "claim") == [
        Verdict.CONSISTENT
    ]


def test_a_published_spread_of_nothing_stands_for_no_calibration():
    claim = {**TOY_RECIPE["claims"][0], "sd": 0.0, "n": 30}
    judgment = judge(recipe(claims=[claim]), GOOD, None)
    assert judgment.verdict is Verdict.INCONCLUSIVE and "no calibration runs" in judgment.reason
