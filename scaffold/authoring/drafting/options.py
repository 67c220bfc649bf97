"""Find the options of a program: what its parsers take, with defaults, by reading.

argparse, click, typer, fire, absl, dataclasses that a parser is given, and plain constants of a
script.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scaffold.authoring.drafting.python_files import (
    UNFOLDED,
    Module,
    calls_in,
    dotted_name,
    keyword,
)
from scaffold.records.draft import Citation


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a program.

    Attributes:
        name: by which the program knows it, such as `weight_decay`.
        flags: as they are typed, such as `--weight-decay`; none for a constant in the code.
        default: UNFOLDED where it is computed; None where there is none.
        is_switch: takes no value.
        kind: name of the type that it converts to; empty if none is stated.
        choices: what it may be; empty if anything.
        help: its words.
        is_constant: a name of the code that `--name=value` sets; a configuration file may have set
            it before, so that its value in the code is no default of the command.
        is_override: a setting that `name=value` overrides, as Hydra's programs take it.
        place: where it stands.
    """

    name: str
    flags: tuple[str, ...]
    default: Any
    place: Citation
    is_switch: bool = False
    kind: str = ""
    choices: tuple[Any, ...] = ()
    help: str = ""
    is_constant: bool = False
    is_override: bool = False

    @property
    def short_name(self) -> str:
        """Return the last part of a dotted name."""
        return self.name.rpartition(".")[2]


def find_options(modules: Sequence[Module]) -> list[Option]:
    """Return the options of a program, whose own module comes first; each name once."""
    options: dict[str, Option] = {}
    for module in modules:
        for option in [
            *_argparse(module),
            *_click(module),
            *_absl(module),
            *_functions(module),
            *_dataclasses(module),
        ]:
            options.setdefault(option.name, option)
    for module in modules:
        for name, (value, place) in _set_defaults(module).items():
            if name in options:
                options[name] = replace(options[name], default=value, place=place)
    return list(options.values())


def find_configured(module: Module, argv: Sequence[str]) -> list[Option]:
    """Return the constants of a script without a parser that a command sets by `--name=value`."""
    named = {word.lstrip("-").partition("=")[0] for word in argv if re.match(r"--\w+=", word)}
    return [
        replace(constant, flags=(f"--{constant.name}",), is_constant=True)
        for constant in find_constants(module)
        if constant.name in named
    ]


def find_constants(module: Module) -> list[Option]:
    """Return the constants of a script: names of its top level that are given one literal."""
    constants = []
    for name, node in module.constants.items():
        value = module.fold(node)
        if isinstance(value, (bool, int, float, str)) and not name.startswith("_"):
            constants.append(Option(name=name, flags=(), default=value, place=module.cite(node)))
    return constants


def _argparse(module: Module) -> Iterator[Option]:
    for name, call in calls_in(module.tree):
        if not name.endswith(".add_argument") and name != "add_argument":
            continue
        flags = [value for item in call.args if isinstance(value := module.fold(item), str)]
        if not flags or len(flags) != len(call.args):
            continue
        dest = module.fold(keyword(call, "dest"))
        is_flag = [flag for flag in flags if flag.startswith("-")]
        longest = next((flag for flag in is_flag if flag.startswith("--")), flags[0])
        action = module.fold(keyword(call, "action"))
        switch = {"store_true": True, "store_false": False}.get(str(action))
        default = _default(module, keyword(call, "default"))
        choices = module.fold(keyword(call, "choices"))
        help_text = module.fold(keyword(call, "help"))
        kind = keyword(call, "type")
        if action == "store_const":
            switch = module.fold(keyword(call, "const"))
        if switch is not None and keyword(call, "default") is None and isinstance(switch, bool):
            default = not switch
        yield Option(
            name=dest if isinstance(dest, str) else longest.lstrip("-").replace("-", "_"),
            flags=tuple(is_flag),
            default=default,
            place=module.cite(keyword(call, "default") or call),
            is_switch=action in ("store_true", "store_false", "store_const", "count"),
            kind=dotted_name(kind) if kind is not None else "",
            choices=tuple(choices) if isinstance(choices, list) else (),
            help=help_text if isinstance(help_text, str) else "",
        )


def _default(module: Module, node: ast.expr | None) -> Any:
    return None if node is None else module.fold(node)


def _click(module: Module) -> Iterator[Option]:
    for node in ast.walk(module.tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for decorator in node.decorator_list:
            is_option = isinstance(decorator, ast.Call) and dotted_name(decorator.func) in (
                "click.option",
                "option",
            )
            if not is_option:
                continue
            assert isinstance(decorator, ast.Call)
            words = [w for item in decorator.args if isinstance(w := module.fold(item), str)]
            flags = [word for word in words if word.startswith("-")]
            if not flags:
                continue
            longest = next((flag for flag in flags if flag.startswith("--")), flags[0])
            named = [word for word in words if not word.startswith("-")]
            is_switch = module.fold(keyword(decorator, "is_flag")) is True or "/" in longest
            kind = keyword(decorator, "type")
            yield Option(
                name=(named or [longest.split("/")[0].lstrip("-").replace("-", "_")])[0],
                flags=tuple(flag.split("/")[0] for flag in flags),
                default=_default(module, keyword(decorator, "default")),
                place=module.cite(decorator),
                is_switch=is_switch,
                kind=dotted_name(kind) if kind is not None else "",
                help=str(help_text)
                if isinstance(help_text := module.fold(keyword(decorator, "help")), str)
                else "",
            )


_ABSL = re.compile(r"(^|\.)DEFINE_(\w+)$")


def _absl(module: Module) -> Iterator[Option]:
    for name, call in calls_in(module.tree):
        match = _ABSL.search(name)
        if not match or not call.args:
            continue
        flag = module.fold(call.args[0])
        if not isinstance(flag, str):
            continue
        default = call.args[1] if len(call.args) > 1 else keyword(call, "default")
        yield Option(
            name=flag,
            flags=(f"--{flag}",),
            default=_default(module, default),
            place=module.cite(call),
            is_switch=match[2] in ("bool", "boolean"),
            kind=match[2],
        )


def _functions(module: Module) -> Iterator[Option]:
    """Yield the parameters of a function that fire or typer makes a command of."""
    exposed: dict[str, bool] = {}
    for name, call in calls_in(module.tree):
        if name in ("fire.Fire", "Fire", "typer.run") and call.args:
            exposed[dotted_name(call.args[0])] = name == "typer.run"
    for node in module.tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        decorated = any(
            isinstance(item, ast.Call)
            and dotted_name(item.func).endswith(("app.command", "cli.command"))
            and "typer" in "".join(module.lines[:80])
            for item in node.decorator_list
        )
        if node.name in exposed or decorated:
            is_typer = decorated or exposed[node.name]
            yield from _parameters(module, node, is_typer=is_typer)


def _parameters(module: Module, function: ast.FunctionDef, *, is_typer: bool) -> Iterator[Option]:
    arguments = function.args
    positional = arguments.args
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    pairs = [*zip(positional, [*defaults, *arguments.defaults], strict=True)]
    pairs += [*zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    for argument, default in pairs:
        value = default
        # typer writes dashes for underscores, and takes other flags; fire does neither.
        flags = [f"--{argument.arg.replace('_', '-')}" if is_typer else f"--{argument.arg}"]
        if isinstance(default, ast.Call) and dotted_name(default.func).endswith(
            ("Option", "Argument")
        ):
            value = default.args[0] if default.args else keyword(default, "default")
            stated = [module.fold(item) for item in default.args[1:]]
            flags = [flag for flag in stated if isinstance(flag, str)] or flags
        yield Option(
            name=argument.arg,
            flags=tuple(flags),
            default=_default(module, value),
            place=module.cite(argument),
            kind=dotted_name(argument.annotation) if argument.annotation else "",
        )


def _dataclasses(module: Module) -> Iterator[Option]:
    """Yield the fields of dataclasses that a parser is given in this module."""
    parsed_classes: set[str] = set()
    for name, call in calls_in(module.tree):
        if name.split(".")[-1] in (
            "HfArgumentParser",
            "cli",
            "add_arguments",
            "parse",
            "TypedArgs",
        ):
            for item in ast.walk(call):
                if isinstance(item, ast.Name):
                    parsed_classes.add(item.id)
    for node in module.tree.body:
        if not isinstance(node, ast.ClassDef) or node.name not in parsed_classes:
            continue
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                value = statement.value
                if isinstance(value, ast.Call) and dotted_name(value.func).endswith("field"):
                    value = keyword(value, "default")
                yield Option(
                    name=statement.target.id,
                    flags=(f"--{statement.target.id}",),
                    default=_default(module, value),
                    place=module.cite(statement),
                    kind=dotted_name(statement.annotation),
                )


def _set_defaults(module: Module) -> Mapping[str, tuple[Any, Citation]]:
    changed: dict[str, tuple[Any, Citation]] = {}
    for name, call in calls_in(module.tree):
        if name.endswith(".set_defaults"):
            for item in call.keywords:
                if item.arg:
                    changed[item.arg] = (module.fold(item.value), module.cite(item.value))
    return changed


def find_assigned(modules: Sequence[Module], options: Sequence[Option]) -> dict[str, Citation]:
    """Return options that the program sets itself after they were parsed, and where it does."""
    names = {option.name for option in options if option.flags}
    assigned: dict[str, Citation] = {}
    for module in modules:
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Assign):
                continue
            for target in node.targets:
                is_option = (
                    isinstance(target, ast.Attribute)
                    and target.attr in names
                    and re.fullmatch(
                        r"(self\.)?(args?|opts?|options|flags|FLAGS|config|cfg|hparams|params)",
                        dotted_name(target.value),
                    )
                )
                if is_option and isinstance(target, ast.Attribute) and not _converts(node, target):
                    assigned.setdefault(target.attr, module.cite(node))
    return assigned


def _converts(node: ast.Assign, option: ast.Attribute) -> bool:
    """Return whether an option is given its own value in another form: `x = x.lower()`."""
    names = {dotted_name(part) for part in ast.walk(node.value) if isinstance(part, ast.Attribute)}
    own, holder = dotted_name(option), f"{dotted_name(option.value)}."
    others = {name for name in names if name.startswith(holder) and not name.startswith(own)}
    computes = any(isinstance(part, (ast.BinOp, ast.IfExp)) for part in ast.walk(node.value))
    bounds = {name for name, _ in calls_in(node.value)} & {"max", "min"}
    is_of_own = any(name == own or name.startswith(f"{own}.") for name in names)
    return is_of_own and not others and not computes and not bounds


def is_given(value: Any) -> bool:
    """Return whether a default is a plain value."""
    return value is not UNFOLDED and isinstance(value, (bool, int, float, str))
