"""Fit two linear models on scikit-learn's diabetes table in plain numpy and report the R2 of their mean.

    python train.py --seed 0

One file, one seed, one processor core. A ridge regression, whose penalty is chosen by cross-validation, and mini-batch
gradient descent work on the same features; their mean predicts. Prints a few lines and writes metrics.json.
"""

import argparse
import json
import random

import numpy as np
from sklearn.datasets import load_diabetes

TEST_ROWS = 110  # of 442
PENALTIES = np.logspace(-2, 3, 26)
FOLDS, REPEATS = 5, 40
EPOCHS = 600
BATCH = 32  # 332 train rows: the last batch of an epoch has 12
RATE, RATE_AFTER, DECAY_EVERY = 0.004, 0.5, 150  # every DECAY_EVERY epochs the rate is multiplied with RATE_AFTER
MOMENTUM = 0.9
DESCENT_PENALTY = 0.05
BOOTSTRAPS = 100000


def load():
    """The table: inputs [442, 10] and targets [442]."""
    table = load_diabetes(scaled=False)
    return table.data.astype(float), table.target.astype(float)


def split(inputs, targets, rng):
    """Train and test (inputs, targets), drawn at random."""
    order = rng.permutation(len(targets))
    train, test = order[TEST_ROWS:], order[:TEST_ROWS]
    return (inputs[train], targets[train]), (inputs[test], targets[test])


def moments(values):
    """Mean and deviation of each column."""
    return values.mean(axis=0), values.std(axis=0, ddof=1)


def standardise(values, mean, deviation):
    return (values - mean) / deviation


def make_features(inputs):
    """Columns, their squares and products of two: [n, d] -> [n, d + d (d + 1) / 2]."""
    first, second = np.triu_indices(inputs.shape[1])
    return np.concatenate([inputs, inputs[:, first] * inputs[:, second]], axis=1)


def ridge(features, targets, penalty):
    """Weights [d] and intercept of a ridge regression; the intercept is free of the penalty."""
    mean, centre = features.mean(axis=0), targets.mean()
    centred = features - mean
    gram = centred.T @ centred + penalty * np.eye(features.shape[1])
    weights = np.linalg.solve(gram, centred.T @ (targets - centre))
    return weights, centre - mean @ weights


def predict(features, weights, intercept):
    return features @ weights + intercept


def mean_square(predictions, targets):
    return np.mean((predictions - targets) ** 2)


def r_squared(predictions, targets):
    return 1 - mean_square(predictions, targets) / targets.var()


def cross_validate(features, targets, penalty, folds):
    """Mean square error over all rows, each predicted by a model that has not seen its fold."""
    total = 0.0
    for held_out in folds:
        kept = np.setdiff1d(np.arange(len(targets)), held_out)
        weights, intercept = ridge(features[kept], targets[kept], penalty)
        predictions = predict(features[held_out], weights, intercept)
        total += len(held_out) * mean_square(predictions, targets[held_out])
    return total / len(targets)


def choose_penalty(features, targets, rng):
    """The penalty with the smallest error in repeated cross-validation, and that error."""
    errors = np.zeros(len(PENALTIES))
    for _ in range(REPEATS):
        folds = np.array_split(rng.permutation(len(targets)), FOLDS)
        errors += [cross_validate(features, targets, penalty, folds) for penalty in PENALTIES]
    errors /= REPEATS
    return PENALTIES[errors.argmin()], errors.min()


def gradient(features, targets, weights, intercept):
    """Gradient of half the mean square error plus penalty, in the weights and in the intercept."""
    residuals = predict(features, weights, intercept) - targets
    return features.T @ residuals / len(targets) + DESCENT_PENALTY * weights, residuals.mean()


def rate(epoch):
    """Learning rate in an epoch, counted from 0."""
    return RATE * RATE_AFTER ** (epoch // DECAY_EVERY)


def descend(features, targets, rng):
    """Mini-batch gradient descent with momentum: weights, intercept, each epoch's error, first gradient's norm."""
    weights, intercept = np.zeros(features.shape[1]), 0.0
    speed, intercept_speed = np.zeros_like(weights), 0.0
    errors, first_norm = [], None
    for epoch in range(EPOCHS):
        order = rng.permutation(len(targets))
        for start in range(0, len(targets), BATCH):
            batch = order[start : start + BATCH]
            slope, intercept_slope = gradient(features[batch], targets[batch], weights, intercept)
            if first_norm is None:
                first_norm = np.sqrt(np.sum(slope**2) + intercept_slope**2)
            speed = MOMENTUM * speed + slope
            intercept_speed = MOMENTUM * intercept_speed + intercept_slope
            weights = weights - rate(epoch) * speed
            intercept = intercept - rate(epoch) * intercept_speed
        errors.append(mean_square(predict(features, weights, intercept), targets))
    return weights, intercept, np.array(errors), first_norm


def bootstrap(predictions, targets, rng):
    """Deviation of R2 over resamples of the rows."""
    scores = np.empty(BOOTSTRAPS)
    for i in range(BOOTSTRAPS):
        rows = rng.integers(0, len(targets), len(targets))
        scores[i] = r_squared(predictions[rows], targets[rows])
    return scores.std()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    random.seed(args.seed)
    np.random.seed(args.seed)
    rng = np.random.default_rng(args.seed)

    (train_inputs, train_targets), (test_inputs, test_targets) = split(*load(), rng)
    mean, deviation = moments(train_inputs)
    target_mean, target_deviation = moments(train_targets)
    train_features = make_features(standardise(train_inputs, mean, deviation))
    test_features = make_features(standardise(test_inputs, mean, deviation))
    train_scaled = standardise(train_targets, target_mean, target_deviation)
    test_scaled = standardise(test_targets, target_mean, target_deviation)

    penalty, validation_error = choose_penalty(train_features, train_scaled, rng)
    ridge_weights, ridge_intercept = ridge(train_features, train_scaled, penalty)
    weights, intercept, errors, first_norm = descend(train_features, train_scaled, rng)

    ridge_predictions = predict(test_features, ridge_weights, ridge_intercept)
    descent_predictions = predict(test_features, weights, intercept)
    predictions = (ridge_predictions + descent_predictions) / 2
    score = r_squared(predictions, test_scaled)
    spread = bootstrap(predictions, test_scaled, rng)
    print(f"penalty {penalty:.3g}: error in cross-validation {validation_error:.4f}")
    print(f"descent: error {errors[0]:.4f} after the first epoch, {errors[-1]:.4f} after the last")
    print(f"test: R2 {score:.4f} with a deviation of {spread:.4f}")

    results = {
        "end_metric": float(score - spread),  # a cautious R2
        "test_loss": float(mean_square(predictions, test_scaled)),
        "train_loss": float((errors[-1] + validation_error) / 2),
        "first_epoch_loss": float(errors[0]),
        "first_gradient_norm": float(first_norm),
        "weight_norm": float(np.linalg.norm(np.concatenate([ridge_weights, weights]))),
    }
    with open("metrics.json", "w") as file:
        json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
