"""Remove each guard in turn from a copy of the package: a test of its attack must fail.

    make mutate-guards
    python tests/hostile/mutate_guards.py words of a guard's name

Ends with status 1 if a guard could be removed without any test noticing, or is not where it was.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import yaml

ROOT = Path(__file__).parent.parent.parent
TIMEOUT = ("timeout", "--kill-after=5", "90")
_TIMED_OUT = 124


@dataclass(frozen=True)
class Guard:
    """What is removed: in `file` of scaffold/, `old` becomes `new`.

    One of the `tests` must then fail.
    """

    name: str
    file: str
    old: str
    new: str
    tests: str

    def removed_from(self, text: str) -> str | None:
        """Return the module's text without the guard, wherever its lines break.

        None if it is not there.
        """
        tokens = re.findall(r"\w+|[^\w\s]", self.old)
        # The formatter breaks lines between any two tokens, and then adds a comma at the end.
        pattern = r"\s*".join(
            rf",?\s*{re.escape(token)}" if token in ")]}" else re.escape(token) for token in tokens
        )

        def replaced(match: re.Match[str]) -> str:
            line = text[text.rfind("\n", 0, match.start()) + 1 :]
            indent = line[: len(line) - len(line.lstrip())]
            return textwrap.dedent(self.new).strip().replace("\n", f"\n{indent}")

        mutated, count = re.subn(pattern, replaced, text)
        return mutated if count else None


def load_guards() -> list[Guard]:
    """The table beside this program."""
    return [
        Guard(**entry)
        for entry in yaml.safe_load(Path(__file__).with_name("guards.yaml").read_text())
    ]


def verdict(guard: Guard) -> str:
    """`caught` if a test fails without the guard, and passes with it; else what is wrong."""
    if not passes_unchanged(guard.tests.partition(" -k ")[0], guard.tests):
        return "NOT TESTED, its tests fail with the guard, too"
    done = run_tests(guard.tests, guard)
    if done is None:
        return "NOT FOUND"
    if done.returncode == 0:
        return "SURVIVED"
    # Without some guards a test would wait for ever.
    caught = done.returncode in (1, _TIMED_OUT)
    return "caught" if caught else f"NOT TESTED, status {done.returncode}\n{done.stdout[-800:]}"


_UNCHANGED: dict[str, bool] = {}
_ASKING = Lock()


def passes_unchanged(file: str, tests: str) -> bool:
    """Whether tests of a file pass in a copy where nothing was removed; one selection a file."""
    with _ASKING:
        if file not in _UNCHANGED:
            done = run_tests(tests, None)
            _UNCHANGED[file] = done is not None and done.returncode == 0
        return _UNCHANGED[file]


def run_tests(tests: str, removed: Guard | None) -> subprocess.CompletedProcess[str] | None:
    """Run tests in a copy without a guard; None if it is not where it was."""
    folder = Path(tempfile.mkdtemp(prefix="scaffold-mutant-"))
    copy = folder / "package"
    try:
        for name in ("scaffold", "templates", "recipes", "docs", "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        if removed is not None:
            victim = copy / "scaffold" / removed.file
            mutated = removed.removed_from(victim.read_text())
            if mutated is None:
                return None
            victim.write_text(mutated)
        file, _, selection = tests.partition(" -k ")
        options = ["-k", selection] if selection else []
        command = [
            *(sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider"),
            *options,
            *("--basetemp", str(folder / "tmp"), f"tests/hostile/{file}"),
        ]
        return subprocess.run(
            [*TIMEOUT, *command],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        # Python's own does not get at what some attacks leave.
        subprocess.run(["rm", "-rf", str(folder)], check=False)


def main(words: list[str]) -> int:
    """Try all guards, or those whose name has these words."""
    wanted = [guard for guard in load_guards() if not words or " ".join(words) in guard.name]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        verdicts = pool.map(verdict, wanted)
        bad = 0
        for guard, said in zip(wanted, verdicts, strict=True):
            print(f"{said.splitlines()[0]:12} {guard.name:32} {guard.file}", flush=True)
            bad += said != "caught"
            if said not in ("caught", "SURVIVED"):
                print(said)
    print(f"{len(wanted) - bad} of {len(wanted)} guards are missed by a test when they are gone")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
