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
from scaffold.authoring.drafting.options import find_constants
from scaffold.authoring.drafting.python_files import UNFOLDED, Module, calls_in
from scaffold.authoring.drafting.source_files import SourceFiles
from scaffold.records.draft import Answer, Citation, value_of

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
    files: SourceFiles, modules: Sequence[Module], command: StatedCommand
) -> dict[str, Answer]:
    """Return by name what a program fixes; of several of one name the first, in order of trust.

    A configuration file that the command names comes first, then constants of the program and of
    modules of settings, then arguments that stand in calls. Names of a configuration file are
    dotted.
    """
    fixed: dict[str, Answer] = {}
    for name, value, place in [
        *_of_configuration(files, command),
        *(item for module in modules for item in _constants(module, is_first=module is modules[0])),
        *(item for module in modules[:1] for item in _defaults(module)),
        *(item for module in modules for item in _in_calls(module)),
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
    for name, node in module.constants.items():
        value = module.fold(node)
        if isinstance(value, list) and _is_setting(value) and is_hyperparameter(name):
            yield name, value, module.cite(node)


def _defaults(module: Module) -> Iterator[tuple[str, Any, Citation]]:
    """Yield the defaults of the program's functions that train."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef) and re.match(r"(main|train|fit|run)", node.name):
            arguments = [*node.args.args, *node.args.kwonlyargs]
            some = node.args.defaults
            missing = [None] * (len(node.args.args) - len(some))
            for argument, default in zip(
                arguments, [*missing, *some, *node.args.kw_defaults], strict=True
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


def _of_configuration(
    files: SourceFiles, command: StatedCommand
) -> Iterator[tuple[str, Any, Citation]]:
    """Yield what the configuration file that a command names says, each value with its line."""
    for path in _named_files(files, command):
        text = files.texts[path]
        lines = files.lines(path)
        if not path.endswith(_STRUCTURED):
            yield from _assignments(files, path, lines)
            continue
        try:
            document = json.loads(text) if path.endswith(".json") else yaml.safe_load(text)
        except (ValueError, yaml.YAMLError, RecursionError):
            continue
        for keys, value in _leaves(document, ()):
            line = _line_of(lines, keys)
            if line is not None and is_hyperparameter(keys[-1]):
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
        if match and is_hyperparameter(match["name"]):
            value = yaml.safe_load(match["value"]) if match["value"][:1] not in "," else ""
            if _is_setting(value) or isinstance(value, str):
                yield match["name"], _number(value), files.cite(path, number)


def _named_files(files: SourceFiles, command: StatedCommand) -> Iterator[str]:
    words = command.argv
    for flag, value in itertools.pairwise(words):
        if _CONFIGURES.fullmatch(flag):
            yield from _existing(files, command, value)
    for word in words:
        flag, _, value = word.partition("=")
        if value and _CONFIGURES.fullmatch(flag):
            yield from _existing(files, command, value)


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
    elif keys and (_is_setting(value) or (isinstance(value, str) and len(value) < 40)):
        yield keys, _number(value)


def _number(value: Any) -> Any:
    """Return `1e-4` as a number, which YAML 1.1 reads as a text."""
    is_number = isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", value)
    return float(value) if is_number else value


def _line_of(lines: Sequence[str], keys: Sequence[str]) -> int | None:
    """Return the line where the last of some nested keys stands, below the ones before it."""
    at = 0
    for key in keys:
        pattern = re.compile(rf"^\s*[-{{\s]*[\"']?{re.escape(key)}[\"']?\s*:")
        at = next((n for n in range(at, len(lines)) if pattern.match(lines[n])), -1)
        if at < 0:
            return None
    return at + 1
