"""Makes runs of a project's reference: what is asked for and not there yet."""

import shutil
from collections.abc import Sequence

from scaffold.errors import RunError
from scaffold.project import Project, only_one
from scaffold.records.evidence import Outcome, RunRecord
from scaffold.records.recipe import Recipe
from scaffold.running.archive import completed, find_runs
from scaffold.running.launcher import Plan
from scaffold.running.slots import Watcher, run_seeds


def planned_seeds(recipe: Recipe, count: int) -> list[int]:
    """The first seeds of a project; a deterministic reference has one."""
    return list(range(recipe.seeds.first, recipe.seeds.first + (1 if recipe.seeds.how == "none" else count)))


def make_runs(
    project: Project,
    plan: Plan,
    seeds: Sequence[int],
    slots: int,
    watcher: Watcher,
    *,
    spare: int | None = None,
    again: bool = False,
) -> list[RunRecord]:
    """Run the seeds that have no completed run yet, all of them with `again`; return the completed ones of all seeds.

    A crashed run is replaced by one of a further seed (from `spare` on) as often as the recipe's `seeds.retries`
    allows. A run that ended but diverged, gave no metric or took too long is a result, and never replaced.

    Raises:
        RunError: a run failed, beyond what the recipe allows. The runs that went well are kept.
    """
    allowed = plan.recipe.seeds.retries
    if spare is None:
        spare = plan.recipe.seeds.first + plan.recipe.rule.max_seeds
    with only_one(project):
        for unfinished in project.runs.glob(".*"):
            shutil.rmtree(unfinished, ignore_errors=True)  # left by a scaffold that was killed
        # Within the allowance a crashed seed is replaced; beyond it, whoever asks again gets the same seeds again.
        crashed = {record.seed for record in find_failed(plan) if record.outcome is Outcome.FAILED}
        crashed -= {record.seed for record in completed(find_runs(plan))}
        replaced = crashed if len(crashed) <= allowed else set()
        while True:
            used = _substitute(seeds, replaced, spare)
            done = {record.seed for record in completed(find_runs(plan, used))}
            todo = [seed for seed in used if again or seed not in done]
            failed = [record for record in run_seeds(plan, todo, slots, watcher) if not completed([record])]
            if not failed:
                return completed(find_runs(plan, used))
            replaced |= {record.seed for record in failed}
            if len(replaced) > allowed or any(record.outcome is not Outcome.FAILED for record in failed):
                raise failure(failed, project, plan)
            again = False


def _substitute(seeds: Sequence[int], replaced: set[int], spare: int) -> list[int]:
    used = [seed for seed in seeds if seed not in replaced]
    while len(used) < len(seeds):
        if spare not in replaced and spare not in used:
            used.append(spare)
        spare += 1
    return used


def find_failed(plan: Plan) -> list[RunRecord]:
    """Runs with these inputs that did not end well."""
    return [record for record in find_runs(plan) if not completed([record])]


def failure(failed: Sequence[RunRecord], project: Project, plan: Plan) -> RunError:
    """One error for all failed runs, with the reason of each."""
    reasons = "".join(f"\n  seed {record.seed}: {record.outcome.value}: {record.reason}" for record in failed)
    logs = (project.runs / failed[0].id / "logs").relative_to(project.root)
    count = len(failed)
    return RunError(
        f"{count} run{'s' * (count != 1)} of {plan.recipe.id} did not end well; no metric of them counts{reasons}",
        hint=f"its whole output lies in {logs}/",
    )
