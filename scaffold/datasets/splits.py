"""Make, check and seal the lists of who is in which split."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from scaffold.datasets.examples import Examples, Roles, join_examples, read_examples
from scaffold.datasets.features import vectors_of
from scaffold.errors import UsageError
from scaffold.project.files import read_text, write_text
from scaffold.project.project import load_yaml
from scaffold.records.splits import Seal, SealRead, SourceData, SplitList, SplitName, Splits
from scaffold.records.yaml_text import dump_yaml
from scaffold.rules.loop.gaps import SPLITS
from scaffold.rules.splits.draw import draw, draw_by_time
from scaffold.rules.splits.duplicates import (
    MOST_COMPARED,
    MOST_COMPARED_WITH,
    group_by_content,
)
from scaffold.rules.splits.leaks import Leak, Sample, find_leaks
from scaffold.rules.splits.names import split_named

FILE, SEAL_FILE = "splits.yaml", "seal.yaml"
_TEST_LIST = "test.txt"
_MOST_LIST_BYTES = 1 << 30
_MOST_STRATA = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a check saw.

    Attributes:
        problems: lists that are not as splits.yaml says, ids that are not in the data.
        leaks: the alarms first.
        ids: by row number.
        near_by: what near copies were told by; or why they were not looked for.
    """

    rows: Mapping[str, Sequence[int]]
    ids: Sequence[str]
    leaks: Sequence[Leak]
    problems: Sequence[str]
    near_by: str
    splits: Splits | None = None

    @property
    def is_alarm(self) -> bool:
        """Return whether something must be mended."""
        return bool(self.problems) or any(leak.is_alarm for leak in self.leaks)


def make_splits(
    source: Path, roles: Roles, shares: Mapping[str, float], seed: int, folder: Path
) -> Checked:
    """Draw splits of some examples, write their lists, and check them.

    Rows with equal features stay in one split.

    Raises:
        UsageError: the data cannot be used, or the folder has splits.
    """
    if (folder / FILE).exists():
        raise UsageError(
            f"{folder / FILE} is there already: other splits would mix what was trained on with"
            " what is tested on",
            hint=f"write others elsewhere with -o, or remove {folder} if nothing was judged on it",
        )
    examples = read_examples(source, roles)
    names = _drawn(examples, shares, seed)
    members = {name: [r for r, one in enumerate(names) if one == name] for name in SPLITS}
    empty = [name for name, share in shares.items() if share and not members[name]]
    if empty:
        raise UsageError(
            f"{source} has {len(names)} examples: none are left for {', '.join(empty)}",
            hint="larger shares of these splits, by --shares",
        )
    folder.mkdir(parents=True, exist_ok=True)
    lists = {}
    for name, rows in members.items():
        if rows:
            text = "".join(f"{examples.ids[row]}\n" for row in rows)
            write_text(folder / f"{name}.txt", text)
            lists[name] = SplitList(ids=f"{name}.txt", n=len(rows), sha256=_digest(text))
    named = roles.named()
    splits = Splits(
        data=SourceData(
            path=os.path.relpath(source, folder),
            sha256=examples.sha256,
            n=len(names),
            **{role: named.get(role) for role in ("id", "label", "group", "time")},
        ),
        drawn=_kind(examples),
        seed=seed,
        splits=lists,
    )
    _write(splits, folder)
    return _checked(examples, {name: rows for name, rows in members.items() if rows}, splits, ())


def _kind(examples: Examples) -> Any:
    if examples.times is not None:
        return "time"
    if examples.groups is not None:
        return "group"
    return "stratified" if _strata(examples) else "random"


def _strata(examples: Examples) -> Sequence[Any]:
    """Return the labels if they are classes."""
    labels = examples.labels
    if labels is None or isinstance(labels, np.ndarray):
        return ()
    return labels if len(set(labels)) <= min(_MOST_STRATA, len(labels) // 2) else ()


def _drawn(examples: Examples, shares: Mapping[str, float], seed: int) -> list[str]:
    if examples.groups is not None:
        units = [f"group {group}" for group in examples.groups]
    else:
        first = group_by_content(examples.contents)
        units = [examples.ids[int(row)] for row in first]
    if examples.times is not None:
        return draw_by_time(examples.times, units, shares, seed)
    strata = () if examples.groups is not None else _strata(examples)
    return draw(units, shares, seed, strata)


def check_splits(folder: Path) -> Checked:
    """Check lists against the data that they are of.

    Raises:
        UsageError, BrokenFileError: there are none, or the data cannot be read.
    """
    splits = read_splits(folder)
    data = splits.data
    roles = Roles(id=data.id, label=data.label, group=data.group, time=data.time)
    examples = read_examples(folder / data.path, roles)
    problems = []
    if examples.sha256 != splits.data.sha256:
        problems.append(f"{data.path} is not what the splits were drawn from: its digest differs")
    number = {one: row for row, one in enumerate(examples.ids)}
    where: dict[str, str] = {}
    rows: dict[str, list[int]] = {}
    for name, one in splits.splits.items():
        text = _list_text(folder, name, splits)
        if _digest(text) != one.sha256:
            problems.append(f"{one.ids} was edited: its digest is not what splits.yaml says")
        ids = text.splitlines()
        unknown = [one for one in ids if one not in number]
        if unknown:
            problems.append(f"{one.ids}: {len(unknown)} ids are not in the data: {_few(unknown)}")
        twice = [one for one in ids if where.setdefault(one, name) != name]
        if twice:
            problems.append(f"{one.ids}: {len(twice)} ids are in another split: {_few(twice)}")
        if len(set(ids)) < len(ids):
            problems.append(f"{one.ids}: {len(ids) - len(set(ids))} ids are there more than once")
        rows[name] = [number[one] for one in dict.fromkeys(ids) if one in number]
    return _checked(examples, rows, splits, problems)


def check_sources(sources: Mapping[str, Path], roles: Roles) -> Checked:
    """Check splits that are a file or a folder each, or one table with a column of splits.

    Args:
        sources: by split; or one under "".
        roles: which columns mean what.

    Raises:
        UsageError: the data cannot be used together.
    """
    if "" in sources:
        examples = read_examples(sources[""], roles)
        rows = _rows_by_column(examples)
    else:
        parts = {name: read_examples(path, roles) for name, path in sources.items()}
        examples, rows = join_examples(parts)
    return _checked(examples, rows, None, ())


def _rows_by_column(examples: Examples) -> dict[str, list[int]]:
    """Return the rows of each split that a column names."""
    if examples.splits is None:
        raise UsageError(
            f"{examples.path} does not say who is in which split",
            hint=(
                "a column `split`, or a file each: scaffold splits check train=TRAIN test=TEST;"
                " none yet: scaffold splits make"
            ),
        )
    rows: dict[str, list[int]] = {}
    unknown: dict[str, int] = {}
    for row, text in enumerate(examples.splits):
        name = split_named(text)
        if name is None:
            unknown.setdefault(text, row + 2)
        else:
            rows.setdefault(name, []).append(row)
    if unknown:
        listed = ", ".join(f"{text!r} (line {line})" for text, line in list(unknown.items())[:3])
        raise UsageError(f"{examples.path}: none of {', '.join(SPLITS)}: {listed}")
    if len(rows) < 2:
        raise UsageError(f"{examples.path} has rows of {', '.join(rows)} alone")
    return rows


def _checked(
    examples: Examples,
    rows: Mapping[str, Sequence[int]],
    splits: Splits | None,
    problems: Sequence[str],
) -> Checked:
    vectors = vectors_of(examples)
    sample = Sample(
        rows=rows,
        contents=examples.contents,
        columns=examples.columns,
        labels=examples.labels,
        groups=examples.groups,
        times=examples.times,
        vectors=vectors.values,
        are_texts=vectors.are_texts,
        by_time=examples.times is not None,
    )
    leaks = sorted(find_leaks(sample), key=lambda leak: not leak.is_alarm)
    return Checked(
        rows=rows,
        ids=examples.ids,
        leaks=leaks,
        problems=problems,
        near_by=vectors.made_of + _only_some(rows),
        splits=splits,
    )


def _only_some(rows: Mapping[str, Sequence[int]]) -> str:
    """Return that near copies were looked for among some rows only, where there are many."""
    sizes = sorted(map(len, rows.values()))
    if sizes[-1] <= MOST_COMPARED_WITH and sizes[-2:][0] <= MOST_COMPARED:
        return ""
    return (
        f"; {MOST_COMPARED:,} rows of a split with {MOST_COMPARED_WITH:,} of another, evenly drawn"
    )


def read_splits(folder: Path) -> Splits:
    """Return what splits.yaml says.

    Raises:
        UsageError: there is none.
        BrokenFileError: with all its problems.
    """
    if not (folder / FILE).is_file():
        raise UsageError(f"{folder} has no {FILE}", hint="scaffold splits make DATA")
    return load_yaml(Splits, folder / FILE)


def _write(splits: Splits, folder: Path) -> None:
    document = splits.model_dump(mode="json", exclude_none=True)
    write_text(folder / FILE, dump_yaml(document))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _few(ids: Sequence[str]) -> str:
    return ", ".join(ids[:3]) + (" ..." if len(ids) > 3 else "")


def _list_text(folder: Path, name: SplitName, splits: Splits) -> str:
    path = folder / splits.splits[name].ids
    sealed = seal_folder(folder) / _TEST_LIST
    if name == "test" and not path.exists() and sealed.is_file():
        path = sealed
    if not path.is_file():
        raise UsageError(f"{path} is missing", hint=f"git checkout -- {path}")
    return read_text(path, _MOST_LIST_BYTES)


def seal_folder(folder: Path) -> Path:
    """Return where the sealed test list lies: outside of what runs get, where that is src/."""
    absolute = folder.absolute()
    for parent in absolute.parents:
        if parent.name == "src" and (parent.parent / "recipe.yaml").is_file():
            return parent.parent / "sealed"
    return absolute / "sealed"


def read_seal(folder: Path) -> Seal | None:
    """Return the seal of these splits, if test is sealed."""
    path = seal_folder(folder) / SEAL_FILE
    return load_yaml(Seal, path) if path.is_file() else None


def seal_test(folder: Path) -> Seal:
    """Take the test list out of what runs get, and count from now on who reads it.

    Raises:
        UsageError: there is no test split, it was edited, or is sealed already.
    """
    splits = read_splits(folder)
    seal = read_seal(folder)
    if seal is not None:
        raise UsageError(f"test is sealed since {seal.at}: it was read {len(seal.reads)} times")
    if "test" not in splits.splits:
        raise UsageError(f"{folder / FILE} has no test split", hint="scaffold splits make DATA")
    text = _list_text(folder, "test", splits)
    expected = splits.splits["test"].sha256
    if _digest(text) != expected:
        raise UsageError(
            f"{folder / _TEST_LIST} was edited: its digest is not what {FILE} says",
            hint="git checkout it, or make the splits again",
        )
    target = seal_folder(folder)
    target.mkdir(parents=True, exist_ok=True)
    write_text(target / _TEST_LIST, text)
    seal = Seal(at=_now(), sha256=expected)
    _write_seal(seal, target)
    (folder / splits.splits["test"].ids).unlink()
    return seal


def open_seal(folder: Path, by: str) -> str:
    """Return the sealed list of test ids, and write down that it was read.

    Raises:
        UsageError: it is not what was sealed.
    """
    seal, text = _sealed(folder)
    reads = (*seal.reads, SealRead(at=_now(), by=by))
    _write_seal(seal.model_copy(update={"reads": reads}), seal_folder(folder))
    return text


def sealed_ids(folder: Path) -> set[str]:
    """Return the ids of the sealed test split, to look for them in what a run wrote.

    Raises:
        UsageError: see `open_seal`.
    """
    return set(_sealed(folder)[1].splitlines())


def _sealed(folder: Path) -> tuple[Seal, str]:
    seal, target = read_seal(folder), seal_folder(folder)
    assert seal is not None, "only a sealed test split is opened"
    text = read_text(target / _TEST_LIST, _MOST_LIST_BYTES)
    if _digest(text) != seal.sha256:
        raise UsageError(
            f"{target / _TEST_LIST} is not what was sealed on {seal.at}: its digest differs",
            hint="git checkout it: what was tested on must stay",
        )
    return seal, text


def _write_seal(seal: Seal, folder: Path) -> None:
    document = seal.model_dump(mode="json")
    write_text(folder / SEAL_FILE, dump_yaml(document))


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="minutes")
