"""List all tweaks: decided, open and suggested."""

from dataclasses import dataclass

from scaffold.git.repository import Repository
from scaffold.project.project import Project, load_recipe
from scaffold.records.judgment import ChangeJudgment
from scaffold.records.parsing import parse_record
from scaffold.records.tweak import Tweak
from scaffold.tweak.store import (
    all_evidence,
    decided_names,
    declared_tweaks,
    tweak_branches,
    tweak_of_branch,
)
from scaffold.user_state import origin_of


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
    declared = list(declared_tweaks(project))
    for branch in tweak_branches(repository):
        path = f"tweaks/{tweak_of_branch(branch)}.yaml"
        blob = repository.find_id(f"refs/heads/{branch}:{path}")
        if blob:
            declared.append(
                parse_record(
                    Tweak, repository.read_blob(blob).decode(errors="replace"), source=path
                )
            )
    return declared
