"""Source distributions of a package index: unpacked, never built, never imported.

The index is asked where pip is configured to look, for JSON or HTML, as
https://packaging.python.org/specifications/simple-repository-api says.
"""

import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from scaffold.environments.pip_config import read_pip_settings
from scaffold.errors import FetchError
from scaffold.git.repository import Repository
from scaffold.records.recipe import PackageReference, PathReference
from scaffold.references import folder
from scaffold.references.archives import unpack
from scaffold.references.download import cached_by_digest, download, safe_opener

_PYPI = "https://pypi.org/simple"
_ACCEPTED = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
_MOST_PAGE_BYTES = 50_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdist:
    """A source distribution of one release.

    Attributes:
        name, version: of the release.
        url: of the archive.
        sha256: of the archive.
        uploaded: when it was, ISO 8601, if the index says so.
    """

    name: str
    version: str
    url: str
    sha256: str
    uploaded: str | None


def find_sdist(name: str, version: str | None = None) -> Sdist:
    """Return the source distribution of a release; without a version of the newest that is final.

    Raises:
        FetchError: no index has one, or none can be asked.
    """
    from packaging.utils import InvalidSdistFilename, canonicalize_name, parse_sdist_filename
    from packaging.version import InvalidVersion, Version

    project_name = canonicalize_name(name)
    sdists: dict[Version, Sdist] = {}
    files, problems = _files_everywhere(project_name)
    for file, url, sha256, uploaded in files:
        try:
            project, released = parse_sdist_filename(file)
        except (InvalidSdistFilename, InvalidVersion):
            continue
        if project == project_name and sha256:
            sdist = Sdist(
                name=name, version=str(released), url=url, sha256=sha256, uploaded=uploaded
            )
            sdists.setdefault(released, sdist)
    if version is not None:
        try:
            chosen = sdists.get(Version(version))
        except InvalidVersion as error:
            raise FetchError(f"{version!r} is not a version of a package") from error
    else:
        final = [one for one in sdists if not one.is_prerelease]
        chosen = sdists[max(final)] if final else None
    if chosen is None:
        at = f" {version}" if version else ""
        had = f"; it has {', '.join(map(str, sorted(sdists)[-5:]))}" if sdists else ""
        has_answered = len(problems) < len(_indexes())
        raise FetchError(
            f"no index has a source distribution of {name}{at}{had}",
            hint=(
                "a wheel is built already, and may lack what trains"
                if has_answered
                else "; ".join(problems)
            ),
        )
    return chosen


def has_wheel(requirement: str) -> bool:
    """Return whether an index has a wheel, for any machine, of a version that a requirement admits.

    Raises:
        FetchError: it is not a requirement, no index has the project, or none answers.
    """
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
    from packaging.version import InvalidVersion

    try:
        admitted = Requirement(requirement)
    except InvalidRequirement as error:
        raise FetchError(f"{requirement!r} is not a requirement") from error
    files, problems = _files_everywhere(canonicalize_name(admitted.name))
    if len(problems) == len(_indexes()):
        raise FetchError("; ".join(problems))
    for file, *_ in files:
        try:
            _, version, _, _ = parse_wheel_filename(file)
        except (InvalidWheelFilename, InvalidVersion):
            continue
        if admitted.specifier.contains(version, prereleases=True):
            return True
    return False


def fetch(reference: PackageReference, into: Repository, *, offline: bool) -> str:
    """Unpack the archive into a repository and return the tree's id."""
    archive = archive_of(reference.package, reference.version, reference.sha256, offline=offline)
    with tempfile.TemporaryDirectory() as aside:
        root = unpacked(archive, f"{reference.package}-{reference.version}", Path(aside))
        return folder.fetch(
            PathReference(path=root.name, tree=reference.tree, license=reference.license),
            root.parent,
            into,
        )


def archive_of(
    name: str, version: str, sha256: str, *, offline: bool, url: str | None = None
) -> Path:
    """Return the archive of a release from the cache, fetched if it is not there.

    Its URL may be known from an index; without one an index is asked.

    Raises:
        FetchError: it cannot be had, or has another digest.
    """

    def write(aside: Path) -> None:
        if offline:
            raise FetchError(
                f"{name} {version} is not in the cache, and --offline forbids to fetch it"
            )
        download(f"{name} {version}", url or find_sdist(name, version).url, aside)

    return cached_by_digest(f"the source distribution {name} {version}", sha256, write)


def unpacked(archive: Path, name: str, into: Path) -> Path:
    """Unpack an archive, which messages call by a name, and return its only folder.

    Raises:
        FetchError: it is damaged, has members that are no plain files, or has no such folder.
    """
    with archive.open("rb") as file:
        is_zip = file.read(2) == b"PK"
    named = into / name
    named.symlink_to(archive)
    unpack(named, "zip" if is_zip else "tar", into / "sdist")
    roots = list((into / "sdist").iterdir())
    if len(roots) != 1 or not roots[0].is_dir():
        raise FetchError(f"{name} is not a source distribution: it has not one folder for all")
    return roots[0]


def _indexes() -> list[str]:
    settings = read_pip_settings()
    extra = settings.get("extra-index-url", "").split()
    return [url for url in (settings.get("index-url", _PYPI), *extra) if "://" in url]


_File = tuple[str, str, str, str | None]
"""Name, URL, sha256 (empty if it is not stated) and time of a file of an index."""


def _files_everywhere(project: str) -> tuple[list[_File], list[str]]:
    """Return the files that all indexes have of a project, and why some indexes told none."""
    files: list[_File] = []
    problems: list[str] = []
    for index in _indexes():
        try:
            files += _files_of(index, project)
        except FetchError as error:
            problems.append(error.message)
    return files, problems


def _files_of(index: str, project: str) -> Iterator[_File]:
    """Yield each file that an index has of a project."""
    page = f"{index.rstrip('/')}/{project}/"
    text, kind = _read(page)
    if "json" in kind:
        try:
            for file in json.loads(text)["files"]:
                sha256 = file.get("hashes", {}).get("sha256", "")
                yield file["filename"], urljoin(page, file["url"]), sha256, file.get("upload-time")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FetchError(f"{page} is not a page of a package index") from error
        return
    parser = _Links()
    parser.feed(text)
    for link in parser.links:
        address = urlsplit(link)
        digest = re.search(r"sha256=([0-9a-f]{64})", address.fragment)
        name = unquote(address.path).rpartition("/")[2]
        yield name, urljoin(page, link), digest[1] if digest else "", None


def _read(page: str) -> tuple[str, str]:
    """Return the text of a page of an index, and its media type."""
    import http.client

    if not re.match(r"https://|http://(127\.0\.0\.1|localhost)[:/]|file:///", page):
        raise FetchError(f"{page} is neither https nor on this machine")
    if page.startswith("file:"):
        page += "index.html"
    try:
        opener = safe_opener()
        opener.addheaders = [("Accept", _ACCEPTED)]
        with opener.open(page, timeout=60) as answer:
            content = answer.read(_MOST_PAGE_BYTES)
            return content.decode("utf-8", errors="replace"), answer.headers.get("Content-Type", "")
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise FetchError(f"{page}: {error}") from error


class _Links(HTMLParser):
    """Collects where the links of a page lead."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        target = dict(attrs).get("href") if tag == "a" else None
        if target:
            self.links.append(target)
