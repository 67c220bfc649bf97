"""Find the differences between two snapshots, and which of them belong together. Pure.

Two things belong together when one names the other (a hyperparameter and the code that reads it, a
function and its caller) or when both use a name that the change brings in or does away with. What
is left over in groups of its own is another change: it is pointed out, never forbidden.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from scaffold.records.program import Program
from scaffold.records.tweak import Difference

Files = Mapping[str, tuple[bytes | None, bytes | None]]
"""Contents before and after of each file that differs, by path."""

_MOST_CHARACTERS = 400_000
"""Of a file whose lines are compared; of a longer one only its name is told."""

_MOST_THINGS = 300
"""Of which pairs are looked at."""

_SETTINGS = (".json", ".yaml", ".yml")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(slots=True)
class _Thing:
    """A difference, the names that its changed lines use, and those that it goes by itself."""

    aspect: Any
    name: str
    text: str
    uses: set[str] = field(default_factory=set)
    called: set[str] = field(default_factory=set)


def compare_snapshots(
    before: Program,
    after: Program,
    files: Files,
    packages: tuple[Sequence[str], Sequence[str]] = ((), ()),
) -> list[Difference]:
    """Name all that differs, a line each, with a group number for what belongs together.

    Args:
        before: how the snapshot before runs.
        after: how the changed one runs.
        files: files of `src/` and data/ that differ.
        packages: `name==version` of both environments.
    """
    things = [
        *_hyperparameters(before, after),
        *_commands(before, after),
        *_data(before, after),
        *_environment(before, after, packages),
        *_metrics(before, after),
        *_other_settings(before, after),
    ]
    for path, (old, new) in files.items():
        if path not in ("system.yaml", "system.lock"):
            things += _file(path.removeprefix("src/"), old, new)
    groups = _groups(things, _passing_names(files, before, after))
    return [
        Difference(aspect=thing.aspect, name=thing.name, text=thing.text, group=group)
        for thing, group in zip(things, groups, strict=True)
    ]


def _hyperparameters(before: Program, after: Program) -> Iterator[_Thing]:
    yield from _mapping("hyperparameter", before.hyperparameters, after.hyperparameters)


def _mapping(aspect: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[_Thing]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name) or (name in old) != (name in new):
            last = name.rpartition(".")[2]
            yield _Thing(
                aspect,
                name,
                _from_to(old.get(name), new.get(name), name in old, name in new),
                {last},
                {last},
            )


def _from_to(old: Any, new: Any, was: bool = True, is_there: bool = True) -> str:
    if not was:
        return f"new: {_short(new)}"
    return f"{_short(old)} -> {_short(new)}" if is_there else f"gone, was {_short(old)}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _commands(before: Program, after: Program) -> Iterator[_Thing]:
    for name in ("prepare", "train", "evaluate", "smoke"):
        old, new = getattr(before.commands, name), getattr(after.commands, name)
        if old == new:
            continue
        words = [list(command.argv) if command else [] for command in (old, new)]
        added = [word for word in words[1] if word not in words[0]]
        removed = [word for word in words[0] if word not in words[1]]
        changes = [*(f"+ {word}" for word in added), *(f"- {word}" for word in removed)]
        others = [
            key
            for key in ("directory", "variables", "timeout_s", "network")
            if _of(old, key) != _of(new, key)
        ]
        uses = {name for word in added + removed for name in _names(word)}
        if old and new and not changes and set(others) <= {"timeout_s"}:
            continue  # how long one waits changes no result
        yield _Thing(
            "command", name, _short(" ".join([*changes, *others]) or "other order of words"), uses
        )


def _of(command: Any, key: str) -> Any:
    return getattr(command, key, None)


def _names(text: str) -> set[str]:
    """Return words of a text, and those of its flags as a program calls them.

    --batch-size is batch_size.
    """
    return set(_WORD.findall(text)) | {
        flag.replace("-", "_") for flag in re.findall(r"--([A-Za-z][\w-]*)", text)
    }


def _data(before: Program, after: Program) -> Iterator[_Thing]:
    old, new = (
        {data.name: data.model_dump(mode="json") for data in p.datasets} for p in (before, after)
    )
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            text = _gone_or_new(name, old, new) or "other bytes or another place"
            place = str((new.get(name) or old[name]).get("place", ""))
            yield _Thing("data", name, text, {name, *_names(place)}, {name})


def _environment(
    before: Program, after: Program, packages: tuple[Sequence[str], Sequence[str]]
) -> Iterator[_Thing]:
    old, new = (dict(line.split("==", 1) for line in side if "==" in line) for side in packages)
    changed = [
        f"{name} {_from_to(old.get(name), new.get(name), name in old, name in new)}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    if changed or before.environment != after.environment:
        suffix = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        text = ", ".join(changed[:5]) + suffix or "what is asked for"
        called = {name.replace("-", "_") for name in old.keys() ^ new.keys()}
        yield _Thing("environment", "packages", text, set(called), called)


def _metrics(before: Program, after: Program) -> Iterator[_Thing]:
    old, new = (
        {m.name: m.model_dump(mode="json", by_alias=True) for m in p.metrics}
        for p in (before, after)
    )
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            text = _gone_or_new(name, old, new) or "read or judged in another way"
            yield _Thing(
                "metric",
                name,
                text,
                {name, *_names(json.dumps(new.get(name) or old[name]))},
                {name},
            )


def _other_settings(before: Program, after: Program) -> Iterator[_Thing]:
    for key in ("seeds", "has_streams"):
        if getattr(before, key) != getattr(after, key):
            yield _Thing("setting", key, "another way of seeding", {key}, {key})
    if before.resources.device != after.resources.device:
        text = f"{before.resources.device} -> {after.resources.device}"
        yield _Thing("setting", "device", text, {"device"}, {"device"})


def _file(path: str, old: bytes | None, new: bytes | None) -> list[_Thing]:
    stem = re.sub(r"\W", "_", path.rpartition("/")[2].partition(".")[0])
    texts = [_text(content) for content in (old, new)]
    if old is None or new is None:
        lines = (texts[1] if old is None else texts[0]) or ""
        text = f"{'new' if old is None else 'gone'}, {len(lines.splitlines())} lines"
        return [_Thing("file", path, text, set(_WORD.findall(lines)), {stem, *_defined(lines)})]
    if None in texts:
        return [_Thing("file", path, "other bytes", {stem}, {stem})]
    before, after = (
        _flat(text or "", path) if path.endswith(_SETTINGS) else None for text in texts
    )
    if before is not None and after is not None:
        things = list(_mapping("setting", before, after))
        for thing in things:
            thing.name = f"{path}:{thing.name}"
        return things or [_Thing("file", path, "other layout, same values")]
    return _hunks(path, texts[0] or "", texts[1] or "")


def _text(content: bytes | None) -> str | None:
    if content is None or len(content) > _MOST_CHARACTERS or b"\0" in content:
        return None
    return content.decode(errors="replace")


def _gone_or_new(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    if name not in new:
        return "gone"
    return "" if name in old else "new"


def _flat(text: str, path: str) -> dict[str, Any] | None:
    """Return every value of a settings file by its dotted key; None where it cannot be read."""
    try:
        if not path.endswith(".json") and any(
            isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)
        ):
            return None  # a few lines of them stand for any number of values
        document = json.loads(text) if path.endswith(".json") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError, RecursionError):
        return None
    values: dict[str, Any] = {}
    pending: list[tuple[str, Any]] = [("", document)]
    while pending:
        key, value = pending.pop()
        if isinstance(value, Mapping) and value:
            pending += [
                (f"{key}.{name}" if key else str(name), inner) for name, inner in value.items()
            ]
        else:
            values[key] = value
    return values


_DEFINITION = re.compile(r"^(\s*)(?:async\s+def|def|class)\s+(\w+)")


def _defined(text: str) -> set[str]:
    return {match[2] for line in text.splitlines() if (match := _DEFINITION.match(line))}


def _hunks(path: str, old: str, new: str) -> list[_Thing]:
    """Return changed lines of a text, grouped by the function or class around them."""
    a, b = old.splitlines(), new.splitlines()
    things: dict[str, _Thing] = {}
    counts: dict[str, list[int]] = {}
    for tag, a1, a2, b1, b2 in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        sides = [
            *((a, line, 1) for line in range(a1, a2)),
            *((b, line, 0) for line in range(b1, b2)),
        ]
        for lines, line, side in sides:
            if not lines[line].strip():
                continue
            place = _enclosing(lines, line)
            name = f"{path}:{place}" if place else path
            thing = things.setdefault(
                name, _Thing("code", name, "", set(), set(filter(None, [place.rpartition(".")[2]])))
            )
            thing.uses |= set(_WORD.findall(lines[line].partition("#")[0]))
            counts.setdefault(name, [0, 0])[side] += 1
    for name, thing in things.items():
        thing.text = f"+{counts[name][0]} -{counts[name][1]} lines"
    return list(things.values()) or [_Thing("code", path, "blank lines only")]


def _enclosing(lines: Sequence[str], index: int) -> str:
    """Return the dotted name of the function or class around a line; empty at top level."""
    names: list[str] = []
    match = _DEFINITION.match(lines[index])
    if match:
        names.append(match[2])
    indent = len(lines[index]) - len(lines[index].lstrip())
    for line in reversed(lines[:index]):
        width = len(line) - len(line.lstrip())
        if line.strip() and width < indent:
            indent = width
            if match := _DEFINITION.match(line):
                names.append(match[2])
    return ".".join(reversed(names))


def _passing_names(files: Files, before: Program, after: Program) -> set[str]:
    """Return names that only one snapshot has, in the files that differ."""
    sides: list[set[str]] = []
    for side, program in ((0, before), (1, after)):
        names = set(program.hyperparameters)
        for path, contents in files.items():
            if path not in ("system.yaml", "system.lock"):
                names |= set(_WORD.findall(_text(contents[side]) or ""))
        sides.append(names)
    return sides[0] ^ sides[1]


def _groups(things: Sequence[_Thing], passing: set[str]) -> list[int]:
    """Return a group number for each difference, counted from 1 in order.

    What only changed in words (comments, empty lines) belongs to whatever else changed; of very
    many nothing is said.
    """
    if len(things) > _MOST_THINGS:
        return [1] * len(things)
    group = list(range(len(things)))
    for i, one in enumerate(things):
        for j, other in enumerate(things[:i]):
            if _belong(one, other, passing):
                old, new = group[i], group[j]
                group = [new if number == old else number for number in group]
    telling = [
        number
        for number, thing in zip(group, things, strict=True)
        if thing.uses or thing.aspect != "code"
    ]
    group = [
        number if thing.uses or thing.aspect != "code" else next(iter(telling), number)
        for number, thing in zip(group, things, strict=True)
    ]
    order = {number: place for place, number in enumerate(dict.fromkeys(group), start=1)}
    return [order[number] for number in group]


def _belong(one: _Thing, other: _Thing, passing: set[str]) -> bool:
    if one.aspect == other.aspect == "hyperparameter":
        return False  # two values are two changes, however alike their names are
    if one.aspect == other.aspect == "data":
        return True  # one dataset in place of another
    for data, other_thing in ((one, other), (other, one)):
        if data.aspect == "data" and any(data.name in word for word in other_thing.uses):
            return True  # load_digits reads digits
    return bool(
        one.called & other.uses or other.called & one.uses or one.uses & other.uses & passing
    )


def describe_groups(differences: Sequence[Difference]) -> str | None:
    """Describe several groups of differences; return None if it is one change."""
    count = len({difference.group for difference in differences})
    if count < 2:
        return None
    groups = [
        ", ".join(f"{one.aspect} {one.name}" for one in differences if one.group == number)
        for number in range(1, count + 1)
    ]
    listed = "; ".join(f"({number}) {names}" for number, names in enumerate(groups, start=1))
    return (
        f"{count} changes at once, whose effects cannot be told apart: {listed}. To take them one"
        " at a time, put all but one away (git stash push --patch), verify and accept it, start"
        " the next, and git stash pop"
    )
