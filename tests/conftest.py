"""Every test has a home, caches and git identity of its own; none sees the user's."""

import os
import shutil
from pathlib import Path

import pytest
from helpers import RENAME, TWEAKABLE, Cli, edit, toy_recipe


@pytest.fixture(scope="session", autouse=True)
def isolated(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text("[user]\n\tname = Ada Lovelace\n\temail = ada@example.org\n")
    kept = {name: os.environ[name] for name in os.environ if name.startswith(("PIP_", "UV_"))}
    pip_config = Path("~/.config/pip/pip.conf").expanduser()
    with pytest.MonkeyPatch.context() as patch:
        if pip_config.is_file():
            patch.setenv("PIP_CONFIG_FILE", str(pip_config))
        patch.setenv("PYENV_ROOT", os.environ.get("PYENV_ROOT", str(Path("~/.pyenv").expanduser())))
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        patch.setenv("XDG_CONFIG_HOME", str(home / "config"))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        patch.setenv("NO_COLOR", "1")
        for name, value in kept.items():
            patch.setenv(name, value)
        for name in (
            "GIT_DIR",
            "GIT_WORK_TREE",
            "GIT_INDEX_FILE",
            "GIT_AUTHOR_NAME",
            "GIT_COMMITTER_NAME",
            "COLUMNS",
        ):
            patch.delenv(name, raising=False)
        yield home


@pytest.fixture
def cli(monkeypatch, tmp_path):
    """The command line, run in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Cli(monkeypatch)


def _calibrated(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Cli(patch)("recipes", "calibrate", ".", "--runs", "20", "--json")
    return folder


@pytest.fixture(scope="session")
def calibrated_recipe(tmp_path_factory):
    """A folder with a recipe of a reference that takes milliseconds.

    And its 20 calibration runs.
    """
    folder = toy_recipe(tmp_path_factory.mktemp("recipes") / "toy")
    return _calibrated(folder)


@pytest.fixture(scope="session")
def tweakable_recipe(tmp_path_factory):
    """The same of a reference with hyperparameters: `gain` moves its accuracy, `work` its time."""
    folder = toy_recipe(
        tmp_path_factory.mktemp("recipes") / "tweakable",
        {"train.py": TWEAKABLE},
        id="tweakable",
        hyperparameters={"gain": 0.0, "work": 100_000},
        commands={
            "train": {
                "run": "python train.py seed={seed} gain={gain} work={work}",
                "timeout_s": 20,
            },
            "smoke": {"run": "python train.py seed={seed} gain=0 work=1", "timeout_s": 20},
        },
        adaptation={
            "tweaks": [
                {
                    "name": "less-work",
                    "kind": "cheaper",
                    "change": "work: 1000",
                    "why": "it is slow",
                }
            ]
        },
    )
    return _calibrated(folder)


@pytest.fixture(scope="session")
def reproduced_once(tmp_path_factory, tweakable_recipe):
    """A project whose reference was reproduced; tests take copies of it."""
    folder = tmp_path_factory.mktemp("reproduced")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        cli = Cli(patch)
        project = cli.new(tweakable_recipe)
        cli("verify", "--json", cwd=project)
    return project


@pytest.fixture
def reproduced(tmp_path, reproduced_once):
    """A copy of that project."""
    return Path(shutil.copytree(reproduced_once, tmp_path / "project", symlinks=True))


@pytest.fixture
def judged(cli, reproduced):
    """The same with a tweak that may be accepted, not yet accepted."""
    cli("tweak", "start", "rename", "--kind", "neutral", cwd=reproduced)
    edit(reproduced, *RENAME)
    cli("verify", "--json", cwd=reproduced)
    return reproduced
