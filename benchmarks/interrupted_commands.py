"""Kills every command that writes, and runs each on a full disk; called by `faults_survived.py`.

A project is prepared for each command, on the disk of the cache and on another one. The command is
killed at an instant drawn uniformly over the time that an undisturbed one takes: the scaffold
alone, or with all that it started. Then the repository must be sound, the repeated command must end
as an undisturbed one, and nothing half-made may be left.

The other disk is a small one in memory, mounted in a mount name space of this program's own.
"""

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from helpers import BETTER, RENAME, TWEAKABLE, edit, git, git_recipe, make_repository, write_tree

COMMANDS = {
    "new": "new project --from ../recipe --no-input",
    "update": "update",
    "reference update": "reference update main",
    "tweak start": "tweak start third --kind neutral --margin 0.01 --reason test",
    "tweak accept": "tweak accept",
    "tweak drop": "tweak drop",
    "rewrite accept": "rewrite accept",
    "rewrite drop": "rewrite drop",
    "eject": "eject --yes",
}
FREE_KB = (4, 8, 12, 20, 32, 48, 64, 100, 160, 240)
_DISK_MB = 700
"""No run starts with less than 500 MB free."""

_LITTER = re.compile(
    r"\.(extract|unpack|making)-|\.partial$|scaffold-index|tmp_scaffold|^aside$|^move\.json$|\.new$"
)


@dataclass(frozen=True)
class Place:
    """A folder with a project's snapshots, by the command that is tried on it."""

    folder: Path
    snapshots: Path

    @property
    def project(self) -> Path:
        """Where the command is run."""
        return self.folder / "project"

    def restore(self, name: str) -> None:
        """Put the project up as it was before the command."""
        shutil.rmtree(self.project, ignore_errors=True)
        if name != "new":
            shutil.copytree(self.snapshots / name, self.project, symlinks=True)

    def command(self, name: str) -> "subprocess.Popen[str]":
        """Start the command."""
        return subprocess.Popen(
            [sys.executable, "-m", "scaffold", *COMMANDS[name].split()],
            cwd=self._directory(name),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def _directory(self, name: str) -> Path:
        return self.folder if name == "new" else self.project

    def state(self) -> tuple[str, ...] | None:
        """What must be as after an undisturbed command; ids differ, since they hold times."""
        if not (self.project / ".git").is_dir():
            return None
        return (
            git(self.project, "for-each-ref", "--format=%(refname)"),
            git(self.project, "symbolic-ref", "HEAD"),
            git(self.project, "ls-tree", "-r", "--name-only", "HEAD"),
            git(self.project, "status", "--porcelain"),
        )

    def litter(self) -> list[str]:
        """What no ended command leaves, in the project and beside it."""
        beside = [path for path in self.folder.iterdir() if path.name.startswith(".project")]
        inside = [path for path in self.project.rglob("*") if ".scaffold/runs" not in str(path)]
        locks = [path.name for path in (self.project / ".git").rglob("*.lock")]
        return [*locks, *(path.name for path in (*beside, *inside) if _LITTER.search(path.name))]


def make_place(folder: Path, snapshots: Path) -> Place:
    """Make a recipe, a project of it, and the project before each command."""
    place = Place(folder, snapshots)
    folder.mkdir(parents=True, exist_ok=True)
    program = write_tree(snapshots / "program", {"train.py": TWEAKABLE})
    upstream = snapshots / "upstream"
    revision = make_repository(upstream, {"train.py": (program / "train.py").read_bytes()})
    write_tree(upstream, {f"more/{number}.txt": "x\n" * number for number in range(40)})
    git(upstream, "add", "--all")
    git(upstream, "commit", "--quiet", "-m", "more")
    git_recipe(
        folder.parent / "recipe",
        upstream,
        revision,
        hyperparameters={"gain": 1, "work": 10},
        commands={
            "train": {"run": "python train.py seed={seed} gain={gain} work={work}"},
            "smoke": None,
        },
    )
    trusted(folder, *COMMANDS["new"].split())
    trusted(place.project, "verify")
    keep(place, "reference update")
    older_template(place.project)
    keep(place, "update")
    open_tweak(place.project, "tweak", "rename", RENAME)
    keep(place, "tweak accept", "tweak drop")
    trusted(place.project, "tweak", "accept")
    keep(place, "tweak start", "eject")
    open_tweak(
        place.project, "rewrite", "measure-accuracy", (BETTER[0], "LEVEL + ", "0.0 + LEVEL + ")
    )
    keep(place, "rewrite accept", "rewrite drop")
    return place


def keep(place: Place, *names: str) -> None:
    """Keep the project as what these commands are tried on."""
    for name in names:
        shutil.copytree(place.project, place.snapshots / name, symlinks=True)


def open_tweak(project: Path, phase: str, name: str, change: tuple[str, str, str]) -> None:
    """Start, edit and judge one."""
    what = ["measure_accuracy"] if phase == "rewrite" else [name, "--kind", "neutral"]
    trusted(project, phase, "start", *what, "--margin", "0.01", "--reason", "test")
    edit(project, *change)
    trusted(project, "verify")


def older_template(project: Path) -> None:
    """Have the project come from a template that lacked a line."""
    aside = project.with_name("worktree")
    git(project, "worktree", "add", "--quiet", str(aside), "template")
    agents = aside / "AGENTS.md"
    agents.write_text("".join(agents.read_text().splitlines(keepends=True)[:-1]))
    git(
        aside,
        "commit",
        "--quiet",
        "--all",
        "-m",
        "Template of mlloop-new 0.0.1\n\nProject: project",
    )
    git(project, "worktree", "remove", "--force", str(aside))
    git(project, "merge", "--quiet", "--no-edit", "template")


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever that is."""
    command = [sys.executable, "-m", "scaffold", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def trusted(folder: Path, *words: str) -> None:
    """Run a command, and approve what it asks about."""
    done = call(folder, *words)
    asked = re.search(r"--trust ([0-9a-f]{64})", done.stderr)
    if asked:
        done = call(folder, *words, "--trust", asked[1])
    if done.returncode not in (0, 3):
        sys.exit(f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def undisturbed(place: Place, name: str) -> tuple[float, tuple[str, ...] | None]:
    """How long a command takes, and what it leaves."""
    place.restore(name)
    started = time.monotonic()
    process = place.command(name)
    out, err = process.communicate()
    if process.returncode != 0:
        sys.exit(f"{name} ended with {process.returncode}:\n{out}{err}")
    return time.monotonic() - started, place.state()


def faults(place: Place, name: str, expected: tuple[str, ...] | None) -> list[str]:
    """What is wrong after a disturbed command, once it was repeated."""
    found = []
    if (place.project / ".git").is_dir():
        found += unsound(place.project)
    repeated = place.command(name)
    out, err = repeated.communicate()
    if place.state() != expected:
        found.append(
            f"repeated: {repeated.returncode} {(out + err).strip()[-200:]!r}, and the end is"
            " another"
        )
    if "Traceback" in err or "defect" in err:
        found.append(err[-300:])
    litter = place.litter()
    return [*found, *([f"left: {litter[:4]}"] if litter else []), *unsound(place.project)]


def unsound(project: Path) -> list[str]:
    """What git finds damaged."""
    words = ["git", "fsck", "--full", "--no-dangling", "--no-progress"]
    done = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False)
    return [f"fsck: {(done.stdout + done.stderr).strip()[:200]}"] if done.returncode else []


def kill(process: "subprocess.Popen[str]", *, whole: bool) -> None:
    """End the scaffold, or all that it started too, as a power cut would."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL) if whole else process.kill()
    process.communicate()
    time.sleep(0.1)  # a git that outlives the scaffold ends by itself


def try_kills(places: dict[str, Place], kills: int) -> int:
    """Kill all commands in turn on all disks; returns how often something was wrong."""
    bad, counts = 0, Counter[str]()
    cases = [(disk, name) for disk in places for name in COMMANDS]
    known = {case: undisturbed(places[case[0]], case[1]) for case in cases}
    for number in range(kills):
        disk, name = cases[number % len(cases)]
        place, (whole_s, expected) = places[disk], known[disk, name]
        place.restore(name)
        process = place.command(name)
        time.sleep(random.uniform(0.1, 1.0) * whole_s)
        kill(process, whole=number // len(cases) % 2 == 1)
        found = faults(place, name, expected)
        counts[disk] += 1
        bad += bool(found)
        for text in found:
            print(f"  kill {number} of {name} ({disk}): {text}", flush=True)
    print(
        f"{kills} kills of {len(COMMANDS)} commands, {dict(counts)}: {bad} with something wrong",
        flush=True,
    )
    return bad


def try_full_disk(place: Place) -> int:
    """Run each command with little room; returns how often something was wrong."""
    bad = refused = 0
    filler = place.folder / "filler"
    for name in COMMANDS:
        _, expected = undisturbed(place, name)
        for free_kb in FREE_KB:
            place.restore(name)
            disk = os.statvfs(place.folder)
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - free_kb * 1024)
            process = place.command(name)
            _, err = process.communicate()
            filler.unlink()
            refused += process.returncode != 0
            found = faults(place, name, expected)
            found += [err[-300:]] if "Traceback" in err or "defect" in err else []
            bad += bool(found)
            for text in found:
                print(f"  {name} with {free_kb} kB free: {text}", flush=True)
    count = len(COMMANDS) * len(FREE_KB)
    print(
        f"{count} commands on a full disk, {refused} of them refused: {bad} with something wrong",
        flush=True,
    )
    return bad


def on_two_disks(work: Path, call_with: Callable[[dict[str, Place]], int]) -> int:
    """Make a project on the disk of the cache and on one in memory, and call with both."""
    other = work / "other"
    other.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MB}m", "none", str(other)]
    has_other = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        places = {"one disk": make_place(work / "one" / "folder", work / "snapshots-one")}
        if has_other:
            places["two disks"] = make_place(other / "folder", work / "snapshots-two")
        else:
            print(
                "no second disk: mounting one is not allowed here (run as root, or with user name"
                " spaces)"
            )
        return call_with(places)
    finally:
        if has_other:
            subprocess.run(["umount", str(other)], check=False)
