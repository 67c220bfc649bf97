"""Make a recipe folder of a project whose reproduction holds, for others to start from."""

import shutil
import tempfile
from pathlib import Path

from scaffold.errors import MachineError, UsageError
from scaffold.project.files import read_text
from scaffold.project.project import Project
from scaffold.project.schemas import editor_line
from scaffold.recipes.catalogue import FoundRecipe, find_recipe
from scaffold.records.recipe import PathReference
from scaffold.records.yaml_edit import remove_block
from scaffold.reproduce.staleness import require_evidence


def publish(project: Project, folder: Path) -> FoundRecipe:
    """Write a new recipe folder: the recipe's text, and every file that it names.

    What belongs to this project alone is left out: the experiment that it builds on.

    Returns:
        the recipe, read again from there.

    Raises:
        UsageError: the folder is there; or the recipe has no calibration runs, or hyperparameters
            that were changed.
        ProjectError, BrokenFileError: see `reproduce.staleness.require_evidence`.
        MachineError: the folder cannot be written.
    """
    recipe, _ = require_evidence(project)
    if recipe.published:
        raise UsageError(
            f"the project was made with other values than the published ones:"
            f" {', '.join(recipe.published)}",
            hint="make one without --set, verify it, and publish that",
        )
    if recipe.calibration is None:
        raise UsageError(
            "the recipe ships no calibration runs, and without them no project of it is judged"
            " REPRODUCED",
            hint="scaffold recipes calibrate . --runs 30",
        )
    if folder.exists():
        raise UsageError(f"{folder} is there already", hint="name a new folder with -o")
    text = remove_block(read_text(project.recipe), "experiment").replace(editor_line("recipe"), "")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as aside:
            target = Path(aside) / "recipe"
            target.mkdir()
            (target / "recipe.yaml").write_text(text, encoding="utf-8")
            for name in recipe.recipe_files():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(project.root / name, target / name)
            if isinstance(recipe.reference, PathReference):
                shutil.copytree(project.reference, target / recipe.reference.path, symlinks=True)
            find_recipe(str(target))
            target.rename(folder)
    except OSError as error:
        raise MachineError(f"could not write {folder}: {error.strerror or error}") from error
    return find_recipe(str(folder))
