"""A reference that lies inside its recipe."""

import stat
from pathlib import Path

from scaffold.errors import FetchError
from scaffold.git.objects import TreeEntry
from scaffold.git.repository import Repository
from scaffold.git.trees import file_mode, list_files
from scaffold.records.recipe import PathReference

_POINTER = b"version https://git-lfs.github.com/spec/"
"""How a file begins that stands for one in Git LFS
(https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md)."""

_MOST_POINTER_BYTES = 1024


def find_lfs_pointers(tree: Path) -> list[str]:
    """Return paths of files that only stand for ones in Git LFS, which were not fetched."""
    pointers = []
    for path in list_files(tree):
        if not path.is_symlink() and path.stat().st_size < _MOST_POINTER_BYTES:
            with path.open("rb") as file:
                if file.read(len(_POINTER)) == _POINTER:
                    pointers.append(path.relative_to(tree).as_posix())
    return pointers


def fetch(reference: PathReference, recipe_dir: Path, into: Repository) -> str:
    """Store the folder's files, byte for byte, and return the tree's id."""
    root = recipe_dir / reference.path
    if not root.is_dir():
        raise FetchError(f"the recipe's reference folder {root} does not exist")
    files = list(list_files(root))
    if any(not stat.S_ISREG(file.lstat().st_mode) or "\n" in file.name for file in files):
        raise FetchError(
            f"{root} has links, pipes or odd names; a reference in a folder must be plain files"
        )
    if any(".git" in file.relative_to(root).parts for file in files):
        raise FetchError(
            f"{root} has a repository in it", hint="pin it as git + revision, or remove its .git"
        )
    ids = into.write_blobs(files)
    entries = [
        TreeEntry(mode=file_mode(file), id=blob, path=file.relative_to(root).as_posix())
        for file, blob in zip(files, ids, strict=True)
    ]
    return into.write_tree(entries)
