"""What tensors of a rewritten network are made of.

What may be declared, what is suggested, where numbers go.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

import scaffold.running.shim as shim
from scaffold.errors import UsageError
from scaffold.rules.parity.weight_maps import parse_weights, suggest

sys.path.insert(0, shim.__path__[0])
from _scaffold_trace.weights import Layout

sys.path.remove(str(Path(shim.__path__[0])))

REFERENCE = [("m.qkv.weight", [6, 2]), ("m.out.weight", [2, 3]), ("m.out.bias", [2])]
NUMBERS = {
    name: np.arange(np.prod(shape)).reshape(shape) + 100.0 * i
    for i, (name, shape) in enumerate(REFERENCE)
}


def layout(own, declared):
    return Layout(REFERENCE, own, parse_weights(declared))


def test_parts_transposes_and_joins_go_there_and_back():
    declared = {
        "m.q": "m.qkv.weight | part 1/3",
        "m.kv": ["m.qkv.weight | part 2/3", "m.qkv.weight | part 3/3"],
        "m.o": "m.out.weight | transpose | reshape 6",
        "m.out.bias": "m.out.bias",
    }
    made = layout({"m.q": (2, 2), "m.kv": (4, 2), "m.o": (6,), "m.out.bias": (2,)}, declared)
    assert not (made.missing or made.extra or made.problems)
    placed = made.place(NUMBERS)
    assert np.array_equal(placed["m.q"], NUMBERS["m.qkv.weight"][:2])
    assert np.array_equal(placed["m.kv"], NUMBERS["m.qkv.weight"][2:])
    assert np.array_equal(placed["m.o"], NUMBERS["m.out.weight"].T.ravel())
    back = made.gather(placed)
    assert all(np.array_equal(back[name], NUMBERS[name]) for name, _ in REFERENCE)
    assert made.sources("m.kv") == ["m.qkv.weight"]


def test_nothing_is_transposed_silently():
    made = layout({"m.qkv.weight": (6, 2), "m.out.weight": (3, 2), "m.out.bias": (2,)}, {})
    assert made.missing == ["m.out.weight"] and made.extra == ["m.out.weight"]
    assert "has shape [3, 2], its map gives [2, 3]" in made.problems[0]


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ("m.qkv.weight | part 4/3", "'part 4/3' is not an operation"),
        ("m.qkv.weight | turn", "'turn' is not an operation"),
        ("m.qkv.weight | reshape 4*3", "'reshape 4*3' is not an operation"),
    ],
)
def test_what_is_no_operation_is_named(declared, told):
    with pytest.raises(UsageError, match="weights: own: ") as caught:
        parse_weights({"own": declared})
    assert told in caught.value.message


def test_what_does_not_fit_is_said():
    made = layout({"m.a": (3, 2)}, {"m.a": "m.qkv.weight | part 1/4"})
    assert "6 rows are not 4 equal parts" in made.problems[0]
    made = layout({"m.a": (3, 2)}, {"m.a": "m.nowhere"})
    assert "the reference has no m.nowhere" in made.problems[0]


def test_a_guess_is_by_shape_kind_and_order():
    reference = {
        "r.a.weight": (4, 3),
        "r.a.bias": (4,),
        "r.b.weight": (5, 4),
        "r.qkv.weight": (6, 2),
    }
    own = {
        "o.b.weight": (4, 5),
        "o.a.bias": (4,),
        "o.a.weight": (4, 3),
        "o.q.weight": (2, 2),
        "o.k.weight": (2, 2),
        "o.v.weight": (2, 2),
    }
    assert suggest(reference, own) == {
        "o.a.bias": "r.a.bias",
        "o.a.weight": "r.a.weight",
        "o.b.weight": "r.b.weight | transpose",
        "o.q.weight": "r.qkv.weight | part 1/3",
        "o.k.weight": "r.qkv.weight | part 2/3",
        "o.v.weight": "r.qkv.weight | part 3/3",
    }
    joined = suggest({"r.q.weight": (2, 2), "r.k.weight": (2, 2)}, {"o.qk.weight": (4, 2)})
    assert joined == {"o.qk.weight": ["r.q.weight", "r.k.weight"]}
    assert suggest({"r.norm.weight": (7,)}, {"o.norm.scale": (7,)}) == {
        "o.norm.scale": "r.norm.weight"
    }
    assert suggest({"r.a.weight": (4, 3)}, {"o.a.weight": (9, 9)}) == {}
    assert suggest(
        {"r.a.weight": (4,), "r.b.bias": ()}, {"o.a.weight": (), "o.c.weight": (0,)}
    ) == {"o.a.weight": "r.b.bias"}
