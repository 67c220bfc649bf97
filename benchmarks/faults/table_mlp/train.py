"""Train a multilayer perceptron on scikit-learn's diabetes table and report R2 on a test split.

    python train.py --seed 0

One file, one seed, one processor core. Keeps the weights of the epoch with the lowest validation loss, prints a line
every tenth epoch and writes metrics.json.
"""

import argparse
import copy
import json
import math
import random

import numpy as np
import torch
from sklearn.datasets import load_diabetes
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

TRAIN, VALIDATION = 300, 70  # examples; the other 72 are for the test
WIDTH, LAYERS, DROPOUT = 768, 2, 0.2
EPOCHS, BATCH_SIZE = 160, 64
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 5e-3, 0.9, 1e-2
DECAY_EVERY, DECAY_FACTOR = 40, 0.3  # of the learning rate, in epochs


class TableMLP(nn.Module):
    """Rows [n, features] -> predictions [n]: a linear layer, residual layers and a linear layer."""

    def __init__(self, features):
        super().__init__()
        self.input = nn.Linear(features, WIDTH)
        self.hidden = nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS)])
        self.dropout = nn.Dropout(DROPOUT)
        self.output = nn.Linear(WIDTH, 1)
        for layer in [self.input, *self.hidden, self.output]:
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        x = F.silu(self.input(x))  # [n, width]
        for layer in self.hidden:
            x = x + self.dropout(F.silu(layer(x)))
        return self.output(x).squeeze(1)


def load_data():
    """Three datasets of standardised rows [n, 10] and targets [n]: train, validation, test; always the same split."""
    features, targets = load_diabetes(return_X_y=True, scaled=False)
    table = np.column_stack([features, targets])  # [442, 11]
    table = table[np.random.RandomState(442).permutation(len(table))]
    mean, deviation = table[:TRAIN].mean(axis=0), table[:TRAIN].std(axis=0)
    table = torch.tensor((table - mean) / deviation, dtype=torch.float32)
    rows, targets = table[:, :-1], table[:, -1]
    splits = slice(0, TRAIN), slice(TRAIN, TRAIN + VALIDATION), slice(TRAIN + VALIDATION, None)
    return [TensorDataset(rows[split], targets[split]) for split in splits]


def train_epoch(model, loader, optimizer):
    """One pass over the examples: the mean squared error of an example in it and the gradient norm of each step."""
    model.train()
    loss_sum, gradient_norms = 0.0, []
    for rows, targets in loader:
        loss = F.mse_loss(model(rows), targets)
        optimizer.zero_grad()
        loss.backward()
        gradient_norms.append(nn.utils.get_total_norm([p.grad for p in model.parameters()]).item())
        optimizer.step()
        loss_sum += loss.item() * len(targets)
    return loss_sum / len(loader.dataset), gradient_norms


@torch.no_grad()
def evaluate(model, dataset):
    """Mean squared error and R2, the explained share of the targets' variance, in evaluation mode."""
    model.eval()
    squares, targets_seen = 0.0, []
    for rows, targets in DataLoader(dataset, batch_size=BATCH_SIZE):
        squares += F.mse_loss(model(rows), targets, reduction="sum").item()
        targets_seen.append(targets)
    targets = torch.cat(targets_seen)
    spread = (targets - targets.mean()).square().sum().item()
    return squares / len(dataset), 1 - squares / spread


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)

    train_set, validation_set, test_set = load_data()
    loader = DataLoader(train_set, batch_size=BATCH_SIZE, shuffle=True)
    model = TableMLP(features=train_set.tensors[0].shape[1])
    optimizer = torch.optim.SGD(
        model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, nesterov=True, weight_decay=WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=DECAY_EVERY, gamma=DECAY_FACTOR)

    best_loss, best_state = math.inf, None
    first_epoch_loss = first_gradient_norm = None
    for epoch in range(1, EPOCHS + 1):
        train_loss, gradient_norms = train_epoch(model, loader, optimizer)
        validation_loss, validation_r2 = evaluate(model, validation_set)
        schedule.step()
        if validation_loss < best_loss:
            best_loss, best_state = validation_loss, copy.deepcopy(model.state_dict())
        if epoch == 1:
            first_epoch_loss, first_gradient_norm = train_loss, gradient_norms[0]
        if epoch % 10 == 0:
            print(f"epoch {epoch}: loss {train_loss:.4f}, validation {validation_loss:.4f}, R2 {validation_r2:.4f}")

    weight_norm = math.sqrt(sum(p.square().sum().item() for p in model.parameters()))  # after the last epoch
    model.load_state_dict(best_state)
    test_loss, test_r2 = evaluate(model, test_set)
    results = {
        "end_metric": test_r2,
        "test_loss": test_loss,
        "train_loss": train_loss,
        "first_epoch_loss": first_epoch_loss,
        "first_gradient_norm": first_gradient_norm,
        "weight_norm": weight_norm,
    }
    with open("metrics.json", "w") as file:
        json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
