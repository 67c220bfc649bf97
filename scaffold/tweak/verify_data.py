"""Judge a system on a new dataset against the simplest models."""

from scaffold.errors import UsageError
from scaffold.git.snapshots import Snapshot
from scaffold.probes.baselines import overfit_run, require_baselines, simple_models, zeroed_runs
from scaffold.records.tweak import ChangeEvidence
from scaffold.rules.change.baselines import BaselineRuns, judge_data
from scaffold.rules.change.judge import ChangeTerms
from scaffold.rules.change.paired import next_look
from scaffold.tweak.evidence import (
    Compared,
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
    plan = work.plan(after, after.system, f"{tweak.phase} {tweak.name}")
    if rule.metric not in [metric.name for metric in after.system.metrics]:
        raise UsageError(f"system.yaml measures no {rule.metric}, by which {tweak.name} is judged")
    metric = after.system.metric(rule.metric)
    simple = simple_models(work.session, after)
    overfit_one_batch = overfit_run(work.session, after)
    count = next_look(0, rule.max_pairs)
    differences, declared = (
        find_differences(work, before, after),
        declared_otherwise(work.project, tweak),
    )
    while True:
        runs = work.runs(plan, count)
        zeroed = zeroed_runs(work.session, after, count)
        compared = BaselineRuns(
            zeroed=zeroed,
            simple=simple,
            overfit_one_batch=overfit_one_batch.metrics[metric.name].value,
            settings=baselines,
            bound=tweak.bound,
        )
        terms = ChangeTerms(
            rule=rule,
            deterministic=after.system.seeds.how == "none",
            additional=declared,
            remarks=remarks_of(work, differences, (plan,)),
        )
        judgment = judge_data(metric, runs, compared, terms)
        if (
            judgment.more_pairs is None
            or count >= rule.max_pairs
            or after.system.seeds.how == "none"
        ):
            break
        count = next_look(count, rule.max_pairs)
    old = work.plan(before, before.system, "the snapshot before")
    baseline_runs = {
        "simple": dict(simple),
        "overfit_one_batch": overfit_one_batch.model_dump(mode="json"),
        "zeroed": [run.model_dump(mode="json") for run in zeroed],
        "settings": baselines.model_dump(mode="json"),
    }
    sides = (side_of(before, old, []), side_of(after, plan, runs))
    compared_sides = Compared(differences=differences, metrics=[metric], sides=sides, plans=(plan,))
    return write_judged(work, compared_sides, judgment, baselines=baseline_runs)
