"""Judge a system on a new dataset against the simplest models."""

from scaffold.errors import UsageError
from scaffold.git.snapshots import Snapshot
from scaffold.probes.baselines import overfit_run, require_baselines, simple_models, zeroed_runs
from scaffold.records.tweak import ChangeEvidence
from scaffold.rules.change.baselines import judge_data
from scaffold.rules.change.paired import next_look
from scaffold.tweak.evidence import (
    declared_otherwise,
    find_differences,
    remarks_of,
    side_of,
    write_judged,
)
from scaffold.tweak.prepare import Work


def judge_new_data(work: Work, before: Snapshot, after: Snapshot) -> ChangeEvidence:
    """Make all runs that a new dataset is judged by, and write the evidence."""
    tweak, rule = work.tweak, work.tweak.rule
    baselines = require_baselines(after.system)
    plan, room = work.plan(after, after.system, f"{tweak.phase} {tweak.name}")
    if rule.metric not in [metric.name for metric in after.system.metrics]:
        raise UsageError(f"system.yaml measures no {rule.metric}, by which {tweak.name} is judged")
    metric = after.system.metric(rule.metric)
    context = (work.project, work.recipe, after)
    simple = simple_models(*context, work.listener, work.options)
    overfit_one_batch = overfit_run(*context, work.listener, work.options)
    count = next_look(0, rule.max_pairs)
    differences, declared = (
        find_differences(work, before, after),
        declared_otherwise(work.project, tweak),
    )
    while True:
        runs = work.runs(plan, room, count)
        zeroed = zeroed_runs(*context, count, work.listener, work.options)
        judgment = judge_data(
            rule,
            metric,
            runs,
            zeroed,
            simple,
            overfit_one_batch.metrics[metric.name].value,
            baselines,
            tweak.bound,
            remarks_of(work, differences, (plan,)),
            additional=declared,
            deterministic=after.system.seeds.how == "none",
        )
        if (
            judgment.more_pairs is None
            or count >= rule.max_pairs
            or after.system.seeds.how == "none"
        ):
            break
        count = next_look(count, rule.max_pairs)
    old, _ = work.plan(before, before.system, "the snapshot before")
    baseline_runs = {
        "simple": dict(simple),
        "overfit_one_batch": overfit_one_batch.model_dump(mode="json"),
        "zeroed": [run.model_dump(mode="json") for run in zeroed],
        "asked": baselines.model_dump(mode="json"),
    }
    sides = (side_of(before, old, []), side_of(after, plan, runs))
    return write_judged(
        work, differences, [metric], sides, (plan,), judgment, baselines=baseline_runs
    )
