"""Show a metric from step to step: the reference, then each change that was judged."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scaffold.project.project import Project, load_recipe
from scaffold.records.evidence import JudgedRun
from scaffold.records.judgment import ChangeJudgment, Judgment, Question
from scaffold.reproduce.evidence import read_evidence
from scaffold.rules.stats import mean_interval
from scaffold.tweak.store import all_evidence
from scaffold.views.tables import format_duration, labelled, number, plain, table


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One state that was judged.

    Attributes:
        decision: accepted, dropped or open; empty of the reference.
        mean, interval, n: of the metric over its runs; the interval is that of the mean, 95 %.
        effect, effect_interval: beside the state before, of the judged metric alone.
    """

    name: str
    kind: str
    verdict: str
    decision: str
    mean: float | None
    interval: tuple[float, float] | None
    n: int
    effect: float | None
    effect_interval: tuple[float, float] | None
    cost_s: float
    created: str


def read_steps(project: Project, metric: str) -> list[Step]:
    """Return the reference, if it was judged, and every judged change, the oldest first."""
    steps = []
    evidence = read_evidence(project)
    if evidence is not None:
        mean, interval, n = _of_runs(evidence.runs, metric)
        steps.append(
            Step(
                name=load_recipe(project).id,
                kind="reference",
                verdict=Judgment.from_mapping(evidence.judgment).verdict.value,
                decision="",
                mean=mean,
                interval=interval,
                n=n,
                effect=None,
                effect_interval=None,
                cost_s=sum(run.wall_time_s for run in evidence.runs),
                created=evidence.created,
            )
        )
    for change in all_evidence(project):
        judgment = ChangeJudgment.from_mapping(change.judgment)
        finding = next(
            (
                one
                for one in judgment.findings
                if one.question is Question.CHANGE and one.metric == metric
            ),
            None,
        )
        mean, interval, n = _of_runs(change.change.runs, metric)
        steps.append(
            Step(
                name=change.tweak.name,
                kind=change.tweak.kind,
                verdict=judgment.verdict.value,
                decision=change.decision or "open",
                mean=mean,
                interval=interval,
                n=n,
                effect=finding.effect if finding else None,
                effect_interval=finding.interval if finding else None,
                cost_s=change.cost_s,
                created=change.created,
            )
        )
    return steps


def _of_runs(
    runs: Sequence[JudgedRun], metric: str
) -> tuple[float | None, tuple[float, float] | None, int]:
    values = [run.metrics[metric].value for run in runs if metric in run.metrics]
    finite = [value for value in values if math.isfinite(value)]
    mean = math.fsum(finite) / len(finite) if finite and len(finite) == len(values) else None
    return mean, mean_interval(values), len(values)


_HEAD = ("step", "kind", "verdict", "decided", "mean", "effect", "cost", "95 % of the mean")
_BAR = 24
"""Columns of the picture of an interval."""


def format_steps(metric: str, direction: str, steps: Sequence[Step], width: int) -> str:
    """Format the steps as a table, with each interval drawn on one scale."""
    ends = [end for step in steps for end in (step.interval or (step.mean, step.mean))]
    finite = [end for end in ends if end is not None]
    rows = [
        (
            plain(step.name),
            step.kind,
            step.verdict,
            step.decision,
            number(step.mean) + (f" (n {step.n})" if step.n else ""),
            "" if step.effect is None else f"{step.effect:+.3g}",
            format_duration(step.cost_s),
            _bar(step, min(finite), max(finite)) if finite else "",
        )
        for step in steps
    ]
    lines = table(_HEAD, rows, width, lambda _, text: text)
    if finite:
        scale = f"{metric}, {direction} is better; the bars go from {min(finite):.4g} to"
        lines += labelled("Scale", f"{scale} {max(finite):.4g}", width)
    if any(step.effect is not None for step in steps):
        text = "of pairs with the same seeds, beside the state before; means are of all runs"
        lines += labelled("Effect", text, width)
    return "\n".join(lines)


def _bar(step: Step, low: float, high: float) -> str:
    """Return a mean as a dot on its interval: `---|----o---|`."""
    if step.mean is None:
        return ""

    def place(value: float) -> int:
        return round((_BAR - 1) * (value - low) / (high - low)) if high > low else _BAR // 2

    cells = ["·"] * _BAR
    if step.interval is not None:
        start, end = map(place, step.interval)
        cells[start : end + 1] = ["─"] * (end - start + 1)
        cells[start] = cells[end] = "│"
    cells[place(step.mean)] = "●"
    return "".join(cells)
