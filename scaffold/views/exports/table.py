"""Write a project's runs as a table, one row a run: CSV, or Parquet."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from scaffold.project.project import Project
from scaffold.records.evidence import RunRecord
from scaffold.reproduce.evidence import read_evidence
from scaffold.tweak.store import all_evidence
from scaffold.views.exports import missing_extra
from scaffold.views.runs import read_records, states_by_inputs

Row = dict[str, Any]


def rows_of(project: Project) -> list[Row]:
    """Return one row for each run, the newest first; every row has the same keys.

    Times are in seconds, memory in bytes. Metrics are columns `metric.NAME`.
    """
    records, _ = read_records(project)
    states = states_by_inputs(read_evidence(project), all_evidence(project))
    names = sorted({name for record in records for name in record.metrics})
    return [
        _row(record, states.get(record.inputs.digest, "not judged"), names) for record in records
    ]


def _row(record: RunRecord, state: str, names: Sequence[str]) -> Row:
    values = {name: value.value for name, value in record.metrics.items()}
    return {
        "run": record.id,
        "state": state,
        "seed": record.seed,
        "outcome": record.outcome.value,
        "started": record.started,
        "wall_time_s": record.wall_time_s,
        "cpu_time_s": sum(step.cpu_time_s for step in record.steps),
        "peak_memory_bytes": max((step.peak_memory_bytes for step in record.steps), default=None),
        "peak_accelerator_bytes": record.peak_accelerator_bytes,
        "threads": record.threads,
        "processor": record.machine.processor,
        "accelerator": record.machine.accelerator,
        "sandbox": record.confinement.sandbox,
        "python": record.environment.python,
        "inputs": record.inputs.digest,
        **{f"metric.{name}": values.get(name) for name in names},
    }


def make_csv(rows: Sequence[Row]) -> bytes:
    """Return rows as CSV; what is not known is empty."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def make_parquet(rows: Sequence[Row]) -> bytes:
    """Return rows as Parquet.

    Raises:
        MachineError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise missing_extra("Parquet needs pyarrow (csv does not)") from error
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), content)
    return content.getvalue()
