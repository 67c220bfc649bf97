"""Make every `--json` answer: an object with `format` and `kind`, and the fields of its kind."""

from collections.abc import Mapping
from typing import Any

from scaffold.views.answers import (
    Bisection,
    CertificateChecked,
    Change,
    Checks,
    Completed,
    Created,
    Dashboard,
    DataLocated,
    Decision,
    Doctor,
    Ejected,
    Error,
    Experiments,
    Explanation,
    Exported,
    Interrupted,
    NextAnswer,
    Parts,
    ReferenceUpdated,
    Reproduction,
    RewriteStarted,
    Runs,
    StatusAnswer,
    Tweaks,
    TweakStarted,
    Updated,
)
from scaffold.views.engine_answers import Detached, HandedOver, RunsCancelled
from scaffold.views.loop_answers import (
    AnalysisAnswer,
    ErrorsCorrected,
    ErrorSheetAnswer,
    ErrorsTally,
    GoalAnswer,
    LogAnswer,
    ProbedAnswer,
    ShipAnswer,
    SplitsAnswer,
    SplitsSealed,
    SweepAnswer,
)
from scaffold.views.recipe_answers import (
    CatalogueAdded,
    CatalogueRemoved,
    RecipeCalibrated,
    RecipeChecked,
    RecipeDrafted,
    RecipePublished,
    Recipes,
    RecipesFound,
    RecipeShown,
    RecipeTraced,
    RecipeTried,
)

FORMAT = 1
"""Version of all answers; a field that is taken away or changes its meaning makes it one more."""

KINDS: Mapping[str, type] = {
    "error": Error,
    "interrupted": Interrupted,
    "completed": Completed,
    "reproduction": Reproduction,
    "experiments": Experiments,
    "change": Change,
    "status": StatusAnswer,
    "next": NextAnswer,
    "runs": Runs,
    "detached": Detached,
    "handed_over": HandedOver,
    "runs_cancelled": RunsCancelled,
    "exported": Exported,
    "certificate_checked": CertificateChecked,
    "created": Created,
    "analysis": AnalysisAnswer,
    "probe": ProbedAnswer,
    "log": LogAnswer,
    "goal": GoalAnswer,
    "splits": SplitsAnswer,
    "ship": ShipAnswer,
    "splits_sealed": SplitsSealed,
    "sweep": SweepAnswer,
    "errors_sheet": ErrorSheetAnswer,
    "errors_tally": ErrorsTally,
    "errors_corrected": ErrorsCorrected,
    "dashboard": Dashboard,
    "data_located": DataLocated,
    "tweak_started": TweakStarted,
    "rewrite_started": RewriteStarted,
    "decision": Decision,
    "tweaks": Tweaks,
    "parts": Parts,
    "checks": Checks,
    "bisection": Bisection,
    "ejected": Ejected,
    "updated": Updated,
    "reference_updated": ReferenceUpdated,
    "recipes": Recipes,
    "recipes_found": RecipesFound,
    "catalogue_added": CatalogueAdded,
    "catalogue_removed": CatalogueRemoved,
    "recipe": RecipeShown,
    "recipe_checked": RecipeChecked,
    "recipe_drafted": RecipeDrafted,
    "recipe_tried": RecipeTried,
    "recipe_calibrated": RecipeCalibrated,
    "recipe_traced": RecipeTraced,
    "recipe_published": RecipePublished,
    "doctor": Doctor,
    "explanation": Explanation,
}


def answer(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer of a kind, with the fields that its shape names."""
    assert kind in KINDS, kind
    return {"format": FORMAT, "kind": kind, **content}
