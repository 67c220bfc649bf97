"""Let the shim watch or change a run."""

import json
from pathlib import Path

from scaffold.running.plan import Plan
from scaffold.running.workspace import Workspace


def ask_probe(plan: Plan, workspace: Workspace) -> None:
    """Write down how a run's shim is to watch or change it."""
    if plan.probing is not None:
        request = {**plan.probing, "out": str(workspace.trace)}
        _request(workspace).write_text(json.dumps(request))


def probe_inputs(plan: Plan, workspace: Workspace) -> tuple[Path, ...]:
    """Return what such a run must be able to read besides."""
    return () if plan.probing is None else (_request(workspace),)


def probe_variables(plan: Plan, workspace: Workspace) -> dict[str, str]:
    """Return the variables that tell the shim; compiled functions would not be seen."""
    if plan.probing is None:
        return {}
    return {"SCAFFOLD_PROBE": str(_request(workspace)), "TORCHDYNAMO_DISABLE": "1"}


def _request(workspace: Workspace) -> Path:
    return workspace.folder / "probe.json"
