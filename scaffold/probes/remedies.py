"""Open a remedy that the last analysis proposes: hypothesis, and the values that it sets."""

from collections.abc import Mapping
from dataclasses import dataclass

from scaffold.errors import UsageError
from scaffold.probes.analyzed import LastAnalysis, last_analysis, present_state
from scaffold.probes.sweep import read_sweeps
from scaffold.project.project import Project, load_yaml
from scaffold.records.fields import Scalar
from scaffold.records.system import System
from scaffold.rules.loop.case import ProbeKind
from scaffold.rules.loop.remedies import Remedy, remedies
from scaffold.rules.loop.sweep import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRemedy:
    """A remedy as a tweak: what it treats, what is expected, what it sets.

    Attributes:
        values: hyperparameters that it changes; empty where that is the user's to write.
    """

    remedy: Remedy
    bottleneck: str
    expect: str
    values: Mapping[str, Scalar]


def plan_remedy(project: Project, remedy_id: str) -> PlannedRemedy:
    """Return a remedy of the bottleneck that the last analysis named.

    Raises:
        UsageError: nothing was analyzed, the analysis is of another state, or it proposes others.
    """
    last = last_analysis(project)
    if last is None or not last.is_current:
        state = "nothing has been analyzed" if last is None else "src/ changed since the analysis"
        raise UsageError(f"{state}: no remedy is proposed", hint="scaffold analyze")
    bottleneck = last.diagnosis.bottleneck
    proposed = {one.id: one for one in remedies(last.diagnosis)}
    if bottleneck is None or remedy_id not in proposed:
        word = bottleneck.value if bottleneck is not None else "cannot say yet"
        known = ", ".join(proposed) or "none"
        raise UsageError(
            f"{remedy_id!r} is not a remedy of what was analyzed, {word}",
            hint=f"there are: {known}",
        )
    remedy = proposed[remedy_id]
    return PlannedRemedy(
        remedy=remedy,
        bottleneck=bottleneck.value,
        expect=f"{bottleneck.value} ({last.diagnosis.reason}): {remedy.change}",
        values=_values(project, remedy, last),
    )


def plan_best_of_sweep(project: Project) -> PlannedRemedy:
    """Return the values of the best trial of the newest sweep, as a remedy.

    Raises:
        UsageError: nothing was swept, `src/` changed since, or the present values were best.
    """
    newest = next(iter(read_sweeps(project)), None)
    if newest is None or newest.sweep.state != present_state(project):
        reason = "nothing has been swept" if newest is None else "src/ changed since the last sweep"
        raise UsageError(reason, hint="scaffold sweep NAME=LOW..HIGH")
    sweep, present = newest.sweep, newest.present
    best = newest.ordered[0] if newest.ordered else present
    if best.values == present.values:
        raise UsageError(
            f"{newest.path.name}: no trial was better than the present values",
            hint="sweep other ranges, or other hyperparameters",
        )
    changed = {name: one for name, one in best.values.items() if one != present.values[name]}
    words = ", ".join(f"{name} {value}" for name, value in changed.items())
    return PlannedRemedy(
        remedy=Remedy(
            id=f"tune-{newest.path.stem}".lower().replace(".", "-").replace("_", "-"),
            change=f"set {words}",
            cost="short sweep",
            refuted_by="other seeds than the sweep's show no gain",
        ),
        bottleneck="",
        expect=(
            f"best of {len(sweep.trials)} trials ({newest.path.name}): {words} gave"
            f" {sweep.metric} {best.mean:.4g}, the present values {_mean_text(present)}"
        ),
        values=changed,
    )


def _mean_text(trial: Trial) -> str:
    return "none" if trial.mean is None else f"{trial.mean:.4g}"


def _values(project: Project, remedy: Remedy, last: LastAnalysis) -> dict[str, Scalar]:
    """Return the hyperparameters that a remedy sets, where knobs name them."""
    if remedy.probe is None or not project.system.exists():
        return {}
    system = load_yaml(System, project.system)
    if system.analysis is None:
        return {}
    knobs, present = system.analysis.knobs, system.hyperparameters
    if remedy.probe is ProbeKind.RATE and knobs.learning_rate and last.best_rate:
        return {knobs.learning_rate: float(present[knobs.learning_rate]) * last.best_rate}
    if remedy.probe is ProbeKind.WIDER and knobs.capacity:
        return {knobs.capacity: 2 * present[knobs.capacity]}
    regularization = knobs.regularization
    if regularization is not None and remedy.probe is ProbeKind.NO_REGULARIZATION:
        return dict(regularization.off)
    if regularization is not None and remedy.probe is ProbeKind.MORE_REGULARIZATION:
        return dict(regularization.stronger)
    return {}
