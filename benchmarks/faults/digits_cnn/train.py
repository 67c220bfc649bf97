"""Train a small convolutional network on scikit-learn's handwritten digits and report its test accuracy.

    python train.py --seed 0

One file, one seed, one processor core. Prints a line an epoch and writes metrics.json.
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
        nn.init.kaiming_normal_(self.convolution.weight, mode="fan_out", nonlinearity="relu")

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
        x = x.flatten(1)  # [n, 8 width]
        return self.head(self.dropout(x))


def load_data():
    """Images [n, 1, 8, 8] in 0..1 and labels [n], in the order of the dataset: train, then test."""
    digits = load_digits()
    images = torch.tensor(digits.images / 16.0, dtype=torch.float32).unsqueeze(1)
    labels = torch.tensor(digits.target)
    split = len(labels) - TEST_EXAMPLES
    return (images[:split], labels[:split]), (images[split:], labels[split:])


def augment(images, shift):
    """Shift each image of [n, 1, 8, 8] by up to `shift` pixels in both directions, zeros coming in."""
    padded = F.pad(images, [shift] * 4)  # [n, 1, 8 + 2 shift, 8 + 2 shift]
    size = images.shape[-1]
    offsets = torch.randint(0, 2 * shift + 1, (len(images), 2))  # [n, 2]: from the top, from the left
    return torch.stack([image[:, y : y + size, x : x + size] for image, (y, x) in zip(padded, offsets.tolist())])


def parameter_groups(model, weight_decay):
    """Decay the matrices and kernels; leave the biases and the normalisation's parameters alone."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    kept = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": kept, "weight_decay": 0.0}]


def warmup_cosine(step, warmup_steps, total_steps):
    """Factor of the learning rate: linear up, then half a cosine down to 0."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * progress))


@torch.no_grad()
def evaluate(model, images, labels, batch_size):
    """Mean cross-entropy and accuracy over all examples, in evaluation mode."""
    model.eval()
    loss_sum, correct = 0.0, 0
    for start in range(0, len(labels), batch_size):
        batch_images = images[start : start + batch_size]
        batch_labels = labels[start : start + batch_size]
        logits = model(batch_images)  # [n, 10]
        loss_sum += F.cross_entropy(logits, batch_labels, reduction="sum").item()
        correct += (logits.argmax(1) == batch_labels).sum().item()
    model.train()
    return loss_sum / len(labels), correct / len(labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=5e-3)
    parser.add_argument("--weight-decay", type=float, default=5e-2)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--shift", type=int, default=1, help="augmentation, pixels")
    parser.add_argument("--clip", type=float, default=1.0, help="largest norm of the gradient")
    args = parser.parse_args()

    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)

    (train_images, train_labels), (test_images, test_labels) = load_data()
    model = DigitsCNN(args.width, args.dropout)
    optimizer = torch.optim.AdamW(parameter_groups(model, args.weight_decay), lr=args.learning_rate)
    steps_per_epoch = len(train_labels) // args.batch_size  # the remainder of each epoch's order is left out
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
            gradient_norm = nn.utils.clip_grad_norm_(model.parameters(), args.clip).item()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            if first_gradient_norm is None:
                first_gradient_norm = gradient_norm
        train_loss = sum(losses) / len(losses)
        if first_epoch_loss is None:
            first_epoch_loss = train_loss
        test_loss, test_accuracy = evaluate(model, test_images, test_labels, batch_size=128)
        print(f"epoch {epoch}: train loss {train_loss:.4f}, test loss {test_loss:.4f}, accuracy {test_accuracy:.4f}")

    weight_norm = math.sqrt(sum(p.square().sum().item() for p in model.parameters() if p.ndim > 1))
    results = {
        "end_metric": test_accuracy,
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
