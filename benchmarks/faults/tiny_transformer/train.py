"""Train a tiny decoder-only transformer on the sentences of a small grammar, letter by letter.

    python train.py --seed 0

One file, one seed, one processor core. Prints a line an evaluation and writes metrics.json.
"""

import argparse
import json
import math
import random

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

CONTEXT, DIM, HEADS, BLOCKS, DROPOUT = 32, 64, 4, 2, 0.1
STEPS, WARMUP, BATCH_SIZE = 450, 20, 32
LEARNING_RATE, WEIGHT_DECAY, CLIP = 5e-3, 0.1, 1.0
EVAL_EVERY, EVAL_BATCHES = 50, 8  # steps between two validations; batches in each of them


class Attention(nn.Module):
    """Causal self-attention with several heads: [n, t, dim] -> [n, t, dim]."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(DIM, 3 * DIM)
        self.projection = nn.Linear(DIM, DIM)
        self.dropout = nn.Dropout(DROPOUT)
        self.register_buffer("mask", torch.ones(CONTEXT, CONTEXT).tril().bool(), persistent=False)

    def forward(self, x):
        n, t, dim = x.shape
        q, k, v = self.qkv(x).view(n, t, 3, HEADS, dim // HEADS).permute(2, 0, 3, 1, 4)  # each [n, heads, t, d]
        scores = q @ k.transpose(-2, -1) / math.sqrt(dim // HEADS)  # [n, heads, t, t]
        scores = scores.masked_fill(~self.mask[:t, :t], float("-inf"))
        weights = self.dropout(scores.softmax(dim=-1))
        mixed = (weights @ v).transpose(1, 2).reshape(n, t, dim)
        return self.projection(mixed)


class Block(nn.Module):
    """Attention, then an MLP, each normalised before and added to its input: [n, t, dim] -> [n, t, dim]."""

    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(DIM)
        self.attention = Attention()
        self.norm2 = nn.LayerNorm(DIM)
        self.up = nn.Linear(DIM, 4 * DIM)
        self.down = nn.Linear(4 * DIM, DIM)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x):
        x = x + self.dropout(self.attention(self.norm1(x)))
        return x + self.dropout(self.down(F.gelu(self.up(self.norm2(x)))))


class Transformer(nn.Module):
    """Tokens [n, t] -> logits of the next tokens [n, t, vocabulary]; the head shares the embedding's weight."""

    def __init__(self, vocabulary):
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, DIM)
        self.position_embedding = nn.Embedding(CONTEXT, DIM)
        self.blocks = nn.ModuleList([Block() for _ in range(BLOCKS)])
        self.norm = nn.LayerNorm(DIM)
        self.head = nn.Linear(DIM, vocabulary, bias=False)
        self.head.weight = self.token_embedding.weight
        for name, parameter in self.named_parameters():
            if name.endswith(("projection.weight", "down.weight")):  # these add to the residual stream, twice a block
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * BLOCKS))
            elif parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, tokens):
        x = self.token_embedding(tokens) + self.position_embedding(torch.arange(tokens.shape[1]))  # [n, t, dim]
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def write_text(sentences):
    """Sentences of a small grammar with agreement in number, always the same ones."""
    choose = random.Random(20240229).choice
    text = ""
    for _ in range(sentences):
        plural = choose([False, True])
        text += choose(["the ", "some "] if plural else ["the ", "every "]) + choose(["", "old ", "quiet ", "green "])
        text += choose(["cat", "dog", "bird", "teacher", "river", "stone"]) + "s " * plural + " " * (not plural)
        text += choose(["see", "hear", "follow", "like", "help"]) + "s" * (not plural)
        text += choose([" me", " you", " the window", " every gardener"]) + choose([".", ".", "!"]) + "\n"
    return text


def load_data():
    """Tokens of the three splits, 80, 10 and 10 per cent of the text in its order, and the vocabulary's size."""
    text = write_text(sentences=2000)
    vocabulary = sorted(set(text))
    tokens = torch.tensor([vocabulary.index(letter) for letter in text])
    first, second = int(0.8 * len(tokens)), int(0.9 * len(tokens))
    return tokens[:first], tokens[first:second], tokens[second:], len(vocabulary)


def loss_of_batch(model, tokens):
    """Mean cross-entropy over all positions of a batch of random windows, each [t] with the next tokens [t]."""
    starts = torch.randint(len(tokens) - CONTEXT, (BATCH_SIZE,))
    inputs = torch.stack([tokens[start : start + CONTEXT] for start in starts])
    targets = torch.stack([tokens[start + 1 : start + 1 + CONTEXT] for start in starts])
    logits = model(inputs)  # [n, t, vocabulary]
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def learning_rate(step):
    """Linear warm-up, then half a cosine down to a tenth at the last step; steps count from 0."""
    if step < WARMUP:
        return LEARNING_RATE * (step + 1) / WARMUP
    progress = (step - WARMUP) / (STEPS - 1 - WARMUP)
    return LEARNING_RATE * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * progress)))


@torch.no_grad()
def evaluate(model, tokens, batches):
    """The mean loss over a fixed number of random batches, in evaluation mode."""
    model.eval()
    losses = [loss_of_batch(model, tokens).item() for _ in range(batches)]
    model.train()
    return sum(losses) / len(losses)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)

    train_tokens, validation_tokens, test_tokens, vocabulary = load_data()
    model = Transformer(vocabulary)
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.95))

    losses, gradient_norms = [], []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        loss = loss_of_batch(model, train_tokens)
        optimizer.zero_grad()
        loss.backward()
        gradient_norms.append(nn.utils.clip_grad_norm_(model.parameters(), CLIP).item())
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % EVAL_EVERY == 0:
            train_loss = sum(losses[-EVAL_EVERY:]) / EVAL_EVERY
            validation_loss = evaluate(model, validation_tokens, EVAL_BATCHES)
            print(f"step {step + 1}: train loss {train_loss:.4f}, validation loss {validation_loss:.4f}")

    results = {
        "end_metric": validation_loss,
        "test_loss": evaluate(model, test_tokens, 2 * EVAL_BATCHES),
        "train_loss": train_loss,
        "first_epoch_loss": sum(losses[:EVAL_EVERY]) / EVAL_EVERY,
        "first_gradient_norm": gradient_norms[0],
        "weight_norm": math.sqrt(sum(p.square().sum().item() for p in matrices)),
    }
    with open("metrics.json", "w") as file:
        json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
