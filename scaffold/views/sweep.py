"""Format what a sweep gave: the best trials beside the present values, and what to mind."""

import os
from collections.abc import Mapping
from typing import Any

from scaffold.probes.sweep import Swept
from scaffold.rules.loop.sweep import Trial
from scaffold.rules.stats import mean_interval
from scaffold.views.tables import Paint, headline, labelled, number, plain, table

_MOST_TRIALS = 6


def effect_of(trial: Trial, present: Trial) -> tuple[float | None, tuple[float, float] | None]:
    """Return the mean difference by seed from the present values, with its interval of 95 %."""
    shared = sorted(trial.by_seed.keys() & present.by_seed.keys())
    differences = [trial.by_seed[seed] - present.by_seed[seed] for seed in shared]
    if not differences:
        return None, None
    return sum(differences) / len(differences), mean_interval(differences)


def sweep_answer(swept: Swept) -> dict[str, Any]:
    """Return what `--json` prints of a sweep."""
    sweep = swept.sweep
    tried = {tuple(trial.values.items()) for trial in swept.ordered}
    without = [
        Trial(values=one.values, by_seed={})
        for one in sweep.trials
        if tuple(one.values.items()) not in tried
    ]
    return {
        "path": str(swept.path),
        "metric": sweep.metric,
        "split": sweep.split,
        "direction": sweep.direction,
        "ranges": dict(sweep.ranges),
        "seeds": list(sweep.seeds),
        "trials": [_trial_answer(trial, swept.present) for trial in (*swept.ordered, *without)],
        "best": dict(swept.ordered[0].values) if swept.ordered else None,
        "edges": dict(sweep.edges),
        "still_improves": sweep.still_improves,
        "looks": swept.looks,
    }


def _trial_answer(trial: Trial, present: Trial) -> dict[str, Any]:
    effect, interval = effect_of(trial, present)
    return {
        "values": dict(trial.values),
        "mean": trial.mean,
        "n": len(trial.by_seed),
        "effect": effect,
        "effect_interval": list(interval) if interval else None,
    }


def _values_text(values: Mapping[str, Any]) -> str:
    return plain(", ".join(f"{name} {value}" for name, value in values.items()))


def format_swept(swept: Swept, width: int, paint: Paint, *, is_in_tweak: bool) -> str:
    """Format the best trials beside the present values, and what to mind before taking one up."""
    sweep, ordered, present = swept.sweep, swept.ordered, swept.present
    failed = len(sweep.trials) - len(ordered)
    if not ordered:
        lines = headline("NONE", "no trial gave its metric", width, lambda text: paint(text, "red"))
        return "\n".join([*lines, *labelled("Next", "scaffold run --smoke", width)])
    best = ordered[0]
    is_present = best.values == present.values
    word, color = ("NO GAIN", "yellow") if is_present else ("BEST", "green")
    nothing = "no trial was better than the present values"
    if len(ordered) == 1:
        nothing = "no other trial gave its metric; the present values"
    text = (
        f"{nothing}: {sweep.metric} {number(present.mean)}"
        if is_present
        else f"{_values_text(best.values)}: {sweep.metric} {number(best.mean)},"
        f" as it is {number(present.mean)}"
    )
    lines = [*headline(word, text, width, lambda text: paint(text, color)), ""]
    head = ("trial", sweep.metric, "effect", "")
    lines += table(head, trial_rows(swept), width, lambda _, text: text)
    seeds = f"{len(sweep.seeds)} seed{'s' if len(sweep.seeds) > 1 else ''} each"
    count = f"{len(sweep.trials) - 1} trials and the program as it is, {seeds}"
    failures = f"; {failed} gave no result" if failed else ""
    place = f"{os.path.relpath(swept.path)}, for git"
    lines += ["", *labelled("Swept", f"{count}{failures}; {place}", width)]
    for label, text in mind(swept):
        lines += labelled(label, text, width)
    if is_present:
        return "\n".join(lines)
    step = "scaffold tweak start --sweep"
    if is_in_tweak:
        step = f"{_values_text(best.values)} in system.yaml, then scaffold verify"
    return "\n".join(
        [*lines, *labelled("Next", f"{step}   # judged with other seeds than these", width)]
    )


def trial_rows(swept: Swept) -> list[tuple[str, ...]]:
    """Return the best trials, and that of the present values: values, metric, effect, interval."""
    shown, present = list(swept.ordered[:_MOST_TRIALS]), swept.present
    if present in swept.ordered and present not in shown:
        shown.append(present)
    return [_row(trial, present) for trial in shown]


def _row(trial: Trial, present: Trial) -> tuple[str, ...]:
    if trial.values == present.values:
        return _values_text(trial.values), number(trial.mean), "", "as it is"
    effect, interval = effect_of(trial, present)
    return (
        _values_text(trial.values),
        number(trial.mean),
        "" if effect is None else f"{effect:+.3g}",
        f"{interval[0]:+.3g} to {interval[1]:+.3g}" if interval else "",
    )


def mind(swept: Swept) -> list[tuple[str, str]]:
    """Return what keeps the best trial from being the last word, each with its label."""
    sweep = swept.sweep
    texts = [
        (
            "Edge",
            f"the best trials lie at the {end} end of {plain(name)}={sweep.ranges[name]}: what is"
            " better still may lie outside",
        )
        for name, end in sweep.edges.items()
    ]
    if sweep.still_improves:
        text = f"{sweep.metric} still improved when the best run ended: train longer"
        texts.append(("Longer", text))
    looks = f"{swept.looks} configurations have been compared by {sweep.split} in all"
    texts.append(("Looks", f"{looks}: the best of so many is also the luckiest"))
    if sweep.split == "test":
        text = "the metric is of test: what it gives after such a choice is no result to report"
        texts.append(("Careful", text))
    return texts
