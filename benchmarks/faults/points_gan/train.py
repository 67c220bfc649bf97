"""Train a small GAN on points of two half-moons and report the energy distance of its points to the test points.

    python train.py --seed 0

One file, one seed, one processor core. Prints a line every few epochs and writes metrics.json.
"""

import argparse
import json
import math
import random

import numpy as np
import torch
from sklearn.datasets import make_moons
from torch import nn
from torch.nn import functional as F

POINTS, TEST_POINTS = 2500, 500
LATENT = 4
EPOCHS, DECAY_FROM = 40, 30  # the learning rates go down linearly after epoch DECAY_FROM
BATCH = 96
REAL_TARGET = 0.9  # one-sided label smoothing
EVAL_EVERY = 5


class Generator(nn.Module):
    """Noise [n, LATENT] -> points [n, 2]."""

    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(LATENT, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2)
        )

    def forward(self, noise):
        return self.layers(noise)


class Discriminator(nn.Module):
    """Points [n, 2] -> logits [n], high for real points."""

    def __init__(self, width):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(2, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2)
        )
        self.head = nn.Linear(width, 1)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, points):
        return self.head(self.body(points)).squeeze(1)


def load_data():
    """Train points [2000, 2] and test points [500, 2], standardised with the mean and deviation of the train points."""
    points, _ = make_moons(POINTS, noise=0.05, random_state=7)
    points = torch.tensor(points, dtype=torch.float32)
    train, test = points[:-TEST_POINTS], points[-TEST_POINTS:]
    mean, deviation = train.mean(0), train.std(0)
    return (train - mean) / deviation, (test - mean) / deviation


def rate_factor(epoch):
    """Factor of both learning rates in an epoch, counted from 1."""
    return min(1.0, (EPOCHS - epoch + 1) / (EPOCHS - DECAY_FROM + 1))


def bce(logits, target):
    """Mean binary cross-entropy of logits [n] against one number."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def energy_distance(a, b):
    """Energy distance of the samples [n, 2] and [m, 2]: 0 for equal distributions."""
    return 2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean()


@torch.no_grad()
def evaluate(generator, discriminator, test, noise):
    """Energy distance of generated to test points and the discriminator's loss on both, unsmoothed."""
    fake = generator(noise)
    loss = bce(discriminator(test), 1.0) + bce(discriminator(fake), 0.0)
    return energy_distance(fake, test).item(), loss.item()


def norm(tensors):
    return math.sqrt(sum(t.square().sum().item() for t in tensors))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--generator-rate", type=float, default=1e-3)
    parser.add_argument("--discriminator-rate", type=float, default=2e-3)
    args = parser.parse_args()

    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)

    train, test = load_data()
    generator, discriminator = Generator(args.width), Discriminator(args.width)
    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=args.generator_rate, betas=(0.5, 0.99))
    discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), lr=args.discriminator_rate, betas=(0.5, 0.99))
    test_noise = torch.randn(TEST_POINTS, LATENT)
    steps_per_epoch = len(train) // BATCH  # the remainder of each epoch's order is left out

    first_epoch_loss = first_gradient_norm = None
    for epoch in range(1, EPOCHS + 1):
        for group in generator_optimizer.param_groups:
            group["lr"] = args.generator_rate * rate_factor(epoch)
        for group in discriminator_optimizer.param_groups:
            group["lr"] = args.discriminator_rate * rate_factor(epoch)
        order = torch.randperm(len(train))
        losses = []
        for step in range(steps_per_epoch):
            real = train[order[step * BATCH : (step + 1) * BATCH]]
            noise = torch.randn(BATCH, LATENT)
            fake = generator(noise)

            real_loss = bce(discriminator(real), REAL_TARGET)
            fake_loss = bce(discriminator(fake.detach()), 0.0)
            discriminator_loss = real_loss + fake_loss
            discriminator_optimizer.zero_grad()
            discriminator_loss.backward()
            if first_gradient_norm is None:
                first_gradient_norm = norm(p.grad for p in discriminator.parameters())
            discriminator_optimizer.step()

            generator_loss = bce(discriminator(fake), 1.0)
            generator_optimizer.zero_grad()
            generator_loss.backward()
            generator_optimizer.step()
            losses.append(discriminator_loss.item() + generator_loss.item())
        train_loss = sum(losses) / len(losses)
        if first_epoch_loss is None:
            first_epoch_loss = train_loss
        if epoch % EVAL_EVERY == 0:
            distance, test_loss = evaluate(generator, discriminator, test, test_noise)
            print(f"epoch {epoch}: train loss {train_loss:.4f}, test loss {test_loss:.4f}, distance {distance:.4f}")

    results = {
        "end_metric": distance,
        "test_loss": test_loss,
        "train_loss": train_loss,
        "first_epoch_loss": first_epoch_loss,
        "first_gradient_norm": first_gradient_norm,
        "weight_norm": norm([*generator.parameters(), *discriminator.parameters()]),
    }
    with open("metrics.json", "w") as file:
        json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
