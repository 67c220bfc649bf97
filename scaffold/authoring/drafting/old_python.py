"""Write programs for older Pythons so that today's parser reads them.

Lines keep their numbers. What comes out is parsed, never shown and never run.
"""

import re

_PRINT = re.compile(r"(?P<before>^\s*|[:;]\s+)print(?P<printed>\s+(?![=(]).*|\s*>>.*|\s*)$")
_EXCEPT = re.compile(r"^(\s*except\s+)([^:]+?)\s*,\s*(\w+)\s*:")
_RAISE = re.compile(r"^(\s*raise\s+[\w.]+)\s*,\s*(.+)$")
_EXEC = re.compile(r"^(\s*)exec\s+(?!\()(.+)$")
_STRING = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|#.*")
_WORDS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\basync(?=\s*=[^=])"), "async_"),
    (re.compile(r"\.async\b"), ".async_"),
    (re.compile(r"<>"), "!="),
    (re.compile(r"`([^`\n]+)`"), r"repr(\1)"),
    (re.compile(r"(?<![\w.'\"])0([0-7]+)\b(?!\.)"), r"0o\1"),
    (re.compile(r"\b(\d+)[lL]\b"), r"\1"),
    (re.compile(r"\b[uU][rR](?=['\"])"), "r"),
    (re.compile(r"\blambda\s*\((\w+(?:\s*,\s*\w+)*)\)\s*:"), r"lambda \1:"),
)
ASYNC = re.compile(r"\basync\s*=[^=]|\.async\(")
"""A word of its own since Python 3.7, and an argument of torch's `cuda()` before."""


def modernize(source: str) -> str:
    """Return a program with the statements of Python 2, and the names of Python 3.6, of today."""
    lines = [_modern_line(line.expandtabs(8)) for line in source.split("\n")]
    for index, line in enumerate(lines):
        match = _PRINT.search(line)
        if match is None:
            continue
        printed = match["printed"].strip()
        printed = re.sub(r"^>>\s*[^,]+,?\s*", "", printed)
        lines[index] = f"{line[: match.start()]}{match['before']}print({printed}"
        end = _end_of_statement(lines, index)
        lines[end] = _closed(lines[end])
    return "\n".join(lines)


def _modern_line(line: str) -> str:
    for pattern, text in _WORDS:
        line = pattern.sub(text, line)
    line = _EXCEPT.sub(r"\1\2 as \3:", line)
    line = _RAISE.sub(r"\1(\2)", line)
    return _EXEC.sub(r"\1exec(\2)", line)


def _end_of_statement(lines: list[str], start: int) -> int:
    """Return the line where all brackets but that of `print(` are closed again."""
    depth = -1
    for index in range(start, len(lines)):
        bare = _STRING.sub("", lines[index])
        depth += sum(map(bare.count, "([{")) - sum(map(bare.count, ")]}"))
        if depth <= 0 and not bare.rstrip().endswith("\\"):
            return index
    return start


def _closed(line: str) -> str:
    """Return a line with a bracket more, before its comment."""
    comment = next(
        (match.start() for match in _STRING.finditer(line) if match[0].startswith("#")), len(line)
    )
    return f"{line[:comment].rstrip()}) {line[comment:]}".rstrip()
