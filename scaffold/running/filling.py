"""Fill the folder of one run: a patched copy of the reference, drivers, datasets."""

import shutil
import subprocess
from pathlib import Path

from scaffold.datasets.fetch import place
from scaffold.datasets.outside import located_folder
from scaffold.errors import MachineError, ProjectError, RunError
from scaffold.git.trees import content_id, find_edits, is_leftover
from scaffold.project.digests import program_digest
from scaffold.records.dataset import OutsideDataset
from scaffold.references.patches import apply_patch
from scaffold.running.plan import Plan
from scaffold.running.workspace import Workspace


def fill(workspace: Workspace, plan: Plan) -> None:
    """Make a run's folder from the program's tree, its other files and the datasets.

    Raises:
        MachineError: the disk is full or may not be written.
        ProjectError, RunError: a patch does not apply, a dataset cannot be placed, or what was
            copied is not what was approved, since someone edited it in between.
    """
    program, source = plan.program, plan.source
    try:
        for folder in _folders(workspace):
            folder.mkdir(parents=True)
        _copy_tree(source.tree, workspace.tree)
        for driver in program.drivers:
            target = workspace.folder / driver
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source.folder / driver, target)
    except OSError as error:
        raise MachineError(
            f"could not make the run's folder {workspace.folder}: {error.strerror or error}"
        ) from error
    _require_copied(workspace, plan)
    for patch in program.patches:
        apply_patch(source.folder / patch.file, workspace.tree)
    steps = program.commands.steps(smoke=plan.smoke).values()
    for directory in {command.directory or "" for command in steps}:
        for name, text in plan.extra_files.items():
            _write_beside(workspace.tree, Path(directory, name), text)
    for dataset in program.placed_datasets():
        if isinstance(dataset, OutsideDataset):  # it may have changed since the run before
            located_folder(dataset.name, source.folder / dataset.manifest, dataset.sha256)
        place(dataset, plan.datasets[dataset.name], workspace.tree)


def _write_beside(tree: Path, name: Path, text: str) -> None:
    """Write a file for the commands; through no link of the program, and over none of its files."""
    path = tree / name
    try:
        # Of what is not there yet, `resolve` leaves the names as they are.
        if not path.parent.resolve().is_relative_to(tree.resolve()):
            raise RunError(f"{name.parent} of the program is a link out of it")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x") as file:
            file.write(text)
    except (FileExistsError, NotADirectoryError) as error:
        raise RunError(f"{name} cannot be written: the program has a file of that name") from error


def _require_copied(workspace: Workspace, plan: Plan) -> None:
    """Raise ProjectError unless a run's own copies are what its record will say that it ran."""
    edits: list[str] = []
    if content_id(workspace.tree, prune=True) != plan.inputs.reference:
        copied = [
            entry for entry in plan.entries() if not any(map(is_leftover, entry.path.split("/")))
        ]
        edits = find_edits(workspace.tree, copied)
    if program_digest(plan.program, plan.source.folder) != plan.inputs.program:
        edits.append("drivers or patches differ")
    if edits:
        raise ProjectError(
            f"{plan.title} was edited while its runs were made: {'; '.join(edits[:5])}",
            hint="let it be until they have ended, then repeat the command",
        )


def _copy_tree(source: Path, target: Path) -> None:
    """Copy a folder by GNU cp if installed: it shares blocks and takes half of Python's time.

    Raises:
        OSError: the disk is full, or there is something that cannot be copied.
    """
    words = [
        "cp",
        "--recursive",
        "--preserve=mode,timestamps",
        "--reflink=auto",
        "--no-target-directory",
        "--",
    ]
    done = subprocess.run([*words, str(source), str(target)], capture_output=True, check=False)
    if done.returncode != 0:  # another cp, or a reason that Python tells better
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)


def _folders(workspace: Workspace) -> tuple[Path, ...]:
    return (
        workspace.drivers,
        workspace.logs,
        workspace.seeding,
        workspace.trace,
        workspace.temporary,
        workspace.home,
    )
