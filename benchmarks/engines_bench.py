"""What a run on a cluster costs beside bare submission: `python benchmarks/engines_bench.py [N]`.

A Slurm of two nodes is started on this machine (as root, with slurm-wlm and munge). N programs (40)
that take half a second are submitted by `sbatch --array`, and are run by `scaffold run --engine
slurm`; both are timed until the last has ended. The first call of each is not counted.
Then the metrics are compared with those of the same seeds here. With an address, the same for a Ray
cluster: `python benchmarks/engines_bench.py N ADDRESS`.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from helpers import ACCURACY, approved, toy_recipe  # noqa: E402
from slurm_cluster import SlurmCluster  # noqa: E402

OURS = Path(sys.executable).parent
SLEEPS = """\
    import json, random, sys, time
    time.sleep(0.5)
    random.seed(int(sys.argv[1]))
    json.dump({"accuracy": 0.9 + random.random() / 100}, open("metrics.json", "w"))
    """
ROUNDS = 3


def make_project(folder: Path) -> Path:
    """A project of the program that sleeps."""
    recipe = toy_recipe(folder / "recipe", {"train.py": SLEEPS}, metrics=[ACCURACY], progress=None)
    call([OURS / "mlloop-new", "project", "--from", recipe, "--no-input"], folder)
    return approved(folder / "project")


def call(words: list, folder: Path) -> str:
    """Run one command; returns what it prints."""
    done = subprocess.run(list(map(str, words)), cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def timed(action: Callable[[], object]) -> float:
    """Wall time of one call in seconds."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def bare_slurm(count: int, cluster: SlurmCluster) -> None:
    """Submit the program as one array, and wait until nothing waits or runs."""
    program = cluster.base.parent / "recipe/reference/train.py"
    folder = cluster.base.parent / "bare"
    folder.mkdir(exist_ok=True)
    words = f"{sys.executable} {program} $SLURM_ARRAY_TASK_ID"
    options = [f"--array=0-{count - 1}", "--output=/dev/null", f"--chdir={folder}"]
    call(["sbatch", *options, f"--wrap={words}"], folder)
    while cluster.jobs():
        time.sleep(0.25)


def bare_ray(count: int, address: str, reference: Path) -> None:
    """Hand the program over as one task each, and wait for them."""
    words = [sys.executable, str(reference / "train.py")]
    program = (
        "import ray, subprocess\n"
        f"ray.init(address={address!r}, log_to_driver=False, logging_level='ERROR')\n"
        f"place = {str(reference.parent)!r}\n"
        f"task = ray.remote(lambda n: subprocess.run([*{words}, str(n)], cwd=place).returncode)\n"
        f"assert ray.get([task.remote(n) for n in range({count})]) == [0] * {count}\n"
    )
    call([sys.executable, "-c", program], reference.parent)


def compare(engine: str, count: int, project: Path, bare: Callable[[], None]) -> None:
    """Time both in turn, and compare the evidence with that of this machine."""
    words = [OURS / "scaffold", "run", "--seeds", count, "--rerun", "--json"]
    there = [*words, "--engine", engine]
    pairs = [(timed(lambda: call(there, project)), timed(bare)) for _ in range(ROUNDS + 1)][1:]
    ours_s, bare_s = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(
        f"{engine:6} {count} runs of 0.5 s  {ours_s:6.1f} s   bare {bare_s:6.1f} s"
        f"   {ours_s / bare_s:5.2f}  goal 1.2",
        flush=True,
    )
    here, away = (
        {run["seed"]: run["metrics"] for run in json.loads(call(one, project))["runs"]}
        for one in (words, there)
    )
    print(f"{engine:6} metrics of {count} seeds as on this machine: {here == away}", flush=True)


def main() -> None:
    """Measure what there is."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        os.environ.update(
            {
                "XDG_STATE_HOME": f"{folder}/state",
                "XDG_CACHE_HOME": f"{folder}/cache",
                "XDG_CONFIG_HOME": f"{folder}/config",
            }
        )
        project = make_project(place)
        if len(sys.argv) > 2:
            address = sys.argv[2]
            engines = place / "config/mlloop-new/engines.yaml"
            engines.parent.mkdir(parents=True)
            engines.write_text(f"engines: {{ray: {{kind: ray, address: '{address}'}}}}\n")
            compare(
                "ray", count, project, lambda: bare_ray(count, address, place / "recipe/reference")
            )
            return
        cores = max(1, (os.cpu_count() or 1) // 2)  # of each of the two nodes
        with SlurmCluster(place / "slurm", cores=cores) as cluster:
            os.environ["SLURM_CONF"] = str(cluster.configuration)
            compare("slurm", count, project, lambda: bare_slurm(count, cluster))


if __name__ == "__main__":
    main()
