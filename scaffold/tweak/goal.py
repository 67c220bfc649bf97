"""Write goal.yaml and commit it, where no tweak would take it along."""

from typing import Any

from scaffold.errors import ProjectError
from scaffold.git.history import find_branch
from scaffold.git.repository import Repository
from scaffold.git.transaction import commit_paths
from scaffold.project.goal import change_goal
from scaffold.project.project import Project
from scaffold.records.goal import Goal
from scaffold.tweak.base_branch import refuse_vendor
from scaffold.tweak.store import find_tweak


def save_goal(project: Project, title: str, **changes: Any) -> tuple[Goal, str | None]:
    """Write the goal with some changes and commit it; returns also why it is not, or None.

    Args:
        project: whose goal it is.
        title: the command that says it, without `scaffold`.
        **changes: keys of goal.yaml.

    Raises:
        UsageError: see `change_goal`.
    """
    tweak = find_tweak(project)  # it refuses a broken project before anything is written
    goal = change_goal(project, **changes)
    if tweak is not None:
        return goal, f"{tweak.phase} {tweak.name} is under way, and would take it along"
    try:
        refuse_vendor(find_branch(Repository(project.root)) or "")
    except ProjectError as error:
        return goal, f"{error.message} ({error.hint})"
    return goal, commit_paths(project, ["goal.yaml"], "Say what is good enough\n", title)
