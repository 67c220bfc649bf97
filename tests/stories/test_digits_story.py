"""The whole way on digits-cnn, typed as a user would type it.

One test: each chapter starts where the last ended.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import Person, git

BIN = Path(sys.executable).parent


BREAST_CANCER = '''def load_data():
    """Features as images of 8x8, the rest zero, and labels: train, then test."""
    data = load_breast_cancer()
    features = (data.data - data.data.mean(0)) / data.data.std(0)
    order = np.random.RandomState(7).permutation(len(features))
    images = np.zeros((len(features), 64), dtype=np.float32)
    images[:, : features.shape[1]] = features[order]
    images = torch.tensor(images).reshape(-1, 1, 8, 8)
    labels = torch.tensor(data.target[order])
    split = len(labels) - TEST_EXAMPLES
    return (images[:split], labels[:split]), (images[split:], labels[split:])


'''

GATES = """
baselines:
  script: train.py
  loader: load_data
  measure: accuracy
  overfit_one_batch: 0.99
"""


def swap_data(person: Person) -> None:
    train = person.folder / "src" / "train.py"
    text = train.read_text()
    text = re.sub(
        r"def load_data.*?(?=def augment)", lambda _: BREAST_CANCER, text, flags=re.DOTALL
    )
    text = text.replace("import load_digits", "import load_breast_cancer")
    train.write_text(text.replace("TEST_EXAMPLES = 450", "TEST_EXAMPLES = 143"))
    system = person.folder / "system.yaml"
    text = (
        system.read_text()
        .replace("- name: digits", "- name: breast_cancer")
        .replace("load_digits", "load_breast_cancer")
    )
    system.write_text(
        text.replace("splits: {train: 1347, test: 450}", "splits: {train: 426, test: 143}") + GATES
    )


@pytest.fixture
def person(tmp_path):
    Person(tmp_path).types("mlloop-new", "mine", "--from", "digits-cnn", "--no-input")
    return Person(tmp_path / "mine")


def test_the_whole_way(person):
    # Nothing may change before the reference was reproduced.
    person.types("scaffold", "tweak", "start", "early", status=2)
    person.types("scaffold", "verify")
    assert person.asks("scaffold", "next")["command"] == "scaffold tweak start short-mode"

    # A neutral change: the same program, written in other words.
    person.types("scaffold", "tweak", "start", "rename", "--kind", "neutral")
    assert git(person.folder, "rev-parse", "main:src") == git(
        person.folder, "rev-parse", "main:reference"
    )
    person.types("scaffold", "verify", status=2)  # nothing has changed yet
    train = person.folder / "src" / "train.py"
    train.write_text(train.read_text().replace("padded", "bordered"))
    found = person.asks("scaffold", "verify")
    assert (found["verdict"], found["refusal"]) == ("NO_DIFFERENCE", None)
    assert [part["name"] for part in found["differences"]] == ["train.py:augment"]
    assert person.asks("scaffold", "next")["command"] == "scaffold tweak accept"
    person.types("scaffold", "tweak", "accept")
    assert git(person.folder, "rev-parse", "milestone/tweak-rename") == git(
        person.folder, "rev-parse", "HEAD"
    )

    # A short mode, whose conclusions hold: a far too small learning rate is worse in both.
    person.types("scaffold", "tweak", "start", "short-mode", "--probe", "learning_rate=0.0003")
    person.edits("system.yaml", "  epochs: 20", "  epochs: 5")
    found = person.asks("scaffold", "verify")
    assert found["refusal"] is None, found
    assert {f["verdict"] for f in found["findings"] if f["question"] == "probe"} == {
        "NO_DIFFERENCE"
    }
    person.types("scaffold", "tweak", "accept")

    # A planted regression that claims to be neutral: found, refused, dropped; main is as it was.
    before = person.main_tree()
    person.types("scaffold", "tweak", "start", "faster-decay", "--kind", "neutral")
    person.edits("src/train.py", "lr=args.learning_rate,", "lr=args.learning_rate / 8,")
    found = person.asks("scaffold", "verify", status=1)
    assert found["verdict"] == "WORSE"
    assert "NO_DIFFERENCE" in found["refusal"]
    person.types("scaffold", "tweak", "accept", status=2)
    person.types("scaffold", "tweak", "drop")
    assert person.main_tree() == before
    assert (
        json.loads((person.folder / "evidence" / "tweak-faster-decay.json").read_text())["decision"]
        == "dropped"
    )
    assert "args.learning_rate / 8" in git(
        person.folder, "show", "dropped/faster-decay:src/train.py"
    )

    # An improvement: back to the full length, whose runs are there since the short mode was judged.
    person.types("scaffold", "tweak", "start", "longer", "--margin", "0.005")
    person.edits("system.yaml", "  epochs: 5", "  epochs: 20")
    found = person.asks("scaffold", "verify")
    assert (found["verdict"], found["refusal"]) == ("BETTER", None)
    person.types("scaffold", "tweak", "accept")

    # New data: the published claim no longer applies, the simplest models must be beaten.
    # The bound is asked for.
    person.types("scaffold", "tweak", "start", "your-data", "--json", status=2)
    person.types("scaffold", "tweak", "start", "your-data", "--bound", "unknown")
    swap_data(person)
    found = person.asks("scaffold", "verify")
    baselines = {
        f["metric"]: f["verdict"] for f in found["findings"] if f["question"] == "baseline"
    }
    assert baselines == dict.fromkeys(
        ("constant model", "linear model", "zeroed inputs", "one batch overfitted"), "BETTER"
    )
    person.types("scaffold", "tweak", "accept")
    assert {row["state"] for row in person.asks("scaffold", "tweak", "list")["tweaks"]} == {
        "accepted",
        "dropped",
        "suggested",
    }

    # Ten commits past the scaffold, one of which loses much: found by halving, without a checkout.
    for number in range(1, 11):
        if number == 7:
            person.edits(
                "src/train.py",
                "labels = torch.tensor(data.target[order])",
                "labels = torch.tensor(np.where(order % 3, data.target[order], 0))",
            )
        else:
            person.edits("src/train.py", "One file, no options", f"({number}) One file, no options")
        git(person.folder, "commit", "--all", "--quiet", "-m", f"step {number}")
    assert person.asks("scaffold", "next")["command"].startswith("scaffold tweak start")
    refused = person.asks("scaffold", "bisect", "test_accuracy", "--margin", "0.05", status=2)
    found = person.asks(
        "scaffold", "bisect", "test_accuracy", "--margin", "0.05", "--trust", refused["trust"]
    )
    assert found["step"].endswith("step 7")
    assert found["certain"]
    git(person.folder, "revert", "--no-edit", found["commit"])

    # The tests ask for the commits that nobody judged; all else passes, and all without the
    # scaffold.
    told = person.types("pytest", "-q", status=1)
    assert "src/train.py differ from all that was judged" in told and "1 failed, 6 passed" in told
    person.types("scaffold", "eject", "--yes")
    bare = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:scaffold"],
        cwd=person.folder,
        capture_output=True,
        text=True,
        env=bare,
    )
    assert done.returncode == 0, done.stdout
    assert "scaffold" not in (person.folder / "README.md").read_text()
