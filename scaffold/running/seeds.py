"""Make the runs of a program that are missing."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path

from scaffold.errors import RunError
from scaffold.project.lock import only_one
from scaffold.project.project import Project
from scaffold.records.evidence import Outcome, RunRecord
from scaffold.records.program import Program
from scaffold.running.batch import ProgressListener, run_seeds
from scaffold.running.plan import Plan
from scaffold.running.readers import read_lines
from scaffold.running.store import completed, find_runs, uncounted
from scaffold.running.unfinished import discard_unfinished


def planned_seeds(program: Program, count: int) -> list[int]:
    """Return the first seeds of a project; a deterministic reference has one."""
    return list(
        range(
            program.seeds.first, program.seeds.first + (1 if program.seeds.how == "none" else count)
        )
    )


def used_seeds(
    program: Program, records: Sequence[RunRecord], seeds: Sequence[int], spare: int | None = None
) -> list[int]:
    """Return the seeds that stand for these.

    A crashed one is replaced by a further one, from `spare` on.

    Within the recipe's allowance only; beyond it, whoever asks again gets the same seeds again.
    Places are kept, since the sequential test looks at the runs in this order.
    """
    crashed = {record.seed for record in records if record.outcome is Outcome.FAILED}
    crashed -= {record.seed for record in completed(records)}
    if not crashed or len(crashed) > program.seeds.retries:
        return list(seeds)
    spare = program.seeds.first + program.most_seeds if spare is None else spare
    used = list(seeds)
    for place, seed in enumerate(seeds):
        if seed in crashed:
            while spare in crashed or spare in used:
                spare += 1
            used[place] = spare
    return used


def make_runs(
    project: Project,
    plan: Plan,
    seeds: Sequence[int],
    listener: ProgressListener,
    *,
    spare: int | None = None,
    rerun: bool = False,
) -> list[RunRecord]:
    """Make the missing runs of these seeds and return the completed ones in order.

    With `rerun` all of them are made.

    A crashed run is replaced by one of a further seed (from `spare` on) as often as the recipe's
    `seeds.retries` allows. A run that ended but diverged, or gave no metric, is a result: it is
    neither replaced nor made again.

    Raises:
        RunError: a run failed, beyond what the recipe allows. The runs that went well are kept.
    """
    with only_one(project):
        discard_unfinished(project)
        records = runs_of(plan)
        others = [] if plan.smoke else uncounted(plan.runs_dir, plan.inputs, records)
        if others:
            listener.message(f"damaged or not of this user, so not counted: {', '.join(others)}")
        while True:
            used = used_seeds(plan.program, records, seeds, spare)
            done = {record.seed for record in completed(records)}
            unusable = [
                r
                for r in records
                if r.outcome is Outcome.NO_METRIC and r.seed in used and r.seed not in done
            ]
            if unusable and not rerun:
                raise failure(unusable, project, plan)
            todo = [seed for seed in used if rerun or seed not in done]
            new_records = run_seeds(plan, todo, listener)
            records = [*records, *new_records]
            failed = [record for record in new_records if record.outcome is not Outcome.COMPLETED]
            if not failed:
                order = {seed: place for place, seed in enumerate(used)}
                usable = [record for record in completed(records) if record.seed in order]
                return sorted(usable, key=lambda record: order[record.seed])
            crashed = {r.seed for r in records if r.outcome is Outcome.FAILED}
            if (
                any(r.outcome is not Outcome.FAILED for r in failed)
                or len(crashed) > plan.program.seeds.retries
            ):
                raise failure(failed, project, plan)
            rerun = False


def runs_of(plan: Plan) -> list[RunRecord]:
    """Return all runs with a plan's inputs, successful or not."""
    return find_runs(plan.runs_dir, plan.inputs, plan.program, smoke=plan.smoke)


def failure(failed: Sequence[RunRecord], project: Project, plan: Plan) -> RunError:
    """Return one error for all failed runs, with the reason of each."""
    reasons = "".join(
        f"\n  seed {record.seed}: {record.outcome.value}: {record.reason}" for record in failed
    )
    logs = project.runs / failed[0].id / "logs"
    shown = "".join(f"\n    | {line}" for line in _last_lines(logs))
    count = len(failed)
    return RunError(
        f"{count} run{'s' * (count != 1)} of {plan.title} did not end well; no metric of them"
        f" counts{reasons}{shown}",
        hint=f"its whole output is in {logs.relative_to(project.root)}/; {plan.remedy}",
    )


_MOST_LINES = 8
"""Lines of a failed run that are shown: the end of a traceback."""


def _last_lines(logs: Path) -> list[str]:
    """Return the last lines that a run printed: of its errors, or of its output without any."""
    for suffix in ("err", "out"):
        files = sorted(logs.glob(f"*.{suffix}"))
        if files:
            lines = deque((line.rstrip() for line in read_lines(files[-1])), maxlen=_MOST_LINES)
            if any(lines):
                return [line[:200] for line in lines]
    return []
