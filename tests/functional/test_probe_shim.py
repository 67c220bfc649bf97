"""The shim that watches and changes torch programs: what it changes is what an edit would change.

Each program runs unedited under `sitecustomize`, and is compared with its edited source.
"""

import csv
import json
import os
import textwrap
from collections import Counter

import pytest
from forked_programs import run_program

import scaffold
from scaffold.records.probe import WatchReport

SHIM = os.path.join(os.path.dirname(scaffold.__file__), "running", "shim")

HEAD = """\
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.manual_seed(0)
    torch.set_num_threads(1)
    CENTERS = 2 * torch.randn(3, 5)


    def draw(count):
        labels = torch.arange(count) % 3
        return CENTERS[labels] + torch.randn(count, 5), labels


    x_train, y_train = draw(120)
    x_val, y_val = draw(90)


    class Net(nn.Module):
        def __init__(self, inputs, width, outputs):
            super().__init__()
            self.hidden = nn.Linear(inputs, width)
            self.dropout = nn.Dropout(0.2)
            self.out = nn.Linear(width, outputs)

        def forward(self, x):
            return self.out(self.dropout(F.relu(self.hidden(x))))


"""
INDEXED = (
    HEAD
    + """\
    model = Net(5, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.01)
    for epoch in range(30):
        for batch in torch.randperm(120).split(40):
            model.train()
            loss = F.cross_entropy(model(x_train[batch]), y_train[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            right = (model(x_val).argmax(1) == y_val).float().mean().item()
    print(repr(loss.item()), right)
    """
)
LOADED = (
    HEAD
    + """\
    from torch.utils.data import DataLoader, TensorDataset

    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=40, shuffle=True)
    val_loader = DataLoader(TensorDataset(x_val, y_val), batch_size=30)
    model = Net(5, 8, 3)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for epoch in range(20):
        for inputs, labels in loader:
            model.train()
            loss = nn.CrossEntropyLoss()(model(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        outputs = [model(inputs).detach().numpy() for inputs, _ in val_loader]
    print(repr(loss.item()))
    """
)


def run(folder, source, **request):
    """Run a program under the shim; returns what it printed, the report and the rows."""
    out = folder / "out"
    out.mkdir(exist_ok=True)
    for old in out.iterdir():
        old.unlink()
    (folder / "train.py").write_text(textwrap.dedent(source))
    (folder / "probe.json").write_text(json.dumps({"out": str(out), **request}))
    variables = {**os.environ, "PYTHONPATH": SHIM, "SCAFFOLD_SEED_HOW": "argument"}
    probing = {} if request.get("bare") else {"SCAFFOLD_PROBE": str(folder / "probe.json")}
    done = run_program(["train.py"], cwd=folder, env={**variables, **probing})
    assert done.returncode == 0, done.stderr
    reports = list(out.glob("report-*.json"))
    report = json.loads(reports[0].read_text()) if reports else None
    tables = list(out.glob("rows-*.csv"))
    rows = list(csv.DictReader(tables[0].read_text().splitlines())) if tables else []
    return done.stdout.strip(), report, rows


def test_watching_changes_no_digit_and_sees_predictions_of_both_splits(tmp_path):
    bare, _, _ = run(tmp_path, INDEXED, bare=True)
    watched, report, rows = run(tmp_path, INDEXED)
    assert watched == bare
    counts = Counter(row["split"] for row in rows)
    assert counts["validation"] == 90 and 80 <= counts["train"] <= 120
    right = sum(row["label"] == row["prediction"] for row in rows if row["split"] == "validation")
    assert right / 90 == pytest.approx(float(bare.split()[1]))
    assert (report["steps"], report["touched"], report["never_moved"]) == (90, 0, [])
    assert report["copies"]["validation"] == [0, 90]
    assert report["first"]["start"] == pytest.approx(report["first"]["loss"], rel=1e-5)
    # Thirty evaluations: the last one's rows, and the scores of those before it.
    assert len(report["earlier"]["validation"]) == 29
    assert report["twice"] < 1e-6 and report["alone"] < 1e-3
    assert [one["argument"] for one in report["wider"]] == ["width"]
    assert {tuple(one["ids"]) for one in report["sites"].values()} == {tuple(range(120))}


@pytest.mark.parametrize(
    ("request_", "old", "new"),
    [
        ({"rate": 0.1}, "lr=0.1", "lr=0.01"),
        ({"regularization": "more"}, "weight_decay=0.01", "weight_decay=0.1"),
        ({"zeroed": True}, "def draw(count):", "def draw(count, zero=0):"),
        ({"wider": ["Net", "width"]}, "Net(5, 8, 3)", "Net(5, 16, 3)"),
    ],
)
def test_a_probe_is_what_the_edit_would_be(tmp_path, request_, old, new):
    assert old in INDEXED
    edited = INDEXED.replace(old, new)
    if request_.get("zeroed"):
        edited = edited.replace("model(x", "model(0 * x")
    if request_.get("regularization"):
        edited = edited.replace("nn.Dropout(0.2)", "nn.Dropout(0.2 + (1 - 0.2) * 0.3)")
    expected, _, _ = run(tmp_path, edited, bare=True)
    printed, report, _ = run(tmp_path, INDEXED, **request_)
    assert printed == expected
    assert report["touched"] > 0


def test_without_regularization_what_is_drawn_afterwards_stays(tmp_path):
    edited = INDEXED.replace("weight_decay=0.01", "weight_decay=0").replace(
        "self.dropout(F.relu(self.hidden(x)))",
        "(lambda h: (self.dropout(h), h)[1])(F.relu(self.hidden(x)))",
    )
    expected, _, _ = run(tmp_path, edited, bare=True)
    printed, report, _ = run(tmp_path, INDEXED, regularization="off")
    assert printed == expected and report["touched"] > 0


@pytest.mark.parametrize("source", [INDEXED, LOADED], ids=["index", "loader"])
def test_fewer_rows_are_used_as_often(tmp_path, source):
    _, watched, _ = run(tmp_path, source)
    assert watched["sites"]
    _, report, rows = run(tmp_path, source, rows=12, sites=watched["sites"])
    assert report["touched"] > 0 and report["steps"] == watched["steps"]
    assert sum(row["split"] == "validation" for row in rows) == 90
    train = [row for row in rows if row["split"] == "train"]
    assert train and all(row["label"] == row["prediction"] for row in train)  # learned by heart


def test_targets_come_from_the_loader_where_the_metric_is_made_by_hand(tmp_path):
    _, report, rows = run(tmp_path, LOADED)
    assert Counter(row["split"] for row in rows)["validation"] == 90
    assert report["splits"] == ["validation"]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("    model.train()", "    model.hidden.requires_grad_(False)", "requires_grad is False"),
        ("SGD(model.parameters()", "SGD(model.out.parameters()", "in no optimizer"),
        ("F.relu(self.hidden(x))", "F.relu(self.hidden(x)).detach()", "gradient is None or 0"),
    ],
)
def test_what_never_moved_is_named_with_its_reason(tmp_path, old, new, reason):
    assert old in INDEXED
    _, report, _ = run(tmp_path, INDEXED.replace(old, new))
    moved = {one["name"]: one["reason"] for one in report["never_moved"]}
    assert set(moved) == {"hidden.weight", "hidden.bias"}
    assert all(reason in text for text in moved.values())


def test_weights_that_start_at_zero_are_told_from_frozen_ones(tmp_path):
    zeros = "model = Net(5, 8, 3)\n    [nn.init.zeros_(p) for p in model.parameters()]"
    _, report, _ = run(tmp_path, INDEXED.replace("model = Net(5, 8, 3)", zeros))
    moved = {one["name"]: one["is_zero"] for one in report["never_moved"]}
    assert moved == {"hidden.weight": True, "hidden.bias": True, "out.weight": True}


def test_a_sign_error_and_evaluation_in_training_mode_are_seen(tmp_path):
    flipped = INDEXED.replace("loss.backward()", "(-loss).backward()").replace("lr=0.1", "lr=1e-4")
    _, report, _ = run(tmp_path, flipped)
    assert report["first"]["backward"] == -report["first"]["loss"]
    _, report, _ = run(tmp_path, INDEXED.replace("model.eval()", "model.train()"))
    assert report["twice"] > 0.01


def test_copies_of_validation_rows_in_training_are_counted(tmp_path):
    copied = INDEXED.replace(
        "x_val, y_val = draw(90)", "x_val, y_val = draw(90)\n    x_train[:30] = x_val[:30]"
    )
    _, report, _ = run(tmp_path, copied)
    assert report["copies"]["validation"] == [30, 90]


TWO = (
    HEAD
    + """\
    body, head = nn.Sequential(nn.Linear(5, 7), nn.ReLU()), nn.Linear(7, 3)
    optimizer = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=0.01)
    for step in range(60):
        loss = F.cross_entropy(head(body(x_train)), y_train)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print((head(body(x_val)).argmax(1) == y_val).float().mean().item())
    """
)


def test_features_of_one_network_are_no_predictions(tmp_path):
    printed, _, rows = run(tmp_path, TWO)
    known = [row["label"] == row["prediction"] for row in rows]
    assert len(known) == 90 and sum(known) / 90 == pytest.approx(float(printed))


BINARY = (
    HEAD
    + """\
    y_train, y_val = (y_train > 0).float(), (y_val > 0).float()
    model = nn.Linear(5, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for step in range(60):
        loss = F.binary_cross_entropy_with_logits(model(x_train.clone()).squeeze(1), y_train)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(((model(x_val).squeeze(1) > 0).float() == y_val).float().mean().item())
    """
)


def test_two_classes_are_seen_from_which_side_of_the_line_they_lie(tmp_path):
    printed, _, rows = run(tmp_path, BINARY)
    seen = [row["label"] == row["prediction"] for row in rows if row["split"] == "validation"]
    assert len(seen) == 90 and sum(seen) / 90 == pytest.approx(float(printed))
    assert {row["split"] for row in rows} == {"train", "validation"}


def test_inputs_that_a_network_changes_in_place_are_those_that_came_in(tmp_path):
    shifting = INDEXED.replace("return self.out(", "x.sub_(3)\n            return self.out(")
    _, report, rows = run(tmp_path, shifting.replace("model(x_val)", "model(x_val.clone())"))
    train = [row["label"] == row["prediction"] for row in rows if row["split"] == "train"]
    assert sum(train) / len(train) > 0.6
    assert report["twice"] < 1e-5 and report["alone"] < 1e-3


def test_a_network_that_cannot_take_one_row_is_left_as_it_was(tmp_path):
    refusing = INDEXED.replace(
        "return self.out(", "assert len(x) > 1\n            return self.out("
    ).replace("print(repr(loss.item())", "print(torch.rand(1).item(), repr(loss.item())")
    drawing = refusing.replace("assert len(x) > 1", "torch.rand(1); assert len(x) > 1")
    bare, _, _ = run(tmp_path, drawing, bare=True)
    watched, report, _ = run(tmp_path, drawing)
    assert watched == bare and report["twice"] is not None


def test_a_diverged_program_leaves_a_report(tmp_path):
    numbers = INDEXED.replace(
        "F.cross_entropy(model(x_train[batch]), y_train[batch])",
        "F.mse_loss(model(x_train[batch])[:, 0], y_train[batch].float())",
    )
    numbers = numbers.replace("lr=0.1", "lr=1e6").replace(
        "right = (model(x_val).argmax(1) == y_val).float().mean().item()",
        "right = F.mse_loss(model(x_val)[:, 0], y_val.float()).item()",
    )
    _, report, _ = run(tmp_path, numbers)
    assert None in report["losses"]
    WatchReport.model_validate(report)


def test_a_program_without_networks_leaves_no_report(tmp_path):
    _, report, rows = run(tmp_path, "import torch\nprint(torch.zeros(2).sum().item())\n")
    assert report is None and rows == []


FURTHER = """\
    x_ood = 3 * x_val
    ood_loader = DataLoader(TensorDataset(x_ood, y_val), batch_size=30)
    some = DataLoader(TensorDataset(x_train[:60], y_train[:60]), batch_size=30)
    dev_loader = DataLoader(TensorDataset(2 * x_val, y_val), batch_size=30)
    for loader in (ood_loader, some, dev_loader):
        outputs = [model(inputs).detach().numpy() for inputs, _ in loader]
    """


def test_a_further_set_is_not_taken_for_the_validation_set(tmp_path):
    _, _, rows = run(tmp_path, LOADED.rstrip(" ") + FURTHER)
    counts = Counter(row["split"] for row in rows)
    # The other set with a word for validation comes after the first one.
    assert counts["validation"] == 90 and counts[""] == 90


@pytest.mark.parametrize("source", [INDEXED, LOADED])
def test_rows_that_were_left_out_are_evaluated_as_the_program_does(tmp_path, source):
    _, report, _ = run(tmp_path, source)
    _, _, rows = run(tmp_path, source, rows=40, sites=report["sites"])
    held = [row for row in rows if row["split"] == "held-out"]
    assert len(held) == 80
    right = sum(row["label"] == row["prediction"] for row in held) / 80
    shown = [row for row in rows if row["split"] == "validation"]
    assert right == pytest.approx(
        sum(row["label"] == row["prediction"] for row in shown) / 90, abs=0.15
    )
    assert Counter(row["label"] for row in held).keys() == {"0", "1", "2"}


def test_rows_that_were_changed_on_their_way_are_not_guessed(tmp_path):
    changed = INDEXED.replace("model(x_train[batch])", "model(x_train[batch] + 0.0)")
    _, report, _ = run(tmp_path, changed)
    _, _, rows = run(tmp_path, changed, rows=40, sites=report["sites"])
    assert not [row for row in rows if row["split"] == "held-out"]


def test_rows_that_are_changed_at_random_are_not_evaluated_as_validation_is(tmp_path):
    noisy = LOADED.replace(
        "TensorDataset(x_train, y_train)",
        "type('D', (TensorDataset,), {'__getitem__': lambda self, i: (self.tensors[0][i]"
        " + torch.randn(5), self.tensors[1][i])})(x_train, y_train)",
    )
    _, report, _ = run(tmp_path, noisy)
    assert report["augmented"] and not run(tmp_path, LOADED)[1]["augmented"]
    _, _, rows = run(tmp_path, noisy, rows=40, sites=report["sites"])
    assert rows and not [row for row in rows if row["split"] == "held-out"]


def test_a_buffer_that_a_network_replaces_is_put_back_and_so_is_its_chance(tmp_path):
    replacing = INDEXED.replace(
        "        def forward(self, x):\n",
        "        def forward(self, x):\n"
        "            self.register_buffer('seen', torch.zeros(len(x)), persistent=False)\n"
        "            torch.rand(1)\n",
    )
    assert replacing != INDEXED
    bare, _, _ = run(tmp_path, replacing, bare=True)
    watched, _, _ = run(tmp_path, replacing)
    assert watched == bare


def test_a_network_is_called_twice_once(tmp_path):
    counting = INDEXED.replace(
        "            return self.out(self.dropout(F.relu(self.hidden(x))))",
        "            CALLS.append(self.training)\n"
        "            out = self.out(self.dropout(F.relu(self.hidden(x))))\n"
        "            return out if self.training else (out if len(CALLS) % 2 else out[:, :2])",
    ).replace("class Net", "CALLS = []\n\n\n    class Net")
    counting = counting.replace("print(repr", "print(CALLS.count(False)); print(repr")
    watched, _, _ = run(tmp_path, counting)
    assert int(watched.split()[0]) <= 32


CHAIN = INDEXED.replace(
    "model = Net(5, 8, 3)",
    "model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.1),"
    " nn.Linear(8, 6), nn.LayerNorm(6), nn.ReLU(), nn.Linear(6, 3))",
)


def test_hidden_layers_of_a_chain_are_doubled_as_an_edit_would(tmp_path):
    bare, _, _ = run(tmp_path, CHAIN, bare=True)
    watched, report, _ = run(tmp_path, CHAIN)
    assert watched == bare
    (wider,) = WatchReport.model_validate(report).wider
    sizes = {"0": (5, 16), "1": (16,), "2": (16, 12), "3": (12,), "4": (12, 3)}
    assert (wider.layers, wider.value) == (sizes, 8) and wider.times > 1.5
    asked = {name: list(size) for name, size in sizes.items()}
    changed, probed, _ = run(tmp_path, CHAIN, layers=asked)
    edited = (
        CHAIN.replace("(5, 8)", "(5, 16)").replace("1d(8)", "1d(16)").replace("Norm(6)", "Norm(12)")
    )
    edited = edited.replace("Linear(8, 6)", "Linear(16, 12)").replace("(6, 3)", "(12, 3)")
    assert changed == run(tmp_path, edited, bare=True)[0] != bare
    assert probed["touched"] == 5


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("nn.Linear(5, 8), ", "nn.Linear(5, 8), nn.PReLU(8), "),  # of no known size
        (
            "nn.Linear(5, 8), ",
            "nn.Linear(5, 4), nn.Unflatten(1, (2, 2)), nn.Flatten(), nn.Linear(4, 8), ",
        ),
    ],
)
def test_only_a_chain_whose_sizes_are_known_is_doubled(tmp_path, old, new):
    assert old in CHAIN
    _, report, _ = run(tmp_path, CHAIN.replace(old, new))
    assert report["wider"] == []
