"""Replace the index of a work tree as a whole: prepare it aside, then rename it into place.

Git's own lock, `index.lock`, is held only for the renaming, so that a killed command leaves none
behind.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from scaffold.errors import MachineError, ProjectError
from scaffold.git.repository import Repository

LOCK_WAIT_S = 2.0
"""How long a git at work may take to end. It holds its locks for milliseconds, unless an editor is
open."""

_LOCK_TEXT = b"held by mlloop-new\n"


class NextIndex:
    """An index that will replace the present one; other staged paths stay staged."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.index = repository.folder / repository.call("rev-parse", "--git-path", "index")
        self.lock = self.index.with_name("index.lock")
        self.file = self.index.with_name("scaffold-index")
        self.copied: tuple[int, ...] = ()

    def require_free(self) -> None:
        """Raise ProjectError if git is writing the index now."""
        if self.lock.exists() and not self._is_lock_ours():
            raise ProjectError(
                f"git is at work here: {self.lock} exists",
                hint="end it; or remove that file if no git is running",
            )

    def prepare(self, entries: Iterable[str], tree: str) -> None:
        """Copy the present index and put entries into it.

        Args:
            entries: lines as `git update-index --index-info` reads them.
            tree: stands for the index where there is none.

        Raises:
            MachineError: the disk is full; nothing is left there.
        """
        self.discard()
        env = {"GIT_INDEX_FILE": str(self.file)}
        try:
            self.copied = _identity(self.index)
            if self.copied:
                # With its time, by which git knows what it must look into again.
                shutil.copy2(self.index, self.file)
            else:
                self.repository.call("read-tree", tree, env=env)
            listed = "".join(f"{line}\0" for line in entries)
            if listed:
                self.repository.call(
                    "update-index", "-z", "--index-info", stdin=os.fsencode(listed), env=env
                )
        except OSError as error:
            self.discard()
            raise MachineError(
                f"could not write {self.file}: {error.strerror}", hint="free some space and repeat"
            ) from error
        except (ProjectError, MachineError):
            self.discard()
            raise

    def install(self, prepare_again: Callable[[], None]) -> None:
        """Put it in the place of the present one; prepared again if git wrote that one meanwhile.

        Raises:
            OSError: another git holds the lock, or the disk is full.
        """
        while True:
            # It only saves git from reading each file again.
            with contextlib.suppress(ProjectError, MachineError):
                self.repository.call(
                    "update-index", "-q", "--refresh", env={"GIT_INDEX_FILE": str(self.file)}
                )
            with self._locked():
                if _identity(self.index) == self.copied:
                    self.file.replace(self.index)
                    return
            prepare_again()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        end = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                self._create_lock()
                break
            except FileExistsError:
                if self._is_lock_ours():
                    self.lock.unlink(missing_ok=True)
                elif time.monotonic() > end:
                    raise
                time.sleep(0.02)
        try:
            yield
        finally:
            self.lock.unlink(missing_ok=True)

    def _create_lock(self) -> None:
        """Create git's lock with our text in it at once: it is recognized at every instant."""
        text = self.file.with_name(f"{self.file.name}-lock")
        text.write_bytes(_LOCK_TEXT)
        try:
            os.link(text, self.lock)
        except FileExistsError:
            raise
        except OSError:  # no hard links on this file system
            with self.lock.open("xb", buffering=0) as file:
                file.write(_LOCK_TEXT)
        finally:
            text.unlink()

    def _is_lock_ours(self) -> bool:
        """Return whether a killed command of ours left the lock; there is only one at a time."""
        with contextlib.suppress(OSError), self.lock.open("rb") as file:
            return file.read(len(_LOCK_TEXT) + 1) == _LOCK_TEXT
        return False

    def discard(self) -> None:
        """Remove what was prepared."""
        for end in ("", ".lock", "-lock"):
            self.file.with_name(f"{self.file.name}{end}").unlink(missing_ok=True)


def _identity(index: Path) -> tuple[int, ...]:
    """Return what changes whenever git writes the index: it renames a new file into place."""
    try:
        status = index.stat()
    except FileNotFoundError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns
