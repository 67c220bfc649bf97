"""Answer how a program is run: command, hyperparameters, seed, device."""

from pathlib import PurePosixPath

from scaffold.authoring.drafting.choice import notebooks_only, unstated_programs
from scaffold.authoring.drafting.command_words import Role, StatedCommand
from scaffold.authoring.drafting.device import find_device
from scaffold.authoring.drafting.fixed_values import find_fixed
from scaffold.authoring.drafting.invocation import (
    Invocation,
    slot_name,
    switches_in_effect,
    write_invocation,
)
from scaffold.authoring.drafting.options import find_assigned
from scaffold.authoring.drafting.reading import Draft, ReadSource
from scaffold.authoring.drafting.seeding import Seeding, find_seeding
from scaffold.records.draft import Candidate, unknown, value_of


def add_program(draft: Draft, read: ReadSource) -> None:
    """Answer the command, its hyperparameters and its seed."""
    answers, chosen = draft.answers, read.chosen
    if chosen.folders:
        answers["commands.train.run"] = unknown(
            "several projects with commands of their own: say which folder is meant",
            *(Candidate(value=f"{folder}/") for folder in chosen.folders),
        )
        return
    command = chosen.command
    if command is None:
        candidates = unstated_programs(read.python)
        notebooks = notebooks_only(read.python)
        note = "no command that trains is stated"
        if notebooks:
            note = f"only notebooks ({', '.join(notebooks[:3])}): a driver must call what they do"
        answers["commands.train.run"] = unknown(note, *candidates)
        return
    seeding = find_seeding(read.modules, read.options)
    assigned = find_assigned(read.modules, read.options)
    seed = seeding.option if seeding.is_by_option else None
    invocation = write_invocation(command, read.options, seed, assigned)
    step = "evaluate" if command.role is Role.EVALUATE else "train"
    stated = f"as it is stated: {command.text}"
    rivals = [Candidate(value=one.text, citations=(one.place,)) for one in chosen.rivals]
    answer = value_of(invocation.run, command.place, note=stated)
    if not chosen.is_certain:
        rivals = [Candidate(value=command.text, citations=(command.place,)), *rivals]
        answer = unknown("no whole command is stated; the rest was read for the likeliest one")
    answers[f"commands.{step}.run"] = answer.model_copy(update={"candidates": tuple(rivals)})
    if invocation.directory:
        answers[f"commands.{step}.directory"] = value_of(invocation.directory, command.place)
    if invocation.smoke and step == "train" and chosen.is_certain:
        answers["commands.smoke.run"] = value_of(
            invocation.smoke, command.place, note="the same, shortened"
        )
        if invocation.directory:
            answers["commands.smoke.directory"] = value_of(invocation.directory, command.place)
    _add_prepare(draft, read, command)
    if read.evaluation is not None:
        _add_as_stated(draft, "evaluate", read.evaluation)
    for name, answer in invocation.hyperparameters.items():
        answers[f"hyperparameters.{name}"] = answer
    draft.warnings += invocation.warnings
    _add_fixed(draft, read, invocation)
    _add_seeds(draft, seeding)
    answers["resources.device"] = find_device(command, read)


_TEXTS = (".md", ".rst", ".txt")
"""What the README of a folder says is of the programs below it."""


def _add_prepare(draft: Draft, read: ReadSource, command: StatedCommand) -> None:
    """Answer the command that prepares the data, if the authors state one of this project."""
    folder = PurePosixPath(command.program).parent
    for prepare in read.commands:
        is_near = prepare.program and (
            PurePosixPath(prepare.program).is_relative_to(folder)
            or prepare.place.path == command.place.path
        )
        stated_in = PurePosixPath(prepare.place.path)
        is_of_others = stated_in.suffix.lower() in _TEXTS and not folder.is_relative_to(
            stated_in.parent
        )
        if prepare.role is Role.PREPARE and is_near and not is_of_others:
            _add_as_stated(draft, "prepare", prepare)
            return


def _add_as_stated(draft: Draft, step: str, command: StatedCommand) -> None:
    """Answer a step by a command as its authors wrote it."""
    text = " ".join(["python", *command.argv[1:]]).replace("{", "{{").replace("}", "}}")
    draft.answers[f"commands.{step}.run"] = value_of(text, command.place)
    if command.directory:
        draft.answers[f"commands.{step}.directory"] = value_of(command.directory, command.place)


def _add_fixed(draft: Draft, read: ReadSource, invocation: Invocation) -> None:
    """Note what has no slot: switches, and what the code or configuration fixes."""
    assert read.chosen.command is not None
    switches = switches_in_effect(read.chosen.command, read.options)
    for name, answer in {**find_fixed(read.modules, read.configuration), **switches}.items():
        if slot_name(name) not in invocation.hyperparameters:
            draft.fixed[name] = answer


def _add_seeds(draft: Draft, seeding: Seeding) -> None:
    answers = draft.answers
    places = [call.place for call in seeding.calls]
    seeded = {call.library for call in seeding.calls}
    if seeding.option is not None and seeding.is_by_option:
        answers["seeds.how"] = value_of("argument", seeding.option.place, *places[:3])
    elif seeding.calls and all(call.is_drawn for call in seeding.calls):
        answers["seeds.how"] = value_of(
            "inject", *places[:3], note="its seeds are drawn anew by every run"
        )
    elif seeding.calls and not (seeding.drawn and all(call.is_local for call in seeding.calls)):
        answers["seeds.how"] = value_of("offset", *places[:4])
    elif seeding.drawn:
        answers["seeds.how"] = value_of(
            "inject", *list(seeding.drawn.values())[:3], note="it draws, and never seeds"
        )
    else:
        answers["seeds.how"] = unknown(
            "no seeding and no drawing was seen", Candidate(value="none"), Candidate(value="inject")
        )
    if seeding.unused is not None and seeding.option is None:
        draft.warnings.append(
            f"{seeding.unused.place}: {seeding.unused.flags[0]} is parsed, and nothing reads it"
        )
    missing = [
        name
        for name in ("random", "numpy", "torch")
        if name in seeding.drawn and name not in seeded
    ]
    if missing and answers["seeds.how"].value in ("argument", "offset") and "all" not in seeded:
        answers["seeds.unseeded"] = value_of(missing, *(seeding.drawn[name] for name in missing))
