"""Fetch one commit of a git repository, alone, into a cache shared by all projects."""

import hashlib
import re
import shlex
import shutil
from pathlib import Path

from scaffold.cache import cache_dir, exclusive
from scaffold.errors import FetchError, ProjectError
from scaffold.git.objects import TreeEntry, tree_id
from scaffold.git.packs import import_tree, link_packs
from scaffold.git.remote import fetch_objects, find_remote_id
from scaffold.git.repository import Repository
from scaffold.records.recipe import GitReference


def fetch(reference: GitReference, into: Repository, *, offline: bool) -> str:
    """Put the commit's tree, less what is excluded, into a repository and return the tree's id.

    A cache that turns out to be damaged (a power cut, a full disk) is dropped and fetched anew,
    once.
    """
    blobless = bool(reference.exclude)
    cache = cached_commit(reference.git, reference.revision, offline=offline, blobless=blobless)
    try:
        tree = cache.call("rev-parse", f"{reference.revision}^{{tree}}")
        entries = cache.entries(tree)
    except ProjectError as error:
        if offline:
            raise FetchError(
                f"the cache is damaged: {error.message}", hint=f"rm -rf {cache.folder}"
            ) from error
        shutil.rmtree(cache.folder)
        cache = cached_commit(reference.git, reference.revision, offline=offline, blobless=blobless)
        tree = cache.call("rev-parse", f"{reference.revision}^{{tree}}")
        entries = cache.entries(tree)
    if reference.exclude:
        entries = _without(entries, reference.exclude)
        fetch_blobs(
            cache,
            reference.git,
            reference.revision,
            {entry.id for entry in entries},
            offline=offline,
        )
        tree = cache.write_tree(entries)
        import_tree(into, cache, tree)
    else:
        link_packs(into, cache)
    return tree


def tree_without(url: str, revision: str, excluded: tuple[str, ...], *, offline: bool) -> str:
    """Return the id of a commit's tree less what is excluded. No file's content is fetched.

    Raises:
        FetchError: the commit cannot be had, or has none of such a path.
    """
    cache = cached_commit(url, revision, offline=offline, blobless=True)
    return tree_id(_without(cache.entries(f"{revision}^{{tree}}"), excluded))


def cached_commit(url: str, revision: str, *, offline: bool, blobless: bool = False) -> Repository:
    """Return the cache's repository for a URL with one commit in it; fetch only if missing.

    Raises:
        FetchError: offline and not there, or the remote does not give it whole. Nothing
            half-fetched is kept.
    """
    folder = (
        cache_dir("git")
        / f"{hashlib.sha256(url.encode()).hexdigest()[:24]}{'.blobless' * blobless}.git"
    )
    marker = folder / "complete" / revision
    if marker.exists():
        return Repository(folder, bare=True)
    if offline:
        raise FetchError(
            f"{url} at {revision} is not in the cache, and --offline forbids to fetch it"
        )
    with exclusive(folder):
        if marker.exists():
            return Repository(folder, bare=True)
        is_new = not folder.exists()
        cache = Repository.create(folder, bare=True)
        try:
            fetch_objects(
                cache, url, [revision], "--depth=1", *(["--filter=blob:none"] if blobless else [])
            )
            if cache.find_id(f"{revision}^{{commit}}") != revision:
                raise FetchError(f"{url} has no commit {revision}", hint=_not_there(url))
            marker.parent.mkdir(exist_ok=True)
            marker.touch()
        except FetchError as error:
            lacking = "" if blobless else _lacking(url, revision, error.cause)
            error.hint = error.hint or lacking or _what_to_do(error.cause, url)
            raise
        finally:
            if is_new and not marker.exists():
                shutil.rmtree(folder, ignore_errors=True)
    return cache


def _lacking(url: str, revision: str, cause: str) -> str:
    """Return a hint that names the file that a remote lacks; empty if git does not say which."""
    match = re.search(r"unable to read ([0-9a-f]{40})", cause)
    if match is None:
        return ""
    try:
        commit = cached_commit(url, revision, offline=False, blobless=True)
        entries = commit.entries(f"{revision}^{{tree}}")
    except (FetchError, ProjectError):
        return ""
    paths = [entry.path for entry in entries if entry.id == match[1]]
    if not paths:
        return ""
    return f"the remote lacks {paths[0]}; if no run needs it: reference.exclude: [{paths[0]}]"


def _not_there(url: str) -> str:
    return f"the revision does not exist there: `git ls-remote {shlex.quote(url)}` lists what does"


def _what_to_do(reason: str, url: str) -> str | None:
    """Return a hint for what git itself says, which is in English (LC_ALL=C)."""
    if re.search("unable to read|missing|corruption|bad object", reason):
        return "the remote lacks some of its own files: name them under reference.exclude"
    if re.search("not our ref|no such", reason):
        return _not_there(url)
    return None


def commit_date(reference: GitReference) -> str:
    """Return when the pinned commit, fetched before, was made: ISO 8601."""
    cache = cached_commit(
        reference.git, reference.revision, offline=True, blobless=bool(reference.exclude)
    )
    return cache.commit_date(reference.revision)


def fetch_blobs(
    cache: Repository, url: str, revision: str, object_ids: set[str], *, offline: bool
) -> None:
    """Fetch the file contents that a blobless commit still lacks."""
    missing = sorted(cache.missing_below(revision) & object_ids)
    if missing and offline:
        raise FetchError(
            f"{len(missing)} files of {url} are not in the cache, and --offline forbids to fetch"
            " them"
        )
    if missing:
        fetch_objects(cache, url, missing, "--filter=blob:none")


def _without(entries: list[TreeEntry], excluded: tuple[str, ...]) -> list[TreeEntry]:
    for path in excluded:
        if not any(entry.path == path or entry.path.startswith(f"{path}/") for entry in entries):
            raise FetchError(f"reference.exclude names {path!r}, which the reference does not have")
    return [
        entry
        for entry in entries
        if not any(entry.path == path or entry.path.startswith(f"{path}/") for path in excluded)
    ]


def resolve(url: str, name: str) -> str:
    """Return the full commit id that a branch or tag names today.

    Raises:
        FetchError: it names none.
    """
    revision = find_remote_id(Repository(Path("/")), url, name)  # not in whatever folder this is
    if revision is None and name == "HEAD":
        raise FetchError(f"{url} is empty: nothing was ever committed to it")
    if revision is None:
        raise FetchError(
            f"{url} has no branch or tag {name!r}",
            hint=f"`git ls-remote {shlex.quote(url)}` lists what it has",
        )
    return revision


def cached_file(url: str, revision: str, path: str, *, offline: bool) -> bytes:
    """Return one file of one commit.

    Only that file's bytes are fetched where the server allows it.

    Raises:
        FetchError: it cannot be had, or the commit has no such file.
    """
    cache = cached_commit(url, revision, offline=offline, blobless=True)
    entry = next(
        (entry for entry in cache.entries(f"{revision}^{{tree}}") if entry.path == path), None
    )
    if entry is None or not entry.mode.startswith("100"):
        raise FetchError(f"{url} at {revision} has no file {path!r}")
    fetch_blobs(cache, url, revision, {entry.id}, offline=offline)
    return cache.read_blob(entry.id)
