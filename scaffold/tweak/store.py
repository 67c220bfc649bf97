"""Store what was tried: declarations, evidence and journal of all tweaks."""

import re
import shlex
from dataclasses import dataclass

from scaffold.errors import BrokenFileError, Problem, ProjectError
from scaffold.git.history import branches, commits_made_here, find_branch, is_ancestor
from scaffold.git.repository import Repository
from scaffold.git.snapshots import snapshot_id
from scaffold.project.project import (
    Project,
    load_recipe,
    load_yaml,
    read_record,
    read_text,
    write_record,
    write_text,
)
from scaffold.records.judgment import ChangeJudgment
from scaffold.records.parsing import parse_record
from scaffold.records.tweak import ChangeEvidence, Tweak
from scaffold.rules.parity.checks import CHECKS, CheckResult
from scaffold.rules.parity.picture import error_page
from scaffold.user_state import Origin, origin_of, remember_origin, sign

TWEAK_NAME = r"[a-z0-9]+(-[a-z0-9]+)*"
"""What a tweak may be called."""

BRANCHES = ("tweak/", "rewrite/")
"""What the branch of a tweak starts with."""

_PHASES = ("tweak", "rewrite")
VENDOR_BRANCHES = ("reference", "template")


def refuse_vendor(branch: str) -> None:
    """Raise ProjectError if this is a branch that only brings in what others made."""
    if branch in VENDOR_BRANCHES:
        raise ProjectError(
            f"{branch} is a vendor branch, nobody works on it", hint="git switch main"
        )


def find_tweak(project: Project) -> Tweak | None:
    """Return the open tweak: declared in tweaks/, and neither accepted nor dropped.

    Raises:
        ProjectError: there are several.
        BrokenFileError: a declaration, or its evidence, is broken.
    """
    _refuse_deleted(project)
    under_way = [tweak for tweak in declared_tweaks(project) if _decision(project, tweak) is None]
    if len(under_way) > 1:
        names = ", ".join(tweak.name for tweak in under_way)
        raise ProjectError(
            f"several tweaks are under way at once: {names}",
            hint=(
                "one change at a time: scaffold tweak drop NAME, or take its branch out of this one"
            ),
        )
    return under_way[0] if under_way else None


def _refuse_deleted(project: Project) -> None:
    """Raise ProjectError if a committed declaration or evidence is missing.

    Without it a tweak looks undecided.
    """
    repository = Repository(project.root)
    if repository.find_id("HEAD") is None:
        return
    gone = repository.call("ls-files", "-z", "--deleted", "--", "tweaks", "evidence").split("\0")[
        :-1
    ]
    if gone:
        raise ProjectError(
            f"{', '.join(gone[:5])} missing, though committed",
            hint=f"git checkout -- {shlex.join(gone[:5])}",
        )


def tweak_of_branch(branch: str) -> str | None:
    """Return the name of the tweak of a branch; None for any other branch."""
    found = re.fullmatch(rf"(?:{'|'.join(BRANCHES)})({TWEAK_NAME})", branch)
    return found[1] if found else None


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
    found = [evidence for name in names if (evidence := read_change(project, name))]
    return sorted(found, key=lambda evidence: (evidence.made, evidence.milestone))


def last_accepted(project: Project) -> ChangeEvidence | None:
    """Return the tweak that was accepted last."""
    found = accepted(project)
    return found[-1] if found else None


def claim_tweak(project: Project, tweak: Tweak, start: str) -> None:
    """Remember that this user starts a tweak at this commit: its content needs no consent."""
    write_text(
        project.scaffold_dir / "own" / tweak.name, f"{start} {_own_mark(project, tweak, start)}"
    )


def is_own_tweak(project: Project, tweak: Tweak) -> bool:
    """Return whether this user started the tweak and made every commit since then here."""
    path = project.scaffold_dir / "own" / tweak.name
    start, _, mark = read_text(path).partition(" ") if path.is_file() else ("", "", "")
    if not start or mark != _own_mark(project, tweak, start):
        return False
    repository = Repository(project.root)
    since = (
        repository.call("rev-list", "HEAD", f"^{start}").split()
        if repository.find_id(start)
        else [start]
    )
    return commits_made_here(repository).issuperset(since)


def forget_tweak(project: Project, tweak: Tweak) -> None:
    """Forget a decided tweak: another one of its name would not be the user's own."""
    (project.scaffold_dir / "own" / tweak.name).unlink(missing_ok=True)


def _own_mark(project: Project, tweak: Tweak, start: str) -> str:
    return sign(f"tweak {tweak.name} of {project.root} from {tweak.before}, started at {start}")


def tweak_branches(repository: Repository) -> list[str]:
    """Return branches of open tweaks; a name that no tweak can have is another branch."""
    return [name for name in branches(repository) if tweak_of_branch(name)]


def find_judged(project: Project, repository: Repository, tip: str) -> str | None:
    """Return the newest judged commit on a branch's own line: first `src/`, or accepted tweaks."""
    begun = repository.call(
        "log", "--format=%H", "--diff-filter=A", tip, "--", "system.yaml"
    ).split()
    if not begun:
        return None
    judged = {evidence.accepted_snapshot for evidence in accepted(project)} | {
        snapshot_id(repository, begun[-1])
    }
    line = repository.call("rev-list", "--first-parent", tip, f"^{begun[-1]}").split()
    return next(
        (commit for commit in [*line, begun[-1]] if snapshot_id(repository, commit) in judged),
        begun[-1],
    )


def commit_before(project: Project, repository: Repository, tweak: Tweak) -> str:
    """Return the commit a tweak is compared with: the newest judged one of its base branch."""
    base_branch = find_base_branch(repository, tweak)
    if (
        base_branch is None
        or not is_ancestor(repository, f"refs/heads/{base_branch}", "HEAD")
        or find_branch(repository) == base_branch
    ):
        return tweak.before
    return find_judged(project, repository, f"refs/heads/{base_branch}") or tweak.before


def find_base_branch(repository: Repository, tweak: Tweak) -> str | None:
    """Return the branch that a tweak came from; under its new name if it was renamed."""
    there = branches(repository)
    if tweak.base_branch in there:
        return tweak.base_branch
    present = find_branch(repository)
    others = [
        name
        for name in there
        if name not in (*VENDOR_BRANCHES, present)
        and not name.startswith(BRANCHES)
        and is_ancestor(repository, tweak.before, f"refs/heads/{name}")
    ]
    return others[0] if len(others) == 1 else None


def require_base_branch(repository: Repository, tweak: Tweak) -> str:
    """Return the branch that a tweak came from.

    Raises:
        ProjectError: it is gone, or several could be it.
    """
    base_branch = find_base_branch(repository, tweak)
    if base_branch is None:
        there = ", ".join(branches(repository))
        raise ProjectError(
            f"there is no branch {tweak.base_branch}, from which {tweak.phase} {tweak.name} was"
            f" started; there are: {there}",
            hint=(
                f"bring it back: git branch {shlex.quote(tweak.base_branch)}"
                f" {shlex.quote('origin/' + tweak.base_branch)}; or name the one to merge into: git"
                f" branch {shlex.quote(tweak.base_branch)} BRANCH"
            ),
        )
    return base_branch


def record_paths(tweak: Tweak) -> tuple[str, str, str]:
    """Return its declaration, evidence and journal page."""
    return (
        f"tweaks/{tweak.name}.yaml",
        f"evidence/{tweak.milestone}.json",
        f"journal/{tweak.name}.md",
    )


def page_of(tweak: Tweak, evidence: ChangeEvidence | None) -> str:
    """Return a journal page: what was tried, and what it showed.

    A file a tweak, so that clones never conflict.
    """
    lines = [
        f"# {tweak.name}",
        "",
        f"- kind: {tweak.kind}",
        f"- expected: {tweak.expect or 'nothing was said'}",
    ]
    if evidence is None:
        lines.append("- dropped before it was judged")
    else:
        judgment = ChangeJudgment.from_mapping(evidence.judgment)
        lines += [f"- changed: {part.what} {part.name}: {part.text}" for part in evidence.parts]
        lines += [f"- verdict: **{judgment.verdict.value}**", f"- measured: {judgment.reason}"]
        lines += [f"- remark: {remark}" for remark in judgment.remarks]
        lines += [f"- rewritten: {tweak.part}"] if tweak.part else []
        lines += [
            f"- cost: {evidence.cost_s:.0f} s of runs",
            f"- decision: {evidence.decision} ({evidence.made[:10]})",
        ]
        if evidence.reason:
            lines.append(f"- reason: {evidence.reason}")
        lines += _page_of_checks([CheckResult.from_mapping(check) for check in evidence.checks])
    return "\n".join(lines) + "\n"


def _page_of_checks(checks: list[CheckResult]) -> list[str]:
    """Return the parity checks as a table, and the error along the network."""
    if not checks:
        return []
    rows = [
        f"| {check.name} | {CHECKS[check.name]} | {check.compared} | {check.verdict.value} |"
        for check in checks
    ]
    lines = ["", "| check | what | compared | verdict |", "|---|---|---|---|", *rows]
    left_out = {text: check.name for check in checks for text in check.left_out}
    lines += (
        ["", *(f"- left out of {name}: {text}" for text, name in left_out.items())]
        if left_out
        else []
    )
    shown = next((check for check in checks if check.along), None)
    if shown:
        lines += [
            "",
            f"Error along the network ({shown.name}), in powers of ten; | is what is allowed:",
            "",
            "```",
        ]
        lines += [*error_page(shown.along), "```"]
    return lines


def decided_names(project: Project, repository: Repository) -> set[str]:
    """Return decided tweaks, also those dropped before they were judged."""
    names = {evidence.tweak.name for evidence in all_evidence(project) if evidence.decision}
    dropped = repository.call(
        "for-each-ref", "--format=%(refname:lstrip=3)", "refs/tags/dropped"
    ).split()
    return names | set(dropped)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A tweak and where it stands: `accepted`, `dropped`, `open`, or `suggested` by the recipe.

    `origin` says who judged it; empty where nobody has.
    """

    name: str
    kind: str
    state: str
    verdict: str
    effect: str
    about: str
    origin: str = ""


def list_tweaks(project: Project) -> list[Listed]:
    """Return all tweaks: decided ones oldest first, open ones on any branch, suggested ones."""
    repository = Repository(project.root)
    rows = []
    for evidence in all_evidence(project):
        judgment = ChangeJudgment.from_mapping(evidence.judgment)
        first = judgment.findings[0]
        rows.append(
            Listed(
                name=evidence.tweak.name,
                kind=evidence.tweak.kind,
                state=evidence.decision or "open",
                verdict=judgment.verdict.value,
                about=evidence.reason or evidence.tweak.expect,
                effect=f"{first.metric} {first.effect:+.3g}" if first.effect is not None else "",
                origin=origin_of(evidence.checksum).value,
            )
        )
    known = {row.name for row in rows}
    for name in decided_names(project, repository) - known:
        known.add(name)
        rows.append(
            Listed(
                name=name,
                kind="",
                state="dropped",
                verdict="",
                effect="",
                about="before it was judged",
            )
        )
    for tweak in _open_tweaks(project, repository):
        if tweak.name not in known:
            known.add(tweak.name)
            rows.append(
                Listed(
                    name=tweak.name,
                    kind=tweak.kind,
                    state="open",
                    verdict="",
                    effect="",
                    about=tweak.expect,
                )
            )
    for suggested in load_recipe(project).adaptation.tweaks:
        if suggested.name not in known:
            about = f"{suggested.change}: {suggested.why}"
            rows.append(
                Listed(
                    name=suggested.name,
                    kind=suggested.kind,
                    state="suggested",
                    verdict="",
                    effect="",
                    about=about,
                    origin="",
                )
            )
    return rows


def _open_tweaks(project: Project, repository: Repository) -> list[Tweak]:
    found = list(declared_tweaks(project))
    for branch in tweak_branches(repository):
        path = f"tweaks/{tweak_of_branch(branch)}.yaml"
        blob = repository.find_id(f"refs/heads/{branch}:{path}")
        if blob:
            found.append(
                parse_record(
                    Tweak, repository.read_blob(blob).decode(errors="replace"), source=path
                )
            )
    return found
