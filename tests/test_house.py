"""The house stays readable: measured as in CONTRIBUTING.md, section "How the code is kept"."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "scaffold"
SHIM = PACKAGE / "running" / "shim"
FILES = sorted(path for path in PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(), str(path)) for path in FILES}
BANNED = set(
    re.findall(
        r"\w+",
        "found told said kept made there here more rest given wanted what asked left moved",
    )
)
NO_VERBS = set(
    re.findall(
        r"\w+",
        "a an the this that these those it its they such all each every any some one two no none what"
        " whether who which how why when where of in on for from by to with as at if whatever same"
        " once without after before also only not more most other another",
    )
)
MOST_PARAMETERS = 7
ALLOWED_WITH_MORE = 8


def functions() -> Iterator[tuple[Path, ast.FunctionDef]]:
    for path, tree in TREES.items():
        yield from ((path, n) for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))


def test_docstrings_begin_with_what_a_function_does():
    first_words = {
        f"{path.relative_to(ROOT)}:{function.lineno}": docstring.split()[0].strip(".,:;`'\"")
        for path, function in functions()
        if (docstring := ast.get_docstring(function))
    }
    wrong = {
        place: word
        for place, word in first_words.items()
        if word.lower() in NO_VERBS or not word.isalpha() or word[:1].islower()
    }
    assert len(wrong) < 0.05 * len(first_words), wrong


def test_docstrings_go_on_in_sentences():
    fragments = [
        f"{path.relative_to(ROOT)}:{function.lineno}: {paragraph[:40]}"
        for path, function in functions()
        for paragraph in (ast.get_docstring(function) or "").split("\n\n")[1:]
        if re.match(r"(Which|And|Would|Whose|By|From|So that|Such as|Else) ", paragraph)
    ]
    assert fragments == []


def _described(docstring: str | None, section: str) -> set[str]:
    """Return the names that a section of a docstring describes."""
    text = (docstring or "").partition(f"{section}:\n")[2]
    for other in ("Args", "Attributes", "Returns", "Raises"):
        text = text.partition(f"\n{other}:\n")[0]
    listed = re.findall(r"^    ([a-z_, ]+?):", text, re.MULTILINE)
    return {name for names in listed for name in names.split(", ") if " " not in name}


def test_docstrings_describe_what_is_there():
    wrong = []
    for path, function in functions():
        arguments = function.args
        every = [*arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        names = {argument.arg for argument in every if argument is not None}
        gone = _described(ast.get_docstring(function), "Args") - names
        wrong += [(str(path.relative_to(ROOT)), function.name, name) for name in gone]
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                fields = {n.target.id for n in node.body if isinstance(n, ast.AnnAssign)}
                gone = _described(ast.get_docstring(node), "Attributes") - fields
                wrong += [(str(path.relative_to(ROOT)), node.name, name) for name in gone]
    assert not wrong


def _names(node: ast.AST) -> Iterator[tuple[int, str]]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            yield inner.lineno, inner.id
        elif isinstance(inner, ast.arg):
            yield inner.lineno, inner.arg
        elif isinstance(inner, (ast.FunctionDef, ast.ClassDef)):
            yield inner.lineno, inner.name
        elif isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
            yield inner.lineno, inner.target.id


def test_names_say_what_they_hold():
    vague = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path, tree in TREES.items()
        for line, name in _names(tree)
        if name in BANNED
    ]
    assert vague == []


def test_the_formatter_is_never_switched_off():
    marked = [path for path in ROOT.glob("[stb]*/**/*.py") if "fmt: " + "skip" in path.read_text()]
    assert marked == []


def test_files_and_rooms_stay_small():
    lines = {path: path.read_text().count("\n") for path in FILES}
    assert {path: count for path, count in lines.items() if count > 400} == {}
    entries = [path for path in PACKAGE.iterdir() if path.name not in ("__pycache__", "_data")]
    assert len(entries) <= 31


def test_few_functions_take_many_arguments():
    many = []
    for path, function in functions():
        arguments = function.args
        names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
        count = len([name for name in names if name not in ("self", "cls")])
        if count >= MOST_PARAMETERS:
            many.append(f"{path.relative_to(ROOT)}: {function.name} takes {count}")
    assert len(many) <= ALLOWED_WITH_MORE, many


def test_conditional_expressions_are_not_nested():
    nested = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.IfExp)
        and any(
            isinstance(inner, ast.IfExp)
            for part in (node.test, node.body, node.orelse)
            for inner in ast.walk(part)
        )
    ]
    assert nested == []


@pytest.mark.parametrize("path", sorted(SHIM.rglob("*.py")), ids=lambda path: path.stem)
def test_the_shim_parses_as_python_3_7(path):
    ast.parse(path.read_text(), str(path), feature_version=(3, 7))


def test_no_sentence_is_multiplied():
    """A text or list times a bool is a riddle."""
    riddles = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in FILES
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if re.search(r"\] \* (is_|has_|bool)", line)
    ]
    assert riddles == []
