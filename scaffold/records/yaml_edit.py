"""Change one place of a YAML text and leave every other character as it is.

Places come from PyYAML's node marks: a round trip through a dumper would reformat what a person
wrote.
"""

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import yaml


def find_block(text: str, key: str) -> str | None:
    """Return the lines of a top-level key, without comments that belong to the next one."""
    span = _block_span(text, key)
    return text[span[0] : span[1]] if span else None


def remove_block(text: str, key: str) -> str:
    """Return the text without a top-level key and its value; unchanged if it has none."""
    span = _block_span(text, key)
    return text[: span[0]] + text[span[1] :] if span else text


def replace_scalar(text: str, path: tuple[str | int, ...], value: str) -> str | None:
    """Return the text with another value for the scalar at `path`.

    Args:
        text: a YAML document.
        path: the keys and numbers of items that lead to the scalar, from the top.
        value: as it is written in YAML, on one line.

    Returns:
        None if no scalar on one line stands there.
    """
    import yaml

    node = _compose(text)
    for key in path:
        if isinstance(node, yaml.SequenceNode) and isinstance(key, int):
            node = node.value[key] if key < len(node.value) else None
            continue
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((item for name, item in pairs if name.value == key), None)
    if not isinstance(node, yaml.ScalarNode) or "\n" in value:
        return None
    start, end = node.start_mark, node.end_mark
    if start.line != end.line or start.index == end.index:
        return None
    return text[: start.index] + value + text[end.index :]


def _block_span(text: str, key: str) -> tuple[int, int] | None:
    import yaml

    root = _compose(text)
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        return None
    starts = [(name.value, name.start_mark.index) for name, _ in root.value] + [("", len(text))]
    for (name, start), (_, end) in itertools.pairwise(starts):
        if name == key:
            lines = text[start:end].split("\n")
            while len(lines) > 1 and (not lines[-1].strip() or lines[-1].startswith("#")):
                lines.pop()
            return start, min(end, start + len("\n".join(lines)) + 1)
    return None


def _compose(text: str) -> "yaml.Node | None":
    import yaml

    try:
        return yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError:
        return None
