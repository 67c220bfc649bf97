"""Let a program compute in float64 without its cooperation: equal rewrites agree to 13 digits."""

from __future__ import annotations

import functools

from _scaffold_trace.trees import with_tensors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from _scaffold_trace.kinds import Args, Kwargs, Original, Tensor, Torch


def widen(torch: Torch) -> object:
    """Make every narrower floating type that the program asks for float64.

    Raises:
        AttributeError: this torch has no function modes (they came with 2.0).
    """
    narrow = (torch.float32, torch.float16, torch.bfloat16)
    casts = (torch.Tensor.float, torch.Tensor.half, torch.Tensor.bfloat16)

    def is_tensor(value: object) -> bool:
        return isinstance(value, torch.Tensor)

    def widened(tensor: Tensor) -> Tensor:
        return tensor.double() if tensor.dtype in narrow else tensor

    def wide(value: object) -> object:
        return torch.float64 if isinstance(value, torch.dtype) and value in narrow else value

    # The program's torch is `Any`.
    class Widen(torch.overrides.TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(
            self,
            function: Original,
            types: object,
            args: Args = (),
            kwargs: Kwargs | None = None,
        ) -> Any:
            if function in casts:
                return args[0].double()
            args = tuple([wide(value) for value in args])
            kwargs = {key: wide(value) for key, value in (kwargs or {}).items()}
            try:
                result = function(*args, **kwargs)
            except RuntimeError:
                # A tensor made before, or of numbers that the program read, is still narrow.
                args, kwargs = with_tensors(
                    (args, kwargs), is_tensor, lambda _, tensor: widened(tensor)
                )
                result = function(*args, **kwargs)
            if isinstance(result, torch.Tensor) and result.dtype in narrow and result.is_leaf:
                return result.double().requires_grad_(result.requires_grad)
            return result

    set_default = torch.set_default_dtype
    set_default(torch.float64)
    torch.set_default_dtype = lambda dtype: set_default(wide(dtype))
    autocast = torch.amp.autocast_mode.autocast
    begin = autocast.__init__

    @functools.wraps(begin)
    def without_autocast(self: Any, *args: object, **kwargs: object) -> None:
        begin(self, *args, **kwargs)
        self._enabled = False

    autocast.__init__ = without_autocast
    mode = Widen()
    mode.__enter__()
    return mode
