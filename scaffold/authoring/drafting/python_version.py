"""Find the Python version that a source states."""

import re

from scaffold.authoring.drafting.poetry import poetry_specifier
from scaffold.authoring.drafting.source_files import SourceFiles
from scaffold.records.draft import Citation

_OF_BOTH = re.compile(r"(python\s*)2\.\d\s*(?:or|and|/|,|&)\s*(3\.\d)", re.IGNORECASE)
"""`Python 2.7 or 3.6`: the later one is meant here."""


def find_python(files: SourceFiles) -> tuple[str, Citation] | None:
    """Return the Python version that the source states, as a range, and where."""
    stated = re.compile(
        r"(?<![\w-])(?:python_requires\s*=|requires-python\s*=|python_version\s*=|python\s*[=<>]|^python\s*=)\s*[\"']?"
        r"(?P<spec>[=<>~^!]*\s*\d+(?:\.\d+|\.\*)*(?:\s*,\s*[<>=!]+\s*[\d.*]+)*)",
        re.IGNORECASE,
    )
    prose = re.compile(
        r"python\s*(?:version\s*)?\(?(?P<op>>=|>|==|="
        r"|≥)?\s*v?(?P<version>[23](?:\.\d+)?)(?:\.\d+)?(?![\w.]*\w)\)?\s*"
        r"(?P<more>\+|or (?:later|newer|higher|above))?",
        re.IGNORECASE,
    )
    for path in files.at_root(
        r"setup\.(py|cfg)|pyproject\.toml|pipfile|(conda[\w.-]*|[\w-]*env(ironment)?)\.ya?ml|requirements\.txt"
    ):
        for number, line in enumerate(files.lines(path), start=1):
            match = stated.search(line)
            if match:
                return _range(match["spec"]), files.cite(path, number)
    for path in files.readmes()[:1]:
        for number, line in enumerate(files.lines(path), start=1):
            match = prose.search(_OF_BOTH.sub(r"\1\2", line))
            if match and "shields.io" not in line:
                at_least = match["op"] in (">=", ">", "≥") or match["more"]
                version = match["version"]
                return f">={version}" if at_least else f"=={version}.*", files.cite(path, number)
    return None


def _range(text: str) -> str:
    text = re.sub(r"\s+", "", text)
    if re.match(r"\^|~(?!=)", text):
        return poetry_specifier(text) or text
    if text[:1].isdecimal() or re.match(r"=\d", text):
        version = text.lstrip("=")
        return (
            f"=={version}" if version.count(".") > 1 or version.endswith("*") else f"=={version}.*"
        )
    return text
