"""Tell a run's shim what the sandbox denies, so that it can report what was tried in vain."""

import json

from scaffold.sandbox import Sandbox
from scaffold.sandbox.visible import TEMPORARY, Policy, hidden_places, readable_paths


def denial_variables(sandbox: Sandbox, policy: Policy) -> dict[str, str]:
    """Return what the shim needs to report denials; nothing where nothing is denied."""
    if sandbox.kind == "none":
        return {}
    # Bubblewrap gives a command temporary folders of its own, Landlock none.
    private = TEMPORARY if sandbox.kind == "bubblewrap" else ()
    denied = {
        "writable": [str(path) for path in (*policy.writable, policy.temporary)],
        "visible": ["/sys", *map(str, readable_paths(policy)), *map(str, policy.visible)],
        "hidden": [str(place) for place in hidden_places() if place not in private],
        "private": ["/dev", "/proc", *map(str, private)],
        "network": policy.network,
        "loopback": sandbox.kind == "bubblewrap",
    }
    return {"SCAFFOLD_DENIALS": json.dumps(denied)}
