"""What a trace contains: the index that the tracer writes, and its arrays by name. Pure.

The tracer runs in the program's interpreter and cannot import this; a test holds it to what is
written here. A program knows where its trace lies, so everything is checked before it is compared.
"""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, TypeAdapter, ValidationError, with_config
from typing_extensions import NotRequired, TypedDict

_CONFIG = ConfigDict(extra="forbid", strict=True)

WHOLE = 4096
"""Elements of a tensor that are kept as they are; of a larger one as many, evenly spread."""

_MOST = 2**53
"""Whole numbers below it are exact in float64."""


@with_config(_CONFIG)
class Entry(TypedDict):
    """One tensor: where it was seen, and what it amounts to.

    `products` are those with two fixed random vectors; `elements` names the array of them;
    `floor` is what rounding alone makes of it; `noise` is by how much the reference differs there
    from itself.
    """

    check: str
    module: str
    call: int
    step: int
    aspect: str
    shape: list[int]
    dtype: str
    norm: float
    largest: float
    products: tuple[float, float]
    elements: NotRequired[str]
    floor: NotRequired[float]
    noise: NotRequired[float]


def _check_tenths(tenths: list[float]) -> list[float]:
    if len(tenths) not in (0, 11):
        raise ValueError("must be 11 quantiles, or none")
    return tenths


@with_config(_CONFIG)
class Distribution(TypedDict):
    """How a tensor's values are distributed; `tenths` are 11 quantiles, none if it is empty.

    `cosine` is the mean squared cosine of two of its rows, times their length, over `pairs`.
    """

    mean: float
    sd: float
    cosine: NotRequired[float]
    pairs: NotRequired[int]
    size: int
    tenths: Annotated[list[float], AfterValidator(_check_tenths)]


@with_config(_CONFIG)
class Tensor(Distribution):
    """A parameter or buffer as it was when its network was first called."""

    name: str
    shape: list[int]


@with_config(_CONFIG)
class Parameter(Tensor):
    """A parameter, with its optimizer's options and the numbers of the groups that it is in."""

    requires_grad: bool
    group: dict[str, Any] | None
    groups: NotRequired[list[int]]


@with_config(_CONFIG)
class Module(TypedDict):
    """One module of a network; `code` is the module of its class, `parameters` their number."""

    path: str
    class_name: str
    code: str
    parameters: int


@with_config(_CONFIG)
class Network(TypedDict):
    """One network: its modules and tensors, and how they began.

    `begun` has them by the reference's names, `sources` the reference's tensors of which each own
    one is made; `begun_at` is the step before which its values were not those of the start.
    """

    name: str
    class_name: str
    modules: list[Module]
    parameters: list[Parameter]
    buffers: list[Tensor]
    begun: dict[str, Parameter | Distribution]
    sources: dict[str, list[str]]
    begun_at: NotRequired[int]


@with_config(_CONFIG)
class Note(TypedDict):
    """What could not be captured, by check; `series` names one that was cut."""

    check: str
    text: str
    series: str


@with_config(_CONFIG)
class Unmatched(TypedDict):
    """Tensors that match none of the reference's; `shapes` by `reference` and `own`."""

    network: str
    missing: list[str]
    extra: list[str]
    problems: list[str]
    shapes: dict[str, list[tuple[str, list[int]]]]


@with_config(_CONFIG)
class TraceIndex(TypedDict):
    """All of a trace but its arrays.

    Of every trace: entries, notes, numbers that both programs share (`facts`), networks in the
    order of their first calls. Of a trace by functions `kind`, how often each was called and by
    which others, which give what cannot be read, which change the weights of networks, and which
    yield. Of all others `_OF_NETWORKS`: updates of weights (`steps`), calls of optimizers
    (`updates`), evaluations (`bursts`), fed steps, masks by `STEP.INDEX` (kind, shape,
    module), numbers of networks in call series, networks that were entered in training, settings
    that changed (step, name, before, after) and seeds that were given again (step, seed).
    `noise` is by how much the reference's series differ from themselves.
    """

    format: Literal[1]
    entries: list[Entry]
    notes: list[Note]
    facts: dict[str, Any]
    networks: list[Network]
    torch: NotRequired[str]
    dtype: NotRequired[Literal["own", "float64"]]
    replay: NotRequired[bool]
    ended: NotRequired[str]
    noise: NotRequired[dict[str, float]]

    kind: NotRequired[Literal["functions"]]
    counts: NotRequired[dict[str, int]]
    callers: NotRequired[dict[str, list[str]]]
    unread: NotRequired[dict[str, list[str]]]
    steering: NotRequired[list[str]]
    generators: NotRequired[list[str]]

    steps: NotRequired[int]
    updates: NotRequired[int]
    bursts: NotRequired[int]
    fed: NotRequired[list[int]]
    masks: NotRequired[dict[str, tuple[str, list[int], str]]]
    numbers: NotRequired[dict[str, int]]
    entered: NotRequired[list[str]]
    changed: NotRequired[list[tuple[int, str, Any, Any]]]
    reseeded: NotRequired[list[tuple[int, str]]]
    by_gradient: NotRequired[bool]
    real: NotRequired[bool]
    optimizer: NotRequired[list[str]]
    updates_seen: NotRequired[int]
    expected_bursts: NotRequired[int]
    hidden: NotRequired[bool]
    starved: NotRequired[bool]
    trained_in_evaluation: NotRequired[int]
    feeds_training: NotRequired[list[str]]
    drawn: NotRequired[list[tuple[str, str]]]
    unmatched: NotRequired[Unmatched]


_OF_NETWORKS = (
    "steps",
    "updates",
    "bursts",
    "fed",
    "masks",
    "numbers",
    "entered",
    "changed",
    "reseeded",
)
_OF_FUNCTIONS = ("counts", "callers", "unread", "steering", "generators")

_INDEX = TypeAdapter(TraceIndex)

OPTIONS = (
    "lr",
    "weight_decay",
    "momentum",
    "dampening",
    "beta1",
    "beta2",
    "eps",
    "alpha",
    "rho",
    "lambd",
    "nesterov",
    "amsgrad",
    "maximize",
    "centered",
)
"""Options of an optimizer's group, as the tracer's series of options has them; NaN where there is
none."""

_SERIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"loss", ("loss",)),
    (r"loss\.steps", ("step",)),
    (r"left", ("step", "left over")),
    (r"masks", ("step", "index", "probability", "share", "size")),
    (r"(train|evaluation)\.count", ("step", "examples", "network")),
    (r"(train|evaluation)\.targets\.count", ("step", "examples")),
    (r"(train|evaluation)\.calls", ("step", "mode", "share", "gradient", "trained", "network")),
    (r"assigned\..*", ("step", "evaluated")),
    (r"options", ("step", "group", *OPTIONS)),
    (r"evaluation\.weights|moved\..*", ("step", "...")),
    (r"weights\..*", ("step", "sum", "squares")),
    (r"later\..*", ("call", "arguments", "state", "output")),
    (r"(train|evaluation)\.(targets|model.*)|evaluation\.(outputs|examples)\..*", ("mark",)),
)
"""Columns of each series by its name; `...` where any number of further ones follow. A series with
one column has one dimension."""

_COUNTS = ("step", "index", "examples", "network", "group", "call")
"""Columns of whole numbers from 0 on."""


def parse_index(content: bytes) -> TraceIndex:
    """Return the index of a trace.

    Raises:
        ValueError: it is not what the tracer writes; the first places are named.
    """
    try:
        index = _INDEX.validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[:3]
        places = ("{}: {}".format(".".join(map(str, one["loc"])), one["msg"]) for one in first)
        raise ValueError("; ".join(places)) from None
    required = _OF_FUNCTIONS if index.get("kind") == "functions" else _OF_NETWORKS
    missing = [name for name in required if name not in index]
    if missing:
        raise ValueError(f"it has no {', '.join(missing)}")
    return index


def check_arrays(index: TraceIndex, arrays: Mapping[str, Any]) -> None:
    """Raise ValueError unless a trace's arrays are those that its index and their names say."""
    for name, array in arrays.items():
        if name.startswith("series."):
            _check_series(name.removeprefix("series."), array)
        counts = re.sub(r"^series\.(train|evaluation)\.model.*", r"series.\1.count", name)
        if counts != name and counts not in arrays:
            raise ValueError(f"{name}: there is no {counts}")
    for entry in index["entries"]:
        if "elements" in entry:
            size = min(math.prod(entry["shape"]), WHOLE)
            shape = arrays[entry["elements"]].shape if entry["elements"] in arrays else None
            if shape != (size,):
                raise ValueError(f"{entry['elements']}: has the shape {shape} instead of ({size},)")


def _check_series(name: str, array: Any) -> None:
    columns = next((cols for pattern, cols in _SERIES if re.fullmatch(pattern, name)), None)
    if columns is None:
        raise ValueError(f"series {name}: is none that the tracer writes")
    named = columns[:-1] if columns[-1] == "..." else columns
    dimensions = 1 if len(columns) == 1 else 2
    width = array.shape[1] if array.ndim == 2 else 1
    is_wide_enough = width == len(named) or (named != columns and width > len(named))
    if array.ndim != dimensions or not is_wide_enough or not len(array):
        raise ValueError(f"series {name}: has the shape {array.shape}, its columns are {columns}")
    for number, column in enumerate(named):
        if column in _COUNTS and not _are_counts(array if dimensions == 1 else array[:, number]):
            raise ValueError(f"series {name}: column {column} is not of whole numbers from 0 on")


def _are_counts(values: Any) -> bool:
    # A comparison with NaN is false.
    return bool(values.min() >= 0 and values.max() < _MOST and (values == values.round()).all())


def paired_networks(golden: TraceIndex, candidate: TraceIndex) -> list[tuple[Network, Network]]:
    """Return networks of two traces that are compared with each other, in the golden trace's order.

    The tracer gives a network the name of its counterpart: one program may call its networks in
    another order than the other, or some not at all.
    """
    own = {network["name"]: network for network in candidate["networks"]}
    return [
        (network, own[network["name"]]) for network in golden["networks"] if network["name"] in own
    ]


def check_alike(
    golden: tuple[TraceIndex, Mapping[str, Any]], candidate: tuple[TraceIndex, Mapping[str, Any]]
) -> None:
    """Raise ValueError if a trace does not speak of the tensors of the one whose values it was fed.

    Its series must have as many columns, and its tensors be made of tensors that the other has.
    """
    for name in golden[1].keys() & candidate[1].keys():
        shapes = [arrays[name].shape[1:] for _, arrays in (golden, candidate)]
        if name.startswith("series.") and shapes[0] != shapes[1]:
            raise ValueError(f"{name}: has the columns {shapes[1]} instead of {shapes[0]}")
    for mine, theirs in paired_networks(golden[0], candidate[0]):
        known = {tensor["name"] for tensor in mine["parameters"]}
        unknown = {name for names in theirs["sources"].values() for name in names} - known
        if unknown:
            raise ValueError(f"sources: the golden trace has no {', '.join(sorted(unknown)[:3])}")
