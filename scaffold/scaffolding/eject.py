"""Takes the scaffold down: a plain repository stays, whose tests need nothing of ours."""

import json
import re
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaffold.errors import ProjectError
from scaffold.git.history import (
    edited_paths,
    make_commit,
    present_branch,
    project_repository,
    tree_with_files,
)
from scaffold.git.transaction import Move, move
from scaffold.git.trees import list_files
from scaffold.project.digests import file_digest
from scaffold.project.files import read_text
from scaffold.project.project import Project, load_recipe, load_yaml
from scaffold.project.schemas import SCHEMAS_DIR
from scaffold.recipes.catalogue import data_dir
from scaffold.records.dataset import FileDataset
from scaffold.records.fields import fill_slots
from scaffold.records.program import Program
from scaffold.records.recipe import Recipe
from scaffold.records.system import System
from scaffold.reproduce.evidence import read_evidence
from scaffold.scaffolding.templates import render
from scaffold.tweak.base_branch import refuse_vendor
from scaffold.tweak.store import accepted, find_tweak

_REMOVED = (
    "AGENTS.md",
    "milestones.yaml",
    "tweaks",
    "tests/test_reproduction.py",
    "tests/test_tweaks.py",
    "tests/test_parity.py",
    "golden",
    "environment.lock",
    "system.lock",
    "recipe.yaml",
    "system.yaml",
    ".github/workflows/reproduce.yml",
    SCHEMAS_DIR,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ejected:
    """What was taken away and what was written, and the commit that did it.

    `git revert` puts it up again.
    """

    removed: tuple[str, ...]
    written: tuple[str, ...]
    commit: str


def eject_scaffold(project: Project) -> Ejected:
    """Replace everything that needs us by plain files, in one commit.

    The recipe and how `src/` runs are kept as records in `evidence/`, packages become
    `requirements.txt`, verdicts become expectations that `tests/test_expectations.py` checks with
    the standard library and pytest alone.

    Raises:
        ProjectError: a tweak is under way, or what would be replaced was edited and not committed.
    """
    repository = project_repository(project.root)
    refuse_vendor(present_branch(repository))
    tweak = find_tweak(project)
    if tweak is not None:
        raise ProjectError(
            f"{tweak.phase} {tweak.name} is under way",
            hint=f"scaffold {tweak.phase} accept, or scaffold {tweak.phase} drop",
        )
    edited = edited_paths(repository)
    if edited:
        raise ProjectError(
            f"not committed: {', '.join(edited[:5])}", hint="commit or stash it first"
        )
    recipe = load_recipe(project)
    program: Program = load_yaml(System, project.system) if project.system.exists() else recipe
    data = {
        "name": project.root.name,
        "commands": _shown(program),
        "data": _data(program),
        "tree": _tree(program),
        "python": _python(project),
    }
    expectations = _expectations(project, recipe, program)
    files = {"tests/expectations.json": json.dumps(expectations, indent=1, allow_nan=False) + "\n"}
    files["requirements.txt"] = _requirements(project)
    files["evidence/recipe.yaml"] = read_text(project.recipe)
    if project.system.exists():
        files["evidence/system.yaml"] = read_text(project.system)
    with tempfile.TemporaryDirectory() as folder:
        rendered = Path(folder)
        render(data_dir("templates") / "ejected", rendered, data)
        files |= {
            file.relative_to(rendered).as_posix(): read_text(file) for file in list_files(rendered)
        }
    removed = [
        name for name in _REMOVED if name not in files and repository.find_id(f"HEAD:{name}")
    ]
    tree = tree_with_files(repository, files, without=removed)
    commit = make_commit(
        repository, tree, "Eject the scaffold: plain tests, plain requirements\n", ["HEAD"]
    )
    move(project, Move(title="eject", refs={f"refs/heads/{present_branch(repository)}": commit}))
    return Ejected(removed=tuple(removed), written=tuple(files), commit=commit)


def _tree(program: Program) -> str:
    return "src" if isinstance(program, System) else "reference"


def _shown(program: Program) -> list[str]:
    """Return the commands with their values, as typed inside the folder."""
    values = {**program.hyperparameters, "seed": "0", "reference": ".", "drivers": "../drivers"}
    return [
        shlex.join(fill_slots(word, values) for word in command.argv)
        for command in program.commands.steps(smoke=False).values()
    ]


def _data(program: Program) -> list[str]:
    return [
        f"{data.name} at {data.place} (sha256 {data.sha256})" for data in program.placed_datasets()
    ]


def _lock(project: Project) -> str:
    """Return the text of the program's lock; empty where nothing has run yet."""
    lock = project.system_source.lock if project.system_source.lock.exists() else project.lock
    return read_text(lock) if lock.exists() else ""


def _python(project: Project) -> str:
    """Return the version of Python that it was proven with."""
    match = re.search(r"^# python (\d+\.\d+)", _lock(project), re.MULTILINE)
    return match[1] if match else "3.12"


def _requirements(project: Project) -> str:
    """Return the packages by version without local parts (2.13.0+cpu becomes 2.13.0)."""
    lines = [
        line.removesuffix(" \\").partition(" --hash")[0] for line in _lock(project).splitlines()
    ]
    return "".join(
        f"{re.sub(r'[+][A-Za-z0-9.]+', '', line)}\n" for line in lines if line[:1].isalnum()
    )


def _expectations(project: Project, recipe: Recipe, program: Program) -> dict[str, Any]:
    evidence = read_evidence(project)
    results: dict[str, Any] = {}
    if evidence is not None:
        results["reproduce"] = {
            "verdict": evidence.judgment["verdict"],
            "metrics": {
                finding["metric"]: {
                    "values": [run.metrics[finding["metric"]].value for run in evidence.runs][
                        : finding["n"]
                    ],
                    "interval": finding["interval"],
                }
                for finding in evidence.judgment["findings"]
                if finding["question"] == "reproduction" and finding["interval"]
            },
        }
    for change in accepted(project):
        results[change.milestone] = {
            "verdict": change.judgment["verdict"],
            "reason": change.reason,
            "metrics": {
                change.tweak.rule.metric: {
                    "values": [
                        run.metrics[change.tweak.rule.metric].value for run in change.change.runs
                    ],
                    "interval": None,
                }
            },
        }
    return {
        "reference": {
            path.relative_to(project.root).as_posix(): file_digest(path)
            for path in list_files(project.reference)
            if path.is_file() and not path.is_symlink()
        },
        "results": results,
        "program": _program(recipe, program),
    }


def _program(recipe: Recipe, program: Program) -> dict[str, Any]:
    """Return what a run takes: commands with slots, values, how its metrics are read."""
    document = program.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {
        "tree": _tree(program),
        "patches": [patch.file for patch in program.patches],
        "drivers": list(program.drivers),
        "steps": {
            name: _plain(command) for name, command in program.commands.steps(smoke=False).items()
        },
        "smoke": (
            {name: _plain(command) for name, command in program.commands.steps(smoke=True).items()}
            if program.commands.smoke
            else {}
        ),
        "values": dict(program.hyperparameters),
        "seed_variable": program.seeds.variable,
        "threads": program.resources.cores,
        "metrics": {
            metric.name: {"read": raw["read"], "take": raw["take"], "scale": metric.scale}
            for metric, raw in zip(program.metrics, document["metrics"], strict=True)
        },
        "data": {
            d.place: d.file for d in program.datasets if isinstance(d, FileDataset) and not d.unpack
        },
        "missing_data": [
            d.place for d in program.placed_datasets() if not isinstance(d, FileDataset) or d.unpack
        ],
        "recipe": recipe.id,
    }


def _plain(command: Any) -> dict[str, Any]:
    return {
        "argv": list(command.argv),
        "directory": command.directory,
        "variables": dict(command.variables),
        "timeout_s": command.timeout_s,
    }
