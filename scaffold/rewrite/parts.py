"""Find what can be rewritten as one part: modules, functions, classes, stages of training."""

import ast
import difflib
import re
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaffold.errors import UsageError
from scaffold.git.trees import list_files
from scaffold.rewrite.imports import import_path
from scaffold.rules.parity.checks import STAGES

_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part.

    Attributes:
        name: as `scaffold rewrite start` takes it: `model.block1`, `train.Block`, `train.get_lr`,
            `loss`.
        kind: module, class, function or stage.
        about: class of a module, place of a definition, meaning of a stage.
        size: parameters of a module.
        file, first, last: where a class or function is defined, below the tree, with its
            decorators.
    """

    name: str
    kind: str
    about: str
    size: int = 0
    file: str = ""
    first: int = 0
    last: int = 0


def defined_parts(tree: Path, files: Collection[str] = ()) -> list[Part]:
    """Return top-level classes and functions of these files; of all files if none are given."""
    parts = []
    for path in list_files(tree):
        relative = path.relative_to(tree).as_posix()
        if path.suffix != ".py" or path.is_symlink() or path.stat().st_size > _MOST_BYTES:
            continue
        if files and relative not in files:
            continue
        try:
            body = ast.parse(
                path.read_bytes()
            ).body  # of bytes: it may say itself how it is encoded
        except (SyntaxError, ValueError, RecursionError, OSError):
            continue  # of another Python, or no program: nobody can say what it defines
        module = relative.removesuffix(".py").replace("/", ".")
        for node in body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                kind = "class" if isinstance(node, ast.ClassDef) else "function"
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                parts.append(
                    Part(
                        name=f"{module}.{node.name}",
                        kind=kind,
                        about=f"{relative}:{node.lineno}",
                        file=relative,
                        first=first,
                        last=node.end_lineno or node.lineno,
                    )
                )
    return parts


def module_parts(modules: Iterable[Mapping[str, Any]]) -> list[Part]:
    """Return modules of networks, as a golden trace lists them."""
    return [
        Part(
            name=module["path"],
            kind="module",
            about=module["class_name"],
            size=module["parameters"],
        )
        for module in modules
    ]


def stage_parts() -> list[Part]:
    """Return the stages of training."""
    return [Part(name=name, kind="stage", about=about) for name, about in STAGES.items()]


def find_part(name: str, parts: Sequence[Part]) -> Part:
    """Return the part that the user means: by its whole name, or by an unambiguous ending.

    Raises:
        UsageError: none, or several.
    """
    exact = [part for part in parts if part.name == name]
    if exact:
        return exact[0]
    ending = [part for part in parts if part.name.endswith(f".{name}")]
    if len(ending) == 1:
        return ending[0]
    if ending:
        raise UsageError(
            f"there are several parts {name!r}: {', '.join(part.name for part in ending[:8])}",
            hint=f"scaffold rewrite start {shlex.quote(ending[0].name)}",
        )
    near = difflib.get_close_matches(
        name, [text for part in parts for text in (part.name, _last(part.name))], n=3
    )
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise UsageError(
        f"there is no part {name!r} of this program",
        hint=f"{hint}scaffold rewrite parts lists them all",
    )


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def rewrite_name(part: str) -> str:
    """Return the default name of a rewrite of a part.

    `train.CausalSelfAttention` becomes `causal-self-attention`.
    """
    words = re.sub(
        r"(?<=[a-z0-9])(?=[A-Z])", "-", part if part.startswith("model.") else _last(part)
    )
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:60].strip("-") or "part"


def replace_part(
    tree: Path, part: Part, own: Path, name: str, roots: Sequence[str] = ("",)
) -> dict[str, bytes]:
    """Return contents of the files that change when a class or function comes from another file.

    Args:
        tree: the program.
        part: what is replaced: its definition becomes an import, and no other line changes.
        own: the file that defines it; it is copied beside the file of the part.
        name: what it is called there.
        roots: folders in which Python looks for the program's modules.

    Raises:
        UsageError: the part has no definition of its own, or the file does not define it.
    """
    if not part.file:
        raise UsageError(
            f"--with replaces a class or a function, {part.name} is a {part.kind}",
            hint="name the class that it is of; or start without --with and edit src/ yourself",
        )
    _require_defined(own, name)
    folder = (tree / part.file).parent
    copied = folder / own.name
    if copied.exists():
        raise UsageError(
            f"src/{copied.relative_to(tree)} exists already", hint="give your file another name"
        )
    relative = copied.relative_to(tree).as_posix()
    alias = f" as {_last(part.name)}" if name != _last(part.name) else ""
    content = (tree / part.file).read_bytes()
    lines = _LINES.findall(content)
    end = _LINE_END.search(lines[part.last - 1]) if part.last <= len(lines) else None
    line = f"from {import_path(relative, roots)} import {name}{alias}".encode() + (
        end[0] if end else b""
    )
    lines[part.first - 1 : part.last] = [line]
    return {part.file: b"".join(lines), relative: own.read_bytes()}


_LINES = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$")
"""Lines as Python counts them: a form feed ends none."""

_LINE_END = re.compile(rb"\r\n|\r|\n")


def _require_defined(own: Path, name: str) -> None:
    """Raise UsageError unless a file can be imported and defines this class or function."""
    try:
        body = ast.parse(own.read_bytes()).body
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", 1)
        raise UsageError(f"{own}:{line}: is no Python: {getattr(error, 'msg', error)}") from error
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    defined = [node.name for node in body if isinstance(node, kinds)]
    if name not in defined:
        available = ", ".join(defined) or "nothing"
        spelled = shlex.quote(f"{own}:{(defined or ['NAME'])[0]}")
        raise UsageError(f"{own} defines no {name}, but {available}", hint=f"--with {spelled}")
    if not re.fullmatch(r"[A-Za-z_]\w*", own.stem):
        raise UsageError(
            f"{own.name} cannot be imported",
            hint="give it a name of letters, digits and underscores",
        )
