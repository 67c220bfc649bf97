"""Train a small convolutional network on handwritten digits, average its weights, report the average's test accuracy.

    python train.py --seed 0

One file, one seed, one processor core. Prints a line an epoch and writes metrics.json.
"""

import argparse
import copy
import json
import math
import random

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

EPOCHS = 14
BATCH = 64  # 1197 train examples: the last batch of an epoch has 45
EVAL_BATCH = 128
TRAIN, VALIDATION = 1197, 250  # of 1797; the rest is the test split
NOISE = 0.1
DROPOUT, LATE_DROPOUT, LATE_FROM = 0.3, 0.1, 9  # epochs count from 1
MILESTONES, GAMMA = (7, 11), 0.5  # after these epochs the rates are multiplied with GAMMA
AVERAGE_DECAY = 0.98


class DigitsCNN(nn.Module):
    """[n, 1, 8, 8] images -> [n, 10] logits."""

    def __init__(self, width):
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 2 * width, 3, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(2 * width)
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(2 * width * 2 * 2, 10)

    def forward(self, x):
        x = F.relu(self.norm1(self.conv1(x)))
        x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)  # [n, width, 4, 4]
        x = F.max_pool2d(F.relu(self.norm3(self.conv3(x))), 2)  # [n, 2 width, 2, 2]
        return self.head(self.dropout(x.flatten(1)))


class Average:
    """Exponential moving average of a model's parameters and buffers."""

    def __init__(self, model, decay):
        self.model = copy.deepcopy(model)
        self.model.eval()
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, model):
        self.updates += 1
        decay = min(self.decay, self.updates / (self.updates + 9))
        for mine, new in zip(self.model.state_dict().values(), model.state_dict().values()):
            if mine.is_floating_point():
                mine.mul_(decay).add_(new, alpha=1 - decay)
            else:
                mine.copy_(new)  # the batch norms' counters


def load_data():
    """Train, validation and test (images [n, 1, 8, 8] in 0..1, labels [n]), shuffled with a fixed seed."""
    digits = load_digits()
    order = np.random.RandomState(11).permutation(len(digits.target))
    images = torch.tensor(digits.images[order] / 16.0, dtype=torch.float32).unsqueeze(1)
    labels = torch.tensor(digits.target[order])
    labels[:TRAIN:8] = (labels[:TRAIN:8] + 1) % 10  # wrong labels, so that a model can learn too much
    ends = [TRAIN, VALIDATION, len(labels) - TRAIN - VALIDATION]
    return list(zip(images.split(ends), labels.split(ends)))


def make_optimizer(model):
    """AdamW with three groups: kernels, norms, head."""
    named = list(model.named_parameters())
    groups = [
        {"params": [p for n, p in named if n.startswith("conv")], "lr": 3e-3, "weight_decay": 1e-1},
        {"params": [p for n, p in named if n.startswith("norm")], "lr": 6e-3, "weight_decay": 0.0},
        {"params": [p for n, p in named if n.startswith("head")], "lr": 1e-3, "weight_decay": 1e-2},
    ]
    return torch.optim.AdamW(groups)


@torch.no_grad()
def evaluate(model, images, labels):
    """Mean cross-entropy and accuracy over all examples, in evaluation mode."""
    model.eval()
    loss_sum, correct = 0.0, 0
    for batch_images, batch_labels in zip(images.split(EVAL_BATCH), labels.split(EVAL_BATCH)):
        logits = model(batch_images)
        loss_sum += F.cross_entropy(logits, batch_labels, reduction="sum").item()
        correct += (logits.argmax(1) == batch_labels).sum().item()
    return loss_sum / len(labels), correct / len(labels)


def train_epoch(model, optimizer, average, images, labels, gradient_norms):
    """One pass in random order; the mean loss over examples."""
    model.train()
    loss_sum = 0.0
    for batch in torch.randperm(len(labels)).split(BATCH):
        noisy = images[batch] + NOISE * torch.randn(len(batch), 1, 8, 8)
        loss = F.cross_entropy(model(noisy), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        gradient_norms.append(nn.utils.clip_grad_norm_(model.parameters(), 2.0).item())
        optimizer.step()
        average.update(model)
        loss_sum += loss.item() * len(batch)
    return loss_sum / len(labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=28)
    args = parser.parse_args()

    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)

    train, validation, test = load_data()
    model = DigitsCNN(args.width)
    optimizer = make_optimizer(model)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, MILESTONES, GAMMA)
    average = Average(model, AVERAGE_DECAY)

    train_losses, gradient_norms = [], []
    best_loss, best_epoch, best_state = math.inf, None, None
    for epoch in range(1, EPOCHS + 1):
        if epoch == LATE_FROM:
            model.dropout.p = LATE_DROPOUT
        train_losses.append(train_epoch(model, optimizer, average, *train, gradient_norms))
        schedule.step()
        loss, accuracy = evaluate(average.model, *validation)
        if loss < best_loss:
            best_loss, best_epoch, best_state = loss, epoch, copy.deepcopy(average.model.state_dict())
        print(f"epoch {epoch}: train loss {train_losses[-1]:.4f}, validation loss {loss:.4f}, accuracy {accuracy:.4f}")

    average.model.load_state_dict(best_state)
    test_loss, test_accuracy = evaluate(average.model, *test)
    print(f"best epoch {best_epoch}: test loss {test_loss:.4f}, accuracy {test_accuracy:.4f}")
    results = {
        "end_metric": test_accuracy,
        "test_loss": test_loss,
        "train_loss": train_losses[-1],
        "first_epoch_loss": train_losses[0],
        "first_gradient_norm": gradient_norms[0],
        "weight_norm": math.sqrt(sum(p.square().sum().item() for p in average.model.parameters())),
    }
    with open("metrics.json", "w") as file:
        json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
