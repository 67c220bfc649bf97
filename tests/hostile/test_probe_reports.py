"""What a probed program leaves for us is untrusted: links, huge and broken reports are no reports."""

import json

import pytest

from scaffold.probes.runs import _read

REPORT = {
    "steps": 5,
    "touched": 1,
    "optimizers": 1,
    "weight_decay": 0.0,
    "dropout": 0.0,
    "first": {},
    "losses": [],
    "twice": None,
    "alone": None,
    "parameters": 2,
    "never_moved": [],
    "sites": {},
    "copies": {},
    "splits": [],
    "earlier": {},
    "wider": [],
}
HEAD = "id,split,label,prediction\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run/trace").mkdir(parents=True)
    return tmp_path / "run"


def test_a_report_and_rows_are_read(folder):
    (folder / "trace/report-1.json").write_text(json.dumps(REPORT))
    (folder / "trace/rows-1.csv").write_text(HEAD + "a,test,1,1\n")
    done = _read(folder, None)
    assert done.report.steps == 5
    # What a program only tests on stands for validation.
    assert done.table.read_text().splitlines()[1] == "a,validation,1,1"


def test_links_are_not_followed(folder, tmp_path):
    (tmp_path / "secret.json").write_text(json.dumps(REPORT))
    (tmp_path / "secret.csv").write_text(HEAD + "a,test,secret,1\n")
    (folder / "trace/report-1.json").symlink_to(tmp_path / "secret.json")
    (folder / "trace/rows-1.csv").symlink_to(tmp_path / "secret.csv")
    done = _read(folder, None)
    assert done.report is None
    assert "secret" not in done.table.read_text()


def test_a_table_is_not_written_through_a_link(folder, tmp_path):
    (folder / "predictions.csv").symlink_to(tmp_path / "elsewhere.csv")
    _read(folder, None)
    assert not (tmp_path / "elsewhere.csv").exists()
    assert not (folder / "predictions.csv").is_symlink()


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[" * 100_000,
        json.dumps({**REPORT, "steps": -1}),
        json.dumps({**REPORT, "losses": [0.0] * 2000}),
        json.dumps({**REPORT, "never_moved": [{"name": "x" * 400, "reason": ""}]}),
        json.dumps({**REPORT, "extra": 1}),
    ],
)
def test_a_broken_report_is_none(folder, text):
    (folder / "trace/report-1.json").write_text(text)
    assert _read(folder, None).report is None
