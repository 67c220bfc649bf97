"""The hook points in torch through which a program is seen: calls of modules, backward, optimisers, losses."""

LOSSES = (
    "cross_entropy", "nll_loss", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
)  # fmt: skip


def patch(torch, tracer):
    """Let the tracer know of each."""
    call_module, run_backward, run_grad = torch.nn.Module.__call__, torch.autograd.backward, torch.autograd.grad
    begin = torch.optim.Optimizer.__init__

    def call(module, *args, **kwargs):
        return tracer.call(call_module, module, args, kwargs)

    def backward(tensors, *args, **kwargs):
        return tracer.backward(run_backward, tensors, args, kwargs)

    def grad(outputs, inputs, *args, **kwargs):
        return tracer.gradients_of(run_grad, outputs, inputs, args, kwargs)

    def begin_optimiser(optimiser, *args, **kwargs):
        begin(optimiser, *args, **kwargs)
        tracer.optimisers.append(optimiser)
        kind = type(optimiser)
        if not hasattr(kind.step, "traced_by_scaffold"):
            kind.step = _traced_step(kind.step, tracer)

    torch.nn.Module.__call__ = call
    torch.autograd.backward = backward
    torch.autograd.grad = grad
    torch.optim.Optimizer.__init__ = begin_optimiser
    for name in LOSSES:
        original = getattr(torch.nn.functional, name, None)
        if original is not None:
            setattr(torch.nn.functional, name, _traced_loss(original, tracer))


def _traced_loss(original, tracer):
    def loss(*args, **kwargs):
        tracer.noted_targets(args[1] if len(args) > 1 else kwargs.get("target"))
        return original(*args, **kwargs)

    loss.__name__ = original.__name__
    return loss


def _traced_step(original, tracer):
    def step(optimiser, *args, **kwargs):
        hidden = tracer.optimiser_steps(optimiser)
        try:
            return original(optimiser, *args, **kwargs)
        finally:
            for parameter, gradient in hidden:
                parameter.grad = gradient

    step.traced_by_scaffold = True
    for name in ("hooked", "__doc__", "__name__", "__wrapped__"):
        if hasattr(original, name):
            setattr(step, name, getattr(original, name))
    return step
