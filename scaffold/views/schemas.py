"""JSON schemas of the files that people write, and of every `--json` answer."""

from collections.abc import Mapping
from typing import Any, Union

from pydantic import BaseModel, TypeAdapter

from scaffold.records.engine import Engines
from scaffold.records.goal import Goal
from scaffold.records.recipe import Recipe
from scaffold.records.system import System
from scaffold.records.tweak import Tweak
from scaffold.rules.milestones import Milestones
from scaffold.views.kinds import KINDS

FILES: Mapping[str, type[BaseModel]] = {
    "recipe": Recipe,
    "system": System,
    "tweak": Tweak,
    "milestones": Milestones,
    "goal": Goal,
    "engines": Engines,
}
"""The files that people write, by the names of their schemas."""


def make_schemas() -> dict[str, dict[str, Any]]:
    """Return each schema by the name of its file in docs/schemas."""
    schemas = {
        f"{name}.schema.json": model.model_json_schema(by_alias=True)
        for name, model in FILES.items()
    }
    answers: Any = Union[tuple(KINDS.values())]  # noqa: UP007 - made of a mapping
    schemas["answers.schema.json"] = TypeAdapter(answers).json_schema()
    return schemas
