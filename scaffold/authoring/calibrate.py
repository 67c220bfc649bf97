"""Measure the distribution of a recipe's metrics by running it with many seeds.

Every value is kept, with the hardware.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from scaffold.cache import cache_dir
from scaffold.errors import RunError
from scaffold.project.digests import program_digest
from scaffold.project.files import write_bytes, write_record
from scaffold.project.project import Project
from scaffold.recipes.catalogue import FoundRecipe
from scaffold.records.evidence import Calibration, CalibrationRun
from scaffold.records.program import CALIBRATION_SEED
from scaffold.records.recipe import ShippedTrace
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
    listener: ProgressListener,
    options: RunOptions,
) -> Calibrated:
    """Run a recipe with further seeds and write `calibration.json` beside it.

    The recipe comes from `catalogue.without_calibration`.

    The runs are kept in the cache, so that an interrupted calibration goes on where it stopped.

    Raises:
        RunError: a run failed beyond what the recipe allows, or they were made on different
            hardware; nothing is written.
    """
    recipe = recipe_source.recipe
    project = _project(recipe_source, options)
    plan = prepare(Session(project, recipe, listener, options))
    seeds = range(CALIBRATION_SEED, CALIBRATION_SEED + runs)
    records = make_runs(project, plan, seeds, listener, spare=CALIBRATION_SEED + runs)
    hardware = Counter(record.machine.hardware for record in records)
    if len(hardware) > 1:
        shown = ", ".join(f"{count} on {name}" for name, count in hardware.items())
        raise RunError(
            f"the calibration runs were made on different hardware: {shown}",
            hint="choose one partition or constraint in engines.yaml, and remove the others' runs"
            f" in {project.runs}",
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
    apart = f"-{recipe.experiment}" if recipe.experiment else ""
    path = recipe_source.folder / f"calibration{apart}.json"
    write_record(calibration, path)
    return Calibrated(path=path, calibration=calibration)


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
