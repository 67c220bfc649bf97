"""Ask remotes: fetch objects by id, look up names. Transports get a URL, never a remote's name."""

import functools
import shlex
from collections.abc import Iterable

from scaffold.errors import FetchError
from scaffold.git.execute import GitError
from scaffold.git.fetch_progress import listener, read_progress
from scaffold.git.repository import Repository

_NETWORK = (
    "-c",
    "fetch.fsckObjects=true",
    "-c",
    "fetch.unpackLimit=1",
    # Harmless slips that old, well-known repositories carry; everything else fsck finds is refused.
    "-c",
    "fetch.fsck.zeroPaddedFilemode=ignore",
    "-c",
    "fetch.fsck.badTimezone=ignore",
    "-c",
    "fetch.fsck.missingSpaceBeforeDate=ignore",
)
_TRANSPORTS = {"GIT_ALLOW_PROTOCOL": "https:ssh:file"}
_OF_ANOTHER = "dubious ownership"
"""What git says of a repository whose folders belong to another user."""


def fetch_objects(
    repository: Repository, url: str, object_ids: Iterable[str], *options: str
) -> None:
    """Fetch objects by full id, no tags.

    Args:
        repository: that they are stored in.
        url: where from; must have passed `fields.check_git_url`.
        object_ids: full ids.
        options: `--depth=1` for commits without history, `--filter=blob:none` without file
            contents.

    Raises:
        FetchError: with git's own reason.
    """
    repository.call("config", "remote.origin.url", url)
    listen = listener.get()
    arguments = [
        "fetch",
        "--progress" if listen else "--quiet",
        "--no-tags",
        "--no-write-fetch-head",
        "--no-auto-maintenance",
    ]
    arguments += ["--recurse-submodules=no", *options, "origin", "--stdin"]
    try:
        repository.execute(
            arguments,
            "".join(f"{name}\n" for name in object_ids).encode(),
            _TRANSPORTS,
            _NETWORK,
            functools.partial(read_progress, url, listen=listen) if listen else None,
        )
    except GitError as error:
        hint = None
        if _OF_ANOTHER in str(error):
            place = str(error).partition("'")[2].partition("'")[0]
            hint = (
                "if it is yours to trust: git config --global --add safe.directory"
                f" {shlex.quote(place)}"
            )
        raise FetchError(
            f"could not fetch from {url}: {error}", hint=hint, cause=str(error)
        ) from error


def find_remote_id(repository: Repository, url: str, name: str) -> str | None:
    """Return the commit that a branch or tag of a remote names today.

    Raises:
        FetchError: the remote cannot be reached.
    """
    try:
        listed = repository.execute(
            ("ls-remote", "--quiet", "--", url, name, f"refs/tags/{name}^{{}}"),
            None,
            _TRANSPORTS,
            _NETWORK,
        )
    except GitError as error:
        raise FetchError(f"could not ask {url} for {name!r}: {error}") from error
    ids = {line.split("\t")[1]: line.split("\t")[0] for line in listed.splitlines() if "\t" in line}
    for full in (f"refs/tags/{name}^{{}}", f"refs/tags/{name}", f"refs/heads/{name}", name):
        if full in ids:
            return ids[full]
    return None
