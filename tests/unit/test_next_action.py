"""What to type next, from what is known alone: each state has its one action."""

from dataclasses import replace

import pytest
from helpers import TOY_RECIPE, merged

from scaffold.records.judgment import Verdict
from scaffold.records.reason import Reason
from scaffold.records.recipe import Recipe
from scaffold.reproduce.staleness import REFERENCE_EDITED
from scaffold.rules.loop.case import SLOWER, Bottleneck, Diagnosis
from scaffold.rules.loop.remedies import remedies
from scaffold.status import next_action
from scaffold.status.model import NextAction, Purpose, TweakStatus
from scaffold.status.next_action import (
    ReproductionState,
    next_of_diagnosis,
    next_of_reproduction,
    next_of_tweak,
)
from scaffold.user_state import Origin

REPRODUCED = ReproductionState(
    verdict=Verdict.REPRODUCED,
    stale=(),
    can_change=False,
    uncommitted=None,
    runs=4,
    unjudged=0,
    is_trusted=True,
    verify_s=60.0,
)
STALE = Reason(code="recipe", text="the recipe changed")
STEP = NextAction(purpose=Purpose.START_TWEAK, command="scaffold tweak start x", why="it is next")


@pytest.fixture
def next_of(monkeypatch):
    """The next action of what is known; the project behind it has nothing under way."""
    monkeypatch.setattr(next_action, "next_step", lambda project, recipe: STEP)

    def find(known, **recipe):
        parsed = Recipe.model_validate(
            merged(TOY_RECIPE, {"reference": {"tree": "0" * 40}, **recipe})
        )
        return next_of_reproduction(None, parsed, known)

    return find


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"verdict": None, "runs": 0}, "nothing has been judged yet"),
        ({"verdict": None, "runs": 3}, "3 runs are there and not judged yet"),
        ({"stale": (STALE,)}, "the evidence is stale: the recipe changed"),
        ({"is_trusted": False}, "made by others"),
        ({"unjudged": 2}, "2 runs are newer than the evidence"),
        ({"uncommitted": "a merge is under way"}, "could not be committed: a merge is under way"),
        ({"verdict": Verdict.INCONCLUSIVE, "can_change": True}, "run more"),
        ({"verdict": Verdict.NOT_REPRODUCED, "can_change": True}, "run more"),
    ],
)
def test_whatever_is_open_about_the_evidence_is_verified_first(next_of, changes, why):
    action = next_of(replace(REPRODUCED, **changes))
    assert action.purpose is Purpose.VERIFY
    assert action.command == "scaffold verify"
    assert action.about_s == 60.0
    assert why in action.why


def test_an_edited_reference_goes_before_all_else(next_of):
    edited = replace(REPRODUCED, verdict=None, stale=(STALE, REFERENCE_EDITED))
    assert next_of(edited).purpose is Purpose.RESTORE


def test_a_reproduced_reference_is_followed_by_a_step(next_of):
    assert next_of(REPRODUCED) == STEP
    assert next_of(replace(REPRODUCED, can_change=True)) == STEP


@pytest.mark.parametrize(
    ("verdict", "calibration", "purpose"),
    [
        (Verdict.NOT_REPRODUCED, None, Purpose.BUILD_ANYWAY),
        (Verdict.NOT_REPRODUCED, "calibration.json", Purpose.BUILD_ANYWAY),
        (Verdict.INCONCLUSIVE, None, Purpose.CALIBRATE),
        (Verdict.INCONCLUSIVE, "calibration.json", Purpose.BUILD_ANYWAY),
    ],
)
def test_what_no_further_seed_decides(next_of, verdict, calibration, purpose):
    recipe = {"calibration": calibration} if calibration else {}
    action = next_of(replace(REPRODUCED, verdict=verdict), **recipe)
    assert action.purpose is purpose
    is_calibration = action.command.startswith("scaffold recipes calibrate . --runs 20")
    assert is_calibration is (purpose is Purpose.CALIBRATE)
    assert ("--reason" in action.command) is (purpose is Purpose.BUILD_ANYWAY)


BETTER = TweakStatus(
    name="wider",
    phase="tweak",
    kind="improve",
    expect="a higher accuracy",
    changed=True,
    evidence="current",
    stale_reasons=(),
    verdict="BETTER",
    reason="accuracy rose",
    refusal=None,
    origin=Origin.HERE.value,
)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"evidence": "none", "verdict": None}, "tweak wider was not judged yet"),
        ({"evidence": "stale", "stale_reasons": (STALE,)}, "stale: the recipe changed"),
        ({"origin": Origin.OTHERS.value}, "was judged by others"),
    ],
)
def test_a_tweak_is_verified_while_its_judgment_is_open(changes, why):
    action = next_of_tweak(replace(BETTER, **changes))
    assert (action.purpose, action.command) == (Purpose.VERIFY, "scaffold verify")
    assert why in action.why


def test_a_tweak_that_changed_nothing_is_edited_first():
    action = next_of_tweak(replace(BETTER, changed=False, evidence="none", verdict=None))
    assert (action.purpose, action.command) == (Purpose.EDIT, "scaffold verify")
    assert action.why == "tweak wider is under way, and nothing has changed yet: a higher accuracy"


@pytest.mark.parametrize(
    ("changes", "purpose", "command"),
    [
        ({}, Purpose.ACCEPT, "scaffold tweak accept"),
        ({"phase": "rewrite", "kind": "rewrite"}, Purpose.ACCEPT, "scaffold rewrite accept"),
        ({"refusal": "it is worse"}, Purpose.DROP, "scaffold tweak drop"),
        ({"refusal": "it differs", "phase": "rewrite"}, Purpose.CORRECT, "scaffold verify"),
        ({"origin": Origin.CHECKED.value}, Purpose.ACCEPT, "scaffold tweak accept"),
    ],
)
def test_a_judged_tweak_is_accepted_dropped_or_corrected(changes, purpose, command):
    tweak = replace(BETTER, **changes)
    action = next_of_tweak(tweak)
    assert (action.purpose, action.command) == (purpose, command)
    assert tweak.refusal is None or tweak.refusal in action.why


def test_a_changed_recipe_is_committed_before_it_is_judged_again(next_of):
    changed = ("recipe.yaml", "data/a b.csv")
    action = next_of(replace(REPRODUCED, uncommitted="recipe.yaml changed", changed=changed))
    assert action.purpose is Purpose.COMMIT
    assert action.command == (
        "git add -- recipe.yaml 'data/a b.csv' && git commit -m 'Change the recipe' -- recipe.yaml"
        " 'data/a b.csv' && scaffold verify"
    )


@pytest.mark.parametrize(
    ("diagnosis", "probes", "decided", "command"),
    [
        ({"bottleneck": Bottleneck.OVERFITTING}, 3, (), "tweak start --remedy"),
        ({"bottleneck": Bottleneck.HEALTHY}, 3, (), "ship"),
        ({"bottleneck": None, "next_probe": SLOWER}, 3, (), "analyze --budget 5"),
        ({"bottleneck": None}, 3, (), "errors sheet"),
    ],
)
def test_every_analysis_is_followed_by_something(diagnosis, probes, decided, command):
    action = next_of_diagnosis(Diagnosis(reason="", **diagnosis), probes, decided)
    assert action.command.startswith(f"scaffold {command}") and action.why


def test_after_all_remedies_comes_a_look_at_the_errors():
    diagnosis = Diagnosis(bottleneck=Bottleneck.OVERFITTING, reason="")
    decided = [one.id for one in remedies(diagnosis)]
    assert len(decided) > 1
    after_one = next_of_diagnosis(diagnosis, 3, decided[:1])
    assert after_one.command == f"scaffold tweak start --remedy {decided[1]}"
    assert next_of_diagnosis(diagnosis, 3, decided).command == "scaffold errors sheet"


def test_other_values_than_published_are_named_as_what_leaves_it_open(next_of):
    action = next_of(replace(REPRODUCED, verdict=Verdict.INCONCLUSIVE), published={"epochs": 5})
    assert action.purpose is Purpose.BUILD_ANYWAY
    assert "another epochs than published" in action.why and "--set" in action.why
