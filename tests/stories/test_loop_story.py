"""One round of the loop on digits-cnn with 3 % of its data, typed as a user would type it."""

import json
import subprocess
import sys
from pathlib import Path

from helpers import Person


def replace(path, *pairs):
    text = path.read_text()
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text)


def test_too_little_data_is_named_remedied_and_measured(tmp_path):
    Person(tmp_path).types("mlloop-new", "mine", "--from", "digits-cnn", "--no-input")
    person = Person(tmp_path / "mine")
    train, system = person.folder / "src/train.py", person.folder / "system.yaml"
    person.types("scaffold", "verify")
    reason = ("--reason", "what a new user has", "--kind", "improve", "--margin", "0.01")
    person.types("scaffold", "tweak", "start", "small", *reason)
    replace(
        train,
        ("(images[:split], labels[:split]), ", "(images[:ROWS], labels[:ROWS]), "),
        ("TEST_EXAMPLES = 450", "ROWS = 40\nTEST_EXAMPLES = 450"),
    )
    # 400 steps, as the reference has 420.
    replace(system, ("epochs: 20", "epochs: 200"), ("batch_size: 64", "batch_size: 20"))
    person.types("scaffold", "verify", status=1)
    person.types("scaffold", "tweak", "accept", "--reason", "the story starts here")

    # Analyze: the bottleneck, with a forecast.
    person.types("scaffold", "goal", "set", "--matters", "0.01", "--why", "one in a hundred")
    person.types("scaffold", "bound", "set", "0.015", "--source", "two readers", "--n", "450")
    analysis = person.asks("scaffold", "analyze", "--budget", "4")
    assert analysis["bottleneck"] == "too little data"
    assert "more-data" in [remedy["id"] for remedy in analysis["remedies"]]
    low, high = analysis["gain_interval"]

    # Select and implement: twice the rows, as many steps.
    person.types("scaffold", "tweak", "start", "--remedy", "more-data")
    replace(train, ("ROWS = 40", "ROWS = 80"))
    replace(system, ("epochs: 200", "epochs: 100"))

    # Measure: it gains what was forecast. Where arithmetic differs, 28 pairs may leave it open.
    done = subprocess.run(
        [Path(sys.executable).parent / "scaffold", "verify", "--json"],
        cwd=person.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    answer = json.loads(done.stdout)
    assert (answer["verdict"], done.returncode) in (("BETTER", 0), ("UNDECIDED", 3))
    (finding,) = [one for one in answer["findings"] if one["question"] == "change"]
    assert low <= finding["interval"][1] and finding["interval"][0] <= high
    person.types("scaffold", "tweak", "accept", "--reason", "as forecast")
    page = (person.folder / "journal/more-data.md").read_text()
    assert "bottleneck: too little data" in page and answer["verdict"] in page
    assert person.asks("scaffold", "next")["command"] == "scaffold analyze"
    person.types("scaffold", "dashboard", "-o", "page.html")
    assert "more-data" in (person.folder / "page.html").read_text()
    steps = person.asks("scaffold", "log")["steps"]
    assert [step["name"] for step in steps] == ["digits-cnn", "small", "more-data"]
    subprocess.run(
        ["git", "diff", "--exit-code", "HEAD", "--", "src"], cwd=person.folder, check=True
    )
    assert json.loads((person.folder / "evidence/tweak-more-data.json").read_text())["decision"]
