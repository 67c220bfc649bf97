"""Answer what a program needs around it: packages, Python, data."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from scaffold.authoring.drafting.command_words import Role, StatedCommand
from scaffold.authoring.drafting.data import FoundData, find_data
from scaffold.authoring.drafting.data_names import is_known_dataset
from scaffold.authoring.drafting.fixed_values import texts_of_settings
from scaffold.authoring.drafting.invocation import value_in_effect, words_in_effect
from scaffold.authoring.drafting.packages import find_needed
from scaffold.authoring.drafting.python_files import Module
from scaffold.authoring.drafting.python_version import find_python
from scaffold.authoring.drafting.reading import Draft, ReadSource
from scaffold.records.draft import Candidate, Citation, FieldAnswer, unknown, value_of


def add_environment(draft: Draft, read: ReadSource) -> None:
    """Answer the Python version and the packages."""
    answers = draft.answers
    python = find_python(read.files)
    answers["environment.python"] = (
        value_of(python[0], python[1])
        if python
        else unknown("no Python version is stated", Candidate(value=">=3.10"))
    )
    preparing = [module for module in _preparing(read) if module not in read.modules]
    needed = find_needed(read.files, read.python, [*read.modules, *preparing])
    required = [one for one in needed if one.is_declared or not one.is_optional]
    if read.modules:
        answers["environment.packages"] = value_of(
            [package.requirement for package in required],
            *(package.place for package in required),
            note=", ".join(
                f"{package.name} is not declared" for package in required if not package.is_declared
            ),
        )


def add_data(draft: Draft, read: ReadSource) -> None:
    """Answer the datasets: those that the chosen command reads."""
    if not read.modules:
        return
    command = read.chosen.command
    words = words_in_effect(command, read.options) if command else {}
    for _, value, place in read.configuration:
        if isinstance(value, str):
            words.setdefault(value, place)
    for text, place in texts_of_settings(read.modules):
        words.setdefault(text, place)
    datasets = find_data(read.files, [*read.modules, *_preparing(read)], read.commands, words)
    environment = _environment(read)
    if not datasets and environment is not None:
        draft.answers["datasets.0"] = environment
        return
    datasets = datasets or _folder_of_dataset(read)
    if not datasets:
        draft.answers["datasets"] = unknown(
            "no data that the program reads were recognized", *_data_folders(read)
        )
        return
    of_command = _of_command(datasets, read) or _folder_of_dataset(read)
    if not of_command:
        draft.answers["datasets"] = unknown(
            f"the command names {_named_dataset(read)}; what was recognized is other data",
            *(Candidate(value=_dataset(data), citations=(data.place,)) for data in datasets[:4]),
        )
        return
    for index, data in enumerate(of_command):
        draft.answers[f"datasets.{index}"] = value_of(_dataset(data), data.place)
        if data.kind in ("url", "hub", "library") and data.needs_network:
            draft.warnings.append(
                f"{data.place}: {data.name} is fetched from the network when the program runs"
            )


def _environment(read: ReadSource) -> FieldAnswer | None:
    """Return the environment of an agent that an option names: its observations are the data."""
    command = read.chosen.command
    text = "\n".join(line for module in read.modules for line in module.lines)
    if command is None or not re.search(
        r"^\s*(import|from) (gym(nasium)?|atari_py|ale_py)\b", text, re.MULTILINE
    ):
        return None
    for option in read.options:
        if not re.fullmatch(r"env|env_?(name|id)|environment|game|gym_id", option.name):
            continue
        value, place = value_in_effect(command, option)
        if isinstance(value, str) and value:
            entry = {"name": _data_name(value), "license": "none stated", "generated": value}
            return value_of(entry, place)
    return None


def _data_folders(read: ReadSource) -> list[Candidate]:
    """Return the source's folders that are called data and hold no code, the fullest first."""
    sizes: dict[str, int] = {}
    for path in read.files.paths:
        parts = PurePosixPath(path).parts[:-1]
        if any(re.fullmatch(r"data(sets?)?", part, re.IGNORECASE) for part in parts):
            folder = "/".join(parts)
            sizes[folder] = sizes.get(folder, 0) + (0 if path.endswith(".py") else 1)
    ranked = sorted((-size, folder) for folder, size in sizes.items() if size)
    return [
        Candidate(value={"name": _data_name(folder), "license": "none stated", "inside": folder})
        for _, folder in ranked[:_MOST_FOLDERS]
    ]


_MOST_FOLDERS = 4


def _data_name(path: str) -> str:
    """Return a dataset's name as a recipe takes it."""
    name = re.sub(r"[^a-z0-9_]+", "_", PurePosixPath(path).stem.lower()).strip("_")
    return name if re.match(r"[a-z]", name) else f"data_{name}"


def _preparing(read: ReadSource) -> list[Module]:
    """Return the modules of the stated programs that prepare data for the chosen command."""
    command = read.chosen.command
    programs = [
        stated.program
        for stated in read.commands
        if stated.role is Role.PREPARE
        and stated.program
        and command is not None
        and _is_for(stated, command)
    ]
    return [module for program in programs[:1] for module in read.python.reachable(program)]


def _is_for(prepare: StatedCommand, command: StatedCommand) -> bool:
    return prepare.place.path == command.place.path


def _of_command(datasets: Sequence[FoundData], read: ReadSource) -> list[FoundData]:
    """Return the data that the command names, if some of several; None where it names others."""
    command = read.chosen.command
    words = command.argv[1:] if command else ()  # without the interpreter
    values = [word.lower() for word in words if re.search(r"[A-Za-z]{2}", word) and len(word) > 2]
    named = [data for data in datasets if any(value in data.name.lower() for value in values)]
    dataset = _named_dataset(read)
    if named or not dataset:
        return named or ([] if _is_one_of_downloads(datasets, read) else list(datasets[:3]))
    plain = _plain(dataset)
    called = [data for data in datasets if _is_called(dataset.lower(), data)]
    if _folder_of_dataset(read):  # files elsewhere in the source are another dataset's
        called = [one for one in called if one.kind != "inside" or plain in _plain(one.detail)]
    return [_renamed(read, one, dataset) for one in called]


def _plain(text: str) -> str:
    return re.sub(r"[\W_]", "", text).lower()


def _renamed(read: ReadSource, data: FoundData, dataset: str) -> FoundData:
    """Return a folder with the files of several datasets by the name of the one that is used."""
    start = f"{data.detail.rstrip('/')}/{dataset}".lower()
    is_theirs = any(path.lower().startswith(start) for path in read.files.paths)
    return replace(data, name=dataset) if data.kind == "inside" and is_theirs else data


_ANY_FOLDER = re.compile(r"(data|datasets?|input|raw|processed|train|test|val)?", re.IGNORECASE)


def _is_one_of_downloads(datasets: Sequence[FoundData], read: ReadSource) -> bool:
    """Return whether a script fetches several datasets, and the command names one of its folders.

    Then nothing says which download fills `data/penn`.
    """
    command = read.chosen.command
    fetched = [data for data in datasets if data.kind == "url"]
    if command is None or len(fetched) < 2 or len(fetched) < len(datasets):
        return False
    for option in read.options:
        if re.fullmatch(r"data(_?(dir|path|root|folder))?", option.name):
            value, _ = value_in_effect(command, option)
            parts = PurePosixPath(str(value)).parts
            return len(parts) > 1 and not _ANY_FOLDER.fullmatch(parts[-1])
    return False


def _folder_of_dataset(read: ReadSource) -> list[FoundData]:
    """Return the source's folder of data that has the name of the dataset."""
    name, command = _named_dataset(read), read.chosen.command
    plain = _plain(name)
    for path in sorted(read.files.paths):
        folder = PurePosixPath(path).parent
        is_it = plain and _plain(folder.name) == plain
        if is_it and "data" in str(folder.parent).lower() and command is not None:
            return [
                FoundData(
                    name=name,
                    kind="inside",
                    detail=str(folder),
                    needs_network=False,
                    place=_place_of_dataset(read, command),
                )
            ]
    return []


def _place_of_dataset(read: ReadSource, command: StatedCommand) -> Citation:
    for option in read.options:
        if re.fullmatch(r"data_?set(_?name)?", option.name):
            return value_in_effect(command, option)[1]
    return command.place


def _is_called(dataset: str, data: FoundData) -> bool:
    """Return whether data may be a dataset of that name: what is read by its path may be any."""
    if data.kind in ("inside", "generated") or dataset in data.scopes:
        return True
    return _plain(dataset) in _plain(f"{data.name}{data.detail}")


def _named_dataset(read: ReadSource) -> str:
    """Return the name of a dataset that the command's option, or its first argument, gives."""
    command = read.chosen.command
    if command is None:
        return ""
    for option in read.options:
        if re.fullmatch(r"data_?set(_?name)?", option.name):
            value, _ = value_in_effect(command, option)
            if isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w-]+", value):
                return value
    return next((word for word in command.argv if is_known_dataset(word)), "")


def _dataset(data: FoundData) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": _data_name(data.name), "license": "none stated"}
    if data.kind == "inside":
        entry["inside"] = data.detail
    elif data.kind == "generated":
        entry["generated"] = data.detail
    elif data.needs_network:
        entry["generated"] = f"fetched by the program itself: {data.detail}"
    else:
        entry["bundled"] = data.detail
    return entry
