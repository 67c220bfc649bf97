"""Which files of a program its commands run, and where Python looks for its modules.

Reads text; runs nothing.
"""

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from scaffold.records.program import Command

_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Imported:
    """What the commands of a program import.

    Attributes:
        files: paths below the tree; empty where no command runs a file of it.
        roots: folders below the tree in which Python looks for modules, the first ones first.
    """

    files: frozenset[str]
    roots: tuple[str, ...]


def imported_files(tree: Path, commands: Iterable[Command]) -> Imported:
    """Return all files of the tree that the commands' scripts and modules import."""
    roots: dict[str, None] = {}
    waiting: list[str] = []
    for command in commands:
        imported = _begin(tree, command)
        roots |= dict.fromkeys(imported.roots)
        waiting += sorted(imported.files)
    files: set[str] = set()
    while waiting:
        file = waiting.pop()
        if file not in files:
            files.add(file)
            waiting += _imports_of(tree, file, tuple(roots))
    return Imported(frozenset(files), tuple(roots))


def _begin(tree: Path, command: Command) -> Imported:
    """Return the files that a command names, and where it lets Python look."""
    folder = PurePosixPath(command.directory or ".")
    roots = [
        _clean(folder / part) for part in command.variables.get("PYTHONPATH", "").split(":") if part
    ]
    files = []
    for index, word in enumerate(command.argv):
        if word.endswith(".py") and (tree / folder / word).is_file():
            files.append(_clean(folder / word))
            roots.insert(0, _clean((folder / word).parent))
        elif word == "-m" and index + 1 < len(command.argv):
            roots.insert(0, _clean(folder))
            files += _resolve(tree, command.argv[index + 1], (_clean(folder),))
            files += _resolve(tree, f"{command.argv[index + 1]}.__main__", (_clean(folder),))
    return Imported(frozenset(files), tuple(roots))


def _clean(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        elif part not in (".", ".."):
            parts.append(part)
    return "/".join(parts)


def _imports_of(tree: Path, file: str, roots: Sequence[str]) -> list[str]:
    try:
        content = (tree / file).read_bytes()
        nodes = list(ast.walk(ast.parse(content))) if len(content) <= _MOST_BYTES else []
    except (OSError, SyntaxError, ValueError, RecursionError):
        return []
    package = PurePosixPath(file).parent
    files: list[str] = []
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                files += _resolve(tree, alias.name, roots)
        elif isinstance(node, ast.ImportFrom):
            base, places = node.module or "", tuple(roots)
            if node.level:
                above = package
                for _ in range(node.level - 1):
                    above = above.parent
                places = (_clean(above),)
            files += _resolve(tree, base, places)
            for alias in node.names:
                files += _resolve(tree, f"{base}.{alias.name}".strip("."), places)
    return files


def _resolve(tree: Path, module: str, roots: Sequence[str]) -> list[str]:
    """Return the files that importing a module runs: its own, and the packages around it."""
    if not module:
        return []
    for root in roots:
        path = PurePosixPath(root) / module.replace(".", "/")
        for candidate in (f"{path}.py", f"{path}/__init__.py"):
            if (tree / candidate).is_file():
                return [candidate, *_packages(tree, PurePosixPath(candidate).parent)]
    return []


def _packages(tree: Path, folder: PurePosixPath) -> Iterator[str]:
    while str(folder) not in (".", ""):
        if (tree / folder / "__init__.py").is_file():
            yield f"{folder}/__init__.py"
        folder = folder.parent


def import_path(file: str, roots: Sequence[str]) -> str:
    """Return the name by which Python imports a file: `sub.models` for `sub/models.py`."""
    path = PurePosixPath(file).with_suffix("")
    inside = [root for root in roots if not root or path.is_relative_to(root)]
    root = max(inside, key=len, default="")
    return ".".join((path.relative_to(root) if root else path).parts)
