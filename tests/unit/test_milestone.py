"""The way from the reference to the user's own system.

States, and the next suggested step.
"""

from scaffold.records.recipe import SuggestedTweak
from scaffold.rules.milestones import Milestone, MilestoneState, derive_states, next_suggestion

STEPS = [
    Milestone(id="reproduce", phase="reproduce", title="it works"),
    Milestone(id="tweak-a", phase="tweak", title="a", after=("reproduce",)),
    Milestone(id="tweak-b", phase="tweak", title="b", after=("reproduce",)),
]


def test_states_follow_from_what_was_proven():
    assert set(derive_states(STEPS, ()).values()) == {MilestoneState.OPEN, MilestoneState.LOCKED}
    states = derive_states(STEPS, {"reproduce", "tweak-a"}, {"tweak-b"})
    assert states == {
        "reproduce": MilestoneState.PASSED,
        "tweak-a": MilestoneState.PASSED,
        "tweak-b": MilestoneState.DROPPED,
    }


def walk(*suggested, decided=()):
    names, decided = [], set(decided)
    while (suggestion := next_suggestion(suggested, decided)) is not None:
        names.append(suggestion.name)
        decided.add(suggestion.name)
    return names


def test_the_ladder_is_simplest_first():
    assert walk() == [
        "short-mode",
        "your-data",
        "your-metric",
        "output-head",
        "learning-rate",
        "size",
    ]
    assert walk(decided=["short-mode", "your-metric"])[0] == "your-data"


def test_what_the_recipe_suggests_takes_its_place():
    own = [
        SuggestedTweak(name="wider", kind="improve", change="--width 32", why="w"),
        SuggestedTweak(name="fewer-epochs", kind="cheaper", change="--epochs 5", why="e"),
        SuggestedTweak(name="my-images", kind="data", change="load_data()", why="d"),
    ]
    assert walk(*own) == [
        "fewer-epochs",
        "my-images",
        "your-metric",
        "output-head",
        "learning-rate",
        "wider",
        "size",
    ]
