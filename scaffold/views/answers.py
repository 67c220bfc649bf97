"""Shapes of the `--json` answers, but those about recipes.

The shapes are published as docs/schemas/answers.schema.json, and every answer in the tests is
validated against its own.
"""

from typing import Any

from typing_extensions import TypedDict  # pydantic needs it before Python 3.12


class ReasonAnswer(TypedDict):
    """A code for programs, a sentence for people."""

    code: str
    text: str


class FindingAnswer(TypedDict, total=False):
    """One line of a verdict; see docs/glossary.md for its words."""

    question: str
    metric: str
    verdict: str
    reason: str
    rule: str
    published: str | None
    published_value: float | None
    n: int
    mean: float | None
    sd: float | None
    interval: tuple[float, float] | None
    more_seeds: int | None
    before: float | None
    correlation: float | None
    effect: float | None


class DifferenceAnswer(TypedDict):
    """One thing that differs between two snapshots."""

    aspect: str
    name: str
    text: str
    group: int


class ActionAnswer(TypedDict):
    """The one next action."""

    purpose: str
    command: str
    why: str
    about_s: float | None


class MilestoneAnswer(TypedDict):
    """A milestone and its state."""

    id: str
    phase: str
    state: str
    title: str


class TweakAnswer(TypedDict):
    """The open tweak or rewrite."""

    name: str
    phase: str
    kind: str
    expect: str
    changed: bool
    evidence: str
    stale_reasons: list[ReasonAnswer]
    verdict: str | None
    reason: str | None
    refusal: str | None
    origin: str | None


class Answer(TypedDict):
    """What all answers have."""

    format: int
    kind: str


class Error(Answer, total=False):
    """Nothing was done; `trust` is the digest to approve, where consent is missing."""

    error: str
    hint: str | None
    type: str
    trust: str


class Interrupted(Answer):
    """Ctrl-C; what was complete is kept."""

    error: str


class Completed(Answer):
    """A command that was cut off before was completed now."""

    completed: str


class Reproduction(Answer):
    """`verify` of the reference."""

    verdict: str
    basis: str
    reason: str
    findings: list[FindingAnswer]
    deviations: list[ReasonAnswer]
    note: str


class ExperimentAnswer(TypedDict):
    """The judgment of one experiment."""

    name: str
    verdict: str
    basis: str
    reason: str
    findings: list[FindingAnswer]
    deviations: list[ReasonAnswer]


class Experiments(Answer):
    """`verify --experiment`: each, and the worst of them."""

    verdict: str
    experiments: list[ExperimentAnswer]


class Change(Answer):
    """`verify` of a tweak or a rewrite."""

    tweak: str
    tweak_kind: str
    verdict: str
    reason: str
    refusal: str | None
    margin: float
    findings: list[FindingAnswer]
    differences: list[DifferenceAnswer]
    checks: list[dict[str, Any]]
    remarks: list[str]
    more_pairs: int | None
    cost_s: float
    note: str


class StatusAnswer(Answer):
    """`status`."""

    name: str
    recipe: str
    reference: str
    evidence: str
    origin: str | None
    stale_reasons: list[ReasonAnswer]
    uncommitted: str | None
    deviations: list[ReasonAnswer]
    verdict: str | None
    reason: str | None
    seeds: int
    runs: int
    milestones: list[MilestoneAnswer]
    tweak: TweakAnswer | None
    next: ActionAnswer
    can_change: bool
    experiments: dict[str, str | None]


class NextAnswer(Answer, ActionAnswer):
    """`next`."""


class Runs(Answer):
    """`run`: the records of all runs that were asked for, as `run.json` has them."""

    runs: list[dict[str, Any]]


class Completion(Answer):
    """`completion`: the files that were written."""

    shell: str
    paths: list[str]


class Documentation(Answer):
    """`docs`: the titles of all pages by their name; of one page, its text as Markdown."""

    pages: dict[str, str]


class Exported(Answer):
    """`export`, `certificate write`: what was written; `runs` where it is a number of runs."""

    format_name: str
    path: str
    runs: int | None


class CertificateCheckAnswer(TypedDict):
    """One thing that was checked; `holds` is null where it could not be."""

    name: str
    holds: bool | None
    text: str


class CertificateChecked(Answer):
    """`certificate check`."""

    checks: list[CertificateCheckAnswer]


class Created(Answer):
    """`mlloop-new`."""

    project_dir: str
    recipe: str
    origin: str | None
    reference_tree: str
    deviations: list[ReasonAnswer]
    is_ours: bool
    lfs_pointers: list[str]
    next: str
    has_identity: bool
    outer_repository: str | None


class TweakStarted(Answer):
    """`tweak start`; the declaration as `tweaks/NAME.yaml` has it."""

    tweak: dict[str, Any]
    made_src: bool
    carried: list[str]
    next: str


class RewriteStarted(Answer):
    """`rewrite start`."""

    rewrite: dict[str, Any]
    made_src: bool
    replaced: list[str]
    carried: list[str]
    left_out: list[str]
    next: str


class Decision(Answer):
    """`tweak accept`, `tweak drop` and those of rewrites."""

    tweak: str
    decision: str
    base_branch: str
    commit: str
    verdict: str | None
    reason: str
    committed: list[str]
    untracked: list[str]


class ListedTweak(TypedDict):
    """One tweak of the list."""

    name: str
    kind: str
    state: str
    verdict: str
    effect: str
    about: str
    origin: str


class Tweaks(Answer):
    """`tweak list`."""

    tweaks: list[ListedTweak]


class PartAnswer(TypedDict):
    """What can be rewritten, and where it is defined."""

    name: str
    kind: str
    about: str
    size: int
    file: str
    first: int
    last: int


class Parts(Answer):
    """`rewrite parts`."""

    parts: list[PartAnswer]


class Checks(Answer):
    """`rewrite check`."""

    checks: list[dict[str, Any]]


class Bisection(Answer, total=False):
    """`bisect`."""

    metric: str
    margin: float
    step: str | None
    commit: str | None
    certain: bool
    compared: list[dict[str, Any]]
    note: str


class Ejected(Answer):
    """`eject`."""

    removed: list[str]
    written: list[str]
    commit: str | None


class Updated(Answer):
    """`update`."""

    version: str
    changed: list[str]


class ReferenceUpdated(Answer):
    """`reference update`."""

    old_revision: str
    revision: str
    changed: list[str]
    touching: list[str]
    next: str


class CheckedItem(TypedDict):
    """One thing that a machine offers or lacks."""

    name: str
    state: str
    detail: str
    remedy: str | None


class Doctor(Answer):
    """`doctor`."""

    checks: list[CheckedItem]


class Dashboard(Answer):
    """`dashboard`: the page, its bytes, and how many full runs it shows."""

    path: str
    bytes: int
    runs: int


class DataLocated(Answer):
    """`data manifest` and `data locate`: which folder has the files of which manifest."""

    manifest: str
    sha256: str
    folder: str


class Explanation(Answer):
    """`explain`: the text of an entry by its word; without a word, of all entries."""

    entries: dict[str, str]
