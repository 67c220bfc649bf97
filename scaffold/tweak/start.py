"""Start, accept and drop tweaks: one small change each, on its own branch, merged with evidence."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from scaffold.errors import ProjectError, UsageError
from scaffold.git.history import (
    branches,
    make_commit,
    present_branch,
    project_repository,
    tree_with_files,
)
from scaffold.git.repository import Repository
from scaffold.git.snapshots import PATHS
from scaffold.git.transaction import Move, move
from scaffold.probes.remedies import PlannedRemedy
from scaffold.project.goal import read_goal
from scaffold.project.project import Project, load_recipe, load_yaml
from scaffold.project.schemas import editor_line
from scaffold.records.evidence import MetricValue
from scaffold.records.fields import WHOLE, Scalar
from scaffold.records.metric import Metric
from scaffold.records.parsing import parse_record
from scaffold.records.recipe import Recipe, SuggestedTweak
from scaffold.records.system import System
from scaffold.records.tweak import Bound, ChangeRule, Kind, Tweak
from scaffold.records.yaml_edit import replace_scalar
from scaffold.records.yaml_text import dump_yaml
from scaffold.reproduce.evidence import load_calibration
from scaffold.rules.stats import SampleStats, equality_tolerance
from scaffold.tweak.base_branch import find_judged, refuse_vendor
from scaffold.tweak.create_src import begin
from scaffold.tweak.prepare import like
from scaffold.tweak.store import (
    BRANCHES,
    TWEAK_NAME,
    accepted,
    claim_tweak,
    declared_tweaks,
    find_tweak,
    last_accepted,
    read_change,
)

WHAT = {"tweak": "NAME", "rewrite": "PART"}
_HEAD = """\
# {what} {name}: what it is to do, and how it is judged. Declared before its runs, which a later
# edit makes stale.
"""
_LEAST_VALUES = 3
"""Runs whose standard deviation says anything at all."""

_MARGIN_SD = 0.5
"""The default margin, in seed standard deviations: a loss that small hides in the noise of any one
run, and ten of them are five standard deviations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the user says of a tweak that is about to start; None for what they leave to us."""

    kind: Kind | None = None
    expect: str = ""
    metric: str | None = None
    margin: float | None = None
    pairs: int | None = None
    bound: Bound | None = None
    probes: Mapping[str, str] | None = None
    remedy: PlannedRemedy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A tweak that was started.

    `suggestion` is the recipe's, if it is one of those; `made_src` for the first one.
    """

    tweak: Tweak
    suggestion: SuggestedTweak | None
    made_src: bool
    carried: tuple[str, ...]


def start_tweak(project: Project, name: str, wish: Wish) -> Started:
    """Start a tweak on a branch `tweak/NAME`; uncommitted edits come along.

    The first one makes `src/`, `system.yaml` and `system.lock` and commits them on the present
    branch.

    Raises:
        UsageError: the name is taken, or something that only the user knows was not said.
        ProjectError: another one is under way, or git is in no state to branch.
    """
    repository = refuse_start(project, name)
    recipe = load_recipe(project)
    names = (name, re.sub(r"-\d+$", "", name))  # tried again: `your-data-2`
    suggestion = next((tweak for tweak in recipe.adaptation.tweaks if tweak.name in names), None)
    kind: Kind = wish.kind or (suggestion.kind if suggestion else "improve")
    expect = wish.expect or (f"{suggestion.change}: {suggestion.why}" if suggestion else "")
    if kind == "data" and wish.bound is None:
        raise UsageError(
            "a new dataset needs its bound: the best value of the metric that one can hope for"
            " (human, competitor or published)",
            hint="--bound 0.98 --bound-source 'two annotators agree'; or --bound unknown",
        )
    made_src = not project.system.exists()
    program = recipe if made_src else load_yaml(System, project.system)
    rule = rule_of(project, recipe, replace(wish, kind=kind), program.metrics)
    probes: dict[str, Scalar] = dict(suggestion.probes) if suggestion and kind == "cheaper" else {}
    if wish.probes and kind != "cheaper":
        raise UsageError(f"--probe is for a tweak of kind cheaper, {name} is of kind {kind}")
    for key, text in (wish.probes or {}).items():
        if key not in program.hyperparameters:
            known = ", ".join(program.hyperparameters) or "none"
            raise UsageError(
                f"--probe {key}: there is no hyperparameter {key!r}", hint=f"there are: {known}"
            )
        probes[key] = like(program.hyperparameters[key], text, f"--probe {key}={text}")
    before = ensure_src(project, repository, recipe)
    edits = _remedy_edits(project, wish.remedy)
    base_branch = present_branch(repository)
    tweak = Tweak(
        name=name,
        kind=kind,
        expect=expect,
        base_branch=base_branch,
        before=before,
        rule=rule,
        bound=wish.bound,
        probes=probes,
        bottleneck=wish.remedy.bottleneck if wish.remedy else "",
        refuted_by=wish.remedy.remedy.refuted_by if wish.remedy else "",
    )
    carried = open_tweak(project, repository, tweak, edits=edits)
    return Started(tweak=tweak, suggestion=suggestion, made_src=made_src, carried=carried)


def _remedy_edits(project: Project, planned: PlannedRemedy | None) -> dict[str, bytes]:
    """Return system.yaml with the values that a remedy sets; nothing where it sets none."""
    text = project.system.read_text(encoding="utf-8")
    before = text
    for name, value in (planned.values if planned else {}).items():
        changed = replace_scalar(text, ("hyperparameters", name), json.dumps(value))
        if changed is None:
            raise UsageError(
                f"system.yaml: the value of hyperparameters.{name} is not on one line",
                hint=f"write it so: {name}: {json.dumps(value)}",
            )
        text = changed
    return {} if text == before else {"system.yaml": text.encode()}


def ensure_src(project: Project, repository: Repository, recipe: Recipe) -> str:
    """Make `src/` where there is none; return the commit that a change starts from."""
    if not project.system.exists():
        begin(project, repository, recipe)
    return find_judged(project, repository, "HEAD") or repository.call("rev-parse", "HEAD")


def open_tweak(
    project: Project,
    repository: Repository,
    tweak: Tweak,
    files: Mapping[str, bytes] | None = None,
    edits: Mapping[str, bytes] | None = None,
) -> tuple[str, ...]:
    """Commit a declaration on a new branch, and check that branch out.

    Args:
        project: whose system is changed.
        repository: of the project.
        tweak: the declaration.
        files: content by path, committed with the declaration.
        edits: content by path, written to the work tree and not committed.

    Returns:
        paths of edits that were not committed yet, and come along.
    """
    carried = tuple(repository.changed_paths(PATHS))
    document = {"format": 1, **tweak.model_dump(mode="json", exclude_defaults=True)}
    head = editor_line("tweak", up="../") + _HEAD.format(
        what=tweak.phase.capitalize(), name=tweak.name
    )
    text = head + dump_yaml(document, width=120)
    parse_record(Tweak, text, source=f"tweaks/{tweak.name}.yaml")
    tree = tree_with_files(repository, {f"tweaks/{tweak.name}.yaml": text, **(files or {})})
    message = (
        f"Start {tweak.phase} {tweak.name} ({tweak.part or tweak.kind})\n\n{tweak.expect}".strip()
        + "\n"
    )
    tip = make_commit(repository, tree, message, ["HEAD"])
    claim_tweak(project, tweak, tip)
    ref = f"refs/heads/{tweak.branch}"
    edited = tree_with_files(repository, edits, base=tree) if edits else None
    title = f"{tweak.phase} start {tweak.name}"
    move(project, Move(title=title, refs={ref: tip}, branch=tweak.branch, files=edited))
    return carried


def refuse_start(project: Project, name: str, phase: str = "tweak") -> Repository:
    """Return the project's repository, if a change of this name may start now.

    Args:
        project: where.
        name: of the change.
        phase: tweak or rewrite, whose names are one set.

    Raises:
        UsageError: the name is none, or taken.
        ProjectError: another change is under way, or git is in no state to branch.
    """
    repository = project_repository(project.root)
    base_branch = present_branch(repository)
    if not re.fullmatch(TWEAK_NAME, name) or len(name) > 60:
        raise UsageError(
            f"invalid tweak name {name!r}: use lower-case letters, digits and single dashes, at"
            " most 60"
        )
    under_way = find_tweak(project)
    if under_way:
        raise ProjectError(
            f"{under_way.phase} {under_way.name} is under way here: one change at a time",
            hint=(
                f"scaffold {under_way.phase} accept, or scaffold {under_way.phase} drop; or git"
                " switch to where the other is to start from"
            ),
        )
    refuse_vendor(base_branch)
    another = f"choose another: {'--name ' if phase == 'rewrite' else ''}{name}-2"
    taken = {tweak.name for tweak in declared_tweaks(project)}
    if name in taken or read_change(project, name):
        raise UsageError(
            f"there was a change {name!r} already: see scaffold tweak list",
            hint=another,
        )
    taken_branch = next(
        (f"{prefix}{name}" for prefix in BRANCHES if f"{prefix}{name}" in branches(repository)),
        None,
    )
    if taken_branch:
        raise UsageError(
            f"there is a branch {taken_branch} already",
            hint=f"go on with it: git switch {shlex.quote(taken_branch)}",
        )
    if repository.find_id(f"refs/tags/dropped/{name}"):
        raise UsageError(f"a change {name!r} was dropped before", hint=another)
    return repository


def rule_of(project: Project, recipe: Recipe, wish: Wish, metrics: Sequence[Metric]) -> ChangeRule:
    """Return how a change is judged: as the user asked, else by what is known of the metric.

    What the goal says that matters of an error holds of any metric between 0 and 1, whichever way
    it goes. A change that is to change nothing is judged by how far seeds move the metric.
    """
    last = last_accepted(project)
    metric = wish.metric or (last.tweak.rule.metric if last else recipe.judged_metrics[0])
    units = {one.name: one.unit for one in metrics}
    if metric not in units:
        raise UsageError(
            f"--metric {metric}: there is none of that name",
            hint=f"there are: {', '.join(units)}",
        )
    goal = read_goal(project)
    whole = WHOLE.get(units[metric])
    if wish.margin is not None:
        margin, reason = wish.margin, "as was asked for"
    elif goal.matters is not None and whole and wish.kind in ("improve", "data"):
        margin, reason = goal.matters * whole, f"goal.yaml: {goal.matters_reason}"
    else:
        margin, reason = default_margin(project, recipe, metric)
    pairs = {} if wish.pairs is None else {"max_pairs": wish.pairs}
    return ChangeRule(metric=metric, margin=margin, margin_reason=reason, **pairs)


def default_margin(project: Project, recipe: Recipe, metric: str) -> tuple[float, str]:
    """Return the default smallest difference that matters, with its reason.

    Raises:
        UsageError: nothing says how much the metric varies from seed to seed.
    """
    declared = next((margin for margin in recipe.rule.margins if margin.metric == metric), None)
    on_other_data = any(e.tweak.kind == "data" for e in accepted(project))
    if declared and not on_other_data:
        return declared.value, declared.reason
    values, whose = _spread(project, recipe, metric)
    if len(values) < _LEAST_VALUES:
        raise UsageError(
            f"nothing says how much {metric} varies from seed to seed, so what is a small"
            " difference is yours to say",
            hint="--margin VALUE, in the metric's unit",
        )
    stats = SampleStats.of(
        [value.value for value in values], half_digit=min(value.half_digit for value in values)
    )
    if not stats.has_spread:
        return (
            max(equality_tolerance(stats, stats), 1e-12),
            f"what equal results may differ by, from {len(values)} {whose}",
        )
    return (
        float(f"{_MARGIN_SD * stats.sd:.3g}"),
        f"half a standard deviation of {len(values)} {whose}",
    )


def _spread(project: Project, recipe: Recipe, metric: str) -> tuple[list[MetricValue], str]:
    """Return values of a metric over seeds, and where they are from.

    They are of calibration runs, or on other data of an accepted tweak.
    """
    done = accepted(project)
    newest = max((index for index, e in enumerate(done) if e.tweak.kind == "data"), default=None)
    calibration = load_calibration(project, recipe)
    values = (
        [run.metrics[metric] for run in calibration.runs if metric in run.metrics]
        if calibration
        else []
    )
    if newest is None and values:
        return values, "calibration runs"
    for evidence in reversed(done[newest or 0 :]):
        metric_values = [
            run.metrics[metric] for run in evidence.change.runs if metric in run.metrics
        ]
        if len(metric_values) >= _LEAST_VALUES:
            return metric_values, f"runs of tweak {evidence.tweak.name}"
    return [], ""
