"""Draw splits: random, stratified by label, by group, or by time. Pure.

The order of units is that of a digest of their key and the seed: it depends on no random generator,
so that another machine or version draws the same.
"""

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence

TRAIN, TRAIN_DEV = "train", "train-dev"


def draw(
    units: Sequence[str], shares: Mapping[str, float], seed: int, strata: Sequence[Hashable] = ()
) -> list[str]:
    """Return the split of each example.

    Args:
        units: by example, the key of what stays in one split: its group, or itself.
        shares: of each split; they add up to 1.
        seed: draws others.
        strata: by example, what each split has its share of: its label.
    """
    members = defaultdict(list)
    for index, unit in enumerate(units):
        members[unit].append(index)
    groups = defaultdict(list)
    for unit, indices in members.items():
        groups[strata[indices[0]] if strata else None].append(unit)
    chosen = [TRAIN] * len(units)
    owed = dict.fromkeys(shares, 0.0)
    for stratum in sorted(groups, key=repr):
        shuffled = sorted(groups[stratum], key=lambda unit: _rank(unit, seed))
        size = sum(len(members[unit]) for unit in shuffled)
        quotas = {}
        for name in shares:
            # What rounding left over in one label is made up for in the next.
            owed[name] += shares[name] * size
            quotas[name] = round(owed[name])
            owed[name] -= quotas[name]
        for unit, name in _fill(shuffled, members, quotas):
            for index in members[unit]:
                chosen[index] = name
    return chosen


def draw_by_time(
    times: Sequence[float], units: Sequence[str], shares: Mapping[str, float], seed: int
) -> list[str]:
    """Return the split of each example: train first, then validation, test last.

    Examples of one moment stay together. train-dev is drawn at random from the time of train.
    """
    order = sorted(range(len(times)), key=times.__getitem__)
    ends, end = {}, 0.0
    for name in ("train", "validation", "test"):
        end += shares.get(name, 0.0) + (shares.get(TRAIN_DEV, 0.0) if name == TRAIN else 0.0)
        ends[name] = end * len(times)
    names = iter(ends)
    name, before, chosen = next(names), None, [""] * len(times)
    for place, index in enumerate(order):
        while place >= round(ends[name]) and times[index] != before and name != "test":
            name = next(names)
        chosen[index], before = name, times[index]
    early = [index for index in order if chosen[index] == TRAIN]
    part = shares.get(TRAIN_DEV, 0.0) / (shares.get(TRAIN_DEV, 0.0) + shares[TRAIN])
    drawn = draw([units[index] for index in early], {TRAIN: 1 - part, TRAIN_DEV: part}, seed)
    for index, split in zip(early, drawn, strict=True):
        chosen[index] = split
    return chosen


def _rank(unit: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{unit}".encode()).digest()


def _fill(
    units: Iterable[str], members: Mapping[str, Sequence[int]], quotas: Mapping[str, int]
) -> list[tuple[str, str]]:
    """Return units with their splits: each goes where most is missing, the smallest split first."""
    missing = {name: quotas[name] for name in sorted(quotas, key=lambda name: quotas[name])}
    placed = []
    for unit in units:
        size = len(members[unit])
        fitting = [name for name in missing if missing[name] >= size]
        name = fitting[0] if fitting else max(missing, key=lambda name: missing[name])
        missing[name] -= size
        placed.append((unit, name))
    return placed
