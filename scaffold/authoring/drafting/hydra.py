"""Read how Hydra configures a program: its YAML files put together, without running anything.

The order and the packages of a defaults list: https://hydra.cc/docs/advanced/defaults_list/
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import yaml

from scaffold.authoring.drafting.command_words import join_path
from scaffold.authoring.drafting.fixed_values import Setting, line_of, to_number
from scaffold.authoring.drafting.options import Option
from scaffold.authoring.drafting.python_files import Module, dotted_name, keyword
from scaffold.authoring.drafting.source_files import SourceFiles

_MOST_DEPTH = 20
_PACKAGE = re.compile(r"#\s*@package\s+(?P<name>\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class HydraConfiguration:
    """What a program is configured with.

    Attributes:
        settings: values by their dotted names; those that Hydra itself computes are left out.
        targets: dotted names of the classes and functions that are made from it.
    """

    settings: Sequence[Setting]
    targets: Sequence[str]

    @property
    def options(self) -> list[Option]:
        """Return each setting as an option of the command line: `name=value`."""
        return [
            Option(name=name, flags=(f"--{name}",), default=value, place=place, is_override=True)
            for name, value, place in self.settings
        ]


def read_hydra(
    files: SourceFiles, program: Module, argv: Sequence[str]
) -> HydraConfiguration | None:
    """Return what Hydra configures a program with, as a command selects it; None without Hydra."""
    folder, name = _main_configuration(program)
    if not name:
        return None
    words = [word.lstrip("+").partition("=") for word in argv if "=" in word]
    composed = _Composed(files, folder, {group: value for group, _, value in words})
    composed.add(name, group="", package="")
    settings = [
        (dotted, value, files.cite(path, line))
        for dotted, (value, path, line) in composed.values.items()
    ]
    return HydraConfiguration(settings=settings, targets=tuple(composed.targets))


def _main_configuration(program: Module) -> tuple[str, str]:
    """Return the folder of the configurations, and the name of the first; empty without Hydra."""
    for node in ast.walk(program.tree):
        for call in getattr(node, "decorator_list", ()):
            if isinstance(call, ast.Call) and dotted_name(call.func).endswith("hydra.main"):
                named = [keyword(call, "config_path"), keyword(call, "config_name")]
                for place, argument in enumerate(call.args[:2]):
                    named[place] = named[place] or argument
                path, name = map(program.fold, named)
                if isinstance(name, str):
                    below = path if isinstance(path, str) else ""
                    parent = str(PurePosixPath(program.path).parent)
                    return join_path("" if parent == "." else parent, below), name
    return "", ""


@dataclass(slots=True)
class _Composed:
    """Configurations put together: a later value of a name replaces an earlier one.

    `selected` says by group what the command line, or an override in a defaults list, chooses.
    """

    files: SourceFiles
    folder: str
    selected: dict[str, str]
    values: dict[str, tuple[Any, str, int]] = field(default_factory=dict)
    targets: dict[str, None] = field(default_factory=dict)
    depth: int = 0

    def add(self, name: str, *, group: str, package: str, is_stated: bool = False) -> None:
        """Add a configuration of a group, and what its defaults list names, at a package.

        `is_stated` where the defaults list that names it says the package.
        """
        path = join_path(join_path(self.folder, group), f"{name.removesuffix('.yaml')}.yaml")
        document = self._document(path)
        if document is None or self.depth > _MOST_DEPTH:
            return
        self.depth += 1
        header = _PACKAGE.search("\n".join(self.files.lines(path)[:5]))
        if header and not is_stated:  # the defaults list goes before it
            package = {"_global_": "", "_group_": group.replace("/", ".")}.get(
                header["name"], header["name"]
            )
        defaults = document.pop("defaults", None)
        entries = [entry for entry in _entries(defaults) if entry[0] != "hydra"]
        for key, value in entries:
            if key.startswith("override "):
                self.selected.setdefault(key.removeprefix("override ").lstrip("/"), value)
        if ("", "_self_") not in entries:
            entries.append(("", "_self_"))
        for key, value in entries:
            if (key, value) == ("", "_self_"):
                self._add_own(path, document, package)
            elif not key.startswith("override "):
                self._add_default(key, value, group, package)
        self.depth -= 1

    def _add_default(self, key: str, value: str, group: str, package: str) -> None:
        """Add what one entry of a defaults list names, unless something else was selected."""
        if not key:  # a sibling, in the same package
            self.add(value, group=group, package=package)
            return
        name, _, stated = key.removeprefix("optional ").partition("@")
        inner = name.lstrip("/") if name.startswith("/") or not group else f"{group}/{name}"
        below = ".".join(part for part in (package, name.strip("/").replace("/", ".")) if part)
        where = below if not stated else {"_global_": "", "_here_": package}.get(stated, stated)
        chosen = self.selected.get(inner, value)
        if chosen and "$" not in chosen:
            self.add(chosen, group=inner, package=where, is_stated=bool(stated))

    def _add_own(self, path: str, document: Mapping[str, Any], package: str) -> None:
        lines = self.files.lines(path)
        prefix = (package,) if package else ()
        for keys, value in _leaves(document, ()):
            line = line_of(lines, keys)
            dotted = ".".join((*prefix, *keys))
            if keys[-1] == "_target_" and isinstance(value, str):
                self.targets[value] = None
            elif line is not None and not dotted.startswith("hydra."):
                self.values.pop(dotted, None)
                if not (isinstance(value, str) and re.search(r"\$\{|^\?\?\?$", value)):
                    self.values[dotted] = (value, path, line)

    def _document(self, path: str) -> dict[str, Any] | None:
        try:
            document = yaml.safe_load(self.files.texts.get(path, ""))
        except (yaml.YAMLError, ValueError, RecursionError):
            return None
        return document if isinstance(document, dict) else None


def _entries(defaults: Any) -> list[tuple[str, str]]:
    """Return the group and the choice of each entry of a defaults list; a sibling has no group."""
    entries = []
    for entry in defaults if isinstance(defaults, list) else ():
        if isinstance(entry, str):
            entries.append(("", entry))
        elif isinstance(entry, dict):
            entries += [
                (str(key), value if isinstance(value, str) else "") for key, value in entry.items()
            ]
    return entries


def _leaves(value: Any, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*keys, str(key)))
    elif keys and (value is None or isinstance(value, (bool, int, float, str, list))):
        yield keys, to_number(value)
