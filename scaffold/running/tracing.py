"""Let the shim record what a run computes, and read the untrusted result with care."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaffold.errors import RunError
from scaffold.running.plan import Plan
from scaffold.running.workspace import Workspace

if TYPE_CHECKING:
    from scaffold.records.trace import TraceIndex

MOST_BYTES = 64 << 20
"""Of one file of a trace; the shim keeps less than half of it."""

INDEX, TENSORS = "index.json", "tensors.safetensors"
_DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "U8": "|u1", "BOOL": "|b1"}
_MOST_STEPS = 16


def ask(plan: Plan, workspace: Workspace) -> None:
    """Write down what a run's shim is to record."""
    if plan.tracing is None:
        return
    golden = str(plan.tracing.golden) if plan.tracing.golden else None
    functions = str(workspace.tree) if plan.tracing.request.get("functions") else None
    variables = {
        **plan.tracing.request,
        "out": str(workspace.trace),
        "golden": golden,
        "functions": functions,
    }
    _asked(workspace).write_text(json.dumps(variables))


def _asked(workspace: Workspace) -> Path:
    return workspace.folder / "trace.json"


def trace_inputs(plan: Plan, workspace: Workspace) -> tuple[Path, ...]:
    """Return what a traced run must be able to read besides."""
    if plan.tracing is None:
        return ()
    return (_asked(workspace), *([plan.tracing.golden] if plan.tracing.golden else []))


def trace_variables(plan: Plan, workspace: Workspace, step: str) -> dict[str, str]:
    """Return the variables that tell the shim of one stage.

    Compiled functions would not be seen; draws must not depend on each other.
    """
    if plan.tracing is None:
        return {}
    return {
        "SCAFFOLD_TRACE": str(_asked(workspace)),
        "SCAFFOLD_TRACE_STEP": step,
        "SCAFFOLD_STREAMS": "1",
        "TORCHDYNAMO_DISABLE": "1",
    }


def read_traces(folder: Path) -> dict[str, tuple["TraceIndex", dict[str, Any]]]:
    """Return index and arrays of each stage of a traced run, by its name.

    Raises:
        RunError: a trace is not what the shim writes.
    """
    traces = {}
    for path in sorted(folder.iterdir())[:_MOST_STEPS] if folder.is_dir() else ():
        if path.is_dir() and not path.is_symlink() and not path.name.endswith(".part"):
            traces[path.name] = read_trace(path)
    return traces


def read_trace(folder: Path) -> tuple["TraceIndex", dict[str, Any]]:
    """Return index and arrays of one stage.

    Raises:
        RunError: it is not what the shim writes.
    """
    from scaffold.records.trace import check_arrays, parse_index

    try:
        for name in (INDEX, TENSORS):
            path = folder / name
            if path.is_symlink() or not path.is_file() or path.stat().st_size > MOST_BYTES:
                raise RunError(f"{path}: is not a trace, or larger than {MOST_BYTES >> 20} MB")
        index = parse_index((folder / INDEX).read_bytes())
        arrays = _read_safetensors((folder / TENSORS).read_bytes())
        check_arrays(index, arrays)
        return index, arrays
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{folder}: is not a trace: {type(error).__name__}: {error}") from error


def _read_safetensors(content: bytes) -> dict[str, Any]:
    """Return arrays by name, from the safetensors format, in the order in which they were written.

    The package gives them in an order that changes from call to call.

    Raises:
        ValueError: it is damaged, or has another kind of number than the tracer writes.
    """
    import numpy as np
    from safetensors import SafetensorError, deserialize

    try:
        entries = deserialize(content)  # type: ignore[no-untyped-call]  # it has no annotations
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    length = int.from_bytes(content[:8], "little")
    written = {name: at for at, name in enumerate(json.loads(content[8 : 8 + length]))}
    arrays = {}
    for name, entry in sorted(entries, key=lambda item: written[item[0]]):
        if entry["dtype"] not in _DTYPES:
            raise ValueError(f"{name} has numbers of kind {entry['dtype']}")
        array = np.frombuffer(entry["data"], _DTYPES[entry["dtype"]])
        arrays[name] = array.reshape(entry["shape"])
    return arrays
