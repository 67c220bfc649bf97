"""Find differences from what was published, and from how the calibration runs were made."""

from collections import Counter
from collections.abc import Sequence

import scaffold
from scaffold.consent import is_ours
from scaffold.environments.prepare import ReadyEnvironment
from scaffold.errors import BrokenFileError
from scaffold.project.digests import data_digests, program_digest
from scaffold.project.project import Project
from scaffold.recipes.catalogue import find_recipe, recipe_ids
from scaffold.records.evidence import (
    Calibration,
    Outcome,
    RunRecord,
)
from scaffold.records.judgment import Judgment
from scaffold.records.program import Program
from scaffold.records.reason import Reason
from scaffold.records.recipe import Recipe
from scaffold.reproduce.evidence import calibration_digest, read_evidence
from scaffold.rules.reproduction.judge import MOSTLY_FAILED


def mostly_failed(
    program: Program, records: Sequence[RunRecord], unwell: Sequence[RunRecord]
) -> str:
    """Return why the runs that ended well may be a choice among many; nothing if they are not.

    What makes a run fail may have to do with its result, and a failed run is made again. A program
    without chance leaves nothing to choose from.
    """
    if program.seeds.how == "none":
        return ""
    failed = [record for record in unwell if record.outcome is Outcome.FAILED]
    if len(failed) <= len(records):
        return ""
    return (
        f"{len(failed)} of {len(failed) + len(records)} runs failed: those that ended well may be a"
        " choice, and are no sample"
    )


def _remarks_of_unwell(
    program: Program, records: Sequence[RunRecord], unwell: Sequence[RunRecord]
) -> list[Reason]:
    if not unwell:
        return []
    times = Counter(f"seed {record.seed} {record.outcome.value}" for record in unwell)
    kinds = ", ".join(
        kind + (f" {number} times" if number > 1 else "") for kind, number in times.items()
    )
    text = f"runs that did not end well, and are not among those judged: {kinds}"
    chosen = mostly_failed(program, records, unwell)
    return [Reason("failed_runs", text), *([Reason(MOSTLY_FAILED, chosen)] if chosen else [])]


def run_remarks(
    program: Program, records: Sequence[RunRecord], unwell: Sequence[RunRecord]
) -> list[Reason]:
    """Return what the runs themselves show to be other than it should be."""
    remarks = _remarks_of_unwell(program, records, unwell)

    def add(code: str, text: str) -> None:
        remarks.append(Reason(code, text))

    unconfined = [str(record.seed) for record in records if record.confinement.sandbox == "none"]
    if unconfined:
        add("no_sandbox", f"run without a sandbox: seed {', '.join(unconfined)}")
    denied = list(
        dict.fromkeys(attempt for record in records for attempt in record.confinement.denied)
    )
    if denied:
        suffix = f" and {len(denied) - _MOST_DENIED} more" if len(denied) > _MOST_DENIED else ""
        add(
            "denied",
            f"tried, and denied by the sandbox: {'; '.join(denied[:_MOST_DENIED])}{suffix}",
        )
    cores = program.resources.cores
    other = sorted({record.threads for record in records} - {cores})
    if other and program.resources.device == "cpu":
        add(
            "threads",
            f"run with {' and '.join(map(str, other))} threads, the recipe's runs have {cores}:"
            " that moves the last digits, and the time",
        )
    if program.seeds.draws_data and len({record.seed for record in records}) > 1:
        add(
            "seed_draws_data",
            "a seed draws the data too: each of these runs is measured on another test set",
        )
    bare = [str(record.seed) for record in records if record.machine.accelerator is None]
    if bare and program.resources.device == "cuda":
        add("device", f"the recipe's device is cuda; run without one: seed {', '.join(bare)}")
    missed = list(dict.fromkeys(text for record in records for text in record.seeding.missed))
    if missed:
        add("unseeded", f"seeds that were not reached: {'; '.join(missed[:_MOST_DENIED])}")
    seeded = any(record.seeding.calls for record in records)
    if program.seeds.how in ("argument", "variable") and not seeded:
        add(
            "no_seeding_call",
            "no seeding call of random, numpy or torch was seen: one seed may give several results",
        )
    return remarks


def hardware_remarks(records: Sequence[RunRecord]) -> list[Reason]:
    """Return a deviation if runs that are judged together were made on different hardware."""
    seeds: dict[str, list[int]] = {}
    for record in records:
        seeds.setdefault(record.machine.hardware, []).append(record.seed)
    if len(seeds) < 2:
        return []
    shown = "; ".join(
        f"{hardware}: seed {', '.join(map(str, sorted(set(own))))}"
        for hardware, own in sorted(seeds.items())
    )
    return [
        Reason(
            "hardware",
            f"run on different hardware, which moves the last digits, and the time: {shown}",
        )
    ]


_MOST_DENIED = 10
"""Attempts that are shown with a judgment; the evidence has all that were noted."""


_RULE_CHANGED = Reason(
    "rule_changed", "metrics, claims or rule were changed after results were seen"
)


_CALIBRATION_CHANGED = Reason(
    "calibration_changed", "the calibration runs were changed after results were seen"
)


def changed_after_results(project: Project, recipe: Recipe) -> list[Reason]:
    """Return what of the rule and its calibration changed after results were seen; it stays so.

    Calibration runs where there were none are no change: they are what was missing.
    """
    try:
        before = read_evidence(project)
    except BrokenFileError:
        return []  # it is about to be replaced
    if before is None:
        return []
    earlier = {one.code for one in Judgment.from_mapping(before.judgment).deviations}
    calibration = calibration_digest(project.root, recipe)
    changed = {
        _RULE_CHANGED: before.rule != recipe.rule_digest(),
        _CALIBRATION_CHANGED: before.calibration not in (None, calibration),
    }
    return [reason for reason, is_new in changed.items() if is_new or reason.code in earlier]


def find_deviations(
    project: Project, recipe: Recipe, calibration: Calibration | None, environment: ReadyEnvironment
) -> list[Reason]:
    """Return differences from what was published, and from how the calibration runs were made."""
    deviations = recipe.deviations() + _other_than_bundled(project, recipe)
    if calibration is None:
        return deviations
    if calibration.reference != recipe.reference.tree:
        text = (
            f"the calibration runs were made with the reference tree {calibration.reference[:12]}"
        )
        deviations.append(Reason("calibration_reference", text))
    if calibration.program != program_digest(recipe, project.root):
        text = "the calibration runs were made with other commands or hyperparameters"
        deviations.append(Reason("calibration_program", text))
    if dict(calibration.data) != data_digests(recipe):
        deviations.append(
            Reason("calibration_data", "the calibration runs were made with other data")
        )
    if calibration.reading != recipe.reading_digest():
        deviations.append(
            Reason(
                "calibration_reading",
                "the metrics of the calibration runs were read in another way",
            )
        )
    named = {_name(line) for line in recipe.environment.packages}
    shipped = dict(line.split("==", 1) for line in calibration.packages if "==" in line)
    for line in environment.packages:
        name, _, version = line.partition("==")
        if name in named and name in shipped and _public(shipped[name]) != _public(version):
            deviations.append(
                Reason(
                    "package_version",
                    f"{name} is {version}, in the calibration runs {shipped[name]}",
                )
            )
    return deviations


def _other_than_bundled(project: Project, recipe: Recipe) -> list[Reason]:
    """Return how a project of one of our recipes is judged otherwise than that recipe says.

    What it runs is ours to the last byte, or there is consent to something else; this is by what it
    is judged.
    """
    if recipe.id not in recipe_ids() or not is_ours(recipe, project.root):
        return []
    bundled = find_recipe(recipe.id)
    same = bundled.recipe.of_experiment(recipe.experiment)
    deviations = []
    expected = calibration_digest(bundled.folder, same)
    if calibration_digest(project.root, recipe) != expected:
        text = (
            f"{recipe.calibration or 'calibration.json'} is not the one of the recipe {recipe.id}"
            f" in mlloop-new {scaffold.__version__}"
        )
        deviations.append(Reason("bundled_calibration", text))
    if same.rule_digest() != recipe.rule_digest():
        text = (
            f"metrics, claims or rule are not those of {recipe.id} in mlloop-new"
            f" {scaffold.__version__}"
        )
        deviations.append(Reason("bundled_rule", text))
    return deviations


def _public(version: str) -> str:
    """Return a version without its local part: 2.13.0+cpu is a build of 2.13.0."""
    return version.partition("+")[0]


def _name(requirement: str) -> str:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    return canonicalize_name(Requirement(requirement).name)
