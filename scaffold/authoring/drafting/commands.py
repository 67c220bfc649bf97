"""Find the commands that a source's authors state: in documents, scripts and Makefiles."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import PurePosixPath

from scaffold.authoring.drafting.documents import Document, Line
from scaffold.authoring.drafting.source_files import SourceFiles
from scaffold.records.draft import Citation


class Role(str, Enum):
    """What a stated command is for."""

    INSTALL = "install"
    PREPARE = "prepare"
    TRAIN = "train"
    EVALUATE = "evaluate"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedCommand:
    """A command as its authors wrote it.

    Attributes:
        argv: its words.
        program: the Python file that it runs, as a path in the source; empty if it runs none.
        directory: where it is run, from the root; empty for the root.
        variables: of its environment.
        role: what it is for.
        place: where it stands.
        context: headings above it and prose before it.
        places: of its flags, where it takes several lines.
        is_named: in a script that a document says to run.
        is_mentioned: only its program is named, in a sentence that says to run it.
    """

    argv: tuple[str, ...]
    program: str
    directory: str
    variables: Mapping[str, str]
    role: Role
    place: Citation
    context: str
    places: Mapping[str, Citation] = field(default_factory=dict)
    is_named: bool = False
    is_mentioned: bool = False

    @property
    def text(self) -> str:
        """Return the command as one line."""
        return shlex.join(self.argv)


_PYTHON = re.compile(r"^(.*/)?(python|python[23](\.\d+)?|ipython)$")
_LAUNCHERS = {
    "torchrun",
    "accelerate",
    "deepspeed",
    "horovodrun",
    "mpirun",
    "srun",
    "nohup",
    "time",
}
_PROMPT = re.compile(r"^\s*(\$|>>>?|%|#\$|\(\w+\)\s*\$|[\w.-]+@[\w.-]+[:~\w/]*\$)\s+")
_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*=")
_SEPARATORS = re.compile(r"\s*(?:&&|\|\||;|\|&?)\s*")
_INSTALLERS = {"pip", "pip3", "conda", "mamba", "apt", "apt-get", "brew", "poetry", "uv"}
_DOWNLOADERS = {"wget", "curl", "gdown", "unzip", "tar", "aria2c"}
_WORDS: tuple[tuple[Role, re.Pattern[str]], ...] = (
    (
        Role.PREPARE,
        re.compile(
            r"prepar|preproc|download|get_?data|build_?(corpus|graph|vocab)|convert|tokeniz|make_?data|fetch"
        ),
    ),
    (
        Role.EVALUATE,
        re.compile(r"eval|test|valid(?!ation_)|predict_?eval|score|benchmark|inference"),
    ),
    (
        Role.OTHER,
        re.compile(
            r"sampl|generat|demo|predict|plot|visual|export|serve|app\b|gradio|tensorboard|infer|tun(e|ing)\b|sweep|search"
        ),
    ),
    (Role.TRAIN, re.compile(r"train|main|run|fit|pretrain|finetun|experiment|learn|exp\b")),
)


def find_commands(files: SourceFiles, documents: Iterable[Document]) -> list[StatedCommand]:
    """Return all commands that start a program of the source, install or download.

    In the order in which a reader meets them: documents, then scripts, then Makefiles.
    """
    commands: list[StatedCommand] = []
    started: dict[str, str] = {}
    for document in documents:
        folder = _folder(document.path)
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
    scripts = [path for path in sorted(files.texts) if _is_script(path) and path not in started]
    for path in [*started, *scripts]:
        lines = [Line(text=t, number=n) for n, t in enumerate(files.lines(path), start=1)]
        context = started.get(path, path)
        for command in _commands(files, path, lines, _folder(path), context):
            commands.append(replace(command, is_named=path in started))
    return commands


def _is_script(path: str) -> bool:
    name = PurePosixPath(path).name.lower()
    return name.endswith((".sh", ".bash")) or name == "makefile"


def _started_scripts(
    files: SourceFiles, document: Document, lines: Iterable[Line], known: Mapping[str, str]
) -> dict[str, str]:
    """Return scripts of the source that some lines start, each with where that is said."""
    scripts: dict[str, str] = {}
    folder = directory = _folder(document.path)
    for line in lines:
        for part in _SEPARATORS.split(_PROMPT.sub("", line.text).strip()):
            words = _split(part)
            if words[:1] == ["cd"] and len(words) > 1:
                directory = _join(directory, words[1])
                continue
            named = [word for word in words[:3] if _is_script(word)]
            is_start = words[:1] and (words[0] in _SHELLS or words[0] in named)
            for base in (directory, folder, ""):
                path = _join(base, named[0]) if named and is_start else ""
                if path in files.texts and path not in known:
                    scripts.setdefault(path, f"{document.path} / {line.text.strip()}")
                    break
    return scripts


_SHELLS = {"bash", "sh", "zsh", "source", "."}
_MENTION = re.compile(
    r"(?<![\w/.-])(?P<program>[\w./-]*\w\.py)(?![\w-])|`(?P<span>[\w./-]*\w\.py)`"
)
_STARTS = re.compile(r"\b(run|running|execut\w*|train\w*|launch\w*|start\w*)\b", re.IGNORECASE)


def _mentioned(
    files: SourceFiles, path: str, line: Line, folder: str, context: str
) -> Iterator[StatedCommand]:
    """Yield programs that a sentence says to run without writing a command."""
    words_around = _MENTION.sub("", line.text)
    if "python" in words_around.lower() or not _STARTS.search(words_around):
        return
    for match in _MENTION.finditer(line.text):
        words = ["python", match["span"] or match["program"]]
        found = _stated(files, words, folder, "")
        if found is not None and found[1]:
            yield StatedCommand(
                argv=found[0],
                program=found[1],
                directory=found[2],
                variables={},
                role=_role(found[0], found[1]),
                place=files.cite(path, line.number),
                context=context,
                is_mentioned=True,
            )


def read_command(files: SourceFiles, text: str) -> StatedCommand | None:
    """Return a command that a person names, with an empty place; None if it runs no program."""
    words = _split(text)
    stated = _stated(files, words, "", "") if words else None
    if stated is None or not stated[1]:
        return None
    return StatedCommand(
        argv=stated[0],
        program=stated[1],
        directory=stated[2],
        variables=stated[3],
        role=Role.TRAIN,
        place=NO_PLACE,
        context="",
    )


NO_PLACE = Citation(path="", line=1, words="")
"""Of what a person said."""


def _folder(path: str) -> str:
    folder = str(PurePosixPath(path).parent)
    return "" if folder == "." else folder


def _commands(
    files: SourceFiles, path: str, lines: Iterable[Line], folder: str, context: str
) -> Iterator[StatedCommand]:
    """Yield the commands of some lines of shell; what is no command is passed over."""
    directory = ""
    comment = ""
    values: dict[str, str] = {}
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
        for part in _SEPARATORS.split(stripped):
            words = _split(part)
            if not words:
                continue
            if words[0] == "cd" and len(words) > 1:
                directory = _join(directory, words[1])
                continue
            command = _stated(files, words, folder, directory)
            if command is not None:
                yield StatedCommand(
                    argv=command[0],
                    program=command[1],
                    directory=command[2],
                    variables=command[3],
                    role=_role(command[0], command[1]),
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


def _split(part: str) -> list[str]:
    try:
        return shlex.split(part, comments=True)
    except ValueError:
        return []


def _join(directory: str, step: str) -> str:
    parts = [] if step.startswith(("/", "~", "$")) else directory.split("/")
    for name in step.strip("/").split("/"):
        if name == "..":
            parts = parts[:-1]
        elif name not in ("", "."):
            parts.append(name)
    return "/".join(part for part in parts if part)


def _without_redirections(words: Sequence[str]) -> list[str]:
    """Return the words of a command without where its output goes, and without `&`."""
    own: list[str] = []
    is_target = False
    for word in words:
        match = re.fullmatch(r"([12&]?>>?|<(?!\w[\w -]*>))(.*)", word)
        if is_target or match or word == "&":
            is_target = bool(match and not match[2])
            continue
        own.append(word)
    return own


_ALL_ARGUMENTS = re.compile(r"\$(@|\*|\{@(:\d+)?\})")
"""Of a script: what it was given, which is nothing."""

_PLACEHOLDER = re.compile(r"\$[({]?\w|<\w[\w -]*>|^\[|\]$|^\.\.\.$|path/to|/path/")
"""What an author leaves to the reader: a variable of a shell, `<LR>`, `[--option]`, `...`."""


def is_template(command: "StatedCommand") -> bool:
    """Return whether a command has places that its author left open."""
    return any(_PLACEHOLDER.search(word) for word in command.argv)


_Stated = tuple[tuple[str, ...], str, str, Mapping[str, str]]


def _stated(files: SourceFiles, words: list[str], folder: str, directory: str) -> _Stated | None:
    """Return argv, program, directory and variables of words that are a command; else None."""
    variables: dict[str, str] = {}
    while words and (_VARIABLE.match(words[0]) or words[0] in ("env", "export", "sudo", "!")):
        if _VARIABLE.match(words[0]):
            key, _, value = words[0].partition("=")
            variables[key] = value
        words = words[1:]
    if not words:
        return None
    words[0] = words[0].lstrip("!")
    words = [word for word in words if not _ALL_ARGUMENTS.fullmatch(word)]
    while words and words[0] in ("nohup", "time", "srun", "do", "then"):
        words = words[1:]
    if not words:
        return None
    if words[0] in _INSTALLERS or words[0] in _DOWNLOADERS:
        return tuple(words), "", "", variables
    words = _without_redirections(words)
    if not words:
        return None
    bases = list(dict.fromkeys([_join(folder, directory) if directory else folder, directory, ""]))
    if _PYTHON.match(words[0]) or words[0] in _LAUNCHERS:
        return _python_command(files, words, bases, variables)
    if words[0].startswith("./") and words[0].endswith(".py"):
        return _python_command(files, ["python", *words], bases, variables)
    return None


def _python_command(
    files: SourceFiles, words: list[str], bases: list[str], variables: Mapping[str, str]
) -> _Stated | None:
    """Find the program that a Python command runs, and the folder that it is run from."""
    named = next((word for word in words[1:] if word.endswith(".py")), None)
    if named is not None:
        for base in bases:
            program = _join(base, named)
            if program in files.paths:
                return tuple(words), program, base, variables
        return _found_below(files, words, named, bases[0], variables)
    if "-m" in words[1:-1]:
        module = words[words.index("-m") + 1].replace(".", "/")
        for base in bases:
            for program in (f"{module}.py", f"{module}/__main__.py"):
                if _join(base, program) in files.paths:
                    return tuple(words), _join(base, program), base, variables
    return None


def _found_below(
    files: SourceFiles, words: list[str], named: str, base: str, variables: Mapping[str, str]
) -> _Stated | None:
    """Return a command whose program lies in the one folder below that has a file of its name."""
    ending = f"/{named.removeprefix('./')}"
    below = [
        path
        for path in files.texts
        if path.endswith(ending) and (not base or path.startswith(f"{base}/"))
    ]
    if len(below) != 1:
        return None
    return tuple(words), below[0], below[0].removesuffix(ending), variables


_EVALUATING = re.compile(
    r"\s--?(evaluate|eval|eval[-_]only|test[-_]only|do_eval|mode[ =](test|eval)|test(?![\w-]))"
)


def asks_to_evaluate(argv: Sequence[str]) -> bool:
    """Return whether a flag says that a program is to evaluate, not to train."""
    flags = " ".join(argv).lower()
    return bool(_EVALUATING.search(flags)) and "train" not in flags


def _role(argv: tuple[str, ...], program: str) -> Role:
    if argv[0] in _INSTALLERS:
        return Role.INSTALL
    if argv[0] in _DOWNLOADERS:
        return Role.PREPARE
    name = PurePosixPath(program).stem.lower()
    if name == "setup":
        return Role.INSTALL
    flags = " ".join(argv).lower()
    if re.search(r"\s--?(help|h|version)\b", flags):
        return Role.OTHER
    if re.search(r"\s--?(sample|sample[-_]only|predict|generate|demo|resume_only)\b", flags):
        return Role.OTHER
    if asks_to_evaluate(argv):
        return Role.EVALUATE
    for role, words in _WORDS:
        if words.search(name):
            return role
    return Role.TRAIN
