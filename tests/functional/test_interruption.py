"""Ctrl-C and SIGKILL in the middle of parallel seeds.

No half-evidence, no process left, and the work goes on.
"""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ACCURACY, interruptible, living_in, toy_recipe, wait_for

SLOW = """\
    import json, os, subprocess, sys, time
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    seed = int(sys.argv[1])
    time.sleep(0.1 if seed == 0 else float(os.environ.get("NCCL_DEBUG", "30")))  # one of those that a run sees
    worker.kill()
    json.dump({"accuracy": 0.9 + seed / 1e4}, open("metrics.json", "w"))
    """


def working(project: Path) -> list[int]:
    """The trainings and their workers: Python programs of the runs themselves."""
    commands = {
        pid: Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in living_in(project)
    }
    return [pid for pid, words in commands.items() if words[1:2] in ([b"train.py"], [b"-c"])]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_three_parallel_seeds_are_interrupted(cli, tmp_path, number):
    project = cli.new(
        toy_recipe(tmp_path / "recipe", {"train.py": SLOW}, metrics=[ACCURACY], progress=None)
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "scaffold", "run", "--seeds", "4", "--jobs", "3"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=interruptible,
    )
    runs = project / ".scaffold/runs"
    # Seed 0 is quick and complete; the three others are in the middle.
    wait_for(lambda: list(runs.glob("seed-0-*")) and len(working(project)) == 6)
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert (
        process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 130, signal.SIGKILL: -9}[number]
    ), err
    assert b"Traceback" not in err
    wait_for(lambda: not living_in(project), 10)
    complete = [path.name for path in runs.iterdir() if not path.name.startswith(".")]
    assert len(complete) == 1 and complete[0].startswith("seed-0-")
    if number != signal.SIGKILL:
        assert len(list(runs.iterdir())) == 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NCCL_DEBUG", "0.1")
        records = cli("run", "--seeds", 4, "--jobs", 3, "--json", cwd=project).json["runs"]
    assert [record["seed"] for record in records] == [0, 1, 2, 3]
    assert records[0]["id"] == complete[0]
    assert sorted(path.name for path in runs.iterdir()) == sorted(
        record["id"] for record in records
    )


def test_two_at_once_in_one_project(cli, tmp_path, calibrated_recipe):
    from scaffold.project.lock import only_one
    from scaffold.project.project import Project

    project = cli.new(calibrated_recipe)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            (
                "import sys\nfrom pathlib import Path\nfrom scaffold.project.lock import only_one\nfrom scaffold.project.project import"
                " Project\nwith only_one(Project(Path.cwd())): print('held', flush=True);"
                " sys.stdin.read()"
            ),
        ],
        cwd=project,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    holder.stdout.readline()
    error = cli("run", cwd=project, code=2).err
    assert f"another scaffold (process {holder.pid}) is at work" in error
    holder.communicate()
    with only_one(Project(project)):
        pass
