"""YAML to records: every problem at once, each with its line; none of YAML 1.1's surprises."""

import pytest
import yaml
from helpers import TOY_RECIPE, merged
from hypothesis import given
from hypothesis import strategies as st

from scaffold.errors import BrokenFileError
from scaffold.records.fields import check_git_url, check_relpath, fill_slots, find_slots
from scaffold.records.parsing import Record, digest, parse_record
from scaffold.records.recipe import Recipe

GOOD = yaml.safe_dump(merged(TOY_RECIPE, {"reference": {"tree": "0" * 39 + "a"}}), sort_keys=False)


class Numbers(Record):
    a: float | str
    b: float | bool | str = ""


def problems(text, record=Recipe):
    with pytest.raises(BrokenFileError) as caught:
        parse_record(record, text, source="recipe.yaml")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("3", 3.0),
        ("0.5", 0.5),
        ("010", "010"),
        ("1:30", "1:30"),
        ("on", "on"),
        ("1234567890" * 4, "1234567890" * 4),
    ],
)
def test_plain_scalars_are_what_they_look_like(text, value):
    assert parse_record(Numbers, f"a: {text}", source="f").a == value


def test_good_recipe_is_read_and_written_without_loss():
    recipe = parse_record(Recipe, GOOD, source="recipe.yaml")
    again = Recipe.model_validate(recipe.model_dump(mode="json", by_alias=True))
    assert again == recipe and digest(again) == digest(recipe)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "f:1: the file is empty"),
        ("a: 1\na: 2", "f:2: key 'a' is given twice: keep one"),
        ("a: &x 1\nb: *x", "f:2: aliases (*name) are not used here: write it out"),
        ("a: [1", "f:1: "),
        ("- 1", "f:1: must be a mapping of keys"),
        ("a: !!python/object:os.system x", "f:1: tags (!name) are not used here"),
        ("? [1]\n: 2", "f:1: a key must be plain text"),
        ("a: 1\nb: \x00", "f:2: has the character '\\x00', which no text file has"),
    ],
)
def test_broken_yaml(text, expected):
    with pytest.raises(BrokenFileError) as caught:
        parse_record(Numbers, text, source="f")
    assert str(caught.value.problems[0]).startswith(expected)


@pytest.mark.parametrize(
    ("old", "new", "verdicts"),
    [
        ("how: argument", "how: offset", "a command has a {seed} slot: write argument, not offset"),
        ("python train.py {seed}", "python train.py", "argument needs a {seed} slot in a command"),
        ("python train.py {seed}", "python train.py {sede}", "{sede} is not a hyperparameter"),
        ("python train.py {seed}", "python 'train.py {seed}", "cannot be split into words"),
        ("path: reference", "path: ../reference", "must stay inside its folder"),
        ("path: reference", "path: .git/hooks", "must not name .git"),
        (
            "license: MIT",
            "license: MIT\n  git: https://a.org/b",
            "give exactly one of: git, hub, package, path",
        ),
        ("python: '>=3.10'", "python: three", "must be a version range"),
        ("(?P<value>\\S+)", "(\\S+)", "must have a group (?P<value>...)"),
        ("(?P<value>\\S+)", "(?P<value>\\S+", "is not a regular expression"),
        ("value: 0.9", "value: .nan", "should be a valid number"),
        ("dataset: nothing", "dataset: anything", "'anything' is none of the datasets ['nothing']"),
        ("name: loss", "name: accuracy", "'accuracy' is taken by an earlier one"),
        ("format: 1", "format: 2", "input should be 1"),
    ],
)
def test_each_mistake_has_its_message(old, new, verdicts):
    assert old in GOOD
    found = problems(GOOD.replace(old, new))
    assert any(verdicts in problem for problem in found), found
    assert all(problem.startswith("recipe.yaml:") for problem in found)


def test_mistakes_between_parts_are_told_beside_mistakes_within():
    text = GOOD.replace("direction: higher", "direction: up").replace(
        "dataset: nothing", "dataset: anything"
    )
    assert len(problems(text)) == 2


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_any_document_is_a_recipe_or_a_list_of_problems(document):
    try:
        parse_record(Recipe, yaml.safe_dump(document), source="f")
    except BrokenFileError as error:
        assert error.problems


@given(
    st.sampled_from(["seeds", "metrics", "claims", "commands", "reference", "datasets", "rule"]),
    st.data(),
)
def test_any_part_may_be_anything(part, data):
    value = data.draw(
        st.none()
        | st.integers()
        | st.text()
        | st.lists(st.none() | st.dictionaries(st.text(), st.none()))
    )
    try:
        parse_record(Recipe, yaml.safe_dump({**yaml.safe_load(GOOD), part: value}), source="f")
    except BrokenFileError as error:
        assert error.problems


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@host/x",
        "ext::sh -c id",
        "-oProxyCommand=x",
        "http://host/x",
        "https://host/a/../b",
        "file://relative",
        "https://host/%2e%2e/x",
        "git@host:x",
    ],
)
def test_urls_that_are_refused(url):
    with pytest.raises(ValueError, match="must be an https"):
        check_git_url(url)


@pytest.mark.parametrize(
    "path",
    ["", "/a", "a/../b", "a//b", "./a", "a\\b", "c:x", "a/.GIT/b", ".git", "aux.txt", "a\nb"],
)
def test_paths_that_are_refused(path):
    with pytest.raises(ValueError, match="must"):
        check_relpath(path)


def test_slots():
    assert find_slots("a {b} {{c}} {d}") == ["b", "d"]
    assert fill_slots("{{x}} {a}", {"a": "{b.__class__}"}) == "{x} {b.__class__}"
    with pytest.raises(ValueError, match="expected"):
        find_slots("{a")


@pytest.mark.parametrize(
    "text, line, message",
    [
        ("a: b: c", 1, "has a second ': '"),
        ("a: 1\n b: 2", 2, "indented wrongly"),
        ("a:\n\t- 1", 2, "indent with spaces"),
        ('a: "x\nb: 1', 2, "a quote is not closed; it begins in line 1"),
        ("c: 1\na: [1,", 2, "a bracket is not closed"),
        ("c: 1\na: {x: 1\nb: 2", 3, "it begins in line 2"),
        ("a: @b", 1, "no text begins with '@' here: quote it"),
        ("a: !x b", 1, "tags (!name) are not used here"),
        ("a:\n  - 1\n  b: 2", 3, "is indented otherwise than the lines before it"),
        ("a: 1\nbcd\ne: 2", 3, "a key lacks its colon; it begins in line 2"),
    ],
)
def test_text_that_is_no_yaml_is_told_in_plain_words(text, line, message):
    with pytest.raises(BrokenFileError) as caught:
        parse_record(Recipe, text, source="recipe.yaml")
    (problem,) = caught.value.problems
    assert message in problem.message and problem.line == line
