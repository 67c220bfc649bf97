"""How far a fetch is: read from git while it goes on, and shown a line at a time."""

import io

import pytest

from scaffold.cli import fetch_lines
from scaffold.git.fetch_progress import FetchProgress, read_progress

SAID = (
    b"remote: Enumerating objects: 5, done.\n"
    b"remote: Counting objects: 100% (5/5), done.\n"
    b"Receiving objects:  40% (2/5), 1.20 MiB | 300.00 KiB/s\r"
    b"Receiving objects: 100% (5/5), 3.00 MiB | 300.00 KiB/s, done.\n"
    b"Resolving deltas:  50% (1/2)\r"
    b"error: the disk is full\nfatal: stopped"
)


def test_git_s_progress_is_told_and_its_complaints_are_returned():
    seen = []
    complaints = read_progress("https://example.org/a", io.BytesIO(SAID), seen.append)
    assert [(one.phase, one.percent, one.amount) for one in seen] == [
        ("Receiving objects", 40, "1.20 MiB, 300.00 KiB/s"),
        ("Receiving objects", 100, "3.00 MiB, 300.00 KiB/s"),
        ("Resolving deltas", 50, ""),
    ]
    assert complaints == "error: the disk is full\nfatal: stopped"


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(fetch_lines.time, "monotonic", lambda: now[0])
    return now


def test_a_line_comes_after_two_seconds_and_then_every_five(clock, capsys):
    lines = fetch_lines.FetchLines()
    for second in range(10):
        clock[0] = 100.0 + second
        progress = FetchProgress(
            url="https://example.org/a",
            phase="Receiving objects",
            percent=second * 10,
            amount="1 MiB",
        )
        lines.show(progress)
    shown = capsys.readouterr().err.splitlines()
    assert shown == [
        "  fetching https://example.org/a: receiving objects 20 %, 1 MiB, about 8 s left",
        "  fetching https://example.org/a: receiving objects 70 %, 1 MiB, about 3 s left",
    ]


def test_a_quick_fetch_says_nothing(clock, capsys):
    progress = FetchProgress(url="u", phase="Receiving objects", percent=100, amount="")
    fetch_lines.FetchLines().show(progress)
    assert capsys.readouterr().err == ""
