"""Start, accept and drop tweaks: one small change each, on its own branch, merged with evidence."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from scaffold.consent import approve_program
from scaffold.errors import ProjectError, UsageError
from scaffold.git.history import (
    branches,
    common_ancestor,
    conflict_error,
    find_branch,
    is_ancestor,
    make_commit,
    merge_aside,
    present_branch,
    project_repository,
    require_not_elsewhere,
    tree_with_edits,
    tree_with_files,
)
from scaffold.git.repository import Repository
from scaffold.git.snapshots import PATHS, snapshot_id, unpack
from scaffold.git.transaction import Merging, Move, move
from scaffold.project.project import Project, load_recipe, load_yaml, only_one, record_text
from scaffold.records.evidence import MetricValue
from scaffold.records.fields import Scalar
from scaffold.records.judgment import ChangeJudgment
from scaffold.records.parsing import parse_record
from scaffold.records.recipe import Recipe, SuggestedTweak
from scaffold.records.system import System
from scaffold.records.tweak import Bound, ChangeEvidence, ChangeRule, Kind, Tweak
from scaffold.reproduce.verify import load_calibration
from scaffold.rules.stats import SampleStats, equality_tolerance
from scaffold.tweak.create_src import begin
from scaffold.tweak.new_files import NewFile, find_new_files, require_small
from scaffold.tweak.staleness import find_stale_change, judge_change_again
from scaffold.tweak.store import (
    BRANCHES,
    TWEAK_NAME,
    accepted,
    claim_tweak,
    commit_before,
    declared_tweaks,
    find_judged,
    find_tweak,
    forget_tweak,
    is_own_tweak,
    last_accepted,
    page_of,
    read_change,
    record_paths,
    refuse_vendor,
    require_base_branch,
    tweak_branches,
    with_decision,
)
from scaffold.tweak.verify import like
from scaffold.user_state import Origin, origin_of

_WHAT = {"tweak": "NAME", "rewrite": "PART"}
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
    suggestion = next((tweak for tweak in recipe.adaptation.tweaks if tweak.name == name), None)
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
    rule = rule_of(project, recipe, wish, [metric.name for metric in program.metrics])
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
    )
    carried = open_tweak(project, repository, tweak)
    return Started(tweak=tweak, suggestion=suggestion, made_src=made_src, carried=carried)


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
    head = _HEAD.format(what=tweak.phase.capitalize(), name=tweak.name)
    text = head + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
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


def refuse_start(project: Project, name: str) -> Repository:
    """Return the project's repository, if a change of this name may start now.

    Raises:
        UsageError: the name is none, or taken.
        ProjectError: another change is under way, or git is in no state to branch.
    """
    repository = project_repository(project.root)
    base_branch = present_branch(repository)
    if not re.fullmatch(TWEAK_NAME, name) or len(name) > 60:
        raise UsageError(
            f"{name!r} is no name for a tweak: lower-case letters, digits and single dashes, at"
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
    taken = {tweak.name for tweak in declared_tweaks(project)}
    if name in taken or read_change(project, name):
        raise UsageError(
            f"there was a tweak {name!r} already: see scaffold tweak list",
            hint=f"choose another: {name}-2",
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
        raise UsageError(f"a tweak {name!r} was dropped before", hint=f"choose another: {name}-2")
    return repository


def rule_of(project: Project, recipe: Recipe, wish: Wish, metrics: list[str]) -> ChangeRule:
    """Return how a change is judged: as the user asked, else by what is known of the metric."""
    last = last_accepted(project)
    metric = wish.metric or (last.tweak.rule.metric if last else recipe.claims[0].metric)
    if metric not in metrics:
        raise UsageError(
            f"--metric {metric}: there is none of that name",
            hint=f"there are: {', '.join(metrics)}",
        )
    if wish.margin is not None:
        margin, reason = wish.margin, "as was asked for"
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
    law = SampleStats.of(
        [value.value for value in values], half_digit=min(value.half_digit for value in values)
    )
    if not law.has_spread:
        return (
            max(equality_tolerance(law, law), 1e-12),
            f"what equal results may differ by, from {len(values)} {whose}",
        )
    return (
        float(f"{_MARGIN_SD * law.sd:.3g}"),
        f"half a standard deviation of {len(values)} {whose}",
    )


def _spread(project: Project, recipe: Recipe, metric: str) -> tuple[list[MetricValue], str]:
    """Return values of a metric over seeds, and their source.

    Calibration runs; on other data those of an accepted tweak.
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
        found = [run.metrics[metric] for run in evidence.change.runs if metric in run.metrics]
        if len(found) >= _LEAST_VALUES:
            return found, f"runs of tweak {evidence.tweak.name}"
    return [], ""


def _require_tweak(project: Project, repository: Repository, phase: str) -> Tweak:
    tweak = find_tweak(project)
    if tweak is not None and tweak.phase != phase:
        raise ProjectError(
            f"it is {tweak.phase} {tweak.name} that is under way here, no {phase}",
            hint=f"scaffold {tweak.phase} accept, or scaffold {tweak.phase} drop",
        )
    if tweak is None:
        others = [name for name in tweak_branches(repository) if name != find_branch(repository)]
        raise ProjectError(
            f"no {phase} is under way here",
            hint=(
                f"git switch {shlex.quote(others[0])}"
                if others
                else f"scaffold {phase} start {_WHAT[phase]}"
            ),
        )
    return tweak


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A tweak that was accepted or dropped.

    Attributes:
        tweak: its declaration.
        evidence: what it showed, if it was judged.
        home: the branch that it came from.
        commit: of that branch, which says what was decided.
        committed: files that git did not track before.
        untracked: new data that a dropped tweak leaves where it is.
    """

    tweak: Tweak
    evidence: ChangeEvidence | None
    base_branch: str
    commit: str
    committed: tuple[NewFile, ...]
    untracked: tuple[NewFile, ...] = ()


def accept_tweak(
    project: Project, reason: str, phase: str, *, include_large: bool = False
) -> Decided:
    """Merge the open tweak into its base branch with evidence and journal page, and tag it.

    Args:
        project: whose tweak it is.
        reason: why it is accepted although its evidence speaks against it.
        phase: `tweak` or `rewrite`.
        include_large: commit new files also where they are binary, or large together.

    Raises:
        ProjectError: it was not judged; its evidence is stale or speaks against it, and no reason
            was given; its home has another system by now; merging conflicts; it has new files that
            git should not keep.
    """
    with only_one(project):  # not while runs of it are being made
        return _accept(project, reason, phase, include_large)


def _accept(project: Project, reason: str, phase: str, include_large: bool) -> Decided:
    repository = project_repository(project.root)
    tweak = _require_tweak(project, repository, phase)
    branch = present_branch(repository)
    evidence = read_change(project, tweak.name)
    if evidence is None:
        raise ProjectError(f"{tweak.phase} {tweak.name} was not judged yet", hint="scaffold verify")
    judgment = _require_acceptable(project, tweak, evidence, reason)
    base_branch = require_base_branch(repository, tweak)
    require_not_elsewhere(repository, base_branch)
    if branch != base_branch:
        _refuse_moved_base_branch(project, repository, tweak, base_branch, evidence, reason)
    _refuse_conflicts(repository)
    new_files = find_new_files(repository, PATHS)
    if not include_large:
        require_small(new_files, f"scaffold {phase} accept")
    parent, present = "HEAD", tree_with_edits(repository, (*PATHS, *record_paths(tweak)))
    if branch != base_branch and not is_ancestor(repository, f"refs/heads/{base_branch}", "HEAD"):
        parent = _merge_base_branch(project, repository, tweak, base_branch, present)
    snapshot = unpack(
        project,
        repository,
        snapshot_id(repository, f"{parent}^{{tree}}" if parent != "HEAD" else present),
    )
    kept = with_decision(
        evidence,
        decision="accepted",
        reason=reason or evidence.reason,
        accepted_snapshot=snapshot.id,
    )
    _, record, page = record_paths(tweak)
    files = {record: record_text(kept), page: page_of(tweak, kept)}
    tree = tree_with_files(repository, files, base=present if parent == "HEAD" else parent)
    told = f"{tweak.milestone}: {judgment.verdict.value}\n\n{judgment.reason}\n"
    commit = make_commit(repository, tree, told, [parent])
    refs: dict[str, str | None] = {}
    if branch != base_branch:
        reason = f"\n\nBecause: {reason}" if reason else ""
        title = f"Accept {tweak.milestone}: {judgment.verdict.value}{reason}\n"
        commit = make_commit(repository, tree, title, [f"refs/heads/{base_branch}", commit])
        refs[f"refs/heads/{branch}"] = None
    refs |= {f"refs/heads/{base_branch}": commit, f"refs/tags/milestone/{tweak.milestone}": commit}
    if is_own_tweak(project, tweak):
        approve_program(
            snapshot.system, snapshot.source.folder, snapshot.tree, f"{tweak.phase} {tweak.name}"
        )
    move(project, Move(title=f"{phase} accept", refs=refs, branch=base_branch, present=present))
    forget_tweak(project, tweak)
    return Decided(
        tweak=tweak,
        evidence=kept,
        base_branch=base_branch,
        commit=commit,
        committed=tuple(new_files),
    )


def _require_acceptable(
    project: Project, tweak: Tweak, evidence: ChangeEvidence, reason: str
) -> ChangeJudgment:
    """Return the judgment of a change.

    Raises:
        ProjectError: it is stale or speaks against the change, and nobody gave a reason to accept
            it all the same.
    """
    stale = find_stale_change(project, tweak, evidence)
    against = [f"the evidence is stale: {'; '.join(map(str, stale))}"] if stale else []
    if origin_of(evidence.checksum) is Origin.OTHERS:
        against.append(f"its evidence is {Origin.OTHERS.value}")
    judgment = judge_change_again(evidence)
    if judgment.refusal:
        against.append(f"it is {judgment.verdict.value}: {judgment.refusal}")
    if against and not (reason or evidence.reason):
        raise ProjectError(
            f"{tweak.phase} {tweak.name} is not to be accepted: {'; '.join(against)}",
            hint=(
                f"scaffold verify, or scaffold {tweak.phase} drop; or accept it all the same, with"
                " your reason on "
                f'record: scaffold {tweak.phase} accept --reason "..."'
            ),
        )
    return judgment


def _merge_base_branch(
    project: Project, repository: Repository, tweak: Tweak, base_branch: str, present: str
) -> str:
    """Return a commit that merges the moved base branch into the tweak with its edits.

    Raises:
        ProjectError: they conflict; the files are marked as `git merge` marks them.
    """
    message = f"Merge {base_branch} into {tweak.branch}\n"
    edited = make_commit(repository, present, f"{tweak.milestone}: its last edits\n", ["HEAD"])
    merged = merge_aside(repository, edited, f"refs/heads/{base_branch}")
    if not merged.stages:
        return make_commit(repository, merged.tree, message, [edited, f"refs/heads/{base_branch}"])
    theirs = repository.call("rev-parse", f"refs/heads/{base_branch}")
    branch = f"refs/heads/{present_branch(repository)}"
    move(
        project,
        Move(
            title=f"{tweak.phase} accept",
            refs={branch: edited},
            present=present,
            files=merged.tree,
            merging=Merging(theirs=theirs, message=message, stages=merged.stages),
        ),
    )
    raise conflict_error(base_branch, merged.conflicts)


def _refuse_moved_base_branch(
    project: Project,
    repository: Repository,
    tweak: Tweak,
    base_branch: str,
    evidence: ChangeEvidence,
    reason: str,
) -> None:
    """Raise ProjectError if the base branch is not what the tweak was compared with."""
    parted = common_ancestor(repository, f"refs/heads/{base_branch}", "HEAD")
    moved = snapshot_id(repository, f"refs/heads/{base_branch}") != snapshot_id(repository, parted)
    if moved:
        raise ProjectError(
            f"{base_branch} has another system by now than the one that {tweak.phase} {tweak.name}"
            " started from",
            hint=(
                f"git merge {shlex.quote(base_branch)}, then scaffold verify: the change is judged"
                " against what is there now"
            ),
        )
    against = snapshot_id(repository, commit_before(project, repository, tweak))
    if not reason and evidence.before.snapshot != against:
        raise ProjectError(
            f"{tweak.phase} {tweak.name} was judged against another state than that of"
            f" {base_branch}",
            hint="scaffold verify",
        )


def _refuse_conflicts(repository: Repository) -> None:
    """Raise ProjectError for conflicts that no git operation explains, as after `git stash pop`."""
    unresolved = repository.call("diff", "--name-only", "--diff-filter=U")
    if unresolved:
        raise ProjectError(
            f"conflicts are not resolved in {', '.join(unresolved.split())}", hint="git status"
        )


def drop_tweak(project: Project, phase: str, *, include_large: bool = False) -> Decided:
    """End the open tweak without merging; its base branch gets the record, a tag keeps the code.

    New files of data/ stay where they are.

    Args:
        project: whose tweak it is.
        phase: `tweak` or `rewrite`.
        include_large: let the tag keep new files also where they are binary, or large together.

    Raises:
        ProjectError: what is not committed elsewhere in the project is in the way, or it has new
            files that git should not keep.
    """
    with only_one(project):  # not while runs of it are being made
        return _drop(project, phase, include_large)


def _drop(project: Project, phase: str, include_large: bool) -> Decided:
    repository = project_repository(project.root)
    tweak = _require_tweak(project, repository, phase)
    branch = present_branch(repository)
    base_branch = require_base_branch(repository, tweak)
    require_not_elsewhere(repository, base_branch)
    evidence = read_change(project, tweak.name)
    if branch == base_branch:
        raise ProjectError(
            f"the edits of {tweak.phase} {tweak.name} lie on {base_branch} itself, so that dropping"
            " it would take back commits",
            hint=(
                "take them back with git revert (of a merge: git revert -m 1 COMMIT), the"
                " declaration too"
            ),
        )
    new_files = find_new_files(repository, PATHS)
    untracked = [file for file in new_files if file.path.startswith("data/")]
    committed = [file for file in new_files if file not in untracked]
    if not include_large:
        require_small(committed, f"scaffold {phase} drop")
    present = tree_with_edits(repository, (*PATHS, *record_paths(tweak)), tracked_only=("data",))
    last = make_commit(repository, present, f"Drop {tweak.milestone}: its last state\n", ["HEAD"])
    _, record, page = record_paths(tweak)
    verdict, files = "before it was judged", {}
    if evidence is not None:
        evidence = with_decision(evidence, decision="dropped")
        files[record] = record_text(evidence)
        verdict = ChangeJudgment.from_mapping(evidence.judgment).verdict.value
    files[page] = page_of(tweak, evidence)
    told = f"Drop {tweak.milestone}: {verdict}\n\nIts code: tag dropped/{tweak.name}\n"
    tree = tree_with_files(repository, files, base=f"refs/heads/{base_branch}")
    commit = make_commit(repository, tree, told, [f"refs/heads/{base_branch}"])
    refs = {
        f"refs/tags/dropped/{tweak.name}": last,
        f"refs/heads/{base_branch}": commit,
        f"refs/heads/{branch}": None,
    }
    move(project, Move(title=f"{phase} drop", refs=refs, branch=base_branch, present=present))
    forget_tweak(project, tweak)
    return Decided(
        tweak=tweak,
        evidence=evidence,
        base_branch=base_branch,
        commit=commit,
        committed=tuple(committed),
        untracked=tuple(untracked),
    )
