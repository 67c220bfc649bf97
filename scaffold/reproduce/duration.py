"""Say how long a verification takes. Imports nothing heavy: it is said when a project is made."""

import math

from scaffold.machine import runs_at_once
from scaffold.records.recipe import Recipe

_EXPECTED_SEEDS = 4
"""Seeds that the sequential test takes on average of a sound reference (docs/verdicts.md: 3.4 to
4.7)."""


def expected_seeds(recipe: Recipe) -> int:
    """Return how many seeds a verification is expected to take."""
    return 1 if recipe.seeds.how == "none" else min(_EXPECTED_SEEDS, recipe.rule.max_seeds)


def expected_verify_s(recipe: Recipe, mean_run_s: float | None = None) -> float | None:
    """Return the seconds that `scaffold verify` takes; None where nobody measured a run.

    They follow from the mean time of runs here, else on the recipe's hardware.
    """
    if mean_run_s is None and not recipe.resources.is_measured:
        return None
    rounds = math.ceil(expected_seeds(recipe) / runs_at_once(recipe.resources))
    return (mean_run_s or recipe.resources.run_time_s) * rounds
