"""Score `scaffold analyze` on planted faults whose answers were measured.

    python benchmarks/diagnosis_bench.py [PROGRAM[/CASE] ...] [--budget N]

Prints for every case the answer, and at the end how many are right, undecided and false alarms,
beside three simple rules: "overfit if the gap is over 0.05", "always the learning rate", and the
largest of Ng's gaps; and how often the first remedy gains, over 5 paired seeds, on data that the
program never sees. The cases are in `diagnosis/cases.yaml`, validated by `diagnosis/validate.py`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from diagnosis.validate import Program, figure, gain

from scaffold.git.trees import content_id
from scaffold.rules.loop.gaps import Answer

HERE = Path(__file__).parent / "diagnosis"
_ONE_FLAG = ("learning-rate", "less-regularization", "larger-model", "more-regularization")
"""Remedies that the bench applies itself; others are as good as the answer that they treat."""
_OF_GAPS = {
    "bias": {"broken training", "broken data", "optimizer", "label noise", "underfitting"},
    "variance": {"too little data", "overfitting"},
    "mismatch": {"mismatch"},
    "overfit to validation": {"overfit to validation"},
}
"""Answers that Ng's gaps may stand for; the largest gap alone is right if the answer is among."""


def main() -> None:
    """Make a project of each program, plant each fault, analyze, count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--budget", type=int, default=4, help="probes a case, besides one run")
    options = parser.parse_args()
    cases = yaml.safe_load((HERE / "cases.yaml").read_text())
    chosen = [case for case in cases if _is_chosen(case, options.names)]
    scores: Counter[str] = Counter()
    np.seterr(all="ignore")
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory() as folder:
        for program in dict.fromkeys(case["program"] for case in chosen):
            project = _project(program, Path(folder))
            trained = Program(program, {})
            for case in chosen:
                if case["program"] == program:
                    answer = _analyze(project, case, options.budget)
                    _score(case, answer, scores)
                    _score_remedy(case, answer, trained, scores)
    _print_scores(scores)


def _is_chosen(case: dict[str, Any], names: list[str]) -> bool:
    full = f"{case['program']}/{case['name']}"
    return not names or case["program"] in names or full in names


def _scaffold(*words: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "scaffold", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 3):
        raise SystemExit(f"scaffold {' '.join(words)}: {done.stdout}{done.stderr}")
    return done.stdout


def _project(program: str, folder: Path) -> Path:
    """Make a project whose own system is the program, with its knobs."""
    recipe = folder / "recipes" / program
    reference = recipe / "reference"
    reference.mkdir(parents=True)
    source = HERE / "programs" / program
    (reference / "train.py").write_bytes((source / "train.py").read_bytes())
    about = yaml.safe_load((source / "program.yaml").read_text())
    names = [flag for flag in about["defaults"] if flag != "seed"]
    words = " ".join(f"--{flag} {{{flag.replace('-', '_')}}}" for flag in names)
    metric = about["metric"]
    document = {
        "format": 1,
        "id": program.replace("_", "-"),
        "title": f"A program of the diagnosis bench: {program}",
        "task": "testing",
        "reference": {"path": "reference", "tree": content_id(reference), "license": "MIT"},
        "datasets": [{"name": "bundled", "generated": "see train.py", "license": "none"}],
        "environment": {
            "python": ">=3.10",
            "packages": ["torch>=2.6", "numpy>=1.26", "scikit-learn>=1.5"],
            "as_of": "2026-11-01",
        },
        "commands": {
            "train": {"run": f"python train.py --seed {{seed}} {words}", "timeout_s": 120}
        },
        "hyperparameters": {name.replace("-", "_"): about["defaults"][name] for name in names},
        "seeds": {"how": "argument"},
        "metrics": [
            {
                "name": metric,
                "split": "validation",
                "direction": "higher" if "accuracy" in metric else "lower",
                "unit": "fraction" if "accuracy" in metric else "value",
                "read": {"json": "metrics.json", "key": metric},
            }
        ],
        "resources": {"device": "cpu", "cores": 1, "run_time_s": 3, "hardware": "any"},
        "claims": [
            {
                "metric": metric,
                "dataset": "bundled",
                "basis": "training",
                "value": 0.9,
                "selection": "one_run",
                "source": {"url": "https://example.org/bench", "words": "0.9"},
            }
        ],
    }
    (recipe / "recipe.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    refused = subprocess.run(
        [sys.executable, "-m", "scaffold", "new", program, "--from", str(recipe), "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    answer = json.loads(refused.stdout)
    if "trust" in answer:
        _scaffold("new", program, "--from", str(recipe), "--trust", answer["trust"], folder=folder)
    project = folder / program
    reason = ("--reason", "a bench", "--kind", "improve", "--margin", "0.01")
    _scaffold("tweak", "start", "plant", *reason, folder=project)
    _declare_knobs(project, about["knobs"])
    return project


def _declare_knobs(project: Path, declared: dict[str, Any]) -> None:
    path = project / "system.yaml"
    system = yaml.safe_load(path.read_text())
    names = {
        key: value.replace("-", "_")
        for key, value in declared.items()
        if key != "regularization" and key != "steps"
    }
    if "train_ids" in names:  # others are probed from outside
        regularizing = [name.replace("-", "_") for name in declared["regularization"]]
        names["regularization"] = {"off": dict.fromkeys(regularizing, 0)}
        system["analysis"] = {"knobs": names}
    path.write_text(yaml.safe_dump(system, sort_keys=False))


def _analyze(project: Path, case: dict[str, Any], budget: int) -> dict[str, Any]:
    """Plant a fault in system.yaml, and return what is said of it."""
    about = yaml.safe_load((HERE / "programs" / case["program"] / "program.yaml").read_text())
    path = project / "system.yaml"
    system = yaml.safe_load(path.read_text())
    values = {**about["defaults"], **case["flags"]}
    seed = values.pop("seed", 0)
    system["seeds"]["first"] = seed
    system["hyperparameters"] = {name.replace("-", "_"): value for name, value in values.items()}
    if "analysis" in system:
        decay = max(10 * float(values["weight-decay"]), 0.01)
        system["analysis"]["knobs"]["regularization"]["stronger"] = {"weight_decay": decay}
    path.write_text(yaml.safe_dump(system, sort_keys=False))
    (project / "goal.yaml").unlink(missing_ok=True)
    _scaffold("goal", "set", "--matters", str(case["matters"]), "--why", "bench", folder=project)
    _scaffold("bound", "set", str(case["bound"]), "--source", "bench", folder=project)
    words = ("analyze", "--budget", str(budget), "--json", "--no-sandbox")
    answer: dict[str, Any] = json.loads(_scaffold(*words, folder=project))
    return answer


def _score(case: dict[str, Any], answer: dict[str, Any], scores: Counter[str]) -> None:
    truth, word = case["answer"], answer["bottleneck"]
    scores["cases"] += 1
    scores["runs"] += answer["runs"]
    mark = "right" if word == truth else "wrong"
    mark = "undecided" if word is None else mark
    scores[mark] += 1
    scores["healthy"] += truth == "healthy"
    scores["false alarm"] += truth == "healthy" and word not in (None, "healthy")
    gaps = [gap for gap in answer["gaps"] if gap["name"] != "headroom" and gap["counts"]]
    errors = answer["errors"]
    overfits = errors["validation"]["error"] - errors["train"]["error"] > 0.05
    scores["gap over 0.05"] += truth == ("overfitting" if overfits else "healthy")
    scores["always the learning rate"] += truth == "optimizer"
    largest = max(gaps, key=lambda gap: gap["value"])["name"] if gaps else "healthy"
    largest = Answer.BIAS.value if largest == "avoidable bias" else largest
    scores["largest gap"] += truth in _OF_GAPS.get(largest, {largest})
    print(
        f"{mark:10}{case['program'] + '/' + case['name']:42}{truth:22}{word or '-':22}"
        f"{answer['runs']} runs  {answer['why'][:90]}",
        flush=True,
    )


def _score_remedy(
    case: dict[str, Any], answer: dict[str, Any], program: Program, scores: Counter[str]
) -> None:
    """Count whether the first remedy gains beyond noise, and as much as matters."""
    if not answer["remedies"]:
        return
    scores["remedies"] += 1
    first = answer["remedies"][0]["id"]
    if first in _ONE_FLAG:
        flags = {**program.settings["defaults"], **case["flags"]}
        remedied = {**case["flags"], **_one_flag(first, flags, answer, program)}
        before, after = (
            figure(program.errors(one, case), case["measure"]) for one in (case["flags"], remedied)
        )
        mean, error = gain(np.minimum(before, 10 * case["bound"]), after)
        gains = mean > 2 * error and mean >= case["matters"]
    else:
        gains = answer["bottleneck"] == case["answer"]
    scores["remedy gains"] += gains
    scores["one flag"] += first in _ONE_FLAG
    scores["one flag gains"] += gains and first in _ONE_FLAG
    print(f"{'':10}{first} {'gains' if gains else 'does not gain'}", flush=True)


def _one_flag(
    remedy: str, flags: dict[str, Any], answer: dict[str, Any], program: Program
) -> dict[str, Any]:
    """Return the flags that a remedy sets."""
    if remedy == "learning-rate":
        rates = {
            float(one["name"].removeprefix("rate-")): one["errors"]["train"]["error"]
            for one in answer["probed"]
            if one["name"].startswith("rate-") and one["errors"]
        }
        best = min(rates, key=lambda rate: rates[rate], default=1.0)
        return {"learning-rate": flags["learning-rate"] * best}
    if remedy == "larger-model":
        return {"width": 2 * flags["width"]}
    regularizing = program.settings["knobs"]["regularization"]
    if remedy == "less-regularization":
        return dict.fromkeys(regularizing, 0.0)
    return {
        "weight-decay": max(10 * float(flags["weight-decay"]), 0.01),
        **({"dropout": min(0.6, flags["dropout"] + 0.25)} if "dropout" in regularizing else {}),
    }


def _print_scores(scores: Counter[str]) -> None:
    cases, decided = scores["cases"], scores["right"] + scores["wrong"]
    print(f"\n{cases} cases, {scores['runs'] / max(cases, 1):.1f} runs each")
    print(f"right of the decided  {scores['right']} of {decided}")
    print(f"undecided             {scores['undecided']}")
    print(f"false alarms          {scores['false alarm']} of {scores['healthy']} healthy")
    print(f"first remedy gains    {scores['remedy gains']} of {scores['remedies']}")
    print(f"  that are one flag   {scores['one flag gains']} of {scores['one flag']}, measured")
    for name in ("gap over 0.05", "always the learning rate", "largest gap"):
        print(f"{name:26}{scores[name]} right")


if __name__ == "__main__":
    main()
