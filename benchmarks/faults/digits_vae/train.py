"""Train a variational autoencoder on scikit-learn's digits and report how well neighbours in its latent space agree.

    python train.py --seed 0

One file, one seed, one processor core. Prints a line every few epochs and writes metrics.json.
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

TRAIN = 1300  # of 1797, in the order of the dataset; the rest is the test split
LATENT = 8
EPOCHS = 40
BATCH = 50
KL_WARMUP = 10  # epochs over which the KL term's weight goes up to KL_WEIGHT
KL_WEIGHT = 0.5
EVAL_EVERY = 4


class VAE(nn.Module):
    """Pixels [n, 64] in 0..1 -> logits of their reconstruction [n, 64], mean [n, LATENT], log variance [n, LATENT]."""

    def __init__(self, width):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.code = nn.Linear(width, 2 * LATENT)
        self.decoder = nn.Sequential(
            nn.Linear(LATENT, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 64)
        )

    def encode(self, x):
        mean, log_variance = self.code(self.encoder(x)).chunk(2, dim=1)
        return mean, log_variance.clamp(-8, 8)

    def forward(self, x):
        mean, log_variance = self.encode(x)
        z = mean
        if self.training:
            z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return self.decoder(z), mean, log_variance


def load_data():
    """Train and test (pixels [n, 64] in 0..1, labels [n]), in the order of the dataset."""
    digits = load_digits()
    pixels = torch.tensor(digits.data / 16.0, dtype=torch.float32)
    labels = torch.tensor(digits.target)
    return (pixels[:TRAIN], labels[:TRAIN]), (pixels[TRAIN:], labels[TRAIN:])


def elbo_terms(model, x):
    """Reconstruction loss and KL divergence, each summed over an example's dimensions and averaged over examples."""
    logits, mean, log_variance = model(x)
    reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1).mean()
    kl = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1).mean()
    return reconstruction, kl


def kl_weight(step, steps_per_epoch):
    """Weight of the KL term at a step, counted from 0: linear up from 0, then constant."""
    return KL_WEIGHT * min(1.0, step / (KL_WARMUP * steps_per_epoch))


@torch.no_grad()
def evaluate(model, train, test):
    """Share of test examples whose nearest train example, by mean codes, has the same label; test loss at the mean."""
    model.eval()
    train_codes, test_codes = model.encode(train[0])[0], model.encode(test[0])[0]
    nearest = torch.cdist(test_codes, train_codes).argmin(1)
    agreement = (train[1][nearest] == test[1]).float().mean().item()
    reconstruction, kl = elbo_terms(model, test[0])
    model.train()
    return agreement, (reconstruction + KL_WEIGHT * kl).item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--decay", type=float, default=0.97, help="factor of the learning rate, each epoch")
    parser.add_argument("--clip", type=float, default=15.0)
    args = parser.parse_args()

    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)

    train, test = load_data()
    model = VAE(args.width)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.learning_rate, weight_decay=1e-5)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, args.decay)
    steps_per_epoch = TRAIN // BATCH

    step = 0
    train_losses, gradient_norms = [], []
    for epoch in range(1, EPOCHS + 1):
        order = torch.randperm(TRAIN)
        losses = []
        for start in range(0, TRAIN, BATCH):
            batch = train[0][order[start : start + BATCH]]
            reconstruction, kl = elbo_terms(model, batch)
            loss = reconstruction + kl_weight(step, steps_per_epoch) * kl
            optimizer.zero_grad()
            loss.backward()
            gradient_norms.append(nn.utils.clip_grad_norm_(model.parameters(), args.clip).item())
            optimizer.step()
            step += 1
            losses.append(loss.item())
        schedule.step()
        train_losses.append(sum(losses) / len(losses))
        if epoch % EVAL_EVERY == 0:
            agreement, test_loss = evaluate(model, train, test)
            print(f"epoch {epoch}: train loss {train_losses[-1]:.3f}, test loss {test_loss:.3f}, agreement {agreement:.4f}")

    results = {
        "end_metric": agreement,
        "test_loss": test_loss,
        "train_loss": train_losses[-1],
        "first_epoch_loss": train_losses[0],
        "first_gradient_norm": gradient_norms[0],
        "weight_norm": math.sqrt(sum(p.square().sum().item() for p in model.parameters())),
    }
    with open("metrics.json", "w") as file:
        json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
