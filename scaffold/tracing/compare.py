"""Compare a program's computation with a golden trace, feeding it the golden values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from scaffold.errors import RunError
from scaffold.project.files import remove
from scaffold.project.lock import only_one
from scaffold.project.project import Project
from scaffold.records.judgment import Verdict
from scaffold.records.trace import check_alike
from scaffold.rules.parity.checks import STAGES, CheckResult, Trace
from scaffold.rules.parity.compare import compare_traces, is_network
from scaffold.rules.parity.weight_maps import parse_weights, suggest
from scaffold.running.batch import ProgressListener
from scaffold.running.plan import Plan
from scaffold.tracing.golden import Golden, Traces
from scaffold.tracing.record import Mode, TraceRequest, traced


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """What a rewrite replaces, and what it says of its own code.

    Attributes:
        part: as `scaffold rewrite start` was given it; empty where nothing in particular is
            replaced.
        renamed: what functions are called in `src/`, and in the reference: of this part and of
            those that were rewritten before.
        weights: what its tensors are made of.
    """

    part: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, str | Sequence[str]] = field(default_factory=dict)


def compare_with_golden(
    project: Project,
    golden: Golden,
    plan: Plan,
    smoke: Plan | None,
    rewritten: Rewritten,
    listener: ProgressListener,
) -> tuple[CheckResult, ...]:
    """Trace a program, fed with the golden trace's values, and compare.

    Raises:
        UsageError: the declared `weights` are broken.
        RunError: the program failed.
    """
    terms = parse_weights(rewritten.weights)
    work = _Comparison(
        project,
        golden,
        plan,
        smoke or plan,
        TraceRequest(weights=terms, renamed=rewritten.renamed),
        listener,
    )
    reference = golden.traces
    with only_one(project):
        traces = work.all_traces(flip=False)
        checks = _compared(reference, traces, plan.title, rewritten.part)
        if _draws_otherwise(checks, traces):
            # Of a mask that keeps what is below 1 - p the numbers must be mirrored to drop the same
            # elements.
            mirrored = work.all_traces(flip=True)
            answers = _compared(reference, mirrored, plan.title, rewritten.part)
            if _differences(answers) < _differences(checks):
                traces, checks = mirrored, answers
            else:
                work.request = replace(work.request, flip=False)
        if _needs_functions(golden, reference, rewritten.part, checks):
            work.by_functions(traces)
            checks = _compared(reference, traces, plan.title, rewritten.part)
        if "replay" in golden.about.kinds and not any(_is_settled(check) for check in checks):
            work.replay(traces)
            checks = _compared(reference, traces, plan.title, rewritten.part)
    failed = [f"{kind}: {reason}" for kind, reason in work.failed.items()]
    return tuple(
        replace(check, left_out=(*check.left_out, *failed)) if check.name == "loop" else check
        for check in checks
    )


def _needs_functions(
    golden: Golden, reference: Traces, part: str, checks: Sequence[CheckResult]
) -> bool:
    """Return whether a program with networks must be run by its functions, for a part's sake."""
    is_function = part and part not in STAGES
    is_open = not any(_is_settled(check) for check in checks)
    return bool(
        is_function
        and is_open
        and "functions" in golden.about.kinds
        and not any(is_network(trace, part) for trace in reference["own"].values())
    )


def _differences(checks: Sequence[CheckResult]) -> int:
    return sum(check.verdict is Verdict.DIFFERS for check in checks)


def _is_settled(check: CheckResult) -> bool:
    """Return whether a check has refused the program, so that a run of it can add nothing."""
    return check.verdict is Verdict.DIFFERS and not check.structural


def _compared(
    reference: Traces, candidate: Traces, title: str, part: str
) -> tuple[CheckResult, ...]:
    """Run all checks on traces that the program could write to."""
    for kind, traces in candidate.items():
        for step, trace in traces.items():
            golden = reference.get(kind, {}).get(step)
            try:
                if golden is not None:
                    check_alike((golden.index, golden.arrays), (trace.index, trace.arrays))
            except ValueError as error:
                raise RunError(
                    f"{title}: its trace ({kind}, {step}) cannot be compared with the golden one:"
                    f" {error}",
                    hint="does the program write into the folder of SCAFFOLD_TRACE?",
                ) from error
    return tuple(
        _with_suggestion(check, candidate) for check in compare_traces(reference, candidate, part)
    )


def _draws_otherwise(checks: Sequence[CheckResult], candidate: Traces) -> bool:
    """Return whether training outputs differ, and masks are drawn not only by torch's dropout."""
    if not any(
        check.name == "forward_train" and check.verdict is Verdict.DIFFERS for check in checks
    ):
        return False
    masks = [trace.arrays.get("series.masks") for trace in candidate.get("own", {}).values()]
    return any(values is not None and (values[:, 2] < 0).any() for values in masks)


@dataclass(slots=True)
class _Comparison:
    """What all traces of one comparison share."""

    project: Project
    golden: Golden
    plan: Plan
    short: Plan
    request: TraceRequest
    listener: ProgressListener
    mode: Mode = field(default_factory=Mode)
    failed: dict[str, str] = field(default_factory=dict)

    def all_traces(self, *, flip: bool) -> dict[str, Mapping[str, Trace]]:
        """Return traces of each kind but the replay.

        Kinds that fail, besides own dtype, are left out.
        """
        about = self.golden.about
        self.mode = Mode(
            functions=about.functions,
            by_gradient=about.by_gradient,
            real=about.real,
            auxiliary=self.mode.auxiliary,
        )
        self.request = replace(self.request, flip=flip)
        self.listener.message(f"{self.plan.title}: its computation, fed with the golden trace")
        traces: dict[str, Mapping[str, Trace]] = {}
        traces["own"] = self.own_trace()
        unmatched = any("unmatched" in trace.index for trace in traces["own"].values())
        if "float64" in about.kinds and not unmatched:
            self.listener.message("the same in float64")
            self.try_trace(traces, "float64", self.plan)
        return traces

    def replay(self, traces: dict[str, Mapping[str, Trace]]) -> None:
        """Add a short run in float64, in which nothing is given but the first weights."""
        if not any("unmatched" in trace.index for trace in traces["own"].values()):
            self.listener.message("a short run in float64")
            self.try_trace(traces, "replay", self.short)

    def by_functions(self, traces: dict[str, Mapping[str, Trace]]) -> None:
        """Add a short run of a program with networks by its functions."""
        self.listener.message("a short run by its functions")
        mode, self.mode = self.mode, Mode(functions=True)
        try:
            self.try_trace(traces, "functions", self.short)
        finally:
            self.mode = mode

    def own_trace(self) -> Mapping[str, Trace]:
        """Return the trace in the program's own dtype.

        The first trace may ask for another mode; then it is in that one.
        """
        traces = self.trace("own", self.plan)
        auxiliary = self.mode.corrected(traces).auxiliary if traces else self.mode.auxiliary
        if auxiliary != self.mode.auxiliary:
            self.mode = replace(self.mode, auxiliary=auxiliary)
            traces = self.trace("own", self.plan)
        return traces

    def try_trace(self, traces: dict[str, Mapping[str, Trace]], kind: str, plan: Plan) -> None:
        try:
            traces[kind] = self.trace(kind, plan)
        except RunError as error:
            self.failed[kind] = error.cause

    def trace(self, kind: str, plan: Plan) -> Mapping[str, Trace]:
        place = self.project.scaffold_dir / "traces" / ".found"
        request = replace(
            self.request,
            dtype="own" if kind in ("own", "functions") else "float64",
            replay=kind == "replay",
            golden=self.golden.folder / kind,
        )
        try:
            traces, _ = traced(
                self.project,
                plan,
                place,
                self.listener,
                request,
                self.mode,
            )
        finally:
            remove(place)
        return traces


def _with_suggestion(check: CheckResult, candidate: Traces) -> CheckResult:
    """Add suggestions for tensors that match nothing, for the user to declare."""
    for trace in candidate.get("own", {}).values():
        unmatched = trace.index.get("unmatched")
        if check.name != "parameters" or unmatched is None:
            continue
        theirs = {
            name: shape
            for name, shape in unmatched["shapes"]["reference"]
            if name in unmatched["missing"]
        }
        own = {
            name: shape for name, shape in unmatched["shapes"]["own"] if name in unmatched["extra"]
        }
        lines = [f"{name}: {_yaml(text)}" for name, text in suggest(theirs, own).items()]
        if lines:
            return replace(check, suggestions=tuple(lines))
    return check


def _yaml(text: str | list[str]) -> str:
    return (
        f'"{text}"'
        if isinstance(text, str)
        else "[" + ", ".join(f'"{item}"' for item in text) + "]"
    )
