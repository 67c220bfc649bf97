"""Bring a work tree from one git tree to another without overwriting uncommitted content.

New files are written aside first; putting them into place is renaming, which needs no space. A file
is replaced only where it has the old content, so that repeating a bringing that was cut off
completes it.
"""

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from scaffold.errors import MachineError, ProjectError
from scaffold.git.objects import TreeEntry, file_object_id, object_id
from scaffold.git.repository import Repository

Sides = tuple[TreeEntry | None, TreeEntry | None]
"""The entry of a path before and after; None where it is not there."""

ABSENT = "0" * 40
"""The id of nothing, as git writes it."""

_FOLDER = "folder"


def differences(repository: Repository, before: str, after: str) -> dict[str, Sides]:
    """Return the entry before and after of each path that differs between two trees."""
    listed = repository.call(
        "diff-tree", "-r", "-z", "--no-renames", "--raw", "--no-abbrev", before, after
    )
    words = listed.split("\0")
    sides_by_path: dict[str, Sides] = {}
    for head, path in zip(words[::2], words[1::2], strict=False):
        old_mode, new_mode, old_id, new_id, _ = head.lstrip(":").split(" ")
        sides = ((old_mode, old_id), (new_mode, new_id))
        old, new = (
            TreeEntry(mode=mode, id=name, path=path) if int(mode, 8) else None
            for mode, name in sides
        )
        sides_by_path[path] = (old, new)
    return sides_by_path


def entry_id(entry: TreeEntry | None) -> str:
    """Return the id of an entry, or that of nothing."""
    return entry.id if entry else ABSENT


def file_ids(repository: Repository, paths: Iterable[str]) -> dict[str, str]:
    """Return the blob id of what lies at each path, as git would store it; zeros for nothing."""
    ids_by_path: dict[str, str] = {}
    plain = []
    for path in paths:
        place = repository.folder / path
        try:
            if _is_behind_link(repository.folder, path):
                raise NotADirectoryError
            mode = place.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            ids_by_path[path] = ABSENT
            continue
        if stat.S_ISLNK(mode):
            ids_by_path[path] = object_id("blob", os.fsencode(place.readlink()))
        elif not stat.S_ISREG(mode):
            ids_by_path[path] = _FOLDER
        elif "\n" in path or path.startswith('"'):  # which git reads otherwise than as a name
            ids_by_path[path] = file_object_id(place)
        else:
            plain.append(path)
    if plain:
        listed = "".join(f"{path}\n" for path in plain)
        ids = repository.call("hash-object", "--stdin-paths", stdin=os.fsencode(listed)).split()
        ids_by_path.update(zip(plain, ids, strict=True))
    return ids_by_path


def _is_behind_link(root: Path, path: str) -> bool:
    """Return whether a folder of the path is a link, so that the file is not the project's."""
    return any((root / parent).is_symlink() for parent in Path(path).parents if parent != Path())


def paths_in_the_way(repository: Repository, differing: Mapping[str, Sides]) -> list[str]:
    """Return paths that hold neither the old nor the new content, and links on the way."""
    files = {path: sides for path, sides in differing.items() if not _is_submodule(sides)}
    actual = file_ids(repository, files)
    blocking = [
        path
        for path, sides in files.items()
        if actual[path] not in (entry_id(sides[0]), entry_id(sides[1]))
    ]
    blocking += [path for path in _with_changed_modes(repository, files) if path not in blocking]
    removed = {path for path, (_, new) in files.items() if new is None}
    blocking = [
        path
        for path in blocking
        if actual[path] != _FOLDER or not _becomes_empty(repository.folder, path, removed)
    ]
    for path, (_, new) in files.items():
        if new is not None:
            blocking += _blocked_parents(repository.folder, path, removed)
    return blocking


def _with_changed_modes(repository: Repository, files: Mapping[str, Sides]) -> Iterator[str]:
    """Yield files whose executable bit is neither the old nor the new one, where git regards it."""
    if (
        repository.call("config", "--type=bool", "--default=true", "--get", "core.fileMode")
        != "true"
    ):
        return
    for path, sides in files.items():
        place = repository.folder / path
        modes = {entry.mode for entry in sides if entry is not None}
        if (
            sides[0] is None
            or not modes <= {"100644", "100755"}
            or place.is_symlink()
            or not place.is_file()
        ):
            continue
        if ("100755" if place.stat().st_mode & stat.S_IXUSR else "100644") not in modes:
            yield path


def _becomes_empty(root: Path, folder: str, removed: set[str]) -> bool:
    """Return whether a folder becomes empty, so that a file can take its place."""
    inside = [path for path in (root / folder).rglob("*") if path.is_symlink() or not path.is_dir()]
    return (root / folder).is_dir() and all(
        path.relative_to(root).as_posix() in removed for path in inside
    )


def _is_submodule(sides: Sides) -> bool:
    return any(entry is not None and entry.mode == "160000" for entry in sides)


def _blocked_parents(root: Path, path: str, removed: set[str]) -> Iterator[str]:
    """Yield parents of a path that stay and are not folders; a link there would lead outside."""
    for parent in Path(path).parents:
        place, name = root / parent, parent.as_posix()
        if (
            os.path.lexists(place)
            and (place.is_symlink() or not place.is_dir())
            and name not in removed
        ):
            yield name


def write_aside(repository: Repository, differing: Mapping[str, Sides], folder: Path) -> None:
    """Write the new files below a folder.

    Raises:
        MachineError: the disk is full.
        ProjectError: git lacks an object.
    """
    new = [entry for _, entry in differing.values() if entry is not None and entry.mode != "160000"]
    if not new:
        return
    try:
        (folder / "files").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(
            f"could not write {folder}: {error.strerror}", hint="free some space and repeat"
        ) from error
    lines = "".join(f"{entry.mode} {entry.id}\t{entry.path}\0" for entry in new)
    env = {"GIT_INDEX_FILE": str(folder / "index")}
    try:
        repository.call("update-index", "-z", "--index-info", stdin=os.fsencode(lines), env=env)
        repository.call("checkout-index", "--all", f"--prefix={folder / 'files'}/", env=env)
    except ProjectError as error:
        error.hint = (  # git does not say why it could not write a file
            "is the disk full? see also: git fsck"
        )
        raise


def move_into_place(root: Path, differing: Mapping[str, Sides], folder: Path) -> None:
    """Remove the files that go, then rename those that come.

    No link is followed, and a folder with files in it stays.

    Raises:
        OSError: a file cannot be renamed.
    """
    for path, (_, new) in differing.items():
        place = root / path
        if new is None and not any(_blocked_parents(root, path, set())):
            with contextlib.suppress(FileNotFoundError, IsADirectoryError, PermissionError):
                place.unlink()
            _remove_empty(root, place.parent)
    for path, (_, new) in differing.items():
        source, place = folder / "files" / path, root / path
        if (
            new is not None
            and os.path.lexists(source)
            and not any(_blocked_parents(root, path, set()))
        ):
            with contextlib.suppress(OSError):  # an empty folder where a file comes
                place.rmdir()
            place.parent.mkdir(parents=True, exist_ok=True)
            source.replace(place)


def _remove_empty(root: Path, folder: Path) -> None:
    while folder != root:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
