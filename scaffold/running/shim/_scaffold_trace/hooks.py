"""Hook torch where a program is seen: calls of modules, backward, optimizers, losses."""

import functools
import weakref

from _scaffold_trace.late import SETTINGS

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


def patch(torch, tracer):
    """Let the tracer know of each."""
    run_backward, run_grad = torch.autograd.backward, torch.autograd.grad
    begin = torch.optim.Optimizer.__init__

    def backward(tensors, *args, **kwargs):
        return tracer.backward(run_backward, tensors, args, kwargs)

    def grad(outputs, inputs, *args, **kwargs):
        return tracer.gradients_of(run_grad, outputs, inputs, args, kwargs)

    def begin_optimizer(optimizer, *args, **kwargs):
        begin(optimizer, *args, **kwargs)
        tracer.optimizers.append(optimizer)
        kind = type(optimizer)
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


def _patch_modules(base, tracer):
    """Hook calls of modules, their forward, and changes of their settings."""
    call_module, begin, set_attribute = base.__call__, base.__init__, base.__setattr__

    def call(module, *args, **kwargs):
        return tracer.called(call_module, module, args, kwargs)

    @functools.wraps(begin)
    def begin_module(module, *args, **kwargs):
        begin(module, *args, **kwargs)
        tracer.modules.append(weakref.ref(module))
        _trace_forward(type(module), tracer)

    @functools.wraps(set_attribute)
    def set_traced(module, name, value):
        if name in SETTINGS and type(module).__module__.startswith("torch.nn."):
            tracer.noted_setting(module, name, module.__dict__.get(name), value)
        set_attribute(module, name, value)

    base.__call__ = call
    base.__init__ = begin_module
    base.__setattr__ = set_traced


def _trace_forward(kind, tracer):
    """Let `forward` of a class that is not torch's own be seen when it is called by its name."""
    owner = next((one for one in kind.__mro__ if "forward" in vars(one)), None)
    if owner is None or (owner.__module__.startswith("torch.") and owner.__name__ != "Sequential"):
        return
    original = vars(owner)["forward"]
    if not callable(original) or hasattr(original, "traced_by_scaffold"):
        return

    @functools.wraps(original)
    def forward(module, *args, **kwargs):
        return tracer.call_forward(original, module, args, kwargs)

    forward.traced_by_scaffold = True
    owner.forward = forward


def _traced_loss(original, tracer):
    def loss(*args, **kwargs):
        if len(args) > 1:
            args = (args[0], tracer.noted_targets(args[1]), *args[2:])
        elif "target" in kwargs:
            kwargs["target"] = tracer.noted_targets(kwargs["target"])
        return original(*args, **kwargs)

    loss.__name__ = original.__name__
    return loss


def _traced_step(original, tracer):
    """Let the tracer see each step of a kind of optimizer.

    One that is given a closure goes backward inside it.
    """

    def step(optimizer, closure=None, *args, **kwargs):
        hidden = []

        def traced_closure():
            result = closure()
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

    step.traced_by_scaffold = True
    for name in ("hooked", "__doc__", "__name__", "__wrapped__"):
        if hasattr(original, name):
            setattr(step, name, getattr(original, name))
    return step
