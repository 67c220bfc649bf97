"""Choose the command that gives the published number: hyperparameters belong to one command."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from scaffold.authoring.drafting.command_words import (
    Role,
    StatedCommand,
    asks_to_evaluate,
    is_named_for_training,
    is_template,
)
from scaffold.authoring.drafting.published_numbers import PublishedNumber
from scaffold.authoring.drafting.python_files import Module, PythonFiles, calls_in
from scaffold.authoring.drafting.source_files import SourceFiles, folder_of
from scaffold.records.draft import Candidate, Citation

_TRAINS = re.compile(
    r"(^|\.)(backward|fit|train|fit_generator|train_generator|partial_fit|fit_transform|fit_predict"
    r"|apply_gradients|minimize|train_on_batch|theano\.function|xgb\.train)$"
)
_MOST_CANDIDATES = 6
_OF_ANY_COMMAND = {"train", "training", "test", "testing", "val", "valid", "eval", "main", "run"}
"""Words that tell no number from another: in a table of classes, a train runs on rails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The command and the published number that belong together.

    Attributes:
        command: None where no command is stated, or several are alike.
        claim: None where nothing is published.
        rivals: other commands that it may be.
        folders: of a source of several projects, those that have a command of their own.
        is_certain: false where no whole command is stated, and this one is the only likely one:
            the rest is read by it, and it is asked for.
    """

    command: StatedCommand | None
    claim: PublishedNumber | None
    rivals: tuple[StatedCommand, ...] = ()
    folders: tuple[str, ...] = ()
    is_certain: bool = True


def choose(
    files: SourceFiles,
    commands: Sequence[StatedCommand],
    claims: Sequence[PublishedNumber],
    words_of: Callable[[StatedCommand], Collection[str]],
    trains: Callable[[StatedCommand], bool],
    projects: Sequence[str],
) -> Chosen:
    """Choose by what the authors say first: beside the results, in the README, nearest to the root.

    Args:
        files: the source.
        commands: all that are stated.
        claims: all that is published, the likeliest first.
        words_of: the values that a command's options have in effect.
        trains: whether a command's program trains anything.
        projects: folders with programs that train, stated or not.
    """
    own = [claim for claim in claims if claim.is_own]
    candidates = _training_commands(commands, trains)
    if _is_of_several_projects(files, candidates, projects):
        return Chosen(command=None, claim=None, folders=tuple(projects))
    apart = _folders_of_programs(candidates)
    if len(apart) >= _MANY_PROGRAMS:
        return Chosen(command=None, claim=None, folders=tuple(apart))
    is_certain = bool(candidates)
    if not candidates:
        whole = [c for c in commands if c.program and trains(c) and not asks_to_evaluate(c.argv)]
        candidates = [c for c in whole if c.role in (Role.TRAIN, Role.OTHER)]
    if not candidates:
        return Chosen(command=None, claim=own[0] if own else None)
    scored: list[tuple[float, int, StatedCommand, PublishedNumber | None]] = []
    for order, command in enumerate(candidates):
        words = {word.lower() for word in words_of(command) if re.search(r"[A-Za-z]{2}", word)}
        words.add(PurePosixPath(command.program).stem.lower())
        words -= _OF_ANY_COMMAND
        near = [claim for claim in own if _is_of_project(claim, command)]
        settings = _settings(command)
        claim = _best_claim(words, settings, command.context, near)
        score = _score(files, command, own[:1] == [claim])
        score += 1.5 * bool(claim and claim.section and claim.section in command.context)
        score += (
            min(_agreement(words, settings, claim), 2)
            if claim is not None
            else -_overrides(command)
        )
        scored.append((score, order, command, claim))
    scored.sort(key=lambda item: (-item[0], item[1]))
    _, _, command, claim = scored[0]
    # Where only some words of a command are left to the reader, the bare program is not it.
    templates = [c for c in commands if is_template(c) and c.program == command.program]
    is_certain = is_certain and not (templates and command.is_mentioned)
    rivals = {item[2].argv: item[2] for item in reversed(scored[1:])}
    rivals.pop(command.argv, None)
    return Chosen(
        command=command,
        claim=claim,
        rivals=tuple(reversed(rivals.values()))[:_MOST_CANDIDATES],
        is_certain=is_certain,
    )


def _training_commands(
    commands: Sequence[StatedCommand], trains: Callable[[StatedCommand], bool]
) -> list[StatedCommand]:
    """Return whole commands that train; where none does those that evaluate, or ask for help."""
    training = [
        c
        for c in commands
        if c.program
        and not is_template(c)
        and (not c.is_mentioned or trains(c))
        and (
            c.role is Role.TRAIN
            or (c.role is Role.EVALUATE and not asks_to_evaluate(c.argv) and trains(c))
        )
    ]
    if any(c.role is Role.TRAIN and trains(c) for c in training):
        # One called for evaluating may import what trains, and only evaluate.
        training = [c for c in training if c.role is Role.TRAIN]
    whole = {c.program for c in training if not c.is_mentioned and trains(c)}
    training = [c for c in training if not (c.is_mentioned and c.program in whole)]
    named = [c for c in training if is_named_for_training(c.program)]
    # Where words of the training commands are left to the reader, evaluating is not what is left.
    is_left_open = any(c.role is Role.TRAIN and c.program and is_template(c) for c in commands)
    evaluating = [c for c in commands if c.role is Role.EVALUATE and c.program and not is_left_open]
    # `python run.py --help` says how it is started, too.
    without_help = [replace(c, argv=_without_help(c.argv)) for c in commands if c.program]
    helped = [c for c in without_help if "-m" not in c.argv and trains(c) and _is_bare(c)]
    return [c for c in training if trains(c)] or named or evaluating or helped


def _is_of_several_projects(
    files: SourceFiles, candidates: Sequence[StatedCommand], projects: Sequence[str]
) -> bool:
    """Return whether a source has projects in folders of their own, and nothing at its root."""
    at_root = any("/" not in c.place.path for c in candidates)
    readmes = {_top(c.place.path) for c in candidates if c.place.path in files.readmes()}
    are_apart = len(readmes) >= _SEVERAL_READMES and "" not in readmes
    return not at_root and "" not in projects and (len(projects) >= _MANY_PROJECTS or are_apart)


def _folders_of_programs(candidates: Sequence[StatedCommand]) -> list[str]:
    """Return the folders of the stated programs, where each has one of its own; none else."""
    folders = {str(PurePosixPath(command.program).parent) for command in candidates}
    programs = {command.program for command in candidates}
    return sorted(folders) if "." not in folders and len(folders) == len(programs) else []


def _without_help(argv: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for word in argv if word not in ("--help", "-h"))


def _is_bare(command: StatedCommand) -> bool:
    """Return whether a command is a program alone, as where its help is what is shown of it."""
    return len(command.argv) == 2 and not command.is_mentioned


def choose_only_program(python: PythonFiles, chosen: Chosen) -> Chosen:
    """Return the one program that trains, where no command is stated and there is no other."""
    programs = unstated_programs(python)
    if chosen.command is not None or chosen.folders or len(programs) != 1:
        return chosen
    program = str(programs[0].value).removeprefix("python ")
    command = StatedCommand(
        argv=("python", program),
        program=program,
        directory="",
        variables={},
        role=Role.TRAIN,
        place=programs[0].citations[0],
        context="",
    )
    return replace(chosen, command=command, is_certain=False)


_MANY_PROJECTS = 4
"""Folders with commands of their own, and none at the root: which one is meant must be asked."""

_MANY_PROGRAMS = 6
"""Programs that one text states, each in a folder of its own: as well."""

_SEVERAL_READMES = 2
"""Of folders at the root, each with a README that states commands: as well."""


def _top(path: str) -> str:
    """Return the first folder of a path; empty for a file at the root."""
    return PurePosixPath(path).parts[0] if "/" in path else ""


def _is_of_project(claim: PublishedNumber, command: StatedCommand) -> bool:
    """Return whether a number stands in the program's folder, above it, or below it."""
    above, runs = PurePosixPath(claim.place.path).parent, PurePosixPath(command.program).parent
    return runs.is_relative_to(above) or above.is_relative_to(runs)


def find_projects(python: PythonFiles) -> list[str]:
    """Return the folders with programs that train; the root is empty."""
    folders = set()
    for path, module in python.modules.items():
        if path.endswith(".py") and python.is_program(path) and does_train([module]):
            folders.add(folder_of(path))
    return sorted(folders)


def _settings(command: StatedCommand) -> dict[str, str]:
    """Return the values that a command's flags have, by their names in lower case."""
    settings = {}
    for word, following in zip(command.argv, [*command.argv[1:], ""], strict=True):
        name, equals, value = word.lstrip("-").partition("=")
        if equals or word.startswith("--"):
            settings[name.lower()] = value if equals else following
    return settings


def _best_claim(
    words: set[str],
    settings: Mapping[str, str],
    context: str,
    claims: Sequence[PublishedNumber],
) -> PublishedNumber | None:
    """Return the published number whose labels agree most with a command; the first of equals."""
    if not claims:
        return None
    return max(
        claims[:200],
        key=lambda claim: (
            _agreement(words, settings, claim) + bool(claim.section and claim.section in context),
            -claim.rank,
        ),
    )


_LABEL_OF_SETTING = re.compile(r"(?<![\w-])([a-z_]\w*)\s*=\s*([\w.+-]+)")


def _are_equal(one: str, other: str) -> bool:
    """Return whether two words say the same value: `0.001` and `1e-3` do."""
    try:
        return float(one) == float(other)
    except ValueError:
        return one == other


def _agreement(values: set[str], settings: Mapping[str, str], claim: PublishedNumber) -> float:
    """Return how many values a number's labels name; half for the first word of a longer name.

    `layer=3` among the labels is for or against a command that sets layer.
    """
    text = " ".join(claim.labels).lower()
    stated = [
        1.0 if _are_equal(settings[name].strip("\"'").lower(), value) else -1.0
        for name, value in _LABEL_OF_SETTING.findall(text)
        if name in settings
    ]
    names = re.findall(r"[a-z][a-z0-9_-]+", text)
    words = {re.sub(r"[-_]", "", name) for name in names}
    first = {re.split(r"[-_]", name)[0] for name in names}
    plain = [re.sub(r"[-_]", "", value) for value in values]
    return sum(stated) + sum(1.0 if value in words else 0.5 * (value in first) for value in plain)


def _overrides(command: StatedCommand) -> bool:
    """Return whether a command sets some of what a program is configured with: `trainer=gpu`."""
    return any(re.match(r"[A-Za-z_][\w./@]*=", word) for word in command.argv[1:])


_SIDE = re.compile(
    r"debug|tiny|quick|overfit|toy|macbook|multi|distributed|nproc|slurm"
    r"|\s'?\+[\w.]+=|\.py\s(.*\s)?-m\s",
    re.IGNORECASE,
)
"""What is tried on the side; of Hydra also a setting that is added, and a series of runs."""


_CONTINUES = re.compile(
    r"\s--?(load|resume|restore|continue|retrain|fine-?tune)"
    r"([_-](from|checkpoint|ckpt|model|weights))?([\s=]|$)"
)
"""What goes on from weights that were trained before."""


def _score(files: SourceFiles, command: StatedCommand, is_of_first_claim: bool) -> float:
    """Return how likely a command is the one that the headline number comes from."""
    readmes = files.readmes()
    score = 3.0 if command.place.path in readmes[:1] else float(command.place.path in readmes)
    score += 2.5 * command.is_named - 1.0 * command.is_mentioned
    score -= command.program.count("/")
    if re.search(
        r"reproduc|result|best|paper|report|default|train", command.context, re.IGNORECASE
    ):
        score += 1
    if is_of_first_claim:
        score += 1.5
    if re.search(r"\bbaseline\b", command.context, re.IGNORECASE):
        score -= 1  # what the authors' own is compared with
    if "pretrain" in PurePosixPath(command.program).stem.lower():
        score -= 2
    if _CONTINUES.search(command.text):
        score -= 2
    return score - 0.5 * bool(_SIDE.search(f"{command.context} {command.text}"))


def does_train(modules: Sequence[Module]) -> bool:
    """Return whether a program's modules go backward, fit, or train in another way."""
    return any(_TRAINS.search(name) for module in modules for name, _ in calls_in(module.tree))


def unstated_programs(python: PythonFiles) -> list[Candidate]:
    """Return programs that train something, those nearest to the root first."""
    programs = _programs_that_train(python, by_imports=False)
    programs = programs or _programs_that_train(python, by_imports=True)
    return [
        Candidate(value=f"python {path}", citations=(place,))
        for _, path, place in sorted(programs, key=lambda item: item[:2])[:_MOST_CANDIDATES]
        if path.endswith(".py")
    ]


def _programs_that_train(
    python: PythonFiles, *, by_imports: bool
) -> list[tuple[int, str, Citation]]:
    """Return programs that train themselves, or by what they import, each with a rank and where."""
    programs: list[tuple[int, str, Citation]] = []
    for path in python.modules:
        name = PurePosixPath(path).stem.lower()
        modules = python.reachable(path) if by_imports else [python.modules[path]]
        place = next(
            (
                module.cite(node)
                for module in modules
                for called, node in calls_in(module.tree)
                if _TRAINS.search(called)
            ),
            None,
        )
        if place is None or re.search(r"test|setup|util|model|__init__", name):
            continue
        is_named = bool(re.search(r"train|main|run", name))
        is_started = path.endswith(".ipynb") or python.is_program(path)
        if is_started or (is_named and not by_imports):
            programs.append((path.count("/") * 2 - is_named, path, place))
    return programs


def notebooks_only(python: PythonFiles) -> list[str]:
    """Return the notebooks of a source that has no other programs; else nothing."""
    notebooks = sorted(path for path in python.modules if path.endswith(".ipynb"))
    scripts = [path for path in python.modules if path.endswith(".py") and python.is_program(path)]
    return notebooks if notebooks and not scripts else []
