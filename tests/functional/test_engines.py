"""Runs on a cluster: as on this machine, complete or not there, and nothing left behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml
from helpers import ACCURACY, interruptible, living_in, toy_recipe, wait_for
from slurm_cluster import SlurmCluster, is_installed

from scaffold.running import batch
from scaffold.running.targets import engines_file

needs_slurm = pytest.mark.skipif(not is_installed(), reason="needs slurm-wlm and munge, as root")

SLOW = """\
    import json, pathlib, random, sys, time
    random.seed(int(sys.argv[1]))
    time.sleep({seconds})
    json.dump({{"accuracy": 0.9 + random.gauss(0, 0.01)}}, open("metrics.json", "w"))
    """

ACCURACY_ONLY = {"metrics": [ACCURACY], "progress": None}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with SlurmCluster(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster
        assert cluster.jobs() == []


@pytest.fixture
def on_cluster(cluster, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", str(cluster.configuration))
    return cluster


@pytest.fixture
def own_engines(monkeypatch, tmp_path):
    """Write the user's own engines.yaml."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def write(**engines):
        engines_file().parent.mkdir(parents=True, exist_ok=True)
        engines_file().write_text(yaml.safe_dump({"format": 1, **engines}))

    return write


def slow_recipe(folder: Path, seconds: float = 30, **changes) -> Path:
    files = {"train.py": SLOW.format(seconds=seconds)}
    return toy_recipe(folder, files, **{**ACCURACY_ONLY, **changes})


def left_behind(project: Path) -> list[str]:
    """What no run may leave."""
    runs = project / ".scaffold/runs"
    submissions = project / ".scaffold/submissions"
    names = [path.name for path in runs.iterdir()] if runs.is_dir() else []
    return [
        *(name for name in names if name.startswith(".")),
        *(path.name for path in (submissions.iterdir() if submissions.is_dir() else ())),
    ]


def metrics_of(answer) -> dict[int, dict]:
    return {run["seed"]: run["metrics"] for run in answer["runs"]}


@needs_slurm
def test_evidence_of_a_cluster_is_that_of_this_machine(cli, on_cluster, tmp_path):
    recipe = toy_recipe(tmp_path / "recipe")
    here = cli("run", "--seeds", "6", "--json", cwd=cli.new(recipe, "here"))
    project = cli.new(recipe, "there")
    there = cli("run", "--seeds", "6", "--engine", "slurm", "--json", cwd=project)
    assert metrics_of(there.json) == metrics_of(here.json)
    for ours, theirs in zip(here.json["runs"], there.json["runs"], strict=True):
        for name in ("inputs", "reading", "threads", "machine", "confinement", "environment"):
            assert theirs[name] == ours[name]
        assert sorted(theirs["sizes"]) == sorted(ours["sizes"])
    assert left_behind(project) == [] and on_cluster.jobs() == []
    # What is there is not made again.
    again = cli("run", "--seeds", "6", "--engine", "slurm", cwd=project)
    assert again.out.count("run before") == 6


@needs_slurm
def test_all_that_makes_runs_uses_it(cli, on_cluster, reproduced, own_engines):
    own_engines(default="toy", engines={"toy": {"kind": "slurm", "partition": "toy"}})
    cli("tweak", "start", "gain", "--kind", "improve", cwd=reproduced)
    system = reproduced / "system.yaml"
    system.write_text(system.read_text().replace("gain: 0.0", "gain: 5.0"))
    result = cli("verify", cwd=reproduced)
    assert "handed to slurm" in result.err and "BETTER" in result.out
    swept = cli("sweep", "gain=1..9", "--trials", "2", "--engine", "toy", cwd=reproduced)
    assert "handed to slurm" in swept.err
    assert left_behind(reproduced) == []


@needs_slurm
def test_runs_left_to_a_cluster_are_recorded_later(cli, on_cluster, tmp_path):
    project = cli.new(slow_recipe(tmp_path / "recipe", seconds=1))
    words = ("run", "--seeds", "3", "--engine", "slurm")
    detached = cli(*words, "--detach", "--json", cwd=project, code=3)
    assert detached.json["kind"] == "detached" and "3 runs left to slurm" in detached.json["text"]
    listed = cli("runs", "--json", cwd=project).json["runs"]
    assert [run["seed"] for run in listed] == [0, 1, 2]
    assert {run["state"] for run in listed} <= {"waiting", "running"}
    # Neither another engine, nor a second one of the same, makes them twice.
    refused = cli("run", "--seeds", "3", cwd=project, code=2)
    assert "seed 0 was handed to slurm" in refused.err and "runs --cancel" in refused.err
    cli(*words, "--detach", cwd=project, code=3)
    assert len(cli("runs", "--json", cwd=project).json["runs"]) == 3
    assert "3 ended" in cli("runs", "--follow", cwd=project).out
    done = cli(*words, "--json", cwd=project).json["runs"]
    assert [run["outcome"] for run in done] == ["COMPLETED"] * 3
    assert all(0.9 < run["wall_time_s"] < 5 for run in done)  # without the time in the queue
    assert left_behind(project) == []
    assert "No runs are left to a cluster" in cli("runs", cwd=project).out


@needs_slurm
def test_cancelled_runs_leave_nothing(cli, on_cluster, tmp_path):
    project = cli.new(slow_recipe(tmp_path / "recipe"))
    cli("run", "--seeds", "6", "--engine", "slurm", "--detach", cwd=project, code=3)
    wait_for(lambda: living_in(project))
    assert cli("runs", "--cancel", "--json", cwd=project).json["cancelled"] == 6
    assert on_cluster.jobs() == [] and left_behind(project) == [] and living_in(project) == []


@needs_slurm
def test_ctrl_c_cancels_what_was_handed_over(cli, on_cluster, tmp_path):
    project = cli.new(slow_recipe(tmp_path / "recipe"))
    process = subprocess.Popen(
        [sys.executable, "-m", "scaffold", "run", "--seeds", "6", "--engine", "slurm"],
        cwd=project,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,
    )
    wait_for(lambda: living_in(project))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Interrupted" in err
    assert on_cluster.jobs() == [] and left_behind(project) == [] and living_in(project) == []


@needs_slurm
def test_a_scaffold_that_was_killed_is_gone_on_with(cli, on_cluster, tmp_path):
    project = cli.new(slow_recipe(tmp_path / "recipe", seconds=2))
    words = [sys.executable, "-m", "scaffold", "run", "--seeds", "2", "--engine", "slurm"]
    process = subprocess.Popen(words, cwd=project)
    wait_for(lambda: living_in(project))
    process.kill()
    process.wait()
    before = {run["job"] for run in cli("runs", "--json", cwd=project).json["runs"]}
    assert len(before) == 2
    done = cli("run", "--seeds", "2", "--engine", "slurm", cwd=project)
    assert "handed to slurm" not in done.err  # they went on meanwhile
    assert left_behind(project) == []


@needs_slurm
def test_a_scaffold_killed_while_it_submits_loses_no_job(cli, on_cluster, tmp_path, monkeypatch):
    """Between the answer of sbatch and whatever would be done with it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    sbatch = programs / "sbatch"
    sbatch.write_text(f'#!/bin/sh\n{shutil.which("sbatch")} "$@"\ntouch {tmp_path}/sent\nsleep 9\n')
    sbatch.chmod(0o755)
    project = cli.new(slow_recipe(tmp_path / "recipe", seconds=2))
    words = ("run", "--seeds", "2", "--engine", "slurm")
    for number, code in ((signal.SIGKILL, -9), (signal.SIGINT, 130)):
        process = subprocess.Popen(
            [sys.executable, "-m", "scaffold", *words],
            cwd=project,
            env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
            preexec_fn=interruptible,
        )
        wait_for((tmp_path / "sent").exists)
        (tmp_path / "sent").unlink()
        process.send_signal(number)
        assert process.wait(60) == code
        if number == signal.SIGKILL:
            states = {run["state"] for run in cli("runs", "--json", cwd=project).json["runs"]}
            assert states <= {"waiting", "running", "ended"} and states
            assert cli("runs", "--cancel", "--json", cwd=project).json["cancelled"] == 2
        assert on_cluster.jobs() == [] and left_behind(project) == []


@needs_slurm
def test_what_has_ended_stays_when_collecting_is_interrupted(
    cli, on_cluster, tmp_path, monkeypatch
):
    project = cli.new(toy_recipe(tmp_path / "recipe"))
    words = ("run", "--seeds", "4", "--engine", "slurm")
    cli(*words, "--detach", cwd=project, code=3)
    cli("runs", "--follow", cwd=project)
    recorded = []

    def interrupted(run, execution, original=batch.finish):
        if recorded:
            raise KeyboardInterrupt
        recorded.append(run)
        return original(run, execution)

    monkeypatch.setattr(batch, "finish", interrupted)
    cli(*words, cwd=project, code=130)
    monkeypatch.undo()
    monkeypatch.setenv("SLURM_CONF", str(on_cluster.configuration))
    assert len(cli("runs", "--json", cwd=project).json["runs"]) == 3
    done = cli(*words, cwd=project)
    assert "handed to slurm" not in done.err and left_behind(project) == []


@needs_slurm
def test_a_copy_of_a_project_has_none_of_its_runs(cli, on_cluster, tmp_path):
    project = cli.new(slow_recipe(tmp_path / "recipe", seconds=1))
    words = ("run", "--seeds", "2", "--engine", "slurm")
    cli(*words, "--detach", cwd=project, code=3)
    copy = Path(shutil.copytree(project, tmp_path / "copy", symlinks=True))
    assert cli("runs", "--cancel", "--json", cwd=copy).json["cancelled"] == 0
    assert len(cli("runs", "--json", cwd=project).json["runs"]) == 2
    cli(*words, cwd=project)
    assert left_behind(project) == []


@needs_slurm
def test_other_options_do_not_collect_what_was_handed_over(cli, on_cluster, tmp_path):
    """Evidence says how a run was confined, not how the command was that recorded it."""
    project = cli.new(toy_recipe(tmp_path / "recipe"))
    words = ("run", "--engine", "slurm")
    cli(*words, "--no-sandbox", "--detach", cwd=project, code=3)
    cli("runs", "--follow", cwd=project)
    refused = cli(*words, cwd=project, code=2)
    assert "sandbox none, not" in refused.err and "the same options" in refused.err
    (run,) = cli(*words, "--no-sandbox", "--json", cwd=project).json["runs"]
    assert run["confinement"]["sandbox"] == "none"


@needs_slurm
def test_a_path_that_slurm_would_expand(cli, on_cluster, tmp_path, monkeypatch):
    (tmp_path / "a%j b").mkdir()
    monkeypatch.chdir(tmp_path / "a%j b")
    project = cli.new(toy_recipe(tmp_path / "recipe"))
    assert "was lost" not in cli("run", "--engine", "slurm", cwd=project).err


@needs_slurm
def test_a_submission_that_somebody_removes(cli, on_cluster, tmp_path):
    project = cli.new(slow_recipe(tmp_path / "recipe", seconds=3))
    process = subprocess.Popen(
        [sys.executable, "-m", "scaffold", "run", "--engine", "slurm"],
        cwd=project,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: living_in(project))
    shutil.rmtree(project / ".scaffold/submissions")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "was lost" in err
    wait_for(lambda: not on_cluster.jobs())
    assert left_behind(project) == []


@needs_slurm
def test_a_lost_node_loses_no_run(cli, on_cluster, tmp_path, monkeypatch):
    monkeypatch.setattr("scaffold.running.engines.remote._ASK_EVERY_S", 1.0)
    monkeypatch.setattr("scaffold.running.engines.remote._LATE_S", 1.0)
    marker = tmp_path / "node1-is-lost"
    project = cli.new(slow_recipe(tmp_path / "recipe", seconds=4))
    killer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(f"""\
                import pathlib, subprocess, time
                squeue = ["squeue", "-h", "-t", "RUNNING", "-w", "node1", "-o", "%i"]
                while not subprocess.run(squeue, capture_output=True).stdout.strip():
                    time.sleep(0.05)
                down = ["scontrol", "update", "NodeName=node1", "State=DOWN", "Reason=test"]
                subprocess.run(down, check=True)
                pathlib.Path({str(marker)!r}).touch()
                """),
        ]
    )
    try:
        result = cli("run", "--seeds", "4", "--engine", "slurm", cwd=project)
    finally:
        killer.wait()
        on_cluster.recover_node("node1")
    assert marker.exists()
    assert "was lost" in result.err and "made once again" in result.err
    runs = cli("run", "--seeds", "4", "--json", cwd=project).json["runs"]
    assert [run["outcome"] for run in runs] == ["COMPLETED"] * 4
    assert left_behind(project) == [] and living_in(project) == []


@needs_slurm
def test_a_lost_run_is_told_where_it_is_lost_again(cli, on_cluster, tmp_path, monkeypatch):
    """A node without this Python ends every run before it starts."""
    monkeypatch.setattr("scaffold.running.engines.remote._ASK_EVERY_S", 0.5)
    monkeypatch.setattr("scaffold.running.engines.remote._LATE_S", 0.5)
    monkeypatch.setattr("scaffold.running.engines.slurm.sys.executable", "/no/such/python")
    project = cli.new(toy_recipe(tmp_path / "recipe"))
    result = cli("run", "--engine", "slurm", cwd=project, code=4)
    assert "seed 0 was lost" in result.err and "made once again" in result.err
    assert "nothing is left of" in result.err and "/no/such/python" in result.err
    assert left_behind(project) == []


@needs_slurm
def test_a_run_that_slurm_stopped_is_no_result(cli, on_cluster, tmp_path, own_engines):
    """At its limit of time, say: that is no failure of the program."""
    project = cli.new(slow_recipe(tmp_path / "recipe"))
    stopper = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent("""\
                import subprocess, time
                running = ["squeue", "-h", "-t", "RUNNING", "-o", "%A"]
                while True:
                    jobs = subprocess.run(running, capture_output=True).stdout.split()
                    time.sleep(1)
                    subprocess.run(["scancel", *jobs])
                """),
        ]
    )
    try:
        result = cli("run", "--engine", "slurm", cwd=project, code=4)
    finally:
        stopper.kill()
        stopper.wait()
    assert "made once again" in result.err and "nothing is left of" in result.err
    assert left_behind(project) == [] and list((project / ".scaffold/runs").iterdir()) == []


@needs_slurm
def test_what_slurm_refuses_is_told_in_its_words(cli, on_cluster, tmp_path, own_engines):
    own_engines(engines={"wrong": {"kind": "slurm", "partition": "nowhere"}})
    project = cli.new(toy_recipe(tmp_path / "recipe"))
    result = cli("run", "--engine", "wrong", cwd=project, code=4)
    assert "sbatch failed" in result.err and "nowhere" not in result.out
    assert "invalid partition" in result.err.lower() and "engines.yaml" in result.err
    assert left_behind(project) == []


@needs_slurm
def test_a_run_sees_the_accelerators_that_it_was_given(cli, on_cluster, tmp_path):
    program = """\
        import json, os
        seen = os.environ.get("CUDA_VISIBLE_DEVICES", "unset")
        json.dump({"accuracy": float(seen or 0.5)}, open("metrics.json", "w"))
        """
    seen = {}
    for device in ("cpu", "cuda"):
        resources = {"device": device, "run_time_s": 0.1, "hardware": "any"}
        recipe = toy_recipe(
            tmp_path / device, {"train.py": program}, resources=resources, **ACCURACY_ONLY
        )
        project = cli.new(recipe, f"project-{device}")
        answer = cli("run", "--seeds", "4", "--engine", "slurm", "--json", cwd=project).json
        seen[device] = {run["metrics"]["accuracy"]["value"] for run in answer["runs"]}
    assert seen == {"cpu": {0.5}, "cuda": {0.0, 1.0}}


@pytest.fixture
def noting_sbatch(monkeypatch, tmp_path):
    """An sbatch that notes what it was started with, and refuses."""
    programs = tmp_path / "bin"
    programs.mkdir()
    noted = tmp_path / "noted"
    program = programs / "sbatch"
    program.write_text(f'#!/bin/sh\n(echo "$@"; env) > {noted}\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return noted


def test_a_job_gets_no_secret_of_the_users(cli, tmp_path, monkeypatch, noting_sbatch):
    monkeypatch.setenv("HF_TOKEN", "hidden-word")
    monkeypatch.setenv("SBATCH_ACCOUNT", "ours")
    project = cli.new(toy_recipe(tmp_path / "recipe"))
    result = cli("run", "--engine", "slurm", cwd=project, code=4)
    assert "sbatch failed: 1" in result.err
    noted = noting_sbatch.read_text()
    assert "SBATCH_ACCOUNT=ours" in noted and "hidden-word" not in noted
    assert "--no-requeue" in noted and "--array=0-0" in noted and "--export" not in noted


def test_settings_of_a_target_reach_sbatch(cli, tmp_path, own_engines, noting_sbatch):
    settings = {"partition": "p", "account": "a", "gres": "gpu:2", "time": "1:00", "qos": "q"}
    own_engines(engines={"ours": {"kind": "slurm", "constraint": "fast", **settings}})
    resources = {"device": "cpu", "run_time_s": 1, "hardware": "any", "cores": 3, "memory_gb": 1.5}
    project = cli.new(toy_recipe(tmp_path / "recipe", resources=resources))
    cli("run", "--engine", "ours", cwd=project, code=4)
    noted = noting_sbatch.read_text().splitlines()[0].split()
    wanted = {**settings, "constraint": "fast", "cpus-per-task": "3", "mem": "1500M"}
    assert {f"--{name}={value}" for name, value in wanted.items()} <= set(noted)


def test_no_slurm_here(cli, tmp_path, monkeypatch):
    recipe = toy_recipe(tmp_path / "recipe")
    project = cli.new(recipe)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("git", "bwrap", "cp"):
        if place := shutil.which(name):
            (programs / name).symlink_to(place)
    monkeypatch.setenv("PATH", str(programs))
    result = cli("run", "--engine", "slurm", cwd=project, code=4)
    assert "no sbatch on PATH" in result.err


def test_engines_are_the_users_alone(cli, tmp_path, own_engines):
    own_engines(default="nowhere", engines={"big": {"kind": "slurm"}})
    project = cli.new(toy_recipe(tmp_path / "recipe"))
    missing = cli("run", cwd=project, code=2)
    assert "no engine 'nowhere'" in missing.err
    assert "local, slurm, ray, big" in missing.err
    close = cli("run", "--engine", "bgi", cwd=project, code=2)
    assert "did you mean big?" in close.err
    own_engines(engines={"big": {"kind": "slrm"}, "far": {"kind": "ray", "port": 3}})
    broken = cli("run", cwd=project, code=2)
    assert "engines.yaml:" in broken.err and "port" in broken.err and "slrm" in broken.err
    # Nothing that came with the project can send work anywhere.
    engines_file().unlink()
    for name in ("engines.yaml", ".scaffold/engines.yaml"):
        (project / name).write_text("format: 1\ndefault: evil\nengines: {evil: {kind: slurm}}\n")
    cli("run", cwd=project)


def test_only_a_cluster_goes_on_alone(cli, tmp_path):
    project = cli.new(toy_recipe(tmp_path / "recipe"))
    for engine in ("local", "ray"):
        result = cli("run", "--engine", engine, "--detach", cwd=project, code=2)
        assert f"runs of {engine} end with the command" in result.err
    smoke = cli("run", "--smoke", "--engine", "slurm", "--detach", cwd=project, code=2)
    assert "a smoke run is waited for" in smoke.err
    assert "exclude" in cli("runs", "--follow", "--cancel", cwd=project, code=2).err


def test_submissions_that_came_along_are_not_believed(cli, tmp_path):
    """They name folders, which are removed; and results, which are recorded."""
    project = cli.new(toy_recipe(tmp_path / "recipe"))
    precious = tmp_path / "precious"
    precious.mkdir()
    folder = project / ".scaffold/submissions/20260101-000000-abcdef"
    folder.mkdir(parents=True)
    submission = {
        "name": folder.name,
        "created": "2026-01-01T00:00:00+00:00",
        "target": {"kind": "slurm"},
        "job": "1",
        "runs": [{"name": "seed 0", "seed": 0, "folder": str(precious)}],
        "signature": "0" * 64,
    }
    (folder / "submission.json").write_text(json.dumps(submission))
    assert cli("runs", "--json", cwd=project).json["runs"] == []
    assert cli("runs", "--cancel", "--json", cwd=project).json["cancelled"] == 0
    cli("run", cwd=project)
    assert precious.is_dir()


def test_a_node_without_the_sandbox_runs_nothing(tmp_path):
    from scaffold.records.engine import Execution, SlurmTarget, SubmittedRun
    from scaffold.running.job import Job, JobStep
    from scaffold.running.submissions import write_submission

    workspace = tmp_path / "run"
    workspace.mkdir()
    step = JobStep(
        name="train",
        argv=["touch", str(tmp_path / "ran")],
        variables={},
        directory=workspace,
        network=False,
        timeout_s=5,
    )
    job = Job(
        folder=workspace,
        sandbox="bubblewrap",
        device="cpu",
        visible=(),
        memory_bytes=None,
        folder_bytes=None,
        output_bytes=1000,
        steps=(step,),
    )
    run = SubmittedRun(name="seed 0", seed=0, folder=str(workspace))
    folder, _ = write_submission(tmp_path / "submissions", SlurmTarget(), [run], [job])
    words = [sys.executable, "-I", "-m", "scaffold.running.node", str(folder), "0"]
    subprocess.run(words, env={"PATH": "/nowhere", "HOME": str(tmp_path)}, check=True)
    execution = Execution.model_validate_json((folder / "0.ended.json").read_text())
    assert "bwrap is not installed" in execution.problem and "bubblewrap" in execution.problem
    assert not (tmp_path / "ran").exists()


def test_accelerators_of_this_machine_are_shared_out(cli, tmp_path, monkeypatch):
    """Each run on one, as many at once as there are."""
    programs = tmp_path / "bin"
    programs.mkdir()
    driver = programs / "nvidia-smi"
    listing = "GPU 0: NVIDIA A100 (UUID: GPU-1)\nGPU 1: NVIDIA A100 (UUID: GPU-2)\n"
    driver.write_text(f"#!/bin/sh\n[ $1 = -L ] && printf '{listing}' || echo NVIDIA A100\n")
    driver.chmod(0o755)
    program = """\
        import json, os, time
        time.sleep(0.5)
        json.dump({"accuracy": float(os.environ["CUDA_VISIBLE_DEVICES"])}, open("metrics.json", "w"))
        """
    resources = {"device": "cuda", "run_time_s": 0.5, "hardware": "any"}
    recipe = toy_recipe(
        tmp_path / "recipe", {"train.py": program}, resources=resources, **ACCURACY_ONLY
    )
    project = cli.new(recipe)
    done = subprocess.run(
        [sys.executable, "-m", "scaffold", "run", "--seeds", "4", "--json"],
        cwd=project,
        env={
            **{name: v for name, v in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"},
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    runs = json.loads(done.stdout)["runs"]
    seen = [run["metrics"]["accuracy"]["value"] for run in runs]
    assert sorted(seen) == [0.0, 0.0, 1.0, 1.0]
    assert {run["machine"]["accelerator"] for run in runs} == {"NVIDIA A100"}


def test_memory_of_accelerators_is_recorded(cli, tmp_path):
    """As torch tells it in each process; here by a torch that only pretends."""
    files = {
        "torch.py": """\
            class cuda:
                is_initialized = staticmethod(lambda: True)
                device_count = staticmethod(lambda: 2)
                max_memory_reserved = staticmethod(lambda index: 1000 + index)
            """,
        "train.py": """\
            import json, subprocess, sys, torch
            if len(sys.argv) > 2:
                sys.exit()
            subprocess.run([sys.executable, __file__, "0", "again"], check=True)
            json.dump({"accuracy": 0.9}, open("metrics.json", "w"))
            """,
    }
    project = cli.new(toy_recipe(tmp_path / "recipe", files, **ACCURACY_ONLY))
    (run,) = cli("run", "--json", cwd=project).json["runs"]
    assert run["peak_accelerator_bytes"] == 2001


def test_calibration_runs_are_of_one_hardware(cli, tmp_path, monkeypatch):
    from itertools import cycle

    from scaffold.records.evidence import Machine

    kinds = cycle(["one", "two"])

    def describe():
        return Machine(processor=next(kinds), cores=1, memory_gb=1, accelerator=None, system="any")

    monkeypatch.setattr("scaffold.running.engines.local.describe_machine", describe)
    # An id of its own: calibration runs of a recipe are kept in the cache.
    recipe = toy_recipe(tmp_path / "recipe", id="of-two-kinds")
    result = cli("recipes", "calibrate", str(recipe), "--runs", "4", code=4)
    assert "different hardware: 2 on " in result.err
    assert not (recipe / "calibration.json").exists()
