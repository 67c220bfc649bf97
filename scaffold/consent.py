"""Consent: what an untrusted recipe would run is shown and approved, once for each content of it.

Approvals lie with the user, not in the project, which may be untrusted too. Our own recipes
were reviewed and need none; nor does what a user changed of them by `--set` when making a
project.
"""

import contextlib
import difflib
import hashlib
import itertools
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scaffold.environments.lock import lock_fits
from scaffold.errors import ConsentError, FetchError, MachineError, ScaffoldError
from scaffold.project.digests import data_digests, file_digest, program_parts
from scaffold.project.files import read_text, write_text
from scaffold.project.project import ProgramSource
from scaffold.recipes.catalogue import find_recipe, recipe_ids, require_own_files
from scaffold.records.dataset import PlacedDataset
from scaffold.records.fields import fill_slots
from scaffold.records.parsing import digest
from scaffold.records.program import Command, Program
from scaffold.records.recipe import PathReference, Recipe, reference_name, reference_url
from scaffold.user_state import made_lock, state_dir

_MOST_LINES = 200
"""Of a patch or driver that are shown the first time; others are counted."""

_OF_FILE = " " * 13 + "| "
"""How the lines of a file are shown."""


def consent_digest(program: Program, folder: Path, tree: str) -> str:
    """Return a digest that changes with anything a run would execute, install or read."""
    return digest(
        {
            **program_parts(program, folder, dict(_commands(program))),
            "reference": tree,
            "device": program.resources.device,
            "environment": program.environment,
            "data": data_digests(program),
            **({"lock": lock} if (lock := _lock_from_elsewhere(program, folder)) else {}),
        }
    )


def _lock_from_elsewhere(program: Program, folder: Path) -> str:
    """Return the text of a lock that was not resolved here; empty if it was."""
    tree, name = (
        ("reference", "environment.lock") if isinstance(program, Recipe) else ("src", "system.lock")
    )
    source = ProgramSource(folder=folder, tree=folder / tree, lock=folder / name)
    try:
        if not source.lock.is_file() or not lock_fits(source, program.environment):
            return ""
    except FetchError:
        # Its requirements cannot be read: told once it is prepared, before anything is installed.
        return ""
    text = read_text(source.lock)
    return "" if made_lock(text) else text


def require_consent(recipe: Recipe, recipe_dir: Path, trust: str | None = None) -> None:
    """Let pass what is ours, was approved before, or is approved now by its digest.

    Raises:
        ConsentError: none of these; says what would run.
        UsageError: a file that the recipe names is a link out of its folder.
    """
    require_own_files(recipe, recipe_dir)
    required = consent_digest(recipe, recipe_dir, recipe.reference.tree)
    if _approval(required).exists():
        return
    if trust == required or _is_ours(recipe, required):
        # A home that cannot be written: asked again next time.
        with contextlib.suppress(MachineError):
            approve(recipe, recipe_dir)
        _remember_description(str(recipe_dir), describe_program(recipe, recipe_dir))
        return
    mistaken = f"--trust {trust} is not the digest of what would run. " if trust else ""
    raise ConsentError(
        f"{mistaken}{recipe.id} runs what did not come with mlloop-new, and was not approved yet:"
        + "\n"
        + "\n".join(_changed_since_approved(str(recipe_dir), describe_program(recipe, recipe_dir))),
        hint=f"read it, and what it runs; if you trust it, repeat with --trust {required}",
        digest=required,
    )


def approve(recipe: Recipe, recipe_dir: Path) -> None:
    """Remember that the user approves of what this recipe runs."""
    approve_program(
        recipe, recipe_dir, recipe.reference.tree, f"{recipe.id}: {reference_name(recipe)}"
    )


def approve_program(program: Program, folder: Path, tree: str, title: str) -> None:
    """Remember that the user approves of a program with this tree."""
    write_text(_approval(consent_digest(program, folder, tree)), f"{title}\n")


def is_approved(program: Program, folder: Path, tree: str) -> bool:
    """Return whether the user approved of this before."""
    return _approval(consent_digest(program, folder, tree)).exists()


@dataclass(frozen=True, slots=True)
class Runnable:
    """A program that would be run.

    What messages call it, where its files are, the git id of what each run copies.
    """

    title: str
    program: Program
    folder: Path
    tree: str

    @property
    def key(self) -> str:
        """Return a key for this snapshot that does not depend on its content."""
        return f"{self.title} of {self.folder.parent}"


def _describe_state(snapshot: Runnable) -> list[str]:
    return [
        f"  {snapshot.title}: src/ with the tree {snapshot.tree}",
        *_describe_packages(snapshot.program, snapshot.folder / "src"),
        *_describe_lock(snapshot.program, snapshot.folder),
        *_describe_commands(snapshot.program),
    ]


def _read_files(snapshot: Runnable) -> list[str]:
    """Return one line per line of the files in src/, plus a digest per file."""
    lines = []
    for file in sorted((snapshot.folder / "src").rglob("*")):
        if file.is_file() and not file.is_symlink():
            name = file.relative_to(snapshot.folder).as_posix()
            lines.append(f"  {name}  {file_digest(file)[:12]}")
            lines += [f"  {name}{line.removeprefix(' ' * 12)}" for line in _text_lines(file)]
    return lines


def _description(key: str) -> Path:
    return state_dir() / "described" / hashlib.sha256(key.encode()).hexdigest()


def _remember_description(key: str, lines: Sequence[str]) -> None:
    with contextlib.suppress(MachineError):  # a home that cannot be written: all is shown next time
        write_text(_description(key), "\n".join(lines))


def _changed_since_approved(key: str, lines: list[str], files: Sequence[str] = ()) -> list[str]:
    """Return the lines that differ from what was approved last.

    The first time that is every line but those of files. Of what changed every line is shown.
    """
    if not _description(key).is_file():
        return _shortened(lines)
    before = read_text(_description(key)).split("\n")
    # Without two file names.
    diff = list(difflib.unified_diff(before, [*lines, *files], lineterm="", n=0))[2:]
    changed = [f"{line[:1]} {line[1:].strip()}" for line in diff if line[:1] in "+-"]
    if not changed:  # what no line shows, such as a file that a patch or driver reads
        return _shortened(lines)
    return ["  changed since you approved it, - before, + now:", *(f"  {line}" for line in changed)]


def remember_shown(snapshot: Runnable) -> None:
    """Remember what a snapshot holds: when asked again, only what differs from it is shown."""
    _remember_description(snapshot.key, [*_describe_state(snapshot), *_read_files(snapshot)])


def require_snapshots_consent(snapshots: Sequence[Runnable], trust: str | None) -> None:
    """Require consent to run these snapshots, all under one digest.

    Raises:
        ConsentError: some are a third party's, and were not approved; says what would run.
    """
    unknown = [
        snapshot
        for snapshot in snapshots
        if not is_approved(snapshot.program, snapshot.folder, snapshot.tree)
    ]
    if not unknown:
        return
    required = digest(
        [consent_digest(snapshot.program, snapshot.folder, snapshot.tree) for snapshot in unknown]
    )
    if trust == required:
        for snapshot in unknown:
            approve_program(snapshot.program, snapshot.folder, snapshot.tree, snapshot.title)
            remember_shown(snapshot)
        return
    mistaken = f"--trust {trust} is not the digest of what would run. " if trust else ""
    descriptions = [
        line
        for snapshot in unknown
        for line in _changed_since_approved(
            snapshot.key, _describe_state(snapshot), _read_files(snapshot)
        )
    ]
    raise ConsentError(
        f"{mistaken}what would run is not known to be yours, and was not approved yet:\n"
        + "\n".join(descriptions),
        hint=(
            f"read src/ and system.yaml; if you trust them, repeat with --trust {required};"
            " edits of your own belong in a tweak: scaffold tweak start NAME"
        ),
        digest=required,
    )


def _approval(consent_id: str) -> Path:
    return state_dir() / "approved" / consent_id


def is_ours(recipe: Recipe, recipe_dir: Path) -> bool:
    """Return whether a recipe runs exactly what a bundled one does, to the last byte."""
    return _is_ours(recipe, consent_digest(recipe, recipe_dir, recipe.reference.tree))


def _is_ours(recipe: Recipe, consent_id: str) -> bool:
    if recipe.id not in recipe_ids():
        return False
    bundled = find_recipe(recipe.id)
    return (
        consent_digest(bundled.recipe, bundled.folder, bundled.recipe.reference.tree) == consent_id
    )


def _commands(program: Program) -> Iterator[tuple[str, Command]]:
    yield from program.commands.steps(smoke=False).items()
    if program.commands.smoke:
        yield "smoke", program.commands.smoke


def describe_program(recipe: Recipe, recipe_dir: Path) -> list[str]:
    """Describe what would be installed and run, line by line, with whole patches and drivers."""
    reference = recipe.reference
    where = "in the recipe"
    if not isinstance(reference, PathReference):
        where = f"{reference_url(reference)} at {reference.revision}"
    lines = [
        f"  reference  {reference_name(recipe)}, {where}, tree {reference.tree}",
        *([f"  device     {recipe.resources.device}"] if recipe.resources.device != "cpu" else []),
        *_describe_packages(recipe, recipe_dir / "reference"),
        *_describe_lock(recipe, recipe_dir),
    ]
    lines += _describe_commands(recipe)
    for patch in reference.patches:
        file = recipe_dir / patch.file
        lines.append(f"  patch      {patch.file}  {file_digest(file)[:12]}: {patch.reason}")
        lines += _text_lines(file)
    for driver in reference.drivers:
        lines.append(f"  driver     {driver}  {file_digest(recipe_dir / driver)[:12]}")
        lines += _text_lines(recipe_dir / driver)
    return lines


def _describe_packages(program: Program, tree: Path) -> list[str]:
    packages = ", ".join(program.environment.packages) or "none"
    requirements, built = program.environment.requirements, ", ".join(program.environment.build)
    suffix = f", and those of the reference's {requirements}" if requirements else ""
    return [
        f"  packages   {packages}{suffix}",
        *(_text_lines(tree / requirements) if requirements else []),
        *(
            [f"  builds     {built}: their own build programs run OUTSIDE the sandbox"]
            if built
            else []
        ),
    ]


def _describe_lock(program: Program, folder: Path) -> list[str]:
    lock = _lock_from_elsewhere(program, folder)
    installed = re.findall(r"^([^\s#]+==\S+)", lock, re.MULTILINE)
    if not lock:
        return []
    return [
        "  lock       made elsewhere, installs exactly:",
        *(f"             - {package}" for package in installed),
    ]


def _describe_commands(program: Program) -> list[str]:
    lines = []
    for dataset in program.datasets:
        if isinstance(dataset, PlacedDataset):
            lines.append(
                f"  data       {dataset.name} to {dataset.layout}, sha256 {dataset.sha256}"
            )
    values = {
        **program.hyperparameters,
        "seed": "SEED",
        "reference": "REFERENCE",
        "drivers": "DRIVERS",
    }
    for name, command in _commands(program):
        words = shlex.join(fill_slots(word, values) for word in command.argv)
        network = "   WITH THE NETWORK, and what listens on this machine" if command.network else ""
        lines.append(
            f"  {name:9} "
            f" {words}{f'   in {command.directory}/' if command.directory else ''}{network}"
        )
        lines += [
            f"  {'':9}  {key}={fill_slots(value, values)}"
            for key, value in command.variables.items()
        ]
    return lines


def _text_lines(path: Path) -> list[str]:
    try:
        return [f"{_OF_FILE}{line}" for line in read_text(path).splitlines()]
    except ScaffoldError:
        return [f"{_OF_FILE}(not text)"]


def _shortened(lines: Sequence[str]) -> list[str]:
    """Return lines without most of those of a long file."""
    shown = []
    for is_of_file, group in itertools.groupby(lines, lambda line: line.startswith(_OF_FILE)):
        part = list(group)
        further = len(part) - _MOST_LINES if is_of_file else 0
        shown += part[:_MOST_LINES] if further > 0 else part
        shown += [f"{_OF_FILE}... {further} more lines"] if further > 0 else []
    return shown
