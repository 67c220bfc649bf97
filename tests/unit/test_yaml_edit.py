"""An edit changes one place of a text, and no other character."""

import pytest

from scaffold.records.yaml_edit import find_block, remove_block, replace_scalar

TEXT = """\
# head
id: toy  # its name
rates: {low: 1e-3, high: "0.1"}
note: |
  id: no key
  # no comment

# of calibration
calibration: runs.json

seeds:
  flag: --seed # kept
# end
"""


def test_a_scalar_is_replaced_where_it_stands_and_nowhere_else():
    assert replace_scalar(TEXT, ("id",), "other") == TEXT.replace("id: toy ", "id: other ")
    assert replace_scalar(TEXT, ("rates", "high"), "0.2") == TEXT.replace('"0.1"', "0.2")
    assert replace_scalar(TEXT, ("seeds", "flag"), "-s") == TEXT.replace("--seed", "-s")


@pytest.mark.parametrize(
    ("path", "value"),
    [(("none",), "1"), (("rates",), "1"), (("note",), "1"), (("id",), "a\nb"), (("id", "x"), "1")],
)
def test_what_is_no_scalar_on_one_line_is_not_replaced(path, value):
    assert replace_scalar(TEXT, path, value) is None


def test_a_block_ends_before_the_comments_of_the_next_one():
    assert find_block(TEXT, "note") == "note: |\n  id: no key\n  # no comment\n"
    assert find_block(TEXT, "seeds") == "seeds:\n  flag: --seed # kept\n"
    assert find_block("a: 1", "a") == "a: 1"


def test_a_block_is_removed_with_its_value_alone():
    assert remove_block(TEXT, "calibration") == TEXT.replace("calibration: runs.json\n", "")
    assert remove_block(TEXT, "none") == TEXT


@pytest.mark.parametrize("text", ["{id: toy}", "- id: toy", "id: [", ""])
def test_other_layouts_have_no_blocks(text):
    assert find_block(text, "id") is None
    assert remove_block(text, "id") == text
