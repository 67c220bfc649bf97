"""The driver that wraps a training script's loader: zeroed inputs, one batch, simple models."""

import json
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from helpers import write_tree

import scaffold.running.shim as shim

DRIVER = Path(shim.__path__[0]) / "_scaffold_baselines.py"

SCRIPT = """\
    import sys
    import numpy as np


    def load_data():
        generator = np.random.RandomState(0)
        x = generator.normal(size=(200, 3, 2))
        y = (x.reshape(200, -1).sum(1) > 0.7).astype(int)
        return (x[:150], y[:150]), (x[150:], y[150:])


    (train_x, train_y), (test_x, test_y) = load_data()
    if __name__ == "__main__":
        print(sys.argv, __file__, float(abs(train_x).sum()), float(abs(test_x).sum()), len(train_x), len(test_x))
        print(len({tuple(row) for row in train_x.reshape(len(train_x), -1).tolist()}))
    """


def drive(
    folder, mode, script=SCRIPT, loader="load_data", measure="accuracy", files=None, status=0
):
    write_tree(folder, {"train.py": script, **(files or {})})
    verdicts = [mode, loader, "8", measure, "train.py", "--seed", "3"]
    done = subprocess.run(
        [sys.executable, DRIVER, *verdicts], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == status, done.stderr
    return done


def test_inputs_are_zeroed_in_both_splits(tmp_path):
    first = drive(tmp_path, "zeroed").stdout.splitlines()[0]
    assert first == "['train.py', '--seed', '3'] train.py 0.0 0.0 150 50"


def test_one_batch_stands_for_all(tmp_path):
    lines = drive(tmp_path, "memorize").stdout.splitlines()
    assert lines[0].endswith("150 8")
    assert lines[1] == "8"


def test_simple_models_end_the_script(tmp_path):
    done = drive(tmp_path, "simple")
    assert done.stdout == ""
    found = json.loads((tmp_path / "baselines.json").read_text())
    assert found["constant"] == pytest.approx(0.58, abs=0.15)
    assert found["linear"] > 0.8 > found["constant"]
    error = json.loads(
        (drive(tmp_path, "simple", measure="error") and tmp_path / "baselines.json").read_text()
    )
    assert error["linear"] == pytest.approx(1 - found["linear"])


@pytest.mark.parametrize(
    "measure, constant", [("mean_squared_error", 2.0), ("mean_absolute_error", 1.1)]
)
def test_simple_models_of_numbers(tmp_path, measure, constant):
    script = SCRIPT.replace("(x.reshape(200, -1).sum(1) > 0.7).astype(int)", "x[:, 0, 0] * 2**0.5")
    drive(tmp_path, "simple", script, measure=measure)
    found = json.loads((tmp_path / "baselines.json").read_text())
    assert found["linear"] < 0.1
    assert found["constant"] == pytest.approx(constant, rel=0.5)


def test_tensors_work_as_well(tmp_path):
    pytest.importorskip("torch")
    script = SCRIPT.replace("import numpy as np", "import numpy as np, torch").replace(
        "return (x[:150]", "x, y = torch.tensor(x), torch.tensor(y)\n        return (x[:150]"
    )
    drive(tmp_path, "simple", script)
    assert json.loads((tmp_path / "baselines.json").read_text())["linear"] > 0.8
    assert drive(tmp_path, "memorize", script).stdout.splitlines()[1] == "8"


def test_an_imported_loader(tmp_path):
    body = (
        "import numpy as np\ndef load(): return (np.ones((4, 2)), np.ones(4)), (np.ones((2, 2)),"
        " np.ones(2))\n"
    )
    script = "from reader import load as load_data\n(x, _), _ = load_data()\nprint(x.sum())\n"
    assert drive(tmp_path, "zeroed", script, files={"reader.py": body}).stdout == "0.0\n"


@pytest.mark.parametrize(
    "script, said",
    [
        ("x = 1\n", "train.py neither defines nor imports a function load_data"),
        (
            "def load_data(): return 1\nload_data()\n",
            "load_data does not return (inputs, targets), (inputs, targets)",
        ),
        ("def load_data(): return 1, 2, 3\nload_data()\n", "does not return"),
    ],
)
def test_what_cannot_be_wrapped_is_said(tmp_path, script, said):
    assert said in drive(tmp_path, "simple", script, status=1).stderr


def test_the_linear_model_is_least_squares(tmp_path):
    """With next to no shrinking it is numpy's own fit."""
    sys.path.insert(0, str(DRIVER.parent))
    try:
        import _scaffold_baselines as baseline
    finally:
        sys.path.pop(0)
    generator = numpy.random.default_rng(1)
    x, noise = generator.normal(size=(500, 4)), generator.normal(size=600)
    more = generator.normal(size=(100, 4))
    weights = numpy.array([1.0, -2.0, 0.5, 3.0])
    y, test_y = x @ weights + noise[:500], more @ weights + noise[500:]
    found = baseline.simple_models(x, y, more, test_y, "mean_squared_error")
    plain = numpy.linalg.lstsq(numpy.c_[x, numpy.ones(500)], y, rcond=None)[0]
    expected = numpy.mean((numpy.c_[more, numpy.ones(100)] @ plain - test_y) ** 2)
    assert found["linear"] == pytest.approx(expected, rel=0.01)
    assert found["constant"] == pytest.approx(numpy.mean((test_y - y.mean()) ** 2))
