"""A small local repository that behaves as real references do (each test names the habit).

And what we make of it.
"""

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from helpers import TOY, git_recipe, living_in, make_repository, toy_recipe, write_tree

TRAPS = {
    "train.py": TOY,
    # Removed alias: runs only with the library of its time.
    "drift.py": "import drifty\nvalue = drifty.Inf\n" + "print('accuracy 0.9')\n",
    # Works only from its own folder, and only with lib on PYTHONPATH.
    "app/main.py": "import helper\nprint('accuracy', open('settings.txt').read())\n",
    "app/settings.txt": "0.9\n",
    "lib/helper.py": "",
    # --cuda is store_false, --seed is parsed and never used.
    "liar.py": (
        """\
        import argparse, random
        parser = argparse.ArgumentParser()
        parser.add_argument("--seed", type=int)
        parser.add_argument("--cuda", action="store_false")
        args = parser.parse_args()
        assert not args.cuda, "would want a GPU"
        print("accuracy", 0.9 + random.SystemRandom().random() / 100)
        """
    ),
    "hardcoded.py": (
        "import random\nrandom.seed(1337)\nprint('accuracy', 0.9 + random.random() / 100)\n"
    ),
    "never_seeds.py": "import random\nprint('accuracy', 0.9 + random.random() / 100)\n",
    "from_variable.py": "import os\nprint('accuracy', 0.9 + int(os.environ['MY_SEED']) / 10000)\n",
    "endless.py": "import time\nprint('accuracy 0.9')\nwhile True: time.sleep(1)\n",
    "crash_after.py": "print('accuracy 0.9')\nraise SystemExit('out of luck')\n",
    "flaky.py": "import sys\nassert int(sys.argv[1]) % 3, 'unlucky'\nprint('accuracy 0.9')\n",
    "writes.py": (
        """\
        import pathlib
        pathlib.Path("train.py").write_text("# overwritten")
        pathlib.Path("checkpoints").mkdir()
        print("accuracy 0.9")
        """
    ),
    "leaves_workers.py": (
        """\
        import pathlib, subprocess, sys
        for start_new_session in (False, True):
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                                      start_new_session=start_new_session, stdout=subprocess.DEVNULL)
        print("accuracy 0.9")
        """
    ),
    "silent.py": "print('nothing to see')\n",
    "nan.py": "print('accuracy nan')\n",
    "percent.py": "print('accuracy 97.3')\n",
}
READ = {
    "name": "accuracy",
    "split": "test",
    "direction": "higher",
    "unit": "fraction",
    "read": {"stdout": r"^accuracy (?P<value>\S+)"},
}


@pytest.fixture(scope="module")
def upstream(tmp_path_factory):
    folder = tmp_path_factory.mktemp("upstream") / "traps"
    return folder, make_repository(folder, TRAPS)


@pytest.fixture
def make(cli, tmp_path, upstream):
    """Make a project whose train command is given; further changes are merged into the recipe."""

    def make(run: str, name: str = "project", **changes) -> Path:
        train = {"run": run, "timeout_s": 20, **changes.pop("train", {})}
        changes = {"seeds": {"how": "none"}, "metrics": [READ], "progress": None, **changes}
        changes["commands"] = {"train": train, "smoke": None, **changes.get("commands", {})}
        return cli.new(git_recipe(tmp_path / f"{name}-recipe", *upstream, **changes), name)

    return make


def run_one(cli, project: Path, *options) -> dict:
    return cli("run", "--json", *options, cwd=project).json["runs"][0]


def wheel(folder: Path, version: str, code: str) -> None:
    """A minimal wheel of the package `drifty`."""
    name = f"drifty-{version}"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as file:
        file.writestr("drifty.py", code)
        file.writestr(
            f"{name}.dist-info/METADATA",
            f"Metadata-Version: 2.1\nName: drifty\nVersion: {version}\n",
        )
        file.writestr(
            f"{name}.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        file.writestr(f"{name}.dist-info/RECORD", "")


def test_api_drift_is_cured_by_the_packages_of_its_time(cli, make, tmp_path, monkeypatch):
    wheel(tmp_path / "wheels", "1.0", "Inf = 1\n")
    wheel(tmp_path / "wheels", "2.0", "inf = 1\n")
    # uv reads none of pip's settings: they must be translated.
    monkeypatch.setenv(
        "PIP_CONFIG_FILE",
        str(write_tree(tmp_path, {"pip.conf": "[global]\nno-index = true\n"}) / "pip.conf"),
    )
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    newest = make("python drift.py", environment={"packages": ["drifty"]})
    assert "has no attribute 'Inf'" in cli("run", cwd=newest, code=4).err
    old = make("python drift.py", "old", environment={"packages": ["drifty<2"]})
    record = run_one(cli, old)
    assert record["environment"]["reused"] is False
    lock = (old / "environment.lock").read_text()
    assert "drifty==1.0" in lock and "--hash=sha256:" in lock
    impossible = make("python drift.py", "impossible", environment={"packages": ["drifty==3"]})
    error = cli("run", cwd=impossible, code=4).err
    assert (
        "the environment could not be made" in error
        and "drifty" in error
        and "environment.packages" in error
    )


def test_api_drift_is_cured_by_a_patch(cli, tmp_path):
    patch = (
        "--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n-raise SystemExit(1)\n+print('accuracy"
        " 0.9')\n"
    )
    recipe = toy_recipe(
        tmp_path / "recipe",
        {"train.py": "raise SystemExit(1)\n"},
        metrics=[READ],
        reference={"patches": [{"file": "patches/drift.diff", "reason": "np.Inf was removed"}]},
        commands={"smoke": None, "train": {"run": "python train.py", "timeout_s": 20}},
        seeds={"how": "none"},
    )
    write_tree(recipe, {"patches/drift.diff": patch})
    project = cli.new(recipe)
    verdict = cli("verify", "--json", cwd=project).json
    assert verdict["deviations"] == [
        {"code": "patch", "text": "patches/drift.diff: np.Inf was removed"}
    ]
    assert (project / "reference/train.py").read_text() == "raise SystemExit(1)\n"


def test_works_only_from_its_folder_and_with_pythonpath(cli, make):
    error = cli("run", cwd=make("python app/main.py"), code=4).err
    assert "No module named 'helper'" in error and "logs/" in error
    cured = make(
        "python main.py",
        "cured",
        train={"directory": "app", "variables": {"PYTHONPATH": "{reference}/lib"}},
    )
    assert run_one(cli, cured)["metrics"]["accuracy"]["value"] == 0.9
    nowhere = make("python main.py", "nowhere", train={"directory": "apps"})
    assert "has no folder 'apps'" in cli("run", cwd=nowhere, code=4).err


def test_flags_that_lie(cli, make):
    project = make("python liar.py --cuda --seed {seed}", seeds={"how": "argument"})
    run_one(cli, project, "--rerun")
    run_one(cli, project, "--rerun")
    verdict = cli("verify", "--json", cwd=project, code=3).json
    assert "NONDETERMINISTIC" in [finding["verdict"] for finding in verdict["findings"]]


def values(cli, project: Path) -> list[float]:
    return [
        run["metrics"]["accuracy"]["value"]
        for run in cli("run", "--seeds", 3, "--json", cwd=project).json["runs"]
    ]


def test_hard_coded_seed_is_shifted(cli, make):
    project = make("python hardcoded.py", seeds={"how": "offset"})
    found = values(cli, project)
    published = subprocess.run(
        [sys.executable, "hardcoded.py"],
        cwd=project / "reference",
        capture_output=True,
        text=True,
        check=True,
    )
    assert found[0] == float(published.stdout.split()[1])  # seed 0 is the published program
    assert len(set(found)) == 3
    assert found == values(cli, make("python hardcoded.py", "again", seeds={"how": "offset"}))
    record = run_one(cli, project)
    assert record["seeding"]["calls"] == {"random": ["random.seed(1337)"]}


def test_reference_that_never_seeds_is_seeded(cli, make):
    found = values(cli, make("python never_seeds.py", seeds={"how": "inject"}))
    assert len(set(found)) == 3
    assert found == values(cli, make("python never_seeds.py", "again", seeds={"how": "inject"}))


def test_seed_in_a_variable(cli, make):
    project = make("python from_variable.py", seeds={"how": "variable", "variable": "MY_SEED"})
    assert values(cli, project) == [0.9, 0.9001, 0.9002]


def test_never_ends_by_itself(cli, make):
    started = time.monotonic()
    error = cli("run", cwd=make("python endless.py", train={"timeout_s": 1}), code=4).err
    assert time.monotonic() - started < 15
    assert "TIMED_OUT" in error and "did not end by itself within its limit of 1 s" in error
    assert "commands.train.timeout_s" in error


def test_metric_before_a_crash_does_not_count(cli, make):
    project = make("python crash_after.py")
    error = cli("verify", cwd=project, code=4).err
    assert "exited with status 1: out of luck" in error and "no metric of them counts" in error
    assert not (project / "evidence").exists()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("silent.py", "metric accuracy: nothing found in stdout with"),
        ("nan.py", "metric accuracy is nan"),
        (
            "percent.py",
            (
                "read 97.3, but its unit fraction ends at 1 (if it is printed as a percent, say"
                " `printed_in"
            ),
        ),
    ],
)
def test_metric_that_cannot_be_used(cli, make, script, words):
    error = cli("run", cwd=make(f"python {script}"), code=4).err
    assert "NO_METRIC" in error and words in error


def test_command_not_found(cli, make):
    project = make("trainer --fast")
    error = cli("run", cwd=project, code=4).err
    assert "commands.train: there is no program 'trainer'" in error
    assert list((project / ".scaffold/runs").iterdir()) == []


def test_flaky_crash_is_retried_on_another_seed_as_often_as_allowed(cli, make):
    allowed = make(
        "python flaky.py {seed}", seeds={"how": "argument", "retries": 1}, rule={"max_seeds": 2}
    )
    record = run_one(cli, allowed)
    assert record["seed"] == 2  # seed 0 crashed; 2 is the first beyond the rule's own
    attempts = sorted(path.name[:6] for path in (allowed / ".scaffold/runs").iterdir())
    assert attempts == ["seed-0", "seed-2"]
    assert run_one(cli, allowed)["seed"] == 2
    assert sorted(path.name[:6] for path in (allowed / ".scaffold/runs").iterdir()) == attempts
    refused = make("python flaky.py {seed}", "refused", seeds={"how": "argument"})
    assert "AssertionError: unlucky" in cli("run", cwd=refused, code=4).err


def test_writes_into_its_own_tree(cli, make):
    project = make("python writes.py")
    run_one(cli, project)
    assert (project / "reference/train.py").read_text().startswith("import json")
    assert not (project / "reference/checkpoints").exists()
    assert cli("verify", "--json", cwd=project).json["verdict"] == "REPRODUCED"


@pytest.mark.parametrize("options", [[], ["--no-sandbox"]])
def test_leaves_processes_behind(cli, make, options):
    project = make("python leaves_workers.py")
    run_one(cli, project, *options)
    assert living_in(project) == []


def test_secrets_do_not_reach_a_run(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "secret")
    show = "import os\nprint('accuracy 0.9')\nprint(sorted(os.environ))\n"
    recipe = toy_recipe(
        tmp_path / "recipe",
        {"train.py": show},
        metrics=[READ],
        seeds={"how": "none"},
        progress=None,
        commands={"train": {"run": "python train.py"}, "smoke": None},
    )
    project = cli.new(recipe)
    record = run_one(cli, project)
    seen = (project / ".scaffold/runs" / record["id"] / "logs/0-train.out").read_text()
    assert "PATH" in seen and "HF_TOKEN" not in seen and "AWS_ACCESS_KEY_ID" not in seen


def test_git_lfs_pointers_are_said_when_the_reference_comes_in(cli, tmp_path):
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9000000\n"
    recipe = toy_recipe(tmp_path / "recipe", {"train.py": TOY, "weights/net.bin": pointer})
    told = cli("new", "pointed", "--from", recipe, "--no-input").out
    assert "Git LFS" in told and "weights/net.bin: pointers, not the files" in " ".join(
        told.split()
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_told_with_what_git_says(cli, tmp_path):
    project = cli.new(toy_recipe(tmp_path / "recipe"))
    cli("verify", "--json", cwd=project, code=3)
    os.chown(project, 12345, -1)
    refused = cli("tweak", "start", "one", "--reason", "a test", cwd=project, code=2).err
    assert (
        "dubious ownership" in refused
        and f"git config --global --add safe.directory {project}" in refused
    )
