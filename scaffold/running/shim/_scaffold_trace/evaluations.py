"""What a tracer does where a program evaluates: calls a network without a gradient.

Mixed into `Tracer`.
"""

from __future__ import annotations

import numpy as np

from _scaffold_trace.options import dtype_of
from _scaffold_trace.state import State
from _scaffold_trace.steps import FED, LOOP
from _scaffold_trace.store import row_marks, to_array
from _scaffold_trace.trees import tensors_in, with_tensors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from _scaffold_trace.kinds import Args, Array, Inputs, Kwargs, Original, Salt
    from _scaffold_trace.networks import Entry

MOST_EVALUATED = 64
"""Calls of the first evaluation that are computed."""

MIXES = (0.0, 0.5, 1.0, 0.25)
"""How evaluations mix two sets of answers, in turn; the last one of all is the last of these, which
lies between the others: what reports the best one, or the first, reports another."""

SHARED = 0.5
"""Share of a network's outputs that another trains on, from which on that is what they were made
for."""


class Evaluations(State):
    """Bursts of calls between two steps; calls in training are `Tracer`'s."""

    def forward_eval(self, original: Original, entry: Entry, inputs: Inputs) -> None:
        """Make the same call in evaluation mode, beside the program's own."""
        torch, module = self.torch, entry.module
        modes = [(inner, inner.training) for inner in module.modules()]
        states = torch.get_rng_state(), np.random.get_state(), self.masks.copy_states()
        module.eval()
        self.counts, self.begins_at = {}, 0
        self.summed = {}
        self.recording = ("forward_eval", 0)
        was_training, self.is_training = self.is_training, False
        try:
            with torch.no_grad():
                copies = with_tensors(
                    inputs, self.answers.is_tensor, lambda _, tensor: tensor.clone()
                )
                output = original(module, *copies[0], **copies[1])
            self.recording = None
            self.record("forward_eval", "output", output, entry.name, 0, 0)
        except Exception as error:
            self.store.say("forward_eval", "%s: %s" % (type(error).__name__, error))
        finally:
            self.recording = None
            self.is_training = was_training
            for inner, mode in modes:
                inner.training = mode
            torch.set_rng_state(states[0])
            np.random.set_state(states[1])
            self.masks.restore_states(states[2])
            entry.network.place(entry.network.placed)

    def evaluate(self, original: Original, entry: Entry, args: Args, kwargs: Kwargs) -> Any:
        """Answer a call without gradient, or in evaluation mode."""
        network = entry.network
        if self.is_wide and FED <= self.step < FED + LOOP and self.arrived >= FED:
            return original(entry.module, *args, **kwargs)
        if not self.in_burst:
            self.in_burst, self.burst_calls = True, 0
            self.bursts += 1
            self.notice_assigned(self.step, False)
            # An evaluation between two steps must not hide what the optimizer did.
            self.record_updates(self.step)
            self.placed = set()
        number, first = self.burst_calls, self.bursts == 1
        if not first or number == 0:  # the first evaluation is given weights
            row = [self.step] + network.probe() + network.probe_statistics()
            self.store.follow("evaluation.weights", row)
        self.burst_calls += 1
        self.follow_modes("evaluation.calls", entry)
        rows = self.follow_batch("evaluation", entry, (args, kwargs))
        marks = self.answers.marks(entry.name, rows)
        key = (entry.name, "evaluation", self.answers.shapes((args, kwargs)))
        if self.is_real:
            output = original(entry.module, *args, **kwargs)
            self.record_evaluated(entry.name, output, marks, number) if first else None
            return self.give_away(output)
        if first and number < MOST_EVALUATED:
            if network.name not in self.placed:
                self.placed.add(network.name)
                network.place("evaluation")
            with self.torch.no_grad():
                output = original(entry.module, *args, **kwargs)
            self.record_evaluated(entry.name, output, marks, number)
            self.answers.learn(key, output)
        else:
            self.learn_shape(key, original, entry.module, args, kwargs)
        needs_gradient = self.torch.is_grad_enabled()
        salt = self.salt_of_burst()
        answer = self.answers.give(
            key, entry.name + " evaluation", salt, marks, (args, kwargs), needs_gradient
        )
        return self.give_away(answer)

    def salt_of_burst(self) -> Salt:
        """Return which answers the present evaluation gets.

        They are a mixture of two sets, and a little of its own.
        """
        total = (self.golden or self.store).index.setdefault("expected_bursts", self.spec["bursts"])
        share = MIXES[-1] if self.bursts == total else MIXES[(self.bursts - 1) % len(MIXES)]
        own = "evaluation %d" % self.bursts
        return ("evaluations", "evaluations otherwise", share), own, 0.05

    def record_evaluated(self, name: str, output: object, marks: Array | None, number: int) -> None:
        """Follow outputs by example, so that the number of calls does not matter; others whole."""
        rows = -1 if marks is None else len(marks)
        for place, tensor in tensors_in(output, self.answers.is_tensor):
            if tensor.dim() and tensor.shape[0] == rows:
                row_ids = row_marks(to_array(tensor).astype(np.float64))
                self.store.follow("evaluation.outputs.%s%s" % (name, place), row_ids)
            else:
                dtype = dtype_of(tensor)
                self.store.add(
                    "evaluation", "output" + place, to_array(tensor), name, number, 0, dtype
                )
        if marks is not None:
            self.store.follow("evaluation.examples." + name, np.asarray(marks)[:, 0])

    def notice_auxiliary(self, marks: dict[str, Array]) -> None:
        """Notice that a network trains on a gradient-free output of another.

        That call was no evaluation.
        """
        for giver, output_ids in self.given_away.items():
            if any(np.isin(output_ids, rows[:, 0]).mean() > SHARED for rows in marks.values()):
                self.store.index.setdefault("feeds_training", []).append(giver)
                self.end("auxiliary")

    def give_away(self, output: Any) -> Any:
        """Remember what a network gave without gradient in training mode, until the next update."""
        for _, tensor in tensors_in(output, self.answers.is_tensor):
            if self.site and tensor.dim() and tensor.is_floating_point() and tensor.numel():
                self.given_away[self.site] = row_marks(to_array(tensor))
        return output

    def noted_targets(self, target: Any) -> Any:
        """Follow targets that reach torch's own losses, by example; return what the loss gets."""
        if (
            not self.networks
            or self.outer is not None
            or self.in_backward
            or not self.answers.is_tensor(target)
        ):
            return target
        if not self.is_replay:
            kind = "evaluation" if self.in_burst and self.arrived < self.step else "train"
            marks = row_marks(to_array(target).astype(np.float64)) if target.dim() else np.zeros(1)
            self.store.follow(kind + ".targets", marks)
            self.store.follow(kind + ".targets.count", [self.step, len(marks)])
        if self.spec["disturb"] and self.is_wide and not target.requires_grad:
            return self.rounded("targets", target)
        return target
