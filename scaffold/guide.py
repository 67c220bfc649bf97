"""The one next action: the command to paste, and why."""

import shlex

from scaffold.ledger import accepted, decided_names, find_judged, tweak_branches
from scaffold.parts import rewrite_name
from scaffold.project import Project
from scaffold.records.judgement import Word
from scaffold.records.recipe import Recipe
from scaffold.repository import Repository
from scaffold.rules.milestone import next_rung
from scaffold.states import state_id, worktree_id
from scaffold.verify import REFERENCE_EDITED

CALIBRATION_RUNS = 20
"""Runs that show a spread well enough (docs/verdicts.md)."""


def next_of_reproduction(
    word: Word | None, stale: list[str], can_change: bool, uncommitted: str | None, runs: int, unjudged: int,
    has_calibration: bool = True,
) -> tuple[str, str]:  # fmt: skip
    """While no tweak is under way: the way to a reproduction that holds; `pytest` once it does."""
    if REFERENCE_EDITED in stale:
        return "git checkout -- reference && git clean -fd reference", "reference/ was edited, and nothing holds of it"
    if word is None:
        if runs:
            return "scaffold verify", f"{runs} runs are there and not judged yet"
        return "scaffold verify", "nothing has been run yet: see whether the reference gives its published result here"
    if stale:
        return "scaffold verify", f"the evidence is stale: {'; '.join(stale)}"
    if unjudged:
        return "scaffold verify", f"{unjudged} runs are newer than the evidence"
    if uncommitted:
        return "scaffold verify", f"the evidence could not be committed: {uncommitted}"
    if word is Word.REPRODUCED:
        return "pytest", "the published result is reproduced"
    if can_change:
        return "scaffold verify", "the seeds so far do not decide: run more"
    return _next_of_undecided(word, has_calibration)


def _next_of_undecided(word: Word, has_calibration: bool) -> tuple[str, str]:
    """Where no further seed of this project can change the word."""
    if word is Word.NOT_REPRODUCED:
        return (
            'scaffold tweak start NAME --because "the reference does not give its published result here"',
            "more seeds will not change that: read each finding's reason (scaffold verify), and, if you build on it "
            "all the same, say so on record",
        )
    if not has_calibration:
        return (
            f"scaffold recipes calibrate . --runs {CALIBRATION_RUNS}",
            "more seeds here do not decide: what the published number may differ by over seeds is not known. Runs of "
            "the recipe say it; then write `calibration: calibration.json` into recipe.yaml",
        )
    return "pytest", "the seeds that the rule allows do not decide: read each finding's reason before you build on it"


def next_rung_of(project: Project, recipe: Recipe) -> tuple[str, str]:
    """Once the result is reproduced: what is open elsewhere, edits that nobody judged, else the next small step."""
    repository = Repository(project.root)
    if repository.find_id("HEAD") is None:
        return "pytest", "the published result is reproduced; tweaks need a git repository"
    under_way = tweak_branches(repository)
    if under_way:
        name = under_way[0]
        return f"git switch {shlex.quote(name)}", f"{name.replace('/', ' ')} is under way there"
    decided = decided_names(project, repository)
    judged = find_judged(project, repository, "HEAD")
    if judged and state_id(repository, judged) != worktree_id(project):
        name = next(name for number in range(1, 1000) if (name := f"edits-{number}") not in decided)
        return f"scaffold tweak start {name}", "src/ or system.yaml differ from all that was judged: take them along"
    # What a recipe suggests was found on its own data: of other data it says nothing.
    has_other_data = any(change.tweak.kind == "data" for change in accepted(project))
    rung = next_rung(() if has_other_data else recipe.adaptation.tweaks, decided)
    open_parts = [rewrite.part for rewrite in recipe.adaptation.rewrites if rewrite_name(rewrite.part) not in decided]
    if rung is None and open_parts:
        return (
            f"scaffold rewrite start {open_parts[0]}",
            "all suggested tweaks are decided: now a part in your own code",
        )
    if rung is None:
        return "scaffold tweak start NAME", "all suggested steps are decided: the next is yours to choose"
    suggested = rung.name in [tweak.name for tweak in recipe.adaptation.tweaks]
    kind = "" if suggested else f" --kind {rung.kind}"
    bound = " --bound unknown" if rung.kind == "data" else ""
    return f"scaffold tweak start {rung.name}{kind}{bound}", f"the simplest next step: {rung.why}"
