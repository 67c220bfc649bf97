"""The reference of files and of `--json` answers as Markdown, made from their JSON schemas."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from scaffold.glossary import read_keys
from scaffold.views.kinds import KINDS
from scaffold.views.schemas import FILES, make_schemas

Schema = Mapping[str, Any]

_WHERE = {
    "recipe": "recipe.yaml",
    "system": "system.yaml",
    "tweak": "tweaks/*.yaml",
    "milestones": "milestones.yaml",
    "goal": "goal.yaml",
    "engines": "engines.yaml",
}
_LIMITS = {
    "exclusiveMinimum": "above",
    "minimum": "at least",
    "exclusiveMaximum": "below",
    "maximum": "at most",
    "minItems": "at least",
    "maxItems": "at most",
}
_WORDS = {
    "string": "text",
    "integer": "whole number",
    "boolean": "true or false",
    "null": "nothing",
    "array": "list",
    "object": "keys with values",
}


def files_reference() -> str:
    """Return a section for each file that people write, and for each part of several files.

    Raises:
        InstallationError: this installation has no docs.
    """
    schemas = make_schemas()
    keys = read_keys()
    files = [schemas[f"{name}.schema.json"] for name in FILES]
    lines = []
    for name, schema in zip(FILES, files, strict=True):
        lines += _section(_WHERE[name], schema, keys.get(_WHERE[name], {}))
    lines += ["# Parts of these files", ""]
    return "\n".join(lines + _sections(files))


def answers_reference() -> str:
    """Return which shape each kind of answer has, and a section for each shape."""
    lines = ["| kind | shape |", "|---|---|"]
    lines += [f"| `{kind}` | {_link(shape.__name__)} |" for kind, shape in KINDS.items()]
    return "\n".join(
        [*lines, "", "# Shapes", "", *_sections([make_schemas()["answers.schema.json"]])]
    )


def _sections(schemas: Iterable[Schema]) -> list[str]:
    parts: dict[str, Schema] = {}
    for schema in schemas:
        parts |= schema.get("$defs", {})
    return [line for name in sorted(parts) for line in _section(name, parts[name], {})]


def _section(name: str, schema: Schema, meanings: Mapping[str, str]) -> list[str]:
    """Return a heading, what it is, and a table of its keys; or which values there are."""
    lines = [f"## {name}", "", schema.get("description", ""), ""]
    if "enum" in schema:
        return [*lines, _describe(schema), ""]
    required = schema.get("required", [])
    rows = [
        f"| `{key}` | {_describe(value)} | {_default(value, required=key in required)} |"
        f" {_in_cell(value.get('description') or meanings.get(key, ''))} |"
        for key, value in schema.get("properties", {}).items()
    ]
    return [*lines, "| key | value | default | meaning |", "|---|---|---|---|", *rows, ""]


def _default(value: Schema, *, required: bool) -> str:
    if required:
        return "required"
    default = value.get("default")
    return "" if default in (None, "", [], {}) else f"`{_in_cell(json.dumps(default))}`"


def _describe(value: Schema) -> str:
    """Say which values are allowed, with links to the sections of parts."""
    choices = value.get("anyOf") or value.get("oneOf")
    if "$ref" in value:
        return _link(value["$ref"].rpartition("/")[2])
    if choices:
        return " or ".join(_describe(choice) for choice in choices)
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return ", ".join(f"`{choice}`" for choice in value["enum"])
    kinds = value.get("type", "any value")
    words = [_WORDS.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    text = " or ".join(words)
    if "items" in value:
        text += f" of: {_describe(value['items'])}"
    if isinstance(value.get("additionalProperties"), Mapping):
        text += f", each: {_describe(value['additionalProperties'])}"
    if "pattern" in value:
        text += f" like `{_in_cell(value['pattern'])}`"
    limits = [f"{word} {value[key]}" for key, word in _LIMITS.items() if key in value]
    return ", ".join([text, *limits])


def _link(part: str) -> str:
    return f"[{part}](#{part.lower()})"


def _in_cell(text: str) -> str:
    """Return a text that neither ends a cell of a table nor its line."""
    return " ".join(text.replace("|", "\\|").split())
