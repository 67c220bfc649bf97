"""Find the metrics that a program writes into a JSON file, where its code says path and keys."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scaffold.authoring.drafting.metric_words import find_metric, find_split
from scaffold.authoring.drafting.printed_dictionaries import find_printed_dictionaries
from scaffold.authoring.drafting.printed_metrics import PrintedMetric, find_printed
from scaffold.authoring.drafting.python_files import Module, calls_in


def find_reported(modules: Sequence[Module]) -> list[PrintedMetric]:
    """Return what a program's modules print of metrics, then what they write as JSON."""
    written = [metric for module in modules for metric in _of_module(module)]
    return [*find_printed(modules), *find_printed_dictionaries(modules), *written]


def _of_module(module: Module) -> Iterator[PrintedMetric]:
    opened, assigned = _opened(module), _dictionaries(module)
    for name, call in calls_in(module.tree):
        path = value = None
        if name == "json.dump" and len(call.args) > 1:
            value, file = call.args[0], call.args[1]
            path = opened.get(file.id) if isinstance(file, ast.Name) else _path_opened(module, file)
        elif name.endswith((".write_text", ".write")) and call.args:
            text, holder = call.args[0], call.func
            if isinstance(text, ast.Call) and ast.unparse(text.func) == "json.dumps" and text.args:
                assert isinstance(holder, ast.Attribute)
                value, path = text.args[0], _path_opened(module, holder.value)
                if path is None and isinstance(holder.value, ast.Name):
                    path = opened.get(holder.value.id)
        if isinstance(value, ast.Name):
            value = assigned.get(value.id)
        if path is None or not isinstance(value, ast.Dict):
            continue
        for order, (keys, node) in enumerate(_leaves(module, value, ())):
            words = " ".join(keys).replace("_", " ")
            metric = find_metric(words)
            if metric is not None:
                yield PrintedMetric(
                    metric=metric,
                    pattern=path,
                    key=".".join(keys),
                    stream="json",
                    split=find_split(words),
                    is_percent="100" in ast.unparse(node),
                    place=module.cite(node),
                    order=order,
                )


def _opened(module: Module) -> dict[str, str]:
    """Return the paths of files by the names that `with open(...) as name` gives them."""
    paths = {}
    for node in ast.walk(module.tree):
        for item in node.items if isinstance(node, ast.With) else ():
            path = _path_opened(module, item.context_expr)
            if path is not None and isinstance(item.optional_vars, ast.Name):
                paths[item.optional_vars.id] = path
    return paths


def _path_opened(module: Module, node: ast.expr) -> str | None:
    """Return the path of `open("a.json", "w")`, `Path("a.json").open("w")` or `Path("a.json")`."""
    if not isinstance(node, ast.Call):
        return None
    if isinstance(node.func, ast.Attribute) and node.func.attr == "open":
        return _path_opened(module, node.func.value)
    is_path = ast.unparse(node.func) in ("open", "io.open", "Path", "pathlib.Path")
    path = module.fold(node.args[0]) if is_path and len(node.args) in (1, 2) else None
    if not isinstance(path, str) or path.startswith(("/", "~", "..")):
        return None
    return path.removeprefix("./") if path.endswith((".json", ".jsonl")) else None


def _dictionaries(module: Module) -> Mapping[str, ast.Dict]:
    """Return the dictionaries that are given a name once, by that name."""
    values: dict[str, list[ast.expr]] = {}
    for node in ast.walk(module.tree):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            if isinstance(target, ast.Name) and isinstance(node, ast.Assign):
                values.setdefault(target.id, []).append(node.value)
    return {
        name: all_values[0]
        for name, all_values in values.items()
        if len(all_values) == 1 and isinstance(all_values[0], ast.Dict)
    }


def _leaves(
    module: Module, node: ast.Dict, above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], ast.expr]]:
    for key_node, value in zip(node.keys, node.values, strict=True):
        key: Any = module.fold(key_node)
        if not isinstance(key, str) or "." in key:
            continue
        if isinstance(value, ast.Dict):
            yield from _leaves(module, value, (*above, key))
        elif not isinstance(value, ast.Constant):  # a constant is a setting
            yield (*above, key), value
