"""Find examples whose label the model doubts: confident learning, by cleanlab.

Northcutt, Jiang, Chuang: Confident Learning (2021). It needs predictions of examples that the model
was not trained on: it has learned the others' labels, the wrong ones too.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scaffold.datasets.tables import plain_label
from scaffold.probes.predictions import class_shares

_MOST_CELLS = 50_000_000
"""Examples times classes: 400 MB of probabilities."""


class SuspectsError(Exception):
    """Why no suspects could be looked for."""


def find_suspects(rows: Iterable[Mapping[str, Any]], n: int) -> Sequence[int]:
    """Return the numbers of the rows whose label is doubted, the most doubtful first.

    Args:
        rows: of one split that was not trained on.
        n: how many there are.

    Raises:
        SuspectsError: there are no columns p_CLASS for every label, too many rows, or no cleanlab.
    """
    try:
        from cleanlab.filter import find_label_issues
    except ImportError as error:
        raise SuspectsError("needs cleanlab: pip install 'mlloop-new[errors]'") from error
    import numpy as np

    labels: list[int] = []
    shares = None
    classes: dict[str, int] = {}
    for row, cells in enumerate(rows):
        known = class_shares(cells)
        if shares is None:
            classes = {plain_label(name): column for column, name in enumerate(known)}
            if len(classes) < 2:
                raise SuspectsError("the table has no columns p_CLASS")
            if n * len(classes) > _MOST_CELLS:
                raise SuspectsError(f"{n:,} examples of {len(classes):,} classes are too many")
            shares = np.zeros((n, len(classes)))
        label = plain_label(cells["label"])
        if label not in classes or len(known) != len(classes):
            raise SuspectsError(f"label {label!r} has no column p_{label}, or a cell has no number")
        labels.append(classes[label])
        shares[row] = list(known.values())
    if shares is None or (shares < 0).any() or not (shares.sum(axis=1) > 0).all():
        raise SuspectsError("the columns p_CLASS are no probabilities")
    shares /= shares.sum(axis=1, keepdims=True)
    present = sorted(set(labels))
    if len(present) < 2:
        raise SuspectsError(f"all labels are {plain_label(list(classes)[present[0]])!r}")
    issues = find_label_issues(
        np.array([present.index(label) for label in labels]),
        shares[:, present],
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    return [int(one) for one in issues]
