"""`scaffold bisect`: which step lost a metric."""

import pytest
from helpers import RENAME, WORSE, accepted, edit, git


def chain(cli, project, planted: int, length: int = 10) -> None:
    """Tweaks that change nothing, and one that loses much and was accepted all the same."""
    for number in range(length):
        harmless = (
            ("src/train.py", "total += number", f"total += number  # {number}")
            if number
            else RENAME
        )
        edits = [WORSE] if number == planted else [harmless]
        accepted(
            cli, project, f"step-{number}", *edits, reason="a test" if number == planted else ""
        )


def test_by_evidence_alone(cli, reproduced):
    """A chain of ten accepted steps: the one whose own evidence says so is named without a run."""
    chain(cli, reproduced, planted=6)
    runs = sorted((reproduced / ".scaffold/runs").iterdir())
    found = cli("bisect", "accuracy", "--json", cwd=reproduced).json
    assert (found["step"], found["certain"]) == ("tweak step-6", True)
    assert found["compared"][0]["runs_made"] == 0 and found["compared"][0]["effect"] < -0.02
    assert sorted((reproduced / ".scaffold/runs").iterdir()) == runs
    assert found["commit"] == git(reproduced, "rev-parse", "milestone/tweak-step-6")
    told = cli("bisect", "accuracy", cwd=reproduced).out
    assert "accuracy was lost by tweak step-6" in told and "git show" in told


def by_hand(project, planted: int, length: int = 10) -> None:
    """The same, straight to main."""
    for number in range(1, length + 1):
        harmless = ("src/train.py", "total += number", f"total += number  # {number}")
        edit(project, *(WORSE if number == planted else harmless))
        git(project, "commit", "--all", "--quiet", "-m", f"step {number}")


@pytest.mark.parametrize("planted", [1, 7, 10])
def test_by_runs_where_evidence_is_missing(cli, reproduced, planted):
    accepted(cli, reproduced, "rename", RENAME)
    by_hand(reproduced, planted)
    before = git(reproduced, "status", "--porcelain")
    found = cli("bisect", "accuracy", "--json", cwd=reproduced).json
    assert found["step"].endswith(f"step {planted}") and found["certain"]
    assert found["commit"] == git(reproduced, "log", "--format=%H", f"--grep=^step {planted}$")
    assert len(found["compared"]) <= 6
    assert git(reproduced, "status", "--porcelain") == before
    assert git(reproduced, "branch", "--show-current") == "main"


def test_nothing_was_lost(cli, reproduced):
    accepted(cli, reproduced, "rename", RENAME)
    by_hand(reproduced, planted=0, length=3)
    found = cli("bisect", "accuracy", "--json", cwd=reproduced).json
    assert (found["step"], found["certain"]) == (None, True)
    assert "was not lost" in cli("bisect", "accuracy", cwd=reproduced).out


def test_a_gain_is_no_loss(cli, reproduced):
    accepted(
        cli, reproduced, "level", ("src/train.py", "LEVEL = 0.9", "LEVEL = 0.93"), kind="improve"
    )
    assert cli("bisect", "accuracy", "--json", cwd=reproduced).json["step"] is None


def test_lower_can_be_better(cli, reproduced):
    """The loss goes up: lost, although the number grows.

    Its evidence is that of a monitored metric.
    """
    accepted(cli, reproduced, "rename", RENAME)
    accepted(
        cli,
        reproduced,
        "worse-loss",
        ("src/train.py", "2.0 / epoch", "2.5 / epoch"),
        reason="a test",
    )
    found = cli("bisect", "loss", "--margin", "0.05", "--json", cwd=reproduced).json
    assert found["step"] == "tweak worse-loss"
    assert found["compared"][-1]["effect"] > 0


@pytest.mark.parametrize(
    "words, said",
    [
        (("accurracy",), "it has: accuracy, loss"),
        (("accuracy", "--margin", "-1"), "must be above 0"),
    ],
)
def test_wrong_words(cli, reproduced, words, said):
    accepted(cli, reproduced, "rename", RENAME)
    assert said in cli("bisect", *words, code=2, cwd=reproduced).err


def test_nothing_to_compare(cli, reproduced):
    assert "no system yet" in cli("bisect", "accuracy", code=2, cwd=reproduced).err
    cli("tweak", "start", "x", cwd=reproduced)
    cli("tweak", "drop", cwd=reproduced)
    assert "only one state" in cli("bisect", "accuracy", code=2, cwd=reproduced).err


def test_stays_undecided_where_the_rule_allows_too_few_pairs(cli, reproduced):
    """Half of the noise, four pairs: said, with exit status 3."""
    cli("tweak", "start", "noise", "--pairs", "4", "--kind", "neutral", cwd=reproduced)
    noise = 'random.gauss(0, 0.01) + 0.01 * (int(args["seed"]) % 2 * 2 - 1.2)'
    edit(reproduced, "src/train.py", "random.gauss(0, 0.01)", noise)
    assert cli("verify", "--json", code=3, cwd=reproduced).json["verdict"] == "UNDECIDED"
    cli("tweak", "accept", "--reason", "a test", cwd=reproduced)
    found = cli("bisect", "accuracy", "--json", code=3, cwd=reproduced).json
    assert (found["step"], found["certain"]) == (None, False)


def test_asks_first_for_what_was_not_judged_here(cli, reproduced):
    accepted(cli, reproduced, "rename", RENAME)
    by_hand(reproduced, planted=2, length=2)
    cli.is_trusting = False
    refused = cli("bisect", "accuracy", "--json", code=2, cwd=reproduced).json
    assert "step 2: src/ with the tree" in refused["error"]
    # Made here.
    assert "the first src/" not in refused["error"] and "tweak rename" not in refused["error"]
    found = cli("bisect", "accuracy", "--trust", refused["trust"], "--json", cwd=reproduced).json
    assert found["step"].endswith("step 2")
