"""Each export is read back by the tool that it is for."""

import io
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest


@pytest.fixture
def accuracies(judged):
    """Accuracy of each run in the project."""
    records = [
        json.loads(path.read_text()) for path in judged.glob(".scaffold/runs/seed-*/run.json")
    ]
    return {one["id"]: one["metrics"]["accuracy"]["value"] for one in records}


@pytest.fixture
def losses(judged):
    """(step, value) of the loss of each run in the project."""
    return {
        path.parent.name: [tuple(point) for point in json.loads(path.read_text())["loss"]]
        for path in judged.glob(".scaffold/runs/seed-*/series.json")
    }


def test_in_toto(cli, judged):
    from google.protobuf.json_format import Parse
    from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult
    from in_toto_attestation.v1 import statement_pb2
    from in_toto_attestation.v1.statement import Statement

    cli("export", "in-toto", "-o", "s.json", cwd=judged)
    text = (judged / "s.json").read_text()
    Statement.copy_from_pb(Parse(text, statement_pb2.Statement())).validate()
    predicate = json.loads(text)["predicate"]
    del predicate["reproduction"]  # ours, beside the standard's own fields
    assert Parse(json.dumps(predicate), TestResult()).result == "PASSED"


def test_ro_crate(cli, judged, tmp_path):
    from rocrate.rocrate import ROCrate

    cli("export", "ro-crate", "-o", str(tmp_path / "crate"), cwd=judged)
    crate = ROCrate(tmp_path / "crate")
    (action,) = crate.get_by_type("CreateAction")
    assert [one.id for one in action["result"]] == ["evidence/reproduce.json"]
    copied = (tmp_path / "crate/evidence/reproduce.json").read_bytes()
    assert copied == (judged / "evidence/reproduce.json").read_bytes()
    assert (
        "is there already"
        in cli("export", "ro-crate", "-o", str(tmp_path / "crate"), cwd=judged, code=2).err
    )


def seed_context(cache: Path) -> None:
    """Give the validator the one file that it would fetch, from the package that brings it."""
    from importlib.resources import files

    import requests
    import urllib3
    from requests_cache import CachedSession

    text = json.loads(files("rocrate").joinpath("data/ro-crate.jsonld").read_text())
    body = json.dumps({"@context": text["@context"]}).encode()
    url = "https://w3id.org/ro/crate/1.1/context"
    raw = urllib3.HTTPResponse(
        body=io.BytesIO(body),
        status=200,
        headers={"Content-Type": "application/ld+json"},
        preload_content=False,
        request_url=url,
    )
    request = requests.Request("GET", url).prepare()
    with CachedSession(cache_name=str(cache), backend="sqlite", expire_after=-1) as session:
        session.cache.save_response(requests.adapters.HTTPAdapter().build_response(request, raw))


def test_ro_crate_is_valid(cli, judged, tmp_path):
    crate = tmp_path / "crate"
    cli("export", "ro-crate", "-o", str(crate), cwd=judged)
    seed_context(tmp_path / "cache")
    words = [Path(sys.executable).with_name("rocrate-validator"), "--no-interactive", "validate"]
    words += ["--offline", "--cache-path", tmp_path / "cache", "--profile-identifier"]
    words += ["process-run-crate-0.5", "--requirement-severity", "required", crate]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    metadata = crate / "ro-crate-metadata.json"
    metadata.write_text(metadata.read_text().replace('"instrument"', '"description"'))
    assert subprocess.run(words, capture_output=True).returncode == 1


def test_parquet(cli, judged, accuracies):
    import pyarrow.parquet as pq

    cli("export", "parquet", cwd=judged)
    rows = pq.read_table(judged / "runs.parquet").to_pylist()
    assert {row["run"]: row["metric.accuracy"] for row in rows} == accuracies


def test_mlflow(cli, judged, accuracies, losses, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow import MlflowClient

    assert cli("export", "mlflow", "--json", cwd=judged).json["runs"] == len(accuracies)
    # Asked again, it adds nothing, but what an export that was cut off left half done.
    assert cli("export", "mlflow", "--json", cwd=judged).json["runs"] == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        client = MlflowClient(tracking_uri=(judged / "mlruns").as_uri())
        experiment = client.get_experiment_by_name("tweakable")
        half = client.search_runs([experiment.experiment_id])[0]
        client.delete_run(half.info.run_id)
        name = half.info.run_name
        tags = {"mlflow.runName": name, "mlloop-new.run": name}
        client.create_run(experiment.experiment_id, tags=tags)
        # Somebody else's, in the same experiment.
        theirs = client.create_run(experiment.experiment_id, tags={"mlflow.runName": "theirs"})
        client.set_terminated(theirs.info.run_id, status="FAILED")
    assert cli("export", "mlflow", "--json", cwd=judged).json["runs"] == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        client = MlflowClient(tracking_uri=(judged / "mlruns").as_uri())
        experiment = client.get_experiment_by_name("tweakable")
        assert client.get_run(theirs.info.run_id).info.lifecycle_stage == "active"
        client.delete_run(theirs.info.run_id)
        runs = client.search_runs([experiment.experiment_id])
        logged = {run.info.run_name: run.data.metrics["accuracy"] for run in runs}
        assert logged == accuracies
        for run in runs:
            history = client.get_metric_history(run.info.run_id, "loss")
            assert [(one.step, one.value) for one in history] == losses[run.info.run_name]
            assert run.data.params["gain"] == "0.0" and run.data.tags["state"]


def test_tensorboard(cli, judged, losses):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    cli("export", "tensorboard", cwd=judged)
    folders = {path.parent.name: path.parent for path in judged.glob("tensorboard/*/*/events*")}
    assert folders.keys() == losses.keys()
    for name, folder in folders.items():
        events = EventAccumulator(str(folder))
        events.Reload()
        read = [(one.step, pytest.approx(one.value)) for one in events.Scalars("loss")]
        assert read == losses[name]


def test_wandb(cli, judged, accuracies):
    """Offline runs, as `wandb sync` reads them."""
    words = [sys.executable, "-m", "scaffold", "export", "wandb", "-o", "w", "--json"]
    done = subprocess.run(words, cwd=judged, capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr
    files = list(Path(judged, "w").rglob("run-*.wandb"))
    assert len(files) == len(accuracies)
    assert all(b"tweakable" in file.read_bytes() for file in files)  # the project of each
    content = b"".join(file.read_bytes() for file in files)
    assert all(name.encode() in content for name in accuracies)
