"""What a tracer notices of changes that come late: settings of modules, seeds given again.

Mixed into `Tracer`.
"""

from __future__ import annotations

from _scaffold_trace.state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _scaffold_trace.kinds import Module

MOST_NOTED = 200
"""Changes that are noted."""

SETTINGS = (
    "p",
    "momentum",
    "eps",
    "negative_slope",
    "alpha",
    "inplace",
    "track_running_stats",
    "affine",
    "num_heads",
)
"""Attributes of torch's own modules that say what they compute."""


class Late(State):
    """Settings and seeds, from the first step on."""

    def begin_late(self) -> None:
        """Begin to watch."""
        self.changed_at = -1
        self.seeds = {}
        self.store.index.update(changed=[], reseeded=[])
        self.spec.setdefault("planned", [])
        self.spec.setdefault("auxiliary", [])
        self.spec.setdefault("bursts", 0)
        self.spec.setdefault("seconds", 0)

    def noted_setting(self, module: Module, name: str, before: object, after: object) -> None:
        """Note that a setting of one of torch's modules is another one from now on."""
        if self.is_busy or self.step == 0 or before == after:
            return
        path = next(
            (n.paths[id(module)] for n in self.networks.values() if id(module) in n.paths), None
        )
        if path is None:
            return
        self.note_change("%s.%s" % (path, name), before, after)

    def note_change(self, name: str, before: object, after: object) -> None:
        """Note a change, so that the next step is looked at."""
        self.changed_at = self.step
        noted = self.store.index["changed"]
        if len(noted) < MOST_NOTED:
            noted.append([self.step, name, before, after])

    def was_changed(self) -> bool:
        """Return whether a setting has changed since the step before: then this one is fed."""
        return self.changed_at >= 0 and self.step - self.changed_at <= 1

    def noted_seed(self, call: str, value: object) -> None:
        """Note that a global generator begins again at an earlier state: its masks repeat."""
        if self.is_busy or self.is_replay or call != "torch.manual_seed" or not self.networks:
            return
        known = self.seeds.setdefault(repr(value), self.step)
        noted = self.store.index["reseeded"]
        if known != self.step and len(noted) < MOST_NOTED:
            noted.append([self.step, repr(value)[:40]])
