"""Put a draft together: an answer for each field of a recipe, with its place in the source."""

import ast
import re
from dataclasses import replace

from scaffold.authoring.drafting.choice import (
    Chosen,
    choose,
    choose_only_program,
    does_train,
    find_projects,
)
from scaffold.authoring.drafting.claims import find_claims
from scaffold.authoring.drafting.command_words import NO_PLACE, read_command
from scaffold.authoring.drafting.commands import find_commands
from scaffold.authoring.drafting.data_answers import add_data, add_environment
from scaffold.authoring.drafting.documents import Document, read_documents
from scaffold.authoring.drafting.evaluation import find_evaluation
from scaffold.authoring.drafting.fixed_values import read_configuration
from scaffold.authoring.drafting.hydra import read_hydra
from scaffold.authoring.drafting.invocation import switches_of, words_in_effect
from scaffold.authoring.drafting.licences import find_licence
from scaffold.authoring.drafting.measure_answers import add_measures
from scaffold.authoring.drafting.old_python import ASYNC
from scaffold.authoring.drafting.omegaconf import read_omegaconf
from scaffold.authoring.drafting.options import Option, find_configured, find_options
from scaffold.authoring.drafting.program_answers import add_program
from scaffold.authoring.drafting.python_files import Module, PythonFiles, dotted_name, parse_python
from scaffold.authoring.drafting.reading import Draft, ReadSource
from scaffold.authoring.drafting.source_files import SourceFiles, folder_of
from scaffold.authoring.drafting.tasks import find_task
from scaffold.records.draft import FieldAnswer, value_of


def make_draft(files: SourceFiles, command_text: str = "") -> Draft:
    """Read a source and answer every field of its recipe.

    Args:
        files: the source.
        command_text: the command that a person names; empty to find it.

    Raises:
        ValueError: the command runs no program of the source.
    """
    documents = read_documents(files)
    python = parse_python(files)
    commands = find_commands(files, documents)
    claims = find_claims(files, documents)
    options = {
        program: find_options(python.reachable(program))
        for program in {command.program for command in commands}
        if program
    }
    chosen = choose(
        files,
        commands,
        claims,
        lambda command: [
            *words_in_effect(command, options.get(command.program, ())),
            *switches_of(command),
            *_models_of(python, command.program),
        ],
        lambda command: (
            does_train(python.reachable(command.program))
            and (not command.is_mentioned or python.is_program(command.program))
        ),
        sorted(
            {
                *find_projects(python),
                *(folder_of(command.program) for command in commands if command.program),
            }
        ),
    )
    chosen = choose_only_program(python, chosen)
    if chosen.command is not None and chosen.command.program not in options:
        program = chosen.command.program
        options[program] = find_options(python.reachable(program))
    if command_text:
        named = read_command(files, command_text)
        if named is None:
            raise ValueError("it runs no program of the source")
        options[named.program] = find_options(python.reachable(named.program))
        chosen = choose(
            files,
            [named],
            claims,
            lambda command: words_in_effect(command, options[command.program]),
            lambda _: True,
            (),
        )
    program = chosen.command.program if chosen.command else ""
    composed = (
        read_hydra(files, python.modules[program], chosen.command.argv)
        if chosen.command and program in python.modules
        else None
    )
    if composed is None and program:
        composed = read_omegaconf(files, python.reachable(program))
    targets = composed.targets if composed else ()
    modules = python.reachable(program, targets) if program else []
    program_options = options.get(program, []) or _configured(python, chosen)
    if composed is not None:
        program_options = [*composed.options, *program_options]
    read = ReadSource(
        files=files,
        documents=documents,
        python=python,
        commands=commands,
        claims=claims,
        chosen=chosen,
        modules=modules,
        options=program_options,
        configuration=[
            *(composed.settings if composed else ()),
            *(
                read_configuration(files, modules, chosen.command, program_options)
                if chosen.command
                else ()
            ),
        ],
    )
    read = replace(read, evaluation=find_evaluation(read))
    draft = Draft(files=files)
    _add_reference(draft, read)
    add_program(draft, read)
    add_measures(draft, read)
    add_environment(draft, read)
    add_data(draft, read)
    draft.warnings += _general_warnings(read)
    if command_text:
        draft.answers = {key: _without_place(answer) for key, answer in draft.answers.items()}
    return draft


def _configured(python: PythonFiles, chosen: Chosen) -> list[Option]:
    """Return what the chosen command sets of a program that has no parser."""
    command = chosen.command
    if command is None or command.program not in python.modules:
        return []
    return find_configured(python.modules[command.program], command.argv)


def _models_of(python: PythonFiles, program: str) -> list[str]:
    """Return the names that a program makes its model of: `net = ResNet18()`."""
    module = python.modules.get(program)
    assignments = (
        [node for node in module.tree.body if isinstance(node, ast.Assign)] if module else []
    )
    return [
        dotted_name(node.value.func).split(".")[-1]
        for node in assignments
        if isinstance(node.value, ast.Call)
        and any(isinstance(t, ast.Name) and t.id in ("net", "model", "clf") for t in node.targets)
    ]


def _without_place(answer: FieldAnswer) -> FieldAnswer:
    """Return an answer without places of what a person said."""
    citations = tuple(citation for citation in answer.citations if citation != NO_PLACE)
    return (
        answer
        if len(citations) == len(answer.citations)
        else answer.model_copy(update={"citations": citations})
    )


def _add_reference(draft: Draft, read: ReadSource) -> None:
    files, answers = draft.files, draft.answers
    root = read.documents[0] if read.documents else None
    name = re.sub(r"[^a-z0-9]+", "-", files.name.lower()).strip("-") or "source"
    answers["id"] = value_of(name, note="of the source's name")
    title_line = _title_line(files, root) if root else None
    if root and title_line and not _NO_TITLE.fullmatch(root.title):
        answers["title"] = value_of(root.title, files.cite(root.path, title_line))
    else:
        answers["title"] = value_of(files.name, note="the source's name: its README has no title")
    answers["task"] = find_task(files, read.documents)
    if files.revision:
        answers["reference.git"] = value_of(files.url, note="as it was asked for")
        answers["reference.revision"] = value_of(files.revision, note="as it was asked for")
    else:
        answers["reference.path"] = value_of("reference", note="a copy of the folder")
    answers["reference.tree"] = value_of(files.tree, note="of the revision")
    folder = folder_of(read.modules[0].path) if read.modules else ""
    answers["reference.license"] = find_licence(files, folder)


_NO_TITLE = re.compile(
    r"\W*(introduction|overview|readme|about|description|abstract|news"
    r"|table of contents|contents)\W*",
    re.I,
)


def _title_line(files: SourceFiles, document: Document) -> int | None:
    words = re.sub(r"\W+", "", document.title)[:20]
    for number, line in enumerate(files.lines(document.path), start=1):
        if words and words in re.sub(r"\W+", "", line):
            return number
    return None


def _words_of_today(program: Module) -> list[str]:
    """Return where a program uses a name that Python made a word of its own."""
    for number, line in enumerate(program.lines, start=1):
        if ASYNC.search(line):
            return [
                f"{program.path}:{number}: `async` is a word of the language since Python 3.7: take"
                " an older one, or a patch (`non_blocking`)"
            ]
    return []


_MOST_NAMED = 5


def _general_warnings(read: ReadSource) -> list[str]:
    program = read.chosen.command.program if read.chosen.command else ""
    warnings = [
        f"{path}: only Python 2 reads it"
        for path in read.python.python2[:_MOST_NAMED]
        if path != program
    ]
    if program in read.python.python2:
        warnings.append(
            f"{program}: only Python 2 reads it, and no environment of today has that: port it"
            " first (2to3), or look for a port of somebody's"
        )
    elif program in read.python.modules:
        warnings += _words_of_today(read.python.modules[program])
    elif program in read.python.unparsed:
        warnings.append(f"{program}: could not be read: {read.python.unparsed[program]}")
    if not any(path.endswith((".py", ".ipynb")) for path in read.files.paths):
        warnings.append("there is no Python in it")
    reported = [number for number in read.claims if number.is_own]
    if read.chosen.claim is not None:
        same = {
            number.value: number
            for number in reported
            if number.labels[:1] == read.chosen.claim.labels[:1]
            and number.metric is read.chosen.claim.metric
        }
        if len(same) > 1:
            shown = ", ".join(f"{value:g} ({number.place})" for value, number in same.items())
            warnings.append(f"several values are published of the same: {shown}")
    return warnings
