"""What the parts of a tracer share: declarations only, nothing that runs."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable
    from weakref import ref

    from _scaffold_trace.answers import Answers, Fixed
    from _scaffold_trace.draws import Masks
    from _scaffold_trace.kinds import (
        Args,
        Array,
        Inputs,
        Key,
        Kwargs,
        Module,
        Optimizer,
        Original,
        Tensor,
        Torch,
    )
    from _scaffold_trace.networks import Entry, Network
    from _scaffold_trace.store import Store


class State:
    """Attributes of a `Tracer`, which sets them, and methods that one part calls of another."""

    torch: Torch
    spec: dict[str, Any]
    store: Store
    golden: Store | None
    masks: Masks
    answers: Answers
    end: Callable[[str], None]
    claim: Callable[[], bool]

    # What is asked for.
    is_wide: bool
    is_replay: bool
    is_real: bool
    by_gradient: bool

    # What the program has. Modules, networks and optimizers are known by their ids.
    networks: dict[int, Network]
    entries: dict[int, Entry]
    modules: list[ref[Module]]
    optimizers: list[Optimizer]
    stepped: dict[int, Optimizer]
    known_options: dict[int, dict[int, list[float]]]

    # How far it is.
    step: int
    updates: int
    backwards: int
    loss: Array | None
    loss_dtype: str | None
    arrived: int
    fed_now: bool
    began: float
    thread: int
    is_busy: bool
    in_backward: bool
    is_training: bool

    # The call that is being answered.
    outer: Network | None
    calling: list[Module]
    calls_of_step: int
    site: str
    placed: set[str]
    recording: tuple[str, int] | None
    counts: dict[str, int]
    begins_at: int
    path: list[str]
    summed: dict[tuple[Any, ...], tuple[dict[str, Any], Tensor]]

    # Evaluations.
    bursts: int
    bursts_before: int
    burst_calls: int
    in_burst: bool
    given_away: dict[str, Array]

    fixed_gradients: dict[tuple[str, int], Fixed]
    changed_at: int
    seeds: dict[str, int]

    # Methods of `Tracer` and `Recording`.
    fact: Callable[[str, Any], Any]
    record: Callable[[str, str, object, str, int, int], None]

    # Of `Feeding`.
    rounded: Callable[[str, Tensor], Tensor]
    learn_shape: Callable[[Key, Original, Module, Args, Kwargs], None]

    # Of `Following`.
    record_updates: Callable[[int], None]
    notice_assigned: Callable[[int, bool], None]
    follow_batch: Callable[[str, Entry, Inputs], dict[str, Array]]
    follow_modes: Callable[[str, Entry], None]

    # Of `Evaluations` and `Late`.
    forward_eval: Callable[[Original, Entry, Inputs], None]
    note_change: Callable[[str, object, object], None]
