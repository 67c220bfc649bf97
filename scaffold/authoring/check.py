"""Checks a recipe without running anything of it."""

import re
import shlex
import tempfile
from dataclasses import replace
from pathlib import Path

from scaffold.authoring.merge import spreads_of
from scaffold.errors import UsageError
from scaffold.git.repository import Repository
from scaffold.project.digests import data_digests, file_digest, program_digest
from scaffold.project.files import read_text
from scaffold.recipes.catalogue import FoundRecipe
from scaffold.records.program import CALIBRATION_SEED, Command
from scaffold.records.recipe import reference_name
from scaffold.references import check_patched, fetch_reference
from scaffold.rules.reproduction.sequential import MIN_CALIBRATION_RUNS


def check_recipe(recipe_source: FoundRecipe, *, offline: bool = False) -> list[str]:
    """Return what holds of a recipe, one line each.

    Raises:
        FetchError: the reference is not what the recipe pins, or a patch does not apply.
        UsageError: the calibration is another recipe's, or was made from seeds that projects use.
    """
    recipe = recipe_source.recipe
    with tempfile.TemporaryDirectory() as folder:
        repository = Repository.create(Path(folder) / "check", bare=True)
        tree = fetch_reference(recipe, recipe_source.folder, repository, offline=offline)
        check_patched(recipe, recipe_source.folder, repository, tree)
    _check_commands(recipe_source)
    _check_local(recipe_source)
    notes = [
        f"{recipe_source.origin}: the text is a valid recipe",
        (
            f"reference {reference_name(recipe)}: tree {tree} as pinned,"
            f" {len(recipe.reference.patches)} patches apply"
        ),
    ]
    notes += _check_citations(recipe_source, offline=offline)
    names: list[str | None] = [one.name for one in recipe.experiments]
    for name in names or [None]:
        one = replace(recipe_source, recipe=recipe.of_experiment(name))
        notes.append((f"{name}: " if name else "") + _check_calibration(one, tree))
    return notes


def _check_calibration(recipe_source: FoundRecipe, tree: str) -> str:
    """Return what holds of the calibration runs of a recipe, or of one of its experiments."""
    recipe = recipe_source.recipe
    again = f"scaffold recipes calibrate {shlex.quote(str(recipe_source.folder))}"
    again += f" --experiment {recipe.experiment}" if recipe.experiment else ""
    calibration = recipe_source.calibration()
    if calibration is None:
        return f"no calibration runs: a reproduction can be refuted, never confirmed ({again})"
    file = recipe.calibration
    if calibration.recipe != recipe.id or calibration.reference != tree:
        raise UsageError(
            f"{file} was made for {calibration.recipe} with the tree {calibration.reference}",
            hint=f"make it anew: {again}",
        )
    if calibration.program != program_digest(recipe, recipe_source.folder) or dict(
        calibration.data
    ) != data_digests(recipe):
        raise UsageError(
            f"{file} was made with other commands, hyperparameters, seeding, patches, drivers or"
            " data",
            hint=f"make it anew: {again}",
        )
    if any(run.seed < CALIBRATION_SEED for run in calibration.runs) and recipe.seeds.how != "none":
        raise UsageError(
            f"{file} has seeds below {CALIBRATION_SEED}, which projects use for their own runs"
        )
    count = len(calibration.runs)
    is_enough = count >= MIN_CALIBRATION_RUNS or recipe.seeds.how == "none"
    enough = "" if is_enough else f"; at least {MIN_CALIBRATION_RUNS} are needed to judge"
    spreads = spreads_of(calibration)
    apart = [one.metric for one in spreads if any(two.is_shown for two in one.between)]
    machines = f", and on {1 + len(spreads[0].between)} machines in all" if spreads else ""
    differ = f", which differ in {', '.join(apart)}" if apart else ""
    return f"calibration: {count} runs on {calibration.machine.processor}{machines}{differ}{enough}"


_SHELL = re.compile(r"\||\|\||&&|&|;|\d?>>?|<|2>&1")
"""Words that only a shell understands."""


def _check_commands(recipe_source: FoundRecipe) -> None:
    """Raise UsageError where a command has words for a shell: no shell reads it."""
    commands = recipe_source.recipe.commands
    for name in ("prepare", "train", "evaluate", "smoke"):
        command: Command | None = getattr(commands, name)
        words = [word for word in command.argv if _SHELL.fullmatch(word)] if command else []
        if words:
            raise UsageError(
                f"commands.{name}.run has {words[0]!r}, which only a shell understands",
                hint="one program call a command; what comes before belongs into prepare",
            )


def _check_citations(recipe_source: FoundRecipe, *, offline: bool) -> list[str]:
    """Return that a draft's citations stand in its source; a recipe written by hand has none.

    Raises:
        UsageError: words do not stand where they are said to; all are listed.
    """
    from scaffold.authoring.drafting import folder as drafts
    from scaffold.authoring.drafting import kept_answers

    if not (recipe_source.folder / kept_answers.SOURCES).is_file():
        return []
    sources = kept_answers.read_sources(recipe_source.folder)
    files = drafts.read_source(drafts.find_source(sources.source), offline=offline)
    wrong = drafts.wrong_citations(sources, files)
    if wrong:
        raise UsageError("citations that do not hold:\n  " + "\n  ".join(wrong))
    count = sum(len(answer.citations) for answer in sources.answers.values())
    return [f"{kept_answers.SOURCES}: {count} citations stand in the source"]


def _check_local(recipe_source: FoundRecipe) -> None:
    """Check the recipe against the files beside it: dataset digests, quoted words."""
    for dataset in recipe_source.recipe.placed_datasets():
        if dataset.recipe_file:
            sha256 = file_digest(recipe_source.folder / dataset.recipe_file)
            if sha256 != dataset.sha256:
                raise UsageError(
                    f"{dataset.recipe_file} has the sha256 {sha256}, the recipe pins"
                    f" {dataset.sha256}"
                )
    for index, claim in enumerate(recipe_source.recipe.claims):
        path, source = recipe_source.folder / claim.source.url, claim.source
        if "://" in source.url or not path.is_file():
            continue
        lines = read_text(path).splitlines()
        shown = lines[source.line - 1 : source.line] if source.line else ["\n".join(lines)]
        if not any(source.words in text for text in shown):
            where = f" line {source.line}" if source.line else ""
            raise UsageError(
                f"claims[{index}].source: {source.url}{where} does not say {source.words!r}"
            )
