"""The recipe: what is reproduced, from where, how it runs, and what was published of it.

Records only: no disk, no clock, no network. A recipe's files are found and read by `catalogue`.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Field, Tag, field_validator, model_validator

from scaffold.records.claim import Claim, Rule
from scaffold.records.fields import (
    GitUrl,
    Id,
    Name,
    OneLine,
    PackageRequirement,
    RelPath,
    Revision,
    Scalar,
    Sha256,
    Specifier,
    Text,
    by_key,
    check_one_line,
    find_slots,
)
from scaffold.records.metric import Metric, Progress
from scaffold.records.parsing import Place, Record, digest

CALIBRATION_SEED = 1000
"""First seed of calibration runs; a project's own are below it, so that the two samples never share a seed."""

OWN_SLOTS = ("seed", "reference", "drivers")
"""What `{...}` in a command may name besides the recipe's hyperparameters."""


class Patch(Record):
    """A small diff to the reference: a deviation, with its reason."""

    file: RelPath = Field(pattern=r"^patches/")
    reason: Text


class _Reference(Record):
    tree: Revision = Field(description="git tree id of the reference as it lies in `reference/`")
    license: Text
    patches: tuple[Patch, ...] = ()
    drivers: tuple[Annotated[RelPath, Field(pattern=r"^drivers/")], ...] = Field(
        default=(), description="our own programs that call a reference that has none; they lie beside it"
    )


class GitReference(_Reference):
    """One commit of a git repository."""

    git: GitUrl
    revision: Revision
    exclude: tuple[RelPath, ...] = Field(default=(), description="paths left out; `tree` is then the id without them")


class PathReference(_Reference):
    """A folder inside the recipe."""

    path: RelPath


Reference = Annotated[
    Annotated[GitReference, Tag("<git>")] | Annotated[PathReference, Tag("<path>")], by_key("git", "path")
]


class _Dataset(Record):
    name: Name
    license: Text = Field(description="often not the code's; 'none stated' is a value")
    splits: Mapping[str, Annotated[int, Field(gt=0)]] = Field(default={}, description="examples in each split")


class _PlacedDataset(_Dataset):
    sha256: Sha256
    place: RelPath = Field(description="where the reference expects the file, or the folder that it unpacks to")
    unpack: Literal["zip", "tar"] | None = Field(default=None, description="tar: packed by gzip, bzip2, xz or not")


class UrlDataset(_PlacedDataset):
    """A file on the web."""

    url: Text

    @field_validator("url")
    @classmethod
    def _is_web(cls, url: str) -> str:
        if not re.fullmatch(r"https://[^/@\s]+/\S*|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?/\S*", url):
            raise ValueError("must be an https:// URL without credentials")
        return url


class GitDataset(_PlacedDataset):
    """A file of one commit of a git repository."""

    git: GitUrl
    revision: Revision
    path: RelPath


class HubDataset(_PlacedDataset):
    """A file of one commit of a dataset on the Hugging Face Hub."""

    hub: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    revision: Revision
    path: RelPath


class FileDataset(_PlacedDataset):
    """A file inside the recipe."""

    file: RelPath = Field(pattern=r"^data/")


class BundledDataset(_Dataset):
    """Data that a library carries; its digest is the library's version in the environment lock."""

    bundled: Text


class GeneratedDataset(_Dataset):
    """Data that the reference makes itself."""

    generated: Text


PlacedDataset = UrlDataset | GitDataset | HubDataset | FileDataset
Dataset = Annotated[
    Annotated[UrlDataset, Tag("<url>")]
    | Annotated[GitDataset, Tag("<git>")]
    | Annotated[HubDataset, Tag("<hub>")]
    | Annotated[FileDataset, Tag("<file>")]
    | Annotated[BundledDataset, Tag("<bundled>")]
    | Annotated[GeneratedDataset, Tag("<generated>")],
    by_key("url", "git", "hub", "file", "bundled", "generated"),
]


class Environment(Record):
    """What must be installed for the reference to run."""

    python: Specifier
    packages: tuple[PackageRequirement, ...] = ()
    requirements: RelPath | None = Field(
        default=None, description="the reference's own requirements file, used as well"
    )
    as_of: date | None = Field(default=None, description="newest upload admitted; default: the revision's commit date")
    build: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")], ...] = Field(
        default=(), description="packages that may be built from source; building runs their code outside the sandbox"
    )


class Command(Record):
    """One program call; no shell."""

    run: str | tuple[Text, ...]
    directory: RelPath | None = Field(default=None, description="working directory inside the reference")
    variables: Mapping[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], OneLine] = {}
    timeout_s: Annotated[float, Field(gt=0)]
    network: bool = Field(default=False, description="whether prepare may use the network; no other step may")

    @property
    def argv(self) -> tuple[str, ...]:
        """The words of the call, slots not yet filled."""
        return tuple(shlex.split(self.run)) if isinstance(self.run, str) else self.run

    @field_validator("run")
    @classmethod
    def _splits(cls, run: str | tuple[str, ...]) -> str | tuple[str, ...]:
        try:
            words = shlex.split(run) if isinstance(run, str) else list(run)
            for word in words:
                find_slots(check_one_line(word))
        except ValueError as error:
            raise ValueError(f"cannot be split into words: {error}") from error
        if not words:
            raise ValueError("is empty: name the program to call")
        return run


class Commands(Record):
    """The steps of one run, in this order; `smoke` replaces train and evaluate when shortened."""

    prepare: Command | None = None
    train: Command | None = None
    evaluate: Command | None = None
    smoke: Command | None = None

    @model_validator(mode="after")
    def _measures(self) -> "Commands":
        if self.train is None and self.evaluate is None:
            raise ValueError("train or evaluate must be given")
        for name in ("train", "evaluate", "smoke"):
            command: Command | None = getattr(self, name)
            if command is not None and command.network:
                raise ValueError(f"{name}.network: only prepare may use the network; download there")
        return self

    def steps(self, *, smoke: bool) -> dict[str, Command]:
        """The steps of a full or a shortened run."""
        names = ("prepare", "smoke") if smoke else ("prepare", "train", "evaluate")
        return {name: command for name in names if (command := getattr(self, name)) is not None}


class Seeds(Record):
    """How a seed reaches the reference.

    argument: a `{seed}` slot in a command; variable: an environment variable; offset: every seeding call of the
    reference is shifted; inject: the reference never seeds, so it is seeded at start; none: deterministic.
    """

    how: Literal["argument", "variable", "offset", "inject", "none"]
    variable: str | None = None
    first: Annotated[int, Field(ge=0, lt=CALIBRATION_SEED)] = 0
    retries: Annotated[int, Field(ge=0)] = Field(default=0, description="further seeds tried in all when a run crashes")

    @model_validator(mode="after")
    def _has_variable(self) -> "Seeds":
        if (self.how == "variable") != (self.variable is not None):
            raise ValueError("variable names the environment variable: give it with how: variable, and only then")
        return self


class Resources(Record):
    """What one run may take at most (one that takes more is ended), and how long it took on named hardware."""

    device: Literal["cpu", "cuda", "mps"]
    cores: Annotated[int, Field(ge=1, le=4096)] = 1
    memory_gb: Annotated[float, Field(gt=0, le=1e6)] | None = Field(
        default=None, description="of all its processes together, in 1e9 bytes; default: nine tenths of the machine's"
    )
    disk_gb: Annotated[float, Field(gt=0, le=1e6)] | None = Field(
        default=None, description="of its copy, in 1e9 bytes; default: what is free, less a floor"
    )
    output_mb: Annotated[float, Field(gt=0, le=1e6)] = Field(
        default=1000, description="that a step may print, in 1e6 bytes for each of its two streams"
    )
    run_time_s: Annotated[float, Field(gt=0)]
    hardware: Text = Field(description="on which run_time_s was measured")


class SuggestedTweak(Record):
    """A step towards the person's own task that this reference lends itself to."""

    name: Id
    kind: Literal["neutral", "improve", "cheaper", "data"]
    change: Text
    why: Text


class SuggestedRewrite(Record):
    """A part of the reference worth replacing by one's own code."""

    part: Text
    why: Text


class Adaptation(Record):
    """The way from this reference to the person's own system."""

    tweaks: tuple[SuggestedTweak, ...] = ()
    rewrites: tuple[SuggestedRewrite, ...] = ()


class Recipe(Record):
    """One reference, how it runs, and what was published of it."""

    format: Literal[1]
    id: Id
    title: Text
    task: Text
    reference: Reference
    datasets: Annotated[tuple[Dataset, ...], Field(min_length=1)]
    environment: Environment
    commands: Commands
    hyperparameters: Mapping[Name, Scalar] = {}
    published: Mapping[Name, Scalar] = Field(
        default={}, description="published values of hyperparameters that were changed by `--set`: deviations"
    )
    seeds: Seeds
    metrics: Annotated[tuple[Metric, ...], Field(min_length=1)]
    progress: Progress | None = None
    resources: Resources
    claims: Annotated[tuple[Claim, ...], Field(min_length=1)]
    rule: Rule = Rule()
    calibration: Literal["calibration.json"] | None = None
    adaptation: Adaptation = Adaptation()

    @classmethod
    def cross_problems(cls, data: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
        """Names that must agree between parts; works on the raw mapping so that it runs whatever else is wrong."""
        metrics, datasets = (_items(data, key) for key in ("metrics", "datasets"))
        for key, items in (("metrics", metrics), ("datasets", datasets)):
            names = [item.get("name") for item in items]
            for index, name in enumerate(names):
                if name in names[:index]:
                    yield (key, index, "name"), f"{name!r} is taken by an earlier one: rename it"
        metric_names = [metric.get("name") for metric in metrics]
        dataset_names = [dataset.get("name") for dataset in datasets]
        yield from _claim_problems(data, metrics, dataset_names)
        for index, margin in enumerate(_items(data.get("rule"), "margins")):
            if margin.get("metric") not in metric_names:
                yield ("rule", "margins", index), f"{margin.get('metric')!r} is none of the metrics {metric_names}"
        yield from _slot_problems(data)
        yield from _seed_problems(data)
        names = [tweak.get("name") for tweak in _items(data.get("adaptation"), "tweaks")]
        for index, name in enumerate(names):
            if name in names[:index]:
                yield ("adaptation", "tweaks", index, "name"), f"{name!r} is taken by an earlier one: rename it"

    def metric(self, name: str) -> Metric:
        """The metric of that name."""
        return next(metric for metric in self.metrics if metric.name == name)

    def deviations(self) -> list[str]:
        """Intended, recorded differences from what was published."""
        patches = [f"{patch.file}: {patch.reason}" for patch in self.reference.patches]
        return patches + [
            f"hyperparameter {name} is {self.hyperparameters.get(name)}, published {value}"
            for name, value in self.published.items()
        ]

    def placed_datasets(self) -> list[PlacedDataset]:
        """The datasets that are files to be put into the reference's copy."""
        return [dataset for dataset in self.datasets if isinstance(dataset, _PlacedDataset)]

    def recipe_files(self) -> list[str]:
        """Paths inside the recipe's folder that a project needs besides the reference itself."""
        files = [patch.file for patch in self.reference.patches] + list(self.reference.drivers)
        files += [dataset.file for dataset in self.datasets if isinstance(dataset, FileDataset)]
        return files + ([self.calibration] if self.calibration else [])

    def reading_digest(self) -> str:
        """Changes when the number that is read of the same output changes."""
        metrics = [metric.model_dump(mode="json", by_alias=True) for metric in self.metrics]
        return digest(
            [{key: metric[key] for key in ("name", "read", "take", "unit", "printed_in")} for metric in metrics]
        )

    def rule_digest(self) -> str:
        """Changes when what is judged, or how, changes."""
        return digest({"rule": self.rule, "claims": self.claims, "metrics": self.metrics})


def reference_name(recipe: Recipe) -> str:
    """What people call its reference: `owner/name` of a URL; a reference inside a recipe goes by the recipe's id."""
    reference = recipe.reference
    if isinstance(reference, PathReference):
        return recipe.id
    path = PurePosixPath(re.sub(r"^\w+://[^/]*", "", reference.git).removesuffix(".git"))
    return "/".join(path.parts[-2:]).lstrip("/")


def _items(data: Any, key: str) -> list[Mapping[str, Any]]:
    found = data.get(key) if isinstance(data, Mapping) else None
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def _claim_problems(
    data: Mapping[str, Any], metrics: list[Mapping[str, Any]], dataset_names: list[Any]
) -> Iterator[tuple[Place, str]]:
    units = {str(metric.get("name")): str(metric.get("unit")) for metric in metrics}
    for index, claim in enumerate(_items(data, "claims")):
        if str(claim.get("metric")) not in units:
            yield ("claims", index, "metric"), f"{claim.get('metric')!r} is none of the metrics {list(units)}"
        if claim.get("dataset") not in dataset_names:
            yield ("claims", index, "dataset"), f"{claim.get('dataset')!r} is none of the datasets {dataset_names}"
        unit = units.get(str(claim.get("metric")), "")
        limit = {"fraction": 1, "percent": 100}.get(unit)
        for key in ("value", "at_least", "at_most"):
            number = claim.get(key)
            if limit and isinstance(number, (int, float)) and not 0 <= number <= limit:
                yield ("claims", index, key), f"{number} is outside 0 to {limit}, the range of its unit {unit}"


def _seed_problems(data: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    def number(part: str, key: str, default: int) -> int:
        given = data.get(part)
        value = given.get(key, default) if isinstance(given, Mapping) else default
        return value if isinstance(value, int) else default

    last = number("seeds", "first", 0) + number("rule", "max_seeds", 10) + number("seeds", "retries", 0)
    if last > CALIBRATION_SEED:
        yield ("seeds",), f"first + max_seeds + retries is {last}: seeds from {CALIBRATION_SEED} on are for calibration"


def _slot_problems(data: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    given = data.get("hyperparameters")
    hyperparameters = list(given) if isinstance(given, Mapping) else []
    for name in set(OWN_SLOTS) & set(hyperparameters):
        yield ("hyperparameters", name), f"{{{name}}} is a slot of our own: rename it"
    commands = data.get("commands")
    slotted = unread = False
    for step, command in commands.items() if isinstance(commands, Mapping) else ():
        try:
            parsed = Command.model_validate(command)
        except ValueError:
            unread = True  # reported as a field of its own
            continue
        for word in (*parsed.argv, *parsed.variables.values()):
            for slot in find_slots(word):
                slotted |= slot == "seed"
                if slot not in (*hyperparameters, *OWN_SLOTS):
                    yield (
                        ("commands", step, "run"),
                        f"{{{slot}}} is no hyperparameter and none of {', '.join(OWN_SLOTS)}",
                    )
    how = data["seeds"].get("how") if isinstance(data.get("seeds"), Mapping) else None
    if how == "argument" and not (slotted or unread):
        yield ("seeds", "how"), "argument needs a {seed} slot in a command"
    if how in ("variable", "offset", "inject", "none") and slotted:
        yield ("seeds", "how"), f"a command has a {{seed}} slot: write argument, not {how}"
