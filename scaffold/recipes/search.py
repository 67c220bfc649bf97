"""Rank recipes by how near they are to a task that is described in a person's own words.

The words are looked up twice with BM25 (SQLite's FTS5, Porter stems): among the tasks, to learn
which task is meant, and among the recipes. The same task counts most, then the recipe's own words,
then the same kind of data. What is left equal goes by completeness and cost.
"""

import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scaffold.recipes.catalogue import FoundRecipe
from scaffold.recipes.tasks import all_tasks, modality_of
from scaffold.records.recipe import Recipe, reference_name

_TASK_WEIGHTS = (4.0, 3.0, 1.0)
"""Of a task's name, of the words that people have for it, of its page."""

_RECIPE_WEIGHTS = (3.0, 1.0)
"""Of a recipe's title and data, and of the rest of its text."""

_SAME_TASK, _OWN_WORDS, _SAME_MODALITY = 2.0, 1.5, 0.5
"""What each is worth at most: 1 for the best of the tasks, or the best of the recipes."""

_LEAST_TASK = 0.5
"""A task whose score is under half of the best one's is not meant."""

_STOP_WORDS = (
    "a an and are as at be by can do for from have how i in into is it its like me my of on one or"
    " our own please some so that the their them they this to up use using want we what when where"
    " which who will with would you your model models data dataset train training learn learning"
    " machine machines deep neural network networks task tasks given similar new"
    " all any each every over under out up off down about if not no than then just only there here"
    " go going get gets got know knows see want wants give gives type kind sort"
)
"""Words that tell no task from another, with a space between two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedRecipe:
    """A recipe, how near it is (0 to 4), and why."""

    source_recipe: FoundRecipe
    score: float
    is_same_task: bool
    reasons: tuple[str, ...]


def find_tasks(text: str) -> dict[str, float]:
    """Return the tasks that a description may mean: the best one is 1, none is under 0.5."""
    rows = [(task.name, task.words, task.page) for task in all_tasks()]
    scores = _bm25(text, rows, _TASK_WEIGHTS)
    best = max(scores.values(), default=0.0)
    named = {all_tasks()[index].id: score / best for index, score in scores.items()}
    likely = {task: score for task, score in named.items() if score >= _LEAST_TASK}
    return dict(sorted(likely.items(), key=lambda item: -item[1]))


def rank_recipes(text: str, recipes: Sequence[FoundRecipe]) -> list[RankedRecipe]:
    """Return recipes that a description may need, the nearest first.

    One whose task, kind of data and words are all others is left out.
    """
    tasks = find_tasks(text)
    texts = [_text_of(source_recipe.recipe) for source_recipe in recipes]
    scores = _bm25(text, texts, _RECIPE_WEIGHTS)
    best = max(scores.values(), default=0.0)
    ranked = [
        _rank(source_recipe, tasks, scores.get(index, 0.0) / best if best else 0.0)
        for index, source_recipe in enumerate(recipes)
    ]
    return sorted((item for item in ranked if item.score > 0), key=_order)


def _order(ranked: RankedRecipe) -> tuple[float, bool, bool, float, str]:
    recipe = ranked.source_recipe.recipe
    return (
        -round(ranked.score, 1),
        not recipe.claims,
        recipe.calibration is None,
        recipe.resources.run_time_s,
        recipe.id,
    )


def _rank(source_recipe: FoundRecipe, tasks: Mapping[str, float], words: float) -> RankedRecipe:
    recipe = source_recipe.recipe
    likeness = tasks.get(recipe.task, 0.0)
    modality = modality_of(recipe.task)
    same_data = max(
        (score for task, score in tasks.items() if modality and modality_of(task) == modality),
        default=0.0,
    )
    reasons = []
    if likeness:
        reasons.append(f"its task is {recipe.task}")
    elif same_data:
        reasons.append(f"its data are of the same kind ({modality})")
    if words:
        reasons.append("its text has your words")
    return RankedRecipe(
        source_recipe=source_recipe,
        score=_SAME_TASK * likeness + _OWN_WORDS * words + _SAME_MODALITY * same_data,
        is_same_task=likeness > 0,
        reasons=(*reasons, _state_of(recipe)),
    )


def _state_of(recipe: Recipe) -> str:
    """Return in words how complete a recipe is."""
    if not recipe.claims:
        return "it publishes nothing"
    return "calibrated" if recipe.calibration else "not calibrated"


def _text_of(recipe: Recipe) -> tuple[str, str]:
    data = " ".join(dataset.name for dataset in recipe.datasets)
    tweaks = " ".join(tweak.change for tweak in recipe.adaptation.tweaks)
    metrics = " ".join(metric.name for metric in recipe.metrics)
    return (
        _words(f"{recipe.title} {recipe.id} {data}"),
        _words(f"{reference_name(recipe)} {metrics} {tweaks}"),
    )


def _words(text: str) -> str:
    return text.replace("_", " ").replace("-", " ")


def _bm25(text: str, rows: Sequence[tuple[str, ...]], weights: Sequence[float]) -> dict[int, float]:
    """Return by row its BM25 score for a text's words, larger is better; rows without any lack."""
    stop_words = frozenset(_STOP_WORDS.split())
    words = [
        word
        for word in dict.fromkeys(re.findall(r"[^\W_]+", text.lower()))
        if word not in stop_words
    ]
    if not words or not rows:
        return {}
    columns = [f"c{number}" for number in range(len(weights))]
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(
            f"CREATE VIRTUAL TABLE texts USING fts5({', '.join(columns)}, tokenize='porter')"
        )
        marks = ", ".join("?" * (len(columns) + 1))
        connection.executemany(
            f"INSERT INTO texts (rowid, {', '.join(columns)}) VALUES ({marks})",
            [(index, *row) for index, row in enumerate(rows)],
        )
        query = " OR ".join(f'"{word}"' for word in words)
        matches = connection.execute(
            f"SELECT rowid, bm25(texts, {', '.join(map(str, weights))}) FROM texts"
            " WHERE texts MATCH ?",
            (query,),
        )
        # FTS5 gives the better match the smaller number (https://sqlite.org/fts5.html#the_bm25_function).
        return {int(index): -float(score) for index, score in matches if score < 0}
    finally:
        connection.close()
