"""Find whether a program runs on a GPU alone: by its command, its options, or its code."""

import ast
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from scaffold.authoring.drafting.command_words import StatedCommand
from scaffold.authoring.drafting.invocation import value_in_effect
from scaffold.authoring.drafting.python_files import Module, calls_in, dotted_name
from scaffold.authoring.drafting.reading import ReadSource
from scaffold.records.draft import Citation, FieldAnswer, value_of

_CUDA = re.compile(
    r"\.cuda\(|\.to\([\"']cuda[\"']\)|torch\.device\([\"']cuda(:\d)?[\"']\)|device\s*=\s*[\"']cuda(:\d)?[\"']"
)
_CHECKED = re.compile(
    r"is_available|no[-_]cuda|use_cuda|args\.cuda|if\s+[\w.]*(cuda|gpu)|(args|config|opt)\.device"
)
"""What looks for a GPU before it is used, or lets the user choose."""


_GUARD = re.compile(r"cuda|gpu|device", re.IGNORECASE)


def _unguarded(tree: ast.AST, always: Mapping[str, int]) -> Iterator[ast.expr]:
    """Yield calls that no `if` about a GPU or a device decides on; some names have known values.

    Also what such a name chooses: `"cuda" if args.cuda else "cpu"`.
    """
    for node in ast.iter_child_nodes(tree):
        test = node.test if isinstance(node, (ast.If, ast.IfExp)) else None
        if test is not None and _GUARD.search(ast.unparse(test)) and not _is_one(test, always):
            continue
        is_chosen = (
            isinstance(node, ast.IfExp)
            and _is_one(node.test, always)
            and "cuda" in ast.unparse(node.body)
        )
        if isinstance(node, ast.expr) and (isinstance(node, ast.Call) or is_chosen):
            yield node
        yield from _unguarded(node, always)


_COMPARED: Mapping[type[ast.cmpop], Callable[[int, int], bool]] = {
    ast.GtE: operator.ge,
    ast.Gt: operator.gt,
    ast.NotEq: operator.ne,
}


def _is_one(test: ast.expr, values: Mapping[str, int]) -> bool:
    """Return whether a test is passed by what is known: `args.cuda`, or `args.gpu >= 0`."""
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        number = _last_name(test.left)
        limit = ast.literal_eval(right) if _is_number(right := test.comparators[0]) else None
        compare = _COMPARED.get(type(test.ops[0]))
        return bool(
            compare and limit is not None and number in values and compare(values[number], limit)
        )
    return values.get(_last_name(test)) is True


def _is_number(node: ast.expr) -> bool:
    inner = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(inner, ast.Constant) and isinstance(inner.value, int)


def _known_values(command: StatedCommand, read: ReadSource) -> dict[str, int]:
    """Return what is true of a GPU unless somebody changes it, and the numbers of GPUs."""
    known: dict[str, int] = dict.fromkeys(_always_true(command, read), True)
    text = "\n".join(line for module in read.modules for line in module.lines)
    if re.search(r"is_available|device_count", text):
        return known  # what it finds may change the number
    for option in read.options:
        value, _ = value_in_effect(command, option)
        is_kept = not re.search(rf"\b{option.name}\s*=[^=]", text)
        if _GUARD.search(option.name) and re.fullmatch(r"-?\d+", str(value)) and is_kept:
            known.setdefault(option.name, int(str(value)))
    return known


def _always_true(command: StatedCommand, read: ReadSource) -> set[str]:
    """Return constants and options that turn a GPU on unless somebody changes them."""
    names = {
        name
        for module in read.modules[:1]
        for name, node in module.constants.items()
        if _GUARD.search(name) and module.fold(node) in (True, 1)
    }
    assigned = [
        node
        for module in read.modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Assign)
    ]
    targets = {_last_name(target): node for node in assigned for target in node.targets}
    off = set()
    for option in read.options:
        value, _ = value_in_effect(command, option)
        if _GUARD.search(option.name) and str(value) in ("True", "1"):
            names |= {option.name} - targets.keys()  # what is assigned may look for a GPU
        elif str(value) in ("False", "0", "None"):
            off.add(option.name)
    # `opt.cuda = not opt.no_cuda`
    return names | {
        name
        for name, node in targets.items()
        if isinstance(node.value, ast.UnaryOp)
        and isinstance(node.value.op, ast.Not)
        and _last_name(node.value.operand) in off
    }


def _last_name(node: ast.expr) -> str:
    return dotted_name(node).rpartition(".")[2]


def _running(read: ReadSource) -> list[Module]:
    """Return the modules whose lines run whether there is a GPU or not, the program's own first.

    Where the program looks for a GPU, a helper that takes one may never be called without it.
    """
    looking = [_CHECKED.search("\n".join(module.lines)) is not None for module in read.modules]
    if looking[:1] == [True]:
        return list(read.modules[:1])
    return [module for module, looks in zip(read.modules, looking, strict=True) if not looks]


_ASKS_FOR_GPU = re.compile(r"--?(use[-_])?(gpu|cuda)(=(1|true|cuda.*|\d))?", re.IGNORECASE)


def _numbers(read: ReadSource) -> set[str]:
    """Return flags that say which GPU is meant, and not whether: one is set by default anyway.

    Of a program that looks whether there is any.
    """
    if not any(map(_looks_for_gpu, read.modules[:1])):
        return set()
    return {
        flag for option in read.options if str(option.default).isdecimal() for flag in option.flags
    }


def _looks_for_gpu(module: Module) -> bool:
    """Return whether a module asks whether there is a GPU, for more than to seed it."""
    if not any("is_available" in line for line in module.lines):
        return False
    only_seeding = {
        id(inner)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.If)
        and all(isinstance(one, ast.Expr) and "seed" in ast.unparse(one) for one in node.body)
        for inner in ast.walk(node.test)
    }
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == "is_available"
        and id(node) not in only_seeding
        for node in ast.walk(module.tree)
    )


def _named_gpu(command: StatedCommand, read: ReadSource) -> Citation | None:
    """Return where a setting, an option in effect or a constant asks for a GPU.

    The device that they name counts unless the program looks for one first.
    """
    is_looked_for = any(_looks_for_gpu(module) for module in read.modules)
    devices: list[tuple[str, Any, Citation]] = []
    for name, value, place in read.configuration:
        key = name.rpartition(".")[2]
        if key == "gpus" and value not in (0, [], "0", None):
            return place
        devices.append((key, value, place))
    devices += [(option.name, *value_in_effect(command, option)) for option in read.options]
    text = "\n".join(line for module in read.modules for line in module.lines)
    devices += [
        (name.lower(), module.fold(node), module.cite(node))
        for module in read.modules
        for name, node in module.constants.items()
        if len(re.findall(rf"\b{name}\b", text)) > 1  # it is read somewhere
    ]
    return next(
        (
            place
            for name, value, place in devices
            if name in ("device", "accelerator")
            and re.fullmatch(r"cuda(:\d+)?|gpu", str(value))
            and not is_looked_for
        ),
        None,
    )


def _is_of_helper(module: Module, node: ast.expr) -> bool:
    """Return whether `cuda` is called of a module that was imported, which may look for a GPU."""
    called = dotted_name(node.func) if isinstance(node, ast.Call) else ""
    first, _, attribute = called.partition(".")
    if attribute != "cuda":
        return False
    imported = {
        alias.asname or alias.name
        for statement in ast.walk(module.tree)
        if isinstance(statement, (ast.Import, ast.ImportFrom))
        for alias in statement.names
    }
    return first in imported


def _demanded_gpu(modules: Sequence[Module]) -> Citation | None:
    """Return where a program ends without a GPU: `assert torch.cuda.is_available()`.

    Only in its own module, where it is run whatever is asked for: at the top, in what is called
    when it is started, and in the functions that train.
    """
    for module in modules[:1]:
        for node in _surely_run(module.tree):
            if isinstance(node, ast.Assert) and _FOUND.fullmatch(ast.unparse(node.test)):
                return module.cite(node)
            if (
                isinstance(node, ast.If)
                and _NOT_FOUND.fullmatch(ast.unparse(node.test))
                and _ends(node.body[-1])
            ):
                return module.cite(node)
    return None


_FOUND = re.compile(r"(\w+\.)*cuda\.is_available\(\)")
_NOT_FOUND = re.compile(rf"not {_FOUND.pattern}")
_TRAINS = re.compile(r"(main|train|run|fit)(_|$)|main_worker")


def _ends(node: ast.stmt) -> bool:
    """Return whether a statement ends the program."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return dotted_name(node.value.func) in ("exit", "quit", "sys.exit", "os._exit")
    return isinstance(node, ast.Raise)


def _surely_run(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield statements of a program that no condition decides on."""
    for node in tree.body:
        is_started = isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)
        is_training = isinstance(node, ast.FunctionDef) and _TRAINS.match(node.name)
        if is_started or is_training:
            assert isinstance(node, (ast.If, ast.FunctionDef))
            yield from node.body
        else:
            yield node


def _given_gpu(module: Module) -> Citation | None:
    """Return where a program without a condition makes a GPU's name: `"cuda:" + str(number)`."""
    values = {
        ast.unparse(one.targets[0]): one.value
        for one in module.tree.body
        if isinstance(one, ast.Assign)
    }
    for statement in module.tree.body:
        calls = calls_in(statement) if isinstance(statement, (ast.Assign, ast.Expr)) else ()
        for name, call in calls:
            if name.rpartition(".")[2] not in ("device", "to", "set_device") or not call.args:
                continue
            value = values.get(ast.unparse(call.args[0]), call.args[0])
            if isinstance(value, (ast.BinOp, ast.JoinedStr)) and _NAMES_GPU.match(
                ast.unparse(value)
            ):
                return module.cite(call)
    return None


_NAMES_GPU = re.compile(r"f?[\"']cuda:")


def find_device(command: StatedCommand, read: ReadSource) -> FieldAnswer:
    """Return where the program runs: on a GPU alone where the command or the code asks for one."""
    numbers = _numbers(read)
    words = [word for word in command.argv if word.partition("=")[0] not in numbers]
    if any(map(_ASKS_FOR_GPU.fullmatch, words)):
        return value_of("cuda", command.place)
    place = _named_gpu(command, read) or _demanded_gpu(read.modules)
    if place is None and read.modules and not _looks_for_gpu(read.modules[0]):
        place = _given_gpu(read.modules[0])
    if place is not None:
        return value_of("cuda", place)
    always = _known_values(command, read)
    is_on = any(value is True for value in always.values())
    for module in _running(read) if not is_on else read.modules:
        for node in _unguarded(module.tree, always):
            line = module.lines[node.lineno - 1]
            if _is_of_helper(module, node):
                continue
            if isinstance(node, ast.IfExp) or _CUDA.search(line):
                return value_of("cuda", module.cite(node))
    return value_of("cpu", note="nothing in the program asks for a GPU without looking for one")
