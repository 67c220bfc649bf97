"""Which planted faults the parity checks see.

And which six metrics and the end metric alone see of them.

    python benchmarks/fault_bench.py                    the table, from what was recorded
    python benchmarks/fault_bench.py --record           run everything anew (an hour on two cores)
    python benchmarks/fault_bench.py --record --parity-only      the parity checks alone (ten
        minutes), the rest as it was
    python benchmarks/fault_bench.py --record NAME ...  these variants only, shown and not kept

Eight references (`faults/`), each with variants: faults, and equal rewrites. `variants.yaml` of the
first three was written before the parity checks were finished, `variants_after.yaml` afterwards, by
someone who had not read its code.

- parity checks: the golden trace of the reference against one in the own dtype and one in
  float64, as `scaffold verify` makes them in a rewrite, and its replay. Seen: a check DIFFERS.
  Address right: it is one of the checks, and names the module, that the variant's author noted.
- end metric: the sequential test of a reproduction over at most 2 seeds against 12 reference runs.
- six metrics: that, or one of the others by a t test with the reference's standard deviation, alpha
  0.01 over all.

Costs are processor time beyond imports, in units of one run of the reference.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from scaffold.environments.prepare import prepare_environment
from scaffold.git.trees import content_id
from scaffold.machine import describe_machine
from scaffold.project.digests import inputs_of
from scaffold.project.project import ProgramSource, Project, load_yaml
from scaffold.records.claim import Rule
from scaffold.records.engine import LocalTarget
from scaffold.records.evidence import RunRecord
from scaffold.records.judgment import Verdict
from scaffold.records.system import System
from scaffold.rules.parity.checks import CheckResult, first_difference
from scaffold.rules.reproduction.sequential import judge_reproduction
from scaffold.rules.stats import SampleStats, t_two_sided_p
from scaffold.running.batch import run_seeds
from scaffold.running.plan import Plan
from scaffold.sandbox import NO_SANDBOX
from scaffold.tracing.compare import Rewritten, compare_with_golden
from scaffold.tracing.golden import Golden
from scaffold.tracing.record import record_golden

FAULTS = Path(__file__).with_name("faults")
RECORDS = Path(__file__).with_name("records") / "faults.json"
REFERENCES = (
    "digits_cnn",
    "tiny_transformer",
    "table_mlp",
    "points_gan",
    "averaged_cnn",
    "digits_vae",
    "checkpointed_critic",
    "numpy_regression",
)
FILES = {"before": "variants.yaml", "after": "variants_after.yaml"}
CALIBRATION = range(1000, 1012)
SEEDS = range(2)
METRICS = (
    "end_metric",
    "test_loss",
    "train_loss",
    "first_epoch_loss",
    "first_gradient_norm",
    "weight_norm",
)
ALPHA = 0.01


class Silent:
    """A listener of runs that shows nothing."""

    def planned(self, runs: int, at_once: int, run_s: float) -> None: ...
    def started(self, name: str) -> None: ...
    def advanced(self, name: str, step: int, elapsed_s: float) -> None: ...
    def ended(self, name: str, record: RunRecord) -> None: ...
    def message(self, text: str) -> None: ...


def variants() -> Iterator[dict[str, Any]]:
    """All of them, each with its reference and when it was written."""
    for reference in REFERENCES:
        for written, name in FILES.items():
            path = FAULTS / reference / name
            for variant in yaml.safe_load(path.read_text()) if path.exists() else ():
                yield {"reference": reference, "written": written, **variant}


def source_of(variant: Mapping[str, Any]) -> str:
    """The text of its train.py."""
    text = (FAULTS / variant["reference"] / "train.py").read_text()
    for edit in variant["edits"]:
        if text.count(edit["find"]) != 1:
            raise SystemExit(
                f"{variant['name']}: {edit['find']!r} occurs {text.count(edit['find'])} times"
            )
        text = text.replace(edit["find"], edit["replace"])
    return text


def make_ready(folder: Path, reference: str, text: str) -> tuple[Project, Plan]:
    """A program in a folder of its own, ready to run on one thread."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "train.py").write_text(text)
    shutil.copy(FAULTS / reference / "system.yaml", folder)
    project = Project(folder)
    system, source = (
        load_yaml(System, project.system),
        ProgramSource(folder, folder / "src", folder / "system.lock"),
    )
    environment = prepare_environment(source, system.environment, lambda: None)
    plan = Plan(
        slots=1,
        title=reference,
        remedy="",
        program=system,
        source=source,
        environment=environment,
        datasets={},
        inputs=inputs_of(system, folder, content_id(folder / "src"), environment.lock),
        sandbox=NO_SANDBOX,
        smoke=False,
        threads=1,
        runs_dir=project.runs,
        engine=LocalTarget(),
        is_detached=False,
        submissions_dir=project.submissions,
    )
    return project, plan


def child_seconds() -> float:
    """Processor time of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def start_up_seconds(plan: Plan, text: str) -> float:
    """Processor time of a program's imports.

    And of those that torch makes with the first optimizer.

    Every process spends it before it computes anything, traced or not.
    """
    tree = (
        "import ast, sys; tree = ast.parse(sys.stdin.read()); "
        "tree.body = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]; "
        "exec(compile(tree, 'imports', 'exec')); torch = sys.modules.get('torch'); "
        "torch and torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)"
    )
    before = child_seconds()
    for _ in range(3):
        subprocess.run(
            [str(plan.environment.python), "-c", tree], input=text, text=True, check=True
        )
    return (child_seconds() - before) / 3


def run_metrics(plan: Plan, seeds: range) -> list[dict[str, float]]:
    """All six metrics of runs with these seeds; of one that failed none."""
    records = run_seeds(plan, list(seeds), Silent())
    ordered = sorted(records, key=lambda record: record.seed)
    return [{name: value.value for name, value in record.metrics.items()} for record in ordered]


def record_reference(work: Path, reference: str, seeds: range) -> dict[str, Any]:
    """The golden trace, calibration runs, and what a run costs."""
    text = (FAULTS / reference / "train.py").read_text()
    project, plan = make_ready(work / reference / "golden", reference, text)
    start_up = start_up_seconds(plan, text)
    before = child_seconds()
    golden = record_golden(project, plan, None, "0" * 40, Silent())
    golden_cost = child_seconds() - before - _starts(golden, True) * start_up
    before = child_seconds()
    runs = run_metrics(plan, seeds)
    run_cost = (child_seconds() - before) / len(seeds) - start_up
    size = sum(path.stat().st_size for path in golden.folder.rglob("*") if path.is_file())
    return {
        "golden": str(golden.folder),
        "start_up_s": start_up,
        "starts": _starts(golden, False),
        "run_s": run_cost,
        "golden_runs": golden_cost / run_cost,
        "golden_bytes": size,
        "calibration": runs,
    }


def _starts(golden: Golden, is_recording: bool) -> int:
    """How often a program is started to record its golden trace.

    Or to compare another one with it.
    """
    kinds = len(golden.about.kinds)
    return (1 if golden.about.functions else 2) + kinds + (kinds - 1) if is_recording else kinds


def record_ladder(
    work: str, variant: Mapping[str, Any], known: Mapping[str, Any]
) -> dict[str, Any]:
    """What the parity checks say of one variant, and what that costs."""
    from scaffold.tracing.golden import read_golden

    folder = Path(work) / variant["reference"] / variant["name"]
    project, plan = make_ready(folder, variant["reference"], source_of(variant))
    golden: Golden = read_golden(Path(known["golden"]))
    before = child_seconds()
    checks = compare_with_golden(
        project, golden, plan, None, Rewritten(weights=variant.get("weights", {})), Silent()
    )
    # A program that differs already is not replayed.
    starts = known["starts"] - any(
        check.name == "replay" and check.verdict is Verdict.LEFT_OUT for check in checks
    )
    cost = (child_seconds() - before - starts * known["start_up_s"]) / known["run_s"]
    shutil.rmtree(folder)
    return {
        **{key: variant.get(key) for key in ("reference", "written", "name", "kind", "area")},
        **answer(variant, checks),
        "cost": cost,
        "seen_by": {},
    }


def record_runs(work: str, variant: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, bool]:
    """What metrics of whole runs say of it."""
    folder = Path(work) / variant["reference"] / variant["name"]
    _, plan = make_ready(folder, variant["reference"], source_of(variant))
    runs = run_metrics(plan, SEEDS)
    shutil.rmtree(folder)
    return seen_by(known["calibration"], runs)


def answer(variant: Mapping[str, Any], checks: tuple[CheckResult, ...]) -> dict[str, Any]:
    """The parity checks' word, and whether its address is one that the variant's author accepts."""
    first = first_difference(checks)
    if first is None:
        return {"differs": None, "address_right": None}
    module = first.address.module if first.address else ""
    is_right = (
        first.name in variant.get("check", ())
        and variant.get("module", "") in f"{module} {first.reason}"
    )
    told = {
        "check": first.name,
        "module": module,
        "step": first.address.step if first.address else 0,
    }
    return {"differs": {**told, "reason": first.reason}, "address_right": is_right}


def seen_by(calibration: list[dict[str, float]], runs: list[dict[str, float]]) -> dict[str, bool]:
    """Whether the end metric alone, and six metrics, tell these runs from the reference's."""
    if not all(runs):
        return {"end": True, "six": True}  # it crashed or diverged: anybody sees that
    stats = SampleStats.of([run["end_metric"] for run in calibration], half_digit=0.0)
    values = [run["end_metric"] for run in runs]
    end = (
        judge_reproduction(
            "end_metric", SampleStats.of(values), stats, Rule(max_seeds=len(SEEDS))
        ).verdict
        is Verdict.NOT_REPRODUCED
    )
    monitored = False
    for name in METRICS[1:]:
        stats = SampleStats.of([run[name] for run in calibration], half_digit=0.0)
        own = SampleStats.of([run[name] for run in runs], half_digit=0.0)
        t = abs(own.mean - stats.mean) / (stats.sd * (1 / own.n + 1 / stats.n) ** 0.5)
        monitored = monitored or t_two_sided_p(t, stats.n - 1) < ALPHA / (len(METRICS) - 1)
    return {"end": end, "six": end or monitored}


def record(names: list[str], with_runs: bool) -> dict[str, Any]:
    """Run all variants, or those of these names."""
    chosen = [variant for variant in variants() if not names or variant["name"] in names]
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool,
    ):
        work = Path(folder).resolve()
        used = sorted({variant["reference"] for variant in chosen})
        seeds = CALIBRATION if with_runs else CALIBRATION[:3]
        known = dict(
            zip(
                used,
                pool.map(record_reference, [work] * len(used), used, [seeds] * len(used)),
                strict=True,
            )
        )
        ladders = [pool.submit(record_ladder, str(work), v, known[v["reference"]]) for v in chosen]
        results = list(monitored(ladders, "parity checks"))
        records = {
            "machine": describe_machine().model_dump(mode="json"),
            "references": known,
            "variants": results,
        }
        if with_runs:
            runs = [pool.submit(record_runs, str(work), v, known[v["reference"]]) for v in chosen]
            for result, seen in zip(results, monitored(runs, "runs"), strict=True):
                result["seen_by"] = seen
    return records


def monitored(futures: list[Any], what: str) -> Iterator[Any]:
    """Results in order, with the time left."""
    begun = time.monotonic()
    for count, future in enumerate(futures, 1):
        result = future.result()
        left = (time.monotonic() - begun) / count * (len(futures) - count)
        told = {
            key: result.get(key)
            for key in ("kind", "name", "differs", "address_right", "cost", "end", "six")
        }
        print(
            f"  {what} {count}/{len(futures)}, {left / 60:.0f} min left: {told}",
            file=sys.stderr,
            flush=True,
        )
        yield result


def keep_runs(records: dict[str, Any], earlier: Mapping[str, Any]) -> None:
    """What metrics said of whole runs stays as it was recorded.

    The parity checks alone were made again.
    """
    seen = {(v["reference"], v["name"]): v["seen_by"] for v in earlier["variants"]}
    for variant in records["variants"]:
        variant["seen_by"] = seen.get((variant["reference"], variant["name"]), {})
    for name, entry in earlier["references"].items():
        records["references"][name]["calibration"] = entry["calibration"]


def show(records: Mapping[str, Any]) -> None:
    """The table: faults seen, address right, false alarms, cost."""
    found = records["variants"]
    print(f"{'':34}{'parity checks':>10}{'address':>10}{'six metrics':>13}{'end metric':>12}")
    for title, chosen in groups(found):
        if chosen:
            cells = [
                sum(bool(v["differs"]) for v in chosen),
                sum(bool(v["address_right"]) for v in chosen),
            ]
            cells += [
                sum(bool(v["seen_by"].get(which)) for v in chosen) for which in ("six", "end")
            ]
            # Of later references no whole runs were recorded.
            by_runs = sum(bool(v["seen_by"]) for v in chosen)
            counts = [len(chosen), len(chosen), by_runs, by_runs]
            shown = [f"{cell}/{count}" for cell, count in zip(cells, counts, strict=True)]
            if title.startswith("equal"):
                shown[1] = ""
            print(f"{title:34}{shown[0]:>10}{shown[1]:>10}{shown[2]:>13}{shown[3]:>12}")
    costs = sorted(v["cost"] for v in found)
    parity = f"{costs[len(costs) // 2]:.2f} (at most {costs[-1]:.2f})"
    print(f"{'cost in runs of the reference':34}{parity:>20}{len(SEEDS):>13}{len(SEEDS):>12}")
    for name, entry in records["references"].items():
        told = f"run {entry['run_s']:.1f} s beyond {entry['start_up_s']:.1f} s of imports"
        print(
            f"{name}: {told}, golden trace {entry['golden_runs']:.2f} runs,"
            f" {entry['golden_bytes'] / 1e6:.1f} MB"
        )
    for v in found:
        if (v["kind"] == "equal") == bool(v["differs"]) or (
            v["address_right"] is False and v["kind"] == "fault"
        ):
            print(
                f"not as it should be: {v['reference']} {v['name']} ({v['written']}):"
                f" {v['differs']}"
            )


def groups(found: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Rows of the table: titles, and the variants of each."""
    faults = [v for v in found if v["kind"] == "fault"]
    yield "faults, all", faults
    yield "faults written before", [v for v in faults if v["written"] == "before"]
    yield "faults written afterwards", [v for v in faults if v["written"] == "after"]
    for area in dict.fromkeys(v["area"] for v in faults):
        yield f"  {area}", [v for v in faults if v["area"] == area]
    yield "equal variants flagged", [v for v in found if v["kind"] == "equal"]


def main() -> None:
    """Show what was recorded, or record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--record", nargs="*", metavar="NAME")
    parser.add_argument(
        "--parity-only",
        action="store_true",
        help="keep the recorded runs that metrics are judged by",
    )
    args = parser.parse_args()
    if args.record is None:
        show(json.loads(RECORDS.read_text()))
        return
    records = record(args.record, not args.parity_only)
    for entry in records["references"].values():
        del entry["golden"]
    if args.parity_only and not args.record and RECORDS.exists():
        keep_runs(records, json.loads(RECORDS.read_text()))
    if not args.record:
        RECORDS.write_text(json.dumps(records, indent=1) + "\n")
    show(records)


if __name__ == "__main__":
    main()
