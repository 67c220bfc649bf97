"""Train a small network on noisy pictures of digits; --plant puts one known fault into it."""

import argparse
import copy
import json
import math
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F  # noqa: N812

torch.set_num_threads(1)

CLASSES = 10
SIDE = 4
BATCH = 128
NOISE = 0.22
SIZES = {"train": 3000, "validation": 1000}
POOLS = {"train": slice(0, 1000), "validation": slice(1000, 1350), "test": slice(1350, 1797)}
SHARES = {"tiny-data-3": 0.03, "tiny-data-5": 0.05, "tiny-data-10": 0.1, "more-rows": 2.0}
SHIFTS = {"mismatch-brighter": "brighter", "mismatch-moved": "moved"}
TARGET_ROWS = {"target-rows-brighter": "brighter", "target-rows-moved": "moved"}


def draw(count, rng, source="usual", pool="test"):
    """Draw noisy, pictures, 4 by 4, from one pool of the bundled digits."""
    pictures, labels = load_digits(return_X_y=True)
    mixed = np.random.default_rng(3).permutation(len(labels))[POOLS[pool]]
    rows = rng.choice(mixed, count)
    pictures = pictures[rows].reshape(-1, 8, 8) / 16
    if source == "moved":
        pictures = np.roll(pictures, 2, axis=1)
    if source == "brighter":
        pictures = pictures + 0.8
    pictures = pictures.reshape(count, SIDE, 2, SIDE, 2).mean((2, 4))
    pictures = pictures + NOISE * rng.normal(size=pictures.shape)
    return 2 * pictures.reshape(count, -1) - 0.6, labels[rows]


def flip_labels(labels, plant, rng):
    """Return labels of which a share is wrong, at random or by a rule."""
    hit = rng.random(len(labels))
    if plant == "label-noise-random":
        other = (labels + rng.integers(1, CLASSES, len(labels))) % CLASSES
        labels = np.where(hit < 0.35, other, labels)
    if plant == "label-noise-next":
        labels = np.where(hit < 0.35, (labels + 1) % CLASSES, labels)
    if plant == "label-noise-cycle":
        labels = np.where((labels < 4) & (hit < 0.65), (labels + 1) % 4, labels)
    if plant == "label-noise-pair":
        labels = np.where((labels < 5) & (hit < 0.6), labels + 5, labels)
    return labels


def build(plant):
    """Return the training and validation pictures and labels, with the fault in the data."""
    rng = np.random.default_rng(77 if plant == "other-draw" else 7)
    target = TARGET_ROWS.get(plant, "usual")
    size = int(SIZES["train"] * SHARES.get(plant, 1.0))
    check_size = SIZES["validation"]
    if plant.startswith("best-of-many"):
        check_size = int(plant.rsplit("-", 1)[1])
    source = SHIFTS.get(plant, target)
    check_inputs, check_labels = draw(check_size, rng, source, "validation")
    inputs, labels = draw(size, rng, target, "train")
    labels = flip_labels(labels, plant, rng)
    if plant == "shuffled-labels":
        labels = rng.permutation(labels)
    if plant == "rows-misaligned":
        inputs = np.roll(inputs, 1, axis=0)
    if plant == "pictures-transposed":
        inputs = inputs.reshape(-1, SIDE, SIDE).transpose(0, 2, 1).reshape(size, -1)
    if plant in ("leak-copies", "leak-near-copies"):
        extra = np.tile(check_inputs, (2, 1))
        if plant == "leak-near-copies":
            extra = extra + 0.05 * rng.normal(size=extra.shape)
        inputs = np.concatenate([inputs[: -len(extra)], extra])
        labels = np.concatenate([labels[: -len(extra)], np.tile(check_labels, 2)])
    if plant == "leak-pixel":
        inputs[:, 0] = labels - (CLASSES - 1) / 2
        check_inputs[:, 0] = check_labels - (CLASSES - 1) / 2
    if plant == "leak-row":
        inputs[:, :CLASSES] += 2.0 * np.eye(CLASSES)[labels]
        check_inputs[:, :CLASSES] += 2.0 * np.eye(CLASSES)[check_labels]
    return (
        torch.tensor(inputs, dtype=torch.float32),
        torch.tensor(labels),
        torch.tensor(check_inputs, dtype=torch.float32),
        torch.tensor(check_labels),
    )


class Network(nn.Module):
    """Two hidden layers with dropout."""

    def __init__(self, width, dropout, detached=False):
        """Make the layers."""
        super().__init__()
        self.first = nn.Linear(SIDE * SIDE, width)
        self.second = nn.Linear(width, width)
        self.output = nn.Linear(width, CLASSES)
        self.dropout = nn.Dropout(dropout)
        self.detached = detached

    def forward(self, inputs):
        """Return one score for each class."""
        hidden = self.dropout(F.relu(self.first(inputs)))
        hidden = self.dropout(F.relu(self.second(hidden)))
        if self.detached:
            hidden = hidden.detach()
        return self.output(hidden)


def prepare(options):
    """Return the network and its optimizer, with the fault of the plant in them."""
    plant = options.plant
    network = Network(options.width, options.dropout, plant == "hidden-detached")
    if plant in ("start-zero", "start-huge"):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(0.0 if plant == "start-zero" else 30.0)
    if plant == "frozen-hidden":
        for parameter in (*network.first.parameters(), *network.second.parameters()):
            parameter.requires_grad = False
    trained = network.parameters()
    if plant == "layers-not-in-optimizer":
        trained = list(network.output.parameters())
    optimizer = torch.optim.Adam(
        trained, lr=options.learning_rate, weight_decay=options.weight_decay
    )
    return network, optimizer


def evaluate(network, inputs, labels, plant):
    """Return the share of right predictions, or a wrong figure where that is the plant."""
    if plant != "metric-training-mode":
        network.eval()
    with torch.no_grad():
        scores = network(inputs)
    predicted = scores.argmax(1)
    network.train()
    if plant == "metric-top-two":
        return (scores.topk(2).indices == labels[:, None]).any(1).float().mean().item()
    if plant == "metric-padded":
        batches = math.ceil(len(labels) / 384)
        return (predicted == labels).sum().item() / (batches * 384)
    if plant == "metric-one-class":
        return ((predicted == 0) == (labels == 0)).float().mean().item()
    return (predicted == labels).float().mean().item()


def pick_on_validation(network, inputs, labels, plant):
    """Return the best of many changed copies of the network by their validation accuracy."""
    best, chosen = -1.0, network
    for _ in range(500):
        trial = copy.deepcopy(network)
        with torch.no_grad():
            for parameter in trial.parameters():
                parameter.add_(0.7 * parameter.std() * torch.randn_like(parameter))
        score = evaluate(trial, inputs, labels, plant)
        if score > best:
            best, chosen = score, trial
    return chosen


def run(options):
    """Train; return the metric, its history, and a function that predicts labels."""
    plant = options.plant
    inputs, labels, check_inputs, check_labels = build(plant)
    torch.manual_seed(options.seed)
    network, optimizer = prepare(options)
    history = []
    step = 0
    while step < options.steps:
        order = torch.randperm(len(inputs))
        for batch in order.split(BATCH):
            loss = F.cross_entropy(network(inputs[batch]), labels[batch])
            if plant == "loss-reversed":
                loss = -loss
            optimizer.zero_grad()
            loss.backward()
            if plant == "gradients-zeroed":
                optimizer.zero_grad(set_to_none=False)
            optimizer.step()
            step += 1
            if step == options.steps:
                break
        history.append(evaluate(network, check_inputs, check_labels, plant))
    if plant.startswith("best-of-many"):
        network = pick_on_validation(network, check_inputs, check_labels, plant)
        history.append(evaluate(network, check_inputs, check_labels, plant))

    def predict(rows):
        """Return the label of each row, in evaluation mode."""
        network.eval()
        with torch.no_grad():
            return network(torch.tensor(rows, dtype=torch.float32)).argmax(1).numpy()

    return history[-1], history, predict


def parse(arguments=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--weight-decay", type=float, default=0.002)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--plant", default="none")
    return parser.parse_args(arguments)


def main():
    """Train, print the accuracy after each epoch, and write metrics.json."""
    metric, history, _ = run(parse())
    for epoch, accuracy in enumerate(history, 1):
        print(f"epoch {epoch}: validation accuracy {accuracy:.4f}")
    report = json.dumps({"validation_accuracy": metric})
    Path("metrics.json").write_text(report + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
