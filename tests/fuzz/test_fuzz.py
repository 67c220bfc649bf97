"""Arbitrary bytes, and mutations of what is right.

Every target refuses or reads, none crashes, NaN never passes.
"""

import json
import math

import pytest
import yaml
from fuzz import targets
from helpers import TOY_RECIPE, merged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaffold.errors import BrokenFileError
from scaffold.project.project import Project
from scaffold.records.claim import Rule
from scaffold.records.evidence import (
    Calibration,
    CalibrationRun,
    EnvironmentUsed,
    Evidence,
    Inputs,
    JudgedRun,
    Machine,
    MetricValue,
)
from scaffold.records.judgment import Verdict
from scaffold.records.recipe import Recipe
from scaffold.reproduce.evidence import read_evidence
from scaffold.rules.reproduction.judge import judge
from scaffold.rules.reproduction.sequential import decide
from scaffold.rules.stats import SampleStats

# Tests of the tests' own machine, not of ours: a slow example is no failure.
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

numbers = st.one_of(
    st.floats().map(str),
    st.integers().map(str),
    st.sampled_from(["nan", "inf", "-0", "1e999999", "0e9999", "1,000", "٣"]),
)
lines = st.lists(
    st.one_of(
        st.builds(lambda step, value: f"step {step} loss: {value}", numbers, numbers),
        st.text(max_size=40),
        st.just("x" * 70000),
    ),
    max_size=8,
)
ends = st.sampled_from(["\n", "\r", "\r\n", "\x00", "\n\n"])
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "b", "loss", "step", "x"]), inner)
    ),
    max_leaves=12,
)


@quick
@given(lines, ends, st.binary(max_size=20))
def test_lines_of_output(texts, end, rest):
    targets.stdout(end.join(texts).encode(errors="surrogatepass") + rest)


@quick
@given(json_values, st.binary(max_size=8), st.booleans())
def test_json_that_a_run_left(value, rest, cut):
    text = json.dumps({"a": [{"b": value}], "log_history": value, "step": value}).encode() + rest
    targets.json(text[: len(text) // 2] if cut else text)
    targets.trainer_state(json.dumps({"log_history": value}).encode())
    targets.trainer_state(json.dumps({"log_history": [{"loss": value, "step": value}]}).encode())
    targets.reports(
        json.dumps({"calls": {"random": value}, "attempts": value, "variables": [value]}).encode()
    )
    targets.reports(json.dumps(value).encode())


@quick
@given(
    st.lists(st.tuples(numbers, numbers)),
    ends,
    st.sampled_from(["loss,step", "step,loss,loss", "loss", '"loss', "x"]),
)
def test_csv_that_a_run_left(rows, end, head):
    targets.csv(end.join([head, *(",".join(row) for row in rows)]).encode())


@quick
@given(st.sampled_from(sorted(targets.TARGETS)), st.binary(max_size=2000))
def test_any_bytes(name, content):
    targets.TARGETS[name](content)


@quick
@given(st.data())
def test_mutations_of_a_recipe(data):
    text = bytearray(targets.RECIPE)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text) - 1))
        text[start : start + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=30))
    targets.recipe(bytes(text))


@quick
@given(st.data())
def test_any_value_anywhere_in_a_recipe(data):
    document = merged(TOY_RECIPE, {"reference": {"tree": "0" * 40}})
    place = document
    while True:
        key = data.draw(
            st.sampled_from(list(range(len(place))) if isinstance(place, list) else list(place))
        )
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(json_values)
    targets.recipe(yaml.safe_dump(document).encode())


# --- evidence -----------------------------------------------------------------------------------

MACHINE = Machine(processor="p", cores=1, memory_gb=1, accelerator=None, system="s")
USED = EnvironmentUsed(python="3.11.7", lock="0", reused=True)


def judged(seed: int, accuracy: float, loss: float = 0.7) -> JudgedRun:
    metrics = {
        name: MetricValue.model_construct(value=value, half_digit=0.0, step=None)
        for name, value in (("accuracy", accuracy), ("loss", loss))
    }
    return JudgedRun.model_construct(
        id=f"r{seed}",
        seed=seed,
        metrics=metrics,
        series={},
        wall_time_s=1.0,
        machine=MACHINE,
        environment=USED,
    )


RECIPE = Recipe.model_validate(merged(TOY_RECIPE, {"reference": {"tree": "0" * 40}}))
CALIBRATION = Calibration(
    recipe="toy",
    reference="0" * 40,
    program="0",
    data={},
    reading="0",
    created="2026-01-01",
    machine=MACHINE,
    threads=1,
    packages=(),
    runs=tuple(
        CalibrationRun(
            seed=1000 + i,
            wall_time_s=1,
            metrics={
                "accuracy": MetricValue(value=0.9 + 0.001 * (i % 7 - 3)),
                "loss": MetricValue(value=0.7),
            },
        )
        for i in range(21)
    ),
)


def whole_evidence() -> Evidence:
    runs = tuple(
        JudgedRun(
            id=f"r{seed}",
            seed=seed,
            metrics={"accuracy": MetricValue(value=0.9)},
            wall_time_s=1,
            machine=MACHINE,
            environment=USED,
        )
        for seed in range(3)
    )
    return Evidence(
        milestone="reproduce",
        inputs=Inputs(reference="0", program="0", lock="0", data={}),
        rule="0",
        calibration=None,
        hyperparameters={},
        runs=runs,
        failed_runs=0,
        judgment={"verdict": "REPRODUCED"},
        created="2026",
    ).with_checksum()


WHOLE = json.dumps(whole_evidence().model_dump(mode="json")).encode()


@quick
@given(st.data())
def test_mutations_of_evidence_are_refused_or_break_its_seal(data):
    text = bytearray(WHOLE)
    start = data.draw(st.integers(0, len(text) - 1))
    text[start : start + data.draw(st.integers(0, 10))] = data.draw(st.binary(max_size=10))
    targets.evidence(bytes(text))
    try:
        found = read_evidence(Project(targets.FOLDER))
    except BrokenFileError:
        return
    except Exception as error:
        assert "UTF-8" in str(error) or "missing" in str(error)
        return
    if found is not None and found != whole_evidence():
        assert found.checksum != found.expected_checksum()


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999", '"nan"'])
def test_no_evidence_holds_what_is_no_number(word):
    text = WHOLE.replace(b'"value": 0.9', f'"value": {word}'.encode(), 1)
    assert text != WHOLE
    project = Project(targets.FOLDER)
    project.reproduction.parent.mkdir(exist_ok=True)
    project.reproduction.write_bytes(text)
    with pytest.raises(BrokenFileError):
        read_evidence(project)


# --- rules --------------------------------------------------------------------------------------


@quick
@given(
    st.lists(
        st.sampled_from([math.nan, math.inf, -math.inf, 0.9, 0.91]), min_size=1, max_size=5
    ).filter(lambda values: not all(map(math.isfinite, values))),
    st.booleans(),
)
def test_what_is_no_number_is_never_judged(values, in_monitored):
    runs = [
        judged(i, 0.9, value) if in_monitored else judged(i, value)
        for i, value in enumerate(values)
    ]
    with pytest.raises(ValueError, match="finite"):
        judge(RECIPE, runs, CALIBRATION)


@quick
@given(
    st.lists(st.floats(-1, 1), min_size=2, max_size=8),
    st.floats(0.01, 10),
    st.lists(st.floats(0, 20), min_size=2, max_size=6),
)
def test_further_away_is_never_better(offsets, spread, shifts):
    """At a fixed spread, the word can only get worse with the distance of the means.

    Whichever way.
    """
    law = SampleStats.of([spread * math.sin(3 * i) for i in range(20)])
    order = [Verdict.REPRODUCED, Verdict.INCONCLUSIVE, Verdict.NOT_REPRODUCED]
    centred = [offset - sum(offsets) / len(offsets) for offset in offsets]
    for sign in (1, -1):
        words = [
            decide(
                SampleStats.of([law.mean + spread * (offset + sign * shift) for offset in centred]),
                law,
                2.0,
                Rule(),
            )
            for shift in sorted(shifts)
        ]
        ranks = [order.index(word) for word in words]
        assert ranks == sorted(ranks)
