"""A function of a program with networks: compared by what it gives, or said not to be."""

import pytest
from helpers import NETWORK, trace_program

from scaffold.records.judgment import Verdict
from scaffold.rules.parity.functions import compare_part

PROGRAM = (
    NETWORK.replace(
        "torch.manual_seed(0)\n",
        """
def confusion(predicted, labels):
    return torch.stack([((predicted == a) & (labels == b)).sum() for a in range(3) for b in range(3)])


def write_rows(ids, rows):
    with open("rows.txt", "w") as file:
        for one, row in zip(ids.tolist(), rows):
            file.write("%d %s\\n" % (one, row.tolist()))


def resume(model):
    model.load_state_dict(torch.load("weights.pt"))


def standardize(rows):
    return (rows - rows.mean(0)) / rows.std(0)


def double(row):
    return float(row) * 2


def evaluate_saved(rows):
    network = Net()
    network.eval()
    network(rows)


def begin(model):
    nn.init.zeros_(model.last.bias)


torch.manual_seed(0)
""",
        1,
    ).replace("optimizer = ", "begin(model)\noptimizer = ", 1)
    + """
with torch.no_grad():
    predicted = model(x[64:]).argmax(1)
confusion(predicted, y[64:])
write_rows(torch.arange(32), x[64:])
standardize(x)
for row in range(40):
    double(row)
evaluate_saved(x[:8])
"""
)


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    def trace(*edits):
        program = PROGRAM
        for old, new in edits:
            assert program.count(old) == 1, old
            program = program.replace(old, new)
        folder = tmp_path_factory.mktemp("traced") / "program"
        return trace_program(folder, program, functions=str(folder))

    return trace


@pytest.fixture(scope="module")
def golden(traced):
    return traced()


def test_a_part_is_compared_by_what_it_gives(golden, traced):
    check = compare_part(golden, golden, "train.confusion")
    assert (check.verdict, check.uncompared) == (Verdict.EQUAL, "")
    other = traced(("(predicted == a) & (labels == b)", "(predicted == b) & (labels == a)"))
    check = compare_part(golden, other, "train.confusion")
    assert check.verdict is Verdict.DIFFERS and check.address.module == "train.confusion"
    # What the reference's other functions give is not its matter.
    assert compare_part(golden, other, "train.evaluate").verdict is Verdict.EQUAL


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("train.write_rows", "it gives nothing"),
        ("train.resume", "the reference does not call it"),
        ("train.evaluate_saved", "it gives nothing"),  # a network of its own is not trained by it
        ("train.begin", ""),  # it changes weights: the checks of networks speak for it
    ],
)
def test_a_part_that_gives_nothing_is_no_proof(golden, part, told):
    check = compare_part(golden, golden, part)
    assert told in check.uncompared and bool(told) == bool(check.uncompared)


def test_a_program_that_cannot_be_followed_is_no_proof(golden):
    assert "was not compared" in compare_part(golden, None, "train.confusion").uncompared


def test_rounding_of_float32_is_no_difference(golden, traced):
    other = traced(
        (
            "(rows - rows.mean(0)) / rows.std(0)",
            "(rows - rows.sum(0) / len(rows)) * (1 / rows.std(0))",
        )
    )
    assert compare_part(golden, other, "train.standardize").verdict is Verdict.EQUAL


def test_calls_with_other_inputs_are_no_proof(golden, traced):
    other = traced(("float(row) * 2", "float(row) * 3"), ("in range(40)", "in range(1, 41)"))
    check = compare_part(golden, other, "train.double")
    assert "no call of it has the inputs of before" in check.uncompared


def test_later_and_fewer_calls_count(golden, traced):
    late = traced(("float(row) * 2", "float(row) * 2 * (row < 30)"))
    check = compare_part(golden, late, "train.double")
    assert check.verdict is Verdict.DIFFERS and check.reason.endswith("from call 31 on")
    fewer = compare_part(golden, traced(("in range(40)", "in range(10)")), "train.double")
    assert "it is called 10 times instead of 40" in fewer.uncompared
