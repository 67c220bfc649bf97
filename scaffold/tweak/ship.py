"""Measure all that matters before a model leaves the house, and open the sealed test once."""

import json
import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scaffold.datasets.splits import FILE, open_seal, read_seal, sealed_ids
from scaffold.datasets.tables import plain_label, table_rows
from scaffold.errors import ScaffoldError, UsageError
from scaffold.git.repository import Repository
from scaffold.probes.analysis import bound_of
from scaffold.probes.predictions import Predictions
from scaffold.probes.runs import ProbedRun, Prober, table_of
from scaffold.project.files import read_text
from scaffold.project.goal import read_goal
from scaffold.project.project import Project
from scaffold.records.claim import ValueClaim
from scaffold.records.evidence import JudgedRun
from scaffold.records.goal import Goal
from scaffold.records.program import Command
from scaffold.records.system import ModelEntry, System
from scaffold.reproduce.evidence import read_evidence
from scaffold.rules.loop.gaps import ErrorGap, SplitError, analyze_gaps
from scaffold.rules.loop.limits import (
    LATENCY,
    MEMORY,
    LimitResult,
    Measured,
    judge_limit,
    reasons_against,
)
from scaffold.rules.splits.names import split_named
from scaffold.rules.stats import mean_interval
from scaffold.running.variables import SHIM
from scaffold.tweak.base_branch import find_unjudged_edits
from scaffold.tweak.shipped import remember_shipping
from scaffold.tweak.store import find_tweak, last_accepted

_DRIVER = SHIM / "_scaffold_entry.py"
_OUT = "scaffold-entry.json"
_TEST_LIST = "splits/test.txt"
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """A metric of the present state, beside the state before and what was published."""

    name: str
    split: str
    direction: str
    n: int
    present: Measured | None
    before: Measured | None
    reference: Measured | None
    published: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipping:
    """What `scaffold ship` says.

    Attributes:
        reasons: why it is NO-GO; GO where there are none.
        errors: of the splits, of the predictions of the run that had the sealed test.
        test_reads: how often the sealed test was read; None where none is sealed.
    """

    reasons: Sequence[str]
    metrics: Sequence[MetricRow]
    limits: Sequence[LimitResult]
    errors: Mapping[str, SplitError]
    gaps: Sequence[ErrorGap]
    of_classes: bool
    test_reads: int | None


def ship(prober: Prober) -> Shipping:
    """Measure, open the sealed test if this state was not shown it yet, and judge.

    Raises:
        UsageError: nothing was judged yet, or a tweak is under way.
        RunError: the program or its entry does not end well.
    """
    project = prober.session.project
    tweak = find_tweak(project)
    if tweak is not None:
        raise UsageError(
            f"{tweak.phase} {tweak.name} is under way, and only what was judged is shipped",
            hint=f"scaffold {tweak.phase} accept or scaffold {tweak.phase} drop",
        )
    goal = read_goal(project)
    rows = _metric_rows(prober)
    lists = project.system_source.tree / "splits"
    seal = read_seal(lists) if (lists / FILE).is_file() else None
    entry = prober.program.entry if isinstance(prober.program, System) else None
    request = {
        "ship": 1,
        "entry": entry.model_dump() if entry else None,
        "test": seal.sha256 if seal else None,
    }
    program = (
        _with_entry(prober.program, entry)
        if entry and isinstance(prober.program, System)
        else prober.program
    )

    def files() -> Mapping[str, str]:
        return {_TEST_LIST: open_seal(lists, "scaffold ship")} if seal is not None else {}

    done = prober.run_once(program, request, "the program, to be shipped", files)
    errors, gaps, of_classes, obstacles = _errors(done, goal)
    if seal is not None:
        obstacles += _unsealed(done, sealed_ids(lists))
    measured = {row.name: row.present for row in rows} | (_of_entry(done) if entry else {})
    limits = [
        judge_limit(limit.name, limit.at_most, limit.at_least, measured.get(limit.name))
        for limit in goal.limits
    ]
    fresh = read_seal(lists) if seal is not None else None
    reasons = reasons_against(limits, [*_unjudged(project), *obstacles])
    remember_shipping(project, reasons)
    return Shipping(
        reasons=reasons,
        metrics=rows,
        limits=limits,
        errors=errors,
        gaps=gaps,
        of_classes=of_classes,
        test_reads=len(fresh.reads) if fresh is not None else None,
    )


def _unjudged(project: Project) -> Iterator[str]:
    """Yield why what is here is not what was judged."""
    evidence = read_evidence(project)
    verdict = evidence.judgment["verdict"] if evidence is not None else "nothing"
    if verdict != "REPRODUCED":
        yield f"the reference was not shown to give its result here: {verdict}"
    if find_unjudged_edits(project, Repository(project.root)) is not None:
        yield "src/ or system.yaml differ from all that was judged"


def _metric_rows(prober: Prober) -> list[MetricRow]:
    project = prober.session.project
    evidence, accepted = read_evidence(project), last_accepted(project)
    reference = evidence.runs if evidence is not None else ()
    present = accepted.change.runs if accepted is not None else reference
    if not present:
        raise UsageError("nothing has been judged yet", hint="scaffold verify")
    before = accepted.before.runs if accepted is not None else ()
    claims = prober.session.recipe.claims
    published = {one.metric: one.value for one in claims if isinstance(one, ValueClaim)}
    return [
        MetricRow(
            name=metric.name,
            split=metric.split,
            direction=metric.direction,
            n=len(present),
            present=_mean(present, metric.name),
            before=_mean(before, metric.name),
            reference=_mean(reference, metric.name) if accepted is not None else None,
            published=published.get(metric.name),
        )
        for metric in prober.program.metrics
    ]


def _mean(runs: Sequence[JudgedRun], name: str) -> Measured | None:
    values = [run.metrics[name].value for run in runs if name in run.metrics]
    if not values or not all(map(math.isfinite, values)):
        return None
    return Measured(value=math.fsum(values) / len(values), interval=mean_interval(values))


def _with_entry(program: System, entry: ModelEntry) -> System:
    """Return the program whose last step runs the entry as well."""
    document = program.model_dump(mode="json", by_alias=True, exclude_none=True)
    name = "evaluate" if program.commands.evaluate is not None else "train"
    command = Command.model_validate(document["commands"][name])
    words = [str(_DRIVER), _OUT, entry.script, entry.load, entry.examples]
    document["commands"][name]["run"] = ["python", *words, *command.argv]
    return System.model_validate(document)


def _of_entry(done: ProbedRun) -> dict[str, Measured | None]:
    """Return what the entry was measured to take; latency is what 95 of 100 calls stay below."""
    written = sorted((done.folder / "tree").rglob(_OUT))
    try:
        content: Any = json.loads(read_text(written[0], _MOST_BYTES)) if written else {}
        times = sorted(float(one) for one in content["calls_ms"])
        memory = float(content["memory_mb"])
    except (ScaffoldError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    place = max(math.ceil(0.95 * len(times)) - 1, 0)
    return {
        LATENCY: Measured(value=times[place]) if times else None,
        MEMORY: Measured(value=memory),
    }


def _unsealed(done: ProbedRun, sealed: Collection[str]) -> Iterator[str]:
    """Yield where the rows that a run wrote are not those of the sealed test split."""
    if not done.has_own_table:
        yield (
            "test is sealed, and the program writes no predictions.csv: whether it was tested on"
            f" {_TEST_LIST} cannot be seen"
        )
        return
    names = {plain_label(one) for one in sealed}
    seen: Counter[str] = Counter()
    others = 0
    for row in table_rows(done.table):
        split, is_sealed = split_named(row.get("split")) or "", plain_label(row.get("id")) in names
        seen[split] += is_sealed
        others += split == "test" and not is_sealed
    if not seen["test"]:
        yield "no row of test in the run's predictions has an id of the sealed test split"
        return
    for split in ("train", "train-dev", "validation"):
        if seen[split]:
            yield (
                f"{seen[split]} of the {len(sealed)} sealed test ids are {split} in the run's"
                " predictions: it does not read splits/"
            )
    if others:
        yield f"{others} rows of test in the run's predictions are not of the sealed test split"


def _errors(
    done: ProbedRun, goal: Goal
) -> tuple[Mapping[str, SplitError], Sequence[ErrorGap], bool, list[str]]:
    """Return the errors and gaps of the run's predictions, and what speaks against shipping."""
    table: Predictions | None = None
    obstacles = []
    try:
        table = table_of(done)
    except UsageError as error:
        if done.has_own_table:
            obstacles.append(f"the predictions of the run cannot be read: {error.message}")
    if table is None or goal.matters is None:
        return (table.errors if table else {}), (), bool(table and table.of_classes), obstacles
    bound = bound_of(goal, of_classes=table.of_classes)
    analysis = analyze_gaps(table.errors, bound, goal.matters)
    for gap in analysis.gaps:
        if gap.counts and gap.high_split == "test":
            obstacles.append(
                "the error on test is higher than on validation: overfit to validation"
            )
    obstacles += analysis.doubts
    return table.errors, analysis.gaps, table.of_classes, obstacles
