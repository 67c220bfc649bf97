"""Read the name of a split as people write it. Pure."""

from typing import Any

from scaffold.rules.loop.gaps import SPLITS

HELD_OUT = "held-out"
"""Training rows that a run with fewer of them did not train on: no split of its own."""

_NAMES = {
    **{name: name for name in SPLITS},
    **dict.fromkeys(("val", "valid", "dev", "eval"), "validation"),
    **dict.fromkeys(("train_dev", "traindev"), "train-dev"),
    **dict.fromkeys(("training",), "train"),
    **dict.fromkeys(("testing",), "test"),
    **dict.fromkeys((HELD_OUT, "held_out", "heldout"), HELD_OUT),
}


def split_named(text: Any) -> str | None:
    """Return the split that a table means, however it writes it; None if it is none."""
    return _NAMES.get(str(text or "").strip().lower())
