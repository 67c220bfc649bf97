"""Kills commands at random instants, and fills the disk, and counts what is lost.

    python benchmarks/faults_survived.py [--kills 300] [--verifications-killed 200] [--random-seed
        0]

Every command that writes is killed, 300 times in all, on one disk and on two, and run on a full
disk at ten sizes (`interrupted_commands.py`).

A verification of six seeds is killed besides, again and again, at instants drawn uniformly over the
time that an undisturbed one takes: mostly the scaffold, sometimes the supervisor of a run,
sometimes a training. It is started again until it ends, and its verdict is compared with that of an
undisturbed one. Ends with status 1 if anything was lost, left running, half-made or different.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from helpers import approved, living_in, toy_recipe  # noqa: E402
from interrupted_commands import Place, on_two_disks, try_full_disk, try_kills  # noqa: E402

from scaffold.errors import ScaffoldError  # noqa: E402
from scaffold.project.project import Project  # noqa: E402
from scaffold.reproduce.verify import read_evidence  # noqa: E402

SEEDS = 6
TRAINING = """\
    import json, random, subprocess, sys, time
    random.seed(int(sys.argv[1]))
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"],
                              start_new_session=True)
    for epoch in range(1, 4):
        time.sleep(0.1)
        print(f"epoch {epoch}: loss {2.0 / epoch + random.gauss(0, 0.01):.6f}")
    json.dump({"accuracy": 0.9 + random.gauss(0, 0.01)}, open("metrics.json", "w"))
    """
VICTIMS = {"scaffold": 0.7, "supervisor": 0.15, "training": 0.15}


def scaffold(*arguments: str | Path, cwd: Path) -> "subprocess.Popen[str]":
    """Start a command."""
    return subprocess.Popen(
        [sys.executable, "-m", "scaffold", *map(str, arguments)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def call(*arguments: str | Path, cwd: Path) -> None:
    """Run a command that must end well."""
    process = scaffold(*arguments, cwd=cwd)
    out, err = process.communicate()
    if process.returncode != 0:
        sys.exit(f"{arguments} ended with {process.returncode}:\n{out}{err}")


def make_recipe(work: Path) -> Path:
    """A recipe whose verification takes six seeds of a third of a second.

    With its calibration and consent.
    """
    recipe = toy_recipe(
        work / "recipe",
        {"train.py": TRAINING},
        rule={"alpha": 0.001, "beta": 0.001, "max_seeds": SEEDS},
        commands={"train": {"run": "python train.py {seed}", "timeout_s": 30}, "smoke": None},
    )
    call("recipes", "calibrate", approved(recipe), "--runs", "20", cwd=work)
    with (recipe / "recipe.yaml").open("a") as file:
        file.write("calibration: calibration.json\n")
    return recipe


def complete_runs(project: Path) -> set[str]:
    """Runs that are there by their final name."""
    runs = project / ".scaffold" / "runs"
    return (
        {path.name for path in runs.iterdir() if not path.name.startswith(".")}
        if runs.is_dir()
        else set()
    )


def verdict(project: Path) -> tuple[str, dict[int, float]]:
    """The word, and the accuracy of every seed judged."""
    evidence = read_evidence(Project(project))
    assert evidence is not None
    return evidence.judgment["verdict"], {
        run.seed: run.metrics["accuracy"].value for run in evidence.runs
    }


def is_half_made(project: Path) -> bool:
    """Whether there is evidence that is not whole."""
    try:
        evidence = read_evidence(Project(project))
    except ScaffoldError:
        return True
    return evidence is not None and evidence.checksum != evidence.expected_checksum()


def find_victim(kind: str, process: "subprocess.Popen[str]", project: Path) -> int | None:
    """A process to kill: the scaffold, or one of the others if there is one."""
    if kind == "scaffold":
        return process.pid
    name = b"supervisor.py" if kind == "supervisor" else b"train.py"
    found = []
    for pid in living_in(project):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word.endswith(name) for word in words[:5]):
            found.append(pid)
    return random.choice(found) if found else None


def await_end(project: Path, limit_s: float) -> int:
    """How many processes of a project's runs are left after so long."""
    limit = time.monotonic() + limit_s
    while (left := living_in(project)) and time.monotonic() < limit:
        time.sleep(0.02)
    return len(left)


def main() -> int:
    """Kill, count, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300, help="of commands that write")
    parser.add_argument("--verifications-killed", type=int, default=200)
    parser.add_argument("--random-seed", type=int, default=0)
    options = parser.parse_args()
    random.seed(options.random_seed)
    if "MOUNTS_ARE_OWN" not in os.environ:
        own_mounts()
    is_whole = interrupt_commands(options.kills) == 0
    return 0 if interrupt_verifications(options.verifications_killed) and is_whole else 1


def own_mounts() -> None:
    """Start this program anew where what it mounts is seen by nobody else.

    Go on as it is where that is forbidden.
    """
    users = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    words = ["unshare", *users, "--mount", "--propagation", "private"]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0:
        os.environ["MOUNTS_ARE_OWN"] = "1"
        os.execvp(words[0], [*words, sys.executable, *sys.argv])


def interrupt_commands(kills: int) -> int:
    """Kill commands and fill disks; returns how often something was wrong."""
    if kills == 0:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        os.environ |= {"XDG_CACHE_HOME": str(work / "cache"), "XDG_STATE_HOME": str(work / "state")}

        def try_all(places: dict[str, Place]) -> int:
            return try_kills(places, kills) + (
                try_full_disk(places["two disks"]) if "two disks" in places else 0
            )

        return on_two_disks(work, try_all)


def interrupt_verifications(kills: int) -> bool:
    """Kill verifications until there were so many kills; returns whether nothing was lost."""
    counts: Counter[str] = Counter()
    if kills == 0:
        return True
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        os.environ |= {"XDG_CACHE_HOME": str(work / "cache"), "XDG_STATE_HOME": str(work / "state")}
        recipe = make_recipe(work)
        call("new", "undisturbed", "--from", recipe, cwd=work)
        started = time.monotonic()
        call("verify", "--jobs", "2", cwd=work / "undisturbed")
        whole_s = time.monotonic() - started
        expected = verdict(work / "undisturbed")
        print(
            f"undisturbed: {expected[0]} from {len(expected[1])} seeds in {whole_s:.1f} s",
            flush=True,
        )
        while counts["kills"] < kills:
            verify_under_fire(work, recipe, whole_s, expected, counts, kills)
    print(
        f"{counts['kills']} kills: "
        + ", ".join(f"{counts[kind]} of the {kind}" for kind in VICTIMS)
    )
    print(
        f"  {counts['before']} before a run was complete, {counts['between']} between,"
        f" {counts['after']} after the last"
    )
    print(f"  complete runs there at a kill  {counts['complete']}, lost {counts['lost']}")
    print(f"  processes left running         {counts['orphans']}")
    print(f"  half-made evidence             {counts['half-made']}")
    print(
        f"  verifications ended            {counts['ended']},"
        f" with the same verdict {counts['same']}"
    )
    return (
        not (counts["lost"] or counts["orphans"] or counts["half-made"])
        and counts["ended"] == counts["same"]
    )


def verify_under_fire(
    work: Path,
    recipe: Path,
    whole_s: float,
    expected: tuple[str, dict[int, float]],
    counts: Counter[str],
    most: int,
) -> None:
    """One project, verified again and again until it ends, killed on the way."""
    project = work / f"project-{counts['ended']}"
    call("new", project, "--from", recipe, cwd=work)
    while True:
        process = scaffold("verify", "--jobs", "2", cwd=project)
        if counts["kills"] < most:
            time.sleep(random.uniform(0, whole_s))
        else:
            process.wait()
        kind = random.choices(list(VICTIMS), list(VICTIMS.values()))[0]
        victim = find_victim(kind, process, project)
        before = complete_runs(project)
        if process.poll() is None and victim is not None:
            os.kill(victim, signal.SIGKILL)
            counts.update(["kills", kind])
            counts["complete"] += len(before)
            counts["before" if not before else "between" if len(before) < SEEDS else "after"] += 1
        _, err = process.communicate()
        if "Traceback" in err or "defect" in err:
            sys.exit(f"after a kill of the {kind}:\n{err}")
        counts["orphans"] += await_end(project, 6)
        counts["lost"] += len(before - complete_runs(project))
        counts["half-made"] += is_half_made(project)
        if process.returncode in (0, 1, 3) and (project / "evidence/reproduce.json").exists():
            break
    counts["ended"] += 1
    judged = verdict(project)
    if judged == expected:
        counts["same"] += 1
    else:
        print(f"  {project.name}: {judged}, undisturbed {expected}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
