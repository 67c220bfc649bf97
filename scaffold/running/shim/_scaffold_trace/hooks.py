"""Hook torch where a program is seen: calls of modules, backward, optimizers, losses."""

from __future__ import annotations

import functools
import weakref

from _scaffold_trace.late import SETTINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from _scaffold_trace.kinds import Original, Tensor, Torch
    from _scaffold_trace.tracer import Tracer

LOSSES = (
    "cross_entropy",
    "nll_loss",
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
)


def patch(torch: Torch, tracer: Tracer) -> None:
    """Let the tracer know of each."""
    run_backward, run_grad = torch.autograd.backward, torch.autograd.grad
    begin = torch.optim.Optimizer.__init__

    def backward(tensors: object, *args: object, **kwargs: object) -> object:
        return tracer.backward(run_backward, tensors, args, kwargs)

    def grad(outputs: object, inputs: object, *args: object, **kwargs: object) -> object:
        return tracer.gradients_of(run_grad, outputs, inputs, args, kwargs)

    def begin_optimizer(optimizer: object, *args: object, **kwargs: object) -> None:
        begin(optimizer, *args, **kwargs)
        tracer.optimizers.append(optimizer)
        kind: Any = type(optimizer)
        if not hasattr(kind.step, "traced_by_scaffold"):
            kind.step = _traced_step(kind.step, tracer)

    _patch_modules(torch.nn.Module, tracer)
    torch.autograd.backward = backward
    torch.autograd.grad = grad
    torch.optim.Optimizer.__init__ = begin_optimizer
    for name in LOSSES:
        original = getattr(torch.nn.functional, name, None)
        if original is not None:
            setattr(torch.nn.functional, name, _traced_loss(original, tracer))


def _patch_modules(base: Any, tracer: Tracer) -> None:
    """Hook calls of modules, their forward, and changes of their settings."""
    call_module, begin, set_attribute = base.__call__, base.__init__, base.__setattr__

    def call(module: object, *args: object, **kwargs: object) -> object:
        return tracer.called(call_module, module, args, kwargs)

    @functools.wraps(begin)
    def begin_module(module: object, *args: object, **kwargs: object) -> None:
        begin(module, *args, **kwargs)
        tracer.modules.append(weakref.ref(module))
        _trace_forward(type(module), tracer)

    @functools.wraps(set_attribute)
    def set_traced(module: object, name: str, value: object) -> None:
        if name in SETTINGS and type(module).__module__.startswith("torch.nn."):
            tracer.noted_setting(module, name, module.__dict__.get(name), value)
        set_attribute(module, name, value)

    base.__call__ = call
    base.__init__ = begin_module
    base.__setattr__ = set_traced


def _trace_forward(kind: type, tracer: Tracer) -> None:
    """Let `forward` of a class that is not torch's own be seen when it is called by its name."""
    owner: Any = next((one for one in kind.__mro__ if "forward" in vars(one)), None)
    if owner is None or (owner.__module__.startswith("torch.") and owner.__name__ != "Sequential"):
        return
    original = vars(owner)["forward"]
    if not callable(original) or hasattr(original, "traced_by_scaffold"):
        return

    @functools.wraps(original)
    def forward(module: object, *args: object, **kwargs: object) -> object:
        return tracer.call_forward(original, module, args, kwargs)

    _mark(forward)
    owner.forward = forward


def _mark(function: Any) -> None:
    function.traced_by_scaffold = True


def _traced_loss(original: Original, tracer: Tracer) -> Original:
    def loss(*args: object, **kwargs: object) -> object:
        if len(args) > 1:
            args = (args[0], tracer.noted_targets(args[1]), *args[2:])
        elif "target" in kwargs:
            kwargs["target"] = tracer.noted_targets(kwargs["target"])
        return original(*args, **kwargs)

    loss.__name__ = original.__name__
    return loss


def _traced_step(original: Original, tracer: Tracer) -> Original:
    """Let the tracer see each step of a kind of optimizer.

    One that is given a closure goes backward inside it.
    """

    def step(
        optimizer: object,
        closure: object = None,
        *args: object,
        **kwargs: object,
    ) -> object:
        hidden: list[tuple[Tensor, Tensor]] = []
        run: Any = closure

        def traced_closure() -> object:
            result: object = run()
            hidden.extend(tracer.optimizer_begins(optimizer))
            return result

        try:
            if closure is None:
                hidden.extend(tracer.optimizer_begins(optimizer))
                return original(optimizer, *args, **kwargs)
            return original(optimizer, traced_closure, *args, **kwargs)
        finally:
            for parameter, gradient in hidden:
                parameter.grad = gradient
            tracer.optimizer_ended(optimizer)

    _mark(step)
    for name in ("hooked", "__doc__", "__name__", "__wrapped__"):
        if hasattr(original, name):
            setattr(step, name, getattr(original, name))
    return step
