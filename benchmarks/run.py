"""Prints each goal of docs/performance.md as a ratio against a peer.

Both measured in turn in this run.

    make bench

Whole processes, wall time, medians; the first call of each is not counted. Peers live in
.bench/peers. A ratio over its goal is marked; nothing fails, since the machine may be busy.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from helpers import ACCURACY, approved, git, make_repository, toy_recipe  # noqa: E402

PEERS = ROOT / ".bench" / "peers" / "bin"
OURS = Path(sys.executable).parent
QUICK = {"train.py": "import json\njson.dump({'accuracy': 0.9}, open('metrics.json', 'w'))\n"}


def call(arguments: list, cwd: Path, codes: tuple[int, ...] = (0,)) -> None:
    """Run one command, quietly."""
    done = subprocess.run(
        [str(a) for a in arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode not in codes:
        sys.exit(f"{arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def timed(action: Callable[[], None]) -> float:
    """Wall time of one call in seconds."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def pair(ours: Callable[[], None], peer: Callable[[], None], rounds: int) -> tuple[float, float]:
    """Medians of both, measured in turn after one round that is not counted."""
    both = [(timed(ours), timed(peer)) for _ in range(rounds + 1)][1:]
    return statistics.median(a for a, _ in both), statistics.median(b for _, b in both)


def show(what: str, ours_s: float, peer: str, peer_s: float, goal: float) -> None:
    """One line of the table."""
    ratio = ours_s / peer_s
    mark = "" if ratio <= goal else "  OVER"
    print(
        f"{what:44} {ours_s * 1000:9.0f} ms  {peer:28} {peer_s * 1000:9.0f} ms  {ratio:6.2f}  goal"
        f" {goal}{mark}",
        flush=True,
    )


def start_up(work: Path, project: Path) -> None:
    """Commands that look, against `cookiecutter --help`."""
    call([OURS / "scaffold", "status"], project)
    for arguments in (["--help"], ["status"], ["next"], ["nonsense"]):
        ours, peer = pair(
            lambda arguments=arguments: call([OURS / "scaffold", *arguments], project, (0, 2)),
            lambda: call([PEERS / "cookiecutter", "--help"], work),
            9,
        )
        show(f"start-up: scaffold {' '.join(arguments)}", ours, "cookiecutter --help", peer, 0.4)


def creation(work: Path) -> None:
    """A project from an embedded recipe, against copier with a template of as many files."""
    template = work / "template"
    for index in range(12):
        (template / f"folder{index % 3}").mkdir(parents=True, exist_ok=True)
        (template / f"folder{index % 3}" / f"file{index}.md.jinja").write_text(
            "# {{ name }}\n" * 20
        )
    (template / "copier.yml").write_text("name: x\n")
    made = work / "made"

    def ours() -> None:
        shutil.rmtree(made, ignore_errors=True)
        call([OURS / "mlloop-new", made, "--from", "digits-cnn", "--no-input"], work)

    def peer() -> None:
        shutil.rmtree(made, ignore_errors=True)
        call([PEERS / "copier", "copy", "--defaults", "--quiet", template, made], work)

    show(
        "creation: mlloop-new --from digits-cnn",
        *_flat(pair(ours, peer, 7), "copier copy, 12 files"),
        1.3,
    )


def _flat(both: tuple[float, float], peer: str) -> tuple[float, str, float]:
    return both[0], peer, both[1]


def pinned_commit(work: Path) -> None:
    """One commit of a repository with history into a repository of ours.

    Against clone and checkout.
    """
    upstream = work / "upstream"
    make_repository(upstream, {"train.py": "print()\n"})
    for index in range(24):
        (upstream / "weights").mkdir(exist_ok=True)
        (upstream / "weights" / f"w{index % 12}.bin").write_bytes(os.urandom(2_000_000))
        git(upstream, "add", "--all")
        git(upstream, "commit", "--quiet", "-m", f"weights {index}")
    git(upstream, "repack", "-a", "-d", "--quiet")  # as a server keeps it
    revision = git(upstream, "rev-parse", "HEAD")
    url = f"file://{upstream}"
    program = (
        "import sys, time; from pathlib import Path\nfrom scaffold.records.recipe import"
        " GitReference\nfrom scaffold.references import git; from scaffold.git.repository import"
        " Repository\ninto = Repository.create(Path(sys.argv[1]))\nurl, revision, *exclude ="
        " sys.argv[2:]\nreference = GitReference(git=url, revision=revision, tree='0' * 40,"
        " license='x', exclude=exclude)\nstarted = time.perf_counter()\ntree = git.fetch(reference,"
        " into, offline=False)\nfetched = time.perf_counter()\ninto.call('read-tree',"
        " '--prefix=reference/', tree); into.call('checkout-index', '--all')\nprint(fetched -"
        " started, time.perf_counter() - started)\n"
    )

    def ours(cache: Path, exclude: list[str]) -> tuple[float, float]:
        target = Path(tempfile.mkdtemp(dir=work))
        done = subprocess.run(
            [sys.executable, "-c", program, target / "project", url, revision, *exclude],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "XDG_CACHE_HOME": str(cache)},
        )
        shutil.rmtree(target)
        fetch_s, with_checkout_s = map(float, done.stdout.split())
        return fetch_s, with_checkout_s

    def peer() -> None:
        shutil.rmtree(work / "clone", ignore_errors=True)
        call(["git", "clone", "--quiet", url, "clone"], work)
        call(["git", "checkout", "--quiet", revision], work / "clone")

    cold, sparse, clone, cached = [], [], [], []
    for index in range(4):
        cold.append(ours(work / f"cache{index}", [])[1])
        clone.append(timed(peer))
        sparse.append(ours(work / f"sparse{index}", ["weights"])[1])
        cached.append(ours(work / f"cache{index}", [])[0])
    clone_s = statistics.median(clone[1:])
    show("pinned commit, cold", statistics.median(cold[1:]), "git clone + checkout", clone_s, 0.6)
    show(
        "pinned commit, paths excluded",
        statistics.median(sparse[1:]),
        "git clone + checkout",
        clone_s,
        0.3,
    )
    show("pinned commit, cached, fetch step", statistics.median(cached[1:]), "100 ms", 0.1, 1.0)
    sizes = [_size(work / folder) for folder in ("cache1", "sparse1", "clone/.git")]
    print(
        f"{'':4}bytes moved: {sizes[0]:.1f} MB, excluded {sizes[1]:.1f} MB, clone {sizes[2]:.1f} MB"
        " (goal: half)"
    )


def _size(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*.pack")) / 1e6


def verify_again(work: Path, project: Path) -> None:
    """`scaffold verify` when the evidence is current, against `dvc repro` when nothing changed."""
    peer_dir = work / "dvc"
    peer_dir.mkdir()
    git(peer_dir, "init", "--quiet")
    call([PEERS / "dvc", "init", "--quiet"], peer_dir)
    (peer_dir / "train.py").write_text(QUICK["train.py"])
    stage = ["-n", "train", "-d", "train.py", "-o", "metrics.json", f"{sys.executable} train.py"]
    call([PEERS / "dvc", "stage", "add", *stage], peer_dir)
    call([PEERS / "dvc", "repro", "--quiet"], peer_dir)
    ours, peer = pair(
        lambda: call([OURS / "scaffold", "verify"], project),
        lambda: call([PEERS / "dvc", "repro", "--quiet"], peer_dir),
        7,
    )
    show("verify, evidence current", ours, "dvc repro, nothing to do", peer, 0.25)


def run_overhead(work: Path) -> None:
    """What a run costs beyond the bare command, against guild."""
    recipe = approved(toy_recipe(work / "quick", QUICK, metrics=[ACCURACY], progress=None))
    call([OURS / "mlloop-new", work / "quick-project", "--from", recipe], work)
    guild = ["run", "train.py", "--yes", "--quiet"]
    (work / "guild").mkdir()
    (work / "guild-home").mkdir()
    (work / "guild" / "train.py").write_text(QUICK["train.py"])
    bare = statistics.median(
        timed(lambda: call([sys.executable, "train.py"], work / "guild")) for _ in range(9)
    )
    environment = ["env", f"GUILD_HOME={work / 'guild-home'}"]
    ours, peer = pair(
        lambda: call([OURS / "scaffold", "run", "--rerun"], work / "quick-project"),
        lambda: call([*environment, PEERS / "guild", *guild], work / "guild"),
        7,
    )
    show("run overhead, sandboxed", ours - bare, "guild run", peer - bare, 0.3)
    confined, open_ = pair(
        lambda: call([OURS / "scaffold", "run", "--rerun"], work / "quick-project"),
        lambda: call([OURS / "scaffold", "run", "--rerun", "--no-sandbox"], work / "quick-project"),
        7,
    )
    print(f"{'':4}of which the sandbox: {(confined - open_) * 1000:.0f} ms")


def two_slots(work: Path) -> None:
    """Eight runs of five seconds on two slots, against the floor of 20 s."""
    sleeping = {"train.py": "import time\ntime.sleep(5)\n" + QUICK["train.py"]}
    recipe = approved(toy_recipe(work / "sleep", sleeping, metrics=[ACCURACY], progress=None))
    call([OURS / "mlloop-new", work / "sleep-project", "--from", recipe], work)
    ours = timed(
        lambda: call([OURS / "scaffold", "run", "--seeds", 8, "--jobs", 2], work / "sleep-project")
    )
    show("8 runs of 5 s on 2 slots", ours, "floor", 20.0, 1.05)


def main() -> None:
    """Install the peers if needed, then measure each row."""
    if not (PEERS / "guild").exists():
        call([sys.executable, "-m", "uv", "venv", "--quiet", PEERS.parent], ROOT)
        call(
            [
                sys.executable,
                "-m",
                "uv",
                "pip",
                "install",
                "--quiet",
                "--python",
                PEERS / "python",
                "-r",
                ROOT / "benchmarks/peers.txt",
            ],
            ROOT,
        )
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        os.environ["XDG_CACHE_HOME"] = str(work / "cache")
        os.environ["XDG_STATE_HOME"] = str(work / "state")
        # Would have every start of ours and theirs compile anew.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        recipe = approved(toy_recipe(work / "recipe"))
        call([OURS / "scaffold", "recipes", "calibrate", recipe, "--runs", 20], work)
        text = (recipe / "recipe.yaml").read_text()
        (recipe / "recipe.yaml").write_text(text + "calibration: calibration.json\n")
        call([OURS / "mlloop-new", work / "project", "--from", recipe], work)
        call([OURS / "scaffold", "verify"], work / "project")
        call([OURS / "scaffold", "status"], work / "project")
        start_up(work, work / "project")
        creation(work)
        verify_again(work, work / "project")
        run_overhead(work)
        pinned_commit(work)
        two_slots(work)


if __name__ == "__main__":
    main()
