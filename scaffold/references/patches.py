"""Small diffs to a reference, applied by git, which refuses paths that leave the folder."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from scaffold.errors import FetchError, ProjectError
from scaffold.git.repository import Repository


def apply_patch(patch: Path, folder: Path) -> None:
    """Apply a diff to a folder that is no repository; git itself refuses paths that leave it.

    Raises:
        ProjectError: it does not apply.
    """
    env = {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
    Repository(folder).call("apply", "--whitespace=nowarn", "--", str(patch), env=env)


def check_patches(repository: Repository, tree: str, patches: Iterable[Path]) -> str:
    """Apply diffs in order to a tree, in a temporary index, and return the patched tree's id."""
    with tempfile.TemporaryDirectory() as folder:
        env = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        repository.call("read-tree", tree, env=env)
        for patch in patches:
            try:
                repository.call(
                    "apply", "--cached", "--whitespace=nowarn", "--", str(patch), env=env
                )
            except ProjectError as error:
                raise FetchError(
                    f"patch {patch.name} does not apply to the reference: {error.cause}",
                    hint="make it anew against the pinned revision with `git diff`",
                ) from error
        return repository.call("write-tree", env=env)
