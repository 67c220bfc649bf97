"""Train as the command line program does with mushroom.conf, and print what it prints.

    python train.py DEMO [--rounds N]

The program itself is C++ and has to be built; Python's package calls the same library.
"""

import argparse
from pathlib import Path

import xgboost

parser = argparse.ArgumentParser()
parser.add_argument("demo", type=Path)
parser.add_argument("--rounds", type=int, required=True)
parser.add_argument("--eta", type=float, required=True)
parser.add_argument("--gamma", type=float, required=True)
parser.add_argument("--max-depth", type=int, required=True)
arguments = parser.parse_args()

settings = {}
for line in (arguments.demo / "CLI/binary_classification/mushroom.conf").read_text().splitlines():
    name, separator, value = line.partition("#")[0].partition("=")
    if separator:
        settings[name.strip()] = value.strip().strip('"')
settings = {name: settings[name] for name in ("booster", "objective", "min_child_weight")}
settings |= {
    "eta": arguments.eta,
    "gamma": arguments.gamma,
    "max_depth": arguments.max_depth,
    "eval_metric": "error",
    "nthread": 1,
}

# The split of the README, which mknfold.py drew with the random numbers of Python 2.
train, test = (
    xgboost.DMatrix(f"{arguments.demo}/data/agaricus.txt.{name}?format=libsvm") for name in ("train", "test")
)
results: dict[str, dict[str, list[float]]] = {}
xgboost.train(
    settings,
    train,
    arguments.rounds,
    evals=[(test, "test"), (train, "train")],
    evals_result=results,
    verbose_eval=False,
)
for number, (error, own) in enumerate(zip(results["test"]["error"], results["train"]["error"], strict=True)):
    print(f"[{number}]\ttest-error:{error:.6f}\ttrain-error:{own:.6f}")
