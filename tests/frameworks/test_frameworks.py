"""Programs of the frameworks that people train with.

`make test-frameworks` brings what they need.
"""

import pytest
from helpers import trace_program

from scaffold.records.judgment import Verdict
from scaffold.rules.parity.checks import first_difference
from scaffold.rules.parity.compare import compare_command

NET = """\
import json, logging, os, tempfile, warnings

warnings.filterwarnings("ignore")
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 16)
        self.last = nn.Linear(16, 3)

    def forward(self, x):
        return self.last(F.gelu(self.first(x)))


torch.manual_seed(3)
x, y = torch.randn(96, 6), torch.randint(0, 3, (96,))
"""

END = """\
model.eval()
with torch.no_grad():
    loss = F.cross_entropy(model(x[64:]), y[64:]).item()
json.dump({"loss": loss}, open("metrics.json", "w"))
"""

PLAIN = (
    NET
    + """\
model = Net()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
for epoch in range(4):
    model.train()
    for at in range(0, 64, 16):
        loss = F.cross_entropy(model(x[at : at + 16]), y[at : at + 16])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    schedule.step()
"""
    + END
)

LIGHTNING = (
    NET
    + """\
import lightning


class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = Net()

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, index):
        return F.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=1e-2)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)]


model = Module()
trainer = lightning.Trainer(
    max_epochs=4, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(model, DataLoader(TensorDataset(x[:64], y[:64]), batch_size=16))
"""
    + END
)

ACCELERATE = (
    NET
    + """\
from accelerate import Accelerator

accelerator = Accelerator(cpu=True)
model = Net()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
loader = DataLoader(TensorDataset(x[:64], y[:64]), batch_size=16)
model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
for epoch in range(4):
    model.train()
    for rows, labels in loader:
        loss = F.cross_entropy(model(rows), labels)
        optimizer.zero_grad()
        accelerator.backward(loss)
        optimizer.step()
    schedule.step()
"""
    + END
)

DISTRIBUTED = (
    NET
    + """\
import torch.distributed as distributed

place = tempfile.mkdtemp()
distributed.init_process_group("gloo", init_method=f"file://{place}/store", rank=0, world_size=1)
net = Net()
model = nn.parallel.DistributedDataParallel(net)
"""
    + PLAIN.partition("model = Net()\n")[2]
    + "distributed.destroy_process_group()\n"
)

TRAINER = """\
import json
import torch
from torch import nn
from torch.nn import functional as F
from transformers import Trainer, TrainingArguments, set_seed


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 16)
        self.drop = nn.Dropout(0.1)
        self.last = nn.Linear(16, 3)

    def forward(self, x=None, labels=None):
        logits = self.last(self.drop(F.gelu(self.first(x))))
        loss = F.cross_entropy(logits, labels) if labels is not None else None
        return {"loss": loss, "logits": logits}


set_seed(3)
x, y = torch.randn(96, 6), torch.randint(0, 3, (96,))
rows = [{"x": x[i], "labels": y[i]} for i in range(96)]
arguments = TrainingArguments(
    output_dir="out", per_device_train_batch_size=8, num_train_epochs=3, learning_rate=5e-3, weight_decay=0.01,
    lr_scheduler_type="linear", warmup_steps=4, report_to=[], use_cpu=True, save_strategy="no",
    logging_strategy="no", disable_tqdm=True, seed=3, label_names=["labels"],
)
trainer = Trainer(Net(), arguments, train_dataset=rows[:64], eval_dataset=rows[64:])
trainer.train()
json.dump({"loss": trainer.evaluate()["eval_loss"]}, open("metrics.json", "w"))
"""

LBFGS = (
    NET
    + """\
model = Net()
optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=4)


def closure():
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x[:64]), y[:64])
    loss.backward()
    return loss


for step in range(12):
    optimizer.step(closure)
"""
    + END
)

RATE = ("StepLR(optimizer, 2,", "StepLR(optimizer, 3,")
ACTIVATION = ("F.gelu(self.first(x))", "F.relu(self.first(x))")
OWN_LOSS = (
    "F.cross_entropy(model(x[:64]), y[:64])",
    "-model(x[:64]).log_softmax(1).gather(1, y[:64, None]).mean()",
)
OWN_GELU = (
    "F.gelu(self.first(x))",
    "0.5 * self.first(x) * (1 + torch.erf(self.first(x) / 2**0.5))",
)

CASES = {
    "lightning": ("lightning", LIGHTNING, PLAIN, [], PLAIN, [RATE], "schedule"),
    "accelerate": ("accelerate", ACCELERATE, PLAIN, [], PLAIN, [ACTIVATION], "forward_eval"),
    "distributed": ("torch", DISTRIBUTED, PLAIN, [], PLAIN, [RATE], "schedule"),
    "trainer": (
        "transformers",
        TRAINER,
        TRAINER,
        [OWN_GELU],
        TRAINER,
        [ACTIVATION],
        "forward_eval",
    ),
    "lbfgs": ("torch", LBFGS, LBFGS, [OWN_LOSS], LBFGS, [ACTIVATION], "forward_eval"),
}
"""Package, reference, an equal rewrite as a program and edits, a fault likewise, and the check that
it differs at."""


def edited(program, edits):
    for old, new in edits:
        assert old in program, old
        program = program.replace(old, new)
    return program


@pytest.mark.parametrize("name", CASES)
def test_a_framework_is_traced_compared_and_left(tmp_path, name):
    package, reference, equal, edits, broken, faults, check = CASES[name]
    pytest.importorskip(package, reason=f"{package} is not installed: make test-frameworks")
    kinds = {"own": {}, "replay": {"dtype": "float64", "replay": True}}
    golden = {
        kind: trace_program(tmp_path / kind, reference, **asked) for kind, asked in kinds.items()
    }
    assert golden["own"].index["ended"] == "program ended" and golden["own"].index["steps"] >= 12
    answers = []
    for which, program in enumerate((edited(equal, edits), edited(broken, faults))):
        found = {
            kind: trace_program(
                tmp_path / f"{which}-{kind}", program, tmp_path / kind / "trace", **asked
            )
            for kind, asked in kinds.items()
        }
        answers.append(compare_command(golden, found))
    assert first_difference(answers[0]) is None, first_difference(answers[0])
    assert {one.name: one.verdict for one in answers[0]}["replay"] is Verdict.EQUAL
    assert first_difference(answers[1]).name == check, first_difference(answers[1])
