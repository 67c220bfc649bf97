"""Which task a description means, and which recipes are near to it."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from scaffold.recipes.catalogue import find_recipe, recipe_ids
from scaffold.recipes.search import find_tasks, rank_recipes
from scaffold.recipes.tasks import all_tasks, modality_of


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("classify product reviews by sentiment", "text-classification"),
        ("recognise handwritten letters", "image-classification"),
        ("what will my house sell for?", "tabular-regression"),
        ("forecast electricity demand for tomorrow", "time-series-forecasting"),
        ("suggest films to users", "recommendation"),
        ("find people's names in contracts", "token-classification"),
        ("an agent that plays a game", "reinforcement-learning"),
        ("outline tumours in scans", "image-segmentation"),
        ("topics of papers that cite each other, a citation graph", "graph-ml"),
        ("text-classification", "text-classification"),
    ],
)
def test_the_task_that_is_meant(text, task):
    assert next(iter(find_tasks(text))) == task


@pytest.mark.parametrize("text", ["", "qqq zzz", "the model of my data", '" c0: ('])
def test_words_that_name_no_task_name_none(text):
    assert find_tasks(text) == {}
    assert rank_recipes(text, [find_recipe(key) for key in recipe_ids()]) == []


def source_recipe(**changes):
    """A recipe as the search sees it."""
    recipe = SimpleNamespace(
        **{
            "id": "a",
            "title": "A",
            "task": "text-classification",
            "reference": find_recipe("digits-cnn").recipe.reference,
            "datasets": (),
            "metrics": (),
            "adaptation": SimpleNamespace(tweaks=()),
            "claims": (1,),
            "calibration": None,
            "resources": SimpleNamespace(run_time_s=10.0),
            **changes,
        }
    )
    return SimpleNamespace(recipe=recipe)


def order_of(text, *recipes):
    return [item.source_recipe.recipe.id for item in rank_recipes(text, recipes)]


def test_the_same_task_comes_before_the_same_kind_of_data_and_another_kind_is_left_out():
    recipes = (
        source_recipe(id="near", task="text-generation"),
        source_recipe(id="same"),
        source_recipe(id="other", task="image-classification"),
    )
    assert order_of("spam in emails", *recipes) == ["same", "near"]


def test_the_words_of_a_recipe_count():
    recipes = (
        source_recipe(id="plain"),
        source_recipe(id="movies", title="Sentiment of movie reviews"),
        source_recipe(id="other", title="Questions"),
        source_recipe(id="more", title="More"),
    )
    assert order_of("sentiment of movie reviews", *recipes)[0] == "movies"


def test_among_equals_the_complete_and_then_the_cheap_one_is_first():
    cheap = SimpleNamespace(run_time_s=1.0)
    recipes = (
        source_recipe(id="unpublished", claims=(), resources=cheap),
        source_recipe(id="uncalibrated", resources=cheap),
        source_recipe(id="dear", calibration="calibration.json"),
        source_recipe(id="cheap", calibration="calibration.json", resources=cheap),
    )
    expected = ["cheap", "dear", "uncalibrated", "unpublished"]
    assert order_of("spam in emails", *recipes) == expected


def test_each_rank_has_its_reason():
    first = rank_recipes("spam in emails", [source_recipe(calibration="calibration.json")])[0]
    assert first.reasons == ("its task is text-classification", "calibrated")
    assert first.is_same_task


def test_our_recipes_have_tasks_of_the_list_and_the_ids_are_unique():
    ids = [task.id for task in all_tasks()]
    assert len(set(ids)) == len(ids)
    assert modality_of("graph-ml") == "other"
    assert modality_of("no-such-task") is None
    assert {find_recipe(key).recipe.task for key in recipe_ids()} <= set(ids)


def test_most_of_the_descriptions_find_their_recipe_among_the_first_three():
    path = Path(__file__).parents[2] / "benchmarks" / "descriptions.yaml"
    descriptions = yaml.safe_load(path.read_text())
    recipes = [find_recipe(name) for name in recipe_ids()]
    right = 0
    for description in descriptions:
        names = [
            item.source_recipe.recipe.id for item in rank_recipes(description["task"], recipes)
        ]
        right += any(name in description["right"] for name in names[:3])
    assert right >= 0.9 * len(descriptions)
