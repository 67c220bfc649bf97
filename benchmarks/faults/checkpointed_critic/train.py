"""Train a residual MLP with checkpointed blocks and a gradient penalty on scikit-learn's breast cancer table.

    python train.py --seed 0

One file, one seed, one processor core. Prints a line every few epochs and writes metrics.json.
"""

import argparse
import json
import math
import random

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

FEATURES, TRAIN = 30, 400  # of 569 rows; the rest is the test split
EPOCHS = 30
BATCH = 50
PENALTY, TARGET_NORM = 0.3, 0.5  # weight of the penalty; slope at the inputs that is free of it
PENALTY_EVERY = 2  # steps
JITTER = 0.2  # deviation of the noise on the penalty's points
EVAL_EVERY = 5


class Block(nn.Module):
    """Residual: norm, up, GELU, dropout, down; [n, width] -> [n, width]."""

    def __init__(self, width, dropout):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.dropout = nn.Dropout(dropout)
        self.down = nn.Linear(2 * width, width)
        nn.init.zeros_(self.down.bias)
        nn.init.normal_(self.down.weight, std=0.5 / math.sqrt(2 * width))

    def forward(self, x):
        return x + self.down(self.dropout(F.gelu(self.up(self.norm(x)))))


class Critic(nn.Module):
    """Standardised rows [n, FEATURES] -> logits [n]; the blocks are checkpointed in training."""

    def __init__(self, width, blocks, dropout):
        super().__init__()
        self.stem = nn.Linear(FEATURES, width)
        self.blocks = nn.ModuleList(Block(width, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 1)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            if self.training:
                x = checkpoint(block, x, use_reentrant=False)
            else:
                x = block(x)
        return self.head(self.norm(x)).squeeze(1)


def load_data():
    """Train and test (rows [n, FEATURES] standardised with the train rows, labels [n] as floats), shuffled once."""
    table = load_breast_cancer()
    order = np.random.RandomState(5).permutation(len(table.target))
    rows = torch.tensor(table.data[order], dtype=torch.float32)
    labels = torch.tensor(table.target[order], dtype=torch.float32)
    rows = (rows - rows[:TRAIN].mean(0)) / rows[:TRAIN].std(0)
    return (rows[:TRAIN], labels[:TRAIN]), (rows[TRAIN:], labels[TRAIN:])


def gradient_penalty(model, rows):
    """Mean squared excess over TARGET_NORM of the norm of the logits' gradient at the rows with some noise."""
    points = (rows + JITTER * torch.randn_like(rows)).requires_grad_()
    (gradient,) = torch.autograd.grad(model(points).sum(), points, create_graph=True)  # [n, FEATURES]
    return F.relu(gradient.norm(dim=1) - TARGET_NORM).square().mean()


def learning_rate(step, total_steps, peak):
    """Linear up over a tenth of the steps, then linear down to 0; steps count from 0."""
    warmup = total_steps // 10
    return peak * min((step + 1) / warmup, (total_steps - step) / (total_steps - warmup))


@torch.no_grad()
def evaluate(model, rows, labels):
    """Mean binary cross-entropy and accuracy, in evaluation mode."""
    model.eval()
    logits = model(rows)
    model.train()
    loss = F.binary_cross_entropy_with_logits(logits, labels)
    return loss.item(), ((logits > 0) == (labels > 0.5)).float().mean().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--weight-decay", type=float, default=1e-2)
    args = parser.parse_args()

    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)

    (rows, labels), test = load_data()
    model = Critic(args.width, args.blocks, args.dropout)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.learning_rate, weight_decay=args.weight_decay)
    total_steps = EPOCHS * (TRAIN // BATCH)

    step = 0
    train_losses, gradient_norms = [], []
    for epoch in range(1, EPOCHS + 1):
        losses = []
        for batch in torch.randperm(TRAIN).split(BATCH):
            optimizer.param_groups[0]["lr"] = learning_rate(step, total_steps, args.learning_rate)
            loss = F.binary_cross_entropy_with_logits(model(rows[batch]), labels[batch])
            if step % PENALTY_EVERY == 0:
                loss = loss + PENALTY * gradient_penalty(model, rows[batch])
            optimizer.zero_grad()
            loss.backward()
            gradient_norms.append(nn.utils.clip_grad_norm_(model.parameters(), 1.0).item())
            optimizer.step()
            losses.append(loss.item())
            step += 1
        train_losses.append(sum(losses) / len(losses))
        if epoch % EVAL_EVERY == 0:
            test_loss, test_accuracy = evaluate(model, *test)
            print(f"epoch {epoch}: train loss {train_losses[-1]:.4f}, test loss {test_loss:.4f}, accuracy {test_accuracy:.4f}")

    results = {
        "end_metric": test_accuracy,
        "test_loss": test_loss,
        "train_loss": train_losses[-1],
        "first_epoch_loss": train_losses[0],
        "first_gradient_norm": gradient_norms[0],
        "weight_norm": math.sqrt(sum(p.square().sum().item() for p in model.parameters() if p.ndim > 1)),
    }
    with open("metrics.json", "w") as file:
        json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
