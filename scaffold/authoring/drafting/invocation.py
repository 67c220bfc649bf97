"""Write a stated command as a recipe runs it: a slot for each hyperparameter, and for the seed."""

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from scaffold.authoring.drafting.command_words import StatedCommand, given_words
from scaffold.authoring.drafting.metric_words import find_split, is_hyperparameter
from scaffold.authoring.drafting.options import Option, is_given
from scaffold.records.draft import Candidate, Citation, FieldAnswer, contradictory, value_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """A command of a recipe.

    Attributes:
        run: the command with slots.
        smoke: the same, shortened; empty where no option shortens it.
        directory: to run it in; empty for the reference's root.
        hyperparameters: an answer by name of each slot.
        warnings: flags that the program does not have.
    """

    run: str
    smoke: str
    directory: str
    hyperparameters: Mapping[str, FieldAnswer]
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Words:
    """Words of a command under way."""

    run: list[str]
    smoke: list[str]
    assigned: Mapping[str, Citation]
    slots: Mapping[str, str]
    hyperparameters: dict[str, FieldAnswer] = field(default_factory=dict)
    stated: set[str] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)


_LENGTH = re.compile(
    r"^(n_?|num_?|max_?|train_?|total_?)*(epochs?|iters?|iterations?|steps?|episodes?|updates?|rounds?"
    r"|boost_round|estimators)$",
    re.IGNORECASE,
)
_SMOKE_STEPS = 2


def write_invocation(
    command: StatedCommand,
    options: Sequence[Option],
    seed: Option | None,
    assigned: Mapping[str, Citation],
) -> Invocation:
    """Write a command with a slot for each hyperparameter that it or its program's defaults give.

    A hyperparameter that the command does not give is written with the default that it has anyway.

    Args:
        command: as it is stated; what it leaves to the reader is read as not given.
        options: of its program.
        seed: the option by which it is seeded.
        assigned: options that the program sets itself after they were parsed, and where.
    """
    command = replace(command, argv=given_words(command))
    by_flag = {flag: option for option in options for flag in option.flags}
    start = _program_index(command)
    words = _Words(run=["python"], smoke=["python"], assigned=assigned, slots=_slot_names(options))
    program = command.argv[start]
    module = ["-m"] if "-m" in command.argv[:start] else []
    for word in [*module, program]:
        words.run.append(_braced(word))
        words.smoke.append(_braced(word))
    arguments = list(command.argv[start + 1 :])
    index = 0
    while index < len(arguments):
        index += _add_stated(words, arguments, index, by_flag, seed, command)
    for option in options:
        _add_default(words, option, seed)
    endless = find_endless(command, options)
    if endless is not None:
        words.warnings.append(
            f"{endless.place}: {endless.name} is {endless.default} by default, so that it may never"
            " end by itself: a run is ended at its time limit"
        )
    return Invocation(
        run=_join(words.run),
        smoke=_join(words.smoke) if words.smoke != words.run and _is_shorter(words) else "",
        directory=command.directory,
        hyperparameters=words.hyperparameters,
        warnings=tuple(words.warnings),
    )


def find_endless(command: StatedCommand, options: Sequence[Option]) -> Option | None:
    """Return the option whose default lets a program train without end; None if another ends it."""
    lengths = []
    for option in options:
        if re.search(r"epoch|step|iter|episode|round|(^|_)eps?($|_)", option.name, re.IGNORECASE):
            value, _ = value_in_effect(command, option)
            try:
                length = float(value)
            except (TypeError, ValueError):
                return None  # set elsewhere: it may end it
            if _LENGTH.search(option.short_name) or length > 0:
                lengths.append((length, option))
    endless = [option for length, option in lengths if length <= 0]
    return endless[0] if endless and len(endless) == len(lengths) else None


def words_in_effect(command: StatedCommand, options: Sequence[Option]) -> dict[str, Citation]:
    """Return the texts that a command gives its program, and defaults that it leaves, by place."""
    words = {
        value.strip("\"'"): command.place
        for word in command.argv[1:]
        if (value := word.partition("=")[2] or word) and not value.startswith("-")
    }
    for option in options:
        is_given_otherwise = any(word.partition("=")[0] in option.flags for word in command.argv)
        if isinstance(option.default, str) and option.default and not is_given_otherwise:
            words.setdefault(option.default, option.place)
    return words


def value_in_effect(command: StatedCommand, option: Option) -> tuple[Any, Citation]:
    """Return the value of an option, given by a command or left at its default, and its place."""
    words = given_words(command)
    for index, word in enumerate(words):
        flag, has_value, value = word.partition("=")
        if flag in option.flags and (has_value or index + 1 < len(words)):
            return value if has_value else words[index + 1], command.place
    return option.default, option.place


def switches_of(command: StatedCommand) -> list[str]:
    """Return the names of a command's flags that no value follows: `cutout` of `--cutout`."""
    following = [*command.argv[1:], "--"]
    return [
        word.lstrip("-")
        for word, after in zip(command.argv, following, strict=True)
        if re.fullmatch(r"--[\w-]+", word)
        and after.startswith("-")
        and is_hyperparameter(word)
        and not find_split(word.lstrip("-"))
    ]


def switches_in_effect(command: StatedCommand, options: Sequence[Option]) -> dict[str, FieldAnswer]:
    """Return what is on or off by the options that take no value, or yes or no."""
    answers = {}
    for option in options:
        if isinstance(option.default, bool) and is_hyperparameter(option.short_name):
            is_stated = option.is_switch and any(word in option.flags for word in command.argv)
            answers[option.name] = (
                value_of(not option.default, command.place)
                if is_stated
                else value_of(option.default, option.place)
            )
    return answers


def _join(words: Sequence[str]) -> str:
    return " ".join(
        word if re.fullmatch(r"[\w{}=.,:/+-]+", word) else shlex.quote(word) for word in words
    )


def _is_shorter(words: _Words) -> bool:
    return any(_LENGTH.search(name) for name in words.hyperparameters)


def _program_index(command: StatedCommand) -> int:
    """Return the index of the word that names the program."""
    if "-m" in command.argv and not any(word.endswith(".py") for word in command.argv):
        return command.argv.index("-m") + 1
    return next(
        index
        for index, word in enumerate(command.argv)
        if word.endswith(".py") and PurePosixPath(word).name == PurePosixPath(command.program).name
    )


def _braced(word: str) -> str:
    return word.replace("{", "{{").replace("}", "}}")


def _add_stated(
    words: _Words,
    arguments: Sequence[str],
    index: int,
    by_flag: Mapping[str, Option],
    seed: Option | None,
    command: StatedCommand,
) -> int:
    """Add a stated argument, and its value where it has one; return how many words that were."""
    word = arguments[index]
    flag, has_value, value = word.partition("=")
    option = _option_of(flag, by_flag)
    if not word.startswith("-") and not (has_value and option):
        words.run.append(_braced(word))
        words.smoke.append(_braced(word))
        return 1
    if option is None:
        if by_flag and re.match(r"--?[A-Za-z]", flag):
            words.warnings.append(
                f"{command.place}: {flag} is not an option of the program as it was read"
            )
        words.run.append(_braced(word))
        words.smoke.append(_braced(word))
        return 1
    words.stated.add(option.name)
    place = command.places.get(flag, command.place)
    used = 1
    if not has_value and not option.is_switch and index + 1 < len(arguments):
        value, used = arguments[index + 1], 2
    if option.is_switch or used + bool(has_value) < 2:
        words.run.append(_braced(word))
        words.smoke.append(_braced(word))
        return 1
    if seed is not None and option.name == seed.name:
        slot = "{seed}"
    elif is_hyperparameter(option.short_name) and (
        has_value or _is_one_value(arguments, index + used, by_flag)
    ):
        name = words.slots[option.name]
        words.hyperparameters[name] = value_of(_typed(value, option), place)
        slot = f"{{{name}}}"
    else:
        slot = _braced(value)
    shortened = str(_SMOKE_STEPS) if _shortens(option, value) else slot
    joined = [f"{flag}={{}}"] if has_value else [flag, "{}"]
    words.run += [part.replace("{}", slot) for part in joined]
    words.smoke += [part.replace("{}", shortened) for part in joined]
    return used


def _option_of(flag: str, by_flag: Mapping[str, Option]) -> Option | None:
    """Return the option that a flag, or the beginning of one alone, names (as argparse does)."""
    if not flag.startswith("-"):
        return by_flag.get(f"--{flag}")  # of programs that are configured by name=value
    if flag in by_flag or not flag.startswith("--"):
        return by_flag.get(flag)
    begun = {option.name: option for full, option in by_flag.items() if full.startswith(flag)}
    return next(iter(begun.values())) if len(begun) == 1 else None


def _is_one_value(arguments: Sequence[str], following: int, by_flag: Mapping[str, Option]) -> bool:
    """Return whether no further value follows: a list of values is no slot."""
    return following >= len(arguments) or arguments[following].startswith("-") or not by_flag


def _slot_names(options: Sequence[Option]) -> dict[str, str]:
    """Return the slot of each option: of a setting the last part, where no other ends alike."""
    ends = Counter(option.short_name for option in options)
    short = {one.name for one in options if one.is_override and ends[one.short_name] == 1}
    return {
        option.name: slot_name(option.short_name if option.name in short else option.name)
        for option in options
    }


def slot_name(name: str) -> str:
    """Return an option's name as a slot is called: lower-case letters, digits, underscores."""
    text = re.sub(r"[^a-z0-9_]", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()).strip("_")
    text = text if re.match(r"[a-z]", text) else f"p_{text}"
    return f"{text}_value" if text in ("seed", "reference", "drivers") else text


def _typed(value: str, option: Option) -> Any:
    """Return a value of a command line as its option converts it."""
    if option.kind in ("str", "string") or isinstance(option.default, str):
        return value
    for convert in (int, float):
        try:
            return convert(value)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(value.lower(), value)


def _shortens(option: Option, value: Any) -> bool:
    if not _LENGTH.search(option.short_name):
        return False
    try:
        return float(value) > _SMOKE_STEPS or float(value) <= 0  # none, or minus one: endless
    except (TypeError, ValueError):
        return False


def _add_default(words: _Words, option: Option, seed: Option | None) -> None:
    """Add an option that the command leaves at its default: the seed, and each hyperparameter."""
    if option.name in words.stated or not option.flags or option.is_switch or option.is_constant:
        return
    flag = next((flag for flag in option.flags if flag.startswith("--")), option.flags[0])
    if seed is not None and option.name == seed.name:
        _add_option(words, option, flag, "{seed}", "{seed}")
        return
    is_number = isinstance(option.default, (int, float)) and not isinstance(option.default, bool)
    is_named = isinstance(option.default, str) and (
        bool(option.choices) or bool(re.fullmatch(r"[\w,+-]+", option.default))
    )
    if not is_given(option.default) or not (is_number or is_named):
        return
    if not is_hyperparameter(option.short_name):
        return
    if option.name in words.assigned:
        words.warnings.append(
            f"{words.assigned[option.name]}: the program sets {option.name} itself, whatever its"
            f" option says ({option.default} by default, {option.place})"
        )
        return
    name = words.slots[option.name]
    words.hyperparameters[name] = _default_answer(option)
    slot = f"{{{name}}}"
    shortened = str(_SMOKE_STEPS) if _shortens(option, option.default) else slot
    _add_option(words, option, flag, slot, shortened)


def _add_option(words: _Words, option: Option, flag: str, value: str, shortened: str) -> None:
    """Add an option with its value as its program takes it."""
    for line, one in ((words.run, value), (words.smoke, shortened)):
        line += [f"{option.name}={one}"] if option.is_override else [flag, one]


_SAID_DEFAULT = re.compile(
    r"default(?:s to|:|\s*=|\s+is)?\s*[:=]?\s*(?P<value>[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?)"
)


def _default_answer(option: Option) -> FieldAnswer:
    """Return a default; contradictory where its own help says another."""
    match = _SAID_DEFAULT.search(option.help)
    if match and isinstance(option.default, (int, float)):
        documented = float(match["value"])
        if abs(documented - option.default) > 1e-12 * max(abs(documented), abs(option.default)):
            return contradictory(
                f"the program takes {option.default}, its help says {match['value']}",
                Candidate(value=option.default, citations=(option.place,)),
                Candidate(value=documented, citations=(option.place,)),
            )
    return value_of(option.default, option.place)
