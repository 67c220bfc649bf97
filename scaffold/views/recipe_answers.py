"""Shapes of the `--json` answers of `scaffold recipes`."""

from typing import Any

from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

from scaffold.views.answers import Answer


class ListedRecipe(TypedDict):
    """One recipe of the list."""

    id: str
    title: str
    task: str
    reference: str
    license: str
    published: dict[str, str]
    run_time_s: float
    device: str
    origin: str


class Recipes(Answer):
    """`recipes list`; `origin` is what `--from` takes."""

    recipes: list[ListedRecipe]


class RankedAnswer(ListedRecipe):
    """A recipe near to a task: how near, 0 to 4, and why."""

    score: float
    is_same_task: bool
    reasons: list[str]


class ModelAnswer(TypedDict):
    """A model of the Hub; `license` is null where its card states none."""

    name: str
    license: str | None
    downloads: int


class RecipesFound(Answer):
    """`recipes find`: the tasks that the text may mean, and the recipes, the nearest first.

    `models`, with `--hub`: those of the likeliest task that a recipe can be drafted of.
    """

    tasks: list[str]
    recipes: list[RankedAnswer]
    models: list[ModelAnswer]


class CatalogueAdded(Answer):
    """`recipes add`; `problems` say which recipes were left out and why."""

    url: str
    revision: str
    recipes: list[ListedRecipe]
    problems: list[str]


class CatalogueRemoved(Answer):
    """`recipes remove`."""

    url: str


class RecipeShown(Answer):
    """`recipes show`; see docs/schemas/recipe.schema.json."""

    recipe: dict[str, Any]


class RecipeChecked(Answer):
    """`recipes check`."""

    ok: bool
    notes: list[str]


class CitationAnswer(TypedDict):
    """A place in a source and the words that stand there; `cell` of a notebook."""

    path: str
    line: int
    cell: int | None
    words: str


class CandidateAnswer(TypedDict):
    """One of several values that a source gives."""

    value: Any
    citations: list[CitationAnswer]


class DraftedAnswer(TypedDict):
    """What is known of a field: `value`, `unknown`, `none` or `contradictory`."""

    status: str
    value: Any
    citations: list[CitationAnswer]
    candidates: list[CandidateAnswer]
    note: str
    by: str


class QuestionAnswer(TypedDict):
    """What must be answered before a draft is a recipe."""

    key: str
    why: str
    candidates: list[CandidateAnswer]


class RecipeDrafted(Answer):
    """`recipes draft` and `recipes answer`: answers by the field's place in recipe.yaml."""

    path: str
    answers: dict[str, DraftedAnswer]
    warnings: list[str]
    questions: list[QuestionAnswer]
    next: str


class CureAnswer(TypedDict):
    """A change of a draft that may let its program run; no key where a person must see to it."""

    code: str
    key: str
    value: Any
    why: str


class RecipeTried(Answer):
    """`recipes try`."""

    path: str
    works: bool
    metrics: dict[str, float]
    reason: str
    output: str
    cure: CureAnswer | None
    accepted: bool


class RecipeCalibrated(Answer):
    """`recipes calibrate`."""

    path: str
    runs: int


class BetweenAnswer(TypedDict):
    """How much higher a metric is on a machine than on the first; null where too few runs tell."""

    hardware: str
    seeds: int
    value: float
    interval: list[float] | None
    is_identical: bool


class SpreadAnswer(TypedDict):
    """One metric on several machines: n, mean and sd on each, and how far they are apart."""

    metric: str
    within: dict[str, dict[str, float]]
    between: list[BetweenAnswer]


class CalibrationsMerged(Answer):
    """`recipes merge`: how many seeds the calibration has now, and what machines do to metrics."""

    path: str
    runs: int
    spreads: list[SpreadAnswer]


class RecipePublished(Answer):
    """`recipes publish`."""

    path: str
    recipe: str


class RecipeTraced(Answer):
    """`recipes trace`; what belongs into recipe.yaml."""

    golden: dict[str, Any]
