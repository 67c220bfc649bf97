"""Bring objects from one repository of this machine into another."""

import os
import shutil
from pathlib import Path

from scaffold.errors import FetchError, MachineError
from scaffold.git.execute import GitError
from scaffold.git.repository import HARDENED, Repository, file_of

_PACK_ASIDE = "tmp_scaffold_"
"""What a pack is called until it is whole; git takes no notice of it, and `git gc` removes one that
was left."""


def _copy(file: Path, target: Path) -> None:
    """Copy a file to the disk, not only to memory.

    Raises:
        MachineError: the disk is full; nothing is left there.
    """
    try:
        with file.open("rb") as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
    except OSError as error:
        target.unlink(missing_ok=True)
        raise MachineError(
            f"could not write {target}: {error.strerror}", hint="nothing was changed"
        ) from error


def import_tree(repository: Repository, source: Repository, tree: str) -> None:
    """Copy a tree and all below it from another repository, without touching a byte."""
    with file_of(f"{tree}\n".encode()) as names_file:
        pack = [
            *HARDENED,
            "pack-objects",
            "--revs",
            "--stdout",
            "--quiet",
            "--delta-base-offset",
        ]
        packer = source.git(pack, istream=names_file, as_process=True)
    try:
        repository.git([*HARDENED, "index-pack", "--stdin"], istream=packer.proc.stdout)
        packer.wait()
    except GitError as error:
        raise FetchError(
            f"the reference could not be copied from {source.folder}: {error}"
        ) from error


def link_packs(repository: Repository, source: Repository) -> None:
    """Take over all objects of a bare, fully packed repository, as links where the disk can."""
    packs = repository.objects / "pack"
    packs.mkdir(parents=True, exist_ok=True)
    for stale in packs.glob(f"{_PACK_ASIDE}*"):
        stale.unlink()
    for name in ("*.pack", "*.idx"):  # the index last: git sees a pack by it
        for file in (source.folder / "objects" / "pack").glob(name):
            target = packs / file.name
            if target.exists() and target.stat().st_size == file.stat().st_size:
                continue
            aside = packs / f"{_PACK_ASIDE}{file.name}"
            try:
                os.link(file, aside)
            except OSError:  # another file system
                _copy(file, aside)
            aside.replace(target)
