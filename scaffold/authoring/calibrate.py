"""Measure the distribution of a recipe's metrics by running it with many seeds.

Every value is kept, with the hardware.
"""

import json
import statistics
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from scaffold.authoring.drafting.folder import write_files
from scaffold.authoring.drafting.kept_answers import SOURCES, read_sources
from scaffold.authoring.drafting.recipe_text import recipe_text
from scaffold.cache import cache_dir
from scaffold.errors import BrokenFileError, RunError, UsageError
from scaffold.project.digests import program_digest
from scaffold.project.files import read_record, read_text, write_bytes, write_record, write_text
from scaffold.project.project import Project
from scaffold.recipes.catalogue import FoundRecipe
from scaffold.records.draft import FieldAnswer, FieldStatus
from scaffold.records.evidence import Calibration, CalibrationRun
from scaffold.records.parsing import parse_record
from scaffold.records.program import CALIBRATION_SEED
from scaffold.records.recipe import Recipe, ShippedTrace
from scaffold.records.yaml_edit import find_block, replace_scalar
from scaffold.running.batch import ProgressListener
from scaffold.running.preparation import prepare, prepare_smoke
from scaffold.running.seeds import make_runs
from scaffold.running.session import RunOptions, Session
from scaffold.scaffolding.create import create_project
from scaffold.tracing.record import record_golden


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """What was recorded, and where."""

    path: Path
    calibration: Calibration


def calibrate(
    recipe_source: FoundRecipe,
    runs: int,
    first_seed: int | None,
    listener: ProgressListener,
    options: RunOptions,
) -> Calibrated:
    """Run a recipe with further seeds and write `calibration.json` beside it.

    The recipe comes from `catalogue.without_calibration`.

    The runs are kept in the cache, so that an interrupted calibration goes on where it stopped.

    Raises:
        UsageError: the first seed is one of those that projects run, or there are runs of other
            machines that would be lost.
        RunError: a run failed beyond what the recipe allows, or they were made on different
            hardware; nothing is written.
    """
    recipe = recipe_source.recipe
    apart = f"-{recipe.experiment}" if recipe.experiment else ""
    path = recipe_source.folder / f"calibration{apart}.json"
    if path.is_file() and read_record(Calibration, path).runs[0].hardware:
        raise UsageError(
            f"{path} holds runs of several machines, and calibrating anew would lose them",
            hint=f"mv {path.name} {path.stem}-merged.json; calibrate; scaffold recipes merge both",
        )
    first = CALIBRATION_SEED if first_seed is None else first_seed
    if first < CALIBRATION_SEED:
        raise UsageError(
            f"--first-seed {first}: seeds below {CALIBRATION_SEED} are those of projects"
        )
    project = _project(recipe_source, options)
    plan = prepare(Session(project, recipe, listener, options))
    seeds = range(first, first + runs)
    records = make_runs(project, plan, seeds, listener, spare=seeds.stop)
    hardware = Counter(record.machine.hardware for record in records)
    if len(hardware) > 1:
        shown = ", ".join(f"{count} on {name}" for name, count in hardware.items())
        raise RunError(
            f"the calibration runs were made on different hardware: {shown}",
            hint="choose one partition or constraint in engines.yaml, and remove the others' runs"
            f" in {project.runs}",
        )
    if recipe.seeds.how == "none" and any(one.metrics != records[0].metrics for one in records):
        listener.message(
            "the runs differ, so something is drawn, though recipe.yaml says seeds.how: none: with"
            " inject each run gets a seed from outside (scaffold docs recipes)"
        )
    first_of_seed = list({record.seed: record for record in reversed(records)}.values())
    calibration = Calibration(
        recipe=recipe.id,
        reference=plan.inputs.reference,
        program=plan.inputs.program,
        data=plan.inputs.data,
        reading=recipe.reading_digest(),
        created=datetime.now(timezone.utc).date().isoformat(),
        machine=records[0].machine,
        threads=plan.threads,
        packages=plan.environment.packages,
        runs=tuple(
            CalibrationRun(
                seed=record.seed, metrics=record.metrics, wall_time_s=round(record.wall_time_s, 2)
            )
            for record in reversed(first_of_seed)
        ),
    )
    write_record(calibration, path)
    return Calibrated(path=path, calibration=calibration)


def declare(recipe_source: FoundRecipe, done: Calibrated) -> bool:
    """Name calibration runs in recipe.yaml, with the time of a run where nobody had measured it.

    Returns:
        whether recipe.yaml names them now: among the experiments of a recipe, in a text that is not
            written in blocks, with the line ends of Windows, or linked to, that is left to the
            person.
    """
    recipe, path = recipe_source.recipe, recipe_source.folder / "recipe.yaml"
    median_s = statistics.median(run.wall_time_s for run in done.calibration.runs)
    values: dict[str, Any] = {"calibration": done.path.name}
    if not recipe.resources.is_measured:
        values["resources.run_time_s"] = float(f"{median_s:.2g}")
        values["resources.hardware"] = done.calibration.machine.hardware
    text = before = read_text(path)
    if (path.parent / SOURCES).is_file():
        sources = read_sources(path.parent)
        if recipe_text(sources) == text:
            measured = {
                key: FieldAnswer(status=FieldStatus.VALUE, value=value, by="try")
                for key, value in values.items()
            }
            renewed = sources.model_copy(update={"answers": {**sources.answers, **measured}})
            write_files(path.parent, renewed)
            return True
    if recipe.experiment or path.is_symlink() or b"\r\n" in path.read_bytes():
        return done.path.name in text  # or it would be another kind of file afterwards
    name = values.pop("calibration")
    if find_block(text, "calibration") is None:
        text = f"{text.rstrip()}\ncalibration: {name}\n"
    else:
        text = replace_scalar(text, ("calibration",), name) or text
    for key, value in values.items():
        text = replace_scalar(text, tuple(key.split(".")), json.dumps(value)) or text
    try:
        named = parse_record(Recipe, text, source=path.name).calibration
    except BrokenFileError:
        return False
    if text != before:
        write_text(path, text)
    return named == done.path.name


def _project(recipe_source: FoundRecipe, options: RunOptions) -> Project:
    """Return a project of the recipe in the cache, kept for the next time."""
    recipe = recipe_source.recipe
    digest = program_digest(recipe, recipe_source.folder)[:12]
    project = Project(
        cache_dir("calibration") / f"{recipe.id}-{recipe.reference.tree[:12]}-{digest}"
    )
    if not project.root.exists():
        create_project(
            recipe_source,
            project.root,
            name=recipe.id,
            settings={},
            offline=options.offline,
        )
    return project


def record_trace(
    recipe_source: FoundRecipe, listener: ProgressListener, options: RunOptions
) -> ShippedTrace:
    """Record what a recipe's reference computes into `golden/` beside it.

    Returns:
        what recipe.yaml must say of it.

    Raises:
        RunError: the reference failed, or cannot be traced; nothing is written.
    """
    recipe = recipe_source.recipe
    project = _project(recipe_source, options)
    session = Session(project, recipe, listener, options)
    golden = record_golden(
        project, prepare(session), prepare_smoke(session), recipe.reference.tree, listener
    )
    for name, content in golden.files().items():
        write_bytes(recipe_source.folder / "golden" / name, content)
    files = ("about.json", *golden.about.files)
    return ShippedTrace(**golden.record.model_dump(), files=files)
