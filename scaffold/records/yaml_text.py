"""YAML as this project reads and writes it: 1.2 where 1.1 has traps. Touches no disk."""

import math
import re
from collections.abc import Hashable
from typing import Any

import yaml

Place = tuple[str | int, ...]
"""Keys and indices from the top of a document."""


class WrittenFloat(float):
    """A number of a document that remembers how it was written: 0.90 is no 0.9.

    Attributes:
        text: as it stands there.
    """

    text: str

    def __new__(cls, text: str) -> "WrittenFloat":
        """Return the number that a text says."""
        number = super().__new__(cls, text)
        number.text = text
        return number


class Loader(yaml.SafeLoader):
    """YAML 1.1 without its traps.

    `on` stays text, `1e-3` is a number, a key given twice is an error, no aliases.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lines: dict[Place, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuse what stands for another place of the document."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(
                problem="aliases (*name) are not used here: write it out", problem_mark=mark
            )
        return super().compose_node(parent, index)

    def locate(self, node: yaml.Node, path: Place) -> None:
        """Remember the line of every key and item below `node`; refuse a key given twice."""
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            seen: set[Hashable] = set()
            for key_node, value_node in node.value:
                key = self.construct_object(key_node, deep=True)  # type: ignore[no-untyped-call]
                if not isinstance(key, (str, int, float, bool)):
                    raise yaml.MarkedYAMLError(
                        problem="a key must be plain text", problem_mark=key_node.start_mark
                    )
                if key in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"key {key!r} is given twice: keep one",
                        problem_mark=key_node.start_mark,
                    )
                seen.add(key)
                place = (*path, str(key))
                self.lines[place] = key_node.start_mark.line + 1
                self.locate(value_node, place)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.locate(item, (*path, index))


# YAML 1.2 core schema (https://yaml.org/spec/1.2.2/#103-core-schema) instead of 1.1: 1e-3 is a
# number; 010, 1:30 and `on` are text. Numbers are bounded so that a digest made of digits alone
# stays text.
Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if not tag.endswith((":bool", ":float", ":int"))
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|false)$", "tf"),
    ("int", r"^[-+]?(?:0|[1-9][0-9]{0,17})$", "-+0123456789"),
    (
        "float",
        r"^[-+]?(?:\.[0-9]+|[0-9]{1,18}\.[0-9]*|[0-9]{1,18}(?=[eE]))(?:[eE][-+]?[0-9]{1,3})?$",
        "-+.0123456789",
    ),
):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


class WrittenLoader(Loader):
    """Loader whose numbers remember how they were written."""


def _written_float(loader: WrittenLoader, node: yaml.ScalarNode) -> WrittenFloat:
    return WrittenFloat(loader.construct_scalar(node))


WrittenLoader.add_constructor("tag:yaml.org,2002:float", _written_float)


class _Dumper(yaml.SafeDumper):
    """Quotes a text that YAML 1.1 or 1.2 would read as something else; writes no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write the same list twice where it is there twice: `Loader` reads no aliases."""
        del data
        return True


_Dumper.yaml_implicit_resolvers = {
    first: [
        *yaml.SafeDumper.yaml_implicit_resolvers.get(first, ()),
        *Loader.yaml_implicit_resolvers.get(first, ()),
    ]
    for first in {*yaml.SafeDumper.yaml_implicit_resolvers, *Loader.yaml_implicit_resolvers}
}


def dump_yaml(document: Any, width: float = 80, *, flow: bool = False) -> str:
    """Return a document as YAML that reads as the same document, keys in their order.

    Args:
        document: mappings, sequences and scalars.
        width: columns of a line.
        flow: on one line, without a line end, as a command line takes it.
    """
    text = yaml.dump(
        document,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=math.inf if flow else width,
        default_flow_style=flow,
    )
    return str(text).removesuffix("\n").removesuffix("\n...") if flow else str(text)


def read_value(text: str) -> Any:
    """Read one value as files of this project are read: 1e-3 is a number, `no` is a text.

    Raises:
        yaml.YAMLError: it is no YAML.
    """
    loader = Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        loader.locate(node, ())
        return loader.construct_document(node)  # type: ignore[no-untyped-call]
    finally:
        loader.dispose()  # type: ignore[no-untyped-call]
