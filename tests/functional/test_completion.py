"""What a shell is told when a user presses Tab."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(sys.executable).parent


def completed(folder, line: str) -> set[str]:
    """Words that bash would offer for the last, unfinished one."""
    words = line.split(" ")
    done = subprocess.run(
        [PROGRAMS / words[0]],
        cwd=folder,
        env={
            "PATH": str(PROGRAMS),
            "HOME": str(folder),
            f"_{words[0].replace('-', '_').upper()}_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return {one.partition(",")[2] for one in done.stdout.splitlines() if one}


@pytest.mark.parametrize(
    "line, words",
    [
        ("scaffold cer", {"certificate"}),
        ("scaffold recipes show digits", {"digits-cnn"}),
        ("mlloop-new x --from sgc", {"sgc-cora"}),
        ("scaffold tweak start ", {"less-work"}),
        ("scaffold rewrite start train.me", {"train.measure_loss", "train.measure_accuracy"}),
        ("scaffold log acc", {"accuracy"}),
        ("scaffold run --engine s", {"slurm"}),
        ("scaffold explain REPRO", {"REPRODUCED"}),
    ],
)
def test_names_are_completed(reproduced, line, words):
    offered = completed(reproduced, line)
    assert words <= offered, offered
    last = line.rpartition(" ")[2]
    assert all(one.startswith(last) for one in offered)


def test_outside_a_project_and_in_a_broken_one_nothing_is_said(reproduced, tmp_path):
    assert completed(tmp_path, "scaffold rewrite start ") == set()
    (reproduced / "recipe.yaml").write_text("broken: [")
    assert completed(reproduced, "scaffold tweak start ") == set()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_files_are_written_where_a_shell_looks(cli, tmp_path, monkeypatch, shell):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    paths = cli("completion", "--json").json["paths"]
    assert len(paths) == 2
    for path in map(Path, paths):
        assert path.is_relative_to(tmp_path) and "_COMPLETE=" in path.read_text()
        if shutil.which(shell):
            assert subprocess.run([shell, "-n", str(path)]).returncode == 0


def test_an_unknown_shell_is_named(cli, monkeypatch):
    monkeypatch.setenv("SHELL", "/bin/dash")
    assert "the shell dash is not known" in cli("completion", code=2).err
