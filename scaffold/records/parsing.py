"""YAML text to records, with every problem at once and each with its line. Touches no disk."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from enum import Enum
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from scaffold.errors import BrokenFileError, Problem
from scaffold.records.yaml_text import Place, WrittenLoader

_MOST_CHARACTERS = 1_000_000
"""Of a file that people write; a third of a second to read."""

RecordT = TypeVar("RecordT", bound="Record")


class Record(BaseModel):
    """What is read from or written to a file: frozen, unknown keys refused."""

    # Built at first use: most commands need few of the records.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    @classmethod
    def cross_problems(cls, data: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
        """Return what does not fit together in the raw mapping, as (place, message)."""
        del data  # a record without parts that must agree has nothing to say
        return iter(())


_YAML_MESSAGES = (
    (
        r"mapping values are not allowed",
        "has a second ': ', or is indented wrongly: quote the text",
    ),
    (r"found character '\\t'", "begins with a tab: indent with spaces"),
    (r"found character ('.') that cannot start", r"no text begins with \1 here: quote it"),
    (r"unexpected end of stream", "a quote is not closed; it begins in line {start}"),
    (
        r"expected ',' or '[\]}]'|expected the node content",
        "a bracket is not closed, or lacks a comma; it begins in line {start}",
    ),
    (r"could not find expected ':'", "a key lacks its colon; it begins in line {start}"),
    (r"expected <block end>", "is indented otherwise than the lines before it"),
    (r"constructor for the tag", "tags (!name) are not used here: leave it out"),
)
"""What people can do about what the YAML library says in the words of its grammar."""


def _yaml_message(error: yaml.MarkedYAMLError) -> str:
    """Return what is wrong with a text that is no YAML; the library's words where they are new."""
    own = error.problem or str(error)
    start = error.context_mark or error.problem_mark
    for pattern, message in _YAML_MESSAGES:
        if match := re.search(pattern, own):
            return match.expand(message).replace("{start}", str(start.line + 1 if start else 1))
    return own


def parse_record(record: type[RecordT], text: str, *, source: str) -> RecordT:
    """Read one record from YAML (or JSON, which is YAML).

    Args:
        record: the model to read.
        text: the file's text.
        source: the file's name, for messages.

    Raises:
        BrokenFileError: with all problems, each as `source:line`.
    """
    if len(text) > _MOST_CHARACTERS:
        message = f"has {len(text)} characters; at most {_MOST_CHARACTERS} are read"
        raise BrokenFileError(source, [Problem(source=source, line=1, where="", message=message)])
    try:
        loader = WrittenLoader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"has the character {text[error.position]!r}, which no text file has: remove it"
        raise BrokenFileError(
            source, [Problem(source=source, line=line, where="", message=message)]
        ) from error
    try:
        node = loader.get_single_node()
        if node is None:
            raise BrokenFileError(
                source, [Problem(source=source, line=1, where="", message="the file is empty")]
            )
        loader.locate(node, ())
        data = loader.construct_document(node)  # type: ignore[no-untyped-call]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise BrokenFileError(
            source, [Problem(source=source, line=line, where="", message=_yaml_message(error))]
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        message = "is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise BrokenFileError(
            source, [Problem(source=source, line=1, where="", message=message)]
        ) from error
    finally:
        loader.dispose()  # type: ignore[no-untyped-call]
    crossing = list(record.cross_problems(data)) if isinstance(data, Mapping) else []
    try:
        parsed = record.model_validate(data)
    except ValidationError as error:
        crossing = [
            (_known(detail["loc"], loader.lines), _message(detail)) for detail in _details(error)
        ] + crossing
        raise BrokenFileError(source, _problems(crossing, loader.lines, source)) from error
    if crossing:
        raise BrokenFileError(source, _problems(crossing, loader.lines, source))
    return parsed


def _details(error: ValidationError) -> list[Any]:
    # A tuple whose items are wrong is also called too short, since none of them was accepted.
    return [
        d for d in error.errors(include_url=False) if not (d["type"] == "too_short" and d["input"])
    ]


def _problems(
    issues: Iterable[tuple[Place, str]], lines: dict[Place, int], source: str
) -> list[Problem]:
    problems: dict[tuple[str, str], Problem] = {}
    for path, message in issues:
        line = next(lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in lines)
        problem = Problem(source=source, line=line, where=_dotted(path), message=message)
        problems.setdefault((problem.where, problem.message), problem)
    return sorted(problems.values(), key=lambda problem: problem.line)


def _known(loc: tuple[str | int, ...], lines: dict[Place, int]) -> Place:
    """Return pydantic's address without the tags for the tried members of a union."""
    path: Place = ()
    for part in loc[:-1]:
        if (*path, part) in lines:
            path = (*path, part)
    last = loc[-1:] if loc else ()
    return (
        path if (last and str(last[0]).endswith(")")) or _is_tag(last, path, lines) else path + last
    )


def _is_tag(last: Place, path: Place, lines: dict[Place, int]) -> bool:
    return (
        bool(last)
        and isinstance(last[0], str)
        and last[0].startswith("<")
        and (*path, last[0]) not in lines
    )


def _dotted(path: Place) -> str:
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def _message(detail: Any) -> str:
    kind, value = detail["type"], detail["input"]
    if kind == "missing":
        return "is missing: add it"
    if kind == "union_tag_not_found":
        return f"lacks its kind: add kind, one of {detail['ctx']['expected_tags']}"
    if kind == "union_tag_invalid":
        return (
            f"{detail['ctx']['tag']!r} is not a known kind: there are"
            f" {detail['ctx']['expected_tags']}"
        )
    if kind == "extra_forbidden":
        return "is not a key that is known here: remove it or correct its name"
    if kind == "model_type":
        return "must be a mapping of keys"
    message = str(detail["msg"]).removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if isinstance(value, (str, int, float, bool)) and repr(value) not in message:
        shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
        message += f" (found {shown})"
    return message


def digest(content: Any) -> str:
    """Return the sha256 of the canonical JSON of records, mappings and sequences."""

    def plain(value: Any) -> Any:
        if isinstance(value, Record):
            return value.model_dump(mode="json", by_alias=True)
        if isinstance(value, (Enum, date)):
            return str(value)
        raise TypeError(type(value).__name__)

    text = json.dumps(
        content, sort_keys=True, separators=(",", ":"), default=plain, allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()
