"""Find values of training that no option changes: constants, arguments in calls, configuration.

They are shown beside a draft. A recipe has no slot for them.
"""

import ast
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import yaml

from scaffold.authoring.drafting.command_words import StatedCommand
from scaffold.authoring.drafting.metric_words import is_hyperparameter
from scaffold.authoring.drafting.options import Option, find_constants
from scaffold.authoring.drafting.python_files import UNFOLDED, Module, calls_in
from scaffold.authoring.drafting.source_files import SourceFiles
from scaffold.records.draft import Citation, FieldAnswer, value_of

Setting = tuple[str, Any, Citation]
"""A value that is fixed somewhere: its name, dotted in a file, and its place."""

_SETTINGS_MODULE = re.compile(r"conf|config|params?|hparams|settings?|constants?|hyper\w*|options?")
_TRAINING_CALL = re.compile(
    r"(^|\.)(SGD|Adam|AdamW|Adamax|NAdam|RAdam|RMSprop|Adagrad|Adadelta|LBFGS|\w+Optimizer"
    r"|StepLR|MultiStepLR|ExponentialLR|CosineAnnealing\w*|ReduceLROnPlateau|OneCycleLR|LambdaLR"
    r"|DataLoader|BucketIterator\.splits|fit|compile|clip_grad_norm_?|clip_grad_value_?)$"
)
_POSITIONAL: Mapping[str, Sequence[str]] = {
    "StepLR": ("", "step_size", "gamma"),
    "MultiStepLR": ("", "milestones", "gamma"),
    "ExponentialLR": ("", "gamma"),
    "AdamOptimizer": ("learning_rate",),
    "GradientDescentOptimizer": ("learning_rate",),
    "RMSPropOptimizer": ("learning_rate",),
    "MomentumOptimizer": ("learning_rate", "momentum"),
    "SGD": ("", "lr", "momentum"),
    "Adam": ("", "lr"),
    "AdamW": ("", "lr"),
}
"""Names of positional arguments, of PyTorch's and TensorFlow's own signatures."""

_NO_SETTING = frozenset({"shuffle", "drop_last", "pin_memory", "mode", "repeat", "sort", "device"})
_CONFIGURES = re.compile(r"-{1,2}(c|cfg|conf|config|config[-_]file|configuration|yaml|hparams)")
_MOST_SETTINGS = 200


def find_fixed(
    modules: Sequence[Module], configuration: Sequence[Setting]
) -> dict[str, FieldAnswer]:
    """Return by name what a program fixes; of several of one name the first, in order of trust.

    Its configuration files come first, then constants of the
    program and of modules of settings, then arguments that stand in calls, then what the program's
    own classes are given or take by default. Names of a configuration file are dotted.
    """
    fixed: dict[str, FieldAnswer] = {}
    for name, value, place in [
        *(item for item in configuration if is_hyperparameter(item[0].rpartition(".")[2])),
        *(item for module in modules for item in _constants(module, is_first=module is modules[0])),
        *(item for module in modules[:1] for item in _dictionaries(module)),
        *(item for module in modules[:1] for item in _locals(module)),
        *(item for module in modules[:1] for item in _defaults(module)),
        *(item for module in modules for item in _in_calls(module)),
        *_of_own_classes(modules),
    ]:
        if len(fixed) < _MOST_SETTINGS:
            fixed.setdefault(name, value_of(value, place))
    return fixed


def _constants(module: Module, *, is_first: bool) -> Iterator[tuple[str, Any, Citation]]:
    """Yield constants of the program itself, and of a module of settings."""
    stem = PurePosixPath(module.path).stem.lower()
    if not is_first and not _SETTINGS_MODULE.fullmatch(stem):
        return
    for constant in find_constants(module):
        if not isinstance(constant.default, str) and is_hyperparameter(constant.name):
            yield constant.name, constant.default, constant.place
    if not is_first:
        yield from (item for item in _of_classes(module) if is_hyperparameter(item[0]))
    for name, node in module.constants.items():
        value = module.fold(node)
        if isinstance(value, list) and _is_setting(value) and is_hyperparameter(name):
            yield name, value, module.cite(node)


_SETTINGS_DICTIONARY = re.compile(
    r"(.*_)?(params?|parameters|config|conf|cfg|settings|hparams|hps|hyper\w*|args|options)",
    re.IGNORECASE,
)


def _dictionaries(module: Module) -> Iterator[tuple[str, Any, Citation]]:
    """Yield what the first dictionary of settings says: `params = {"epochs": 30}`.

    Keys that are given another value somewhere are left out.
    """
    changed = {
        module.fold(target.slice)
        for node in ast.walk(module.tree)
        for target in (node.targets if isinstance(node, ast.Assign) else ())
        if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant)
    }
    for node in module.tree.body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Dict):
            continue
        value, names = node.value, [one.id for one in node.targets if isinstance(one, ast.Name)]
        if not any(map(_SETTINGS_DICTIONARY.fullmatch, names)):
            continue
        for key_node, value_node in zip(value.keys, value.values, strict=True):
            key, setting = module.fold(key_node), module.fold(value_node)
            is_setting = _is_setting(setting) or isinstance(setting, str)
            if (
                isinstance(key, str)
                and key not in changed
                and is_setting
                and is_hyperparameter(key)
            ):
                yield key, setting, module.cite(value_node)
        return


def _of_classes(module: Module) -> Iterator[tuple[str, Any, Citation]]:
    """Yield what classes of settings say in their bodies: `class Config: epochs = 15`."""
    for holder in ast.walk(module.tree):
        for node in holder.body if isinstance(holder, ast.ClassDef) else ():
            value = module.fold(node.value) if isinstance(node, ast.Assign) else UNFOLDED
            if isinstance(value, str) or _is_setting(value):
                assert isinstance(node, ast.Assign)
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        yield target.id, value, module.cite(node)


def texts_of_settings(modules: Sequence[Module]) -> Iterator[tuple[str, Citation]]:
    """Yield the texts that modules of settings say: files of data may be among them."""
    for module in modules[1:]:
        if _SETTINGS_MODULE.fullmatch(PurePosixPath(module.path).stem.lower()):
            for _, value, place in _of_classes(module):
                if isinstance(value, str):
                    yield value, place


_MAIN = re.compile(r"main|train|fit|run")


def _locals(module: Module) -> Iterator[tuple[str, Any, Citation]]:
    """Yield what the functions that train give a name of theirs, once: `hidden_size = 512`."""
    for function in ast.walk(module.tree):
        if not isinstance(function, ast.FunctionDef) or not _MAIN.match(function.name):
            continue
        assigned: dict[str, list[ast.Assign]] = {}
        for node in ast.walk(function):
            for target in node.targets if isinstance(node, ast.Assign) else ():
                if isinstance(target, ast.Name) and isinstance(node, ast.Assign):
                    assigned.setdefault(target.id, []).append(node)
        changed = {
            node.target.id
            for node in ast.walk(function)
            if isinstance(node, (ast.AugAssign, ast.For)) and isinstance(node.target, ast.Name)
        }
        for name, nodes in assigned.items():
            value = module.fold(nodes[0].value)
            is_one = len(nodes) == 1 and name not in changed
            if is_one and is_hyperparameter(name) and _is_setting(value):
                yield name, value, module.cite(nodes[0])


def _of_own_classes(modules: Sequence[Module]) -> Iterator[tuple[str, Any, Citation]]:
    """Yield literals that the program's own classes are given in it, then their defaults."""
    initializers = {
        node.name: (module, function)
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
        for function in node.body
        if isinstance(function, ast.FunctionDef) and function.name == "__init__"
    }
    used: list[str] = []
    for module in modules[:1]:
        chosen = _chosen_by_name(module.tree)
        for name, call in calls_in(module.tree):
            class_name = name.rpartition(".")[2]
            if class_name not in initializers or call in chosen:
                continue
            used.append(class_name)
            names = [argument.arg for argument in initializers[class_name][1].args.args[1:]]
            arguments = [*zip(names, call.args, strict=False)]
            arguments += [(item.arg, item.value) for item in call.keywords if item.arg]
            for argument, node in arguments:
                value = module.fold(node) if isinstance(node, _LITERALS) else UNFOLDED
                if _is_setting(value) and is_hyperparameter(argument):
                    yield argument, value, module.cite(node)
    for class_name in dict.fromkeys(used):
        yield from _defaults_of(*initializers[class_name])


def _chosen_by_name(tree: ast.Module) -> set[ast.Call]:
    """Return what is called for one of many texts of a name: `if model == "mlp":`."""
    by_name: dict[str, dict[str, list[ast.Call]]] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.If) or not isinstance(node.test, ast.Compare):
            continue
        name, limit = ast.unparse(node.test.left), node.test.comparators[0]
        if name != "__name__" and isinstance(limit, ast.Constant) and isinstance(limit.value, str):
            calls = [call for statement in node.body for _, call in calls_in(statement)]
            by_name.setdefault(name, {})[limit.value] = calls
    many = [texts for texts in by_name.values() if len(texts) >= _MANY_MODELS]
    return {call for texts in many for calls in texts.values() for call in calls}


_MANY_MODELS = 3


def _defaults(module: Module) -> Iterator[tuple[str, Any, Citation]]:
    """Yield the defaults of the program's functions that train."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef) and _MAIN.match(node.name):
            yield from _defaults_of(module, node)


def _defaults_of(module: Module, function: ast.FunctionDef) -> Iterator[tuple[str, Any, Citation]]:
    arguments = [*function.args.args, *function.args.kwonlyargs]
    some = function.args.defaults
    missing = [None] * (len(function.args.args) - len(some))
    for argument, default in zip(
        arguments, [*missing, *some, *function.args.kw_defaults], strict=True
    ):
        value = module.fold(default) if isinstance(default, _LITERALS) else UNFOLDED
        if _is_setting(value) and is_hyperparameter(argument.arg):
            yield argument.arg, value, module.cite(argument)


def _in_calls(module: Module) -> Iterator[tuple[str, Any, Citation]]:
    """Yield literals that an optimizer, a schedule or a loader is given in the code."""
    for name, call in calls_in(module.tree):
        if not _TRAINING_CALL.search(name):
            continue
        arguments = [(item.arg, item.value) for item in call.keywords if item.arg]
        positional = _POSITIONAL.get(name.rpartition(".")[2], ())
        if call.args and isinstance(module.fold(call.args[0]), (int, float)):
            positional = [argument for argument in positional if argument]  # bound to it later
        arguments += [*zip(positional, call.args, strict=False)]
        for argument, node in arguments:
            value = module.fold(node) if isinstance(node, _LITERALS) else UNFOLDED
            is_named = argument not in _NO_SETTING and is_hyperparameter(argument or "out")
            if argument and is_named and _is_setting(value):
                yield argument, value, module.cite(node)


_LITERALS = (ast.Constant, ast.List, ast.Tuple, ast.UnaryOp, ast.BinOp)
"""A name is no literal: what it stands for is a constant or an option."""


def _is_setting(value: Any) -> bool:
    """Return whether a value is a number, a truth value or a list of such."""
    if isinstance(value, list):
        return bool(value) and all(_is_setting(item) for item in value)
    return isinstance(value, (bool, int, float))


def read_configuration(
    files: SourceFiles,
    modules: Sequence[Module],
    command: StatedCommand,
    options: Sequence[Option],
) -> list[Setting]:
    """Return what the files say that configure a program."""
    paths = _configuration_files(files, modules, command, options)
    return [setting for path in paths for setting in values_of_file(files, path)]


def values_of_file(files: SourceFiles, path: str) -> Iterator[Setting]:
    """Yield what a configuration file says: dotted name, value, and its line."""
    text = files.texts[path]
    lines = files.lines(path)
    if not path.endswith(_STRUCTURED):
        yield from _assignments(files, path, lines)
        return
    try:
        document = json.loads(text) if path.endswith(".json") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError, RecursionError):
        return
    for keys, value in _leaves(document, ()):
        line = line_of(lines, keys)
        if line is not None:
            yield ".".join(keys), value, files.cite(path, line)


_STRUCTURED = (".json", ".yaml", ".yml")
_LINES = (".config", ".conf", ".cfg", ".ini")
_ASSIGNED = re.compile(r"\s*(?P<name>[A-Za-z][\w.-]*)\s*[=:]\s*(?P<value>[\w.,+-]{1,40})\s*(#.*)?")


def _assignments(
    files: SourceFiles, path: str, lines: Sequence[str]
) -> Iterator[tuple[str, Any, Citation]]:
    """Yield what the lines `name = value` of a configuration file say."""
    for number, line in enumerate(lines, start=1):
        match = _ASSIGNED.fullmatch(line)
        if match:
            value = yaml.safe_load(match["value"]) if match["value"][:1] not in "," else ""
            if _is_setting(value) or isinstance(value, str):
                yield match["name"], to_number(value), files.cite(path, number)


_OPENED = re.compile(r"(conf|param|setting|option|hyper)\w*\.(json|ya?ml)$", re.IGNORECASE)


def _configuration_files(
    files: SourceFiles,
    modules: Sequence[Module],
    command: StatedCommand,
    options: Sequence[Option],
) -> list[str]:
    """Return the files that configure a program, as paths in the source.

    Those that the command names; else the default of the option that it leaves; else those that
    the program opens by a literal name.
    """
    words = command.argv
    named = [value for flag, value in itertools.pairwise(words) if _CONFIGURES.fullmatch(flag)]
    for word in words:
        flag, _, value = word.partition("=")
        named += [value] if value and _CONFIGURES.fullmatch(flag) else []
    named = [value for value in named if "<" not in value] or [
        option.default
        for option in options
        if isinstance(option.default, str) and any(map(_CONFIGURES.fullmatch, option.flags))
    ]
    named = named or [
        path
        for module in modules
        for name, call in calls_in(module.tree)
        if name == "open"
        and call.args
        and isinstance(path := module.fold(call.args[0]), str)
        and _OPENED.search(path)
    ]
    return list(dict.fromkeys(path for text in named for path in _existing(files, command, text)))


def _existing(files: SourceFiles, command: StatedCommand, path: str) -> Iterator[str]:
    for base in dict.fromkeys((f"{command.directory}/" if command.directory else "", "")):
        found_path = base + path.removeprefix("./")
        if found_path in files.texts and found_path.endswith((*_STRUCTURED, *_LINES)):
            yield found_path
            return


def _leaves(value: Any, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*keys, str(key)))
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        for item in value:  # layers: the first of one name is taken
            yield from _leaves(item, keys)
    elif keys and (_is_setting(value) or (isinstance(value, str) and len(value) < 40)):
        yield keys, to_number(value)


def to_number(value: Any) -> Any:
    """Return `1e-4` as a number, which YAML 1.1 reads as a text."""
    is_number = isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", value)
    return float(value) if is_number else value


def line_of(lines: Sequence[str], keys: Sequence[str]) -> int | None:
    """Return the line where the last of some nested keys stands, below the ones before it."""
    at = 0
    for key in keys:
        pattern = re.compile(rf"^\s*[-{{\s]*[\"']?{re.escape(key)}[\"']?\s*:")
        at = next((n for n in range(at, len(lines)) if pattern.match(lines[n])), -1)
        if at < 0:
            return None
    return at + 1
