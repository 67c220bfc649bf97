"""What a tracer does where a program runs by itself, nothing given but its first weights.

Mixed into `Tracer`.
"""

from __future__ import annotations

import time

from _scaffold_trace.state import State
from _scaffold_trace.steps import FED
from _scaffold_trace.trees import with_tensors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from _scaffold_trace.kinds import Args, Kwargs, Original
    from _scaffold_trace.networks import Entry


class Replays(State):
    """A run that is followed from update to update."""

    def replay(self, original: Original, entry: Entry, args: Args, kwargs: Kwargs) -> Any:
        """Feed nothing but the first weights; what happens is only followed."""
        if not entry.network.placed:
            entry.network.place("replay")
        if self.arrived < self.step:
            self.follow_weights()
            self.arrived = self.step
            self.masks.begin(self.step)
        if self.spec["disturb"]:
            args, kwargs = with_tensors((args, kwargs), self.answers.is_tensor, self.rounded)
        return original(entry.module, *args, **kwargs)

    def follow_weights(self) -> None:
        """Follow the weights after each step; end after the wanted number of replayed steps."""
        if self.step:
            self._follow_weights_of_all()
        if self.golden is not None:
            if self.golden.index.get("ended") == "done" and self.step >= self.golden.index["steps"]:
                self.end("done")
        elif (
            self.spec["seconds"]
            and time.process_time() - self.began > self.spec["seconds"]
            and self.step >= FED
        ):
            self.end("done")

    def follow_weights_at_end(self) -> None:
        """Follow what the last step made of all weights."""
        if self.arrived < self.step:
            self._follow_weights_of_all()

    def _follow_weights_of_all(self) -> None:
        """Follow the moments of every network's weights at this step."""
        for network in list(self.networks.values()):
            self.store.follow("weights." + network.name, [self.step, *network.moments()])
