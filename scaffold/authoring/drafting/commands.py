"""Find the commands that a source's authors state: in documents, scripts and Makefiles."""

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import NamedTuple

from scaffold.authoring.drafting.command_words import (
    Role,
    StatedCommand,
    asks_to_evaluate,
    close_placeholders,
    is_named_for_training,
    join_path,
    read_words,
    role_of,
    split_words,
)
from scaffold.authoring.drafting.documents import Document, Line
from scaffold.authoring.drafting.source_files import SourceFiles, folder_of

_PROMPT = re.compile(r"^\s*(\$|>{1,3}|%|#\$|\(\w+\)\s*\$|[\w.-]+@[\w.-]+[:~\w/]*\$)\s+")
_SEPARATORS = re.compile(r"\s*(?:&&|\|\||;|\|&?)\s*|\s+&(?:\s+|$)")


def find_commands(files: SourceFiles, documents: Sequence[Document]) -> list[StatedCommand]:
    """Return all commands that start a program of the source, install or download.

    They are in the order in which a reader meets them: documents, scripts, Makefiles.
    """
    commands: list[StatedCommand] = []
    started: dict[str, _Started] = {}
    for document in documents:
        folder = folder_of(document.path)
        for code in document.codes:
            context = " / ".join([*code.section, code.lead])
            commands += _commands(files, document.path, code.lines, folder, context)
            started |= _started_scripts(files, document, code.lines, started)
        for prose in document.prose:
            context = " / ".join([*prose.section, prose.text])
            for line in prose.lines:
                for span in re.findall(r"`([^`]+)`", line.text):
                    stated = Line(text=span, number=line.number)
                    commands += _commands(files, document.path, [stated], folder, context)
                    started |= _started_scripts(files, document, [stated], started)
                commands += _mentioned(files, document.path, line, folder, context)
                if _BARE.match(line.text):
                    bare = Line(text=line.text.lstrip("> "), number=line.number)
                    commands += _commands(files, document.path, [bare], folder, context)
    started |= _mentioned_scripts(files, documents, started)
    scripts = [path for path in sorted(files.texts) if _is_script(path) and path not in started]
    for path in [*started, *scripts]:
        lines = [Line(text=t, number=n) for n, t in enumerate(files.lines(path), start=1)]
        start = started.get(path, _Started(path))
        arguments = {str(number): word for number, word in enumerate(start.arguments, start=1)}
        for command in _commands(files, path, lines, folder_of(path), start.context, arguments):
            commands.append(replace(command, is_named=path in started))
    return _with_trained(commands)


def _with_trained(commands: Sequence[StatedCommand]) -> list[StatedCommand]:
    """Return commands; `train.py --test` trains and tests if it is never stated without --test."""
    trained = {command.program for command in commands if command.role is not Role.EVALUATE}
    return [
        replace(command, role=Role.TRAIN)
        if command.role is Role.EVALUATE
        and command.program not in trained
        and is_named_for_training(command.program)
        and asks_to_evaluate(command.argv)
        else command
        for command in commands
    ]


class _Started(NamedTuple):
    """Where a script is said to be started, and what it is given."""

    context: str
    arguments: tuple[str, ...] = ()


def _is_script(path: str) -> bool:
    name = PurePosixPath(path).name.lower()
    return name.endswith((".sh", ".bash")) or name == "makefile"


def _started_scripts(
    files: SourceFiles, document: Document, lines: Iterable[Line], known: Container[str]
) -> dict[str, _Started]:
    """Return scripts of the source that some lines start."""
    scripts: dict[str, _Started] = {}
    folder = directory = folder_of(document.path)
    for line in lines:
        for part in _SEPARATORS.split(_PROMPT.sub("", line.text).strip()):
            words = split_words(part)
            if words[:1] == ["cd"] and len(words) > 1:
                directory = join_path(directory, words[1])
                continue
            named = [word for word in words[:3] if _is_script(word)]
            is_start = words[:1] and (words[0] in _SHELLS or words[0] in named)
            for base in (directory, folder, ""):
                path = join_path(base, named[0]) if named and is_start else ""
                if path in files.texts and path not in known:
                    arguments = words[words.index(named[0]) + 1 :]
                    context = f"{document.path} / {line.text.strip()}"
                    scripts.setdefault(path, _Started(context, tuple(arguments)))
                    break
    return scripts


def _mentioned_scripts(
    files: SourceFiles, documents: Iterable[Document], known: Container[str]
) -> dict[str, _Started]:
    """Return scripts of the source whose names a text says, in the order in which it does."""
    names = {PurePosixPath(path).name: path for path in sorted(files.texts) if _is_script(path)}
    return {
        names[name]: _Started(f"{document.path} / {line.text.strip()}")
        for document in documents
        for prose in document.prose
        for line in prose.lines
        for name in re.findall(r"[\w.-]+\.(?:ba)?sh\b", line.text)
        if name in names and names[name] not in known
    }


_BARE = re.compile(r"\s*(>\s*)?(\$\s*)?(python[23]?|\./)\s*\S+\.py\b")
"""A line of text that is a command, without a mark that it is one."""

_SHELLS = {"bash", "sh", "zsh", "source", "."}
_MENTION = re.compile(
    r"(?<![\w/.-])(?P<program>[\w./-]*\w\.py)(?![\w-])|`(?P<span>[\w./-]*\w\.py)`"
)
_STARTS = re.compile(
    r"\b(run|running|execute[sd]?|executing|train\w*|launch\w*|start\w*)\b", re.IGNORECASE
)


def _mentioned(
    files: SourceFiles, path: str, line: Line, folder: str, context: str
) -> Iterator[StatedCommand]:
    """Yield programs that a sentence says to run without writing a command."""
    words_around = _MENTION.sub("", line.text)
    if "python" in words_around.lower() or not _STARTS.search(words_around):
        return
    for match in _MENTION.finditer(line.text):
        words = ["python", match["span"] or match["program"]]
        stated = read_words(files, words, folder, "")
        if stated is not None and stated[1]:
            yield StatedCommand(
                argv=stated[0],
                program=stated[1],
                directory=stated[2],
                variables={},
                role=role_of(stated[0], stated[1]),
                place=files.cite(path, line.number),
                context=context,
                is_mentioned=True,
            )


_NO_ARGUMENTS: Mapping[str, str] = MappingProxyType({})


def _commands(
    files: SourceFiles,
    path: str,
    lines: Iterable[Line],
    folder: str,
    context: str,
    arguments: Mapping[str, str] = _NO_ARGUMENTS,
) -> Iterator[StatedCommand]:
    """Yield the commands of some lines of shell; what is no command is passed over.

    `arguments` are those of a script by their numbers.
    """
    directory = ""
    comment = ""
    values = dict(arguments)
    for text, number, flags in _joined(lines):
        stripped = _expanded(_PROMPT.sub("", text).strip().lstrip("@"), values)
        assignment = _ASSIGNMENT.fullmatch(stripped)
        if assignment:
            values[assignment["name"]] = assignment["value"].strip("\"'")
            continue
        loop = _LOOP.match(stripped)
        if loop:
            values[loop["name"]] = loop["first"].strip("\"'")
            stripped = _expanded(loop["body"] or "", values)
        if stripped.startswith("#"):
            comment = stripped.lstrip("# ")
            continue
        for part in _SEPARATORS.split(close_placeholders(stripped)):
            words = split_words(part)
            if not words:
                continue
            if words[0] == "cd" and len(words) > 1:
                directory = join_path(directory, words[1])
                continue
            command = read_words(files, words, folder, directory)
            if command is not None:
                yield StatedCommand(
                    argv=command[0],
                    program=command[1],
                    directory=command[2],
                    variables=command[3],
                    role=role_of(command[0], command[1]),
                    place=files.cite(path, number),
                    places={flag: files.cite(path, line) for flag, line in flags.items()},
                    context=" / ".join(filter(None, [context, comment])),
                )
        comment = comment if not stripped else ""


_ASSIGNMENT = re.compile(
    r"(export )?(?P<name>[A-Za-z_]\w*)\s*(=|:=|\?=)\s*(?P<value>'[^']*'|\"[^\"$]*\"|[^\s$;|&`]*)"
)
"""Of a shell script without spaces, of a Makefile with them."""


_LOOP = re.compile(
    r"for\s+(?P<name>[A-Za-z_]\w*)\s+in\s+(?P<first>[^\s;$(`]+)[^;]*(;\s*do\b\s*(?P<body>.*))?$"
)
"""Of a loop the first round is read: `for model in resnet20 resnet32; do`."""


def _expanded(text: str, values: Mapping[str, str]) -> str:
    """Return a line with the variables that the lines above it set."""
    for name, value in values.items():
        text = re.sub(rf"\$(\({name}\)|\{{{name}\}}|{name}\b)", lambda _, v=value: v, text)  # type: ignore[misc]
    return text


def _joined(lines: Iterable[Line]) -> Iterator[tuple[str, int, dict[str, int]]]:
    """Yield logical lines: those that end in a backslash go on in the next.

    Each with the number of its first line and, of several, those of its flags.
    """
    parts: list[str] = []
    first = 0
    flags: dict[str, int] = {}
    for line in lines:
        first = first if parts else line.number
        text = line.text.rstrip()
        if line.number > first:
            flags |= dict.fromkeys(re.findall(r"(?<!\S)--?[A-Za-z][\w.-]*", text), line.number)
        if text.endswith("\\"):
            parts.append(text[:-1])
            continue
        yield " ".join([*parts, text.strip() if parts else text]), first, flags
        parts, flags = [], {}
    if parts:
        yield " ".join(parts), first, flags
