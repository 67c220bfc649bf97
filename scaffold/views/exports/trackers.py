"""Hand a project's runs to experiment trackers, by their own clients: MLflow, TensorBoard, W&B.

Each run becomes a run of theirs, with its metrics over the steps, its hyperparameters, and what it
ran as a tag. Nothing is sent anywhere but to where the user says.
"""

import os
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from scaffold.errors import MachineError
from scaffold.project.project import Project, load_recipe
from scaffold.records.evidence import Outcome, RunRecord
from scaffold.reproduce.evidence import read_evidence
from scaffold.running.store import read_series
from scaffold.tweak.store import all_evidence
from scaffold.views.exports import missing_extra
from scaffold.views.runs import read_records, states_by_inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedRun:
    """A run as trackers see it.

    Attributes:
        record: what is recorded of it.
        state: what was run.
        hyperparameters: of that state; none of one that was not judged.
        series: (step, value) of each metric; of one that is read once, its value at its step, or 0.
    """

    record: RunRecord
    state: str
    hyperparameters: Mapping[str, Any]
    series: Mapping[str, tuple[tuple[int, float], ...]]


def tracked_runs(project: Project) -> list[TrackedRun]:
    """Return all completed runs, the oldest first."""
    records, _ = read_records(project)
    evidence = read_evidence(project)
    changes = all_evidence(project)
    states = states_by_inputs(evidence, changes)
    values: dict[str, Mapping[str, Any]] = {}
    for change in changes:
        for side in (change.before, change.change):
            values[side.inputs.digest] = side.hyperparameters
    if evidence is not None:
        values[evidence.inputs.digest] = evidence.hyperparameters
    return [
        TrackedRun(
            record=record,
            state=states.get(record.inputs.digest, "not judged"),
            hyperparameters=values.get(record.inputs.digest, {}),
            series=dict(_series(project, record)),
        )
        for record in reversed(records)
        if record.outcome is Outcome.COMPLETED
    ]


def _series(
    project: Project, record: RunRecord
) -> Iterator[tuple[str, tuple[tuple[int, float], ...]]]:
    points = read_series(project.runs / record.id)
    for name, value in record.metrics.items():
        yield name, points.get(name) or ((value.step or 0, value.value),)


def to_tensorboard(project: Project, folder: Path) -> int:
    """Write event files, a folder a run; returns how many.

    Raises:
        MachineError: tensorboardX is not installed.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise missing_extra("TensorBoard's files need tensorboardX") from error
    runs = tracked_runs(project)
    for run in runs:
        writer = SummaryWriter(str(folder / run.state.replace(" ", "-") / run.record.id))
        began_s = _started_s(run)
        for name, points in run.series.items():
            for step, value in points:
                writer.add_scalar(name, value, step, walltime=began_s)
        writer.add_text("hyperparameters", str(dict(run.hyperparameters)), 0, walltime=began_s)
        writer.close()
    return len(runs)


def to_mlflow(project: Project, place: str) -> int:
    """Log to a folder, or to the tracking server of a URI; returns how many.

    Runs that are there already are left as they are.

    Raises:
        MachineError: mlflow is not installed, or does not take them.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise missing_extra("MLflow needs its client, mlflow-skinny") from error
    uri = place if "://" in place else Path(place).absolute().as_uri()
    runs = tracked_runs(project)
    written = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of file stores, which we asked for
            client = MlflowClient(tracking_uri=uri)
            name = load_recipe(project).id
            experiment = client.get_experiment_by_name(name)
            number = experiment.experiment_id if experiment else client.create_experiment(name)
            whole = _remove_unfinished(client, number, {run.record.id for run in runs})
            for run in runs:
                if run.record.id in whole:
                    continue
                _log(client, number, run)
                written += 1
    except MlflowException as error:
        raise MachineError(f"MLflow at {uri}: {error.message}") from error
    return written


_OWN_TAG = "mlloop-new.run"
"""Has the name of the run that was exported: what others log has no such tag."""


def _remove_unfinished(client: Any, experiment: str, own: Collection[str]) -> set[str]:
    """Delete what an export of these runs that was cut off left; returns those that are whole."""
    names: set[str] = set()
    page = None
    while True:
        runs = client.search_runs([experiment], page_token=page)
        for run in runs:
            if run.info.status == "FINISHED":
                names.add(run.info.run_name)
            elif run.data.tags.get(_OWN_TAG) in own:  # an experiment may be shared
                client.delete_run(run.info.run_id)
        page = runs.token
        if not page:
            return names


def _log(client: Any, experiment: str, run: TrackedRun) -> None:
    """Log one run by MLflow's client."""
    from mlflow.entities import Metric, Param, RunTag

    at_ms = int(_started_s(run) * 1000)
    tags = {"mlflow.runName": run.record.id, _OWN_TAG: run.record.id, "state": run.state}
    key = client.create_run(experiment, start_time=at_ms, tags=tags).info.run_id
    params = [Param(name, str(value)) for name, value in run.hyperparameters.items()]
    params.append(Param("seed", str(run.record.seed)))
    client.log_batch(key, params=params, tags=[RunTag("inputs", run.record.inputs.digest)])
    metrics = [
        Metric(name, value, at_ms, step)
        for name, points in run.series.items()
        for step, value in points
    ]
    for start in range(0, len(metrics), _METRICS_AT_ONCE):
        client.log_batch(key, metrics=metrics[start : start + _METRICS_AT_ONCE])
    client.set_terminated(key, end_time=at_ms + int(run.record.wall_time_s * 1000))


_METRICS_AT_ONCE = 1000
"""As many as MLflow's servers take in one request."""


def to_wandb(project: Project, folder: Path) -> int:
    """Write offline runs of Weights & Biases, for `wandb sync`; returns how many.

    Raises:
        MachineError: wandb is not installed.
    """
    try:
        import wandb
    except ImportError as error:
        raise missing_extra("offline runs of Weights & Biases need wandb") from error
    folder.mkdir(parents=True, exist_ok=True)
    runs, recipe_id = tracked_runs(project), load_recipe(project).id
    settings = wandb.Settings(
        x_disable_stats=True, disable_git=True, x_disable_meta=True, silent=True, console="off"
    )
    for run in runs:
        tracked = wandb.init(
            project=recipe_id,
            name=run.record.id,
            group=run.state,
            mode="offline",
            dir=str(folder),
            config={**run.hyperparameters, "seed": run.record.seed},
            settings=settings,
            reinit="finish_previous",
        )
        by_step: dict[int, dict[str, float]] = {}
        for name, points in run.series.items():
            for step, value in points:
                by_step.setdefault(step, {})[name] = value
        for step, metrics in sorted(by_step.items()):
            tracked.log(metrics, step=step)
        tracked.finish()
    return len(runs)


def _started_s(run: TrackedRun) -> float:
    return datetime.fromisoformat(run.record.started).timestamp()
