"""Measure the truth of every case in cases.yaml, rewrite its figures, and say which fail.

For each case, the program is trained over 5 seeds as it is, with the right remedy, and with the
wrong remedy. Each model is scored on a large, clean set drawn from the source on which the
program evaluates, which the program itself never sees. The figure of a case is that error
(measure: test) or, where the fault is in the reported figure and not in the model, the distance
of the reported error from it (measure: gap).

Usage: python validate.py [--program NAME] [--answers WORDS] [--rivals] [--cache FILE]
"""

import argparse
import ast
import hashlib
import importlib.util
import json
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import yaml

HERE = Path(__file__).resolve().parent
SEEDS = 5
RIVAL_SEEDS = 3
TEST_ROWS = 10000
TEST_SEED = 20240607
WORDS = (
    "healthy",
    "broken training",
    "wrong metric",
    "leak",
    "broken data",
    "optimizer",
    "label noise",
    "underfitting",
    "too little data",
    "overfitting",
    "mismatch",
    "overfit to validation",
)


class Program:
    """One training program and the results of its runs so far."""

    def __init__(self, name, cache):
        """Load the program from its folder."""
        path = HERE / "programs" / name / "train.py"
        spec = importlib.util.spec_from_file_location(f"program_{name}", path)
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        self.name = name
        self.cache = cache
        code = ast.dump(ast.parse(path.read_text(encoding="utf-8")))
        self.key = hashlib.sha256(code.encode()).hexdigest()[:16]
        text = (path.parent / "program.yaml").read_text(encoding="utf-8")
        self.settings = yaml.safe_load(text)
        self.classes = self.settings["metric"] == "validation_accuracy"
        self.tests = {}

    def test_rows(self, source):
        """Draw the independent test set of a source once."""
        if source not in self.tests:
            rng = np.random.default_rng(TEST_SEED)
            self.tests[source] = self.module.draw(TEST_ROWS, rng, source)
        return self.tests[source]

    def measure(self, flags, seed, source):
        """Return the reported error and the error on the independent test set of one run."""
        words = [f"--{flag}={value}" for flag, value in sorted(flags.items()) if flag != "seed"]
        key = " ".join([self.name, self.key, *words, f"--seed={seed}", source])
        if key not in self.cache:
            options = self.module.parse([*words, f"--seed={seed}"])
            metric, _, predict = self.module.run(options)[:3]
            inputs, labels = self.test_rows(source)
            predicted = np.asarray(predict(inputs))
            if self.classes:
                error, reported = np.mean(predicted != labels), 1 - metric
            else:
                error, reported = np.mean((predicted - labels) ** 2), metric
            self.cache[key] = [float(reported), float(min(error, 1e6))]
        return self.cache[key]

    def errors(self, flags, case, seeds=SEEDS):
        """Return reported and test errors over the seeds, as two arrays."""
        first = case["flags"].get("seed", 0)
        source = source_of(case)
        pairs = [self.measure(flags, first + step, source) for step in range(seeds)]
        return np.array(pairs).T


def source_of(case):
    """Name the source on which the case's model must do well."""
    plant = case["flags"].get("plant", "none")
    return plant.split("-", 1)[1] if plant.startswith("mismatch-") else "usual"


def figure(errors, measure):
    """Return the figure of each seed: the test error or the reported figure's distance to it."""
    reported, test = errors
    return np.abs(reported - test) if measure == "gap" else test


def gain(before, after):
    """Return the mean of the paired differences and its standard error."""
    differences = before - after
    return differences.mean(), differences.std(ddof=1) / np.sqrt(len(differences))


def means(arrays):
    """Return the mean of each array, rounded for the file."""
    return [round(float(np.mean(array)), 4) for array in arrays]


def rivals(case, defaults):
    """List the usual remedies, each as flags."""
    current = {**defaults, **case["flags"]}
    rows = [
        {"learning-rate": current["learning-rate"] * 5},
        {"learning-rate": current["learning-rate"] / 5},
        {"width": current["width"] * (4 if current["width"] <= 2 * defaults["width"] else 1.5)},
        {"width": max(1, current["width"] // 4)},
        {"weight-decay": max(current["weight-decay"], defaults["weight-decay"] / 3) * 4},
        {"weight-decay": 0.0},
        {"steps": current["steps"] * 2},
        {"steps": max(1, current["steps"] // 4)},
    ]
    for row in rows:
        if "width" in row:
            row["width"] = int(row["width"])
    if "dropout" in defaults:
        rows += [{"dropout": min(0.6, current["dropout"] + 0.25)}, {"dropout": 0.0}]
    return rows


def rival_problems(case, program, before, right):
    """Say which of the usual remedies gain where none may, or as much as the right one."""
    problems = []
    healthy = case["answer"] == "healthy"
    width = {**program.settings["defaults"], **case["flags"]}["width"]
    most = 10 * case["bound"]
    before, right = np.minimum(before[:RIVAL_SEEDS], most), np.minimum(right[:RIVAL_SEEDS], most)
    right_gain = (before - right).mean()
    for rival in rivals(case, program.settings["defaults"]):
        if not healthy and set(rival) <= set(case["right"]):
            continue
        if case["answer"] == "optimizer" and "learning-rate" in rival:
            continue
        calmer = rival.get("width", width) < width or set(rival) & {"steps", "dropout"}
        if case["answer"] == "overfitting" and calmer:
            continue
        after = program.errors({**case["flags"], **rival}, case, RIVAL_SEEDS)[1]
        after = np.minimum(after, most)
        size, error = gain(before, after)
        if healthy and size > 2 * error and size > case["matters"]:
            problems.append(f"rival {rival} gains {size:.4f}")
        more, more_error = gain(after, right)
        close = more <= max(2 * more_error, 0.1 * right_gain)
        if not healthy and size > 2 * error and close:
            problems.append(f"rival {rival} gains {size:.4f} beside {right_gain:.4f}")
    return problems


def check(case, program, with_rivals):
    """Measure a case, put its figures in place, and return its problems."""
    measure = case["measure"]
    problems = []
    runs = [
        program.errors({**case["flags"], **remedy}, case)
        for remedy in ({}, case["right"], case["wrong"])
    ]
    before, right, wrong = (figure(run, measure) for run in runs)
    right_gain, right_error = gain(before, right)
    wrong_gain, wrong_error = gain(before, wrong)
    case["before"], case["after_right"], case["after_wrong"] = means((before, right, wrong))
    case["measured"] = {
        "reported": means(run[0] for run in runs),
        "test": means(run[1] for run in runs),
        "standard_error_of_gain": means((right_error, wrong_error)),
    }
    matters = case["matters"]
    if case["answer"] == "healthy":
        if before.mean() - case["bound"] > matters:
            problems.append(f"error {before.mean():.4f} is not near the bound {case['bound']}")
        if wrong_gain > 2 * wrong_error and wrong_gain > matters:
            problems.append(f"the wrong remedy gains {wrong_gain:.4f}")
    else:
        if right_gain <= 2 * right_error or right_gain < matters:
            problems.append(f"the right remedy gains {right_gain:.4f} ± {right_error:.4f}")
        more, more_error = gain(wrong, right)
        if more <= 2 * more_error or more < matters / 2:
            problems.append(f"right beats wrong by only {more:.4f} ± {more_error:.4f}")
    if with_rivals and measure == "test":
        problems += rival_problems(case, program, before, right)
    return problems


def main():
    """Check the cases and rewrite cases.yaml."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="")
    parser.add_argument("--answers", default="", help="only these answers, with commas between")
    parser.add_argument("--rivals", action="store_true", help="also try the usual remedies")
    parser.add_argument("--cache", default="", help="a JSON file of runs done before")
    options = parser.parse_args()
    answers = options.answers.split(",") if options.answers else WORDS
    warnings.filterwarnings("ignore")
    np.seterr(all="ignore")
    store = Path(options.cache) if options.cache else None
    cache = json.loads(store.read_text()) if store and store.exists() else {}
    path = HERE / "cases.yaml"
    all_cases = yaml.safe_load(path.read_text(encoding="utf-8"))
    programs, measured, failed = {}, {}, 0
    strange = {case["answer"] for case in all_cases} - set(WORDS)
    if strange:
        parser.error(f"no such answers: {strange}")
    for name in dict.fromkeys(case["program"] for case in all_cases):
        if options.program not in ("", name):
            continue
        programs[name] = Program(name, cache)
        for case in all_cases:
            if case["program"] != name or case["answer"] not in answers:
                continue
            problems = check(case, programs[name], options.rivals)
            measured[name, case["name"]] = case
            failed += bool(problems)
            line = f"{case['before']:.4f} -> {case['after_right']:.4f} ({case['after_wrong']:.4f})"
            mark = "FAILS" if problems else "holds"
            print(f"{mark} {name}/{case['name']} [{case['answer']}] {line}", flush=True)
            for problem in problems:
                print("   ", problem, flush=True)
            if store:
                store.write_text(json.dumps(cache))
    cases = yaml.safe_load(path.read_text(encoding="utf-8"))
    cases = [measured.get((case["program"], case["name"]), case) for case in cases]
    blocks = [
        yaml.safe_dump([case], sort_keys=False, default_flow_style=None, width=96) for case in cases
    ]
    path.write_text("\n".join(blocks), encoding="utf-8")
    print(f"{len(measured)} cases, {failed} fail")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
