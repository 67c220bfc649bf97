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

_MOST_FILES = 1000
_PACKAGE = re.compile(r"#\s*@package\s+(?P<name>\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What a program is configured with, and its command line overrides by `name=value`.

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


def read_hydra(files: SourceFiles, program: Module, argv: Sequence[str]) -> Configuration | None:
    """Return what Hydra configures a program with, as a command selects it; None without Hydra."""
    folder, name = _main_configuration(program)
    if not name:
        return None
    named = re.search(r"\s(?:--config-name|-cn)[=\s](\S+)", f" {' '.join(argv)}")
    name = named[1] if named else name
    words = [word.partition("=") for word in argv if re.match(r"\+{0,2}[\w/@.]+=", word)]
    selected = {group: value for group, _, value in words if not group.startswith("+")}
    composed = _Composed(files, folder, selected)
    composed.select(name, group="")
    composed.add(name, group="", package="")
    for group, _, value in words:
        if group.startswith("+"):  # a group that the defaults list does not have
            composed.add_default(group.lstrip("+"), value, group="", package="")
    settings = [
        (dotted, value, files.cite(path, line))
        for dotted, (value, path, line) in composed.values.items()
    ]
    return Configuration(settings=settings, targets=tuple(composed.targets))


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
    open: list[str] = field(default_factory=list)
    count: int = 0

    def select(self, name: str, *, group: str) -> None:
        """Take in what defaults lists override: later ones before earlier ones, as Hydra does."""
        path = self._path(name, group)
        document = None if self._is_open(path) else self._document(path)
        if document is None:
            return
        self.open.append(path)
        for key, value in reversed(_entries(document.get("defaults"))):
            if key.startswith("override "):
                self.selected.setdefault(key.removeprefix("override ").lstrip("/"), value)
            elif (key, value) != ("", "_self_"):
                inner, chosen, _ = self._choice(key, value, group)
                self.select(chosen, group=inner)
        self.open.pop()

    def add(self, name: str, *, group: str, package: str, is_stated: bool = False) -> None:
        """Add a configuration of a group, and what its defaults list names, at a package.

        `is_stated` where the defaults list that names it says the package.
        """
        path = self._path(name, group)
        document = None if self._is_open(path) else self._document(path)
        if document is None:
            return
        self.open.append(path)
        header = _PACKAGE.search("\n".join(self.files.lines(path)[:5]))
        if header and not is_stated:  # the defaults list goes before it
            package = {"_global_": "", "_group_": group.replace("/", ".")}.get(
                header["name"], header["name"]
            )
        defaults = document.pop("defaults", None)
        entries = [entry for entry in _entries(defaults) if entry[0] != "hydra"]
        if ("", "_self_") not in entries:
            entries.append(("", "_self_"))
        for key, value in entries:
            if (key, value) == ("", "_self_"):
                self._add_own(path, document, package)
            elif not key.startswith("override "):
                self.add_default(key, value, group=group, package=package)
        self.open.pop()

    def add_default(self, key: str, value: str, *, group: str, package: str) -> None:
        """Add what one entry of a defaults list names, unless something else was selected."""
        inner, chosen, stated = self._choice(key, value, group)
        own = inner.removeprefix(f"{group}/") if group else inner
        own = "" if inner == group else own
        below = ".".join(part for part in (package, own.replace("/", ".")) if part)
        where = below if not stated else {"_global_": "", "_here_": package}.get(stated, stated)
        if chosen and "$" not in chosen:
            self.add(chosen, group=inner, package=where, is_stated=bool(stated))

    def _choice(self, key: str, value: str, group: str) -> tuple[str, str, str]:
        """Return the group of an entry, what is chosen of it, and the package that it states."""
        if not key:  # a sibling, or one below: `- data/mnist`
            key, _, value = value.rpartition("/")
            if not key:
                return group, value, ""
        name, _, stated = key.removeprefix("optional ").partition("@")
        is_absolute = name.startswith("/") or not group
        inner = name.strip("/") if is_absolute else f"{group}/{name}"
        return inner, self.selected.get(inner, value), stated

    def _path(self, name: str, group: str) -> str:
        return join_path(join_path(self.folder, group), f"{name.removesuffix('.yaml')}.yaml")

    def _is_open(self, path: str) -> bool:
        """Return whether a configuration includes itself, or there are more than anyone writes."""
        self.count += 1
        return path in self.open or self.count > _MOST_FILES

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
            for key, value in entry.items():
                choices = value if isinstance(value, list) else [value]
                entries += [(str(key), one if isinstance(one, str) else "") for one in choices]
    return entries


def _leaves(value: Any, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*keys, str(key)))
    elif keys and (value is None or isinstance(value, (bool, int, float, str, list))):
        yield keys, to_number(value)
