"""Text that must have a form: paths, URLs, pins, patterns.

Each check raises ValueError that says what to write.
"""

import math
import re
import string
from collections.abc import Collection, Mapping
from typing import Annotated, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import AfterValidator, Discriminator, Field, WithJsonSchema

_WINDOWS_NAMES = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)),
}


def check_relpath(text: str) -> str:
    """Return a path that stays inside its folder on every file system, or raise ValueError."""
    parts = text.split("/")
    if not text or "\\" in text or ":" in text or any(ord(character) < 32 for character in text):
        raise ValueError("must be a relative path with / between its parts")
    if text.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise ValueError("must stay inside its folder: no leading /, no empty part, no . or ..")
    if any(
        part.rstrip(". ").lower() in (".git", "git~1")
        or part.split(".")[0].lower() in _WINDOWS_NAMES
        for part in parts
    ):
        raise ValueError("must not name .git or a reserved device name")
    return text


def check_git_url(url: str) -> str:
    """Accept https, ssh and absolute file URLs without credentials; raise ValueError otherwise."""
    allowed = re.fullmatch(
        r"(https://[^/@\s]+/\S+|ssh://(\w+@)?[^/\s:]+(:\d+)?/\S+|file:///\S+)", url
    )
    if not allowed or "%2e" in url.lower() or "/../" in url + "/" or "::" in url:
        raise ValueError(
            "must be an https://, ssh:// or file:/// URL without credentials, .. or options"
        )
    return url


def _full_revision(text: str) -> str:
    if re.fullmatch(r"[0-9a-f]{40}", text):
        return text
    if re.fullmatch(r"[0-9a-fA-F]{4,40}", text):
        raise ValueError(
            f"{len(text)} characters are not a full revision: write all 40 lower-case hex digits"
        )
    raise ValueError("a branch or tag moves: write the full 40 hex digits that it names today")


def _sha256(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError("must be the 64 hex digits that `sha256sum FILE` prints")
    return text


def _line_pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"is not a regular expression: {error}") from error
    return text


def _output_path(text: str) -> str:
    check_relpath(text.replace(":", "_"))  # a run names its own files; here they are only read
    return text


def _pattern(text: str) -> str:
    try:
        groups = re.compile(text).groupindex
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"is not a regular expression: {error}") from error
    if "value" not in groups:
        raise ValueError(
            "must have a group (?P<value>...) around the number (and may have (?P<step>...))"
        )
    return text


def _requirement(text: str) -> str:
    try:
        parsed = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(f"is not a package requirement: {error}") from error
    if parsed.url:
        raise ValueError("a package by URL has no version to pin: name it by version")
    return text


def _specifier(text: str) -> str:
    try:
        SpecifierSet(text)
    except InvalidSpecifier as error:
        raise ValueError("must be a version range such as '>=3.10,<3.13'") from error
    return text


def _scalar(value: Any) -> Any:
    if not isinstance(value, (bool, int, float, str)):
        raise ValueError("must be one number, text, true or false")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a finite number")
    # A document's numbers remember how they were written, which a value of a program does not.
    return float(value) if isinstance(value, float) else value


def check_one_line(text: str) -> str:
    """Accept text that is shown as it is; raise ValueError otherwise."""
    if not text.isprintable():
        raise ValueError("must be one line without control characters")
    return text


def _id(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", text):
        raise ValueError("must be lower-case letters, digits and single dashes")
    return text


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", text):
        raise ValueError("must be a lower-case name of letters, digits and underscores")
    return text


RelPath = Annotated[str, AfterValidator(check_relpath)]
GitUrl = Annotated[str, AfterValidator(check_git_url)]
Revision = Annotated[str, AfterValidator(_full_revision)]
Sha256 = Annotated[str, AfterValidator(_sha256)]
OutputPath = Annotated[str, AfterValidator(_output_path)]
Pattern = Annotated[str, AfterValidator(_pattern)]
LinePattern = Annotated[str, AfterValidator(_line_pattern)]
Id = Annotated[str, AfterValidator(_id)]
Name = Annotated[str, AfterValidator(_name)]
WHOLE = {"fraction": 1.0, "percent": 100.0}
"""The whole of what a metric is a share of, by its unit; other units have none."""

Text = Annotated[str, Field(min_length=1), AfterValidator(check_one_line)]
OneLine = Annotated[str, AfterValidator(check_one_line)]
PackageRequirement = Annotated[str, AfterValidator(_requirement)]
Specifier = Annotated[str, AfterValidator(_specifier)]
Scalar = Annotated[
    Any,
    AfterValidator(_scalar),
    WithJsonSchema({"type": ["boolean", "integer", "number", "string"]}),
]


def scalar_like(present: Scalar, text: str) -> Scalar:
    """Convert a text to the type of the present value.

    Raises:
        ValueError: it is none, or no finite number.
    """
    if isinstance(present, bool):
        if text not in ("true", "false"):
            raise ValueError(f"must be true or false, as {str(present).lower()} is")
        return text == "true"
    try:
        value = type(present)(text)
    except ValueError:
        type_name = type(present).__name__
        raise ValueError(f"{text!r} must be of type {type_name}, such as {present!r}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be finite")
    return value


def keys_of(data: Any) -> Collection[str]:
    """Return the keys of a mapping, or those that a record of its type is written with."""
    if isinstance(data, Mapping):
        return data
    return [field.alias or name for name, field in getattr(type(data), "model_fields", {}).items()]


def by_key(*keys: str) -> Discriminator:
    """Tell the members of a union apart by the one key that only they have."""

    def choose(data: Any) -> str | None:
        present = [key for key in keys if key in keys_of(data)]
        return f"<{present[0]}>" if len(present) == 1 else None

    allowed = ", ".join(keys)
    return Discriminator(
        choose, custom_error_type="one_of", custom_error_message=f"Give exactly one of: {allowed}"
    )


def find_slots(text: str) -> list[str]:
    """Return names between single braces; raise ValueError for a lone brace."""
    return [field for _, field, _, _ in string.Formatter().parse(text) if field is not None]


def fill_slots(text: str, values: Mapping[str, object]) -> str:
    """Replace each `{name}` by its value; `{{` is a brace.

    Values are never looked into, as str.format would.
    """
    return "".join(
        literal + ("" if field is None else str(values[field]))
        for literal, field, _, _ in string.Formatter().parse(text)
    )
