"""Remember the catalogues of others that were added here: git repositories with recipes in them.

Each is kept with the revision it had then, and where its recipes lie.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from scaffold import user_state
from scaffold.cache import exclusive
from scaffold.project.files import read_record, write_record
from scaffold.records.fields import Id, Revision
from scaffold.records.parsing import Record


class AddedCatalogue(Record):
    """One catalogue. `recipes` gives by id what `--from` takes: `URL@revision:path`."""

    url: str
    revision: Revision
    recipes: Mapping[Id, str]


class _Added(Record):
    format: Literal[1]
    catalogues: tuple[AddedCatalogue, ...] = ()


def added_catalogues() -> Sequence[AddedCatalogue]:
    """Return them in the order in which they were added.

    Raises:
        BrokenFileError: the file that remembers them was damaged.
    """
    path = _path()
    return read_record(_Added, path).catalogues if path.is_file() else ()


def added_recipes() -> dict[str, str]:
    """Return their recipes by id, as `--from` takes them; of two with one id the first."""
    recipes: dict[str, str] = {}
    for catalogue in added_catalogues():
        recipes = {**catalogue.recipes, **recipes}
    return recipes


def remember(catalogue: AddedCatalogue) -> None:
    """Remember a catalogue, in place of one of the same URL."""
    with exclusive(_path()):
        others = [item for item in added_catalogues() if item.url != catalogue.url]
        write_record(_Added(format=1, catalogues=(*others, catalogue)), _path())


def forget(url: str) -> bool:
    """Forget a catalogue and return whether there was one."""
    with exclusive(_path()):
        known = added_catalogues()
        others = tuple(item for item in known if item.url != url)
        if len(others) < len(known):
            write_record(_Added(format=1, catalogues=others), _path())
    return len(others) < len(known)


def _path() -> Path:
    return user_state.state_dir() / "catalogues.json"
