"""Where a project stands, and the one next action.

What was worked out is kept in `.scaffold/status.json` beside the size and time of every file it
depends on, so that asking again costs a few file look-ups and imports nothing heavy.
"""

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import scaffold
from scaffold.errors import BrokenFileError, MachineError, ProjectError
from scaffold.git.gitdir import git_dirs
from scaffold.project.files import read_text
from scaffold.project.project import Project
from scaffold.project.signed import read_signed, write_signed
from scaffold.records.judgment import Judgment, Verdict
from scaffold.status.model import ProjectStatus, is_by_others
from scaffold.user_state import Origin, origin_of

if TYPE_CHECKING:
    from scaffold.records.tweak import ChangeEvidence, Tweak


def load_status(project: Project) -> ProjectStatus:
    """Return where the project stands; from the cache if no file that matters has changed.

    Raises:
        BrokenFileError, ProjectError: recipe.yaml, milestones.yaml or the evidence cannot be read.
    """
    present = fingerprint(project)
    cache = project.cached_status
    stored = read_signed(cache, project, "status")
    if stored is not None and stored["fingerprint"] == present:
        return ProjectStatus.from_mapping(stored["status"])
    from scaffold.status.derive import derive_status

    status = derive_status(project)
    with contextlib.suppress(MachineError):  # a read-only project can be looked at all the same
        content = {"fingerprint": present, "status": status.as_mapping()}
        write_signed(cache, project, "status", content)
        # Of a killed one; of one at work, which tries again.
        for partial in cache.parent.glob(f".{cache.name}.*"):
            partial.unlink(missing_ok=True)
    return status


def current_judgment(project: Project) -> Judgment | None:
    """Return the stored judgment if it is current and no further run is due."""
    try:
        status = load_status(project)
    except BrokenFileError:
        # Broken evidence is about to be replaced; a broken recipe is reported by its next reader.
        return None
    if (
        status.evidence != "current"
        or status.can_change
        or status.uncommitted
        or is_by_others(status.origin)
    ):
        return None
    return Judgment.from_mapping(json.loads(read_text(project.reproduction))["judgment"])


def is_tweak_under_way(project: Project) -> bool:
    """Return whether `scaffold verify` is about a tweak; from the cache where possible."""
    try:
        return load_status(project).tweak is not None
    except BrokenFileError:  # such as evidence that is about to be replaced
        from scaffold.tweak.store import find_tweak

        return find_tweak(project) is not None


def current_change(project: Project, tweak: "Tweak") -> "ChangeEvidence | None":
    """Return the stored evidence of a tweak if it still describes the work tree."""
    from scaffold.tweak.staleness import find_stale_change
    from scaffold.tweak.store import read_change

    try:
        evidence = read_change(project, tweak.name)
    except BrokenFileError:
        return None  # it is about to be replaced
    if (
        evidence is None
        or find_stale_change(project, tweak, evidence)
        or origin_of(evidence.checksum) is Origin.OTHERS
    ):
        return None
    return evidence


def require_reproduced(project: Project) -> None:
    """Raise ProjectError unless current evidence shows the published result reproduced here."""
    status = load_status(project)
    if (
        status.verdict != Verdict.REPRODUCED.value
        or status.evidence != "current"
        or is_by_others(status.origin)
    ):
        may_change = status.can_change or status.evidence != "current"
        evidence_text = status.verdict or "nothing yet"
        evidence_text += f", {status.origin}" if is_by_others(status.origin) else ""
        stale = (
            f", and stale: {'; '.join(map(str, status.stale_reasons))}"
            if status.stale_reasons
            else ""
        )
        raise ProjectError(
            "tweaks and rewrites are locked until the reference gives its published result here;"
            f" the evidence says {evidence_text}{stale}",
            hint=(
                ("scaffold verify --reproduction; or begin" if may_change else "begin")
                + ' all the same, on record: --reason "..."'
            ),
        )


def fingerprint(project: Project) -> list[Any]:
    """Return values that change with every file the status depends on (size, time, inode)."""
    stamps: list[Any] = [scaffold.__version__]
    single = (
        project.recipe,
        project.milestones,
        *sorted(project.root.glob("calibration*.json")),
        project.lock,
        project.reproduction,
        project.runs,
        project.uncommitted,
        project.goal,
        project.last_analysis,
        project.last_shipping,
        project.system,
        project.system_source.lock,
    )
    for path in single:
        stamps.append(_stamp(path))
    own, shared = _git_dirs(project)
    stamps += [_stamp(own / name) for name in ("HEAD", "index", "MERGE_HEAD")]
    stamps.append(_stamp(shared / "packed-refs"))
    monitored = ("reference", "drivers", "patches", "data", "src", "tweaks", "evidence", "errors")
    pending = [*(str(project.root / name) for name in monitored), str(shared / "refs")]
    while pending:
        try:
            entries = sorted(os.scandir(pending.pop()), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # git's locks come and go
            stamps.append(
                [entry.name, status.st_size, status.st_mtime_ns, status.st_ino, status.st_mode]
            )
    return stamps


def _git_dirs(project: Project) -> tuple[Path, Path]:
    """Return the work tree's git directory and the shared one; guesses where git would refuse."""
    try:
        return git_dirs(project.root)
    except (ProjectError, OSError):
        return project.root / ".git", project.root / ".git"


def _stamp(path: Path) -> list[int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ino]
