"""Ctrl-C and SIGKILL in the middle of parallel seeds: no half-evidence, no process left, and the work goes on."""

import os
import signal
import subprocess
import sys
import time

import pytest
from helpers import interruptible, toy_recipe

SLOW = """\
    import json, os, pathlib, subprocess, sys, time
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    pids = pathlib.Path(os.environ["PIDS"])
    (pids / f"{os.getpid()}").touch()
    (pids / f"{worker.pid}").touch()
    seed = int(sys.argv[1])
    time.sleep(0.1 if seed == 0 else float(os.environ.get("SLEEP", "30")))
    worker.kill()
    json.dump({"accuracy": 0.9 + seed / 1e4}, open("metrics.json", "w"))
    """


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition, limit_s: float = 20.0) -> None:
    limit = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < limit, "waited too long"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_three_parallel_seeds_are_interrupted(cli, tmp_path, number):
    metric = {"name": "accuracy", "split": "t", "direction": "higher", "unit": "fraction",
              "read": {"json": "metrics.json", "key": "accuracy"}}  # fmt: skip
    project = cli.new(toy_recipe(tmp_path / "recipe", {"train.py": SLOW}, metrics=[metric], progress=None))
    pids = tmp_path / "pids"
    pids.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "scaffold", "run", "--seeds", "4", "--jobs", "3"], cwd=project,
        env={**os.environ, "PIDS": str(pids)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=interruptible,
    )  # fmt: skip
    runs = project / ".scaffold/runs"
    # Seed 0 is quick and complete; the three others are in the middle.
    wait_for(lambda: len(list(pids.iterdir())) == 8 and list(runs.glob("seed-0-*")))
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 130, signal.SIGKILL: -9}[number], err
    assert b"Traceback" not in err
    wait_for(lambda: not any(is_alive(int(path.name)) for path in pids.iterdir()), 10)
    complete = [path.name for path in runs.iterdir() if not path.name.startswith(".")]
    assert len(complete) == 1 and complete[0].startswith("seed-0-")
    if number != signal.SIGKILL:
        assert len(list(runs.iterdir())) == 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIDS", str(pids))
        patch.setenv("SLEEP", "0.1")
        records = cli("run", "--seeds", 4, "--jobs", 3, "--json", cwd=project).json["runs"]
    assert [record["seed"] for record in records] == [0, 1, 2, 3]
    assert records[0]["id"] == complete[0]
    assert sorted(path.name for path in runs.iterdir()) == sorted(record["id"] for record in records)


def test_two_at_once_in_one_project(cli, tmp_path, calibrated_recipe):
    from scaffold.project import Project, only_one

    project = cli.new(calibrated_recipe)
    holder = subprocess.Popen(
        [sys.executable, "-c",
         "import sys\nfrom pathlib import Path\nfrom scaffold.project import Project, only_one\n"
         "with only_one(Project(Path.cwd())): print('held', flush=True); sys.stdin.read()"],
        cwd=project, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    holder.stdout.readline()
    error = cli("run", cwd=project, code=2).err
    assert f"another scaffold (process {holder.pid}) makes runs" in error
    holder.communicate()
    with only_one(Project(project)):
        pass
