"""Find the lines that a program prints a metric in, as patterns that read it back."""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scaffold.authoring.drafting.metric_words import MetricWord, find_metric, find_split
from scaffold.authoring.drafting.printed_texts import (
    HOLE,
    Hole,
    is_format,
    literal_text,
    pieces_of,
    shown_text,
)
from scaffold.authoring.drafting.python_files import Module, calls_in, dotted_name
from scaffold.records.draft import Citation


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedMetric:
    """A number that a program prints, or writes into a file.

    Attributes:
        pattern: of its whole line, with the groups `value` and perhaps `step`; the path of a file.
        stream: `stdout`, `stderr`, or `json` for a file.
        key: of a file, the dotted place of the number in it.
        split: that the words beside it, the variable or the function name; None if none does.
        is_percent: whether a percent sign follows it, or it is multiplied by 100.
        order: place among the values of its line.
    """

    metric: MetricWord
    pattern: str
    stream: str
    split: str | None
    is_percent: bool
    place: Citation
    order: int
    key: str = ""


VALUE = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_ANY = r".*?"
_LOGGERS = re.compile(
    r"(^|\.)\w*(info|warning|debug|log|write|print|error|critical|echo|report|progress|message|msg"
    r"|display|set_description|set_postfix_str)\w*$"
)
"""Names of functions that show a text, the source's own among them."""

_TO_STDERR = re.compile(r"(^|\.)(info|warning|debug|log|error|critical|set_\w+)$|stderr")
"""What logging and progress bars print goes there."""

_STEP = re.compile(r"(epoch|iter(?:ation)?|step|episode|batch|round)\w*\W*$", re.IGNORECASE)


def find_printed(modules: Sequence[Module]) -> list[PrintedMetric]:
    """Return what a program's modules print of metrics, in the order of the modules."""
    return [metric for module in modules for metric in _of_module(module)]


def _of_module(module: Module) -> Iterator[PrintedMetric]:
    functions = functions_by_line(module)
    silent = _lines_of_evaluation(module) | _lines_of_failures(module)
    assigned = _assigned_texts(module)
    for name, call in [*calls_in(module.tree), *_texts_of_bars(module)]:
        if not is_shown(name) or not call.args or call.lineno in silent:
            continue
        function = functions.get(call.lineno, "")
        texts = [text for text in assigned if functions.get(text.lineno, "") == function]
        arguments = [_text_before(call, argument, texts) for argument in call.args]
        text, holes = shown_text(arguments, is_print=name == "print")
        if not holes:
            continue
        yield from _metrics_of(module, call, text, holes, function, stream_of(name, call))


def is_shown(name: str) -> bool:
    """Return whether a function of this name shows a text."""
    return name == "print" or bool(_LOGGERS.search(name))


def _lines_of_failures(module: Module) -> set[int]:
    """Return the lines that run only after an exception: the error that they print is no metric."""
    return {
        line
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


_EVALUATES = re.compile(
    r"\b(evaluate|eval|test|predict|inference)(_?only)?\b(?!\()|\bdo_(eval|test|predict)\b"
)


def _lines_of_evaluation(module: Module) -> set[int]:
    """Return the lines that run only where a flag asks to evaluate, in place of training."""
    lines: set[int] = set()
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.If) or not isinstance(node.test, (ast.Attribute, ast.Name)):
            continue
        ends = any(
            isinstance(last, ast.Return)
            or (isinstance(last, ast.Expr) and "exit(" in ast.unparse(last))
            for last in node.body[-1:]
        )
        if (ends or node.orelse) and _EVALUATES.search(ast.unparse(node.test)):
            lines |= set(range(node.body[0].lineno, (node.body[-1].end_lineno or 0) + 1))
    return lines


def _texts_of_bars(module: Module) -> Iterator[tuple[str, ast.Call]]:
    """Yield the texts that a bar of the package progress shows on standard error, as calls."""
    for node in ast.walk(module.tree):
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(target, ast.Attribute) and target.attr == "suffix":
            assert isinstance(node, ast.Assign)
            call = ast.Call(func=ast.Name(id="set_description"), args=[node.value], keywords=[])
            yield "set_description", ast.copy_location(call, node)


def functions_by_line(module: Module) -> dict[int, str]:
    """Return the name of the function that each line is in, the innermost one."""
    names: dict[int, str] = {}
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                names[line] = node.name
    return names


def stream_of(name: str, call: ast.Call) -> str:
    """Return where a call of a function that shows a text shows it: `stdout` or `stderr`."""
    file = next((dotted_name(item.value) for item in call.keywords if item.arg == "file"), "")
    return "stderr" if _TO_STDERR.search(file) or _TO_STDERR.search(name) else "stdout"


def _assigned_texts(module: Module) -> list[ast.Assign]:
    """Return the assignments of texts to plain names: with values in them, or to be filled."""
    named = [
        node
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    ]
    pieces = [(node, *pieces_of(node.value)) for node in named]
    return [
        node
        for node, text, holes in pieces
        if (holes and re.search(r"\w", text)) or literal_text(node.value) is not None
    ]


def _text_before(
    call: ast.Call,
    argument: ast.expr,
    assigned: Sequence[ast.Assign],
    *,
    is_template: bool = False,
) -> ast.expr:
    """Return the text that a printed name was given last before; another argument as it is.

    Also the text that `name.format(value)` or `name % value` fills.
    """
    if isinstance(argument, ast.Call) and is_format(argument):
        assert isinstance(argument.func, ast.Attribute)
        template = _text_before(call, argument.func.value, assigned, is_template=True)
        function = ast.Attribute(value=template, attr="format", ctx=ast.Load())
        filled = ast.Call(func=function, args=argument.args, keywords=argument.keywords)
        return ast.copy_location(filled, argument)
    if isinstance(argument, ast.BinOp) and isinstance(argument.op, ast.Mod):
        template = _text_before(call, argument.left, assigned, is_template=True)
        return ast.copy_location(ast.BinOp(template, argument.op, argument.right), argument)
    if not isinstance(argument, ast.Name):
        return argument
    texts = [
        node
        for node in assigned
        if ast.unparse(node.targets[0]) == argument.id
        and node.lineno < call.lineno
        and (literal_text(node.value) is not None) is is_template
    ]
    return max(texts, key=lambda node: node.lineno).value if texts else argument


def _metrics_of(
    module: Module,
    call: ast.Call,
    text: str,
    holes: Sequence[Hole],
    function: str,
    stream: str,
) -> Iterator[PrintedMetric]:
    lines = text.replace("\r", "\n").split("\n")
    number = 0
    for line in lines:
        pieces = line.split(HOLE)
        own = holes[number : number + len(pieces) - 1]
        number += len(pieces) - 1
        counted: MetricWord | None = None
        for index, hole in enumerate(own):
            words, follows = pieces[index], pieces[index + 1].lstrip()
            expression = ast.unparse(hole.node)
            metric = (
                find_metric(_near(words)) or find_metric(spaced(expression)) or _top1(_near(words))
            )
            if (
                metric is not None
                and metric.name == "loss"
                and _ADVERSARIAL.search(f"{words} {expression}")
            ):
                continue
            if re.match(r"/\s*(\d|$)", follows) and metric is not None:
                counted = metric  # `Accuracy: 9876/10000 (99%)`: a count, and its share follows
                continue
            if counted is not None and follows.startswith("%") and not re.search(r"[a-z]", words):
                metric = counted
            is_text = hole.spec.rstrip().endswith(("s", "d")) and not hole.spec.endswith("ds")
            if metric is None or (is_text and hole.spec not in ("%s", "s", "")):
                continue
            if not any(re.search(r"\w", piece) for piece in pieces):
                continue
            split = (
                find_split(_near(words))
                or find_split(spaced(expression))
                or find_split(" ".join(pieces[: index + 1]))
                or find_split(spaced(function))
            )
            yield PrintedMetric(
                metric=metric,
                pattern=_pattern(pieces, index, own),
                stream=stream,
                split=split,
                is_percent=follows.startswith("%")
                or hole.spec.endswith("%")
                or "100" in expression,
                place=module.cite(call),
                order=index,
            )


_ADVERSARIAL = re.compile(
    r"(?<![a-z])[dg][-_ ]?loss|loss[-_ ]?[dg](?![a-z])|\bd_out"
    r"|generator|discriminator|critic|adversar",
    re.IGNORECASE,
)
"""Losses of networks that work against each other: neither says how good what they make is."""


def _top1(words: str) -> MetricWord | None:
    """Return accuracy for `top1: `, which is printed without the word."""
    return find_metric("accuracy") if re.fullmatch(r"\W*top[-_ ]?1\W*", words.lower()) else None


def _near(words: str) -> str:
    """Return the words that belong to the value behind them: after the last separator."""
    return re.split(r"[,;|()\[\]]|\s{2,}|\t", words.strip(" ,;|\t").rstrip("([ "))[-1]


def spaced(name: str) -> str:
    """Return a variable's name as words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ")


def _pattern(pieces: Sequence[str], index_of_value: int, holes: Sequence[Hole]) -> str:
    """Return a pattern of a whole printed line that reads one of its values."""
    pattern = ""
    has_step = False
    for index, piece in enumerate(pieces):
        pattern += escaped(piece)
        if index == len(pieces) - 1:
            break
        if index == index_of_value:
            pattern = _without_space(pattern) + rf"\s*(?P<value>{VALUE})"
            follows = pieces[index + 1].lstrip()
            # What comes behind is only needed where it tells the line from others.
            pattern += escaped(follows[:1]) if follows[:1] == "%" else ""
            break
        if not has_step and _STEP.search(piece):
            has_step = True
            pattern = _without_space(pattern) + r"\s*(?P<step>\d+)"
        elif holes[index].spec.endswith("d"):
            pattern = _without_space(pattern) + r"\s*\d+"
        else:
            pattern += _ANY
    return pattern


def _without_space(pattern: str) -> str:
    return pattern.removesuffix(r"\s+")


def escaped(text: str) -> str:
    """Return a pattern of a text in which any space stands for any other."""
    return re.sub(r"(\\ |\\\t|\s)+", lambda _: r"\s+", re.escape(text)) if text else ""
