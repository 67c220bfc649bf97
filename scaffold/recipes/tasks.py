"""Tasks by the ids of https://huggingface.co/tasks, with the words that people have for them."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task: its id, its modality, and all that is said of it.

    `words` are what people call it and what they do with it; `page` is what the Hub says of it.
    """

    id: str
    name: str
    modality: str
    words: str
    page: str


@functools.cache
def all_tasks() -> tuple[Task, ...]:
    """Return every task; `tasks.json` says where it comes from."""
    document = json.loads(Path(__file__).with_name("tasks.json").read_text(encoding="utf-8"))
    return tuple(
        Task(
            id=task["id"],
            name=task["name"],
            modality=task["modality"],
            words=task["words"],
            page=" ".join([*task["subtasks"], task["summary"], task["uses"]]),
        )
        for task in document["tasks"]
    )


def modality_of(task_id: str) -> str | None:
    """Return the modality of a task; None for one that is in no list."""
    return next((task.modality for task in all_tasks() if task.id == task_id), None)
