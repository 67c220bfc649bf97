"""Add calibration runs that were made on other machines to those of a recipe."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scaffold.errors import UsageError
from scaffold.project.files import read_record, write_record
from scaffold.recipes.catalogue import FoundRecipe
from scaffold.records.evidence import Calibration, CalibrationRun
from scaffold.rules.reproduction.machines import MachineSpread, spread_over_machines

_SAME = ("recipe", "reference", "program", "data", "reading", "threads", "packages")
"""What runs must have in common to be of one distribution, but for the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedCalibration:
    """The calibration of several machines, and what they do to each metric."""

    path: Path
    calibration: Calibration
    spreads: tuple[MachineSpread, ...]


def merge_calibrations(
    source: FoundRecipe, files: Sequence[Path], experiment: str | None = None
) -> MergedCalibration:
    """Write the runs of other calibrations into that of a recipe.

    A seed counts once, on the machine where it ran first: two runs of one seed are no two draws.
    Machines that are shown to differ from the first in a metric do not count: their runs and those
    of it are not of one distribution. What does not count is kept aside, to compare the machines.

    Raises:
        UsageError: the recipe has no calibration, or one of the files is of something else; nothing
            is written.
        BrokenFileError: one of them is not a calibration.
    """
    name = source.recipe.of_experiment(experiment).calibration
    if name is None:
        raise UsageError(
            f"recipe {source.recipe.id} names no calibration",
            hint=f"make one here first: scaffold recipes calibrate {source.folder}",
        )
    path = source.folder / name
    merged = read_record(Calibration, path)
    problems: list[str] = []
    runs = _with_hardware(merged)
    for file in files:
        if not file.is_file():
            problems.append(f"{file}: there is no such file")
            continue
        other = read_record(Calibration, file)
        differing = [key for key in _SAME if getattr(other, key) != getattr(merged, key)]
        if differing:
            problems.append(f"{file}: has another {', another '.join(differing)} than {path}")
        known = {(run.seed, run.hardware) for run in runs}
        runs += [run for run in _with_hardware(other) if (run.seed, run.hardware) not in known]
    if problems:
        raise UsageError(
            "these calibrations cannot be merged:\n  " + "\n  ".join(problems),
            hint=f"on that machine, with this recipe: scaffold recipes calibrate {source.folder}",
        )
    spreads = spreads_of(merged.model_copy(update={"runs": tuple(runs), "aside": ()}))
    apart = {
        one.hardware for spread in spreads for one in spread.between if one.is_shown or one.is_open
    }
    of_seed: dict[int, CalibrationRun] = {}
    for run in runs:
        if run.hardware not in apart:
            of_seed.setdefault(run.seed, run)
    aside = tuple(run for run in runs if run is not of_seed.get(run.seed))
    calibration = merged.model_copy(update={"runs": tuple(of_seed.values()), "aside": aside})
    write_record(calibration, path)
    return MergedCalibration(path=path, calibration=calibration, spreads=spreads)


def _with_hardware(calibration: Calibration) -> list[CalibrationRun]:
    own = calibration.machine.hardware
    return [
        run.model_copy(update={"hardware": run.hardware or own})
        for run in (*calibration.runs, *calibration.aside)
    ]


def spreads_of(calibration: Calibration) -> tuple[MachineSpread, ...]:
    """Return what the machines of a calibration do to each metric; nothing of one machine."""
    runs = _with_hardware(calibration)
    hardware = list(dict.fromkeys(run.hardware for run in runs))
    names = sorted({name for run in runs for name in run.metrics})
    spreads = [
        spread_over_machines(
            name,
            {
                one: {
                    run.seed: run.metrics[name].value
                    for run in runs
                    if run.hardware == one and name in run.metrics
                }
                for one in hardware
            },
            comparisons=len(names) * max(len(hardware) - 1, 1),
        )
        for name in names
    ]
    return tuple(spread for spread in spreads if spread is not None)
