"""Train a small convolutional network on scikit-learn's handwritten digits and report its test accuracy.

    python train.py --seed 0

One file, no options but those in `main`. Prints a line an epoch and writes metrics.json.
"""

import argparse
import json
import math
import random

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

TEST_EXAMPLES = 450  # the last quarter, in the order of the dataset


class Block(nn.Module):
    """Convolution, normalisation, activation: [n, c_in, h, w] -> [n, c_out, h, w]."""

    def __init__(self, channels_in, channels_out):
        super().__init__()
        self.convolution = nn.Conv2d(channels_in, channels_out, kernel_size=3, padding=1, bias=False)
        self.normalisation = nn.BatchNorm2d(channels_out)

    def forward(self, x):
        return F.relu(self.normalisation(self.convolution(x)))


class DigitsCNN(nn.Module):
    """[n, 1, 8, 8] images in 0..1 -> [n, 10] logits."""

    def __init__(self, width, dropout):
        super().__init__()
        self.block1 = Block(1, width)
        self.block2 = Block(width, 2 * width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * width * 2 * 2, 10)

    def forward(self, x):
        x = F.max_pool2d(self.block1(x), 2)  # [n, width, 4, 4]
        x = F.max_pool2d(self.block2(x), 2)  # [n, 2 width, 2, 2]
        return self.head(self.dropout(x.flatten(1)))


def load_data():
    """Images in 0..1 and labels, in the order of the dataset: train, then test."""
    digits = load_digits()
    images = torch.tensor(digits.images / 16.0, dtype=torch.float32).unsqueeze(1)
    labels = torch.tensor(digits.target)
    split = len(labels) - TEST_EXAMPLES
    return (images[:split], labels[:split]), (images[split:], labels[split:])


def augment(images, shift):
    """Shift each image by up to `shift` pixels in both directions, zeros coming in."""
    padded = F.pad(images, [shift] * 4)
    size = images.shape[-1]
    offsets = torch.randint(0, 2 * shift + 1, (len(images), 2))
    return torch.stack([image[:, y : y + size, x : x + size] for image, (y, x) in zip(padded, offsets.tolist())])


def warmup_cosine(step, warmup_steps, total_steps):
    """Factor of the learning rate: linear up, then half a cosine down to 0."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / (total_steps - warmup_steps)))


@torch.no_grad()
def evaluate(model, images, labels):
    """Mean cross-entropy and accuracy with dropout off."""
    model.eval()
    logits = model(images)
    model.train()
    return F.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).float().mean().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=1e-2)
    parser.add_argument("--weight-decay", type=float, default=1e-2)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--shift", type=int, default=1, help="augmentation, pixels")
    args = parser.parse_args()

    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)

    (train_images, train_labels), (test_images, test_labels) = load_data()
    model = DigitsCNN(args.width, args.dropout)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    kept = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": args.weight_decay}, {"params": kept, "weight_decay": 0.0}],
        lr=args.learning_rate,
    )
    steps_per_epoch = len(train_labels) // args.batch_size
    total_steps = args.epochs * steps_per_epoch
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: warmup_cosine(step, steps_per_epoch, total_steps)
    )

    first_epoch_loss = first_gradient_norm = None
    for epoch in range(1, args.epochs + 1):
        order = torch.randperm(len(train_labels))
        losses = []
        for step in range(steps_per_epoch):
            batch = order[step * args.batch_size : (step + 1) * args.batch_size]
            logits = model(augment(train_images[batch], args.shift))
            loss = F.cross_entropy(logits, train_labels[batch])
            optimizer.zero_grad()
            loss.backward()
            gradient_norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0).item()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            first_gradient_norm = first_gradient_norm or gradient_norm
        train_loss = sum(losses) / len(losses)
        first_epoch_loss = first_epoch_loss or train_loss
        test_loss, test_accuracy = evaluate(model, test_images, test_labels)
        print(f"epoch {epoch}: train loss {train_loss:.4f}, test loss {test_loss:.4f}, accuracy {test_accuracy:.4f}")

    weight_norm = math.sqrt(sum(p.square().sum().item() for p in decayed))
    results = {
        "test_accuracy": test_accuracy,
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
