"""Programs without torch, function by function.

What must have been compared, and what was called less often.
"""

import pytest
from helpers import write_tree

from scaffold.records.judgment import Verdict
from scaffold.rules.parity.checks import Trace
from scaffold.rules.parity.entries import noise_of
from scaffold.rules.parity.functions import compare_functions
from scaffold.rules.parity.judge import judge_rewrite

PROGRAM = """\
import json
import numpy as np


def scale(values):
    return (values - values.mean()) / values.std()


def fit(values):
    return np.sort(scale(values))[::2]


def note(values):
    print(len(values))


def part(values):
    return {"mean": float(values.mean())}


def main():
    values = np.random.RandomState(0).rand(40)
    for _ in range(3):
        note(values)
    result = fit(values), part(values)
    json.dump({"value": float(result[0].sum())}, open("metrics.json", "w"))


main()
"""


@pytest.fixture
def trace(tmp_path):
    """Trace a program by its functions; edits are made first."""
    from helpers import trace_program

    count = iter(range(100))

    def traced(*edits, files=None, **asked):
        program = PROGRAM
        for old, new in edits:
            assert old in program, old
            program = program.replace(old, new)
        folder = tmp_path / str(next(count))
        write_tree(folder, files or {})
        return trace_program(folder, program, functions=str(folder), **asked)

    return traced


RENAME = [
    (
        'def part(values):\n    return {"mean": float(values.mean())}\n',
        "from mine import own as part\n",
    )
]
OWN = {"mine.py": "def own(values):\n    return {'mean': float(sum(values) / len(values))}\n"}


def test_what_was_rewritten_is_compared_under_its_own_name(trace):
    golden = trace()
    unknown = compare_functions(golden, trace(*RENAME, files=OWN), "train.part")
    assert unknown.verdict is Verdict.EQUAL and "train.part was not compared" in unknown.uncompared
    judgment = judge_rewrite("train.part", (unknown,), None)
    assert (
        judgment.verdict is Verdict.INCONCLUSIVE
        and "train.part was not compared" in judgment.refusal
    )
    known = compare_functions(
        golden, trace(*RENAME, files=OWN, renamed={"mine.own": "train.part"}), "train.part"
    )
    assert known.verdict is Verdict.EQUAL and known.uncompared == ""
    wrong = {"mine.py": OWN["mine.py"].replace("len(values)", "(len(values) - 1)")}
    faulty = compare_functions(
        golden, trace(*RENAME, files=wrong, renamed={"mine.own": "train.part"}), "train.part"
    )
    assert faulty.verdict is Verdict.DIFFERS and faulty.address.module == "train.part"


def test_a_function_that_was_inlined_is_compared_by_what_called_it(trace):
    golden = trace()
    inlined = trace(("np.sort(scale(values))", "np.sort((values - values.mean()) / values.std())"))
    check = compare_functions(golden, inlined, "train.scale")
    assert check.verdict is Verdict.EQUAL and check.uncompared == ""
    assert any("train.scale is not there any more" in text for text in check.left_out)


def test_a_function_that_gives_no_numbers_is_no_proof(trace):
    golden = trace()
    check = compare_functions(golden, golden, "train.note")
    assert "train.note was not compared: it gives nothing" in check.uncompared


def test_what_cannot_be_read_beside_a_number_is_no_proof(trace):
    """Texts, lengths and the like are compared; an object of the program's own is not."""
    text = ('{"mean": float(values.mean())}', '{"mean": 0.5, "best": "first"}')
    check = compare_functions(trace(text), trace((text[0], text[1].replace("first", "last"))))
    assert check.verdict is Verdict.DIFFERS and check.address.module == "train.part"
    own = ('{"mean": float(values.mean())}', '{"mean": 0.5, "of": type("Node", (), {})()}')
    golden = trace(own)
    check = compare_functions(golden, golden, "train.part")
    assert "train.part was not compared" in check.uncompared
    assert "train.part gives Node: not compared" in check.left_out


def test_a_text_that_is_another_each_time_is_left_out(trace):
    random = (
        '{"mean": float(values.mean())}',
        '{"mean": 0.5, "id": __import__("uuid").uuid4().hex}',
    )
    golden, again = trace(random), trace(random)
    noisy = Trace(index={**golden.index, "entries": noise_of(golden, again)}, arrays=golden.arrays)
    check = compare_functions(noisy, trace(random), "train.part")
    assert check.verdict is Verdict.EQUAL and "is another each time" in " ".join(check.left_out)
    assert "train.part was not compared" in check.uncompared


def test_empty_cells_have_no_say_in_what_rounding_may_do(trace):
    empty = (
        "values = np.random.RandomState(0).rand(40)",
        "values = np.append(np.random.RandomState(0).rand(40), np.nan)",
    )
    mean = "(values - values.mean()) / values.std()"
    golden = trace(empty, (mean, "(values - np.nanmean(values)) / np.nanstd(values)"))
    rounded = "(values - np.nanmean(values[::-1])) * (1 / np.nanstd(values[::-1]))"
    assert compare_functions(golden, trace(empty, (mean, rounded))).verdict is Verdict.EQUAL
    wrong = trace(empty, (mean, "np.nan_to_num((values - np.nanmean(values)) / np.nanstd(values))"))
    assert compare_functions(golden, wrong).verdict is Verdict.DIFFERS


def test_a_pure_function_may_be_called_less_often_by_what_is_compared(trace):
    loop = ("np.sort(scale(values))", "np.sort(scale(values) + 0 * scale(values[::-1])[::-1])")
    fewer = ("np.sort(scale(values))", "np.sort(scale(values[::-1])[::-1])")
    golden = trace(loop)
    assert compare_functions(golden, trace(fewer), "train.fit").verdict is Verdict.EQUAL
    assert compare_functions(golden, trace(fewer)).verdict is Verdict.DIFFERS


def test_a_function_that_yields_is_not_compared(trace):
    yields = (
        "def note(values):\n    print(len(values))",
        "def note(values):\n    yield len(values)",
    )
    golden = trace(yields, ("        note(values)", "        list(note(values))"))
    assert "it yields its values" in compare_functions(golden, golden, "train.note").uncompared


def test_a_function_called_less_often_differs(trace):
    check = compare_functions(trace(), trace(("range(3)", "range(2)")))
    assert (
        check.verdict is Verdict.DIFFERS
        and check.reason == "train.note is called 2 times instead of 3"
    )


def test_values_of_float32_are_judged_by_the_noise_of_the_reference(trace):
    single = (
        "np.random.RandomState(0).rand(40)",
        "np.random.RandomState(0).rand(40).astype(np.float32)",
    )
    wide = ("float(values.mean())", "float(np.float64(values.mean()) * 100)")
    own = (
        "float(values.mean())",
        "float(np.float64(np.add.reduce(values[::-1]) / np.float32(40)) * 100)",
    )
    golden, again = trace(single, wide), trace(single, wide, disturb=True)
    found = trace(single, own)
    noisy = Trace(index={**golden.index, "entries": noise_of(golden, again)}, arrays=golden.arrays)
    assert compare_functions(noisy, found).verdict is Verdict.EQUAL
    broken = trace(single, ("float(values.mean())", "float(np.float64(values.mean()) * 100.01)"))
    assert compare_functions(noisy, broken).verdict is Verdict.DIFFERS


def test_late_calls_are_followed(trace):
    many = (
        "def main():\n",
        "def main():\n    for number in range(30):\n        part(np.arange(3.0) + number)\n",
    )
    late = ("float(values.mean())", "float(values.mean()) + (values[0] > 25) * 0.1")
    check = compare_functions(trace(many), trace(many, late))
    assert (
        check.verdict is Verdict.DIFFERS
        and "train.part gives other numbers from call 27 on" in check.reason
    )


DESCEND = (
    "def main():\n",
    """\
def rate(epoch):
    return 0.5 ** (epoch // 200)


def noise(rng):
    return rng.random()


def descend(rng):
    weight = 1.0
    for epoch in range(600):
        weight -= 0.01 * sum(rate(epoch) * weight for _ in range(2)) + 0.001 * noise(rng)
    return weight


def main():
    descend(np.random.default_rng(0))
""",
)


def test_what_differs_later_inside_a_function_is_the_address(trace):
    golden = trace(DESCEND)
    check = compare_functions(golden, trace(DESCEND, ("epoch // 200", "min(epoch // 200, 1)")))
    assert check.address.module == "train.rate" and "from call 801 on" in check.reason
    followed = golden.arrays["series.later.train.rate"][:, 0]
    assert followed[:180].tolist() == list(range(20, 200)) and len(followed) == 180 + 100 + 100 + 50


def test_a_function_whose_inputs_differ_later_is_not_to_blame(trace):
    golden = trace(DESCEND)
    faults = {
        "weight": (
            "    return weight\n",
            "        weight *= 1.0 + 0.01 * (epoch > 300)\n    return weight\n",
        ),
        "generator": (
            "        weight -=",
            "        rng.random(int(epoch == 300))\n        weight -=",
        ),
    }
    for fault in faults.values():
        check = compare_functions(golden, trace(DESCEND, fault))
        assert check.address.module == "train.descend", check


def test_who_calls_a_function_is_known_of_all_its_calls(trace):
    often = (
        "def main():\n",
        (
            "def count(values):\n    for _ in range(500):\n        note(values)\n    return"
            " 500\n\n\ndef main():\n    count(np.zeros(3))\n"
        ),
    )
    check = compare_functions(trace(often), trace(often, ("range(3)", "range(2)")))
    assert (
        check.verdict is Verdict.DIFFERS
        and check.reason == "train.note is called 502 times instead of 503"
    )
