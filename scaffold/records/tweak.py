"""A tweak: one small change, declared before its runs. And what they showed of it. Records only."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from scaffold.records.evidence import Checksummed, Inputs, JudgedRun
from scaffold.records.fields import Id, Name, OneLine, Revision, Scalar, Sha256, Text
from scaffold.records.metric import Metric
from scaffold.records.parsing import Record

TweakKind = Literal["neutral", "improve", "cheaper", "data"]
Kind = Literal[TweakKind, "rewrite"]
"""neutral: must change nothing. improve: must be better, or the same and cheaper. cheaper: costs
less, and what it concludes of other changes holds. data: a new dataset, whose first result must
beat the simplest models. rewrite: a part in the user's own code, which must compute the same."""


class ChangeRule(Record):
    """How a change is judged; see docs/verdicts.md for the operating characteristics."""

    metric: Name = Field(description="that the change is judged by")
    margin: Annotated[float, Field(gt=0)] = Field(
        description="the smallest difference that matters, in its unit"
    )
    margin_reason: Text = Field(description="why so much matters")
    alpha: Annotated[float, Field(gt=0, le=0.1)] = Field(
        default=0.05, description="of BETTER or WORSE when neither is"
    )
    beta: Annotated[float, Field(gt=0, le=0.1)] = Field(
        default=0.05, description="of NO_DIFFERENCE when the difference is the margin"
    )
    monitor_alpha: Annotated[float, Field(gt=0, le=0.1)] = Field(
        default=0.01, description="of all monitored metrics together"
    )
    max_pairs: Annotated[int, Field(ge=4, le=100)] = Field(
        default=28, description="after which it is UNDECIDED"
    )


class Bound(Record):
    """The best value one can hope for; `unknown` is a value."""

    value: float | Literal["unknown"]
    source: Text = Field(description="where it is from")


class GoldenTrace(Record):
    """A golden trace: its folder in `golden/`, and the sha256 of its about.json."""

    name: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    sha256: Sha256 = Field(description="of its about.json")


class GoldenAbout(Record):
    """`golden/NAME/about.json`: what was recorded of a state, and the sha256 of each file of it."""

    format: Literal[1] = 1
    snapshot: Revision
    kinds: tuple[Literal["own", "float64", "replay", "functions"], ...]
    functions: bool = Field(
        default=False, description="no network was called: its functions were followed"
    )
    by_gradient: bool = Field(default=False, description="it trains in evaluation mode")
    real: bool = Field(
        default=False,
        description="it cannot live with made-up outputs, and was followed as it runs",
    )
    auxiliary: tuple[str, ...] = Field(
        default=(),
        description="calls without gradient that other networks train on, by network and place",
    )
    metrics: Mapping[str, float] = Field(
        description="of made-up outputs, weights that nobody looks at not updated"
    )
    full_metrics: Mapping[str, float] = Field(description="the same with all weights updated")
    replayed_metrics: Mapping[str, float] = Field(
        default={}, description="at the end of the short run in float64"
    )
    left_out: tuple[str, ...]
    packages: tuple[str, ...]
    files: Mapping[str, Sha256]


class Tweak(Record):
    """`tweaks/NAME.yaml`: what a change does, from which snapshot it starts, how it is judged."""

    format: Literal[1] = 1
    name: Id
    kind: Kind = Field(description="what the change promises")
    expect: OneLine = Field(default="", description="what the user expects of it")
    bottleneck: OneLine = Field(
        default="", description="what the analysis named that this is a remedy of"
    )
    refuted_by: OneLine = Field(default="", description="what would show that it is no remedy")
    base_branch: Text = Field(description="the branch that it started from and is merged into")
    before: Revision = Field(description="commit of the state that it is compared with")
    rule: ChangeRule = Field(description="how it is judged")
    bound: Bound | None = Field(
        default=None, description="kind data: the best value one can hope for on the new data"
    )
    probes: Mapping[Name, Scalar] = Field(
        default={},
        description=(
            "kind cheaper: hyperparameters whose effect must be the same in the cheaper mode"
        ),
    )

    part: OneLine = Field(default="", description="kind rewrite: what is replaced")
    becomes: OneLine = Field(
        default="", description="kind rewrite: what the part's function is called in src/"
    )
    golden: GoldenTrace | None = Field(
        default=None, description="kind rewrite: what it is compared with"
    )
    weights: Mapping[str, str | tuple[str, ...]] = Field(
        default={}, description="kind rewrite: what tensors of other names or shapes are made of"
    )

    @property
    def phase(self) -> str:
        """Return the phase: tweak or rewrite."""
        return "rewrite" if self.kind == "rewrite" else "tweak"

    @property
    def kind_of_pairs(self) -> TweakKind:
        """Return the kind whose rule judges its pairs of runs: a rewrite must change nothing."""
        return "neutral" if self.kind == "rewrite" else self.kind

    @property
    def milestone(self) -> str:
        """Return the id of its milestone, which names its evidence."""
        return f"{self.phase}-{self.name}"

    @property
    def branch(self) -> str:
        """Return its branch, until it is decided."""
        return f"{self.phase}/{self.name}"


class Difference(Record):
    """One thing that differs between two states; parts of one `group` belong together."""

    aspect: Literal[
        "hyperparameter", "command", "data", "environment", "metric", "setting", "code", "file"
    ]
    name: Text
    text: Text = Field(description="one line: from what to what")
    group: int


class Side(Record):
    """One of the two compared snapshots: its tree id, what decides its results, its runs."""

    snapshot: Revision
    inputs: Inputs
    hyperparameters: Mapping[Name, Scalar]
    runs: tuple[JudgedRun, ...]


class ChangeEvidence(Checksummed):
    """`evidence/tweak-NAME.json`: runs of both snapshots, what they showed, what was decided."""

    format: Literal[1] = 1
    milestone: str
    tweak: Tweak
    before: Side
    change: Side
    metrics: tuple[Metric, ...] = Field(
        description="that both states measure, as the snapshot before does"
    )
    device: str
    differences: tuple[Difference, ...]
    probes: Mapping[str, tuple[Side, Side]] = Field(
        default={}, description="kind cheaper: both states with one hyperparameter changed"
    )
    checks: tuple[Mapping[str, Any], ...] = Field(
        default=(),
        description="kind rewrite: as `rules.parity.checks.CheckResult.as_mapping` writes them",
    )
    baselines: Mapping[str, Any] = Field(
        default={}, description="kind data: values of the simple models and their runs"
    )
    judgment: Mapping[str, Any] = Field(
        description="as `judgment.ChangeJudgment.as_mapping` writes it"
    )
    cost_s: float = Field(description="seconds of all runs that it rests on")
    decision: Literal["accepted", "dropped"] | None = None
    reason: OneLine = Field(default="", description="why it was accepted against its verdict")
    accepted_snapshot: str = Field(default="", description="tree id of what was merged")
    created: str = Field(description="UTC, ISO 8601")
