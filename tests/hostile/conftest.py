"""What attacks have in common.

A marker that appears if foreign code got to run, and a program to appear by.
"""

import pytest


@pytest.fixture
def marker(tmp_path):
    """A file outside of everything that is attacked; it must never come to be."""
    path = tmp_path / "outside" / "MARKER"
    path.parent.mkdir()
    yield path
    assert not path.exists(), f"foreign code ran: {path.read_text()}"


@pytest.fixture
def payload(marker):
    """A program that makes the marker; inert otherwise."""
    path = marker.with_name("payload.sh")
    path.write_text(f"#!/bin/sh\necho ran >> {marker}\n")
    path.chmod(0o755)
    return path
