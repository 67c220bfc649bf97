"""The recipe: what is reproduced, from where, how it runs, and what was published of it.

Records only: no disk, no clock, no network. A recipe's files are found and read by `catalogue`.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Field, Tag

from scaffold.records.claim import Claim, Rule
from scaffold.records.fields import (
    WHOLE,
    GitUrl,
    Id,
    Name,
    RelPath,
    Revision,
    Scalar,
    Sha256,
    Text,
    by_key,
)
from scaffold.records.parsing import Record, digest
from scaffold.records.program import (
    CALIBRATION_SEED,
    Patch,
    Program,
    items_of,
    name_problems,
    slot_problems,
)
from scaffold.records.reason import Reason
from scaffold.records.tweak import GoldenTrace, TweakKind
from scaffold.records.yaml_text import Place


class _Reference(Record):
    tree: Revision = Field(description="git tree id of the reference as it lies in `reference/`")
    license: Text = Field(description="as SPDX names it")
    patches: tuple[Patch, ...] = ()
    drivers: tuple[Annotated[RelPath, Field(pattern=r"^drivers/")], ...] = Field(
        default=(),
        description="our own programs that call a reference that has none; they lie beside it",
    )


class GitReference(_Reference):
    """One commit of a git repository."""

    git: GitUrl
    revision: Revision
    exclude: tuple[RelPath, ...] = Field(
        default=(), description="paths left out; `tree` is then the id without them"
    )


class HubReference(_Reference):
    """Files of one commit of a model on the Hugging Face Hub."""

    hub: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] = Field(
        description="ORG/NAME of the model"
    )
    revision: Revision
    files: Annotated[tuple[RelPath, ...], Field(min_length=1)] = Field(
        description="those that are taken: texts and safetensors, no pickles"
    )


class PackageReference(_Reference):
    """The source distribution of one release of a package; it is unpacked, and never built."""

    package: Annotated[str, Field(pattern=r"^[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?$")]
    version: Annotated[str, Field(pattern=r"^[\w.!+-]+$")]
    sha256: Sha256 = Field(description="of the archive")

    @property
    def revision(self) -> str:
        """Return the version, which is to a package what a revision is to a repository."""
        return self.version


class PathReference(_Reference):
    """A folder inside the recipe."""

    path: RelPath


Reference = Annotated[
    Annotated[GitReference, Tag("<git>")]
    | Annotated[HubReference, Tag("<hub>")]
    | Annotated[PackageReference, Tag("<package>")]
    | Annotated[PathReference, Tag("<path>")],
    by_key("git", "hub", "package", "path"),
]


class SuggestedTweak(Record):
    """A step towards the user's own task that this reference lends itself to."""

    name: Id
    kind: TweakKind
    change: Text = Field(description="what to edit")
    why: Text = Field(description="what for")
    probes: Mapping[Name, Scalar] = Field(
        default={},
        description=(
            "kind cheaper: hyperparameters whose effect must be the same in the cheaper mode"
        ),
    )


class SuggestedRewrite(Record):
    """A part of the reference worth replacing by one's own code."""

    part: Text
    why: Text


class Adaptation(Record):
    """The way from this reference to the user's own system."""

    tweaks: tuple[SuggestedTweak, ...] = ()
    rewrites: tuple[SuggestedRewrite, ...] = ()


class ShippedTrace(GoldenTrace):
    """A golden trace that comes with the recipe.

    It is compared before the first long run.
    """

    files: tuple[RelPath, ...]


CALIBRATION = r"^calibration(-[a-z0-9][a-z0-9-]*)?\.json$"


class Experiment(Record):
    """One of several published results of a reference: what its command is given, what it gives.

    Reference, environment, data, commands and metrics are the recipe's.
    """

    name: Id
    hyperparameters: Mapping[Name, Scalar] = Field(
        default={}, description="those that differ from the recipe's own"
    )
    claims: tuple[Claim, ...]
    calibration: Annotated[str, Field(pattern=CALIBRATION)] | None = None
    run_time_s: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="of one run; default: the recipe's"
    )


class Recipe(Program):
    """One reference, how it runs, and what was published of it."""

    format: Literal[1]
    id: Id
    title: Text
    task: Text
    reference: Reference
    published: Mapping[Name, Scalar] = Field(
        default={},
        description="published values of hyperparameters that were changed by `--set`: deviations",
    )
    claims: tuple[Claim, ...] = Field(
        default=(),
        description=(
            "none where nothing is published: what its calibration runs gave is then judged; or"
            " where `experiments` have them"
        ),
    )
    experiments: tuple[Experiment, ...] = Field(
        default=(), description="several results of one reference, such as the rows of a table"
    )
    experiment: Id | None = Field(
        default=None,
        description="the one that a project builds on; default: the first of `experiments`",
    )
    rule: Rule = Rule()
    calibration: Annotated[str, Field(pattern=CALIBRATION)] | None = None
    golden: ShippedTrace | None = None
    adaptation: Adaptation = Adaptation()

    @classmethod
    def cross_problems(cls, data: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
        """Return names that do not agree between parts.

        Works on the raw mapping, so it runs whatever else is wrong.
        """
        yield from name_problems(data)
        metrics, datasets = (items_of(data, key) for key in ("metrics", "datasets"))
        yield from _claim_problems(data, metrics, [dataset.get("name") for dataset in datasets])
        metric_names = [metric.get("name") for metric in metrics]
        for index, margin in enumerate(items_of(data.get("rule"), "margins")):
            if margin.get("metric") not in metric_names:
                yield (
                    ("rule", "margins", index),
                    f"{margin.get('metric')!r} is none of the metrics {metric_names}",
                )
        yield from _experiment_problems(
            data, metrics, [dataset.get("name") for dataset in datasets]
        )
        yield from slot_problems(data)
        yield from _seed_problems(data)
        names = [tweak.get("name") for tweak in items_of(data.get("adaptation"), "tweaks")]
        for index, name in enumerate(names):
            if name in names[:index]:
                yield (
                    ("adaptation", "tweaks", index, "name"),
                    f"{name!r} is taken by an earlier one: rename it",
                )

    def of_experiment(self, name: str | None = None) -> "Recipe":
        """Return the recipe as that of one experiment; of a recipe without any itself.

        Args:
            name: of the experiment; None for the one that a project builds on.

        Raises:
            KeyError: it has none of that name.
        """
        if not self.experiments:
            if name is not None:
                raise KeyError(name)
            return self
        chosen = name or self.experiment or self.experiments[0].name
        one = {experiment.name: experiment for experiment in self.experiments}[chosen]
        run_time_s = one.run_time_s or self.resources.run_time_s
        return self.model_copy(
            update={
                "experiment": chosen,
                "hyperparameters": {**self.hyperparameters, **one.hyperparameters},
                "claims": one.claims,
                "calibration": one.calibration,
                "resources": self.resources.model_copy(update={"run_time_s": run_time_s}),
            }
        )

    @property
    def further_experiments(self) -> tuple[str, ...]:
        """Return the names of the experiments but the one that a project builds on."""
        main = self.experiment or (self.experiments[0].name if self.experiments else None)
        return tuple(one.name for one in self.experiments if one.name != main)

    @property
    def judged_metrics(self) -> tuple[str, ...]:
        """Return metrics that the verdict is about: those of the claims, without any the first."""
        claimed = tuple(dict.fromkeys(claim.metric for claim in self.claims))
        return claimed or (self.metrics[0].name,)

    @property
    def aim(self) -> str:
        """Return in words what a reproduction gives again: a published result, if there is one."""
        return "its published result" if self.claims else "what its calibration runs gave"

    @property
    def patches(self) -> tuple[Patch, ...]:
        """Return the reference's patches."""
        return self.reference.patches

    @property
    def drivers(self) -> tuple[str, ...]:
        """Return the reference's drivers."""
        return self.reference.drivers

    @property
    def most_seeds(self) -> int:
        """Return the largest number of seeds that the rule allows."""
        return self.rule.max_seeds

    def deviations(self) -> list[Reason]:
        """Return intended, recorded differences from what was published."""
        patches = [
            Reason("patch", f"{patch.file}: {patch.reason}") for patch in self.reference.patches
        ]
        return patches + [
            Reason(
                "hyperparameter",
                f"hyperparameter {name} is {self.hyperparameters.get(name)}, published {value}",
            )
            for name, value in self.published.items()
        ]

    def recipe_files(self) -> list[str]:
        """Return paths in the recipe's folder that a project needs besides the reference."""
        golden = (
            [f"golden/{self.golden.name}/{file}" for file in self.golden.files]
            if self.golden
            else []
        )
        calibrations = [self.calibration, *(one.calibration for one in self.experiments)]
        own = list(dict.fromkeys(name for name in calibrations if name))
        return self.program_files() + own + golden

    def rule_digest(self) -> str:
        """Return a digest that changes when what is judged, or how, changes."""
        return digest({"rule": self.rule, "claims": self.claims, "metrics": self.metrics})


def reference_name(recipe: Recipe) -> str:
    """Return what people call a recipe's reference.

    `owner/name` of a URL; a reference inside a recipe goes by the recipe's id.
    """
    reference = recipe.reference
    if isinstance(reference, PathReference):
        return recipe.id
    if isinstance(reference, HubReference):
        return reference.hub
    if isinstance(reference, PackageReference):
        return reference.package
    path = PurePosixPath(re.sub(r"^\w+://[^/]*", "", reference.git).removesuffix(".git"))
    return "/".join(path.parts[-2:]).lstrip("/")


def reference_url(reference: Reference) -> str:
    """Return where people look at a reference; empty for one inside its recipe."""
    if isinstance(reference, HubReference):
        return f"https://huggingface.co/{reference.hub}"
    if isinstance(reference, PackageReference):
        return f"https://pypi.org/project/{reference.package}/{reference.version}/"
    return reference.git if isinstance(reference, GitReference) else ""


def _experiment_problems(
    data: Mapping[str, Any], metrics: list[Mapping[str, Any]], dataset_names: list[Any]
) -> Iterator[tuple[Place, str]]:
    experiments = items_of(data, "experiments")
    names = [experiment.get("name") for experiment in experiments]
    own = data.get("hyperparameters")
    known = list(own) if isinstance(own, Mapping) else []
    for key in ("claims", "calibration"):
        if experiments and data.get(key):
            yield (key,), "each of the experiments has its own: write it there"
    if data.get("experiment") is not None and data.get("experiment") not in names:
        yield ("experiment",), f"{data.get('experiment')!r} is none of the experiments {names}"
    for index, experiment in enumerate(experiments):
        place: Place = ("experiments", index)
        if names[index] in names[:index]:
            yield (*place, "name"), f"{names[index]!r} is taken by an earlier one: rename it"
        values = experiment.get("hyperparameters")
        for name in values if isinstance(values, Mapping) else ():
            if name not in known:
                yield (
                    (*place, "hyperparameters", name),
                    f"{name!r} is none of the recipe's hyperparameters {known}",
                )
        for below, message in _claim_problems(experiment, metrics, dataset_names):
            yield (*place, *below), message


def _claim_problems(
    data: Mapping[str, Any], metrics: list[Mapping[str, Any]], dataset_names: list[Any]
) -> Iterator[tuple[Place, str]]:
    units = {str(metric.get("name")): str(metric.get("unit")) for metric in metrics}
    for index, claim in enumerate(items_of(data, "claims")):
        if str(claim.get("metric")) not in units:
            yield (
                ("claims", index, "metric"),
                f"{claim.get('metric')!r} is none of the metrics {list(units)}",
            )
        if claim.get("dataset") not in dataset_names:
            yield (
                ("claims", index, "dataset"),
                f"{claim.get('dataset')!r} is none of the datasets {dataset_names}",
            )
        unit = units.get(str(claim.get("metric")), "")
        limit = WHOLE.get(unit)
        for key in ("value", "at_least", "at_most"):
            number = claim.get(key)
            if limit and isinstance(number, (int, float)) and not 0 <= number <= limit:
                yield (
                    ("claims", index, key),
                    f"{number} is outside 0 to {limit:g}, the range of its unit {unit}",
                )


def _seed_problems(data: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    def number(part: str, key: str, default: int) -> int:
        section = data.get(part)
        value = section.get(key, default) if isinstance(section, Mapping) else default
        return value if isinstance(value, int) else default

    last = (
        number("seeds", "first", 0)
        + number("rule", "max_seeds", 10)
        + number("seeds", "retries", 0)
    )
    if last > CALIBRATION_SEED:
        text = f"first + max_seeds + retries is {last}: seeds from {CALIBRATION_SEED} on"
        yield ("seeds",), f"{text} are for calibration"
