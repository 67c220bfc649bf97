"""Compares what a program computes with a golden trace: runs it under the tracer, fed with the golden values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from scaffold.errors import RunError
from scaffold.golden import Golden, Mode, Traces, traced
from scaffold.project import Project, only_one, remove
from scaffold.records.judgement import Word
from scaffold.rules.ladder import climb_steps
from scaffold.rules.rung import Rung, Trace
from scaffold.rules.weight_maps import parse_weights, suggest
from scaffold.running.plan import Plan
from scaffold.running.slots import Watcher


def climb(
    project: Project, golden: Golden, plan: Plan, smoke: Plan | None, weights: Mapping[str, str | Sequence[str]],
    watcher: Watcher,
) -> tuple[Rung, ...]:  # fmt: skip
    """Trace a program, fed with the golden trace's values, and compare.

    Raises:
        UsageError: the declared `weights` are broken.
        RunError: the program failed.
    """
    terms = parse_weights(weights)
    work = _Climb(project, golden, plan, smoke, terms, watcher)
    reference = golden.traces
    with only_one(project):
        found = work.all_traces(flip=False)
        rungs = _compared(reference, found, plan.title)
        if _draws_otherwise(rungs, found):
            # Of a mask that keeps what is below 1 - p the numbers must be mirrored to drop the same elements.
            mirrored = _compared(reference, work.all_traces(flip=True), plan.title)
            rungs = min(rungs, mirrored, key=lambda some: sum(rung.word is Word.DIFFERS for rung in some))
    failed = [f"{kind}: {reason}" for kind, reason in work.failed.items()]
    return tuple(replace(rung, left_out=(*rung.left_out, *failed)) if rung.name == "loop" else rung for rung in rungs)


def _compared(reference: Traces, found: Traces, title: str) -> tuple[Rung, ...]:
    """All rungs; a program can write into its own trace, so that anything may stand there."""
    try:
        return tuple(_with_suggestion(rung, found) for rung in climb_steps(reference, found))
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise RunError(
            f"{title}: its trace cannot be compared with the golden one: {type(error).__name__}: {error}",
            hint="does the program write into the folder of SCAFFOLD_TRACE? nothing of it counts then",
        ) from error


def _draws_otherwise(rungs: Sequence[Rung], found: Traces) -> bool:
    """Whether training outputs differ, and masks were drawn that are no dropout of torch's own."""
    if not any(rung.name == "forward_train" and rung.word is Word.DIFFERS for rung in rungs):
        return False
    masks = [trace.arrays.get("series.masks") for trace in found.get("own", {}).values()]
    return any(values is not None and (values[:, 2] < 0).any() for values in masks)


_NETWORKS = Mode()


@dataclass(frozen=True, slots=True)
class _Climb:
    """What all traces of one comparison share."""

    project: Project
    golden: Golden
    plan: Plan
    smoke: Plan | None
    terms: Mapping[str, Any]
    watcher: Watcher
    failed: dict[str, str] = field(default_factory=dict)

    def all_traces(self, *, flip: bool) -> Traces:
        """Of each kind that the golden trace has; what fails beside the program's own dtype is left out."""
        about = self.golden.about
        self.watcher.said(f"{self.plan.title}: its computation, fed with the golden trace")
        found: dict[str, Mapping[str, Trace]] = {}
        found["own"] = self.trace("own", self.plan, Mode(functions=about.functions), flip=flip)
        unmatched = any("unmatched" in trace.index for trace in found["own"].values())
        if "float64" in about.kinds and not unmatched:
            self.watcher.said("the same in float64")
            self.try_trace(found, "float64", self.plan, flip=flip)
        if "replay" in about.kinds and self.smoke is not None and not unmatched:
            self.watcher.said("its smoke command in float64")
            self.try_trace(found, "replay", self.smoke, flip=flip)
        return found

    def try_trace(self, found: dict[str, Mapping[str, Trace]], kind: str, plan: Plan, *, flip: bool) -> None:
        try:
            found[kind] = self.trace(kind, plan, flip=flip)
        except RunError as error:
            self.failed[kind] = error.message.splitlines()[-1].strip()

    def trace(self, kind: str, plan: Plan, mode: Mode = _NETWORKS, *, flip: bool) -> Mapping[str, Trace]:
        place = self.project.state / "traces" / ".found"
        try:
            traces, _ = traced(
                self.project, plan, place, self.golden.folder / kind, self.watcher,
                dtype="own" if kind == "own" else "float64", replay=kind == "replay", weights=self.terms, flip=flip,
                mode=mode,
            )  # fmt: skip
        finally:
            remove(place)
        return traces


def _with_suggestion(rung: Rung, found: Traces) -> Rung:
    """Where tensors are made of nothing that was declared, what they might be made of, to be declared by the person."""
    for trace in found.get("own", {}).values():
        unmatched = trace.index.get("unmatched")
        if rung.name != "parameters" or unmatched is None:
            continue
        theirs = {name: shape for name, shape in unmatched["shapes"]["reference"] if name in unmatched["missing"]}
        own = {name: shape for name, shape in unmatched["shapes"]["own"] if name in unmatched["extra"]}
        lines = [f"{name}: {_yaml(text)}" for name, text in suggest(theirs, own).items()]
        if lines:
            return replace(rung, suggestions=tuple(lines))
    return rung


def _yaml(text: str | list[str]) -> str:
    return f'"{text}"' if isinstance(text, str) else "[" + ", ".join(f'"{item}"' for item in text) + "]"
