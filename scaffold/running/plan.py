"""What all runs of one recipe share."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scaffold.environment import ReadyEnvironment
from scaffold.records.evidence import Inputs
from scaffold.records.recipe import Recipe
from scaffold.sandbox import Sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A recipe made ready to run: where its parts lie, how it is confined, what decides its results."""

    recipe: Recipe
    recipe_dir: Path
    reference: Path
    environment: ReadyEnvironment
    datasets: Mapping[str, Path]
    inputs: Inputs
    sandbox: Sandbox
    smoke: bool
    threads: int
    runs_dir: Path

    def run_id(self, seed: int) -> str:
        """Names a run by all that decides its result."""
        kind = "smoke" if self.smoke else "seed"
        return f"{kind}-{seed}-{self.inputs.digest[:12]}"
