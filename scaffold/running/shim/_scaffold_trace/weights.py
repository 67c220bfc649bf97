"""Places values of the reference's tensors into differently named and shaped ones, and reads them back.

A map says of which of the reference's tensors each own tensor is made: terms that are joined along the first axis,
each of them a tensor's name followed by operations. It only moves numbers, so that it is kept as positions: each own
element has one in the row of all of the reference's numbers.
"""

import numpy as np


class Layout:
    """Positions of own tensors' elements among the reference's.

    Args:
        reference: (name, shape) of the reference's tensors.
        own: shape of each own tensor by name.
        terms: own name -> list of terms, each [["take", name], ["part", i, n], ["transpose"], ["reshape", shape]].
    """

    def __init__(self, reference, own, terms):
        self.reference = reference
        self.problems = []
        self.places = {}
        offset, numbered = 0, {}
        for name, shape in reference:
            size = int(np.prod(shape, dtype=np.int64))
            numbered[name] = np.arange(offset, offset + size, dtype=np.int64).reshape(shape)
            offset += size
        self.size = offset
        for name, shape in own.items():
            wanted = terms.get(name)
            if wanted is None and name in numbered:
                wanted = [[["take", name]]]
            if wanted is None:
                continue
            try:
                made = np.concatenate([_evaluate(term, numbered) for term in wanted]) if len(wanted) > 1 else None
                made = _evaluate(wanted[0], numbered) if made is None else made
            except (KeyError, ValueError, IndexError) as error:
                self.problems.append("%s: %s" % (name, error))
                continue
            if tuple(made.shape) != tuple(shape):
                self.problems.append("%s has shape %s, its map gives %s" % (name, list(shape), list(made.shape)))
                continue
            self.places[name] = made
        covered = np.zeros(self.size, dtype=bool)
        for places in self.places.values():
            covered[places.ravel()] = True
        self.missing = [name for name, numbers in numbered.items() if not covered[numbers].all()]
        self.extra = [name for name in own if name not in self.places]

    def row(self, values):
        """The reference's values as one row; 0 where there are none."""
        parts = [
            np.asarray(values[name], dtype=np.float64).ravel()
            if values.get(name) is not None
            else np.zeros(int(np.prod(shape, dtype=np.int64)))
            for name, shape in self.reference
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def place(self, values):
        """Own name -> array, from the reference's values."""
        row = self.row(values)
        return {name: row[places] for name, places in self.places.items()}

    def gather(self, own):
        """Reference's name -> array, from own arrays; None where one of those it is made of is None."""
        row, known = np.full(self.size, np.nan), np.zeros(self.size, dtype=bool)
        for name, places in self.places.items():
            if own.get(name) is not None:
                row[places] = own[name]
                known[places.ravel()] = True
        found, offset = {}, 0
        for name, shape in self.reference:
            size = int(np.prod(shape, dtype=np.int64))
            part = slice(offset, offset + size)
            found[name] = row[part].reshape(shape) if known[part].all() else None
            offset += size
        return found

    def sources(self, name):
        """The reference's tensors that an own one is made of."""
        marks = np.cumsum([0] + [int(np.prod(shape, dtype=np.int64)) for _, shape in self.reference])
        used = np.unique(np.searchsorted(marks, self.places[name].ravel(), side="right") - 1)
        return [self.reference[index][0] for index in used]


def _evaluate(term, numbered):
    made = None
    for operation, *given in term:
        if operation == "take":
            if given[0] not in numbered:
                raise KeyError("the reference has no %s" % given[0])
            made = numbered[given[0]]
        elif operation == "part":
            index, count = given
            if made.shape[0] % count:
                raise ValueError("%d rows are not %d equal parts" % (made.shape[0], count))
            made = np.split(made, count)[index]
        elif operation == "transpose":
            made = np.swapaxes(made, -1, -2)
        elif operation == "reshape":
            made = made.reshape(given[0])
    return made
