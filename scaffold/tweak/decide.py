"""Accept or drop the open tweak, with its evidence and a journal page."""

import shlex
from dataclasses import dataclass

from scaffold.consent import approve_program
from scaffold.errors import ProjectError
from scaffold.git.history import (
    common_ancestor,
    conflict_error,
    find_branch,
    is_ancestor,
    make_commit,
    merge_aside,
    present_branch,
    project_repository,
    require_not_elsewhere,
    tree_with_edits,
    tree_with_files,
)
from scaffold.git.move_journal import Merging
from scaffold.git.repository import Repository
from scaffold.git.snapshots import PATHS, snapshot_id, unpack
from scaffold.git.transaction import Move, move
from scaffold.project.files import record_text
from scaffold.project.lock import only_one
from scaffold.project.project import Project
from scaffold.records.judgment import ChangeJudgment
from scaffold.records.tweak import ChangeEvidence, Tweak
from scaffold.tweak.base_branch import commit_before, require_base_branch
from scaffold.tweak.journal import page_of
from scaffold.tweak.new_files import NewFile, find_new_files, require_small
from scaffold.tweak.staleness import find_stale_change, judge_change_again
from scaffold.tweak.start import WHAT
from scaffold.tweak.store import (
    find_tweak,
    forget_tweak,
    is_own_tweak,
    read_change,
    record_paths,
    tweak_branches,
    with_decision,
)
from scaffold.user_state import Origin, origin_of


def _require_tweak(project: Project, repository: Repository, phase: str) -> Tweak:
    tweak = find_tweak(project)
    if tweak is not None and tweak.phase != phase:
        raise ProjectError(
            f"it is {tweak.phase} {tweak.name} that is under way here, no {phase}",
            hint=f"scaffold {tweak.phase} accept, or scaffold {tweak.phase} drop",
        )
    if tweak is None:
        others = [name for name in tweak_branches(repository) if name != find_branch(repository)]
        raise ProjectError(
            f"no {phase} is under way here",
            hint=(
                f"git switch {shlex.quote(others[0])}"
                if others
                else f"scaffold {phase} start {WHAT[phase]}"
            ),
        )
    return tweak


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A tweak that was accepted or dropped.

    Attributes:
        tweak: its declaration.
        evidence: what it showed, if it was judged.
        base_branch: the branch that it came from.
        commit: of that branch, which says what was decided.
        committed: files that git did not track before.
        untracked: new data that a dropped tweak leaves where it is.
    """

    tweak: Tweak
    evidence: ChangeEvidence | None
    base_branch: str
    commit: str
    committed: tuple[NewFile, ...]
    untracked: tuple[NewFile, ...] = ()


def accept_tweak(
    project: Project, reason: str, phase: str, *, include_large: bool = False
) -> Decided:
    """Merge the open tweak into its base branch with evidence and journal page, and tag it.

    Args:
        project: whose tweak it is.
        reason: why it is accepted although its evidence speaks against it.
        phase: `tweak` or `rewrite`.
        include_large: commit new files also where they are binary, or large together.

    Raises:
        ProjectError: it was not judged; its evidence is stale or speaks against it, and no reason
            was given; its base branch has another system by now; merging conflicts; it has new
            files that git should not keep.
    """
    with only_one(project):  # not while runs of it are being made
        return _accept(project, reason, phase, include_large)


def _accept(project: Project, reason: str, phase: str, include_large: bool) -> Decided:
    repository = project_repository(project.root)
    tweak = _require_tweak(project, repository, phase)
    branch = present_branch(repository)
    evidence = read_change(project, tweak.name)
    if evidence is None:
        raise ProjectError(f"{tweak.phase} {tweak.name} was not judged yet", hint="scaffold verify")
    judgment = _require_acceptable(project, tweak, evidence, reason)
    base_branch = require_base_branch(repository, tweak)
    require_not_elsewhere(repository, base_branch)
    if branch != base_branch:
        _refuse_moved_base_branch(project, repository, tweak, base_branch, evidence, reason)
    _refuse_conflicts(repository)
    new_files = find_new_files(repository, PATHS)
    if not include_large:
        require_small(new_files, f"scaffold {phase} accept")
    parent, present = "HEAD", tree_with_edits(repository, (*PATHS, *record_paths(tweak)))
    if branch != base_branch and not is_ancestor(repository, f"refs/heads/{base_branch}", "HEAD"):
        parent = _merge_base_branch(project, repository, tweak, base_branch, present)
    snapshot = unpack(
        project,
        repository,
        snapshot_id(repository, f"{parent}^{{tree}}" if parent != "HEAD" else present),
    )
    stored = with_decision(
        evidence,
        decision="accepted",
        reason=reason or evidence.reason,
        accepted_snapshot=snapshot.id,
    )
    _, record, page = record_paths(tweak)
    files = {record: record_text(stored), page: page_of(tweak, stored)}
    tree = tree_with_files(repository, files, base=present if parent == "HEAD" else parent)
    message = f"{tweak.milestone}: {judgment.verdict.value}\n\n{judgment.reason}\n"
    commit = make_commit(repository, tree, message, [parent])
    refs: dict[str, str | None] = {}
    if branch != base_branch:
        reason = f"\n\nBecause: {reason}" if reason else ""
        title = f"Accept {tweak.milestone}: {judgment.verdict.value}{reason}\n"
        commit = make_commit(repository, tree, title, [f"refs/heads/{base_branch}", commit])
        refs[f"refs/heads/{branch}"] = None
    refs |= {f"refs/heads/{base_branch}": commit, f"refs/tags/milestone/{tweak.milestone}": commit}
    if is_own_tweak(project, tweak):
        approve_program(
            snapshot.system, snapshot.source.folder, snapshot.tree, f"{tweak.phase} {tweak.name}"
        )
    move(project, Move(title=f"{phase} accept", refs=refs, branch=base_branch, present=present))
    forget_tweak(project, tweak)
    return Decided(
        tweak=tweak,
        evidence=stored,
        base_branch=base_branch,
        commit=commit,
        committed=tuple(new_files),
    )


def _require_acceptable(
    project: Project, tweak: Tweak, evidence: ChangeEvidence, reason: str
) -> ChangeJudgment:
    """Return the judgment of a change.

    Raises:
        ProjectError: it is stale or speaks against the change, and nobody gave a reason to accept
            it all the same.
    """
    stale = find_stale_change(project, tweak, evidence)
    against = [f"the evidence is stale: {'; '.join(map(str, stale))}"] if stale else []
    if origin_of(evidence.checksum) is Origin.OTHERS:
        against.append(f"its evidence is {Origin.OTHERS.value}")
    judgment = judge_change_again(evidence)
    if judgment.refusal:
        against.append(f"it was judged {judgment.verdict.value}: {judgment.refusal}")
    if against and not (reason or evidence.reason):
        raise ProjectError(
            f"{tweak.phase} {tweak.name} is not to be accepted: {'; '.join(against)}",
            hint=(
                f"{'scaffold verify' if stale else 'change it and verify again'}, or scaffold"
                f" {tweak.phase} drop; or accept it all the same, with your reason on record:"
                f' scaffold {tweak.phase} accept --reason "..."'
            ),
        )
    return judgment


def _merge_base_branch(
    project: Project, repository: Repository, tweak: Tweak, base_branch: str, present: str
) -> str:
    """Return a commit that merges the moved base branch into the tweak with its edits.

    Raises:
        ProjectError: they conflict; the files are marked as `git merge` marks them.
    """
    message = f"Merge {base_branch} into {tweak.branch}\n"
    edited = make_commit(repository, present, f"{tweak.milestone}: its last edits\n", ["HEAD"])
    merged = merge_aside(repository, edited, f"refs/heads/{base_branch}")
    if not merged.stages:
        return make_commit(repository, merged.tree, message, [edited, f"refs/heads/{base_branch}"])
    theirs = repository.call("rev-parse", f"refs/heads/{base_branch}")
    branch = f"refs/heads/{present_branch(repository)}"
    move(
        project,
        Move(
            title=f"{tweak.phase} accept",
            refs={branch: edited},
            present=present,
            files=merged.tree,
            merging=Merging(theirs=theirs, message=message, stages=merged.stages),
        ),
    )
    raise conflict_error(base_branch, merged.conflicts)


def _refuse_moved_base_branch(
    project: Project,
    repository: Repository,
    tweak: Tweak,
    base_branch: str,
    evidence: ChangeEvidence,
    reason: str,
) -> None:
    """Raise ProjectError if the base branch is not what the tweak was compared with."""
    parted = common_ancestor(repository, f"refs/heads/{base_branch}", "HEAD")
    has_moved = snapshot_id(repository, f"refs/heads/{base_branch}") != snapshot_id(
        repository, parted
    )
    if has_moved:
        raise ProjectError(
            f"{base_branch} has another system by now than the one that {tweak.phase} {tweak.name}"
            " started from",
            hint=(
                f"git merge {shlex.quote(base_branch)}, then scaffold verify: the change is judged"
                " against what is there now"
            ),
        )
    against = snapshot_id(repository, commit_before(project, repository, tweak))
    if not reason and evidence.before.snapshot != against:
        raise ProjectError(
            f"{tweak.phase} {tweak.name} was judged against another state than that of"
            f" {base_branch}",
            hint="scaffold verify",
        )


def _refuse_conflicts(repository: Repository) -> None:
    """Raise ProjectError for conflicts that no git operation explains, as after `git stash pop`."""
    listed = repository.call("diff", "--name-only", "-z", "--diff-filter=U")
    unresolved = [name for name in listed.split("\0") if name]
    if unresolved:
        raise ProjectError(
            f"conflicts are not resolved in {', '.join(unresolved)}", hint="git status"
        )


def drop_tweak(project: Project, phase: str, *, include_large: bool = False) -> Decided:
    """End the open tweak without merging; its base branch gets the record, a tag keeps the code.

    New files of data/ stay where they are.

    Args:
        project: whose tweak it is.
        phase: `tweak` or `rewrite`.
        include_large: let the tag keep new files also where they are binary, or large together.

    Raises:
        ProjectError: what is not committed elsewhere in the project is in the way, or it has new
            files that git should not keep.
    """
    with only_one(project):  # not while runs of it are being made
        return _drop(project, phase, include_large)


def _drop(project: Project, phase: str, include_large: bool) -> Decided:
    repository = project_repository(project.root)
    tweak = _require_tweak(project, repository, phase)
    branch = present_branch(repository)
    base_branch = require_base_branch(repository, tweak)
    require_not_elsewhere(repository, base_branch)
    evidence = read_change(project, tweak.name)
    if branch == base_branch:
        raise ProjectError(
            f"the edits of {tweak.phase} {tweak.name} lie on {base_branch} itself, so that dropping"
            " it would take back commits",
            hint=(
                "take them back with git revert (of a merge: git revert -m 1 COMMIT), the"
                " declaration too"
            ),
        )
    new_files = find_new_files(repository, PATHS)
    untracked = [file for file in new_files if file.path.startswith("data/")]
    committed = [file for file in new_files if file not in untracked]
    if not include_large:
        require_small(committed, f"scaffold {phase} drop")
    present = tree_with_edits(repository, (*PATHS, *record_paths(tweak)), tracked_only=("data",))
    last = make_commit(repository, present, f"Drop {tweak.milestone}: its last state\n", ["HEAD"])
    _, record, page = record_paths(tweak)
    verdict, files = "before it was judged", {}
    if evidence is not None:
        evidence = with_decision(evidence, decision="dropped")
        files[record] = record_text(evidence)
        verdict = ChangeJudgment.from_mapping(evidence.judgment).verdict.value
    files[page] = page_of(tweak, evidence)
    message = f"Drop {tweak.milestone}: {verdict}\n\nIts code: tag dropped/{tweak.name}\n"
    tree = tree_with_files(repository, files, base=f"refs/heads/{base_branch}")
    commit = make_commit(repository, tree, message, [f"refs/heads/{base_branch}"])
    refs = {
        f"refs/tags/dropped/{tweak.name}": last,
        f"refs/heads/{base_branch}": commit,
        f"refs/heads/{branch}": None,
    }
    move(project, Move(title=f"{phase} drop", refs=refs, branch=base_branch, present=present))
    forget_tweak(project, tweak)
    return Decided(
        tweak=tweak,
        evidence=evidence,
        base_branch=base_branch,
        commit=commit,
        committed=tuple(committed),
        untracked=tuple(untracked),
    )
