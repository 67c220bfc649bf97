"""Read the glossary, docs/glossary.md, which `scaffold explain` prints."""

import re

from scaffold.recipes.catalogue import data_dir
from scaffold.records.metric import Metric

_ENTRY = re.compile(r"^- \*\*(.+?)\*\*(?: \(key\))?: (.+)$", re.MULTILINE)


def _read() -> str:
    return (data_dir("docs") / "glossary.md").read_text(encoding="utf-8")


def read_glossary() -> dict[str, str]:
    """Return the text of each entry by its word; of a word with two, both.

    Raises:
        InstallationError: this installation has no docs.
    """
    entries: dict[str, str] = {}
    for word, meaning in _ENTRY.findall(_read()):
        entries[word] = f"{entries[word]} {meaning}" if word in entries else meaning
    return entries


def read_keys() -> dict[str, dict[str, str]]:
    """Return what each key of a file means, by the file as the glossary names it.

    Raises:
        InstallationError: this installation has no docs.
    """
    keys: dict[str, dict[str, str]] = {}
    for section in _read().split("\n## Keys of ")[1:]:
        heading, _, entries = section.partition("\n")
        for file in heading.split(" and "):
            keys[file] = dict(_ENTRY.findall(entries.partition("\n## ")[0]))
    return keys


def describe_metric(metric: Metric, file: str) -> str:
    """Say what a program's file declares of a metric, in its own words."""
    reader = metric.read.model_dump(mode="json", by_alias=True, exclude_none=True)
    place = ", ".join(f"{key} {value}" for key, value in reader.items())
    take = metric.model_dump(mode="json", include={"take"})["take"]
    taken = take if isinstance(take, str) else " ".join(f"{key} {take[key]}" for key in take)
    return (
        f"A metric that {file} declares: of the split {metric.split}, {metric.direction} is better,"
        f" unit {metric.unit}; read from {place}; of several values the {taken} one."
    )
