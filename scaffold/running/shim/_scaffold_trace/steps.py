"""What a tracer does where a program goes backward and updates its weights. Mixed into `Tracer`.

A step lasts from one update of weights to the next, however often the program goes backward in it.
An update is seen where an optimizer of torch's steps; of a program without one, where its weights
have moved or its gradients are gone when it trains on.
"""

from __future__ import annotations

import numpy as np

from _scaffold_trace.answers import Fixed
from _scaffold_trace.networks import to_tensor
from _scaffold_trace.options import dtype_of, options_of, simple
from _scaffold_trace.state import State
from _scaffold_trace.store import normals, to_array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable

    from _scaffold_trace.kinds import (
        Args,
        Array,
        Arrays,
        Kwargs,
        Optimizer,
        Original,
        Shape,
        Tensor,
    )
    from _scaffold_trace.networks import Network

FED = 4
"""First steps that are fed."""

STRESS = 100.0
"""How many times as large the gradients of the first and the last of them are, which wakes
clipping, and those of every second step that is skimmed."""

LOOP = 6
"""Steps after them that run by themselves, in float64."""


class Steps(State):
    """One step from its loss to the update of the weights.

    The calls of networks before it are `Tracer`'s.
    """

    def is_loss(self) -> bool:
        """Return whether a call of backward now is the program's own."""
        return (
            not self.is_busy and not self.in_backward and self.outer is None and bool(self.networks)
        )

    def backward(self, original: Original, tensors: Any, args: Args, kwargs: Kwargs) -> Any:
        """Go backward as the program asks: note loss and gradients, and replace them."""
        first = tensors if self.answers.is_tensor(tensors) else next(iter(tensors))
        if not self.is_loss():
            return self.going_back(original, tensors, args, kwargs)
        k = self.step
        self.backwards += 1
        value = to_array(first)
        self.loss = (
            value if self.loss is None or self.loss.shape != value.shape else self.loss + value
        )
        self.loss_dtype = dtype_of(first)
        if self.is_replay:
            self.going_back(original, tensors, args, kwargs)
        elif self.arrived < k:  # no call of this step was one in training
            self.store.index.setdefault("trained_in_evaluation", k)
            self.skim_gradients(k)
        elif self.fed_now:
            before = {network.name: network.gradients() for network in self.networks.values()}
            self.going_back(original, tensors, args, kwargs)
            for network in list(self.networks.values()):
                self.feed_gradients(network, before[network.name], k)
        elif self.computes(k):
            self.going_back(original, tensors, args, kwargs)
        else:
            self.skim_gradients(k)
        for network in self.networks.values():
            if not self.is_optimized(network):
                network.seen_before = network.probe(), network.has_gradient()
        return None

    def computes(self, k: int) -> bool:
        """Return whether step k runs by itself, nothing given but what it began with."""
        return self.is_real or self.is_replay or (self.is_wide and FED <= k < FED + LOOP)

    def going_back(self, original: Original, tensors: Any, args: Args, kwargs: Kwargs) -> Any:
        """Run torch's own backward; modules called in it recompute what was not kept."""
        was, self.in_backward = self.in_backward, True
        try:
            return original(tensors, *args, **kwargs)
        finally:
            self.in_backward = was

    def skim_gradients(self, k: int) -> None:
        """Give gradients of an earlier step to one in which nothing is computed."""
        for network in list(self.networks.values()):
            for name, parameter in network.parameters.items():
                fixed = self.fixed_gradients.get((name, k % 2))
                if not parameter.requires_grad:
                    continue
                if fixed is not None:
                    parameter.grad = fixed.fresh()
                elif k < FED and parameter.grad is None:
                    parameter.grad = self.torch.zeros_like(parameter)

    def gradients_of(
        self, original: Original, outputs: Any, inputs: Any, args: Args, kwargs: Kwargs
    ) -> Any:
        """Run `torch.autograd.grad`: for parameters it is backward with gradients returned."""
        targets = [inputs] if self.answers.is_tensor(inputs) else list(inputs)
        known = {id(p) for network in self.networks.values() for p in network.parameters.values()}
        is_first_order = not kwargs.get("create_graph", len(args) > 2 and args[2])
        if (
            not self.is_loss()
            or not is_first_order
            or not all(id(tensor) in known for tensor in targets)
        ):
            return self.going_back(original, outputs, (inputs, *args), kwargs)
        held = [tensor.grad for tensor in targets]
        for tensor in targets:
            tensor.grad = None

        def accumulate(*_: object, **__: object) -> None:
            # What the loss came from may have been skimmed.
            options = dict(kwargs, allow_unused=True)
            gradients = original(outputs, inputs, *args, **options)
            for tensor, gradient in zip(targets, gradients):  # noqa: B905 - Python 3.7 has no strict
                tensor.grad = gradient

        self.backward(accumulate, outputs, (), {})
        gradients = tuple(tensor.grad for tensor in targets)
        for tensor, before in zip(targets, held):  # noqa: B905
            tensor.grad = before
        return gradients

    def feed_gradients(self, network: Network, before: Arrays, k: int) -> None:
        """Note the gradients that a loss left, and put made-up ones of their size in place."""
        replacements = {}
        is_first = self.backwards == 1
        for name, array in network.gradients().items():
            leftover = _carried(before[name])
            if array is None:
                owners = [network.parameters[own] for own, _ in network.layout.elements(name)]
                size = self.fact(
                    "gradient size %s %d" % (name, k), self.missing_size(network, name, k)
                )
                if size is not None and all(parameter.grad is None for parameter in owners):
                    replacements[name] = self.made_gradient(
                        name, size, k, network.layout.shapes[name]
                    )
                    for parameter in owners:
                        parameter.grad = self.torch.zeros_like(parameter)
                continue
            if is_first:
                network.left[name] = 0.0 if leftover is None else float(np.abs(leftover).max())
            earlier = None if is_first else network.totals.get(name)
            total = array if earlier is None or leftover is None else earlier + (array - leftover)
            network.totals[name] = total
            size = float(np.sqrt(np.mean(total**2))) if total.size else 0.0
            size = self.fact("gradient size %s %d" % (name, k), size)
            if size is None or self.is_real:
                continue
            replacements[name] = self.made_gradient(name, size, k, array.shape)
        for name, array in network.layout.place(replacements).items():
            parameter = network.parameters[name]
            if (
                all(source in replacements for source in network.layout.sources(name))
                and parameter.grad is not None
            ):
                with self.torch.no_grad():
                    parameter.grad.copy_(to_tensor(self.torch, array, parameter.grad))
                if k == 1 or (k == 0 and (name, 0) not in self.fixed_gradients):
                    scale = 1.0 if k == 1 else 1.0 / STRESS
                    self.fixed_gradients[name, 0] = Fixed(parameter.grad * scale)
                    self.fixed_gradients[name, 1] = Fixed(parameter.grad * (scale * STRESS))

    def made_gradient(self, name: str, size: float, k: int, shape: Shape) -> Array:
        """Return numbers of a size in the place of a parameter's gradient in step k."""
        numbers = size * normals(
            "gradient of %s %d" % (name, k), int(np.prod(tuple(shape), dtype=np.int64))
        )
        numbers *= STRESS if k in (0, FED - 1) else 1.0
        return numbers.astype(np.float32).reshape(tuple(shape))

    def missing_size(self, network: Network, name: str, k: int) -> float | None:
        """Return how large a gradient is given where none came back, or None.

        In a late step what the loss came from may have been skimmed. In the first ones its absence
        is the program's.
        """
        for own, _ in network.layout.elements(name):
            fixed = self.fixed_gradients.get((own, 0))
            if k >= FED and fixed is not None and network.parameters[own].requires_grad:
                return float(fixed.kept.detach().double().square().mean().sqrt())
        return None

    def is_optimized(self, network: Network) -> bool:
        """Return whether an optimizer of torch's that has stepped has parameters of a network."""
        if network.optimized_by != len(self.stepped):
            held = {
                id(p)
                for one in self.stepped.values()
                for group in one.param_groups
                for p in group["params"]
            }
            network.is_optimized = any(id(p) in held for p in network.parameters.values())
            network.optimized_by = len(self.stepped)
        return network.is_optimized

    def notice_update(self) -> None:
        """End a step of a network with its own optimizer.

        Weights have moved, or gradients are gone.
        """
        if not self.backwards:
            return
        updated = []
        for network in self.networks.values():
            if self.is_optimized(network) or network.seen_before is None:
                continue
            probe, had_gradient = network.seen_before
            if network.probe() != probe or (had_gradient and not network.has_gradient()):
                updated.append(network)
        if updated:
            self.end_step(updated)

    def end_step(self, networks: Iterable[Network]) -> None:
        """End a step after an update of these networks."""
        k = self.step
        self.flush_step()
        for network in networks:
            self.flush_gradients(network, k)
            network.seen_before = None
        self.step += 1
        self.backwards = 0
        self.given_away = {}

    def notice_update_at_end(self) -> None:
        """End the last step of a program whose optimizer is its own."""
        if self.backwards and not self.store.index.get("unmatched"):
            self.end_step([n for n in self.networks.values() if not self.is_optimized(n)])

    def flush_gradients(self, network: Network, k: int) -> None:
        """Note the gradients that a network was updated with in step k, of all backward passes."""
        network.updates += 1
        network.updated_in = k
        self.note_frozen(network)
        if not (self.fed_now and self.arrived == k) or self.is_replay:
            return
        for leftover in network.left.values():
            self.store.follow("left", [k, leftover])
        for name, array in network.totals.items():
            self.store.add("gradients", "gradient", array, name, 0, k, network.dtype, k == 0)

    def note_frozen(self, network: Network) -> None:
        """Note parameters that are trained from this update on, or not any more."""
        now = {name: parameter.requires_grad for name, parameter in network.parameters.items()}
        for name, is_trained in now.items() if network.trained else ():
            if is_trained != network.trained[name]:
                self.note_change("%s.requires_grad" % name, not is_trained, is_trained)
        network.trained = now

    def flush_step(self) -> None:
        """Note what the loss of a whole step has come to."""
        k = self.step
        if self.loss is None:
            return
        if self.is_replay:
            self.store.follow("loss", float(self.loss.sum()))
        elif self.arrived == k and self.fed_now:
            self.store.add("loss", "value", self.loss, "", 0, k, self.loss_dtype)
        elif self.arrived == k and self.is_wide and FED <= k < FED + LOOP:
            self.store.add("loop", "loss", self.loss, "", 0, k, self.loss_dtype)
        else:
            self.store.follow("loss", float(self.loss.sum()))
            self.store.follow("loss.steps", float(k))
        self.loss = None

    def optimizer_begins(self, optimizer: Optimizer) -> list[tuple[Tensor, Tensor]]:
        """Note how an optimizer that is about to step treats each parameter, and how fast.

        Where a step is skimmed, torch's own optimizers update the few tensors that are followed,
        and no other: of all that is left of such a step theirs would be the largest part.

        Returns:
            parameters whose gradients are hidden from this step, and those gradients.
        """
        if self.is_busy:
            return []
        self.updates += 1
        self.stepped[id(optimizer)] = optimizer
        if self.updates == 1:
            self.note_groups()
        self.follow_options(optimizer)
        kind = type(optimizer)
        is_computed = (
            self.fed_now or self.computes(self.step) or self.is_wide or self.spec["disturb"]
        )
        if is_computed or not kind.__module__.startswith("torch.") or kind.__name__ == "LBFGS":
            return []
        self.store.index["hidden"] = True
        hidden = []
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if not any(network.is_probed(parameter) for network in self.networks.values()):
                    hidden.append((parameter, parameter.grad))
                    parameter.grad = None
        return hidden

    def optimizer_ended(self, optimizer: Optimizer) -> None:
        """End the step after an optimizer, unless another one has ended it already."""
        if self.is_busy or not self.networks:
            return
        mine = {id(p) for group in optimizer.param_groups for p in group["params"]}
        updated = [
            n for n in self.networks.values() if any(id(p) in mine for p in n.parameters.values())
        ]
        for network in updated:
            network.left_as = network.probe()
        if self.backwards:
            self.end_step(updated)
            return
        for network in updated:  # a second optimizer after the same backward
            if network.updated_in != self.step - 1:
                self.flush_gradients(network, self.step - 1)

    def follow_options(self, optimizer: Optimizer) -> None:
        """Note the options of an optimizer's groups if they changed since its last step."""
        first = self.optimizers.index(optimizer) if optimizer in self.optimizers else 0
        label = self.step if self.backwards else self.step - 1
        known = self.groups_of(optimizer)
        for index, group in enumerate(optimizer.param_groups):
            row = [1000.0 * first + index] + options_of(group)
            if known.get(index) != row:
                known[index] = row
                self.store.follow("options", [label] + row)

    def groups_of(self, optimizer: Optimizer) -> dict[int, list[float]]:
        """Return what was last noted of an optimizer's groups."""
        return self.known_options.setdefault(id(optimizer), {})

    def note_groups(self) -> None:
        """Note how optimizers treat each parameter, at the first update.

        Schedules have begun by then.
        """
        self.store.index["optimizer"] = [
            type(optimizer).__qualname__ for optimizer in self.optimizers
        ]
        groups: dict[int, dict[str, Any]] = {}
        numbers: dict[int, list[int]] = {}
        for first, optimizer in enumerate(self.optimizers):
            for index, group in enumerate(optimizer.param_groups):
                options = {
                    key: simple(value) for key, value in sorted(group.items()) if key != "params"
                }
                for parameter in group["params"]:
                    if id(parameter) not in groups:
                        groups[id(parameter)] = options
                    numbers.setdefault(id(parameter), []).append(1000 * first + index)
        for network in self.networks.values():
            for entry in network.about["parameters"]:
                parameter = network.parameters[entry["name"]]
                entry["group"], entry["groups"] = (
                    groups.get(id(parameter)),
                    numbers.get(id(parameter), []),
                )


def _carried(gradient: Array | None) -> Array | None:
    """Return the gradient that the next one is added to; None where that begins again."""
    return gradient if gradient is not None and gradient.any() else None
