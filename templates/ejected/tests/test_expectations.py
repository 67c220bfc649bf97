"""What was proven of this repository, kept as plain expectations: needs pytest and, to run anything, requirements.txt.

    pytest                  the reference is untouched, the recorded results hold together, a short run starts
    FULL_RUN=1 pytest       one whole run as well, compared with the recorded ones
"""

import hashlib
import importlib.metadata
import json
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXPECTED = json.loads((ROOT / "tests" / "expectations.json").read_text())
PROGRAM = EXPECTED["program"]
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@pytest.mark.parametrize("path", sorted(EXPECTED["reference"]))
def test_reference_is_untouched(path):
    assert hashlib.sha256((ROOT / path).read_bytes()).hexdigest() == EXPECTED["reference"][path]


@pytest.mark.parametrize("milestone", sorted(EXPECTED["results"]))
def test_recorded_results_hold_together(milestone):
    result = EXPECTED["results"][milestone]
    record = json.loads((ROOT / "evidence" / f"{milestone}.json").read_text())
    assert record["judgment"]["verdict"] == result["verdict"]
    side = record if milestone == "reproduce" else record["change"]
    for metric, expected in result["metrics"].items():
        values = [run["metrics"][metric]["value"] for run in side["runs"]][: len(expected["values"])]
        assert values == expected["values"]
        if expected["interval"] and result["verdict"] == "REPRODUCED":
            assert expected["interval"][0] <= statistics.fmean(values) <= expected["interval"][1]


def run(steps, folder, seed=0):
    """Run the program in a copy; returns the folder and what was printed."""
    missing = [name for name in packages() if not is_installed(name)]
    if missing:
        pytest.skip(f"pip install --requirement requirements.txt ({', '.join(missing[:3])} missing)")
    if PROGRAM["missing_data"]:
        pytest.skip(f"its data must be fetched: {', '.join(PROGRAM['missing_data'])}; see evidence/recipe.yaml")
    tree = folder / "tree"
    shutil.copytree(ROOT / PROGRAM["tree"], tree, symlinks=True)
    for patch in PROGRAM["patches"]:
        subprocess.run(["git", "apply", str(ROOT / patch)], cwd=tree, check=True)
    for place, file in PROGRAM["data"].items():
        (tree / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, tree / place)
    values = {**PROGRAM["values"], "seed": seed, "reference": tree, "drivers": ROOT / "drivers"}
    printed = ""
    for step in steps.values():
        words = [fill(word, values) for word in step["argv"]]
        words[0] = sys.executable if words[0] in ("python", "python3") else words[0]
        # As many threads as the recorded runs had: more of them change values, and may take many times as long.
        variables = dict.fromkeys(THREADS, str(PROGRAM["threads"]))
        variables |= {name: fill(text, values) for name, text in step["variables"].items()}
        if PROGRAM["seed_variable"]:
            variables[PROGRAM["seed_variable"]] = str(seed)
        done = subprocess.run(
            words, cwd=tree / (step["directory"] or ""), env={**os.environ, **variables}, timeout=step["timeout_s"],
            capture_output=True, text=True,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        printed += done.stdout
    return tree, printed


def fill(word, values):
    return re.sub(r"\{(\w+)\}", lambda slot: str(values[slot[1]]), word)


def packages():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return [re.split(r"[=\[ ]", line)[0] for line in lines if line[:1].isalnum()]


def is_installed(name):
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def test_it_starts(tmp_path):
    if not PROGRAM["smoke"]:
        pytest.skip("it has no short mode")
    run(PROGRAM["smoke"], tmp_path)


@pytest.mark.skipif(not os.environ.get("FULL_RUN"), reason="a whole run: FULL_RUN=1 pytest")
def test_a_whole_run_is_as_recorded(tmp_path):
    latest = list(EXPECTED["results"].values())[-1]
    tree, printed = run(PROGRAM["steps"], tmp_path, seed=123)
    for metric, expected in latest["metrics"].items():
        how, recorded = PROGRAM["metrics"][metric], expected["values"]
        value = how["scale"] * read(how, tree, printed)
        if len(recorded) < 3:
            pytest.skip("too few recorded runs to say what to expect")
        # 99.9 % prediction interval of one more run, by Student's t with the normal's tail widened for few runs.
        width = (3.3 + 12 / len(recorded)) * statistics.stdev(recorded) * math.sqrt(1 + 1 / len(recorded))
        assert abs(value - statistics.fmean(recorded)) <= max(width, 1e-9), f"{metric} is {value}"


def read(metric, tree, printed):
    if "json" in metric["read"]:
        value = json.loads((tree / metric["read"]["json"]).read_text())
        for key in metric["read"]["key"].split("."):
            value = value[key]
        return float(value)
    if "stdout" in metric["read"]:
        found = [float(match["value"]) for match in re.finditer(metric["read"]["stdout"], printed)]
        chosen = {"last": lambda: found[-1], "first": lambda: found[0], "max": lambda: max(found), "min": lambda: min(found)}
        if isinstance(metric["take"], str):
            return chosen[metric["take"]]()
    return pytest.skip(f"read it by hand: {metric}")
