"""A new dataset: its first result must beat the simplest models, and memorize a batch."""

import json

import pytest
from helpers import edit, git, toy_recipe

NUMPY = """\
    import json, sys
    import numpy as np

    args = dict(word.split("=") for word in sys.argv[1:])
    np.random.seed(int(args["seed"]))


    def load_data():
        source = np.random.RandomState(0)
        x = source.normal(size=(240, 4))
        y = (x[:, 0] + x[:, 1] > 0).astype(int)
        return (x[:160], y[:160]), (x[160:], y[160:])


    def features(x):
        return np.c_[x, x[:, :1] * x[:, 1:2], np.ones(len(x))]


    (train_x, train_y), (test_x, test_y) = load_data()
    rows = np.random.choice(len(train_x), 120)
    weights = np.linalg.lstsq(features(train_x[rows]), 2 * train_y[rows] - 1, rcond=1e-6)[0]
    accuracy = float(np.mean((features(test_x) @ weights > 0) == test_y))
    print(f"epoch 1: loss {1 - accuracy}")
    json.dump({"accuracy": accuracy}, open("metrics.json", "w"))
    """

GATES = """
baselines: {script: train.py, loader: load_data, measure: accuracy, overfit_one_batch: 0.75, batch: 16}
"""
SUM, PRODUCT = "x[:, 0] + x[:, 1] > 0", "x[:, 0] * x[:, 1] > 0"


@pytest.fixture(scope="module")
def numpy_recipe(tmp_path_factory):
    return toy_recipe(
        tmp_path_factory.mktemp("recipes") / "numpy",
        {"train.py": NUMPY},
        commands={"train": {"run": "python train.py seed={seed}", "timeout_s": 20}, "smoke": None},
    )


@pytest.fixture
def started(cli, numpy_recipe):
    """A data tweak with the other data in place."""
    project = cli.new(numpy_recipe)
    words = ("--kind", "data", "--bound", "0.99", "--bound-source", "by design", "--margin", "0.01")
    cli("tweak", "start", "product", *words, "--reason", "a test", cwd=project)
    edit(project, "src/train.py", SUM, PRODUCT)
    edit(project, "system.yaml", "name: nothing", "name: products")
    return project


def test_how_to_measure_the_simplest_models_is_asked_for(cli, started):
    refused = cli("verify", code=2, cwd=started)
    assert "loader: load_data" in refused.err and "overfit_one_batch: 0.99" in refused.err


def test_a_system_that_learns_passes(cli, started):
    with (started / "system.yaml").open("a") as file:
        file.write(GATES)
    found = cli("verify", "--json", cwd=started).json
    assert (found["verdict"], found["refusal"]) == ("BETTER", None)
    baselines = {
        f["metric"]: f["verdict"] for f in found["findings"] if f["question"] == "baseline"
    }
    assert baselines == dict.fromkeys(
        ("constant model", "linear model", "zeroed inputs", "one batch overfitted"), "BETTER"
    )
    assert any("away from the bound 0.99 (by design)" in remark for remark in found["remarks"])
    assert {part["group"] for part in found["differences"]} >= {1}
    cli("tweak", "accept", cwd=started)
    evidence = json.loads((started / "evidence/tweak-product.json").read_text())
    assert evidence["baselines"]["simple"]["linear"] < 0.7
    # The next margin is that of the new data.
    cli("tweak", "start", "next", "--reason", "a test", cwd=started)
    assert "of 4 runs of tweak product" in (started / "tweaks/next.yaml").read_text()
    assert git(started, "status", "--porcelain") == ""


def test_a_system_that_learns_nothing_is_refused(cli, started):
    with (started / "system.yaml").open("a") as file:
        file.write(GATES)
    edit(
        started,
        "src/train.py",
        "np.c_[x, x[:, :1] * x[:, 1:2], np.ones(len(x))]",
        "np.c_[x, np.ones(len(x))]",
    )
    found = cli.any_status("verify", "--json", cwd=started)
    assert found.code in (1, 3)
    assert "linear model" in found.json["refusal"]
    assert "does not clearly pass" in cli("tweak", "accept", code=2, cwd=started).err


def test_a_forged_gate_is_found(cli, started):
    from scaffold.project.files import read_record
    from scaffold.project.project import Project
    from scaffold.records.tweak import ChangeEvidence

    with (started / "system.yaml").open("a") as file:
        file.write(GATES)
    edit(
        started,
        "src/train.py",
        "np.c_[x, x[:, :1] * x[:, 1:2], np.ones(len(x))]",
        "np.c_[x, np.ones(len(x))]",
    )
    cli.any_status("verify", "--json", cwd=started)
    path = Project(started).evidence / "tweak-product.json"
    evidence = read_record(ChangeEvidence, path)
    forged = evidence.model_copy(
        update={"judgment": {**evidence.judgment, "verdict": "BETTER", "refusal": None}}
    )
    path.write_text(forged.with_checksum().model_dump_json(by_alias=True))
    assert "but its runs say" in cli("tweak", "accept", code=2, cwd=started).err


@pytest.mark.parametrize(
    "old, new, code, said",
    [
        (
            "script: train.py",
            "script: other.py",
            2,
            "no command of system.yaml runs `python other.py`",
        ),
        (
            "loader: load_data",
            "loader: read_data",
            4,
            "neither defines nor imports a function read_data",
        ),
        ("measure: accuracy", "measure: bleu", 2, "accuracy"),
        ("batch: 16", "batch: 1", 2, "batch"),
    ],
)
def test_wrong_baselines(cli, started, old, new, code, said):
    with (started / "system.yaml").open("a") as file:
        file.write(GATES.replace(old, new))
    assert said in cli("verify", code=code, cwd=started).err
