"""Read the words of one command: which program of the source it runs, from where, what for."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import PurePosixPath

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
_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*=")
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
            r"sampl|generat|demo|interactive|console|^(chat|play|repl|shell)(_|$)|predict|plot|visual|export|serve|app\b|gradio|tensorboard|infer|tun(e|ing)\b|sweep|search"
        ),
    ),
    (Role.TRAIN, re.compile(r"train|main|run|fit|pretrain|finetun|experiment|learn|exp\b")),
)


def read_command(files: SourceFiles, text: str) -> StatedCommand | None:
    """Return a command that a person names, with an empty place; None if it runs no program."""
    words = split_words(text)
    stated = read_words(files, words, "", "") if words else None
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


def split_words(part: str) -> list[str]:
    """Return the words of a command; none where its quotes do not match."""
    try:
        return shlex.split(part, comments=True)
    except ValueError:
        return []


def join_path(directory: str, step: str) -> str:
    """Return where `cd STEP` leads from a folder; a path from elsewhere starts at the root."""
    is_elsewhere = step.startswith(("/", "~", "$", "<")) or "path" in step.lower()
    parts = [] if is_elsewhere else directory.split("/")
    if step.startswith("<"):
        step = ""
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
        match = re.fullmatch(r"([12&]?>>?|<(?!\w[^<>]*>))(.*)", word)
        if is_target or match or word == "&":
            is_target = bool(match and not match[2])
            continue
        own.append(word)
    return own


_ALL_ARGUMENTS = re.compile(r"\$(@|\*|\{@(:\d+)?\})")
"""Of a script: what it was given, which is nothing."""

_PLACEHOLDER = re.compile(
    r"\$[({]?\w|<\w[^<>]*>|^\[(?!-?[\d.])|(?<!\d)\]$|^\.\.\.$|path/to|/path/|=value\d*$"
)
"""What an author leaves to the reader: a variable of a shell, `<LR>`, `[--option]`, `...`.

`[64,64]` is a value.
"""

_SPACED_PLACEHOLDER = re.compile(r"<\w[^<>]*\w>")


def close_placeholders(text: str) -> str:
    """Return a line whose placeholders are words: `<model path>` and `<a | b>` are one each."""
    return _SPACED_PLACEHOLDER.sub(lambda match: re.sub(r"\s*\|\s*|\s+", "_", match[0]), text)


def is_template(command: "StatedCommand") -> bool:
    """Return whether a command has places that its author left open."""
    return any(_PLACEHOLDER.search(word) for word in command.argv)


def given_words(command: "StatedCommand") -> tuple[str, ...]:
    """Return a command's words without those that its author left open, and without their flags."""
    words: list[str] = []
    name = PurePosixPath(command.program).name
    for word in command.argv:
        if not _PLACEHOLDER.search(word) or PurePosixPath(word).name == name:
            words.append(word)
        elif words and words[-1].startswith("-") and "=" not in words[-1]:
            words.pop()
    return tuple(words)


_Stated = tuple[tuple[str, ...], str, str, Mapping[str, str]]


def read_words(files: SourceFiles, words: list[str], folder: str, directory: str) -> _Stated | None:
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
    bases = list(
        dict.fromkeys([join_path(folder, directory) if directory else folder, directory, ""])
    )
    if _PYTHON.match(words[0]) or words[0] in _LAUNCHERS:
        return _python_command(files, words, bases, variables)
    if words[0].startswith("./") and words[0].endswith(".py"):
        return _python_command(files, ["python", *words], bases, variables)
    return None


def _python_command(
    files: SourceFiles, words: list[str], bases: list[str], variables: Mapping[str, str]
) -> _Stated | None:
    """Find the program that a Python command runs, and the folder that it is run from."""
    is_doubled = words[1:2] == words[:1]  # `python python main.py`, a slip of the pen
    words = _with_ending(files, words[1:] if is_doubled else words)
    named = next((word for word in words[1:] if word.endswith(".py")), None)
    if named is not None:
        for base in bases:
            program = join_path(base, named)
            if program in files.paths:
                return tuple(words), program, base, variables
        return _found_below(files, words, named, bases[0], variables)
    if "-m" in words[1:-1]:
        module = words[words.index("-m") + 1].replace(".", "/")
        for base in bases:
            for program in (f"{module}.py", f"{module}/__main__.py"):
                if join_path(base, program) in files.paths:
                    return tuple(words), join_path(base, program), base, variables
    return None


def _with_ending(files: SourceFiles, words: list[str]) -> list[str]:
    """Return `python main.py` for `python main`, as authors forget, if there is such a file."""
    bare = words[1] if len(words) > 1 and re.fullmatch(r"[A-Za-z]\w*", words[1]) else ""
    is_program = bare and any(f"/{path}".endswith(f"/{bare}.py") for path in files.paths)
    return [words[0], f"{bare}.py", *words[2:]] if is_program else words


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


_NO = r"[ =](0|false|no|none)\b"
_EVALUATING = re.compile(
    r"\s--?((do[-_]|only[-_])?(evaluate|evaluation|eval|test|inference)([-_]only)?"
    rf"(?![\w-])(?!{_NO})(?![ =]\d\d)"
    r"|(mode|phase|stage)[ =](test|eval|valid|infer)"
    rf"|(is[-_]|do[-_])?train(ing)?{_NO})"
)
_TRAINING = re.compile(rf"[\s=](--?(do[-_])?)?train(ing)?(?![\w./-])(?!{_NO})")
"""A flag or value of its own: `--train_file` and `train.py` belong to what evaluates, too."""


_OF_EVALUATION = re.compile(r"((^|/|=)(test|eval|evaluate))\.(ya?ml|cfg|ini|toml)$")
_CONFIGURES = re.compile(r"--?(c|conf\w*|cfg|opts?)(=.*)?$")


def asks_to_evaluate(argv: Sequence[str]) -> bool:
    """Return whether a flag, or the configuration that is named, says to evaluate."""
    flags = " ".join(argv).lower()
    if _EVALUATING.search(flags) and not _TRAINING.search(flags):
        return True
    before = ("", *argv)
    return any(
        _OF_EVALUATION.search(word) and (_CONFIGURES.match(word) or _CONFIGURES.match(option))
        for option, word in zip(before, argv, strict=False)
    )


def is_named_for_training(program: str) -> bool:
    """Return whether a program's name says that it trains."""
    return bool(dict(_WORDS)[Role.TRAIN].search(PurePosixPath(program).stem.lower()))


def role_of(argv: tuple[str, ...], program: str) -> Role:
    """Return what a command is for, by its flags and its program's name."""
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
