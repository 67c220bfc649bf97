"""Run a program in another way, once, and read what that shows.

By the hyperparameters that system.yaml names as knobs; where it names none, from outside: the shim
changes what torch does. The program itself stays as it is.
"""

import csv
import hashlib
import io
import json
import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scaffold.datasets.tables import table_rows
from scaffold.errors import RunError, ScaffoldError, UsageError
from scaffold.probes.predictions import Predictions, read_predictions
from scaffold.project.files import read_record, read_text, write_text
from scaffold.project.lock import only_one
from scaffold.records.evidence import Outcome, RunRecord
from scaffold.records.fields import Scalar
from scaffold.records.probe import WatchReport
from scaffold.records.program import Program
from scaffold.records.system import Knobs, Regularization, System
from scaffold.rules.loop.case import (
    FASTER,
    FEW,
    HALF,
    MUCH_FASTER,
    MUCH_SLOWER,
    QUARTER,
    REGULARIZED,
    SLOWER,
    UNREGULARIZED,
    WIDER,
    Probe,
    ProbeKind,
    ProbeResult,
    TrainingFacts,
)
from scaffold.rules.splits.names import split_named
from scaffold.running.batch import run_seeds
from scaffold.running.plan import Plan
from scaffold.running.preparation import ProgramFiles, prepare_program
from scaffold.running.recording import is_own
from scaffold.running.session import Session
from scaffold.running.tracing import MOST_BYTES
from scaffold.running.unfinished import discard_unfinished

_TABLE = "predictions.csv"
_RATES = (FASTER, SLOWER, MUCH_FASTER, MUCH_SLOWER)
_ROWS = (HALF, QUARTER, FEW)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedRun:
    """A run that was watched or changed, and what it left."""

    folder: Path
    record: RunRecord
    report: WatchReport | None

    @property
    def table(self) -> Path:
        """Return the table of predictions: the program's own, else the one seen from outside."""
        return self._own_table if self.has_own_table else self.folder / _TABLE

    @property
    def has_own_table(self) -> bool:
        """Return whether the program itself wrote a table."""
        return self._own_table.is_file() and not self._own_table.is_symlink()

    @property
    def _own_table(self) -> Path:
        return self.folder / "tree" / _TABLE


@dataclass(frozen=True, slots=True)
class Prober:
    """A program that can be run in other ways."""

    session: Session
    files: ProgramFiles

    @property
    def program(self) -> Program:
        """Return how the program runs."""
        return self.files.program

    @property
    def knobs(self) -> Knobs:
        """Return the knobs that system.yaml names."""
        if isinstance(self.program, System) and self.program.analysis is not None:
            return self.program.analysis.knobs
        return Knobs()

    def watched(self) -> ProbedRun:
        """Return the program's own run of its first seed, watched.

        Raises:
            RunError: it does not end well.
        """
        return self._run(self.program, {}, "the program, watched")

    def available(self, watched: ProbedRun) -> list[Probe]:
        """Return the probes that can run on this program."""
        report, knobs = watched.report, self.knobs
        trains_by_torch = report is not None and report.optimizers > 0
        regularizes = report is not None and (report.weight_decay > 0 or report.dropout > 0)
        declared = knobs.regularization
        probes: list[Probe] = []
        if knobs.learning_rate or trains_by_torch:
            probes += _RATES
        if knobs.capacity or (report is not None and report.wider):
            probes.append(WIDER)
        if (declared and declared.off) or (trains_by_torch and regularizes):
            probes.append(UNREGULARIZED)
        if (declared and declared.stronger) or trains_by_torch:
            probes.append(REGULARIZED)
        if knobs.train_ids or (report is not None and report.sites):
            probes += _ROWS
        return probes

    def run(self, probe: Probe, watched: ProbedRun) -> ProbeResult:
        """Run a probe, or read what an earlier run of it left; a failed one has a problem."""
        try:
            program, request, ids = self._changed(probe, watched)
            done = self._run(program, request, f"probe {probe.name}", ids)
        except RunError as error:
            return ProbeResult(probe=probe, problem=error.message)
        return self._result(probe, request, done)

    def earlier(self, watched: ProbedRun, besides: Collection[Probe]) -> list[ProbeResult]:
        """Return the results of other probes whose runs are here already; nothing is run.

        A probe that changes nothing of the program is none.
        """
        results = []
        for probe in self.available(watched):
            if probe in besides:
                continue
            program, request, _ = self._changed(probe, watched)
            plan = self._plan(program, request, probe.name)
            done = _earlier(plan.runs_dir, plan.run_id(plan.program.seeds.first))
            if done is not None and done.record.id != watched.record.id:
                results.append(self._result(probe, request, done))
        return results

    def _result(self, probe: Probe, request: Mapping[str, Any], done: ProbedRun) -> ProbeResult:
        if request and (done.report is None or not done.report.touched):
            return ProbeResult(probe=probe, problem=f"{probe.name} acted on nothing")
        try:
            table = read_predictions(done.table)
        except UsageError as error:
            return ProbeResult(probe=probe, problem=f"{probe.name}: {error.message}")
        held_out = {"held-out": table.held_out} if table.held_out is not None else {}
        return ProbeResult(probe=probe, errors={**table.errors, **held_out})

    def _changed(
        self, probe: Probe, watched: ProbedRun
    ) -> tuple[Program, dict[str, Any], Sequence[str]]:
        """Return the program of a probe, what the shim changes of it, and the ids to train on."""
        knobs, values = self.knobs, dict[str, Scalar]()
        request: dict[str, Any] = {}
        ids: Sequence[str] = ()
        present = self.program.hyperparameters
        if probe.kind is ProbeKind.RATE:
            if knobs.learning_rate:
                values[knobs.learning_rate] = float(present[knobs.learning_rate]) * probe.value
            else:
                request["rate"] = probe.value
        elif probe.kind is ProbeKind.WIDER:
            if knobs.capacity:
                values[knobs.capacity] = 2 * present[knobs.capacity]
            else:
                assert watched.report is not None
                width = max(watched.report.wider, key=lambda one: one.times)
                if width.layers:
                    request["layers"] = {name: list(sizes) for name, sizes in width.layers.items()}
                else:
                    request["wider"] = [width.class_name, width.argument]
        elif probe.kind is ProbeKind.ROWS:
            if knobs.train_ids:
                ids = _chosen_ids(watched.table, probe)
                values[knobs.train_ids] = _file_name(ids)
            else:
                request |= _fewer_rows(watched.report, probe)
        else:
            is_off = probe.kind is ProbeKind.NO_REGULARIZATION
            declared = knobs.regularization or Regularization()
            values.update(declared.off if is_off else declared.stronger)
            if not values:
                request["regularization"] = "off" if is_off else "more"
        return self.program.with_values(values), request, ids

    def _run(
        self, program: Program, request: Mapping[str, Any], title: str, ids: Sequence[str] = ()
    ) -> ProbedRun:
        files = {_file_name(ids): "".join(f"{one}\n" for one in ids)} if ids else {}
        return self.run_once(program, request, title, lambda: files)

    def run_once(
        self,
        program: Program,
        request: Mapping[str, Any],
        title: str,
        extra_files: Callable[[], Mapping[str, str]],
    ) -> ProbedRun:
        """Run the program's first seed, or return what an earlier such run left.

        Args:
            program: the program, or a changed one.
            request: what the shim is asked, and all that tells this run from others.
            title: what messages call it.
            extra_files: text by name, written beside what its commands run in; called only where
                the run is made.

        Raises:
            RunError: it does not end well.
        """
        plan = self._plan(program, request, title)
        seed = plan.program.seeds.first
        with only_one(self.session.project):
            done = _earlier(plan.runs_dir, plan.run_id(seed))
            if done is None:
                discard_unfinished(self.session.project)
                self.session.listener.message(title)
                plan = replace(plan, extra_files=extra_files())
                record = run_seeds(plan, [seed], self.session.listener)[0]
                done = _read(plan.runs_dir / record.id, record)
        if done.record.outcome is not Outcome.COMPLETED:
            report = done.report
            has_diverged = report is not None and any(loss is None for loss in report.losses)
            raise RunError(
                f"{title}: {done.record.outcome.value}: {done.record.reason}"
                + (
                    "; its loss was not a number before that: training diverged"
                    if has_diverged
                    else ""
                ),
                hint="lower the learning rate, by ten at first" if has_diverged else None,
            )
        return done

    def _plan(self, program: Program, request: Mapping[str, Any], title: str) -> Plan:
        files = replace(self.files, program=program, title=title)
        return replace(
            prepare_program(self.session, files),
            probing=request,
            runs_dir=self.session.project.scaffold_dir / "probes",
        )


def _earlier(runs_dir: Path, run_id: str) -> ProbedRun | None:
    for folder in sorted(runs_dir.glob(f"{run_id}*")):
        try:
            record = read_record(RunRecord, folder / "run.json")
            is_complete = record.outcome is Outcome.COMPLETED
            if is_complete and record.id == folder.name and is_own(record, folder):
                return _read(folder, record)
        except ScaffoldError:
            continue
    return None


def _read(folder: Path, record: RunRecord) -> ProbedRun:
    """Read what the shim left, with care: the program could have written there as well."""
    reports = []
    trace = folder / "trace"
    for path in _ordinary_files(trace, "report-*.json"):
        try:
            reports.append(WatchReport.model_validate(json.loads(read_text(path, MOST_BYTES))))
        except (ValueError, RecursionError, ScaffoldError):
            continue
    report = max(reports, key=lambda one: one.steps, default=None)
    table = folder / _TABLE
    if not table.exists():
        _write_table(table, _seen_rows(trace))
    return ProbedRun(folder=folder, record=record, report=report)


_MOST_PROCESSES = 16


def _ordinary_files(trace: Path, pattern: str) -> list[Path]:
    """Return what the processes of a run left; no links, and only so many."""
    files = [path for path in trace.glob(pattern) if path.is_file() and not path.is_symlink()]
    return sorted(files)[:_MOST_PROCESSES]


def _seen_rows(trace: Path) -> Iterator[dict[str, str]]:
    for path in _ordinary_files(trace, "rows-*.csv"):
        try:
            yield from csv.DictReader(read_text(path, MOST_BYTES).splitlines())
        except (csv.Error, ScaffoldError):
            continue


def _write_table(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Write the rows that were seen; what a program only tests on stands for validation."""
    seen = list(rows)
    splits = {row.get("split", "") for row in seen}
    renamed = {} if "validation" in splits else {"test": "validation"}
    if splits.isdisjoint({"validation", "test"}):
        renamed[""] = "validation"
    seen = [row for row in seen if row.get("split") or "" in renamed]  # else of no known split
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["id", "split", "label", "prediction"])
    for row in seen:
        split = row.get("split", "")
        cells = (row.get("id"), renamed.get(split, split), row.get("label"))
        writer.writerow([*cells, row.get("prediction")])
    write_text(path, text.getvalue())  # whole or not at all: it is read again


def _chosen_ids(table: Path, probe: Probe) -> list[str]:
    """Return the ids of some training rows, drawn by a seed of their own."""
    ids = [str(row["id"]) for row in table_rows(table) if split_named(row.get("split")) == "train"]
    return sorted(random.Random(0).sample(ids, _number(probe, len(ids))))  # noqa: S311


def _number(probe: Probe, rows: int) -> int:
    return min(rows, round(probe.value * rows) if probe.value <= 1 else int(probe.value))


def _file_name(ids: Sequence[str]) -> str:
    return f"train_ids-{hashlib.sha256(chr(10).join(ids).encode()).hexdigest()[:12]}.txt"


def _fewer_rows(report: WatchReport | None, probe: Probe) -> dict[str, Any]:
    if report is None or not report.sites:
        raise RunError("where its training rows are drawn was not seen")
    sites = {name: site.model_dump() for name, site in report.sites.items()}
    drawn = max(len(site.ids) or site.n for site in report.sites.values())
    return {"sites": sites, "rows": _number(probe, drawn)}


_SANE_DIFFERENCE = 1e-3
"""Of the mean output: how far a network may differ from itself by rounding (PROBES h)."""

_LEAST_SIGN = 0.5
"""Of the loss: `backward` gets the loss itself, a part of it where gradients are accumulated."""


def facts_of(watched: ProbedRun) -> TrainingFacts:
    """Return what a program's own run shows."""
    report = watched.report
    if report is None:
        return TrainingFacts()
    loss, backward = report.first.get("loss", 0.0), report.first.get("backward", 0.0)
    differs = [
        f"a network differs from itself by {value:.2g} of its mean output {how}"
        for value, how in (
            (report.twice, "when it evaluates twice"),
            (report.alone, "between a row alone and in its batch"),
        )
        if value is not None and value > _SANE_DIFFERENCE
    ]
    copies = report.copies.get("validation") or report.copies.get("") or report.copies.get("test")
    return TrainingFacts(
        never_moved=tuple(f"{one.name}: {one.reason}" for one in report.never_moved),
        parameters=report.parameters,
        starts_at_zero=bool(report.never_moved) and all(one.is_zero for one in report.never_moved),
        is_sign_flipped=loss > 0 and backward < -_LEAST_SIGN * loss,
        diverged=any(value is None for value in report.losses),
        evaluation_differs=f"{differs[0]}: it is in training mode" if differs else "",
        copies=copies or (0, 0),
        is_augmented=report.augmented,
    )


def table_of(watched: ProbedRun) -> Predictions:
    """Return the predictions of a run.

    Raises:
        UsageError: it wrote none, and none could be seen from outside; says how to write them.
    """
    try:
        return read_predictions(watched.table)
    except UsageError as error:
        if watched.table.parent != watched.folder:
            raise
        hint = (
            "let the program write predictions.csv with the columns id, split, label,"
            " prediction into its folder (scaffold docs loop)"
        )
        tree = watched.folder / "tree"
        elsewhere = next((path for path in sorted(tree.rglob(_TABLE)) if path.is_file()), None)
        if elsewhere is not None:
            hint = f"{elsewhere.relative_to(tree)} is not looked at: {hint}"
        raise UsageError(
            f"no predictions could be seen from outside: {error.message}", hint=hint
        ) from error
