"""The reference of files and answers: every key and every kind is in it, and each link leads."""

import re

import pytest

from scaffold.records.recipe import Recipe
from scaffold.records.system import System
from scaffold.views.kinds import KINDS
from scaffold.views.reference import answers_reference, files_reference
from scaffold.views.schemas import make_schemas


@pytest.mark.parametrize("make", [files_reference, answers_reference])
def test_every_link_leads_to_one_section(make):
    text = make()
    sections = [name.lower() for name in re.findall(r"^## (.+)$", text, re.MULTILINE)]
    assert len(sections) == len(set(sections))
    assert set(re.findall(r"\]\(#(.+?)\)", text)) <= set(sections)


def test_every_key_is_in_the_section_of_its_file():
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=\n## |\Z)", files_reference(), re.M | re.S))
    for name, model in (("recipe.yaml", Recipe), ("system.yaml", System)):
        for key in model.model_fields:
            assert f"\n| `{key}` |" in sections[name]
    # The glossary's words where the record has none; limits, choices and defaults as they hold.
    assert "published numbers" not in sections["recipe.yaml"].split("| `task`")[0]
    assert (
        "| `metrics` | list of: [Metric](#metric), at least 1 | required | which"
        in (sections["recipe.yaml"])
    )
    assert "`neutral`, `improve`, `cheaper`, `data`, `rewrite`" in sections["tweaks/*.yaml"]
    assert (
        "| `max_pairs` | whole number, at least 4, at most 100 | `28` |" in (sections["ChangeRule"])
    )


def test_parts_of_one_name_are_the_same_in_all_files():
    """They share one section."""
    parts = {}
    for file, schema in make_schemas().items():
        if not file.startswith("answers"):
            for name, part in schema.get("$defs", {}).items():
                assert parts.setdefault(name, part) == part


def test_every_kind_of_answer_has_its_shape():
    text = answers_reference()
    for kind, shape in KINDS.items():
        assert f"| `{kind}` | [{shape.__name__}](#{shape.__name__.lower()}) |" in text
        assert f"\n## {shape.__name__}\n" in text
