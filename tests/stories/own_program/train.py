"""Tell digits in a CSV file with a small network of scikit-learn."""

import argparse
import csv

import numpy as np
from sklearn.neural_network import MLPClassifier

BATCH = 20


def read_rows(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    ids = [row["id"] for row in rows]
    inputs = np.array([[float(row[f"p{k}"]) for k in range(64)] for row in rows])
    return ids, inputs / 16, np.array([int(row["label"]) for row in rows])


def read_ids(path):
    with open(path) as file:
        return set(file.read().split())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.005)
    parser.add_argument("--alpha", type=float, default=0.0001)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--ids", default="train.txt", help="ids to train on")
    args = parser.parse_args()

    ids, inputs, labels = read_rows("digits.csv")
    listed = {name: read_ids(f"{name}.txt") for name in ("train", "train-dev", "validation")}
    chosen = read_ids(args.ids)
    member = {
        name: np.array([one in (chosen if name == "train" else members) for one in ids])
        for name, members in listed.items()
    }
    x, y = inputs[member["train"]], labels[member["train"]]
    rng = np.random.default_rng(args.seed)
    model = MLPClassifier(
        (args.hidden,), learning_rate_init=args.lr, alpha=args.alpha, random_state=args.seed
    )
    for step in range(1, args.steps + 1):
        rows = rng.integers(0, len(x), BATCH)
        model.partial_fit(x[rows], y[rows], classes=range(10))
        if step % 100 == 0:
            print(f"step {step}: loss {model.loss_:.4f}", flush=True)

    with open("predictions.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "split", "label", *(f"p_{k}" for k in range(10))])
        shares = model.predict_proba(inputs)
        for row, one in enumerate(ids):
            split = next((name for name in listed if one in listed[name]), None)
            if split == "train" and one not in chosen:
                split = "held-out"
            if split:
                writer.writerow([one, split, labels[row], *shares[row].round(5)])
    is_right = model.predict(inputs) == labels
    print(f"accuracy on validation: {is_right[member['validation']].mean():.4f}")


main()
