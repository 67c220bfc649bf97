"""Find metrics that a program prints as the entries of a dictionary, whole or in a loop."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence

from scaffold.authoring.drafting.metric_words import find_metric, find_split
from scaffold.authoring.drafting.printed_metrics import (
    VALUE,
    PrintedMetric,
    escaped,
    functions_by_line,
    is_shown,
    spaced,
    stream_of,
)
from scaffold.authoring.drafting.printed_texts import HOLE, shown_text
from scaffold.authoring.drafting.python_files import Module, calls_in, dotted_name
from scaffold.records.draft import Citation

_ARRAY = r"(?:\w+\()?\[?"
"""How NumPy and PyTorch begin a value: `array([0.18])`, `tensor(0.18)`."""

_IS_CONFIGURED = re.compile(r"\b(vars|args?|opts?|options|config|cfg|flags|h?params)\b", re.I)
"""What programs print of their settings, which have no results."""

_CONVERTS = frozenset({"str", "float", "round", "item"})


def find_printed_dictionaries(modules: Sequence[Module]) -> list[PrintedMetric]:
    """Return the metrics among the keys of printed dictionaries.

    `print(results)` prints its own; `for key in results: print(key, results[key])` prints all that
    the modules put under a key, since others may fill what is printed.
    """
    keys = [key for module in modules for key in _keys(module.tree)]
    return [
        metric
        for module in modules
        for metric in [*_whole(module), *_entries(module, dict.fromkeys(keys))]
    ]


def _keys(tree: ast.AST) -> Iterator[str]:
    """Yield the keys under which code puts what it computes."""
    for node in ast.walk(tree):
        pairs: list[tuple[ast.expr | None, ast.expr]] = []
        if isinstance(node, ast.Dict):
            pairs = list(zip(node.keys, node.values, strict=True))
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            pairs = [(node.targets[0].slice, node.value)]
        for key, value in pairs:
            is_text = isinstance(key, ast.Constant) and isinstance(key.value, str)
            if is_text and not isinstance(value, ast.Constant):
                assert isinstance(key, ast.Constant)
                yield str(key.value)


def _whole(module: Module) -> Iterator[PrintedMetric]:
    """Yield metrics of `print(results)`, where the same function makes that dictionary."""
    for function in ast.walk(module.tree):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        assigned = {
            node.targets[0].id: list(_keys(node.value))
            for node in ast.walk(function)
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Dict)
        }
        for name, call in calls_in(function):
            shown = call.args[-1] if is_shown(name) and call.args else None
            keys = assigned.get(shown.id, []) if isinstance(shown, ast.Name) else []
            for order, key in enumerate(keys):
                pattern = rf"'{re.escape(key)}':\s*{_ARRAY}(?P<value>{VALUE})"
                place = module.cite(call)
                yield from _metric(key, pattern, stream_of(name, call), function.name, place, order)


def _entries(module: Module, keys: Mapping[str, None]) -> Iterator[PrintedMetric]:
    """Yield metrics of loops that print a key and its value."""
    functions = functions_by_line(module)
    for call, name, target, arguments in _printing_loops(module.tree):
        text, holes = shown_text(arguments, is_print=name == "print")
        if len(holes) < 2 or not _are_entry(target, holes[0].node, holes[1].node):
            continue
        before, between = text.split(HOLE)[:2]
        before = before.split("\n")[-1]
        if "\n" in between:
            continue
        for order, key in enumerate(keys):
            pattern = (
                rf"{escaped(before)}(?<!\w){re.escape(key)}{escaped(between.rstrip())}\s*"
                rf"{_ARRAY}(?P<value>{VALUE})"
            )
            place, function = module.cite(call), functions.get(call.lineno, "")
            yield from _metric(key, pattern, stream_of(name, call), function, place, order)


def _printing_loops(
    tree: ast.AST,
) -> Iterator[tuple[ast.Call, str, ast.expr, Sequence[ast.expr]]]:
    """Yield calls that show each entry of something, their names, loop targets and texts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.For) and not _IS_CONFIGURED.search(ast.unparse(node.iter)):
            for name, call in calls_in(node):
                if is_shown(name) and call.args:
                    yield call, name, node.target, call.args
    for name, call in calls_in(tree):
        if not is_shown(name):
            continue
        for node in (inner for argument in call.args for inner in ast.walk(argument)):
            if isinstance(node, (ast.GeneratorExp, ast.ListComp)):
                loop = node.generators[0]
                if not _IS_CONFIGURED.search(ast.unparse(loop.iter)):
                    yield call, name, loop.target, [node.elt]


def _are_entry(target: ast.expr, key: ast.expr, value: ast.expr) -> bool:
    """Return whether two printed expressions are the key and the value that a loop goes over."""
    while isinstance(value, ast.Call) and dotted_name(value.func).rpartition(".")[2] in _CONVERTS:
        value = value.args[0] if value.args else getattr(value.func, "value", value.func)
    if isinstance(target, ast.Tuple):
        return [ast.unparse(one) for one in target.elts] == [ast.unparse(key), ast.unparse(value)]
    return (
        ast.unparse(key) == ast.unparse(target)
        and isinstance(value, ast.Subscript)
        and ast.unparse(value.slice) == ast.unparse(target)
    )


def _metric(
    key: str, pattern: str, stream: str, function: str, place: Citation, order: int
) -> Iterator[PrintedMetric]:
    metric = find_metric(spaced(key))
    if metric is not None:
        yield PrintedMetric(
            metric=metric,
            pattern=pattern,
            stream=stream,
            split=find_split(spaced(key)) or find_split(spaced(function)),
            is_percent=False,
            place=place,
            order=order,
        )
