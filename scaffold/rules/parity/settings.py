"""Find settings of modules that only one program changes during the run. Pure."""

from scaffold.rules.parity.checks import Trace


def settings_apart(golden: Trace, candidate: Trace) -> tuple[str, int, str] | None:
    """Find a module setting or trained flag that only one program changes during the run.

    Only of modules of torch and tensors that both programs have: how, from which step on, and
    whose.
    """
    changes = [
        {
            (int(step), str(name)): (before, after)
            for step, name, before, after in trace.index.get("changed", [])
        }
        for trace in (golden, candidate)
    ]
    modules = [
        {m["path"] for net in trace.index["networks"] for m in net["modules"]}
        | {p["name"] for net in trace.index["networks"] for p in net["parameters"]}
        for trace in (golden, candidate)
    ]
    for side in (0, 1):
        for (step, name), (before, after) in sorted(changes[side].items()):
            other = changes[1 - side].get((step, name))
            if name.rpartition(".")[0] not in modules[1 - side] or other == (before, after):
                continue
            text = f"{name} stays {before} at step {step + 1} instead of becoming {after}"
            if side:
                text = f"{name} becomes {after} at step {step + 1}, not in the reference"
            return text, step, name
    return None
