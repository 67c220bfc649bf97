"""Fetch datasets by digest into the cache, check them.

And place them where the reference expects them.
"""

import functools
import shutil
from collections.abc import Callable
from pathlib import Path

from scaffold.datasets.outside import located_folder
from scaffold.errors import FetchError, RunError
from scaffold.project.digests import file_digest
from scaffold.records.dataset import (
    CopiedDataset,
    FileDataset,
    GitDataset,
    HubDataset,
    OutsideDataset,
    PlacedDataset,
)
from scaffold.records.program import Program
from scaffold.references import hub
from scaffold.references.archives import unpack
from scaffold.references.download import cached_by_digest, download

OnBytes = Callable[[str, int, int | None], None]
"""Called with a dataset's name, the bytes that are here, and how many there will be if known."""


def fetch_datasets(
    program: Program, folder: Path, *, offline: bool = False, on_bytes: OnBytes | None = None
) -> dict[str, Path]:
    """Bring every placed dataset into the cache and return its file, or folder, by name.

    Raises:
        FetchError: one cannot be had, or its bytes are not the pinned ones.
    """
    return {
        dataset.name: _fetch(dataset, folder, offline, on_bytes or (lambda *_: None))
        for dataset in program.placed_datasets()
    }


def _fetch(dataset: PlacedDataset, folder: Path, offline: bool, on_bytes: OnBytes) -> Path:
    if isinstance(dataset, OutsideDataset):
        read = functools.partial(on_bytes, dataset.name)
        return located_folder(dataset.name, folder / dataset.manifest, dataset.sha256, read)
    if isinstance(dataset, FileDataset):
        _require_pinned(dataset, folder)
    return cached_by_digest(
        f"dataset {dataset.name}",
        dataset.sha256,
        lambda aside: _copy_into(aside, dataset, folder, offline, on_bytes),
    )


def _require_pinned(dataset: FileDataset, folder: Path) -> None:
    """Raise FetchError if a file of one's own was edited: runs would have the one of its pin."""
    own = folder / dataset.file
    digest = file_digest(own) if own.is_file() else dataset.sha256
    if digest != dataset.sha256:
        raise FetchError(
            f"dataset {dataset.name}: {dataset.file} is not the file that its sha256 pins",
            hint=f"git checkout -- {dataset.file}; or, if it is to be another, sha256: {digest}",
        )


def _copy_into(
    aside: Path, dataset: CopiedDataset, folder: Path, offline: bool, on_bytes: OnBytes
) -> None:
    if isinstance(dataset, FileDataset):
        shutil.copyfile(folder / dataset.file, aside)
    elif isinstance(dataset, GitDataset):
        from scaffold.references.git import cached_file

        aside.write_bytes(cached_file(dataset.git, dataset.revision, dataset.path, offline=offline))
    elif offline:
        raise FetchError(
            f"dataset {dataset.name} is not in the cache, and --offline forbids to fetch it"
        )
    elif isinstance(dataset, HubDataset):
        _from_hub(aside, dataset)
    else:
        download(
            f"dataset {dataset.name}", dataset.url, aside, functools.partial(on_bytes, dataset.name)
        )


def _from_hub(aside: Path, dataset: HubDataset) -> None:
    path = hub.download("dataset", dataset.hub, dataset.revision, dataset.path)
    shutil.copyfile(path, aside)


def place(dataset: PlacedDataset, file: Path, tree: Path) -> None:
    """Put a read-only copy of a dataset's file, or its unpacked content, where the reference looks.

    A copy, not a link: whatever a run does to it, the cached one stays what its digest says. A
    folder outside the project is linked: the sandbox shows it to the run, which cannot write it.

    Raises:
        FetchError: it is an archive with members that are refused.
        RunError: the reference has a file of its own there, or a link that leads out of it.
    """
    target = tree / dataset.place
    if not target.parent.resolve().is_relative_to(tree.resolve()):
        raise RunError(f"dataset {dataset.name}: {dataset.place} leads out of the reference")
    if target.exists() or target.is_symlink():
        raise RunError(f"dataset {dataset.name}: the reference already has {dataset.place}")
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(dataset, OutsideDataset):
        target.symlink_to(file)
        return
    if dataset.unpack:
        unpack(file, dataset.unpack, target)
        return
    shutil.copyfile(file, target)
    target.chmod(0o444)
