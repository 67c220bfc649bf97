"""Find the branch that a tweak came from, and the commit it is compared with."""

import shlex

from scaffold.errors import ProjectError
from scaffold.git.history import branches, find_branch, is_ancestor
from scaffold.git.repository import Repository
from scaffold.git.snapshots import snapshot_id, worktree_id
from scaffold.project.project import Project
from scaffold.records.tweak import Tweak
from scaffold.tweak.store import BRANCHES, accepted

VENDOR_BRANCHES = ("reference", "template")


def refuse_vendor(branch: str) -> None:
    """Raise ProjectError if this is a branch that only brings in what others made."""
    if branch in VENDOR_BRANCHES:
        raise ProjectError(
            f"{branch} is a vendor branch, nobody works on it", hint="git switch main"
        )


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


def find_unjudged_edits(project: Project, repository: Repository) -> str | None:
    """Return the newest judged commit, where src/ here is another state; None where it is that."""
    judged = find_judged(project, repository, "HEAD")
    if judged is None or snapshot_id(repository, judged) == worktree_id(project):
        return None
    return judged


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
    local_branches = branches(repository)
    if tweak.base_branch in local_branches:
        return tweak.base_branch
    present = find_branch(repository)
    others = [
        name
        for name in local_branches
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
        available = ", ".join(branches(repository))
        raise ProjectError(
            f"there is no branch {tweak.base_branch}, from which {tweak.phase} {tweak.name} was"
            f" started; there are: {available}",
            hint=(
                f"bring it back: git branch {shlex.quote(tweak.base_branch)}"
                f" {shlex.quote('origin/' + tweak.base_branch)}; or name the one to merge into: git"
                f" branch {shlex.quote(tweak.base_branch)} BRANCH"
            ),
        )
    return base_branch
