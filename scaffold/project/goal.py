"""Read and write goal.yaml: the bound, what difference matters, what is good enough."""

from typing import Any

from scaffold.errors import BrokenFileError, UsageError
from scaffold.project.files import write_text
from scaffold.project.project import Project, load_yaml
from scaffold.project.schemas import editor_line
from scaffold.records.goal import Goal
from scaffold.records.parsing import parse_record
from scaffold.records.yaml_text import dump_yaml


def read_goal(project: Project) -> Goal:
    """Return the goal; an empty one where none was set.

    Raises:
        BrokenFileError: with all problems of the file.
    """
    return load_yaml(Goal, project.goal) if project.goal.exists() else Goal()


def change_goal(project: Project, **changes: Any) -> Goal:
    """Write the goal with some changes, and return it.

    Raises:
        UsageError: what was said cannot stand in goal.yaml; nothing is written.
    """
    document = {**read_goal(project).model_dump(mode="json", exclude_none=True), **changes}
    text = dump_yaml(document)
    try:
        goal = parse_record(Goal, text, source="goal.yaml")
    except BrokenFileError as error:
        problems = "; ".join(f"{one.where}: {one.message}" for one in error.problems)
        raise UsageError(f"this cannot stand in goal.yaml: {problems}") from error
    write_text(project.goal, editor_line("goal") + text)
    return goal
