"""Store what was tried: declarations, evidence and journal of all tweaks."""

import re
import shlex
from pathlib import Path

from scaffold.errors import BrokenFileError, Problem, ProjectError
from scaffold.git.history import branches, commits_made_here
from scaffold.git.repository import Repository
from scaffold.project.files import read_record, write_record
from scaffold.project.project import Project, load_yaml
from scaffold.project.signed import read_signed, write_signed
from scaffold.records.judgment import ChangeJudgment
from scaffold.records.tweak import ChangeEvidence, Tweak
from scaffold.user_state import Origin, origin_of, remember_origin

TWEAK_NAME = r"[a-z0-9]+(-[a-z0-9]+)*"
"""What a tweak may be called."""

BRANCHES = ("tweak/", "rewrite/")
"""What the branch of a tweak starts with."""

_PHASES = ("tweak", "rewrite")


def find_tweak(project: Project) -> Tweak | None:
    """Return the open tweak: declared in tweaks/, and neither accepted nor dropped.

    Raises:
        ProjectError: there are several.
        BrokenFileError: a declaration, or its evidence, is broken.
    """
    refuse_deleted(project)
    under_way = [tweak for tweak in declared_tweaks(project) if _decision(project, tweak) is None]
    if len(under_way) > 1:
        names = ", ".join(tweak.name for tweak in under_way)
        files = " or ".join(f"tweaks/{tweak.name}.yaml" for tweak in under_way)
        raise ProjectError(
            f"several tweaks are under way at once: {names}",
            hint=f"one change at a time: take the others out of this branch: git rm {files}",
        )
    return under_way[0] if under_way else None


def refuse_deleted(project: Project) -> None:
    """Raise ProjectError if a committed file without which nothing here can be told is missing.

    Without its evidence a tweak looks undecided, without system.yaml src/ looks like another's.
    """
    repository = Repository(project.root)
    if repository.find_id("HEAD") is None:
        return
    told_by = ("tweaks", "evidence", "system.yaml", ":(glob)calibration*.json")
    gone = repository.call("ls-files", "-z", "--deleted", "--", *told_by).split("\0")[:-1]
    if gone:
        raise ProjectError(
            f"{', '.join(gone[:5])} {'is' if len(gone) == 1 else 'are'} missing, though committed",
            hint=f"git checkout -- {shlex.join(gone[:5])}",
        )


def tweak_of_branch(branch: str) -> str | None:
    """Return the name of the tweak of a branch; None for any other branch."""
    match = re.fullmatch(rf"(?:{'|'.join(BRANCHES)})({TWEAK_NAME})", branch)
    return match[1] if match else None


def declared_tweaks(project: Project) -> list[Tweak]:
    """Return all declarations in the work tree, by name."""
    return [load_yaml(Tweak, path) for path in sorted(project.tweaks.glob("*.yaml"))]


def _decision(project: Project, tweak: Tweak) -> str | None:
    evidence = read_change(project, tweak.name)
    return evidence.decision if evidence else None


def read_change(project: Project, name: str) -> ChangeEvidence | None:
    """Return a tweak's evidence, if there is any.

    Raises:
        BrokenFileError: it is not evidence.
    """
    paths = [project.evidence / f"{phase}-{name}.json" for phase in _PHASES]
    path = next((path for path in paths if path.exists()), None)
    if path is None:
        return None
    evidence = read_record(ChangeEvidence, path)
    try:
        ChangeJudgment.from_mapping(evidence.judgment)
    except (ValueError, KeyError, TypeError) as error:
        problem = Problem(source=path.name, line=1, where="judgment", message=f"is none: {error}")
        raise BrokenFileError(path.name, [problem], hint="scaffold verify") from error
    if (evidence.tweak.name, evidence.milestone) != (name, path.stem):
        problem = Problem(
            source=path.name,
            line=1,
            where="tweak.name",
            message=f"is {evidence.tweak.name!r}, not {name!r}",
        )
        raise BrokenFileError(
            path.name, [problem], hint=f"restore it: git checkout -- {shlex.quote(str(path))}"
        )
    return evidence


def write_change(project: Project, evidence: ChangeEvidence) -> None:
    """Write a tweak's evidence that was judged here, sealed."""
    sealed = evidence.with_checksum()
    remember_origin(sealed.checksum, Origin.HERE)
    write_record(sealed, project.evidence / f"{evidence.tweak.milestone}.json")


def with_decision(evidence: ChangeEvidence, **decided: object) -> ChangeEvidence:
    """Return sealed evidence with what was decided; who judged it stays known."""
    sealed = evidence.model_copy(update=decided).with_checksum()
    origin = origin_of(evidence.checksum)
    if origin is not Origin.OTHERS and evidence.checksum == evidence.expected_checksum():
        remember_origin(sealed.checksum, origin)
    return sealed


def accepted(project: Project) -> list[ChangeEvidence]:
    """Return evidence of the accepted tweaks, oldest first."""
    return [evidence for evidence in all_evidence(project) if evidence.decision == "accepted"]


def all_evidence(project: Project) -> list[ChangeEvidence]:
    """Return evidence of all tweaks, oldest first."""
    paths = [path for phase in _PHASES for path in project.evidence.glob(f"{phase}-*.json")]
    names = [path.stem.partition("-")[2] for path in paths]
    evidences = [evidence for name in names if (evidence := read_change(project, name))]
    return sorted(evidences, key=lambda evidence: (evidence.created, evidence.milestone))


def last_accepted(project: Project) -> ChangeEvidence | None:
    """Return the tweak that was accepted last."""
    tweaks = accepted(project)
    return tweaks[-1] if tweaks else None


def claim_tweak(project: Project, tweak: Tweak, start: str) -> None:
    """Remember that this user starts a tweak at this commit: its content needs no consent."""
    content = {"name": tweak.name, "before": tweak.before, "start": start}
    write_signed(_own_tweak(project, tweak), project, "own tweak", content)


def is_own_tweak(project: Project, tweak: Tweak) -> bool:
    """Return whether this user started the tweak and made every commit since then here."""
    claim = read_signed(_own_tweak(project, tweak), project, "own tweak")
    if claim is None or (claim["name"], claim["before"]) != (tweak.name, tweak.before):
        return False
    start = claim["start"]
    repository = Repository(project.root)
    since = (
        repository.call("rev-list", "HEAD", f"^{start}").split()
        if repository.find_id(start)
        else [start]
    )
    return commits_made_here(repository).issuperset(since)


def forget_tweak(project: Project, tweak: Tweak) -> None:
    """Forget a decided tweak: another one of its name would not be the user's own."""
    _own_tweak(project, tweak).unlink(missing_ok=True)


def _own_tweak(project: Project, tweak: Tweak) -> Path:
    return project.scaffold_dir / "own" / tweak.name


def tweak_branches(repository: Repository) -> list[str]:
    """Return branches of open tweaks; a name that no tweak can have is another branch."""
    return [name for name in branches(repository) if tweak_of_branch(name)]


def record_paths(tweak: Tweak) -> tuple[str, str, str]:
    """Return its declaration, evidence and journal page."""
    return (
        f"tweaks/{tweak.name}.yaml",
        f"evidence/{tweak.milestone}.json",
        f"journal/{tweak.name}.md",
    )


def decided_names(project: Project, repository: Repository) -> set[str]:
    """Return decided tweaks, also those dropped before they were judged."""
    names = {evidence.tweak.name for evidence in all_evidence(project) if evidence.decision}
    dropped = repository.call(
        "for-each-ref", "--format=%(refname:lstrip=3)", "refs/tags/dropped"
    ).split()
    return names | set(dropped)
