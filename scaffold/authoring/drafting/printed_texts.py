"""Read what a printed text says, with a mark for each value that stands in it."""

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scaffold.authoring.drafting.python_files import dotted_name

HOLE = "\0"
"""Stands for a value in a text that is shown."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A value in a printed text: its expression, and how it is formatted."""

    node: ast.expr
    spec: str


def shown_text(arguments: Sequence[ast.expr], *, is_print: bool) -> tuple[str, list[Hole]]:
    """Return the printed text with a mark for each value, and the values."""
    if not is_print and len(arguments) > 1 and isinstance(arguments[0], ast.Constant):
        return _percent_text(arguments[0], arguments[1:])  # logging's own formatting
    parts: list[str] = []
    holes: list[Hole] = []
    if not is_print:  # a helper of the source may take other things beside its text
        arguments = [argument for argument in arguments if re.search(r"\w", pieces_of(argument)[0])]
    for argument in arguments:
        text, more_holes = pieces_of(argument)
        parts.append(text)
        holes += more_holes
    return " ".join(parts), holes


def pieces_of(node: ast.expr) -> tuple[str, list[Hole]]:
    """Return an expression's text with a mark for each value, and the values."""
    if isinstance(node, ast.Constant):
        return str(node.value).replace(HOLE, ""), []
    if isinstance(node, ast.JoinedStr):
        return _f_string_text(node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        right = node.right
        return _percent_text(node.left, right.elts if isinstance(right, ast.Tuple) else [right])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and _is_text(node):
        before, after = pieces_of(node.left), pieces_of(node.right)
        return before[0] + after[0], before[1] + after[1]
    if isinstance(node, ast.Call) and is_format(node):
        assert isinstance(node.func, ast.Attribute)
        return _format_text(node.func.value, node)
    return HOLE, [Hole(node, "")]


def _is_text(node: ast.expr) -> bool:
    """Return whether a sum joins texts: `"loss " + str(loss)`, and not `0.5 + loss`."""
    if isinstance(node, ast.BinOp):
        return _is_text(node.left) or (isinstance(node.op, ast.Add) and _is_text(node.right))
    is_literal = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return (
        is_literal
        or isinstance(node, ast.JoinedStr)
        or (isinstance(node, ast.Call) and (is_format(node) or dotted_name(node.func) == "str"))
    )


def is_format(call: ast.Call) -> bool:
    """Return whether a call is `text.format(value)`."""
    return isinstance(call.func, ast.Attribute) and call.func.attr == "format"


def _f_string_text(node: ast.JoinedStr) -> tuple[str, list[Hole]]:
    text, holes = "", []
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += str(part.value)
        elif isinstance(part, ast.FormattedValue):
            text += HOLE
            holes.append(Hole(part.value, _spec(part.format_spec)))
    return text, holes


def _spec(node: ast.expr | None) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
    return ""


def literal_text(node: ast.expr) -> str | None:
    """Return a text that stands in the code; None for any other expression."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left_side, right = literal_text(node.left), literal_text(node.right)
        return left_side + right if left_side is not None and right is not None else None
    return None


def _percent_text(template: ast.expr, values: Iterable[ast.expr]) -> tuple[str, list[Hole]]:
    text = literal_text(template)
    if text is None:
        return HOLE, [Hole(template, "")]
    specs: list[str] = []

    def mark(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        specs.append(match[0])
        return HOLE

    marked = re.sub(r"%%|%[-+ #0]*\d*(?:\.\d+)?[a-zA-Z]", mark, text)
    return marked, [Hole(value, spec) for value, spec in zip(values, specs, strict=False)]


def _format_text(template: ast.expr, call: ast.Call) -> tuple[str, list[Hole]]:
    text = literal_text(template)
    if text is None:
        return HOLE, [Hole(call, "")]
    holes: list[Hole] = []
    named = {item.arg: item.value for item in call.keywords if item.arg}
    counter = iter(range(len(call.args)))

    def mark(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        key, _, spec = match[1].partition(":")
        key = key.split("!")[0]
        try:
            if key and not key.isdecimal():
                node = named[re.split(r"[.\[]", key)[0]]
            else:
                node = call.args[int(key) if key else next(counter)]
        except (StopIteration, IndexError, KeyError):
            node = template
        holes.append(Hole(node, spec))
        return HOLE

    return re.sub(r"\{\{|\}\}|\{([^{}]*)\}", mark, text), holes
