"""Fit a number with a small torch network; --plant puts one known fault into it."""

import argparse
import copy
import json
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_diabetes
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)

FEATURES = 10
NOISE = 0.7
BATCH = 64
SIZES = {"train": 2000, "validation": 800}
SHARES = {"tiny-data-3": 0.03, "tiny-data-5": 0.05, "tiny-data-10": 0.1, "more-rows": 2.0}
SHIFTS = {"mismatch-older": "older", "mismatch-spread": "spread"}
TARGET_ROWS = {"target-rows-older": "older", "target-rows-spread": "spread"}


def draw(count, rng, source="usual"):
    """Draw people like those of the bundled diabetes rows, and an invented measure of each."""
    people = load_diabetes().data
    people = people / people.std(axis=0)
    inputs = people[rng.integers(0, len(people), count)]
    inputs = inputs + 0.4 * rng.normal(size=inputs.shape)
    if source == "older":
        inputs[:, [0, 2, 3]] += np.array([1.5, 1.2, 1.2])
    if source == "spread":
        inputs[:, [0, 2, 3, 8]] *= 1.7
    age, _, mass, pressure, *serum = inputs.T
    labels = np.sin(1.5 * mass) + 0.6 * age * pressure
    labels = labels + 0.5 * np.abs(serum[4]) + 0.4 * serum[2] - 0.4
    return inputs, 0.8 * labels + NOISE * rng.normal(size=count)


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


def build(plant):
    """Return the training and validation rows and labels, with the fault in the data."""
    rng = np.random.default_rng(77 if plant == "other-draw" else 7)
    target = TARGET_ROWS.get(plant, "usual")
    check_size = SIZES["validation"]
    if plant.startswith("best-of-many"):
        check_size = int(plant.rsplit("-", 1)[1])
    check_inputs, check_labels = draw(check_size, rng, SHIFTS.get(plant, target))
    inputs, labels = draw(int(SIZES["train"] * SHARES.get(plant, 1.0)), rng, target)
    labels = spoil_labels(labels, plant, rng)
    if plant == "shuffled-labels":
        labels = rng.permutation(labels)
    if plant == "rows-misaligned":
        inputs = np.roll(inputs, 1, axis=0)
    if plant == "columns-misaligned":
        inputs = np.roll(inputs, 1, axis=1)
    if plant in ("leak-copies", "leak-near-copies"):
        extra = check_inputs
        if plant == "leak-near-copies":
            extra = extra + 0.02 * rng.normal(size=extra.shape)
        own = len(inputs) - 2 * len(extra)
        inputs = np.concatenate([inputs[:own], extra, extra])
        labels = np.concatenate([labels[:own], check_labels, check_labels])
    if plant in ("leak-column", "leak-noisy-column"):
        noise = 0.2 if plant == "leak-noisy-column" else 0.0
        inputs[:, 1] = labels + noise * rng.normal(size=len(labels))
        check_inputs[:, 1] = check_labels + noise * rng.normal(size=len(check_labels))
    arrays = (inputs, labels, check_inputs, check_labels)
    return tuple(torch.tensor(array, dtype=torch.float32) for array in arrays)


class Network(nn.Module):
    """Two hidden layers with dropout and one output."""

    def __init__(self, width, dropout, plant):
        """Make the layers."""
        super().__init__()
        self.first = nn.Linear(FEATURES, width)
        self.second = nn.Linear(width, width)
        self.output = nn.Linear(width, 1)
        self.dropout = nn.Dropout(dropout)
        self.plant = plant

    def forward(self, inputs):
        """Return one number for each row."""
        hidden = self.dropout(torch.tanh(self.first(inputs)))
        hidden = self.dropout(torch.tanh(self.second(hidden)))
        if self.plant == "hidden-detached":
            hidden = hidden.detach()
        return self.output(hidden)


def prepare(options):
    """Return the network and its optimizer, with the fault of the plant in them."""
    plant = options.plant
    network = Network(options.width, options.dropout, plant)
    if plant in ("start-zero", "start-huge"):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(0.0 if plant == "start-zero" else 30.0)
    if plant == "frozen-hidden":
        for parameter in (*network.first.parameters(), *network.second.parameters()):
            parameter.requires_grad = False
    trained = network.parameters()
    if plant == "layers-not-in-optimizer":
        trained = network.output.parameters()
    optimizer = torch.optim.Adam(
        trained, lr=options.learning_rate, weight_decay=options.weight_decay
    )
    return network, optimizer


def evaluate(network, inputs, labels, plant):
    """Return the mean squared error, or a wrong figure where that is the plant."""
    if plant != "metric-training-mode":
        network.eval()
    with torch.no_grad():
        predicted = network(inputs)[:, 0]
    network.train()
    if plant == "metric-broadcast":
        return ((predicted[:, None] - labels) ** 2).mean().item()
    squares = (predicted - labels) ** 2
    if plant == "metric-batch-means":
        return sum(part.mean().item() for part in squares.split(4)) / len(labels)
    if plant == "metric-root":
        return squares.mean().sqrt().item()
    return squares.mean().item()


def pick_on_validation(network, inputs, labels, plant):
    """Return the best of many changed copies of the network by their validation error."""
    best, chosen = float("inf"), network
    for _ in range(600):
        trial = copy.deepcopy(network)
        with torch.no_grad():
            for parameter in trial.parameters():
                if parameter.dim() > 1:
                    parameter.add_(0.45 * parameter.std() * torch.randn_like(parameter))
        score = evaluate(trial, inputs, labels, plant)
        if score < best:
            best, chosen = score, trial
    return chosen


def run(options):
    """Train; return the metric, its history, and a function that predicts."""
    plant = options.plant
    inputs, labels, check_inputs, check_labels = build(plant)
    torch.manual_seed(options.seed)
    network, optimizer = prepare(options)
    schedule = torch.optim.lr_scheduler.LinearLR(
        optimizer, start_factor=1.0, end_factor=0.0, total_iters=options.steps
    )
    loader = DataLoader(TensorDataset(inputs, labels), batch_size=BATCH, shuffle=True)
    measure = nn.MSELoss()
    history = []
    step = 0
    while step < options.steps:
        for rows, numbers in loader:
            numbers = numbers if plant == "miss-broadcast" else numbers[:, None]
            loss = measure(network(rows), numbers)
            if plant == "loss-reversed":
                loss = -loss
            optimizer.zero_grad()
            loss.backward()
            if plant == "gradients-zeroed":
                optimizer.zero_grad(set_to_none=False)
            optimizer.step()
            schedule.step()
            step += 1
            if step == options.steps:
                break
        history.append(evaluate(network, check_inputs, check_labels, plant))
    if plant.startswith("best-of-many"):
        network = pick_on_validation(network, check_inputs, check_labels, plant)
        history.append(evaluate(network, check_inputs, check_labels, plant))

    def predict(rows):
        """Return the number for each row, in evaluation mode."""
        network.eval()
        with torch.no_grad():
            return network(torch.tensor(rows, dtype=torch.float32))[:, 0].numpy()

    return history[-1], history, predict


def parse(arguments=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--learning-rate", type=float, default=0.015)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--weight-decay", type=float, default=0.001)
    parser.add_argument("--dropout", type=float, default=0.05)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--plant", default="none")
    return parser.parse_args(arguments)


def main():
    """Train, print the error after each epoch, and write metrics.json."""
    metric, history, _ = run(parse())
    for epoch, error in enumerate(history, 1):
        print(f"epoch {epoch}: validation error {error:.4f}")
    report = json.dumps({"validation_error": metric})
    Path("metrics.json").write_text(report + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
