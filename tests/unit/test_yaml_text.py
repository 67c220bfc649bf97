"""What is written as YAML reads as the same, by us and by others."""

import pytest
import yaml

from scaffold.records.yaml_text import dump_yaml, read_value

TRAPS = [
    *("3e3", "27e27", "1e-3", "5e-05", "1e400", ".5", "5.", "+1", ".inf", "12345678901234567890"),
    *("on", "no", "true", "null", "~", "", "=", "<<", "-", "010", "0x1f", "1_000", "1:30"),
    *(
        "2026-11-01",
        "- a",
        "a: b",
        "#x",
        "x # y",
        "é",
        "'x'",
        '"y"',
        "a\nb",
        " x",
        "{a}",
        "*a",
        "!t",
    ),
]


@pytest.mark.parametrize("text", TRAPS)
def test_a_text_stays_a_text(text):
    document = {"key": text, text or "empty": [text]}
    written = dump_yaml(document)
    assert read_value(written) == yaml.safe_load(written) == document


@pytest.mark.parametrize(
    "value", [0, -3, 0.001, 1e-5, 5e-300, 1e22, True, None, [1, "a"], {"b": 1.5}]
)
def test_other_values_stay_as_they_are(value):
    assert read_value(dump_yaml({"key": value})) == {"key": value}


def test_values_are_read_as_files_are():
    texts = ("1e-3", "no", "on", "010", "1:30", "true", "3")
    assert [read_value(text) for text in texts] == [0.001, "no", "on", "010", "1:30", True, 3]


def test_a_list_that_is_there_twice_is_written_twice():
    shared = [1, 2]
    assert read_value(dump_yaml({"a": shared, "b": shared})) == {"a": [1, 2], "b": [1, 2]}


def test_a_key_given_twice_is_an_error():
    with pytest.raises(yaml.YAMLError, match="given twice"):
        read_value("{a: 1, a: 2}")
