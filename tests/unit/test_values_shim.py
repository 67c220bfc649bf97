"""What functions give, as arrays: whatever differs must differ there, and nothing is passed over."""

import collections
import dataclasses
import datetime
import decimal
import sys

import numpy as np
import pytest

from scaffold.running import shim

sys.path.insert(0, shim.__path__[0])  # as where a program runs
from _scaffold_trace.values import Reader

Pair = collections.namedtuple("Pair", "name value")


@dataclasses.dataclass
class Measured:
    name: str
    value: float


class Node:
    def __init__(self, value):
        self.value = value


def sparse(rows):
    from scipy.sparse import csr_matrix

    return csr_matrix(np.asarray(rows, dtype=float))


def frame(**columns):
    import pandas

    return pandas.DataFrame(columns)


def fitted(depth):
    from sklearn.tree import DecisionTreeClassifier

    points = np.random.default_rng(0).random((60, 3))
    return DecisionTreeClassifier(max_depth=depth, random_state=0).fit(
        points, points[:, 0] > points[:, 1]
    )


def neighbors(points, labels):
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(1).fit(points, labels)


def read(value):
    reader = Reader("/some/tree/")
    return {place: array.tolist() for place, array in reader.arrays_in(value)}, reader.unread


UNLIKE = {
    "texts beside numbers": (
        {"top": [["a", "b"]], "sure": np.ones(2)},
        {"top": [["b", "a"]], "sure": np.ones(2)},
    ),
    "an item more": ([np.ones(2)] * 5, [np.ones(2)] * 6),
    "the sixtieth item": ([[k, [k]] for k in range(60)], [[k, [k - (k == 59)]] for k in range(60)]),
    "complex numbers": (np.array([1 + 2j]), np.array([1 - 2j])),
    "a complex number": (1 + 2j, 1 - 2j),
    "columns of a sparse matrix": ((sparse([[1, 0, 2]]), 3), (sparse([[0, 1, 2]]), 3)),
    "moments": (np.array(["2026-01-01"], dtype="M8[D]"), np.array(["2026-01-02"], dtype="M8[D]")),
    "a date": ((1, datetime.date(2026, 1, 1)), (1, datetime.date(2026, 1, 2))),
    "an array of texts": (np.array(["a", "b"]), np.array(["b", "a"])),
    "objects": (np.array(["a", None, 1.5], dtype=object), np.array(["a", 0, 1.5], dtype=object)),
    "a set": ({"a", "b"}, {"a", "c"}),
    "nothing instead of something": ((1, None), (1, "")),
    "a record": (Measured("a", 1.0), Measured("b", 1.0)),
    "a named tuple": (Pair("a", 1.0), Pair("b", 1.0)),
    "decimals": (decimal.Decimal("0.1"), decimal.Decimal("0.2")),
    "a structured array": (
        np.array([(1, 2.0)], dtype="i4,f8"),
        np.array([(1, 3.0)], dtype="i4,f8"),
    ),
    "lists of other lengths": ([[1, 2], [3]], [[1, 2], [3, 4]]),
    "a text beside a large number": (("left", 1600000000000), ("right", 1600000000000)),
    "a list of complex numbers": (list(np.roots([1, 0, 1])), list(np.roots([1, 0, 4]))),
    "short complex numbers": (np.complex64(1 + 2j), np.complex64(1 - 2j)),
    "places of later items": (
        [[{"a": 1, "b": 2}]] * 51,
        [[{"a": 1, "b": 2}]] * 50 + [[{"a": 2, "b": 1}]],
    ),
    "the order of columns": (frame(a=[1], b=[2]), frame(b=[2], a=[1])),
    "what is masked": (np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[1, 0])),
    "a set of pairs": ({(1, "a")}, {(1, "b")}),
    "neighbours": (neighbors([[0.0], [1.0]], [0, 1]), neighbors([[5.0], [9.0]], [1, 0])),
    "keys that are pairs": ({(1, 2): 3.0}, {(1, 2): 4.0}),
    "a fitted tree": (fitted(2), fitted(3)),
    "a row of a table": (frame(a=[1, 2], b=["x", "y"]), frame(a=[1, 2], b=["y", "x"])),
}


@pytest.mark.parametrize("name", UNLIKE)
def test_values_that_differ_are_other_arrays(name):
    one, other = UNLIKE[name]
    assert read(one) != read(other)
    assert read(one)[1] == set()


def test_the_index_of_a_table_counts():
    table = frame(a=[1, 2])
    assert read(table) != read(table.set_index(np.array([1, 0])))


def test_however_a_sparse_matrix_was_filled_it_is_the_same():
    from scipy.sparse import coo_matrix

    twice = coo_matrix(([1.0, 1.0, 0.0], ([0, 0, 0], [1, 1, 2])), shape=(1, 3))
    assert read(twice) == read(sparse([[0, 2, 0]]))


@pytest.mark.parametrize("value", [Node(1), (1, Node(1)), {"a": 1, "b": lambda: 0}, [iter([1])]])
def test_what_cannot_be_read_is_told(value):
    assert read(value)[1] != set()


def test_where_the_program_lies_is_no_part_of_a_text():
    assert read("/some/tree/out.csv") == read("out.csv") != read("/other/out.csv")


def test_of_what_is_given_only_numbers_count():
    reader = Reader("/some/tree/", only_numbers=True)
    assert [place for place, _ in reader.arrays_in({"a": [1, "x"], "b": 2.0})] == ["[a]", "[b]"]


def test_a_number_for_all_of_a_value_is_another_one_for_another_value():
    reader = Reader("/some/tree/")
    for one, other in UNLIKE.values():
        assert reader.mark_of(one) != reader.mark_of(other)


def test_directions_of_independent_numbers_and_of_an_orthogonal_matrix():
    from _scaffold_trace.store import cosines

    rng = np.random.default_rng(0)
    orthogonal = np.linalg.qr(rng.normal(size=(64, 64)))[0]
    assert cosines(orthogonal)[0] < 1e-20 and cosines(orthogonal)[1] == 64 * 63 // 2
    for shape in ((64, 64), (300, 40), (16, 3, 3, 3)):
        mean, pairs = cosines(rng.normal(size=shape))
        assert abs(mean - 1) < 5 * np.sqrt(2 / pairs)
    assert cosines(np.ones((8, 8)))[0] == pytest.approx(8)
    assert cosines(np.zeros((8, 8))) == cosines(np.ones(8)) == (0.0, 0)


def test_an_object_that_breaks_when_it_is_looked_at_breaks_nothing():
    class Lazy:
        def __getattr__(self, name):
            raise RuntimeError(name)

    value = (1.0, Lazy())
    reader = Reader("/some/tree/")
    assert ("[0]", 1.0) in [(place, float(array)) for place, array in reader.arrays_in(value)]
    assert reader.unread and reader.mark_of(value) == reader.mark_of(value)


def test_more_items_than_are_looked_at_are_told():
    assert read([[1, "a"]] * 5050)[1] == set()
    assert read([[1, "a"]] * 5051)[1] == {"more than 5050 items"}


def test_a_number_that_is_another_each_time_takes_no_text_with_it():
    places = [place for place, _ in Reader("/some/tree/").arrays_in(("mean", 0.25))]
    assert places == ["", "~text"]
