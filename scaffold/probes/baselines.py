"""Run what shows whether a system learns anything on new data.

Simple models, zeroed inputs, and overfitting one batch.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from scaffold.errors import UsageError
from scaffold.git.snapshots import Snapshot
from scaffold.records.evidence import JudgedRun
from scaffold.records.program import Command
from scaffold.records.system import Baselines, System
from scaffold.rules.change.baselines import SIMPLE_MODELS
from scaffold.running.preparation import ProgramFiles, prepare_program
from scaffold.running.seeds import make_runs, planned_seeds
from scaffold.running.session import Session
from scaffold.running.store import judged_runs
from scaffold.running.variables import SHIM

_DRIVER = SHIM / "_scaffold_baselines.py"
_NO_CHANGES: Mapping[str, Any] = MappingProxyType({})


def require_baselines(system: System) -> Baselines:
    """Return how the simplest models are measured.

    Raises:
        UsageError: system.yaml does not say; shows what to write.
    """
    if system.baselines is None:
        raise UsageError(
            "system.yaml does not say how the simplest models are measured on the new data",
            hint=(
                "add to it, for example:\n"
                "  baselines:\n"
                "    script: train.py         # the program that trains\n"
                "    loader: load_data        # its function: (train inputs, targets), (test ...)\n"
                "    measure: accuracy        # or error, mean_squared_error, mean_absolute_error\n"
                "    overfit_one_batch: 0.99  # value of the metric on one batch that it must reach"
            ),
        )
    return system.baselines


def simple_models(session: Session, snapshot: Snapshot) -> Mapping[str, float]:
    """Return the judged metric of a constant and of a linear model on the new data."""
    session.listener.message("a constant and a linear model on the new data")
    metrics = [
        {"name": name, "split": "test", "direction": "higher", "unit": "value", "read": read}
        for name in SIMPLE_MODELS
        for read in [{"json": "baselines.json", "key": name}]
    ]
    run = _probe(session, snapshot, "simple", 1, {"metrics": metrics})[0]
    return {name: value.value for name, value in run.metrics.items()}


def zeroed_runs(session: Session, snapshot: Snapshot, seeds: int) -> list[JudgedRun]:
    """Return runs with all inputs set to 0."""
    session.listener.message("the same with all inputs 0")
    return _probe(session, snapshot, "zeroed", seeds)


def overfit_run(session: Session, snapshot: Snapshot) -> JudgedRun:
    """Return a run that trains on one batch and is measured on it."""
    session.listener.message("one batch, to be overfitted")
    return _probe(session, snapshot, "memorize", 1)[0]


def _probe(
    session: Session,
    snapshot: Snapshot,
    mode: str,
    seeds: int,
    changes: Mapping[str, Any] = _NO_CHANGES,
) -> list[JudgedRun]:
    baselines = require_baselines(snapshot.system)
    document = snapshot.system.model_dump(mode="json", by_alias=True, exclude_none=True)
    steps = dict(document["commands"])
    for name, command in steps.items():
        document["commands"][name] = _wrapped(Command.model_validate(command), baselines, mode)
        if (
            mode == "simple"
            and document["commands"][name] != command
            and name in ("train", "evaluate")
        ):
            # The driver ends this step where it has the data: what comes after it has nothing to
            # work on.
            document["commands"] = {
                key: value
                for key, value in document["commands"].items()
                if key in ("prepare", name)
            }
            break
    if document["commands"] == snapshot.system.commands.model_dump(
        mode="json", by_alias=True, exclude_none=True
    ):
        raise UsageError(
            f"baselines.script: no command of system.yaml runs `python {baselines.script}`"
        )
    program = System.model_validate({**document, **changes})
    files = ProgramFiles(
        title=f"the {mode} probe", program=program, source=snapshot.source, tree=snapshot.tree
    )
    plan = prepare_program(session, files)
    records = make_runs(session.project, plan, planned_seeds(program, seeds), session.listener)
    return judged_runs(records, plan.runs_dir, ())


def _wrapped(command: Command, baselines: Baselines, mode: str) -> dict[str, Any]:
    document: dict[str, Any] = command.model_dump(mode="json", exclude_none=True)
    words = list(command.argv)
    if words[0] in ("python", "python3") and baselines.script in words[1:2]:
        driver = [str(_DRIVER), mode, baselines.loader, str(baselines.batch), baselines.measure]
        document["run"] = [words[0], *driver, *words[1:]]
    return document
