"""What a tracer does where a program goes backward and updates its weights. Mixed into `Tracer`."""

import numpy as np

from _scaffold_trace.networks import to_tensor
from _scaffold_trace.store import normals, to_array

FED = 4
"""First steps that are fed."""

STRESS = 100.0
"""How many times as large the gradients of the first and the last of them are, which wakes clipping, and those of
every second step that is skimmed."""

LOOP = 6
"""Steps after them that run by themselves, in float64."""


class Steps:
    """One step from its loss to the update of the weights; the calls of networks before it are `Tracer`'s."""

    def is_loss(self):
        """Whether a call of backward now is the program's own."""
        return not self.is_busy and self.outer is None and bool(self.networks)

    def backward(self, original, tensors, args, kwargs):
        """One call of backward: the loss, the gradients that it leaves, and others in their place."""
        first = tensors if self.answers.is_tensor(tensors) else next(iter(tensors))
        if not self.is_loss():
            return original(tensors, *args, **kwargs)
        k = self.step
        if self.is_replay:
            self.store.follow("loss", float(first.detach().double().sum()))
            original(tensors, *args, **kwargs)
        elif self.arrived < k:  # no call of this step was one in training
            self.store.index.setdefault("trained_in_evaluation", k)
            self.skim_gradients(k)
        elif self.fed_now:
            self.store.add("loss", "value", to_array(first), "", 0, k, dtype_of(first))
            before = {network.name: network.gradients() for network in self.networks.values()}
            original(tensors, *args, **kwargs)
            for network in list(self.networks.values()):
                self.feed_gradients(network, before[network.name], k)
        elif k < FED + LOOP and self.is_wide:
            self.store.add("loop", "loss", to_array(first), "", 0, k, dtype_of(first))
            original(tensors, *args, **kwargs)
        else:
            self.store.follow("loss", float(first.detach().double().sum()))
            self.skim_gradients(k)
        self.step += 1
        return None

    def skim_gradients(self, k):
        """Gradients of an earlier step for one in which nothing is computed."""
        for network in list(self.networks.values()):
            for name, parameter in network.parameters.items():
                fixed = self.fixed_gradients.get((name, k % 2))
                if fixed is not None:
                    parameter.grad = fixed.fresh()
                elif k < FED and parameter.requires_grad:
                    parameter.grad = self.torch.zeros_like(parameter)

    def gradients_of(self, original, outputs, inputs, args, kwargs):
        """`torch.autograd.grad` of a loss by the parameters: the same as backward, the gradients given back."""
        wanted = [inputs] if self.answers.is_tensor(inputs) else list(inputs)
        known = {id(p) for network in self.networks.values() for p in network.parameters.values()}
        if not self.is_loss() or not all(id(tensor) in known for tensor in wanted):
            return original(outputs, inputs, *args, **kwargs)
        held = [tensor.grad for tensor in wanted]
        for tensor in wanted:
            tensor.grad = None

        def accumulate(*_, **__):
            for tensor, gradient in zip(wanted, original(outputs, inputs, *args, **kwargs)):  # noqa: B905 - Python 3.7 has no strict
                tensor.grad = gradient

        self.backward(accumulate, outputs, (), {})
        found = tuple(tensor.grad for tensor in wanted)
        for tensor, before in zip(wanted, held):  # noqa: B905
            tensor.grad = before
        return found

    def feed_gradients(self, network, before, k):
        """The gradients that a loss left are noted, made-up ones of the same size put in their place."""
        made = {}
        for name, array in network.gradients().items():
            if array is None:
                self.fact("gradient size %s %d" % (name, k), None)
                continue
            left = before[name]
            left = 0.0 if left is None or not left.size else float(np.abs(left).max())
            self.store.follow("left", [k, left])
            self.store.add("gradients", "gradient", array, name, 0, k, network.dtype, k == 0)
            size = self.fact("gradient size %s %d" % (name, k), float(np.sqrt(np.mean(array**2))) if array.size else 0)
            if size is None:
                continue
            numbers = size * normals("gradient of %s %d" % (name, k), array.size)
            numbers *= STRESS if k in (0, FED - 1) else 1.0
            made[name] = numbers.astype(np.float32).reshape(array.shape)
        for name, array in network.layout.place(made).items():
            parameter = network.parameters[name]
            if all(source in made for source in network.layout.sources(name)) and parameter.grad is not None:
                with self.torch.no_grad():
                    parameter.grad.copy_(to_tensor(self.torch, array, parameter.grad))
                if k == 1:
                    self.fixed_gradients[name, 0] = _Fixed(parameter.grad.clone())
                    self.fixed_gradients[name, 1] = _Fixed(parameter.grad * STRESS)

    def optimiser_steps(self, optimiser):
        """An optimiser is about to step: how fast, and how it treats which parameter.

        Where a step is skimmed, torch's own optimisers update the few tensors that are followed, and no other: of all
        that is left of such a step theirs would be the largest part.

        Returns:
            parameters whose gradients are hidden from this step, and those gradients.
        """
        if self.is_busy:
            return []
        self.updates += 1
        rates = [float(group["lr"]) for group in optimiser.param_groups if "lr" in group] or [np.nan]
        self.store.follow("rates", [self.step, rates[0], rates[-1]])
        if self.updates == 1:
            self.note_groups()
        kind = type(optimiser)
        is_computed = self.fed_now or self.is_replay or self.is_wide or self.spec["disturb"]
        if is_computed or not kind.__module__.startswith("torch.") or kind.__name__ == "LBFGS":
            return []
        self.store.index["hidden"] = True
        hidden = []
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                if not any(network.is_probed(parameter) for network in self.networks.values()):
                    hidden.append((parameter, parameter.grad))
                    parameter.grad = None
        return hidden

    def note_groups(self):
        """How the optimisers treat each parameter, at the first update: schedules have begun by then."""
        self.store.index["optimiser"] = [type(optimiser).__qualname__ for optimiser in self.optimisers]
        groups = {}
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                options = {key: simple(value) for key, value in sorted(group.items()) if key != "params"}
                groups.update({id(parameter): options for parameter in group["params"]})
        for network in self.networks.values():
            for entry in network.about["parameters"]:
                entry["group"] = groups.get(id(network.parameters[entry["name"]]))


class _Fixed:
    """A gradient that is given again and again; copied only where the program has changed it, as clipping does."""

    def __init__(self, gradient):
        self.kept = gradient
        self.given = gradient.clone()
        self.version = self.given._version

    def fresh(self):
        if self.given._version != self.version:
            self.given.copy_(self.kept)
            self.version = self.given._version
        return self.given


def simple(value):
    """A value as JSON can hold it."""
    if isinstance(value, (list, tuple)):
        return [simple(item) for item in value]
    return value if isinstance(value, (int, float, str, bool, type(None))) else repr(value)[:40]


def dtype_of(tensor):
    """The name of a tensor's type."""
    return str(tensor.dtype).replace("torch.", "")
