"""Runs on a Ray cluster, as on this machine.

Whoever reaches a Ray cluster's ports can run programs, so that it has a network of its own: the
tests of this file are started again in one.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from helpers import ACCURACY, living_in, toy_recipe, wait_for

pytest.importorskip("ray")
IS_ALONE = "TESTS_IN_OWN_NETWORK" in os.environ
alone = pytest.mark.skipif(not IS_ALONE, reason="run by the first test, in a network of its own")
OWN_NETWORK = ["unshare", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]
SLOW = """\
    import json, random, sys, time
    random.seed(int(sys.argv[1]))
    time.sleep(3)
    json.dump({"accuracy": 0.9 + random.gauss(0, 0.01)}, open("metrics.json", "w"))
    """


@pytest.mark.skipif(IS_ALONE or os.getuid() != 0, reason="starts the others, as root")
def test_in_a_network_of_its_own():
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(
        [*OWN_NETWORK, "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *words],
        env={**os.environ, "TESTS_IN_OWN_NETWORK": "1", "RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster of two nodes; write `lose` to its input to end one."""
    address = tmp_path_factory.mktemp("ray") / "address"
    program = Path(__file__).with_name("ray_cluster.py")
    process = subprocess.Popen(
        [sys.executable, str(program), str(address)], stdin=subprocess.PIPE, text=True
    )
    wait_for(address.exists, limit_s=90)
    process.address = json.loads(address.read_text())
    yield process
    process.stdin.close()
    process.wait(60)


@pytest.fixture
def engine(cluster, monkeypatch, tmp_path):
    from scaffold.running.targets import engines_file

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    engines_file().parent.mkdir(parents=True)
    engines = {"near": {"kind": "ray", "address": cluster.address}}
    engines_file().write_text(yaml.safe_dump({"engines": engines}))
    return cluster


def typed(project: Path, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "scaffold", *words], cwd=project, capture_output=True, text=True
    )


def left_behind(project: Path) -> list[str]:
    submissions = project / ".scaffold/submissions"
    return [
        *(path.name for path in (project / ".scaffold/runs").glob(".*")),
        *(path.name for path in (submissions.iterdir() if submissions.is_dir() else ())),
    ]


@alone
def test_evidence_is_that_of_this_machine(cli, engine, tmp_path):
    recipe = toy_recipe(tmp_path / "recipe")
    here = cli("run", "--seeds", "6", "--json", cwd=cli.new(recipe, "here")).json
    project = cli.new(recipe, "there")
    there = json.loads(typed(project, "run", "--seeds", "6", "--engine", "near", "--json").stdout)
    assert [run["metrics"] for run in there["runs"]] == [run["metrics"] for run in here["runs"]]
    assert there["runs"][0]["confinement"] == here["runs"][0]["confinement"]
    assert left_behind(project) == []


@alone
def test_ctrl_c_ends_what_runs(cli, engine, tmp_path):
    project = cli.new(toy_recipe(tmp_path / "recipe", {"train.py": SLOW}, **METRIC))
    process = subprocess.Popen(
        [sys.executable, "-m", "scaffold", "run", "--seeds", "6", "--engine", "near"], cwd=project
    )
    wait_for(lambda: living_in(project), limit_s=60)
    process.terminate()
    assert process.wait(60) == 130
    assert living_in(project) == [] and left_behind(project) == []


@alone
def test_a_lost_node_loses_no_run(cli, engine, tmp_path):
    project = cli.new(toy_recipe(tmp_path / "recipe", {"train.py": SLOW}, **METRIC))
    process = subprocess.Popen(
        [sys.executable, "-m", "scaffold", "run", "--seeds", "6", "--engine", "near"],
        cwd=project,
        stderr=subprocess.PIPE,
        text=True,
    )
    started = project / ".scaffold/submissions"
    wait_for(lambda: len(list(started.glob("*/*.started"))) == 4, limit_s=60)
    engine.stdin.write("lose\n")
    engine.stdin.flush()
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert "made once again" in err
    answer = json.loads(typed(project, "run", "--seeds", "6", "--json").stdout)
    assert [run["outcome"] for run in answer["runs"]] == ["COMPLETED"] * 6
    assert living_in(project) == [] and left_behind(project) == []


@alone
def test_no_cluster_there(cli, tmp_path, monkeypatch):
    from scaffold.running.targets import engines_file

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    engines_file().parent.mkdir(parents=True)
    engines = {"far": {"kind": "ray", "address": "127.0.0.1:1"}}
    engines_file().write_text(yaml.safe_dump({"engines": engines}))
    project = cli.new(toy_recipe(tmp_path / "recipe"))
    done = typed(project, "run", "--engine", "far")
    assert done.returncode == 4, done.stderr
    assert "no Ray cluster answers at 127.0.0.1:1" in done.stderr and not left_behind(project)


METRIC = {"metrics": [ACCURACY], "progress": None}
