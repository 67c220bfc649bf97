"""What a tracer records of the modules inside a network. Mixed into `Tracer`."""

from __future__ import annotations

from _scaffold_trace.options import dtype_of
from _scaffold_trace.state import State
from _scaffold_trace.store import summary, to_array
from _scaffold_trace.trees import tensors_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from _scaffold_trace.kinds import Args, Kwargs, Module, Original, Tensor
    from _scaffold_trace.networks import Network

GIVEN = ("torch.dropout", "torch.attention dropout")
"""Draws that get here though they are given to both programs alike: those of them drop nothing."""


class Recording(State):
    """Inputs, outputs and draws, each with its module's path and the number of the call."""

    def inner(
        self,
        original: Original,
        module: Module,
        args: Args,
        kwargs: Kwargs,
        network: Network,
        recording: tuple[str, int],
    ) -> Any:
        """Record a module inside a network: inputs, and outputs before others change them."""
        check, step = recording
        path = network.paths.get(id(module), "")
        number = self.counts[path] = self.counts.get(path, self.begins_at - 1) + 1
        self.record(check, "input", (args, kwargs), path, number, step, keep=False)
        self.path.append(path)
        try:
            output = original(module, *args, **kwargs)
        finally:
            self.path.pop()
        self.record(check, "output", output, path, number, step, keep=step == 0)
        return output

    def record(
        self,
        check: str,
        aspect: str,
        value: object,
        path: str,
        number: int,
        step: int,
        keep: bool = True,
    ) -> None:
        """Record all tensors inside a value."""
        is_tensor_found = False
        for place, tensor in tensors_in(value, self.answers.is_tensor):
            is_tensor_found = True
            if tensor.is_floating_point() or aspect != "input":
                self.store.add(
                    check,
                    aspect + place,
                    self.known(tensor),
                    path,
                    number,
                    step,
                    dtype_of(tensor),
                    keep,
                )
        if not is_tensor_found and aspect == "output":
            self.store.say(
                check, "%s gives no tensors, but %s: not compared" % (path, type(value).__name__)
            )

    def place(self) -> str:
        """Return the path of the innermost module that is at work."""
        if self.path:
            return self.path[-1]
        return self.outer.name if self.outer else ""

    def known(self, tensor: Tensor) -> dict[str, Any]:
        """Return a tensor's summary; what one module gives and the next gets is summed up once."""
        key = tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor._version
        if key not in self.summed:
            # Held, so that nothing else gets its place.
            self.summed[key] = (
                summary(to_array(tensor)),
                tensor,
            )
        return self.summed[key][0]

    def noted_draw(self, name: str) -> None:
        """Note a draw that is not a mask, inside a network in training.

        It cannot be given to both.
        """
        if self.masks.is_active() and not self.in_backward and not name.startswith(GIVEN):
            path = self.place()
            drawn = self.store.index.setdefault("drawn", [])
            if [name, path] not in drawn and len(drawn) < 50:
                drawn.append([name, path])
