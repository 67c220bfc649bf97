"""The floors hold, and looking costs no heavy import."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hostile.mutate_guards import load_guards

ROOT = Path(__file__).parent.parent
HEAVY = (
    "torch",
    "copier",
    "huggingface_hub",
    "pydantic",
    "git",
    "scipy",
    "numpy",
    "rich",
    "questionary",
    "yaml",
)


def test_floors_hold():
    script = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([str(script)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def imported(arguments: list[str], cwd: Path) -> set[str]:
    code = (
        "import sys\n"
        f"sys.argv = ['scaffold', *{arguments!r}]\n"
        "from scaffold.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stderr.splitlines()[-1].split()} & set(HEAVY)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["nonsense"], ["verify", "--help"], ["status", "--wrong"]]
)
def test_help_and_mistakes_import_nothing_heavy(arguments, tmp_path):
    assert imported(arguments, tmp_path) == set()


def test_looking_at_a_project_imports_nothing_heavy(cli, calibrated_recipe):
    project = cli.new(calibrated_recipe)
    cli("status", cwd=project)
    assert imported(["status"], project) == imported(["next"], project) == set()
    cli("verify", cwd=project)
    cli("status", cwd=project)
    assert imported(["verify"], project) == imported(["status", "--json"], project) == set()


def test_pytest_plugin_costs_nothing_outside_a_project(tmp_path):
    code = "import sys, scaffold.pytest_plugin; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    ours = [name for name in done.stdout.split() if name.startswith("scaffold")]
    assert ours == ["scaffold", "scaffold.pytest_plugin"]


def test_every_guard_stands_where_its_mutation_looks_for_it():
    """`make mutate-guards` takes a quarter of an hour.

    A guard that was reworded is noticed here at once.
    """
    guards = load_guards()
    lost = [
        guard.name
        for guard in guards
        if guard.removed_from((ROOT / "scaffold" / guard.file).read_text()) is None
    ]
    assert guards and lost == []


def test_a_module_without_its_guard_still_runs(tmp_path):
    """Otherwise its test fails because of the broken module, whatever it tests."""
    for number, guard in enumerate(load_guards()):
        text = guard.removed_from((ROOT / "scaffold" / guard.file).read_text())
        (tmp_path / f"{number}_{Path(guard.file).name}").write_text(text or "")
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--quiet", "--no-cache"]
    undefined = ["--select", "F821,F823", "--output-format", "concise"]
    done = subprocess.run(
        [*ruff, *undefined, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("guard", load_guards(), ids=lambda guard: guard.name)
def test_every_guard_has_tests_of_that_name(guard):
    file, _, selection = guard.tests.partition(" -k ")
    file, _, test = file.partition("::")
    text = (ROOT / "tests/hostile" / file).read_text()
    for word in re.split(r" or | and |not ", selection):
        # In the name of a test, or of one of its cases.
        assert re.fullmatch(r"[\w. -]*", word) and word.strip("() ") in text, guard.tests
    assert not test or f"def {test.split('[')[0]}(" in text, guard.tests


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda p: p.name)
def test_what_benchmarks_import_is_there(path):
    """They take too long to be run here."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("scaffold"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                known = hasattr(module, alias.name) or importlib.util.find_spec(submodule)
                assert known, submodule
