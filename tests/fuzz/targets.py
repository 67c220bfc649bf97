"""What is fed with arbitrary bytes: by hypothesis in the tests, by coverage in `make fuzz`.

Each may only refuse.
"""

import atexit
import contextlib
import math
import shutil
import tempfile
from pathlib import Path

import yaml
from helpers import TOY_RECIPE, merged

from scaffold.errors import BrokenFileError, MachineError, ProjectError, RunError
from scaffold.project.project import Project
from scaffold.records.metric import Metric
from scaffold.records.parsing import parse_record
from scaffold.records.recipe import Recipe
from scaffold.reproduce.evidence import read_evidence
from scaffold.running.denials import read_reports
from scaffold.running.readers import read_metric

FOLDER = Path(tempfile.mkdtemp(prefix="scaffold-fuzz-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
RECIPE = yaml.safe_dump(
    merged(TOY_RECIPE, {"reference": {"tree": "0" * 40}}), sort_keys=False
).encode()

READS = {
    "stdout": ({"stdout": r"(step (?P<step>\S+))?.*loss[ =:]+(?P<value>\S+)"}, "0-train.out"),
    "json": ({"json": "left.json", "key": "a.0.b", "step_key": "step"}, "left.json"),
    "csv": ({"csv": "left.csv", "column": "loss", "step_column": "step"}, "left.csv"),
    "tensorboard": ({"tensorboard": "events", "tag": "loss"}, "events/x.tfevents.1"),
    "trainer_state": ({"trainer_state": "trainer_state.json", "key": "loss"}, "trainer_state.json"),
}
TAKES = ("last", "first", "max", "min", {"nth": 2}, {"step": 3})


def _reads(name: str, content: bytes) -> None:
    read, file = READS[name]
    path = FOLDER / file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    for take in TAKES:
        metric = Metric(name="loss", split="t", direction="lower", unit="nat", read=read, take=take)
        try:
            value, points = read_metric(metric, FOLDER, FOLDER)
        except RunError:
            continue
        assert (
            math.isfinite(value.value)
            and math.isfinite(value.half_digit)
            and value.half_digit >= 0
            and points
        )


def stdout(content: bytes) -> None:
    """Lines with numbers."""
    _reads("stdout", content)


def json(content: bytes) -> None:
    """One document, or one a line."""
    _reads("json", content)


def csv(content: bytes) -> None:
    """Rows."""
    _reads("csv", content)


def tensorboard(content: bytes) -> None:
    """Records of events."""
    _reads("tensorboard", content)


def trainer_state(content: bytes) -> None:
    """log_history."""
    _reads("trainer_state", content)


def recipe(content: bytes) -> None:
    """A recipe's text."""
    try:
        parse_record(Recipe, content.decode(errors="replace"), source="recipe.yaml")
    except BrokenFileError as error:
        assert error.problems and all(problem.line >= 1 for problem in error.problems)


def evidence(content: bytes) -> None:
    """evidence/reproduce.json."""
    project = Project(FOLDER)
    project.reproduction.parent.mkdir(exist_ok=True)
    project.reproduction.write_bytes(content)
    with contextlib.suppress(BrokenFileError, ProjectError, MachineError):
        read_evidence(project)


def reports(content: bytes) -> None:
    """What the shim left, or someone in its place."""
    folder = FOLDER / "seeding"
    folder.mkdir(exist_ok=True)
    (folder / "1.json").write_bytes(content)
    seen = read_reports(folder)
    targets = [attempt.target for attempt in seen.attempts]
    assert all(
        text.isprintable() for texts in (*seen.seeding.calls.values(), targets) for text in texts
    )


TARGETS = {
    function.__name__: function
    for function in (stdout, json, csv, tensorboard, trainer_state, recipe, evidence, reports)
}
