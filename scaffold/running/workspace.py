"""Lay out the folder of one run: a patched copy of the reference, drivers, datasets.

run.json, series.json   the record, and all metric points tree/                   the copy that the
commands work in drivers/                our own programs that call the reference logs/
0-prepare.out, 0-prepare.err, 1-train.out, ... seeding/                what the shim saw, one file a
process trace/, trace.json      what the shim recorded of a run that is traced, and what it was
asked to tmp/, home/             the run's temporary folder, and a stand-in for the home directory;
gone when it has ended
"""

import hashlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from scaffold.datasets.fetch import place
from scaffold.datasets.outside import located_folder
from scaffold.errors import MachineError, ProjectError
from scaffold.git.trees import content_id, find_edits, is_leftover
from scaffold.project.digests import program_digest
from scaffold.records.dataset import OutsideDataset
from scaffold.references.patches import apply_patch
from scaffold.running.plan import Plan

_MOST_CHARACTERS = 70
"""Of a temporary folder's path: a socket's has at most 107 (unix(7)), and Python's multiprocessing
adds 33."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Paths of one run."""

    folder: Path

    @property
    def tree(self) -> Path:
        """Return the copy of the reference."""
        return self.folder / "tree"

    @property
    def drivers(self) -> Path:
        """Return the folder of the recipe's own programs."""
        return self.folder / "drivers"

    @property
    def logs(self) -> Path:
        """Return the folder with the whole output of every stage."""
        return self.folder / "logs"

    @property
    def seeding(self) -> Path:
        """Return the folder of the seeding shim's reports."""
        return self.folder / "seeding"

    @property
    def trace(self) -> Path:
        """Return the folder of the trace, one folder per stage."""
        return self.folder / "trace"

    @property
    def temporary(self) -> Path:
        """Return TMPDIR of the run."""
        return self.folder / "tmp"

    @property
    def short_temporary(self) -> Path:
        """Return TMPDIR under a short name, with room for a socket of torch's loader workers."""
        if len(str(self.temporary)) <= _MOST_CHARACTERS:
            return self.temporary
        return (
            Path(tempfile.gettempdir())
            / f"scaffold-{hashlib.sha256(bytes(self.folder)).hexdigest()[:12]}"
        )

    @property
    def home(self) -> Path:
        """Return HOME of the run."""
        return self.folder / "home"


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


def make_short_name(workspace: Workspace) -> None:
    """Link to the temporary folder by its short name, where that is another one."""
    if workspace.short_temporary != workspace.temporary:
        workspace.short_temporary.symlink_to(workspace.temporary)


def remove_short_name(workspace: Workspace) -> None:
    """Remove that link, if there is one."""
    if workspace.short_temporary != workspace.temporary:
        workspace.short_temporary.unlink(missing_ok=True)


def _folders(workspace: Workspace) -> tuple[Path, ...]:
    return (
        workspace.drivers,
        workspace.logs,
        workspace.seeding,
        workspace.trace,
        workspace.temporary,
        workspace.home,
    )


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
            # Never through a link that lies there, nor in place of a file of the program.
            with (workspace.tree / directory / name).open("x") as file:
                file.write(text)
    for dataset in program.placed_datasets():
        if isinstance(dataset, OutsideDataset):  # it may have changed since the run before
            located_folder(dataset.name, source.folder / dataset.manifest, dataset.sha256)
        place(dataset, plan.datasets[dataset.name], workspace.tree)


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
