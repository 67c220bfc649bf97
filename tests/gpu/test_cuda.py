"""A reference that trains on a GPU, from its recipe to an equal rewrite: `make test-gpu`."""

import json

import pytest
import torch
from helpers import Cli, edit, toy_recipe

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")

PROGRAM = """\
    import argparse
    import json
    import random

    import numpy as np
    import torch
    from torch import nn
    from torch.nn import functional as F
    from torch.utils.data import DataLoader, TensorDataset


    class Net(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.conv = nn.Conv2d(1, width, 3, padding=1)
            self.norm = nn.BatchNorm2d(width)
            self.dropout = nn.Dropout(0.25)
            self.last = nn.Linear(width * 16, 4)

        def forward(self, x):
            x = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)
            return self.last(self.dropout(x.flatten(1)))


    def make_data():
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 4, 1200)
        images = rng.normal(0, 1.2, (1200, 1, 8, 8))
        for row, label in enumerate(labels):
            images[row, 0, 4 * (label // 2) : 4 * (label // 2) + 4, 4 * (label % 2) :][:, :4] += 0.9
        return torch.tensor(images, dtype=torch.float32), torch.tensor(labels)


    @torch.no_grad()
    def test(model, loader, device):
        model.eval()
        correct = total = 0
        for x, y in loader:
            x, y = x.to(device), y.to(device)
            correct += (model(x).argmax(1) == y).sum().item()
            total += len(y)
        return correct / total


    def main():
        parser = argparse.ArgumentParser()
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--epochs", type=int, default=8)
        parser.add_argument("--lr", type=float, default=0.003)
        parser.add_argument("--amp", type=int, default=0)
        args = parser.parse_args()
        random.seed(args.seed)
        np.random.seed(args.seed)
        torch.manual_seed(args.seed)
        torch.cuda.manual_seed_all(args.seed)
        device = torch.device("cuda")
        x, y = make_data()
        train = DataLoader(TensorDataset(x[:800], y[:800]), 50, shuffle=True, pin_memory=True)
        held_out = DataLoader(TensorDataset(x[800:], y[800:]), 100)
        model = Net(16).to(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
        scaler = torch.amp.GradScaler("cuda", enabled=bool(args.amp))
        for epoch in range(1, args.epochs + 1):
            model.train()
            for images, labels in train:
                images, labels = images.to(device, non_blocking=True), labels.to(device)
                optimizer.zero_grad()
                with torch.autocast("cuda", enabled=bool(args.amp)):
                    loss = F.cross_entropy(model(images), labels)
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
            print(f"epoch {epoch}: loss {loss.item():.6f}", flush=True)
        accuracy = test(model, held_out, device)
        json.dump({"accuracy": accuracy}, open("metrics.json", "w"))


    main()
    """

COMMAND = "python train.py --seed {seed} --epochs {epochs} --lr {lr} --amp {amp}"


def _recipe(folder, amp=0):
    return toy_recipe(
        folder,
        {"train.py": PROGRAM},
        id="on-a-gpu",
        environment={"python": ">=3.10", "packages": ["numpy", "torch"]},
        commands={
            "train": {"run": COMMAND, "timeout_s": 120},
            "smoke": {"run": COMMAND.replace("{epochs}", "1"), "timeout_s": 120},
        },
        hyperparameters={"epochs": 8, "lr": 0.003, "amp": amp},
        progress={"stdout": r"epoch (?P<step>\d+)", "total": 8},
        resources={"device": "cuda", "run_time_s": 8, "hardware": "one GPU"},
        claims=[
            {
                "metric": "accuracy",
                "dataset": "nothing",
                "basis": "training",
                "value": 0.9,
                "selection": "one_run",
                "source": {"url": "https://example.org/paper", "words": "0.9"},
            }
        ],
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project whose reference ran three times."""
    folder = tmp_path_factory.mktemp("gpu")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        cli = Cli(patch)
        project = cli.new(_recipe(folder / "recipe"))
        cli("run", "--seeds", "3", cwd=project)
        return project


def _records(project):
    return [json.loads(path.read_text()) for path in project.glob(".scaffold/runs/seed-*/run.json")]


def test_runs_end_on_the_gpu_in_the_sandbox(project):
    records = _records(project)
    assert [record["outcome"] for record in records] == ["COMPLETED"] * 3, records
    assert all(record["machine"]["accelerator"] for record in records)


def test_the_bottleneck_is_found_from_outside(project, monkeypatch):
    cli = Cli(monkeypatch)
    cli("goal", "set", "--matters", "0.02", "--why", "a test", cwd=project)
    answer = cli.any_status("analyze", "--budget", "3", "--json", cwd=project).json
    assert set(answer["errors"]) >= {"train", "validation"}, answer
    for name in ("rate-10", "no-regularization", "rows-0.5"):
        probed = cli("probe", name, "--json", cwd=project).json
        assert probed["problem"] == "", probed
        assert probed["after"]["validation"]["n"] == 400, probed


@pytest.mark.parametrize("amp", [0, 1])
def test_a_rewrite_is_equal_and_a_fault_is_named(tmp_path, cli, amp):
    project = cli.new(_recipe(tmp_path / "recipe", amp))
    cli("rewrite", "start", "Net", "--reason", "a test", "--margin", "0.05", cwd=project)
    edit(project, "src/train.py", "x.flatten(1)", "x.reshape(len(x), -1)")
    equal = cli.any_status("verify", "--json", cwd=project).json
    checks = {check["name"]: check["verdict"] for check in equal["checks"]}
    assert "DIFFERS" not in checks.values() and "EQUAL" in checks.values(), checks
    edit(project, "src/train.py", "F.relu(self.norm", "F.gelu(self.norm")
    differs = cli.any_status("verify", "--json", cwd=project).json
    assert differs["verdict"] == "DIFFERS", differs
