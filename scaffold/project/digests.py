"""What decides the result of a run, as digests."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scaffold.records.evidence import Inputs
from scaffold.records.parsing import digest
from scaffold.records.program import Command, Program


def file_digest(path: Path) -> str:
    """Return sha256 of a file, read in portions; `missing` when there is none."""
    if not path.is_file():
        return "missing"
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while portion := file.read(1 << 20):
            hashed.update(portion)
    return hashed.hexdigest()


def program_digest(program: Program, folder: Path) -> str:
    """Return a digest that changes with what a full run executes.

    That are commands, hyperparameters, seeding, patches and drivers.

    Time limits, texts, metrics and the smoke command are left out: they do not change what a run
    computes.
    """
    return digest(program_parts(program, folder, program.commands.steps(smoke=False)))


def program_parts(program: Program, folder: Path, steps: Mapping[str, Command]) -> dict[str, Any]:
    """Return what these commands execute, as plain data: whatever decides it must be in here."""
    files = [patch.file for patch in program.patches] + list(program.drivers)
    return {
        **({"streams": True} if program.has_streams else {}),
        "steps": {
            name: [
                list(command.argv),
                command.directory,
                dict(command.variables),
                *["network"] * command.network,
            ]
            for name, command in steps.items()
        },
        "hyperparameters": dict(program.hyperparameters),
        "seeds": [program.seeds.how, program.seeds.variable],
        "files": {file: file_digest(folder / file) for file in files},
        "places": {dataset.name: dataset.layout for dataset in program.placed_datasets()},
    }


def data_digests(program: Program) -> dict[str, str]:
    """Return the sha256 of each placed dataset by its name."""
    return {dataset.name: dataset.sha256 for dataset in program.placed_datasets()}


def inputs_of(program: Program, folder: Path, tree: str, lock: str) -> Inputs:
    """Return all digests for runs of a program with this tree and lock."""
    return Inputs(
        reference=tree,
        program=program_digest(program, folder),
        lock=lock,
        data=data_digests(program),
    )
