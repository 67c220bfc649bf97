"""Read the text files of a source at one revision. Nothing of it is run or imported."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from scaffold.errors import UsageError
from scaffold.git.objects import TreeEntry
from scaffold.git.repository import Repository
from scaffold.git.trees import list_files
from scaffold.records.draft import Citation
from scaffold.references import git

MOST_TEXT_BYTES = 4 << 20
"""Of one file that is read: notebooks with pictures have a few MB, data have more."""

MOST_FILES = 3000
"""Text files that are read, those nearest to the root first."""

_SUFFIXES = {
    *(".py", ".ipynb", ".md", ".markdown", ".rst", ".sh", ".bash", ".yaml", ".yml", ".toml"),
    *(".cfg", ".ini", ".conf", ".config", ".gin", ".bat", ".tex"),
}
_NAMES = re.compile(
    r"readme.*|licen[cs]e.*|copying.*|notice.*|makefile|dockerfile.*|pipfile|requirements?.*\.(txt|in)"
    r"|.*requirements?\.(txt|in)|model[-_ ]?card.*|results?.*\.(txt|json|csv|log)|run.*\.txt"
    r"|.*(config|params|settings).*\.json|runtime\.txt|\.python-version|train.*\.log",
    re.IGNORECASE,
)
_OF_ALL = re.compile(
    r"(un)?licen[cs]e.*|copying.*|requirements.*\.txt|setup\.(py|cfg)|pyproject\.toml|environment\.ya?ml",
    re.IGNORECASE,
)
"""Files at the root that hold for every folder below it."""

_SKIPPED_FOLDERS = {
    *(".git", ".ipynb_checkpoints", "node_modules", "third_party", "third-party", "thirdparty"),
    *("vendor", "vendored", "external", "extern", "site-packages", "__pycache__", ".eggs"),
    *("submodules", ".github", ".circleci"),
}
"""Other people's projects, build outputs and leftovers: what stands there is not the source's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFiles:
    """A source at one revision.

    Attributes:
        url: where it came from; a folder's path for one that is no repository.
        revision: of a git repository.
        tree: git tree id.
        committed: date of the revision, ISO 8601.
        texts: text by path, without a byte order mark.
        paths: every path, read or not.
    """

    url: str
    revision: str | None
    tree: str
    committed: str | None
    texts: Mapping[str, str]
    paths: frozenset[str]

    @property
    def name(self) -> str:
        """Return the last part of the URL."""
        url = self.url.removeprefix("pypi:").removesuffix(".git")
        return PurePosixPath(url.rstrip("/")).name

    @property
    def name_of_hub(self) -> str:
        """Return `ORG/NAME` of a model on the Hugging Face Hub."""
        return self.url.removeprefix("hf:")

    def within(self, folder: str) -> "SourceFiles":
        """Return the source as if only a folder of it, and what stands at its root, were there.

        Raises:
            UsageError: it has no such folder.
        """
        texts = {
            path: text
            for path, text in self.texts.items()
            if path.startswith(f"{folder}/") or ("/" not in path and _OF_ALL.fullmatch(path))
        }
        if not any(path.startswith(f"{folder}/") for path in self.paths):
            raise UsageError(f"the source has no folder {folder!r}")
        return replace(self, texts=texts)

    def lines(self, path: str) -> list[str]:
        """Return the lines of a file, as editors count them."""
        return split_lines(self.texts[path])

    def cite(self, path: str, line: int, *, cell: int | None = None, words: str = "") -> Citation:
        """Return a citation of a line, with the words that stand there."""
        if not words:
            words = self.lines(path)[line - 1]
        return Citation(path=path, line=line, cell=cell, words=words.strip())

    def at_root(self, pattern: str) -> list[str]:
        """Return paths of root files whose whole name matches, in order of their names."""
        matching = re.compile(pattern, re.IGNORECASE)
        return sorted(path for path in self.texts if "/" not in path and matching.fullmatch(path))

    def readmes(self) -> list[str]:
        """Return README files, those nearest to the root first, Markdown before other texts."""
        readmes = [
            path for path in self.texts if PurePosixPath(path).name.lower().startswith("readme")
        ]
        return sorted(
            readmes,
            key=lambda path: (
                path.count("/"),
                not path.lower().endswith((".md", ".markdown")),
                path,
            ),
        )


def split_lines(text: str) -> list[str]:
    """Return the lines of a text; only line feeds and carriage returns end one."""
    return re.split(r"\r\n|\r|\n", text)


def read_git(url: str, revision: str, *, offline: bool = False) -> SourceFiles:
    """Read the texts of a commit; of a large repository only they are fetched.

    Raises:
        FetchError: it cannot be had.
    """
    cache = git.cached_commit(url, revision, offline=offline, blobless=True)
    tree = cache.call("rev-parse", f"{revision}^{{tree}}")
    entries = cache.entries(tree)
    entries_read = _wanted([entry for entry in entries if entry.mode.startswith("100")])
    git.fetch_blobs(cache, url, revision, {entry.id for entry in entries_read}, offline=offline)
    contents = cache.read_blobs(entry.id for entry in entries_read)
    texts = {
        entry.path: text
        for entry, content in zip(entries_read, contents, strict=True)
        if (text := _decode(content)) is not None
    }
    return SourceFiles(
        url=url,
        revision=revision,
        tree=tree,
        committed=cache.commit_date(revision),
        texts=texts,
        paths=frozenset(entry.path for entry in entries),
    )


def read_folder(folder: Path, tree: str) -> SourceFiles:
    """Read the texts of a folder that is no repository.

    Raises:
        UsageError: it is not a folder.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    paths = {
        path.relative_to(folder).as_posix(): path
        for path in list_files(folder)
        if not path.is_symlink()
    }
    entries = [TreeEntry(mode="100644", id="", path=path) for path in paths]
    contents = ((entry.path, _read(paths[entry.path])) for entry in _wanted(entries))
    return SourceFiles(
        url=str(folder),
        revision=None,
        tree=tree,
        committed=None,
        texts={
            path: text
            for path, content in contents
            if content is not None and (text := _decode(content)) is not None
        },
        paths=frozenset(paths),
    )


def edited_texts(files: SourceFiles) -> list[str]:
    """Return the texts of a local repository's commit that its work tree has otherwise, or not.

    Read as files: git would run the filters that the repository names.
    """
    folder = Path(files.url.removeprefix("file://"))
    if not files.url.startswith("file://") or not (folder / ".git").exists():
        return []
    if Repository(folder).find_id("HEAD^{commit}") != files.revision:
        return []  # another commit was asked for
    return [
        path
        for path, text in files.texts.items()
        if split_lines(_decode(_read(folder / path) or b"") or "") != split_lines(text)
    ]


def _wanted(entries: Iterable[TreeEntry]) -> list[TreeEntry]:
    chosen = [entry for entry in entries if _is_text(entry.path)]
    return sorted(chosen, key=lambda entry: (entry.path.count("/"), entry.path))[:MOST_FILES]


def _is_text(path: str) -> bool:
    parts = PurePosixPath(path)
    if any(part.lower() in _SKIPPED_FOLDERS for part in parts.parts[:-1]):
        return False
    return parts.suffix.lower() in _SUFFIXES or bool(_NAMES.fullmatch(parts.name))


def _read(path: Path) -> bytes | None:
    if not path.is_file() or path.stat().st_size > MOST_TEXT_BYTES:
        return None
    return path.read_bytes()


def _decode(content: bytes) -> str | None:
    if len(content) > MOST_TEXT_BYTES or b"\0" in content[:8192]:
        return None
    return content.decode("utf-8-sig", errors="replace")


def folder_of(path: str) -> str:
    """Return the folder of a file of the source; empty for its top."""
    folder = str(PurePosixPath(path).parent)
    return "" if folder == "." else folder
