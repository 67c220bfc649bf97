"""What a tracer follows over the whole run: weights, examples, modes. Mixed into `Tracer`."""

from __future__ import annotations

import numpy as np

from _scaffold_trace.feeding import rounding
from _scaffold_trace.state import State
from _scaffold_trace.steps import FED, LOOP
from _scaffold_trace.store import marks_of_rows, to_array
from _scaffold_trace.trees import tensors_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _scaffold_trace.kinds import Array, Inputs
    from _scaffold_trace.networks import Entry, Network


class Following(State):
    """Series of what happens in every step."""

    def record_updates(self, k: int) -> None:
        """Record what the step before k did to the weights."""
        if k == 0 or self.store.index.get("updates_seen") == k:
            return
        self.store.index["updates_seen"] = k
        was_fed = k - 1 in self.store.index["fed"]
        for network in list(self.networks.values()):
            if was_fed and not self.is_real:
                if network.updated_in == k - 1 and network.placed == "update %d" % (
                    network.updates - 1
                ):
                    self.record_changes(network, k)
            elif self.is_wide or self.is_real:
                if k <= FED + LOOP:
                    for name, array in network.weights().items():
                        if array is not None:
                            self.store.add(
                                "loop",
                                "weights",
                                array,
                                name,
                                0,
                                k - 1,
                                network.dtype,
                                k == FED + 1,
                            )
            elif network.updates:
                # The effect of the learning rate, whoever applies it.
                self.store.follow("moved." + network.name, [k] + network.probe())

    def notice_assigned(self, k: int, is_evaluated: bool) -> None:
        """Follow steps before which a program assigns weights other values than its optimizer left.

        Whether it has evaluated in between is told: clipping of weights belongs to an update, and
        comes before that.
        """
        for network in self.networks.values():
            if network.left_as is not None:
                now = network.probe()
                if now != network.left_as:
                    self.store.follow("assigned." + network.name, [k, is_evaluated])
                network.left_as = now

    def record_changes(self, network: Network, k: int) -> None:
        """Record how far the weights are from those that were given."""
        for name, array in network.weights().items():
            # Later on only what was updated in all steps before has the state that it should.
            if array is not None and name in network.made and (k <= FED or name in network.probed):
                floor = float(np.abs(array).max()) * rounding(network.dtype) if array.size else 0.0
                change = array - network.made[name]
                keep = k in (1, FED)
                self.store.add(
                    "optimizer", "change", change, name, 0, k - 1, network.dtype, keep, floor
                )

    def follow_batch(self, kind: str, entry: Entry, inputs: Inputs) -> dict[str, Array]:
        """Follow a mark of each example that a network gets; return marks by input.

        The number of examples is followed as well.
        """
        marks: dict[str, Array] = {}
        for place, tensor in tensors_in(inputs, self.answers.is_tensor):
            marks[place] = marks_of_rows(to_array(tensor).astype(np.float64))
            self.store.follow("%s.%s%s" % (kind, entry.name, place), marks[place][:, 0])
        first = next(iter(marks.values()), ())
        self.store.follow(kind + ".count", [self.step, len(first), entry.number])
        return marks

    def follow_modes(self, name: str, entry: Entry) -> None:
        """Follow how many modules train and how many parameters are trained.

        Whether gradients are wanted is followed as well.
        """
        modes = [inner.training for inner in entry.module.modules()]
        trained = sum(parameter.requires_grad for parameter in entry.network.parameters.values())
        self.store.follow(
            name,
            [self.step, modes[0], sum(modes) / len(modes), self.torch.is_grad_enabled(), trained]
            + [entry.number],
        )
