"""A program knows where its trace is written.

And a project that was handed over brings its golden traces.
"""

import json
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from helpers import NETWORK, trace_program, write_tree

from scaffold.errors import ProjectError, RunError
from scaffold.project.digests import file_digest
from scaffold.project.files import record_text
from scaffold.records import trace as records
from scaffold.records.tweak import GoldenAbout, GoldenTrace
from scaffold.running import tracing
from scaffold.running.shim._scaffold_trace import options, store
from scaffold.running.shim._scaffold_trace.store import write_safetensors
from scaffold.running.tracing import _read_safetensors, read_traces
from scaffold.tracing.compare import _compared
from scaffold.tracing.golden import read_golden

INDEX = json.dumps(
    {
        "format": 1,
        "kind": "functions",
        "entries": [],
        "notes": [],
        "facts": {},
        "networks": [],
        "counts": {},
        "callers": {},
        "unread": {},
        "steering": [],
        "generators": [],
    }
)
TENSORS = (2).to_bytes(8, "little") + b"{}"


def a_trace(folder, index=INDEX, tensors=TENSORS):
    write_tree(folder, {"train/index.json": index, "train/tensors.safetensors": tensors})
    return folder


def a_golden_trace(folder):
    a_trace(folder / "own")
    files = {
        f"own/train/{name}": file_digest(folder / "own/train" / name)
        for name in ("index.json", "tensors.safetensors")
    }
    about = GoldenAbout(
        snapshot="0" * 40,
        kinds=("own",),
        metrics={},
        full_metrics={},
        left_out=(),
        packages=(),
        files=files,
    )
    (folder / "about.json").write_text(record_text(about))
    return GoldenTrace(name="0" * 12, sha256=file_digest(folder / "about.json"))


def test_another_golden_trace_is_not_the_one_of_the_start(tmp_path):
    expected = a_golden_trace(tmp_path / "golden")
    read_golden(tmp_path / "golden", expected)
    about = tmp_path / "golden/about.json"
    about.write_text(about.read_text().replace('"functions": false', '"functions": true'))
    with pytest.raises(ProjectError, match="is not what the rewrite was started with"):
        read_golden(tmp_path / "golden", expected)


def test_an_edited_golden_trace_is_refused(tmp_path):
    expected = a_golden_trace(tmp_path / "golden")
    (tmp_path / "golden/own/train/index.json").write_text(INDEX.replace("{}", '{"loss": 1}'))
    with pytest.raises(
        ProjectError, match=r"was edited after it was recorded: own/train/index\.json"
    ):
        read_golden(tmp_path / "golden", expected)


def test_a_trace_that_is_a_link_is_not_followed(tmp_path):
    write_tree(tmp_path, {"secret.json": INDEX})
    folder = a_trace(tmp_path / "trace")
    (folder / "train/index.json").unlink()
    (folder / "train/index.json").symlink_to(tmp_path / "secret.json")
    with pytest.raises(RunError, match="is not a trace"):
        read_traces(folder)


def test_a_trace_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(tracing, "MOST_BYTES", 20)
    with pytest.raises(RunError, match="larger than"):
        read_traces(a_trace(tmp_path / "trace"))


def header(**entry):
    text = json.dumps(
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **entry}}
    ).encode()
    return len(text).to_bytes(8, "little") + text + b"\0" * 8


def changed(**keys):
    return json.dumps({**json.loads(INDEX), **keys})


@pytest.mark.parametrize(
    ("index", "tensors", "reason"),
    [
        ("no json", TENSORS, "Invalid JSON"),
        ("[]", TENSORS, "should be an object"),
        (changed(format=2), TENSORS, "format: Input should be 1"),
        ("[" * 100000, TENSORS, "recursion limit"),
        (changed(entries=[1]), TENSORS, "entries.0: Input should be an object"),
        (changed(counts={"fit": "3"}), TENSORS, "counts.fit: Input should be a valid integer"),
        (changed(verdict="EQUAL"), TENSORS, "verdict: Extra inputs are not permitted"),
        (INDEX.replace('"kind": "functions", ', ""), TENSORS, "it has no steps, updates, bursts"),
        (INDEX.replace(', "callers": {}, "unread": {}', ""), TENSORS, "it has no callers"),
        (INDEX, b"", "header too small"),
        (INDEX, (1 << 62).to_bytes(8, "little") + b"{}", "header too large"),
        (INDEX, header(dtype="pickle"), "pickle"),
        (INDEX, header(shape=[3]), "invalid shape"),
        (INDEX, header(data_offsets=[0]), "expected a tuple of size 2"),
        (INDEX, header(shape=[-1, -1]), "expected usize"),
        (INDEX, header(data_offsets=[0, 7]), "invalid shape"),
    ],
)
def test_traces_that_are_none_are_refused(tmp_path, index, tensors, reason):
    with pytest.raises(RunError, match="is not a trace") as refused:
        read_traces(a_trace(tmp_path / "trace", index, tensors))
    assert reason in refused.value.message


def an_entry(**keys):
    entry = {
        "check": "functions",
        "module": "fit",
        "call": 0,
        "step": 0,
        "aspect": "output",
        "shape": [2],
        "dtype": "float64",
        "norm": 1.0,
        "largest": 1.0,
        "products": [0.0, 0.0],
        "elements": "kept.0",
    }
    return changed(entries=[{**entry, **keys}])


@pytest.mark.parametrize(
    ("index", "arrays", "reason"),
    [
        (an_entry(), {}, "kept.0: has the shape None instead of (2,)"),
        (an_entry(), {"kept.0": np.zeros(3)}, "has the shape (3,) instead of (2,)"),
        (an_entry(shape=[100, 100]), {"kept.0": np.zeros(10000)}, "instead of (4096,)"),
        (INDEX, {"series.verdict": np.zeros(1)}, "is none that the tracer writes"),
        (INDEX, {"series.loss": np.zeros((1, 1))}, "its columns are ('loss',)"),
        (INDEX, {"series.loss": np.zeros(0)}, "has the shape (0,)"),
        (INDEX, {"series.left": np.zeros((1, 3))}, "has the shape (1, 3)"),
        (INDEX, {"series.options": np.zeros((1, 1))}, "has the shape (1, 1)"),
        (INDEX, {"series.left": np.array([[np.nan, 0]])}, "column step is not of whole numbers"),
        (INDEX, {"series.left": np.array([[-1.0, 0]])}, "column step is not of whole numbers"),
        (INDEX, {"series.loss.steps": np.array([0.5])}, "column step is not of whole numbers"),
        (INDEX, {"series.train.count": np.full((1, 3), np.inf)}, "not of whole numbers from 0 on"),
        (INDEX, {"series.train.model[0]": np.zeros(1)}, "there is no series.train.count"),
    ],
)
def test_arrays_that_are_not_what_the_index_says_are_refused(tmp_path, index, arrays, reason):
    write_safetensors(tmp_path / "tensors", arrays)
    trace = a_trace(tmp_path / "trace", index, (tmp_path / "tensors").read_bytes())
    with pytest.raises(RunError, match="is not a trace") as refused:
        read_traces(trace)
    assert reason in refused.value.message


def test_arrays_come_in_the_order_in_which_they_were_written(tmp_path):
    names = [f"array{number * 7 % 20}" for number in range(20)]
    write_safetensors(str(tmp_path / "tensors"), {name: np.zeros(1) for name in names})
    assert list(_read_safetensors((tmp_path / "tensors").read_bytes())) == names


def test_as_many_elements_are_kept_as_are_read():
    assert store.WHOLE == records.WHOLE


def test_options_have_the_columns_that_are_read():
    written = [("beta1", "beta2") if name == "betas" else (name,) for name in options.OPTIONS]
    assert tuple(name for names in written for name in names) == records.OPTIONS


@pytest.fixture(scope="module")
def traces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("traces")
    golden = trace_program(folder / "golden", NETWORK)
    return golden, trace_program(folder / "found", NETWORK, folder / "golden/trace")


def compared(golden, found):
    return _compared({"own": {"train": golden}}, {"own": {"train": found}}, "rewrite x", "program")


def test_a_trace_that_speaks_of_other_tensors_is_refused(traces):
    golden, found = traces
    network = found.index["networks"][0]
    other = {**network, "sources": {"model.norm.weight": ["nothing"]}}
    index = {**found.index, "networks": [other]}
    with pytest.raises(RunError, match="sources: the golden trace has no nothing"):
        compared(golden, replace(found, index=index))
    moved = found.arrays["series.moved.model"]
    arrays = {**found.arrays, "series.moved.model": moved[:, :2]}
    with pytest.raises(RunError, match=r"series\.moved\.model: has the columns \(2,\) instead of"):
        compared(golden, replace(found, arrays=arrays))


def test_whatever_a_program_writes_is_refused_or_compared(tmp_path, traces):
    """Nothing but RunError comes of it: what else does is a defect of ours, not tampering."""
    golden, found = traces
    random, answers = Random(14), []
    for _ in range(300):
        index, arrays = json.loads(json.dumps(found.index)), dict(found.arrays)
        for _ in range(random.choice((0, 1))):
            tamper(random, index)
        for _ in range(random.choice((0, 1, 2))):
            name = random.choice(sorted(arrays))
            arrays[name] = random.choice(TAMPERED)(arrays[name])
        write_safetensors(tmp_path / "tensors", arrays)
        folder = tmp_path / "trace"
        a_trace(folder, json.dumps(index), (tmp_path / "tensors").read_bytes())
        try:
            index, arrays = read_traces(folder)["train"]
            answers.append(bool(compared(golden, replace(found, index=index, arrays=arrays))))
        except RunError:
            answers.append(False)
    assert 50 < sum(answers) < 250


TAMPERED = (
    lambda array: array[:0],
    lambda array: array[: len(array) // 2],
    lambda array: array[::-1].copy(),
    lambda array: array.reshape(-1),
    lambda array: np.concatenate([array, array]),
    lambda array: np.zeros_like(array),
    lambda array: (array * np.nan).astype(array.dtype),
    lambda array: array * 1000,
)


def tamper(random, index):
    """Remove or replace something somewhere in an index."""
    place, key = index, random.choice(sorted(index))
    while isinstance(place[key], (dict, list)) and place[key] and random.random() < 0.9:
        place = place[key]
        key = random.choice(sorted(place)) if isinstance(place, dict) else random.randrange(1)
    if random.random() < 0.3:
        del place[key]
    else:
        place[key] = random.choice((None, True, -1, 0, 3, 2**40, 1e308, "", "model", [], {}))
