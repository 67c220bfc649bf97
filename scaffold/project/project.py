"""Where things lie in a project, and how they are read and written: whole, or not at all."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from scaffold.errors import BrokenFileError, ProjectError
from scaffold.project.files import PARTIAL, read_text, remove

if TYPE_CHECKING:
    from scaffold.records.parsing import Record
    from scaffold.records.recipe import Recipe

    RecordT = TypeVar("RecordT", bound=Record)


@dataclass(frozen=True, slots=True)
class ProgramSource:
    """Where a program lies.

    Attributes:
        folder: what its record names lies below it: patches, drivers, data.
        tree: copied for every run.
        lock: its resolved packages.
    """

    folder: Path
    tree: Path
    lock: Path


@dataclass(frozen=True, slots=True)
class Project:
    """The paths of one project.

    Attributes:
        root: absolute.
        experiment: of a recipe with several, one that the project does not build on; its evidence
            lies apart. Empty for the one that it builds on.
    """

    root: Path
    experiment: str = ""

    @property
    def recipe(self) -> Path:
        """Return the recipe's file."""
        return self.root / "recipe.yaml"

    @property
    def milestones(self) -> Path:
        """Return the file of milestones from the reference to the user's own system."""
        return self.root / "milestones.yaml"

    @property
    def reference(self) -> Path:
        """Return the folder of the untouched reference."""
        return self.root / "reference"

    @property
    def lock(self) -> Path:
        """Return the file of resolved packages."""
        return self.root / "environment.lock"

    @property
    def reference_source(self) -> ProgramSource:
        """Return the reference as a program."""
        return ProgramSource(folder=self.root, tree=self.reference, lock=self.lock)

    @property
    def system_source(self) -> ProgramSource:
        """Return the user's own copy as a program."""
        return ProgramSource(
            folder=self.root, tree=self.root / "src", lock=self.root / "system.lock"
        )

    @property
    def system(self) -> Path:
        """Return the file that says how `src/` runs; it exists from the first tweak on."""
        return self.root / "system.yaml"

    @property
    def tweaks(self) -> Path:
        """Return the folder of tweak declarations, one file each."""
        return self.root / "tweaks"

    @property
    def evidence(self) -> Path:
        """Return the folder of judged results, one file a milestone."""
        return self.root / "evidence"

    @property
    def journal(self) -> Path:
        """Return the folder of journal pages, one a tweak."""
        return self.root / "journal"

    @property
    def reproduction(self) -> Path:
        """Return the file with the judged evidence of the reproduction."""
        apart = f"-{self.experiment}" if self.experiment else ""
        return self.root / "evidence" / f"reproduce{apart}.json"

    @property
    def scaffold_dir(self) -> Path:
        """Return the folder of everything that is not for git."""
        return self.root / ".scaffold"

    @property
    def golden(self) -> Path:
        """Return the folder of golden traces that rewrites are compared with."""
        return self.root / "golden"

    @property
    def uncommitted(self) -> Path:
        """Return the file that says why the evidence could not be committed; there only then."""
        return self.scaffold_dir / "uncommitted"

    @property
    def errors(self) -> Path:
        """Return the folder of sheets of wrong examples, two files a split."""
        return self.root / "errors"

    @property
    def sweeps(self) -> Path:
        """Return the folder of what sweeps gave, a file each."""
        return self.root / "sweeps"

    @property
    def goal(self) -> Path:
        """Return the file of what error one can hope for, and what matters."""
        return self.root / "goal.yaml"

    @property
    def last_analysis(self) -> Path:
        """Return the file of what was analyzed last."""
        return self.scaffold_dir / "analysis.json"

    @property
    def last_shipping(self) -> Path:
        """Return the file of what `scaffold ship` said last."""
        return self.scaffold_dir / "shipping.json"

    @property
    def cached_status(self) -> Path:
        """Return the file of the status as it was derived last."""
        return self.scaffold_dir / "status.json"

    @property
    def aside(self) -> Path:
        """Return the folder of files that are about to be moved into place."""
        return self.scaffold_dir / "aside"

    @property
    def journal_of_move(self) -> Path:
        """Return the journal of the change that `transaction` is making; there only meanwhile."""
        return self.scaffold_dir / "move.json"

    @property
    def submissions(self) -> Path:
        """Return the folder with one folder for each set of runs that an engine was handed."""
        return self.scaffold_dir / "submissions"

    @property
    def runs(self) -> Path:
        """Return the folder with one folder per completed run."""
        return self.scaffold_dir / "runs"


def find_project(start: Path) -> Project:
    """Return the project that a folder belongs to.

    Raises:
        ProjectError: it lies in none.
    """
    for folder in (start.absolute(), *start.absolute().parents):
        markers = [(folder / name).is_file() for name in ("recipe.yaml", "milestones.yaml")]
        if all(markers) or Project(folder).journal_of_move.is_file():  # a change of it was cut off
            _refuse_links(folder)
            return Project(folder)
        if any(markers) and (folder / "reference").is_dir() and (folder / ".git").exists():
            missing = "milestones.yaml" if markers[0] else "recipe.yaml"
            raise ProjectError(f"{folder / missing} is missing", hint=f"git checkout -- {missing}")
        head = folder / ".git" / "HEAD"
        for branch in ("reference", "template"):
            if (
                head.is_file()
                and head.read_text(errors="replace").strip() == f"ref: refs/heads/{branch}"
            ):
                raise ProjectError(
                    f"{folder} is on the vendor branch {branch}", hint="git switch main"
                )
    raise ProjectError(
        f"{start} is not in a project: no folder above it has recipe.yaml and milestones.yaml",
        hint="cd into a project, or make one: mlloop-new my-project",
    )


def _refuse_links(folder: Path) -> None:
    """Raise ProjectError if files written into an untrusted project would land outside."""
    state = folder / ".scaffold"
    is_folder = state.is_dir() and not state.is_symlink()
    for name in (
        ".scaffold",
        *(sorted(f".scaffold/{path.name}" for path in state.iterdir()) if is_folder else ()),
        "evidence",
        "reference",
        "drivers",
        "patches",
        "data",
        "src",
        "tweaks",
        "journal",
        "golden",
        "sealed",
        "errors",
        "sweeps",
    ):
        if (folder / name).is_symlink():
            place = shlex.quote(os.path.relpath(folder / name))
            raise ProjectError(
                f"{folder / name} is a link to {(folder / name).readlink()}", hint=f"rm {place}"
            )


def load_recipe(project: Project) -> "Recipe":
    """Read and check `recipe.yaml`; of several experiments it is that of the project's own."""
    from scaffold.records.recipe import Recipe

    return load_yaml(Recipe, project.recipe).of_experiment(project.experiment or None)


def load_yaml(record: "type[RecordT]", path: Path) -> "RecordT":
    """Read and check a YAML file that came with the project.

    Raises:
        BrokenFileError: with all problems.
    """
    from scaffold.records.parsing import parse_record

    try:
        return parse_record(record, read_text(path), source=path.name)
    except BrokenFileError as error:
        shown = os.path.relpath(path)
        error.hint = (
            f"correct it, or restore what was committed: git checkout -- {shlex.quote(shown)}"
        )
        raise


def remove_partial(project: Project) -> None:
    """Remove files that a killed command was writing.

    Called under the project's lock, which all writers hold.
    """
    for folder in (
        project.root,
        project.evidence,
        project.tweaks,
        project.journal,
        project.scaffold_dir,
    ):
        for path in folder.glob(f".*.????????{PARTIAL}"):  # as `mkstemp` names them
            if path.is_file():
                path.unlink(missing_ok=True)
    for path in (project.scaffold_dir / "states").glob(".extract-*"):
        remove(path)
