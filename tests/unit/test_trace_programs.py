"""Programs as people write them.

Each is traced, one equal rewrite of it is equal, and one fault is named.
"""

from dataclasses import dataclass, field

import pytest
from helpers import NETWORK, trace_program

from scaffold.records.judgment import Verdict
from scaffold.rules.parity.checks import first_difference
from scaffold.rules.parity.compare import compare_command
from scaffold.rules.parity.weight_maps import parse_weights

HEAD = """\
import copy, json
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

torch.manual_seed(0)
"""

GAN = (
    HEAD
    + """\
data = torch.randn(96, 2) * 0.5 + 2
G = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
D = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
og = torch.optim.Adam(G.parameters(), lr=1e-3)
od = torch.optim.Adam(D.parameters(), lr=1e-3)
bce = F.binary_cross_entropy_with_logits
for epoch in range(5):
    for i in range(0, 96, 32):
        real, z = data[i : i + 32], torch.randn(32, 4)
        fake = G(z)
        od.zero_grad()
        a = bce(D(real), torch.ones(32, 1))
        b = bce(D(fake.detach()), torch.zeros(32, 1))
        (a + b).backward()
        od.step()
        og.zero_grad()
        bce(D(fake), torch.ones(32, 1)).backward()
        og.step()
with torch.no_grad():
    final = (G(torch.randn(64, 4)).mean(0) - 2).abs().mean().item()
json.dump({"final": final}, open("metrics.json", "w"))
"""
)

VAE = (
    HEAD
    + """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.code, self.back = nn.Linear(8, 6), nn.Linear(3, 8)

    def forward(self, x):
        mean, log = self.code(x).chunk(2, 1)
        z = mean + torch.randn_like(mean) * (0.5 * log).exp() if self.training else mean
        return self.back(z), mean, log


x = torch.rand(96, 8)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
for epoch in range(5):
    net.train()
    for i in range(0, 64, 16):
        out, mean, log = net(x[i : i + 16])
        loss = F.mse_loss(out, x[i : i + 16]) - 0.01 * (1 + log - mean.square() - log.exp()).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
net.eval()
with torch.no_grad():
    json.dump({"final": F.mse_loss(net(x[64:])[0], x[64:]).item()}, open("metrics.json", "w"))
"""
)

CHECKPOINTED = (
    HEAD
    + """\
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.linear, self.drop = nn.LayerNorm(12), nn.Linear(12, 12), nn.Dropout(0.2)

    def forward(self, x):
        return x + self.drop(F.gelu(self.linear(self.norm(x))))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.begin, self.block, self.end = nn.Linear(6, 12), Block(), nn.Linear(12, 3)

    def forward(self, x):
        x = self.begin(x)
        x = checkpoint(self.block, x, use_reentrant=False) if self.training else self.block(x)
        return self.end(x)


x, y = torch.randn(96, 6), torch.randint(0, 3, (96,))
net = Net()
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
for epoch in range(4):
    net.train()
    for i in range(0, 64, 16):
        logits = net(x[i : i + 16])
        logits -= logits.detach().max()
        loss = F.cross_entropy(logits, y[i : i + 16])
        loss *= 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
net.eval()
with torch.no_grad():
    json.dump({"final": F.cross_entropy(net(x[64:]), y[64:]).item()}, open("metrics.json", "w"))
"""
)

PENALTY = (
    HEAD
    + """\
x, y = torch.randn(96, 6), torch.randn(96, 1)
net = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 1))
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
for epoch in range(4):
    for i in range(0, 64, 16):
        rows = (x[i : i + 16] + 0.1 * torch.randn(16, 6)).requires_grad_()
        slope = torch.autograd.grad(net(rows).sum(), rows, create_graph=True)[0]
        loss = F.mse_loss(net(x[i : i + 16]), y[i : i + 16]) + 0.1 * (slope.norm(dim=1) - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
with torch.no_grad():
    json.dump({"final": F.mse_loss(net(x[64:]), y[64:]).item()}, open("metrics.json", "w"))
"""
)

MASKED = (
    HEAD
    + """\
class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.end = nn.Linear(8, 4)

    def forward(self, x, mask):
        scores = self.query(x) @ self.key(x).transpose(-2, -1) / 8**0.5 + mask
        return self.end(scores.softmax(-1) @ self.value(x))


x, y = torch.randn(40, 5, 8), torch.randint(0, 4, (40, 5))
mask = torch.full((5, 5), float("-inf")).triu(1)
net = Attention()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for epoch in range(4):
    for i in range(0, 32, 8):
        loss = F.cross_entropy(net(x[i : i + 8], mask).flatten(0, 1), y[i : i + 8].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
with torch.no_grad():
    out = net(x[32:], mask)
    json.dump({"final": F.cross_entropy(out.flatten(0, 1), y[32:].flatten()).item()}, open("metrics.json", "w"))
"""
)

RESTORED = (
    HEAD
    + """\
net = nn.Sequential(nn.Linear(6, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 3))
x, y = torch.randn(96, 6), torch.randint(0, 3, (96,))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)


def evaluate(rows):
    net.eval()
    with torch.no_grad():
        return F.cross_entropy(net(x[rows]), y[rows]).item()


best, kept = 1e9, None
for epoch in range(6):
    net.train()
    for i in range(0, 48, 16):
        optimizer.zero_grad()
        F.cross_entropy(net(x[i : i + 16]), y[i : i + 16]).backward()
        optimizer.step()
    found = evaluate(slice(48, 72))
    if found < best:
        best, kept = found, copy.deepcopy(net.state_dict())
net.load_state_dict(kept)
json.dump({"final": evaluate(slice(72, 96))}, open("metrics.json", "w"))
"""
)

CLOSURE = (
    HEAD
    + """\
x, y = torch.randn(64, 6), torch.randn(64, 1)
net = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
schedule = torch.optim.lr_scheduler.StepLR(optimizer, 5, 0.5)
for step in range(16):
    rows = slice(16 * (step % 4), 16 * (step % 4) + 16)

    def closure():
        optimizer.zero_grad()
        loss = F.mse_loss(net(x[rows]), y[rows])
        loss.backward()
        return loss

    optimizer.step(closure)
    schedule.step()
with torch.no_grad():
    json.dump({"final": F.mse_loss(net(x), y).item()}, open("metrics.json", "w"))
"""
)


CLIPPED = (
    HEAD
    + """\
x, y = torch.randn(96, 6), torch.randn(96, 1)
net = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 1))


def clip():
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.clamp_(-0.2, 0.2)


optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
for epoch in range(4):
    for i in range(0, 64, 16):
        loss = F.mse_loss(net(x[i : i + 16]), y[i : i + 16])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        clip()
with torch.no_grad():
    json.dump({"final": F.mse_loss(net(x[64:]), y[64:]).item()}, open("metrics.json", "w"))
"""
)


@dataclass(frozen=True)
class Case:
    """A program, edits that make an equal one of it, edits that make a fault, and where that is."""

    program: str
    equal: list[tuple[str, str]]
    fault: list[tuple[str, str]]
    checks: tuple[str, ...]
    module: str = ""
    also: list[list[tuple[str, str]]] = field(default_factory=list)


CASES = {
    "gan": Case(
        GAN,
        [("(a + b).backward()", "a.backward(); b.backward()"), ("bce(D(fake), ", "bce(D(G(z)), ")],
        [("bce(D(fake), ", "bce(D(fake.detach()), ")],
        ("gradients",),
        "model.0",
        also=[
            [
                (
                    "a = bce(D(real), torch.ones(32, 1))",
                    "both = D(torch.cat([real, fake.detach()]))",
                ),
                (
                    "b = bce(D(fake.detach()), torch.zeros(32, 1))",
                    "a, b = bce(both[:32], torch.ones(32, 1)), bce(both[32:], torch.zeros(32, 1))",
                ),
            ],
            [
                ("fake = G(z)", "with torch.no_grad():\n            fake = G(z)"),
                ("fake.detach()", "fake"),
                (
                    "bce(D(fake), torch.ones(32, 1)).backward()",
                    "bce(D(G(z)), torch.ones(32, 1)).backward()",
                ),
            ],
        ],
    ),
    "vae": Case(
        VAE,
        [
            (
                "torch.randn_like(mean) * (0.5 * log).exp()",
                "torch.empty_like(mean).normal_() * log.exp().sqrt()",
            )
        ],
        [("(0.5 * log).exp()", "log.exp()")],
        ("forward_train",),
    ),
    "checkpointed": Case(
        CHECKPOINTED,
        [("use_reentrant=False", "use_reentrant=True")],
        [
            (
                (
                    "checkpoint(self.block, x, use_reentrant=False) if self.training else"
                    " self.block(x)"
                ),
                "self.block(x)",
            ),
            ("F.gelu", "F.relu"),
        ],
        ("forward_eval",),
        "model.block",
    ),
    "penalty": Case(
        PENALTY,
        [
            ("slope.norm(dim=1)", "slope.square().sum(1).sqrt()"),
            ("net(x[i : i + 16])", "net.forward(x[i : i + 16])"),
        ],
        [("create_graph=True)[0]", "create_graph=True)[0].detach()")],
        ("gradients",),
    ),
    "masked": Case(
        MASKED,
        [
            ("/ 8**0.5 + mask", "/ 8**0.5"),
            ("scores.softmax(-1)", "scores.masked_fill(mask < 0, -1e9).softmax(-1)"),
        ],
        [("/ 8**0.5", "/ 8")],
        ("forward_eval",),
        "model",
    ),
    "restored": Case(
        RESTORED,
        [
            (
                "copy.deepcopy(net.state_dict())",
                "{k: v.clone() for k, v in net.state_dict().items()}",
            )
        ],
        [
            (
                "copy.deepcopy(net.state_dict())",
                "{k: v.detach().clone() for k, v in net.named_parameters()}",
            ),
            ("load_state_dict(kept)", "load_state_dict(kept, strict=False)"),
        ],
        ("evaluation",),
    ),
    "network": Case(
        NETWORK,
        [("logits.argmax(1) == y", "logits.max(1).indices == y")],
        [("0.25", "0.3")],
        ("dropout",),
        "model.dropout",
    ),
    "clipped": Case(
        CLIPPED,
        [
            (
                "F.mse_loss(net(x[i : i + 16]), y[i : i + 16])",
                "(net(x[i : i + 16]) - y[i : i + 16]).square().mean()",
            )
        ],
        [("clamp_(-0.2, 0.2)", "clamp_(-0.25, 0.25)")],
        ("optimizer",),
    ),
    "closure": Case(
        CLOSURE,
        [
            ("    def closure():\n        optimizer.zero_grad()\n", "    optimizer.zero_grad()\n"),
            (
                (
                    "        loss = F.mse_loss(net(x[rows]), y[rows])\n        loss.backward()\n   "
                    "     return loss\n"
                ),
                "    F.mse_loss(net(x[rows]), y[rows]).backward()\n",
            ),
            ("step(closure)", "step()"),
        ],
        [("StepLR(optimizer, 5,", "StepLR(optimizer, 6,")],
        ("schedule",),
    ),
}


NETWORK_ROW = "    test_loss, accuracy = evaluate(model, x[64:], y[64:])\n"

FAULTS = {
    "noise shared by a batch": (
        "vae",
        [("torch.randn_like(mean)", "torch.randn_like(mean[:1])")],
        "forward_train",
        "noise 1 has 3 elements instead of 48 at step 1",
    ),
    "weights rounded after an evaluation": (
        "network",
        [
            (
                NETWORK_ROW,
                NETWORK_ROW + "    if epoch == 3:\n        "
                "model.load_state_dict({k: v.bfloat16() for k, v in model.state_dict().items()})\n",
            )
        ],
        "loop",
        "weights are given other values before step 17",
    ),
    "weights rounded after an update": (
        "network",
        [
            (
                "        schedule.step()\n",
                (
                    "        schedule.step()\n        if epoch == 2:\n           "
                    " model.load_state_dict({k: v.bfloat16() for k, v in"
                    " model.state_dict().items()})\n"
                ),
            )
        ],
        "loop",
        "weights are given other values before step 10",
    ),
    "a copy is evaluated": (
        "vae",
        [
            ("net = Net()\n", "net = Net()\nkept = copy.deepcopy(net).eval()\n"),
            ("F.mse_loss(net(x[64:])[0]", "F.mse_loss(kept(x[64:])[0]"),
        ],
        "evaluation",
        "2 networks are called instead of 1",
    ),
    "the penalty is left out late": (
        "penalty",
        [("create_graph=True)[0]", "create_graph=True)[0] if epoch < 2 else rows")],
        "budget",
        "step 9 calls model 1 times instead of 2",
    ),
    "the penalty and its noise are left out late": (
        "penalty",
        [
            (
                "rows = (x[i : i + 16] + 0.1 * torch.randn(16, 6)).requires_grad_()",
                (
                    "rows = (x[i : i + 16] + (0.1 * torch.randn(16, 6) if epoch != 1 else"
                    " 0)).requires_grad_()"
                ),
            ),
            ("create_graph=True)[0]", "create_graph=True)[0] if epoch != 1 else rows"),
        ],
        "budget",
        "step 5 calls model 1 times instead of 2",
    ),
    "a test row is lost": (
        "vae",
        [("F.mse_loss(net(x[64:])[0], x[64:])", "F.mse_loss(net(x[65:])[0], x[65:])")],
        "data",
        "1 examples that the reference evaluates are not there",
    ),
    "evaluated before the epoch": (
        "network",
        [(NETWORK_ROW, ""), ("    order = torch", NETWORK_ROW + "    order = torch")],
        "evaluation",
        "an evaluation comes after step 0, where the reference has none",
    ),
    "fresh noise for the generator": (
        "gan",
        [("bce(D(fake), ", "bce(D(G(torch.randn(32, 4))), ")],
        "batches",
        "step 2 has 32 examples instead of 0",
    ),
    "both networks updated at once": (
        "gan",
        [
            ("        od.step()\n", "        kept = [p.grad.clone() for p in D.parameters()]\n"),
            (
                "        og.step()\n",
                (
                    "        og.step()\n        for p, g in zip(D.parameters(), kept):\n"
                    "            p.grad = g\n        od.step()\n"
                ),
            ),
        ],
        "loop",
        "30 updates follow 15 backward passes instead of 30, in another order",
    ),
}
"""A program of `CASES`, edits that make a fault of it, the check that it belongs to, and what is
said."""

EQUAL = {
    "weights clipped by the optimizer itself": (
        "clipped",
        [
            (
                "optimizer = torch.optim.SGD(",
                (
                    "class Clipped(torch.optim.SGD):\n    def step(self):\n"
                    "        super().step()\n        clip()\n\n\noptimizer = Clipped("
                ),
            ),
            ("optimizer.step()\n        clip()", "optimizer.step()"),
        ],
    ),
    "evaluated weights are put in and taken out": (
        "network",
        [
            (
                NETWORK_ROW,
                "    kept = {k: v.clone() for k, v in model.state_dict().items()}\n    "
                "model.load_state_dict(kept)\n" + NETWORK_ROW + "    model.load_state_dict(kept)\n",
            )
        ],
    ),
    "modules that are named otherwise": (
        "gan",
        [
            (
                "G = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))",
                (
                    "G = nn.ModuleDict({'up': nn.Linear(4, 16), 'out': nn.Linear(16, 2)})\nclass"
                    " Chain(nn.Module):\n    def __init__(self, parts):\n       "
                    " super().__init__()\n        self.parts = parts\n\n    def forward(self, z):\n"
                    "        return self.parts['out'](F.relu(self.parts['up'](z)))\n\n\nG ="
                    " Chain(G)"
                ),
            )
        ],
        {
            f"model.parts.{own}.{kind}": f"model.{place}.{kind}"
            for own, place in (("up", 0), ("out", 2))
            for kind in ("weight", "bias")
        },
    ),
}


def rewritten(program, edits):
    for old, new in edits:
        assert old in program, old
        program = program.replace(old, new)
    return program


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    """Traces of a program, recorded when first asked for."""
    kept = {}

    def of(name):
        if name not in kept:
            folder = tmp_path_factory.mktemp(name)
            kept[name] = (
                folder,
                {
                    kind: trace_program(folder / kind, CASES[name].program, **asked)
                    for kind, asked in KINDS.items()
                },
            )
        return kept[name]

    return of


KINDS = {
    "own": {"known": {"train": {"planned": [13]}}},
    "replay": {"dtype": "float64", "replay": True},
}


@pytest.fixture
def compare(golden, tmp_path):
    def compared(name, edits, weights=None):
        folder, reference = golden(name)
        program = rewritten(CASES[name].program, edits)
        found = {}
        for kind, asked in KINDS.items():
            asked = {**asked, "weights": parse_weights(weights or {})}
            trace = trace_program(tmp_path / kind, program, folder / kind / "trace", **asked)
            if trace.index.get("feeds_training"):
                again = {**asked, "auxiliary": trace.index["feeds_training"]}
                trace = trace_program(
                    tmp_path / f"{kind}-again", program, folder / kind / "trace", **again
                )
            found[kind] = trace
        return compare_command(reference, found)

    return compared


@pytest.mark.parametrize("name", CASES)
def test_an_equal_rewrite_is_equal(compare, name):
    checks = compare(name, CASES[name].equal)
    assert first_difference(checks) is None, first_difference(checks)
    verdicts = {check.name: check.verdict for check in checks}
    assert verdicts["replay"] is Verdict.EQUAL and verdicts["optimizer"] is Verdict.EQUAL


@pytest.mark.parametrize("name", CASES)
def test_a_fault_is_named(compare, name):
    first = first_difference(compare(name, CASES[name].fault))
    assert first is not None and first.name in CASES[name].checks, first
    assert CASES[name].module in first.address.module, first.address


@pytest.mark.parametrize("which", range(2))
def test_other_calls_of_a_gan_are_equal(compare, which):
    checks = compare("gan", CASES["gan"].also[which])
    assert first_difference(checks) is None, first_difference(checks)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_has_the_address_of_its_cause(compare, name):
    program, edits, check, told = FAULTS[name]
    first = first_difference(compare(program, edits))
    assert first is not None and (first.name, told in first.reason) == (check, True), first


@pytest.mark.parametrize("name", EQUAL)
def test_what_only_looks_otherwise_is_equal(compare, name):
    assert first_difference(compare(*EQUAL[name])) is None
