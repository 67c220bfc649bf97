"""Describe networks: modules with parameters that the program calls, and how tensors match."""

from __future__ import annotations

import numpy as np

from _scaffold_trace.store import distribution, generator, normals, to_array
from _scaffold_trace.weights import Layout, aligned, of_copy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable
    from weakref import ref

    from _scaffold_trace.kinds import Array, Elements, Module, Tensor, Terms, Torch

MOST_PROBE = 4096
"""Elements of a parameter whose movement is followed over all steps."""

STATISTICS = ("running_mean", "running_var")
"""Buffers of batch normalization, which are given values too."""


def plain(path: str) -> str:
    """Return a module's path without what wrappers put into it."""
    return ".".join(part for part in path.split(".") if part not in ("_orig_mod", "module"))


def joined(name: str, path: str) -> str:
    """Return the path of a module inside a network of this name."""
    return "%s.%s" % (name, path) if path else name


def made_up(name: str, k: str, about: dict[str, Any]) -> Array:
    """Return numbers in place of a tensor: as many, same mean and spread, rounded to float32."""
    size = int(np.prod(about["shape"], dtype=np.int64))
    sd = about["sd"] or 0.1 * abs(about["mean"]) or 0.05
    values = about["mean"] + sd * normals("%s %s" % (name, k), size)
    if name.endswith("running_var"):
        values = 0.5 + generator("%s %s" % (name, k)).random_sample(size)
    rounded: Array = values.astype(np.float32).astype(np.float64).reshape(about["shape"])
    return rounded


def to_tensor(torch: Torch, array: Array, like: Tensor) -> Tensor:
    """Return an array as a tensor of the type and device of another one."""
    return torch.from_numpy(np.array(array, dtype=np.float64)).to(
        dtype=like.dtype, device=like.device
    )


class Network:
    """One network of the program: its tensors by name, and the reference's they are made of.

    Args:
        torch: the library.
        name: `model`, `model2` and so on, in the order in which they are called.
        module: the outermost module.
        golden: the reference's description of the network of this name; None when that is being
            made.
        terms: how own tensors are made of the reference's.
    """

    def __init__(
        self, torch: Torch, name: str, module: Module, golden: dict[str, Any] | None, terms: Terms
    ) -> None:
        self.torch = torch
        self.name = name
        self.module = module
        self.parameters: dict[str, Tensor] = {
            joined(name, plain(key)): value for key, value in module.named_parameters()
        }
        self.buffers: dict[str, Tensor] = {
            joined(name, plain(key)): value
            for key, value in module.named_buffers()
            if value is not None and value.is_floating_point()
        }
        self.paths: dict[int, str] = {}
        for path, inner in module.named_modules():
            self.paths.setdefault(id(inner), joined(name, plain(path)))
        self.updates = 0
        self.updated_in = -1
        self.seen_before: tuple[list[float], bool] | None = None
        self.left_as: list[float] | None = None
        self.trained: dict[str, bool] = {}
        self.optimized_by = -1
        self.is_optimized = False
        self.placed = ""
        self.left: dict[str, float] = {}
        self.totals: dict[str, Array] = {}
        self.about = self.describe()
        self.shared = golden or self.about
        self.layout = self.layout_of("parameters", self.parameters, terms)
        self.buffer_layout = self.layout_of("buffers", self.buffers, terms)
        begun = self.layout.gather(self.arrays(self.parameters))
        described = {entry["name"]: entry for entry in self.about["parameters"]}
        self.about["begun"] = {
            key: described[key] if key in self.layout.whole else distribution(array)
            for key, array in begun.items()
            if array is not None
        }
        self.name_as_reference()
        self.about["sources"] = {key: self.layout.sources(key) for key in self.layout.places}
        self.made: dict[str, Array] = {}
        self.probed = self.find_probed("parameters", self.layout)
        self.probed_buffers = self.find_probed("buffers", self.buffer_layout)
        self.owners: dict[str, Module] = {
            joined(name, plain(joined(path, key) if path else key)): inner
            for path, inner in module.named_modules()
            for key, _ in inner.named_buffers(recurse=False)
        }

    def name_as_reference(self) -> None:
        """Name modules as the reference does, by the tensors they are made of."""
        theirs: dict[frozenset[str], tuple[str, int]] = {}
        for entry in reversed(self.shared["modules"]):
            below = frozenset(
                one["name"]
                for one in self.shared["parameters"]
                if one["name"].startswith(entry["path"] + ".")
            )
            if below:
                theirs[below] = entry["path"], entry["parameters"]
        known = {entry["path"] for entry in self.shared["modules"]}
        for path, inner in self.module.named_modules():
            mine = joined(self.name, plain(path))
            names = [joined(mine, plain(key)) for key, _ in inner.named_parameters()]
            sources = {
                source
                for name in names
                if name in self.layout.places
                for source in self.layout.sources(name)
            }
            reference, size = theirs.get(frozenset(sources), ("", -1))
            if mine not in known and size == sum(
                parameter.numel() for parameter in inner.parameters()
            ):
                self.paths[id(inner)] = (
                    reference  # all of that module, not one of several parts of it
                )

    def describe(self) -> dict[str, Any]:
        """Return its modules and tensors, and how they begin."""
        about: dict[str, Any] = {
            "name": self.name,
            "class_name": type(self.module).__qualname__,
            "modules": [],
        }
        for path, module in self.module.named_modules():
            about["modules"].append(
                {
                    "path": joined(self.name, plain(path)),
                    "class_name": type(module).__qualname__,
                    "code": type(module).__module__,
                    "parameters": sum(parameter.numel() for parameter in module.parameters()),
                }
            )
        about["parameters"] = [
            dict(
                distribution(to_array(value)),
                name=key,
                shape=list(value.shape),
                requires_grad=value.requires_grad,
                group=None,
            )
            for key, value in self.parameters.items()
        ]
        about["buffers"] = [
            dict(distribution(to_array(value)), name=key, shape=list(value.shape))
            for key, value in self.buffers.items()
        ]
        return about

    def layout_of(self, kind: str, own: dict[str, Tensor], terms: Terms) -> Layout:
        """Return where the elements of own tensors are in the reference's."""
        reference = [(entry["name"], entry["shape"]) for entry in self.shared[kind]]
        terms = {**aligned([name for name, _ in reference], list(own)), **of_copy(terms, self.name)}
        return Layout(reference, {key: tuple(value.shape) for key, value in own.items()}, terms)

    @property
    def unmatched(self) -> dict[str, Any] | None:
        """Return tensors that match nothing, or None."""
        layout, buffers = self.layout, self.buffer_layout
        missing, extra = list(layout.missing), list(layout.extra)
        statistics = [name for name in buffers.missing if name.endswith(STATISTICS)]
        if statistics and buffers.extra:  # which of them they are, only the user can say
            missing, extra = missing + statistics, extra + buffers.extra
        if not (missing or extra or layout.problems):
            return None
        kinds = ("parameters", "buffers")
        return {
            "network": self.name,
            "missing": missing,
            "extra": extra,
            "problems": layout.problems + buffers.problems,
            "shapes": {
                "reference": [
                    [entry["name"], entry["shape"]] for kind in kinds for entry in self.shared[kind]
                ],
                "own": [
                    [entry["name"], entry["shape"]] for kind in kinds for entry in self.about[kind]
                ],
            },
        }

    @property
    def dtype(self) -> str:
        """Return the dtype of the network's first parameter."""
        return str(next(iter(self.parameters.values())).dtype).replace("torch.", "")

    def arrays(self, tensors: dict[str, Tensor]) -> dict[str, Array]:
        """Return tensors by name as arrays."""
        return {key: to_array(value) for key, value in tensors.items()}

    def place(self, k: str) -> None:
        """Give it weights and statistics of batches by a name: the same that the reference gets."""
        self.placed, self.left_as = k, None
        self.made = self.place_made_up(k, "parameters", self.parameters, self.layout)
        self.place_made_up(k, "buffers", self.buffers, self.buffer_layout)

    def place_made_up(
        self, k: str, kind: str, live: dict[str, Tensor], layout: Layout
    ) -> dict[str, Array]:
        """Put made-up numbers in the place of its parameters, or of its statistics; return them."""
        values = {
            entry["name"]: made_up(entry["name"], k, entry)
            for entry in self.shared[kind]
            if kind == "parameters" or entry["name"].endswith(STATISTICS)
        }
        with self.torch.no_grad():
            for name, array in layout.place(values).items():
                if all(source in values for source in layout.sources(name)):
                    live[name].data.copy_(to_tensor(self.torch, array, live[name]))
        return values

    def age_statistics(self, k: str) -> None:
        """Move the followed statistics as a training step would: skimmed steps compute none."""
        for reference, places in self.probed_buffers.items():
            about = next(entry for entry in self.shared["buffers"] if entry["name"] == reference)
            numbers = made_up(reference, k, about).ravel()
            for own, at in places:
                owner, buffer = self.owners.get(own), self.buffers[own]
                if (
                    owner is not None
                    and owner.training
                    and at.size == buffer.numel() == numbers.size
                ):
                    with self.torch.no_grad():
                        buffer.data.copy_(
                            to_tensor(self.torch, numbers.reshape(tuple(buffer.shape)), buffer)
                        )

    def probe(self) -> list[float]:
        """Return two numbers that identify the weights.

        They are sums of the reference's first two small tensors.
        """
        return _sums(self.parameters, self.probed)

    def probe_statistics(self) -> list[float]:
        """Return two numbers that tell which statistics of batches it has."""
        return _sums(self.buffers, self.probed_buffers)

    def find_probed(self, kind: str, layout: Layout) -> dict[str, Elements]:
        """Return the reference's first two small tensors, each with own tensors and elements."""
        small = [
            entry["name"]
            for entry in self.shared[kind]
            if np.prod(entry["shape"]) <= MOST_PROBE
            and (kind == "parameters" or entry["name"].endswith(STATISTICS))
        ]
        return {name: layout.elements(name) for name in sorted(small)[:2]}

    def is_probed(self, parameter: Tensor) -> bool:
        """Return whether a parameter belongs to those two tensors."""
        return any(
            self.parameters[own] is parameter
            for places in self.probed.values()
            for own, _ in places
        )

    def gradients(self) -> dict[str, Array | None]:
        """Return gradients of all parameters in the reference's shapes; None where it has none."""
        # Copies: torch adds to a gradient in place.
        own = {
            name: None if p.grad is None else np.array(to_array(p.grad))
            for name, p in self.parameters.items()
        }
        return self.layout.gather(own)

    def has_gradient(self) -> bool:
        """Return whether its first parameter that is trained has one."""
        first = next((p for p in self.parameters.values() if p.requires_grad), None)
        return first is not None and first.grad is not None and bool(first.grad.any())

    def weights(self) -> dict[str, Array | None]:
        """Return all parameters, in the reference's shapes."""
        return self.layout.gather(self.arrays(self.parameters))

    def moments(self) -> list[float]:
        """Return sum and sum of squares of all parameters, which renaming and reshaping keep."""
        values = [value.detach().double() for value in self.parameters.values()]
        return [
            sum(float(value.sum()) for value in values),
            sum(float(value.square().sum()) for value in values),
        ]


class Entry:
    """A module through which a program enters a network: all of it, or a part it calls itself.

    Args:
        network: to which it belongs.
        name: of the network, or the path of the part.
        module: what is called.
        number: by which the series of calls know it.
    """

    def __init__(self, network: Network, name: str, module: Module, number: int) -> None:
        self.network = network
        self.name = name
        self.module = module
        self.number = number
        self.calls = 0
        self.last_step = -1


def outermost(torch: Torch, tensor: Iterable[ref[Module]], module: Module) -> Module:
    """Return the module around a module that is there to be called; itself without one.

    Args:
        torch: the library.
        tensor: weak references to all modules.
        module: that a program calls.
    """
    around: dict[int, Module] = {}
    for one in [made_one() for made_one in tensor]:
        for inner in one._modules.values() if one is not None else ():
            if inner is not None:
                around.setdefault(id(inner), one)
    best = module
    while id(module) in around:
        module = around[id(module)]
        if type(module).forward is not torch.nn.Module.forward and not isinstance(
            module, torch.nn.ModuleList
        ):
            best = module
    return best


def _sums(tensors: dict[str, Tensor], probed: dict[str, Elements]) -> list[float]:
    sums = [
        sum(float(to_array(tensors[own]).ravel()[at].sum()) for own, at in places)
        for places in probed.values()
    ]
    return sums + [0.0] * (2 - len(sums))
