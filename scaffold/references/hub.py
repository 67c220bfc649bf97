"""Models and datasets of the Hugging Face Hub, at one commit.

The only module that imports its client.

Of a model only what cannot run code when it is read is taken: texts and safetensors. A pickle runs
whatever its author wrote when it is loaded.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from scaffold.cache import cache_dir
from scaffold.errors import FetchError
from scaffold.git.objects import TreeEntry
from scaffold.git.repository import Repository
from scaffold.records.recipe import HubReference

Kind = Literal["model", "dataset"]

_SAFE = (
    *(".json", ".txt", ".md", ".model", ".safetensors", ".yaml", ".yml", ".csv", ".tsv"),
    *(".jsonl", ".jinja", ".vocab", ".merges"),
)
"""Endings of files of a model that hold data, not code."""

_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".msgpack", ".h5")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFile:
    """A file of a repository on the Hub: path, size in bytes, sha256 if it is a large one."""

    path: str
    size: int | None
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HubRepository:
    """A repository on the Hub at one commit.

    Attributes:
        name: `ORG/NAME`.
        revision: full commit id.
        files: all that it has.
        committed: when it was last changed, ISO 8601, if the Hub says so.
    """

    name: str
    revision: str
    files: tuple[HubFile, ...]
    committed: str | None

    @property
    def safe_files(self) -> tuple[str, ...]:
        """Return paths of the files that run no code when they are read."""
        return tuple(sorted(file.path for file in self.files if is_safe(file.path)))

    @property
    def pickles(self) -> tuple[str, ...]:
        """Return paths of weights that are pickles, or may be."""
        return tuple(sorted(file.path for file in self.files if file.path.endswith(_PICKLES)))


def is_safe(path: str) -> bool:
    """Return whether a file of a model is a text of data, or safetensors."""
    return path.lower().endswith(_SAFE) or PurePosixPath(path).name in ("LICENSE", "README")


def find_repository(
    kind: Kind, name: str, revision: str | None = None, *, offline: bool = False
) -> HubRepository:
    """Return what a repository holds at a revision; without one at the newest.

    Offline it is what the cache has of it.

    Raises:
        FetchError: it is missing, private or gated, has no such revision, or the Hub is not there.
    """
    from huggingface_hub import HfApi

    if offline:
        return _cached(kind, name, revision)
    api = HfApi()
    with _Explained(kind, name, revision):
        if kind == "model":
            info = api.model_info(name, revision=revision, files_metadata=True)
        else:
            info = api.dataset_info(name, revision=revision, files_metadata=True)
    files = tuple(
        HubFile(
            path=one.rfilename,
            size=one.size,
            sha256=one.lfs.sha256 if one.lfs else None,
        )
        for one in info.siblings or ()
    )
    changed = info.last_modified
    return HubRepository(
        name=name,
        revision=str(info.sha),
        files=files,
        committed=changed.isoformat() if changed else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HubModel:
    """A model of the Hub whose card publishes results: name, licence if stated, downloads."""

    name: str
    license: str | None
    downloads: int


def find_models(task: str, most: int) -> list[HubModel]:
    """Return the models of a task that are downloaded most, those with a licence first.

    Only those that a recipe can be drafted of: results in `model-index`, weights as safetensors,
    open to all.

    Args:
        task: id of a task of the Hub; nothing else is sent.
        most: how many at most.

    Raises:
        FetchError: the Hub does not answer.
    """
    from huggingface_hub import HfApi

    with _Explained("model", f"list of {task}", None):
        listed = list(
            HfApi().list_models(
                pipeline_tag=task,
                filter=("model-index", "safetensors"),
                gated=False,
                sort="downloads",
                limit=most,
                expand=["downloads", "tags"],
            )
        )
    models = [
        HubModel(name=one.id, license=_license(one.tags or ()), downloads=one.downloads or 0)
        for one in listed
    ]
    return sorted(models, key=lambda model: model.license is None)


def _license(tags: Iterable[str]) -> str | None:
    return next((tag.removeprefix("license:") for tag in tags if tag.startswith("license:")), None)


def _cached(kind: Kind, name: str, revision: str | None) -> HubRepository:
    """Return what the cache has of a repository, of several revisions the one that came last."""
    from huggingface_hub import scan_cache_dir

    revisions = [
        one
        for repository in scan_cache_dir(cache_dir("hub")).repos
        if (repository.repo_type, repository.repo_id) == (kind, name)
        for one in repository.revisions
        if revision in (None, one.commit_hash)
    ]
    if not revisions:
        raise FetchError(
            f"the {kind} {name} is not in the cache, and --offline forbids to fetch it"
        )
    newest = max(revisions, key=lambda one: one.last_modified)
    paths = sorted(
        file.file_path.relative_to(newest.snapshot_path).as_posix() for file in newest.files
    )
    return HubRepository(
        name=name,
        revision=newest.commit_hash,
        files=tuple(HubFile(path=path, size=None, sha256=None) for path in paths),
        committed=None,
    )


def download(kind: Kind, name: str, revision: str, path: str, *, offline: bool = False) -> Path:
    """Return a file of a commit, from the cache if it is there; a download that broke off goes on.

    Raises:
        FetchError: it cannot be had.
    """
    from huggingface_hub import hf_hub_download

    with _Explained(kind, name, revision):
        return Path(
            hf_hub_download(
                name,
                path,
                repo_type=kind,
                revision=revision,
                cache_dir=cache_dir("hub"),
                local_files_only=offline,
            )
        )


def fetch(reference: HubReference, into: Repository, *, offline: bool) -> str:
    """Put the files of a reference into a repository and return the tree's id."""
    paths = [
        download("model", reference.hub, reference.revision, path, offline=offline)
        for path in reference.files
    ]
    ids = into.write_blobs([path.resolve() for path in paths])
    return into.write_tree(
        [
            TreeEntry(mode="100644", id=blob, path=path)
            for path, blob in zip(reference.files, ids, strict=True)
        ]
    )


class _Explained:
    """Turn what the Hub's client raises into a FetchError that says what to do."""

    def __init__(self, kind: Kind, name: str, revision: str | None) -> None:
        self._kind, self._name, self._revision = kind, name, revision

    def __enter__(self) -> None:
        from huggingface_hub.utils import logging

        logging.set_verbosity_error()  # it tells each of its tries again

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        from huggingface_hub import errors

        named = f"the {self._kind} {self._name}"
        if isinstance(error, errors.GatedRepoError):
            raise FetchError(
                f"{named} is gated: its authors give it to those who ask",
                hint=f"ask on https://huggingface.co/{self._name}, then: hf auth login",
            ) from error
        if isinstance(error, errors.RevisionNotFoundError):
            raise FetchError(f"{named} has no revision {self._revision}") from error
        if isinstance(error, errors.RepositoryNotFoundError):
            raise FetchError(
                f"{named} is not on the Hub, or it is private",
                hint="check its name, ORG/NAME; of a private one of yours: hf auth login",
            ) from error
        if isinstance(error, errors.LocalEntryNotFoundError):
            raise FetchError(
                f"{named} is not in the cache, or the Hub cannot be reached",
                hint="try again without --offline, with a network",
            ) from error
        if isinstance(error, (errors.HTTPError, errors.HFValidationError, OSError)):
            raise FetchError(
                f"the Hub does not give {named}: {error}",
                hint="try again with a network; of what was fetched before: --offline",
            ) from error
