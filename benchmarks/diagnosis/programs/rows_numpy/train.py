"""Fit a number with a small numpy network; --plant puts one known fault into it."""

import argparse
import csv
import json
from pathlib import Path

import numpy as np

FEATURES = 8
NOISE = 0.5
BATCH = 64
SIZES = {"train": 2000, "train-dev": 600, "validation": 600, "test": 1500}
SHARES = {"tiny-data-3": 0.03, "tiny-data-5": 0.05, "tiny-data-10": 0.1, "more-rows": 2.0}
SHIFTS = {"mismatch-offset": "offset", "mismatch-stretched": "stretched"}
TARGET_ROWS = {"target-rows-offset": "offset", "target-rows-stretched": "stretched"}


def draw(count, rng, source="usual"):
    """Draw inputs and labels; five of the columns say something about the label."""
    inputs = rng.normal(size=(count, FEATURES))
    if source == "offset":
        inputs = inputs + np.array([0.0, 1.2, -1.2, 1.2, 1.2, 0.0, 0.0, 0.0])
    if source == "stretched":
        inputs = inputs * np.array([1.0, 1.6, 1.6, 1.6, 1.6, 1.0, 1.0, 1.0])
    wave = np.sin(1.5 * inputs[:, 0])
    pair = 0.7 * inputs[:, 1] * inputs[:, 2]
    bend = 0.4 * (np.abs(inputs[:, 3]) - 0.8)
    labels = 0.8 * (wave + pair + bend + 0.5 * inputs[:, 4])
    return inputs, labels + NOISE * rng.normal(size=count)


def spoil_labels(labels, plant, rng):
    """Return labels of which a share is wrong."""
    hit = rng.random(len(labels))
    if plant == "label-noise-sign":
        labels = np.where(hit < 0.3, -labels, labels)
    if plant == "label-noise-unit":
        labels = np.where(hit < 0.3, 4 * labels, labels)
    if plant == "label-noise-offset":
        labels = np.where(hit < 0.3, labels + 3, labels)
    return labels


def spoil_training(splits, plant, rng):
    """Put the plant's fault into the training rows, in place."""
    ids, inputs, labels = splits["train"]
    if plant == "shuffled-labels":
        labels = rng.permutation(labels)
    if plant == "rows-misaligned":
        inputs = np.roll(inputs, 1, axis=0)
    if plant == "columns-misaligned":
        inputs = np.roll(inputs, 1, axis=1)
    if plant in ("leak-copies", "leak-near-copies"):
        _, extra, answers = splits["validation"]
        extra = np.tile(extra, (2, 1))
        if plant == "leak-near-copies":
            extra = extra + 0.02 * rng.normal(size=extra.shape)
        inputs = np.concatenate([inputs[: -len(extra)], extra])
        labels = np.concatenate([labels[: -len(extra)], np.tile(answers, 2)])
    splits["train"] = (ids, inputs, labels)


def build(plant):
    """Return {split: (ids, inputs, labels)}, with the plant's fault in the data."""
    rng = np.random.default_rng(77 if plant == "other-draw" else 7)
    sizes = dict(SIZES)
    sizes["train"] = int(SIZES["train"] * SHARES.get(plant, 1.0))
    if plant.startswith("best-of-many"):
        sizes["validation"] = int(plant.rsplit("-", 1)[1])
    splits = {}
    for split, count in sizes.items():
        source = TARGET_ROWS.get(plant, "usual")
        if split in ("validation", "test"):
            source = SHIFTS.get(plant, source)
        inputs, labels = draw(count, rng, source)
        if split in ("train", "train-dev"):
            labels = spoil_labels(labels, plant, rng)
        splits[split] = ([f"{split}-{row}" for row in range(count)], inputs, labels)
    spoil_training(splits, plant, rng)
    if plant in ("leak-column", "leak-noisy-column"):
        for _, inputs, labels in splits.values():
            inputs[:, -1] = labels
            if plant == "leak-noisy-column":
                inputs[:, -1] += 0.2 * rng.normal(size=len(labels))
    return splits


def start(options):
    """Return the first weights."""
    rng = np.random.default_rng(options.seed)
    factor = {"start-zero": 0.0, "start-huge": 10.0}.get(options.plant, 1.0)
    return {
        "hidden": factor * rng.normal(size=(FEATURES, options.width)) / np.sqrt(FEATURES),
        "offset": np.zeros(options.width),
        "output": factor * rng.normal(size=options.width) / np.sqrt(options.width),
        "middle": np.zeros(1),
    }


def predict(weights, inputs):
    """Return the prediction for each row."""
    hidden = np.tanh(inputs @ weights["hidden"] + weights["offset"])
    return hidden @ weights["output"] + weights["middle"][0]


def slopes(weights, inputs, labels, plant):
    """Return the gradient of the mean squared error."""
    hidden = np.tanh(inputs @ weights["hidden"] + weights["offset"])
    miss = hidden @ weights["output"] + weights["middle"][0] - labels
    if plant == "miss-broadcast":
        miss = (miss + labels)[:, None] - labels
        miss = miss.mean(axis=1)
    miss = 2 * miss / len(labels)
    back = miss[:, None] * weights["output"] * (1 - hidden**2)
    return {
        "hidden": inputs.T @ back,
        "offset": back.sum(axis=0),
        "output": hidden.T @ miss,
        "middle": np.array([miss.sum()]),
    }


def fit(options, inputs, labels):
    """Train with Adam, at a rate that falls to 0, and return the weights."""
    rng = np.random.default_rng(options.seed + 1000)
    plant = options.plant
    weights = start(options)
    first = {name: np.zeros_like(value) for name, value in weights.items()}
    second = {name: np.zeros_like(value) for name, value in weights.items()}
    order = np.array([], dtype=int)
    scale = 1.0
    for step in range(1, options.steps + 1):
        while len(order) < BATCH:
            order = np.concatenate([order, rng.permutation(len(inputs))])
        batch, order = order[:BATCH], order[BATCH:]
        if plant == "scale-drifts":
            scale = min(scale * 1.02, 1e3)
        rate = options.learning_rate * (1 - (step - 1) / options.steps)
        gradient = slopes(weights, scale * inputs[batch], labels[batch], plant)
        learner = weights
        if plant == "update-on-copy":
            learner = {name: value.copy() for name, value in weights.items()}
        for name, slope in gradient.items():
            if plant == "frozen-hidden" and name in ("hidden", "offset"):
                continue
            if plant == "gradient-reversed":
                slope = -slope
            if name in ("hidden", "output"):
                slope = slope + options.weight_decay * weights[name]
            first[name] = 0.9 * first[name] + 0.1 * slope
            second[name] = 0.99 * second[name] + 0.01 * slope**2
            pace = first[name] / (1 - 0.9**step)
            size = np.sqrt(second[name] / (1 - 0.99**step)) + 1e-8
            learner[name] -= rate * pace / size
    return weights


def pick_on_validation(weights, inputs, labels, rng):
    """Return the best of many changed copies of the weights by their validation error."""
    best, chosen = np.inf, weights
    for _ in range(2000):
        trial = {
            name: value + 0.25 * value.std() * rng.normal(size=value.shape)
            for name, value in weights.items()
        }
        score = np.mean((predict(trial, inputs) - labels) ** 2)
        if score < best:
            best, chosen = score, trial
    return chosen


def mean_error(predicted, labels, plant):
    """Return the mean squared error, or a wrong figure where that is the plant."""
    if plant == "metric-broadcast":
        return np.mean((predicted[:, None] - labels) ** 2)
    if plant == "metric-batch-means":
        batches = np.array_split((predicted - labels) ** 2, len(labels) // 4)
        return np.sum([batch.mean() for batch in batches]) / len(labels)
    if plant == "metric-sorted":
        return np.mean((np.sort(predicted) - np.sort(labels)) ** 2)
    if plant == "metric-root":
        return np.sqrt(np.mean((predicted - labels) ** 2))
    return np.mean((predicted - labels) ** 2)


def run(options):
    """Train; return the metric, the splits and a function that predicts."""
    splits = build(options.plant)
    if options.train_ids:
        chosen = set(Path(options.train_ids).read_text(encoding="utf-8").split())
        ids, inputs, labels = splits["train"]
        use = np.array([name in chosen for name in ids])
        names = np.array(ids)
        splits["train"] = (list(names[use]), inputs[use], labels[use])
        splits["held-out"] = (list(names[~use]), inputs[~use], labels[~use])
    _, inputs, labels = splits["train"]
    weights = fit(options, inputs, labels)
    _, inputs, labels = splits["validation"]
    if options.plant.startswith("best-of-many"):
        weights = pick_on_validation(weights, inputs, labels, np.random.default_rng(options.seed))
    metric = float(mean_error(predict(weights, inputs), labels, options.plant))
    return metric, splits, lambda rows: predict(weights, rows)


def write_predictions(splits, predictor):
    """Write the prediction for every row of every split to predictions.csv."""
    with Path("predictions.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["id", "split", "label", "prediction"])
        for split, (ids, inputs, labels) in splits.items():
            for name, label, number in zip(ids, labels, predictor(inputs), strict=True):
                table.writerow([name, split, f"{label:.6g}", f"{number:.6g}"])


def parse(arguments=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--width", type=int, default=40)
    parser.add_argument("--weight-decay", type=float, default=0.003)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--plant", default="none")
    parser.add_argument("--train-ids", default="")
    return parser.parse_args(arguments)


def main():
    """Train, then write metrics.json and predictions.csv."""
    metric, splits, predictor = run(parse())
    report = json.dumps({"validation_error": metric})
    Path("metrics.json").write_text(report + "\n", encoding="utf-8")
    write_predictions(splits, predictor)


if __name__ == "__main__":
    main()
