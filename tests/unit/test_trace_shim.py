"""What the tracer sees of programs that do things differently, fed with the same reference."""

import pytest
from helpers import NETWORK, trace_program

from scaffold.records.judgment import Verdict
from scaffold.rules.parity.checks import first_difference
from scaffold.rules.parity.compare import compare_command
from scaffold.rules.parity.weight_maps import parse_weights
from scaffold.tracing.compare import _compared


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden")
    return folder / "own" / "trace", {"own": trace_program(folder / "own")}


def rewritten(*edits):
    program = NETWORK
    for old, new in edits:
        assert old in program, old
        program = program.replace(old, new)
    return program


@pytest.fixture
def compare(golden, tmp_path):
    def compared(*edits, **asked):
        found = {"own": trace_program(tmp_path / "found", rewritten(*edits), golden[0], **asked)}
        return {check.name: check for check in compare_command(golden[1], found)}

    return compared


def first(checks):
    return first_difference(list(checks.values()))


FORWARD = "return self.last(self.dropout(F.relu(self.norm(self.first(x)))))"

EQUAL = {
    "in-place modules": [
        (FORWARD, "return self.last(self.dropout(self.relu(self.norm(self.first(x)))))"),
        (
            "self.last = nn.Linear(12, 3)",
            "self.last = nn.Linear(12, 3)\n        self.relu = nn.ReLU(inplace=True)",
        ),
    ],
    "a mask of one's own": [
        (
            "self.dropout(F.relu(self.norm(self.first(x))))",
            "own(F.relu(self.norm(self.first(x))), self)",
        ),
        (
            "class Net",
            "def own(h, net):\n    if not net.training:\n        return h\n"
            "    return h * (torch.rand_like(h) >= 0.25) / 0.75\n\n\nclass Net",
        ),
    ],
    "gradients by torch.autograd.grad": [
        (
            "loss.backward()",
            "for p, g in zip(model.parameters(), torch.autograd.grad("
            "loss, list(model.parameters()))):\n            p.grad = g",
        )
    ],
    "an update loop of one's own": [
        (
            "optimizer.step()",
            "update(list(model.parameters()), optimizer.param_groups[0]['lr'], at // 16 + 4 * epoch + 1)",
        ),
        (
            "torch.manual_seed(0)",
            "STATE = {}\n\n\n@torch.no_grad()\ndef update(parameters, rate, t):\n"
            "    for i, p in enumerate(parameters):\n"
            "        m, v = STATE.setdefault(i, [torch.zeros_like(p), torch.zeros_like(p)])\n"
            "        p.mul_(1 - rate * 0.1)\n        m.lerp_(p.grad, 0.1)\n        v.lerp_(p.grad.square(), 0.001)\n"
            "        p.sub_(rate * (m / (1 - 0.9 ** t)) / ((v / (1 - 0.999 ** t)).sqrt() + 1e-8))\n\n\n"
            "torch.manual_seed(0)",
        ),
    ],
    "a loss of one's own": [
        (
            "F.cross_entropy(model(x[rows]), y[rows])",
            "-model(x[rows]).log_softmax(1).gather(1, y[rows][:, None]).mean()",
        )
    ],
    "another size of the evaluation's batches": [
        ("logits = model(x)", "logits = torch.cat([model(x[:20]), model(x[20:])])")
    ],
}


@pytest.mark.parametrize("name", EQUAL)
def test_an_equal_rewrite_is_equal(compare, name):
    checks = compare(*EQUAL[name])
    assert first(checks) is None, first(checks)
    assert checks["forward_train"].verdict is Verdict.EQUAL


def test_a_mask_that_keeps_what_is_below_needs_mirrored_numbers(compare):
    edits = [
        (
            "self.dropout(F.relu(self.norm(self.first(x))))",
            "own(F.relu(self.norm(self.first(x))), self)",
        ),
        (
            "class Net",
            "def own(h, net):\n    if not net.training:\n        return h\n"
            "    return h * (torch.rand_like(h) < 0.75) / 0.75\n\n\nclass Net",
        ),
    ]
    assert first(compare(*edits, flip=True)) is None


FAULTS = {
    "forward_eval": [("nn.BatchNorm1d(12)", "nn.BatchNorm1d(12, eps=1e-3)")],
    "gradients": [("        optimizer.zero_grad()\n", "")],
    "schedule": [
        ("        schedule.step()\n", ""),
        ("    test_loss, accuracy", "    schedule.step()\n    test_loss, accuracy"),
    ],
    "evaluation": [("    model.eval()\n", "")],
    "loss": [
        (
            "F.cross_entropy(model(x[rows]), y[rows])",
            "F.cross_entropy(model(x[rows]), y[rows], label_smoothing=1e-3)",
        )
    ],
    "optimizer": [
        ("clip_grad_norm_(model.parameters(), 1.0)", "clip_grad_norm_(model.parameters(), 2.0)")
    ],
    "dropout": [("nn.Dropout(0.25)", "nn.Dropout(0.2)")],
    "buffers": [("nn.BatchNorm1d(12)", "nn.BatchNorm1d(12, momentum=0.2)")],
    "batches": [("order = torch.randperm(64)", "order = torch.arange(64)")],
    "budget": [("range(5)", "range(4)")],
    "reporting": [("total / 4", "total / 64")],
    "parameters": [("weight_decay=0.1", "weight_decay=0.2")],
    "initialization": [
        (
            "        self.last = nn.Linear(12, 3)\n",
            "        self.last = nn.Linear(12, 3)\n        nn.init.zeros_(self.last.bias)\n",
        )
    ],
    "data": [
        (
            "y = torch.randn(96, 6), torch.randint(0, 3, (96,))",
            "y = torch.randn(96, 6) * 2, torch.randint(0, 3, (96,))",
        )
    ],
}


@pytest.mark.parametrize("check", FAULTS)
def test_a_fault_is_seen_at_its_check(compare, check):
    assert first(compare(*FAULTS[check])).name == check


LATE = {
    "gradients": [
        (
            "        optimizer.zero_grad()\n",
            "        if epoch < 1:\n            optimizer.zero_grad()\n",
        )
    ],
    "forward_train": [
        (
            "    order = torch.randperm(64)\n",
            "    order = torch.randperm(64)\n    model.dropout.eval() if epoch > 2 else None\n",
        )
    ],
    "loss": [
        (
            "loss = F.cross_entropy(model(x[rows]), y[rows])",
            "loss = F.cross_entropy(model(x[rows]), y[rows], label_smoothing=0.1 * (epoch > 2))",
        )
    ],
}


@pytest.mark.parametrize("check", LATE)
def test_what_acts_late_is_seen(compare, check):
    found = first(compare(*LATE[check]))
    assert found.name in (check, "dropout") and found.address.step >= 4, found


def test_a_module_that_is_called_several_times_is_kept_apart_by_call(tmp_path):
    program = rewritten(
        ("self.last(self.dropout(", "self.last(self.again("),
        (
            "    def forward",
            "    def again(self, h):\n        return self.dropout(self.dropout(h))\n\n    def forward",
        ),
    )
    golden = trace_program(tmp_path / "golden", program)
    calls = {e["call"] for e in golden.index["entries"] if e["module"] == "model.dropout"}
    assert calls == {0, 1}
    found = trace_program(tmp_path / "found", program, tmp_path / "golden" / "trace")
    assert first_difference(compare_command({"own": golden}, {"own": found})) is None


def test_outputs_that_are_no_tensors_are_said_and_structures_compared(tmp_path):
    program = rewritten(
        ("    def forward", "    def words(self):\n        return None\n\n    def forward"),
        (
            FORWARD,
            "return {'logits': " + FORWARD.removeprefix("return ") + ", 'note': self.tag('net')}",
        ),
        ("self.last = nn.Linear(12, 3)", "self.last = nn.Linear(12, 3)\n        self.tag = Tag()"),
        (
            "class Net",
            "class Tag(nn.Module):\n    def forward(self, text):\n        return text\n\n\nclass Net",
        ),
        ("model(x[rows])", "model(x[rows])['logits']"),
        ("logits = model(x)", "logits = model(x)['logits']"),
    )
    golden = trace_program(tmp_path / "golden", program)
    assert {"output['logits']"} == {
        e["aspect"]
        for e in golden.index["entries"]
        if e["module"] == "model" and e["aspect"].startswith("output")
    }
    said = {(note["check"], note["text"]) for note in golden.index["notes"]}
    assert ("forward_eval", "model.tag gives no tensors, but str: not compared") in said


def test_randomness_inside_a_network_is_named(tmp_path):
    program = rewritten((FORWARD, "x = x + 0.1 * torch.randint(0, 2, x.shape)\n        " + FORWARD))
    golden = trace_program(tmp_path / "golden", program)
    assert ("torch.randint", "model") in golden.index["drawn"]


def test_weights_of_other_names_are_read_by_their_map(golden, tmp_path):
    program = rewritten(
        (
            "self.first = nn.Linear(6, 12)",
            "self.weight = nn.Parameter(torch.empty(6, 12).uniform_(-0.4, 0.4))\n"
            "        self.bias = nn.Parameter(torch.empty(12).uniform_(-0.4, 0.4))",
        ),
        ("self.first(x)", "x @ self.weight + self.bias"),
    )
    found = trace_program(tmp_path / "unmapped", program, golden[0])
    assert found.index["ended"] == "unmatched" and found.index["unmatched"]["extra"] == [
        "model.weight",
        "model.bias",
    ]
    weights = parse_weights(
        {"model.weight": "model.first.weight | transpose", "model.bias": "model.first.bias"}
    )
    found = trace_program(tmp_path / "found", program, golden[0], weights=weights)
    checks = compare_command(golden[1], {"own": found})
    assert first_difference(checks) is None, first_difference(checks)


def test_a_program_that_trains_in_evaluation_mode_is_followed_by_its_gradients(tmp_path):
    program = rewritten(
        ("model = Net()\n", "model = Net()\nmodel.eval()\n"), ("    model.train()\n", "")
    )
    plain = trace_program(tmp_path / "plain", program)
    assert plain.index["trained_in_evaluation"] == 0
    golden = trace_program(tmp_path / "golden", program, by_gradient=True)
    assert "trained_in_evaluation" not in golden.index and golden.index["steps"] == 20
    found = trace_program(tmp_path / "found", program, tmp_path / "golden" / "trace")
    assert first_difference(compare_command({"own": golden}, {"own": found})) is None


def test_float64_is_had_without_the_programs_help(tmp_path):
    program = rewritten(
        ("x, y = torch.randn(96, 6)", "x, y = torch.randn(96, 6).float().to(torch.float32)")
    )
    wide = trace_program(tmp_path / "wide", program, dtype="float64")
    assert {e["dtype"] for e in wide.index["entries"] if e["check"] == "forward_train"} == {
        "float64"
    }
    assert wide.index["ended"] == "done"


def test_another_network_without_gradients_before_backward_hides_nothing(tmp_path):
    target = [
        ("optimizer = torch", "target = Net().eval()\noptimizer = torch"),
        (
            "        optimizer.zero_grad()\n        loss.backward()",
            "        with torch.no_grad():\n            target(x[rows])\n"
            "        optimizer.zero_grad()\n        loss.backward()",
        ),
    ]
    golden = trace_program(tmp_path / "golden", rewritten(*target))
    assert "trained_in_evaluation" not in golden.index
    checks = {e["check"] for e in golden.index["entries"]}
    assert {"loss", "gradients", "optimizer"} <= checks
    scaled = rewritten(*target).replace(
        "loss = F.cross_entropy(model(x[rows]), y[rows])",
        "loss = 3 * F.cross_entropy(model(x[rows]), y[rows])",
    )
    found = trace_program(tmp_path / "found", scaled, tmp_path / "golden" / "trace")
    assert first_difference(compare_command({"own": golden}, {"own": found})).name == "loss"


def test_a_child_that_calls_a_network_is_not_taken_for_its_parent(tmp_path):
    child = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import torch; torch.nn.Linear(2, 2)(torch.ones(1, 2))'], check=True)\n"
    program = rewritten(
        (
            "    test_loss, accuracy",
            "    " + child.replace("\n", "; ").rstrip("; ") + "\n    test_loss, accuracy",
        )
    )
    golden = trace_program(tmp_path / "golden", program)
    assert golden.index["steps"] == 20 and {
        p.name for p in (tmp_path / "golden" / "trace").iterdir()
    } >= {"train"}
    assert not (tmp_path / "golden" / "trace" / "train-2").exists()


TWO = rewritten(
    ("model = Net()\n", "model = Net()\nhelper = nn.Linear(6, 6)\n"),
    ("logits = model(x)", "logits = model(helper(x))"),
    ("model(x[rows])", "model(helper(x[rows]))"),
    ("AdamW(model.parameters()", "AdamW([*model.parameters(), *helper.parameters()]"),
)
FIRST_CALLS = "loss = %s(x[:8]).sum() * 0 + %s(x[:8]).sum() * 0\nfor epoch in range(5):\n"


def compare_programs(tmp_path, reference, own):
    golden = trace_program(tmp_path / "golden", reference)
    found = trace_program(tmp_path / "found", own, tmp_path / "golden" / "trace")
    return _compared({"own": {"train": golden}}, {"own": {"train": found}}, "rewrite x", "program")


def test_networks_that_are_called_in_another_order_are_compared_by_name(tmp_path):
    one, other = (
        TWO.replace("for epoch in range(5):\n", FIRST_CALLS % names)
        for names in (("helper", "model"), ("model", "helper"))
    )
    checks = compare_programs(tmp_path, one, other)
    assert first_difference(checks) is None
    compared = {check.name: check.compared for check in checks}
    assert compared["initialization"] == compared["parameters"] == 8


def test_a_network_that_is_not_called_any_more_is_a_difference(tmp_path):
    checks = {check.name: check for check in compare_programs(tmp_path, TWO, NETWORK)}
    assert checks["parameters"].reason == "1 networks are trained instead of 2"
