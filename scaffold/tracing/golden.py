"""Golden traces: what a snapshot computes, recorded once, so that parity stays testable.

A trace is recorded by running the program itself under the shim (`running/shim/_scaffold_trace`):
in its own dtype, in float64, once more to see by how much it differs from itself, and the smoke
command in float64. `golden/NAME/` holds about.json, then a folder a kind, then one a command, each
with index.json and tensors.safetensors.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaffold.errors import ProjectError
from scaffold.git.trees import list_files
from scaffold.project.digests import file_digest
from scaffold.project.files import read_record
from scaffold.project.project import Project
from scaffold.records.tweak import GoldenAbout, GoldenTrace, Tweak
from scaffold.rules.parity.checks import Trace
from scaffold.running.tracing import read_traces

Traces = Mapping[str, Mapping[str, Trace]]
"""Traces by kind, and in each by the name of the command."""

ABOUT = "about.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A golden trace where it lies, and what its about.json says."""

    folder: Path
    about: GoldenAbout

    @property
    def record(self) -> GoldenTrace:
        """Return how evidence and declarations name it."""
        return GoldenTrace(name=self.folder.name, sha256=file_digest(self.folder / ABOUT))

    @property
    def traces(self) -> Traces:
        """Return all traces, read."""
        traces_by_kind: dict[str, dict[str, Trace]] = {}
        for kind in self.about.kinds:
            about = self.about
            metrics = (
                (about.metrics, about.full_metrics)
                if kind == "own"
                else (about.replayed_metrics, {})
            )
            traces_by_kind[kind] = {
                step: Trace(index=index, arrays=arrays, metrics=metrics[0], full_metrics=metrics[1])
                for step, (index, arrays) in read_traces(self.folder / kind).items()
            }
        return traces_by_kind

    def files(self) -> dict[str, bytes]:
        """Return contents by path below `golden/`."""
        return {
            f"{self.folder.name}/{path.relative_to(self.folder).as_posix()}": path.read_bytes()
            for path in list_files(self.folder)
        }


def golden_name(snapshot: str) -> str:
    """Return the folder name of a snapshot's golden trace."""
    return snapshot[:12]


def read_golden(folder: Path, expected: GoldenTrace | None = None) -> Golden:
    """Return a golden trace whose every file is as recorded.

    Raises:
        ProjectError: it is not there, or was edited.
    """
    about = folder / ABOUT
    restore = f"git checkout -- {shlex.quote('golden/' + folder.name)}"
    if not about.is_file():
        raise ProjectError(f"there is no golden trace {folder}", hint=restore)
    if expected is not None and file_digest(about) != expected.sha256:
        raise ProjectError(f"{about} is not what the rewrite was started with", hint=restore)
    golden = Golden(folder=folder, about=read_record(GoldenAbout, about))
    files = {path.relative_to(folder).as_posix(): path for path in list_files(folder)}
    edited = [
        name
        for name, digest in golden.about.files.items()
        if name not in files or files[name].is_symlink() or file_digest(files[name]) != digest
    ]
    edited += sorted(files.keys() - golden.about.files.keys() - {ABOUT})
    if edited:
        raise ProjectError(
            f"golden/{folder.name} was edited after it was recorded: {', '.join(edited[:5])}",
            hint=restore,
        )
    return golden


def require_golden(project: Project, tweak: Tweak) -> Golden:
    """Return the golden trace that a rewrite was started with.

    Raises:
        ProjectError: it is gone, or was edited.
    """
    if tweak.golden is None:
        raise ProjectError(
            f"rewrite {tweak.name} names no golden trace",
            hint="scaffold rewrite drop, then start anew",
        )
    return read_golden(project.golden / tweak.golden.name, tweak.golden)


def modules_of(traces: Mapping[str, Trace]) -> Sequence[Mapping[str, Any]]:
    """Return all modules of all called networks, in the order of their definition."""
    return [
        module
        for trace in traces.values()
        for network in trace.index["networks"]
        for module in network["modules"]
    ]
