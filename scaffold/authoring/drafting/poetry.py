"""Versions as Poetry and Pipfiles state them."""

import re

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version


def poetry_specifier(text: str) -> str | None:
    """Return what PEP 440 writes for Poetry's version; "" for any, None for what it cannot say.

    See https://python-poetry.org/docs/dependency-specification/#version-constraints.
    """
    parts = [part for part in re.split(r",|\s+(?=[<>=!~^])", text.strip()) if part.strip()]
    try:
        specifier = ",".join(filter(None, map(_one, parts)))
        SpecifierSet(specifier)
    except (InvalidSpecifier, InvalidVersion):
        return None  # such as a union, 1.2 || 1.4
    return specifier


def _one(part: str) -> str:
    plain = re.sub(r"\s+", "", part)
    if plain == "*":
        return ""
    if plain[0] in "^~" and not plain.startswith("~="):
        return _bounded(plain[0], plain[1:])
    if re.match(r"=?\d", plain):
        return "==" + plain.lstrip("=")
    return plain


def _bounded(sign: str, version: str) -> str:
    """`^` lets all after the first number that is not 0 grow; `~` the last, of three or more."""
    release = Version(version).release
    if sign == "^":
        place = next((i for i, number in enumerate(release) if number), len(release) - 1)
    else:
        place = min(1, len(release) - 1)
    most = (*release[:place], release[place] + 1)
    return f">={version},<{'.'.join(map(str, most))}"
