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
        ("train.write_rows", "it gives no numbers"),
        ("train.resume", "the reference does not call it"),
        ("train.begin", ""),  # it changes weights: the checks of networks speak for it
    ],
)
def test_a_part_that_gives_nothing_is_no_proof(golden, part, told):
    check = compare_part(golden, golden, part)
    assert told in check.uncompared and bool(told) == bool(check.uncompared)


def test_a_program_that_cannot_be_followed_is_no_proof(golden):
    assert "was not compared" in compare_part(golden, None, "train.confusion").uncompared
