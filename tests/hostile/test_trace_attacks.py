"""A program knows where its trace is written.

And a project that was handed over brings its golden traces.
"""

import json

import pytest
from helpers import NETWORK, trace_program, write_tree

from scaffold.errors import ProjectError, RunError
from scaffold.project.digests import file_digest
from scaffold.project.files import record_text
from scaffold.records.tweak import GoldenAbout, GoldenTrace
from scaffold.running import tracing
from scaffold.running.tracing import read_traces
from scaffold.tracing.compare import _compared
from scaffold.tracing.golden import read_golden

INDEX = '{"format": 1, "entries": []}'
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
    (tmp_path / "golden/own/train/index.json").write_text(
        INDEX.replace("[]", '[{"check": "data"}]')
    )
    with pytest.raises(
        ProjectError, match=r"was edited after it was recorded: own/train/index\.json"
    ):
        read_golden(tmp_path / "golden", expected)


def test_a_trace_that_is_a_link_is_not_followed(tmp_path):
    write_tree(tmp_path, {"secret.json": INDEX})
    folder = a_trace(tmp_path / "trace")
    (folder / "train/index.json").unlink()
    (folder / "train/index.json").symlink_to(tmp_path / "secret.json")
    with pytest.raises(RunError, match="is no trace"):
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


@pytest.mark.parametrize(
    ("index", "tensors"),
    [
        ("no json", TENSORS),
        ("[]", TENSORS),
        ('{"format": 2, "entries": []}', TENSORS),
        ("[" * 100000, TENSORS),
        ('{"format": 1, "entries": [1]}', TENSORS),
        (INDEX, b""),
        (INDEX, (1 << 62).to_bytes(8, "little") + b"{}"),
        (INDEX, header(dtype="pickle")),
        (INDEX, header(shape=[3])),
        (INDEX, header(data_offsets=[0])),
        (INDEX, header(shape=[-1, -1])),
        (INDEX, header(data_offsets=[0, 7])),
    ],
)
def test_traces_that_are_none_are_refused(tmp_path, index, tensors):
    with pytest.raises(RunError, match="is no trace"):
        read_traces(a_trace(tmp_path / "trace", index, tensors))


def test_traces_that_cannot_be_compared_are_said_and_prove_nothing(tmp_path):
    golden = trace_program(tmp_path / "golden", NETWORK)
    found = trace_program(tmp_path / "found", NETWORK, tmp_path / "golden" / "trace")
    del found.index["steps"]
    with pytest.raises(RunError, match="cannot be compared with the golden one: KeyError"):
        _compared({"own": {"train": golden}}, {"own": {"train": found}}, "rewrite x", "program")
