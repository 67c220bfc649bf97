"""Call a network a second time, as the program evaluates it, and leave no trace of that."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from _scaffold_probe.watch import Item, Watch


def copied(torch: Any, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return arguments whose tensors can be changed in place without harm."""
    return tuple(one.detach().clone() if isinstance(one, torch.Tensor) else one for one in values)


def compare_twice(watch: Watch, item: Item) -> None:
    """Call the network again as the program evaluates it, whole and row by row."""
    torch = watch.torch
    state = torch.get_rng_state()
    buffers = [
        (owner, name, value, None if value is None else value.clone())
        for owner in item.module.modules()
        for name, value in owner._buffers.items()
    ]
    args = copied(torch, item.inputs)
    scale = float(item.output.abs().mean()) + 1e-12
    try:
        with torch.no_grad():
            again = watch.first_tensor(item.module(*args, **item.kwargs))
            if again is not None and again.shape == item.output.shape:
                watch.twice = float((again - item.output).abs().max()) / scale
            args = copied(torch, item.inputs)
            rows = tuple(one[:1] if isinstance(one, torch.Tensor) else one for one in args)
            single = watch.first_tensor(item.module(*rows, **item.kwargs))
            if single is not None and single.shape[1:] == item.output.shape[1:]:
                watch.alone = float((single[0] - item.output[0]).abs().max()) / scale
    except ValueError:
        watch.alone = float("inf")  # batch normalization cannot take one row in training
    finally:  # also where a call fails: the program goes on as if nothing had been called
        torch.set_rng_state(state)
        with torch.no_grad():
            for owner, name, value, content in buffers:
                owner._buffers[name] = value
                if value is not None:
                    value.copy_(content)
