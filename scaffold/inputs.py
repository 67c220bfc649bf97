"""What decides the result of a run, as digests."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scaffold.records.evidence import Inputs
from scaffold.records.parsing import digest
from scaffold.records.recipe import Command, Recipe


def file_digest(path: Path) -> str:
    """sha256 of a small file; `missing` when there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"


def program_digest(recipe: Recipe, recipe_dir: Path) -> str:
    """Changes when what a full run executes changes: commands, hyperparameters, seeding, patches, drivers.

    Time limits, texts, metrics and the smoke command are left out: they do not change what a run computes.
    """
    return digest(program_parts(recipe, recipe_dir, recipe.commands.steps(smoke=False)))


def program_parts(recipe: Recipe, recipe_dir: Path, steps: Mapping[str, Command]) -> dict[str, Any]:
    """What these commands of a recipe execute, as plain data: whatever decides it must stand here."""
    files = [patch.file for patch in recipe.reference.patches] + list(recipe.reference.drivers)
    return {
        "steps": {
            name: [list(command.argv), command.directory, dict(command.variables), *["network"] * command.network]
            for name, command in steps.items()
        },
        "hyperparameters": dict(recipe.hyperparameters),
        "seeds": [recipe.seeds.how, recipe.seeds.variable],
        "files": {file: file_digest(recipe_dir / file) for file in files},
        "places": {
            dataset.name: dataset.place + (f" from {dataset.unpack}" if dataset.unpack else "")
            for dataset in recipe.placed_datasets()
        },
    }


def data_digests(recipe: Recipe) -> dict[str, str]:
    """sha256 of each placed dataset by its name."""
    return {dataset.name: dataset.sha256 for dataset in recipe.placed_datasets()}


def inputs_of(recipe: Recipe, recipe_dir: Path, lock: str) -> Inputs:
    """All of them, for runs of a recipe in the environment with this lock."""
    return Inputs(
        reference=recipe.reference.tree,
        program=program_digest(recipe, recipe_dir),
        lock=lock,
        data=data_digests(recipe),
    )
