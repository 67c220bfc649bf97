"""Parse the Python files and notebooks of a source, with the place of every node.

By `ast`, never by import. What does not parse (templates, damaged files) is named, and skipped.
"""

import ast
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from scaffold.authoring.drafting.old_python import modernize
from scaffold.authoring.drafting.source_files import SourceFiles, split_lines
from scaffold.records.draft import Citation

_NO_CELLS: Sequence[tuple[int, int]] = ()

UNFOLDED = object()
"""What `Module.fold` gives for an expression whose value is not written in the file."""

_PYTHON_2 = re.compile(
    r"^\s*print\s+[^(=\s]|^\s*except\s+\w+\s*,\s*\w+\s*:|\bxrange\(", re.MULTILINE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A Python file, or the code cells of a notebook one after another.

    Attributes:
        path: in the source.
        tree: of the whole file.
        lines: of the whole file.
        cells: of a notebook, the cell (from 1) and the line in it of each line.
        constants: literals that names of the module are assigned once, and not changed.
    """

    path: str
    tree: ast.Module
    lines: Sequence[str]
    cells: Sequence[tuple[int, int]] = ()
    constants: Mapping[str, ast.expr] = field(default_factory=dict)

    def cite(self, node: ast.AST) -> Citation:
        """Return the place where a node begins."""
        line: int = getattr(node, "lineno", 1)
        words = self.lines[line - 1].strip()
        if self.cells:
            cell, line = self.cells[line - 1]
            return Citation(path=self.path, line=line, cell=cell, words=words)
        return Citation(path=self.path, line=line, words=words)

    def fold(self, node: ast.expr | None) -> Any:
        """Return the value of a literal, of arithmetic on literals, or of a constant's name.

        UNFOLDED where it is computed in another way.
        """
        return _fold(node, self.constants, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonFiles:
    """All Python of a source.

    Attributes:
        modules: by path.
        unparsed: the reason by path.
        python2: paths that only Python 2 reads.
    """

    modules: Mapping[str, Module]
    unparsed: Mapping[str, str]
    python2: tuple[str, ...]

    def is_program(self, path: str) -> bool:
        """Return whether a module does more, when it is started, than to import and define."""
        module = self.modules.get(path)
        if module is None:
            return False
        return "__main__" in "\n".join(module.lines[-60:]) or not all(
            isinstance(node, _DEFINITIONS)
            or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
            for node in module.tree.body
        )

    def reachable(self, program: str, targets: Sequence[str] = ()) -> list[Module]:
        """Return a program's module, then the source's own modules that it imports, by distance.

        `targets` are dotted names that its configuration makes it import.
        """
        order: dict[str, None] = {program: None} if program in self.modules else {}
        for target in targets if order else ():
            for base in (_parent(program), "", "src"):
                order |= dict.fromkeys(filter(None, [self._find(base, target.split("."))]))
        waiting = list(order)
        while waiting:
            path = waiting.pop(0)
            for imported in self.own_imports(self.modules[path], program):
                if imported not in order:
                    order[imported] = None
                    waiting.append(imported)
        return [self.modules[path] for path in order]

    def own_imports(self, module: Module, program: str) -> Iterator[str]:
        """Yield paths of the source's modules that a module imports.

        They are looked for as Python does when `program` is run: beside it, then from the root,
        and below `src`.
        """
        roots = [_parent(program), "", "src", _parent(module.path)]
        for name, level, _ in imported_names(module.tree):
            if level:
                base = PurePosixPath(module.path)
                for _ in range(level):
                    base = base.parent
                bases = ["" if str(base) == "." else str(base)]
            else:
                bases = list(dict.fromkeys(roots))
            parts = name.split(".") if name else []
            for base_name in bases:
                imported = self._find(base_name, parts)
                if imported:
                    yield imported
                    break

    def _find(self, base: str, parts: Sequence[str]) -> str | None:
        """Return the module of a dotted name; the last part may be a name inside it."""
        for length in range(len(parts), 0, -1):
            stem = "/".join([*([base] if base else []), *parts[:length]])
            for path in (f"{stem}.py", f"{stem}/__init__.py"):
                if path in self.modules:
                    return path
        return None


_DEFINITIONS = (
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.ClassDef,
    ast.Assign,
    ast.AnnAssign,
)


def parse_python(files: SourceFiles) -> PythonFiles:
    """Parse every Python file and notebook."""
    modules: dict[str, Module] = {}
    unparsed: dict[str, str] = {}
    python2: list[str] = []
    for path, text in files.texts.items():
        if path.endswith(".py"):
            source, cells = text, _NO_CELLS
        elif path.endswith(".ipynb"):
            source, cells = _cells(text)
        else:
            continue
        try:
            tree = _parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            if _PYTHON_2.search(source):
                python2.append(path)
            try:
                tree = _parse(modernize(source))
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                unparsed[path] = f"{type(error).__name__}: {error}"
                continue
        if re.search(r"\\[uUN]", source):
            _replace_surrogates(tree)
        modules[path] = Module(
            path=path,
            tree=tree,
            lines=split_lines(source),
            cells=cells,
            constants=_constants(tree),
        )
    return PythonFiles(modules=modules, unparsed=unparsed, python2=tuple(python2))


def _parse(source: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "invalid escape sequence" of somebody's code
        return ast.parse(source)


def _cells(text: str) -> tuple[str, Sequence[tuple[int, int]]]:
    """Return the code of a notebook, magics left out, and the cell and line of each line."""
    try:
        cells = json.loads(text)["cells"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", ()
    lines: list[str] = []
    places: list[tuple[int, int]] = []
    for number, cell in enumerate(cells if isinstance(cells, list) else [], start=1):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source", "")
        code = "".join(map(str, source)) if isinstance(source, list) else str(source)
        if code.startswith("%%"):
            continue
        for line, words in enumerate(split_lines(code), start=1):
            is_magic = words.lstrip().startswith(("!", "%", "?"))
            indent = words[: len(words) - len(words.lstrip())]
            lines.append(f"{indent}pass" if is_magic else words)
            places.append((number, line))
    return "\n".join(lines), places


def imported_names(tree: ast.Module) -> Iterator[tuple[str, int, ast.AST]]:
    """Yield dotted name, level of a relative import, and node of each import.

    Also of `importlib.import_module` with a name that is written there.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted_name(node.func).endswith("import_module"):
            argument = node.args[0] if node.args else None
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield argument.value.lstrip("."), 0, node
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, 0, node
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            for alias in node.names:
                name = alias.name if alias.name != "*" else ""
                yield ".".join(part for part in (module, name) if part), node.level, node


def full_names(tree: ast.Module) -> dict[str, str]:
    """Return what imported names stand for: `IMDB` is `torchtext.datasets.IMDB`."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return names


def dotted_name(node: ast.AST) -> str:
    """Return `a.b.c` of a name or attribute; empty for other expressions."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        return ".".join([node.id, *reversed(parts)])
    if parts:  # a call's result: what is called on it
        return ".".join(["", *reversed(parts)])
    return ""


def calls_in(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Yield every call with the dotted name that is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield dotted_name(node.func), node


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """Return the expression of a keyword argument, or None."""
    return next((item.value for item in call.keywords if item.arg == name), None)


def _parent(path: str) -> str:
    parent = str(PurePosixPath(path).parent)
    return "" if parent == "." else parent


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """Return the module's names that are assigned one literal, once."""
    assigned: dict[str, list[ast.expr | None]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name):
                        is_whole = name is target
                        assigned.setdefault(name.id, []).append(node.value if is_whole else None)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            assigned.setdefault(node.target.id, []).append(node.value)
        elif isinstance(node, (ast.AugAssign, ast.For)):
            for name in ast.walk(node.target):
                if isinstance(name, ast.Name):
                    assigned.setdefault(name.id, []).extend([None, None])
    top = {
        target.id
        for node in tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    return {
        name: values[0]
        for name, values in assigned.items()
        if name in top and len(values) == 1 and values[0] is not None
    }


_MOST_DEPTH = 20
_MOST_NUMBER = 1e300
_OPERATIONS: Mapping[type[ast.operator], Any] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a // b,
}


def _fold(node: ast.expr | None, constants: Mapping[str, ast.expr], depth: int) -> Any:
    if node is None or depth > _MOST_DEPTH:
        return UNFOLDED
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name) and node.id in constants:
        return _fold(constants[node.id], constants, depth + 1)
    if isinstance(node, (ast.List, ast.Tuple)):
        items = [_fold(item, constants, depth + 1) for item in node.elts]
        return UNFOLDED if any(item is UNFOLDED for item in items) else items
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _fold(node.operand, constants, depth + 1)
        return -value if _is_number(value) else UNFOLDED
    if isinstance(node, ast.BinOp):
        return _fold_operation(node, constants, depth)
    if isinstance(node, ast.Call) and dotted_name(node.func) in ("int", "float"):
        value = _fold(node.args[0] if len(node.args) == 1 else None, constants, depth + 1)
        if not (_is_number(value) and abs(value) < _MOST_NUMBER):
            return UNFOLDED
        return int(value) if dotted_name(node.func) == "int" else float(value)
    return UNFOLDED


def _replace_surrogates(tree: ast.Module) -> None:
    """Write "?" for the halves of characters in a program's texts, which no file can hold."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = node.value.encode("utf-8", errors="replace").decode()


def _fold_operation(node: ast.BinOp, constants: Mapping[str, ast.expr], depth: int) -> Any:
    left_side = _fold(node.left, constants, depth + 1)
    right = _fold(node.right, constants, depth + 1)
    if isinstance(left_side, str) and isinstance(right, str) and isinstance(node.op, ast.Add):
        return left_side + right
    if not (_is_number(left_side) and _is_number(right)):
        return UNFOLDED
    if isinstance(node.op, ast.Pow):  # 10**-3, 2**20: not what takes all memory
        return left_side**right if abs(left_side) <= 1000 and abs(right) <= 64 else UNFOLDED
    operation = _OPERATIONS.get(type(node.op))
    if operation is None:
        return UNFOLDED
    try:
        return operation(left_side, right)
    except (ArithmeticError, ValueError):
        return UNFOLDED


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
