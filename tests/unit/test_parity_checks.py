"""Each rule of the parity checks, on a trace that was recorded once and changed in one place."""

import copy
import json

import numpy as np
import pytest
from helpers import trace_program

from scaffold.records.judgment import Verdict
from scaffold.rules.parity.checks import CHECKS, CheckResult, Trace, first_difference
from scaffold.rules.parity.compare import compare_command, compare_traces
from scaffold.rules.parity.entries import noise_of
from scaffold.rules.parity.judge import judge_rewrite, refusal_of


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The reference's traces in both dtypes."""
    folder = tmp_path_factory.mktemp("golden")
    return {dtype: trace_program(folder / dtype, dtype=dtype) for dtype in ("own", "float64")}


@pytest.fixture
def found(recorded):
    """A copy of them, as another program's; tests change it."""
    return {
        kind: Trace(
            index=copy.deepcopy(dict(one.index)),
            arrays={k: v.copy() for k, v in one.arrays.items()},
            metrics=dict(one.metrics),
        )
        for kind, one in recorded.items()
    }


def entry(trace, check, module, what="output", step=0):
    return next(
        e
        for e in trace.index["entries"]
        if (e["check"], e["module"], e["aspect"], e["step"]) == (check, module, what, step)
    )


def move(trace, check, module, by, what="output", step=0):
    """Make a tensor differ by so much of its largest element."""
    one = entry(trace, check, module, what, step)
    one["norm"] += by * max(one["largest"], 1e-3) * 10
    if "elements" in one:
        trace.arrays[one["elements"]][-1] += by * max(one["largest"], 1e-3)


def answer(recorded, found, name):
    checks = {check.name: check for check in compare_command(recorded, found)}
    return checks[name]


def test_a_program_equals_itself(recorded, found):
    checks = compare_command(recorded, found)
    assert {check.verdict for check in checks} == {Verdict.EQUAL, Verdict.LEFT_OUT}
    assert [check.name for check in checks if check.verdict is Verdict.LEFT_OUT] == ["replay"]
    assert refusal_of(checks) is None and first_difference(checks) is None
    assert [check.name for check in checks] == [name for name in CHECKS if name != "functions"]


def test_rounding_is_no_difference_and_more_is(recorded, found):
    move(found["float64"], "forward_eval", "model", 1e-11)
    assert answer(recorded, found, "forward_eval").verdict is Verdict.EQUAL
    move(found["float64"], "forward_eval", "model", 1e-7)
    differing = answer(recorded, found, "forward_eval")
    assert differing.verdict is Verdict.DIFFERS and differing.address.dtype == "float64"
    assert "instead of" in differing.reason and differing.worst > 10


def test_the_address_is_the_first_module_that_differs(recorded, found):
    for module in ("model.norm", "model.dropout", "model.last", "model"):
        move(found["float64"], "forward_eval", module, 1e-3)
    check = answer(recorded, found, "forward_eval")
    assert check.address.module == "model.norm"
    assert "eps" in check.causes[0]
    assert dict(check.along)["model.norm"] > 1 >= dict(check.along)["model.first"]


def test_where_inputs_differ_already_it_is_the_code_around(recorded, found):
    for what, module in (
        ("input[0][0]", "model.last"),
        ("output", "model.last"),
        ("output", "model"),
    ):
        move(found["float64"], "forward_eval", module, 1e-3, what)
    assert answer(recorded, found, "forward_eval").address.module == "model"


def test_a_difference_inside_an_equal_network_is_only_told(recorded, found):
    move(found["float64"], "forward_eval", "model.norm", 1e-3)
    check = answer(recorded, found, "forward_eval")
    assert (
        check.verdict is Verdict.EQUAL
        and "other outputs, though those of the network are equal: model.norm" in check.left_out
    )


def test_modules_may_go_and_what_a_network_gives_may_not(recorded, found):
    index = found["float64"].index
    index["entries"] = [
        e for e in index["entries"] if (e["check"], e["module"]) != ("forward_eval", "model.norm")
    ]
    check = answer(recorded, found, "forward_eval")
    assert check.verdict is Verdict.EQUAL and "model.norm" in check.left_out[0]
    index["entries"] = [
        e for e in index["entries"] if (e["check"], e["module"]) != ("forward_train", "model")
    ]
    assert "there is no output" in answer(recorded, found, "forward_train").reason


def test_another_dtype_or_shape_differs_whatever_the_numbers(recorded, found):
    entry(found["own"], "forward_eval", "model")["dtype"] = "bfloat16"
    assert "is bfloat16 instead of float32" in answer(recorded, found, "forward_eval").reason
    entry(found["own"], "forward_eval", "model")["dtype"] = "float32"
    entry(found["own"], "forward_eval", "model")["shape"] = [16, 4]
    assert "has shape [16, 4] instead of [16, 3]" in answer(recorded, found, "forward_eval").reason


@pytest.mark.parametrize(
    ("check", "module", "what"),
    [
        ("buffers", "model.norm.running_var", "statistics"),
        ("loss", "", "value"),
        ("gradients", "model.first.weight", "gradient"),
        ("optimizer", "model.last.bias", "change"),
        ("loop", "model.first.bias", "weights"),
    ],
)
def test_each_check_of_tensors_has_its_own_address(recorded, found, check, module, what):
    move(found["float64"], check, module, 1e-4, what, step=4 if check == "loop" else 1)
    first = first_difference(compare_command(recorded, found))
    assert (first.name, first.address.module) == (check, module)


def test_what_the_reference_differs_from_itself_is_allowed(recorded, found):
    move(found["own"], "forward_eval", "model", 1e-3)
    assert answer(recorded, found, "forward_eval").verdict is Verdict.DIFFERS
    again = {**recorded, "own": copy.deepcopy(recorded["own"])}
    move(again["own"], "forward_eval", "model", 1e-3)
    noisy = Trace(
        index={**recorded["own"].index, "entries": noise_of(recorded["own"], again["own"])},
        arrays=recorded["own"].arrays,
        metrics=recorded["own"].metrics,
    )
    assert answer({**recorded, "own": noisy}, found, "forward_eval").verdict is Verdict.EQUAL
    move(again["own"], "forward_eval", "model", 1.0)
    unsteady = Trace(
        index={**recorded["own"].index, "entries": noise_of(recorded["own"], again["own"])},
        arrays=recorded["own"].arrays,
        metrics=recorded["own"].metrics,
    )
    check = answer({**recorded, "own": unsteady}, found, "forward_eval")
    assert "the reference differs from itself: model" in check.left_out


def test_randomness_that_cannot_be_given_leaves_the_check_out_by_name(recorded, found):
    for dtype in found:
        move(found[dtype], "forward_train", "model", 1e-2)
    assert answer(recorded, found, "forward_train").verdict is Verdict.DIFFERS
    for dtype in found:
        found[dtype].index["drawn"] = [["torch.randn", "model.noise"]]
    check = answer(recorded, found, "forward_train")
    assert check.verdict is Verdict.LEFT_OUT and "torch.randn in model.noise" in check.reason


def test_without_float64_the_rest_is_compared_and_that_is_said(recorded, found):
    checks = {check.name: check for check in compare_command({"own": recorded["own"]}, found)}
    assert (
        checks["loop"].verdict is Verdict.LEFT_OUT
        and checks["forward_eval"].verdict is Verdict.EQUAL
    )
    assert "float64: it cannot be had of this program" in checks["forward_eval"].left_out


def change(index, key, value):
    index[key] = value


SERIES = {
    "schedule": lambda t: t.arrays["series.options"].__setitem__((2, 2), 0.02),
    "budget": lambda t: t.index.update(steps=21, updates=21),
    "batches": lambda t: t.arrays["series.train.count"].__setitem__((3, 1), 15),
    "dropout": lambda t: t.arrays["series.masks"].__setitem__((0, 2), 0.5),
    "gradients": lambda t: t.arrays["series.left"].__setitem__((8, 1), 0.3),
    "evaluation": lambda t: t.arrays["series.evaluation.calls"].__setitem__((0, 1), 1.0),
    "forward_train": lambda t: t.arrays["series.train.calls"].__setitem__((9, 2), 0.5),
    "loss": lambda t: t.arrays["series.loss"].__setitem__(2, 9.0),
    "optimizer": lambda t: t.arrays["series.moved.model"].__setitem__((5, 1), 9.0),
    "initialization": (
        lambda t: t.index["networks"][0]["begun"]["model.first.weight"].update(
            sd=9.0, tenths=[float(n) for n in range(11)]
        )
    ),
    "parameters": (
        lambda t: t.index["networks"][0]["parameters"][0]["group"].update(weight_decay=0.0)
    ),
    "reporting": lambda t: t.metrics.update(accuracy=0.5),
}


@pytest.mark.parametrize("check", SERIES)
def test_what_is_followed_over_the_whole_run_differs(recorded, found, check):
    SERIES[check](found["own"])
    differing = [
        one.name for one in compare_command(recorded, found) if one.verdict is Verdict.DIFFERS
    ]
    assert differing == [check]


def test_values_order_and_labels_are_told_apart(recorded, found):
    inputs = next(name for name in found["own"].arrays if name.startswith("series.train.model"))
    targets, evaluated = "series.train.targets", inputs.replace("train", "evaluation")
    original = {name: array.copy() for name, array in found["own"].arrays.items()}

    labels = original[targets].copy()
    labels[original[inputs] == original[inputs][0]] += 1.0
    found["own"].arrays[targets] = labels
    assert first_difference(compare_command(recorded, found)).name == "data"
    assert "another label" in answer(recorded, found, "data").reason

    within, across = [0, 5], [0, 20]
    for rows, verdict in ((within, Verdict.EQUAL), (across, Verdict.DIFFERS)):
        for name in (inputs, targets):
            moved = original[name].copy()
            moved[rows] = moved[rows[::-1]]
            found["own"].arrays[name] = moved
        check = answer(recorded, found, "batches")
        assert check.verdict is verdict, "the order within a step changes nothing"
    assert "another order" in check.reason

    found["own"].arrays.update({targets: original[targets], inputs: original[inputs] * 1.1})
    assert answer(recorded, found, "batches").verdict is Verdict.DIFFERS
    found["own"].arrays[evaluated] = original[evaluated] * 1.1
    assert answer(recorded, found, "data").verdict is Verdict.DIFFERS

    leaked = original[inputs].copy()
    leaked[5:21] = original[evaluated][:16]
    found["own"].arrays.update({inputs: leaked, evaluated: original[evaluated]})
    assert "among the training ones" in answer(recorded, found, "data").reason


def test_an_evaluation_that_draws_otherwise_is_the_address_of_what_follows(recorded, found):
    inputs = next(name for name in found["own"].arrays if name.startswith("series.train.model"))
    evaluated = inputs.replace("train", "evaluation")
    found["own"].arrays[evaluated][0] += 1.0
    found["own"].arrays[inputs][70:] += 1.0
    found["own"].arrays["series.loss"][3:] += 1.0
    checks = compare_command(recorded, found)
    assert first_difference(checks).name == "evaluation"
    assert any("the evaluation before drew otherwise" in text for text in checks[1].left_out)
    assert next(check for check in checks if check.name == "loss").verdict is Verdict.LEFT_OUT


def test_training_in_evaluation_mode_is_named(recorded, found):
    found["own"].index["trained_in_evaluation"] = 0
    assert "trains in evaluation mode" in answer(recorded, found, "forward_train").reason
    found["own"].index["trained_in_evaluation"] = 4
    first = first_difference(compare_command(recorded, found))
    assert (
        first.name == "evaluation"
        and first.address.step == 4
        and "missing train()" in first.causes[0]
    )


def test_other_weights_in_an_evaluation_are_seen(recorded, found):
    found["own"].arrays["series.evaluation.weights"][-1, 1] += 1.0
    assert (
        "weights are evaluated that are others after step"
        in answer(recorded, found, "evaluation").reason
    )


def test_an_optimizer_of_ones_own_is_compared_by_its_effect(recorded, found):
    del found["own"].arrays["series.options"]
    for one in found["own"].index["networks"][0]["parameters"]:
        one["group"] = None
    checks = {check.name: check for check in compare_command(recorded, found)}
    assert (
        checks["schedule"].verdict is Verdict.EQUAL
        and "no torch optimizer" in checks["schedule"].left_out[0]
    )
    assert "not a torch optimizer" in checks["parameters"].left_out[0]
    found["own"].arrays["series.moved.model"][9:, 1] += 0.5
    assert answer(recorded, found, "schedule").verdict is Verdict.DIFFERS


def test_metrics_are_compared_with_those_of_the_same_updates(recorded, found):
    golden = Trace(
        index=recorded["own"].index,
        arrays=recorded["own"].arrays,
        metrics=recorded["own"].metrics,
        full_metrics={"accuracy": 0.25, "loss": 1.0},
    )
    assert recorded["own"].index["hidden"]
    del found["own"].index["hidden"]
    found["own"].metrics.update(accuracy=0.25, loss=1.0)
    assert answer({**recorded, "own": golden}, found, "reporting").verdict is Verdict.EQUAL


def test_unmatched_tensors_leave_nothing_to_compare(recorded, found):
    unmatched = {
        "network": "model",
        "missing": ["model.a.weight"],
        "extra": ["model.b.scale"],
        "problems": ["no"],
    }
    found["own"].index["unmatched"] = unmatched
    (check,) = compare_command(recorded, found)
    assert check.name == "parameters" and check.address.module == "model.a"
    assert "model.b.scale are made of nothing; no" in check.reason


def test_a_program_that_calls_no_network_is_no_equal_one(recorded):
    (check,) = compare_command(recorded, {})
    assert check.verdict is Verdict.DIFFERS and "no network was called" in check.reason


def test_a_replay_is_compared_to_nine_digits(recorded, found):
    losses = np.linspace(2, 1, 8)
    runs = [
        Trace(index={"entries": []}, arrays={"series.loss": losses + by}) for by in (0, 1e-12, 1e-7)
    ]
    for run, verdict in zip(runs, (Verdict.EQUAL, Verdict.EQUAL, Verdict.DIFFERS), strict=True):
        checks = compare_command({**recorded, "replay": runs[0]}, {**found, "replay": run})
        assert checks[-1].name == "replay" and checks[-1].verdict is verdict
    unmatched = Trace(index={"entries": [], "unmatched": {}}, arrays={})
    assert (
        "do not fit"
        in compare_command({**recorded, "replay": runs[0]}, {**found, "replay": unmatched})[
            -1
        ].reason
    )
    short = Trace(index={"entries": []}, arrays={"series.loss": losses[:5]})
    assert (
        "longer"
        in compare_command({**recorded, "replay": runs[0]}, {**found, "replay": short})[-1].reason
    )


def test_commands_are_compared_one_by_one_and_the_worst_counts(recorded, found):
    broken = copy.deepcopy(found)
    move(broken["float64"], "forward_eval", "model", 1e-3)
    both = {kind: {"train": one, "evaluate": one} for kind, one in recorded.items()}
    theirs = {kind: {"train": found[kind], "evaluate": broken[kind]} for kind in found}
    assert first_difference(compare_traces(both, theirs)).name == "forward_eval"


def test_checks_survive_json(recorded, found):
    move(found["float64"], "forward_eval", "model", float("inf"))
    for check in compare_command(recorded, found):
        again = CheckResult.from_mapping(
            json.loads(json.dumps(check.as_mapping(), allow_nan=False))
        )
        assert (again.name, again.verdict, again.reason, again.left_out) == (
            check.name,
            check.verdict,
            check.reason,
            check.left_out,
        )


def test_an_equal_ladder_alone_does_not_prove_what_nobody_compared():
    checks = [CheckResult(name="data", verdict=Verdict.EQUAL, compared=3)]
    assert "could not be compared" in refusal_of(checks)
    assert judge_rewrite("program", checks, None).verdict is Verdict.INCONCLUSIVE
    whole = [CheckResult(name="forward_eval", verdict=Verdict.EQUAL, compared=3)]
    assert judge_rewrite("model", whole, None).refusal == "no run of it shows the published result"


def test_two_rates_are_told_with_as_many_digits_as_it_takes(recorded, found):
    for trace in (recorded["own"], found["own"]):
        trace.arrays["series.options"] = trace.arrays["series.options"].copy()
        trace.arrays["series.options"][:, 2] = 3e-4
    assert answer(recorded, found, "schedule").verdict is Verdict.EQUAL
    found["own"].arrays["series.options"][2:, 2] = 3.00000004e-4
    assert "0.000300000004 instead of 0.0003 at step" in answer(recorded, found, "schedule").reason


def test_options_of_every_group_are_followed_and_paired_by_parameter(recorded, found):
    for trace in (recorded["own"], found["own"]):
        rows = trace.arrays["series.options"]
        second = rows.copy()
        second[:, 1] = 1
        trace.arrays["series.options"] = np.concatenate([rows, second])
        for entry in trace.index["networks"][0]["parameters"]:
            entry["groups"] = [1 if "norm" in entry["name"] else 0]
    assert answer(recorded, found, "schedule").verdict is Verdict.EQUAL
    late = (found["own"].arrays["series.options"][:, 1] == 1) & (
        found["own"].arrays["series.options"][:, 0] > 8
    )
    found["own"].arrays["series.options"][late, 3] = 0.5
    check = answer(recorded, found, "schedule")
    assert (
        "weight_decay is 0.5 instead of 0.1 at step 10" in check.reason
        and "norm" in check.address.module
    )


def test_an_optimizer_split_in_two_has_the_same_options(recorded, found):
    rows = found["own"].arrays["series.options"]
    other = rows.copy()
    other[:, 1] = 1000
    found["own"].arrays["series.options"] = np.concatenate([rows, other])
    for entry in found["own"].index["networks"][0]["parameters"]:
        entry["groups"] = [1000 if "last" in entry["name"] else 0]
    assert answer(recorded, found, "schedule").verdict is Verdict.EQUAL


def test_seeds_given_again_and_settings_changed_late_are_named(recorded, found):
    found["own"].index["reseeded"] = [[3, "0"]]
    assert "seeded with 0 again before step 4" in answer(recorded, found, "dropout").reason
    found["own"].index["reseeded"] = []
    found["own"].index["changed"] = [[12, "model.dropout.p", 0.25, 0.0]]
    assert "model.dropout.p becomes 0.0 at step 13" in answer(recorded, found, "dropout").reason
    found["own"].index["changed"] = [[12, "model.norm.momentum", 0.1, 0.2]]
    assert answer(recorded, found, "parameters").address.module == "model.norm.momentum"
    found["own"].index["changed"] = [[12, "model.own_name.p", 0.1, 0.2]]
    assert answer(recorded, found, "dropout").verdict is Verdict.EQUAL, (
        "the reference has no such module"
    )


def test_statistics_that_were_not_restored_are_evaluation(recorded, found):
    weights = found["own"].arrays["series.evaluation.weights"].copy()
    weights[-1, 3] += 1.0
    found["own"].arrays["series.evaluation.weights"] = weights
    assert (
        "statistics of batches are evaluated that are others"
        in answer(recorded, found, "evaluation").reason
    )


def test_other_portions_are_a_difference_only_if_a_whole_run_says_so(recorded, found):
    counts = found["own"].arrays["series.train.count"].copy()
    counts[3, 1] = 15
    found["own"].arrays["series.train.count"] = counts
    assert answer(recorded, found, "batches").verdict is Verdict.DIFFERS
    losses = np.linspace(2, 1, 20)
    arrays = {"series.loss": losses, "series.weights.model": np.ones((20, 3))}
    run = Trace(index={"entries": [], "steps": 20}, arrays=arrays)
    check = answer({**recorded, "replay": run}, {**found, "replay": run}, "batches")
    assert (
        check.verdict is Verdict.LEFT_OUT
        and "the same after each of 20 updates in float64" in check.reason
    )
    moved = Trace(
        index={"entries": [], "steps": 20},
        arrays={**arrays, "series.weights.model": np.full((20, 3), 1.1)},
    )
    assert (
        answer({**recorded, "replay": run}, {**found, "replay": moved}, "batches").verdict
        is Verdict.DIFFERS
    )
    short = Trace(index={"entries": [], "steps": 3}, arrays=arrays)
    check = answer({**recorded, "replay": short}, {**found, "replay": short}, "batches")
    assert check.verdict is Verdict.DIFFERS, "it comes after the steps that were replayed"


def test_a_replay_is_not_judged_closer_than_the_reference_is_to_itself(recorded, found):
    losses = np.linspace(2, 1, 8)
    runs = [Trace(index={"entries": []}, arrays={"series.loss": losses + by}) for by in (0, 1e-7)]
    noisy = Trace(index={"entries": [], "noise": {"series.loss": 1e-7}}, arrays=runs[0].arrays)
    assert (
        compare_command({**recorded, "replay": runs[0]}, {**found, "replay": runs[1]})[-1].verdict
        is Verdict.DIFFERS
    )
    assert (
        compare_command({**recorded, "replay": noisy}, {**found, "replay": runs[1]})[-1].verdict
        is Verdict.EQUAL
    )


def test_a_replay_compares_what_was_reported(recorded, found):
    runs = [
        Trace(
            index={"entries": []}, arrays={"series.loss": np.ones(4)}, metrics={"accuracy": value}
        )
        for value in (0.9, 0.8)
    ]
    check = compare_command({**recorded, "replay": runs[0]}, {**found, "replay": runs[1]})[-1]
    assert check.verdict is Verdict.DIFFERS and "accuracy is 0.8 instead of 0.9" in check.reason


def test_evaluated_examples_may_come_in_another_order(recorded, found):
    order = np.random.default_rng(0).permutation(32)
    first = found["own"].arrays["series.evaluation.examples.model"]
    found["own"].arrays["series.evaluation.examples.model"] = first[order]
    for name in list(found["own"].arrays):
        if name.startswith("series.evaluation.outputs."):
            found["own"].arrays[name] = found["own"].arrays[name][order]
        if name.startswith("series.evaluation.model"):
            found["own"].arrays[name] = np.concatenate(
                [part[order] for part in np.split(found["own"].arrays[name], 5)]
            )
    assert answer(recorded, found, "evaluation").verdict is Verdict.EQUAL


def test_lost_rows_are_data_and_not_the_size_of_a_step(recorded, found):
    inputs = next(name for name in found["own"].arrays if name.startswith("series.train.model"))
    kept = np.unique(found["own"].arrays[inputs])[:40]
    counts = found["own"].arrays["series.train.count"]
    found["own"].arrays[inputs] = np.tile(kept, 8)[: len(found["own"].arrays[inputs])]
    counts[7, 1] -= 1
    check = answer(recorded, found, "data")
    assert (
        check.verdict is Verdict.DIFFERS
        and "24 of the reference's 64 training examples are never trained on" in check.reason
    )


def test_at_most_two_causes_and_none_that_cannot_be(recorded, found):
    move(found["float64"], "forward_eval", "model", 1e-3)
    causes = answer(recorded, found, "forward_eval").causes
    assert 0 < len(causes) <= 2 and not any(
        "attention" in cause or "mask" in cause for cause in causes
    )


@pytest.mark.parametrize(
    ("part", "verdicts", "told"),
    [
        (
            "evaluation",
            {
                "forward_eval": Verdict.EQUAL,
                "evaluation": Verdict.LEFT_OUT,
                "reporting": Verdict.EQUAL,
            },
            "evaluation was",
        ),
        (
            "loss",
            {"forward_eval": Verdict.EQUAL, "loss": Verdict.LEFT_OUT},
            "loss was not compared",
        ),
        ("data", {}, "could not be compared"),
    ],
)
def test_what_was_rewritten_and_not_compared_is_no_proof(part, verdicts, told):
    checks = [
        CheckResult(name=name, verdict=verdict, reason="not seen", compared=1)
        for name, verdict in verdicts.items()
    ]
    assert told in refusal_of(checks, part)
    assert judge_rewrite(part, checks, None).verdict is Verdict.INCONCLUSIVE
    replayed = [*checks, CheckResult(name="replay", verdict=Verdict.EQUAL, compared=9)]
    is_refused = refusal_of(replayed, part) is not None
    assert is_refused == (part == "evaluation"), (
        "a whole run speaks for what is trained, not for what is reported"
    )
    reported = [
        *checks,
        CheckResult(name="replay", verdict=Verdict.EQUAL, compared=9, has_metrics=True),
    ]
    assert refusal_of(reported, part) is None, "unless it ended by itself, and reported the same"


def test_what_a_fed_step_moves_is_no_movement(recorded, found):
    rows = found["own"].arrays["series.moved.model"]
    after = int(np.flatnonzero(np.diff(rows[:, 0]) > 1)[0]) + 1
    rows[after:, 1] += 0.5
    assert answer(recorded, found, "optimizer").verdict is Verdict.EQUAL, (
        "weights were given in between"
    )
    rows[after + 1 :, 1] += 0.5
    assert answer(recorded, found, "optimizer").verdict is Verdict.DIFFERS


def test_laws_of_a_few_elements_say_nothing_unless_they_are_constant(recorded, found):
    begun = found["own"].index["networks"][0]["begun"]
    begun["model.last.bias"].update(mean=0.9, sd=2.0, tenths=[float(n) for n in range(11)])
    assert answer(recorded, found, "initialization").verdict is Verdict.EQUAL
    begun["model.last.bias"].update(mean=0.0, sd=0.0, tenths=[0.0] * 11)
    assert answer(recorded, found, "initialization").verdict is Verdict.DIFFERS


def test_weights_of_one_law_may_have_another_structure(recorded, found):
    """Orthogonal and independent numbers of one spread are the same number by number."""
    recorded = copy.deepcopy(recorded)
    begun = found["own"].index["networks"][0]["begun"]
    law = begun["model.first.weight"]
    law["tenths"] = [one + 1e-3 for one in law["tenths"]]  # drawn otherwise
    assert answer(recorded, found, "initialization").verdict is Verdict.EQUAL
    # Its 6 columns make 15 pairs, too few to say: as many as 256 rows make.
    for trace in (recorded, found):
        trace["own"].index["networks"][0]["begun"]["model.first.weight"]["pairs"] = 32640
    law["cosine"] = 0.0
    check = answer(recorded, found, "initialization")
    assert check.verdict is Verdict.DIFFERS and "mean squared cosine of its rows 0" in check.reason


def test_a_network_that_is_called_late_begins_by_the_same_law(recorded, found):
    recorded = copy.deepcopy(recorded)
    for trace in (recorded, found):
        trace["own"].index["networks"][0]["begun_at"] = 3
    law = found["own"].index["networks"][0]["begun"]["model.first.weight"]
    law.update(sd=30 * law["sd"], tenths=[30 * one for one in law["tenths"]])
    assert answer(recorded, found, "initialization").verdict is Verdict.DIFFERS


def test_commands_add_up_what_they_compared_and_left_out(recorded, found):
    both = {kind: {"train": one, "evaluate": one} for kind, one in recorded.items()}
    theirs = {kind: {"train": one, "evaluate": one} for kind, one in found.items()}
    del theirs["float64"]["evaluate"]
    check = next(check for check in compare_traces(both, theirs) if check.name == "forward_eval")
    alone = answer(recorded, found, "forward_eval")
    assert check.verdict is Verdict.EQUAL and alone.compared < check.compared < 2 * alone.compared
    assert "float64: it cannot be had of this program" in check.left_out


def test_a_tensor_that_begins_as_a_copy_of_another_differs(recorded, found):
    begun = found["own"].index["networks"][0]["begun"]
    begun["model.last.weight"] = copy.deepcopy(begun["model.first.weight"])
    check = answer(recorded, found, "initialization")
    assert check.address.module == "model.last.weight"
    assert (
        "begins with the values of model.first.weight, which the reference's does not"
        in check.reason
    )
    back = answer(found, recorded, "initialization")
    assert (
        "begins with values of its own, the reference's with those of model.first.weight"
        in back.reason
    )


def test_masks_are_counted_by_call_and_not_by_step(recorded, found):
    masks = found["own"].arrays["series.masks"]
    found["own"].arrays["series.masks"] = np.repeat(masks, 2, axis=0)
    assert answer(recorded, found, "dropout").verdict is Verdict.EQUAL, (
        "how often a network is called is the budget's question"
    )
    two = np.repeat(masks, 2, axis=0)
    two[1::2, 1] = 1
    found["own"].arrays["series.masks"] = two
    assert answer(recorded, found, "dropout").reason == "2 masks a call instead of 1"


def test_more_examples_that_are_drawn_anew_are_data(recorded, found):
    for traces, count in ((recorded, 320), (found, 336)):
        own = traces["own"]
        name = next(name for name in own.arrays if name.startswith("series.train.model"))
        drawn = np.random.default_rng(count).normal(size=count)
        own = Trace(index=own.index, arrays={**own.arrays, name: drawn}, metrics=own.metrics)
        counts = own.arrays["series.train.count"].copy()
        counts[-1, 1] += count - 320
        own.arrays["series.train.count"] = counts
        traces = dict(traces, own=own)
        recorded, found = (traces, found) if count == 320 else (recorded, traces)
    check = answer(recorded, found, "data")
    assert (
        check.verdict is Verdict.DIFFERS
        and "336 examples are trained on in all epochs instead of 320" in check.reason
    )
