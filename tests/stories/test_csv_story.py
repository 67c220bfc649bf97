"""One's own table and one's own scikit-learn program: drafted, reproduced, analyzed, remedied."""

import csv
import re
import shutil
import subprocess
import sys
from pathlib import Path

from helpers import Person, git

README = """\
# Digits

    python train.py

The accuracy on validation is {accuracy}.
"""
KNOBS = """\
analysis:
  knobs:
    learning_rate: lr
    capacity: hidden
    regularization: {off: {alpha: 0}, stronger: {alpha: 0.1}}
    train_ids: ids
hyperparameters:
  ids: train.txt"""


def write_table(path):
    from sklearn.datasets import load_digits

    inputs, labels = load_digits(return_X_y=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "label", *(f"p{column}" for column in range(64))])
        for row, (cells, label) in enumerate(zip(inputs, labels, strict=True)):
            writer.writerow([f"d{row}", label, *map(int, cells)])


def own_repository(person):
    """A program, its table with lists of ids, and a README with what it gave."""
    mine = person.folder / "mine"
    shutil.copytree(Path(__file__).parent / "own_program", mine)
    write_table(mine / "digits.csv")
    columns = ("--id", "id", "--label", "label")
    shares = ("--shares", "3,10,47,40")
    person.types("scaffold", "splits", "make", "mine/digits.csv", *columns, *shares, "-o", "lists")
    for name in ("train", "train-dev", "validation"):
        shutil.copy(person.folder / f"lists/{name}.txt", mine)
    done = subprocess.run(
        [sys.executable, "train.py"], cwd=mine, capture_output=True, text=True, check=True
    )
    accuracy = re.search(r"validation: (\S+)", done.stdout)[1]
    (mine / "predictions.csv").unlink()
    (mine / "README.md").write_text(README.format(accuracy=accuracy))
    git(mine, "init", "--quiet")
    git(mine, "add", "--all")
    git(mine, "commit", "--quiet", "--message", "What I have")


def test_too_little_of_ones_own_data_is_named_remedied_and_looked_at(tmp_path):
    here = Person(tmp_path)
    own_repository(here)
    here.types("scaffold", "recipes", "draft", "mine", "-o", "recipe")
    here.types("scaffold", "recipes", "answer", "recipe", "reference.license", "none stated")
    words = ("scaffold", "recipes", "calibrate", "recipe", "--runs", "20")
    trust = here.asks(*words, status=2)["trust"]
    here.types(*words, "--trust", trust)
    here.types("mlloop-new", "digits", "--from", "recipe", "--no-input")

    person = Person(tmp_path / "digits")
    assert person.asks("scaffold", "verify")["verdict"] == "REPRODUCED"
    person.types("scaffold", "tweak", "start", "knobs", "--kind", "neutral", "--margin", "0.01")
    person.edits("system.yaml", "hyperparameters:", KNOBS)
    person.edits("system.yaml", "--steps {steps}", "--steps {steps} --ids {ids}")
    assert person.asks("scaffold", "verify")["verdict"] == "NO_DIFFERENCE"
    person.types("scaffold", "tweak", "accept")

    person.types("scaffold", "goal", "set", "--matters", "0.01", "--why", "one in a hundred")
    person.types("scaffold", "bound", "set", "0.02", "--source", "two readers", "--n", "450")
    analysis = person.asks("scaffold", "analyze", "--budget", "4")
    assert analysis["bottleneck"] == "too little data"
    low, high = analysis["gain_interval"]

    # Of those that were wrong, what were they?
    table = analysis["predictions"]
    sheet = person.asks("scaffold", "errors", "sheet")
    assert sheet["problem"] == "" and sheet["drawn"] > 40
    path = person.folder / "errors/validation.csv"
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    path.write_text("\n".join([lines[0], *(line[:-1] + "smeared," for line in lines[1:31])]) + "\n")
    (tallied,) = person.asks("scaffold", "errors", "tally")["sheets"]
    assert tallied["reviewed"] == 30 and tallied["tags"][0]["tag"] == "smeared"

    # Twice the rows, from those that nobody used; as many steps.
    person.types("scaffold", "tweak", "start", "--remedy", "more-data", "--margin", "0.01")
    rows = person.folder / "src/train.txt"
    more = (tmp_path / "lists/test.txt").read_text().split()[: len(rows.read_text().split())]
    rows.write_text(rows.read_text() + "".join(f"{one}\n" for one in more))
    judged = person.asks("scaffold", "verify")
    assert judged["verdict"] == "BETTER"
    (finding,) = [one for one in judged["findings"] if one["question"] == "change"]
    assert low <= finding["interval"][1] and finding["interval"][0] <= high
    person.types("scaffold", "tweak", "accept")
    person.types("scaffold", "dashboard", "-o", "page.html")
    page = (person.folder / "page.html").read_text()
    assert "more-data" in page and "smeared" in page

    # A bound that is as high as the error leaves nothing to gain.
    person.types("scaffold", "bound", "set", "0.14", "--source", "two tired readers", "--n", "450")
    assert person.asks("scaffold", "analyze", table, status=0)["bottleneck"] == "healthy"
