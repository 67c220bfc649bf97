"""Read the glossary, docs/glossary.md, which `scaffold explain` prints."""

import re

from scaffold.recipes.catalogue import data_dir

_ENTRY = re.compile(r"^- \*\*(.+?)\*\*(?: \(key\))?: (.+)$", re.MULTILINE)


def read_glossary() -> dict[str, str]:
    """Return the text of each entry by its word; of a word with two, both.

    Raises:
        InstallationError: this installation has no docs.
    """
    text = (data_dir("docs") / "glossary.md").read_text(encoding="utf-8")
    entries: dict[str, str] = {}
    for word, meaning in _ENTRY.findall(text):
        entries[word] = f"{entries[word]} {meaning}" if word in entries else meaning
    return entries
